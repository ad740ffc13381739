use std::path::Path;

use tercet_config::{CertificateDigest, SealingKeyBytes};
use tercet_net::Identity;
use tercet_sharing::SealingKeyPair;

use crate::exit::Failure;

/// The public half of an identity: what others pin.
#[derive(Clone, Copy, Debug)]
pub struct Keys {
    /// SHA-256 of the certificate.
    pub certificate_sha256: CertificateDigest,
    /// The public sealing key, of a node.
    pub sealing_key: Option<SealingKeyBytes>,
}

/// Makes certificate and private key in `directory`, which is made if need be.
pub fn make_identity(directory: &Path, name: &str) -> Result<Keys, Failure> {
    let failed =
        |reason: String| Failure::machine(format!("cannot make an identity in {}: {reason}", directory.display()));
    std::fs::create_dir_all(directory).map_err(|reason| failed(reason.to_string()))?;
    let identity = Identity::generate(name).map_err(|reason| failed(reason.to_string()))?;
    let saved = identity.save(&directory.join("identity.crt"), &directory.join("identity.key"));
    saved.map_err(|reason| failed(reason.to_string()))?;
    Ok(Keys {
        certificate_sha256: CertificateDigest(identity.fingerprint().0),
        sealing_key: None,
    })
}

/// Makes what a node needs: certificate, private key and sealing key.
pub fn make_party(directory: &Path, name: &str) -> Result<Keys, Failure> {
    let keys = make_identity(directory, name)?;
    let pair = SealingKeyPair::generate(&mut rand::rng());
    pair.save(&directory.join("sealing.key")).map_err(Failure::machine)?;
    Ok(Keys {
        sealing_key: Some(SealingKeyBytes(pair.public().0)),
        ..keys
    })
}
