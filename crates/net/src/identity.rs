use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ED25519};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use zeroize::{Zeroize, Zeroizing};

use crate::Fingerprint;

/// A process's name on the network: a self-signed certificate and its private key.
///
/// Peers pin the certificate's [`Fingerprint`]; its names, dates and issuer are not looked at, so it stays good until it
/// is replaced on both sides.
#[derive(Clone)]
pub struct Identity {
    certificate: CertificateDer<'static>,
    key: Arc<WipedKey>,
}

struct WipedKey(PrivateKeyDer<'static>);

impl Drop for WipedKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Why an identity could not be made, saved or loaded. Fault: configuration.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file could not be read.
    #[error("cannot read {}: {source}; `tercet keys` makes an identity", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file could not be written; an existing one is never overwritten.
    #[error("cannot write {}: {source}; choose a directory that is writable and holds no identity yet", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Others may read the private key.
    #[error("{} can be read by other users; run `chmod 600 {}` and, if they could have read it, make a new one", path.display(), path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// The file is not the PEM it should be.
    #[error("{} holds no {what} in PEM form; `tercet keys` makes one", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
    },
    /// The private key belongs to another certificate.
    #[error("the private key in {} does not belong to the certificate in {}; use the two files that were made together", key.display(), certificate.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The key pair or certificate could not be made. Fault: own bug or the operating system's randomness.
    #[error("cannot make an identity: {0}")]
    Generate(String),
}

impl Identity {
    /// A fresh Ed25519 key and a self-signed certificate for it. `name` is for people who read the certificate.
    ///
    /// # Errors
    /// [`IdentityError::Generate`].
    pub fn generate(name: &str) -> Result<Identity, IdentityError> {
        let failed = |error: rcgen::Error| IdentityError::Generate(error.to_string());
        let key = KeyPair::generate_for(&PKCS_ED25519).map_err(failed)?;
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, name);
        let certificate = parameters.self_signed(&key).map_err(failed)?;
        let der = Zeroizing::new(key.serialize_der());
        let key = PrivateKeyDer::try_from(der.to_vec()).map_err(|error| IdentityError::Generate(error.to_owned()))?;
        Ok(Identity {
            certificate: certificate.der().clone(),
            key: Arc::new(WipedKey(key)),
        })
    }

    /// Writes certificate and key as PEM, the key readable by the owner alone. Existing files are left as they are.
    ///
    /// # Errors
    /// [`IdentityError::Write`].
    pub fn save(&self, certificate: &Path, key: &Path) -> Result<(), IdentityError> {
        let secret = Zeroizing::new(pem_text("PRIVATE KEY", self.key.0.secret_der()));
        write_new(key, 0o600, secret.as_bytes())?;
        write_new(
            certificate,
            0o644,
            pem_text("CERTIFICATE", &self.certificate).as_bytes(),
        )
    }

    /// Reads what [`Identity::save`] or any other tool wrote as PEM.
    ///
    /// # Errors
    /// Every variant of [`IdentityError`] but the writing ones.
    pub fn load(certificate_path: &Path, key_path: &Path) -> Result<Identity, IdentityError> {
        let text = read(certificate_path)?;
        let certificate = CertificateDer::from_pem_slice(&text).map_err(|_| IdentityError::Malformed {
            path: certificate_path.to_owned(),
            what: "certificate",
        })?;
        let text = Zeroizing::new(read(key_path)?);
        let mode = fs::metadata(key_path).map(|metadata| metadata.permissions().mode());
        if mode.is_ok_and(|mode| mode & 0o077 != 0) {
            return Err(IdentityError::Exposed {
                path: key_path.to_owned(),
            });
        }
        let malformed_key = || IdentityError::Malformed {
            path: key_path.to_owned(),
            what: "private key",
        };
        let key = WipedKey(PrivateKeyDer::from_pem_slice(&text).map_err(|_| malformed_key())?);
        let signer = ring::sign::any_supported_type(&key.0).map_err(|_| malformed_key())?;
        if CertifiedKey::new(vec![certificate.clone()], signer)
            .keys_match()
            .is_err()
        {
            return Err(IdentityError::Mismatch {
                certificate: certificate_path.to_owned(),
                key: key_path.to_owned(),
            });
        }
        Ok(Identity {
            certificate,
            key: Arc::new(key),
        })
    }

    /// What peers pin.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of_certificate(&self.certificate)
    }

    /// Certificate and key as the handshake uses them.
    pub(crate) fn certified_key(&self) -> Result<CertifiedKey, rustls::Error> {
        let signer = ring::sign::any_supported_type(&self.key.0)?;
        Ok(CertifiedKey::new(vec![self.certificate.clone()], signer))
    }

    /// What a thief of a certificate alone would present.
    #[cfg(test)]
    pub(crate) fn with_key_of(self, other: &Identity) -> Identity {
        Identity {
            key: other.key.clone(),
            ..self
        }
    }

    /// A key that only this identity knows, the same after every restart.
    pub(crate) fn derive_key(&self, context: &str) -> [u8; 32] {
        blake3::derive_key(context, self.key.0.secret_der())
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.fingerprint())
    }
}

fn read(path: &Path) -> Result<Vec<u8>, IdentityError> {
    fs::read(path).map_err(|source| IdentityError::Read {
        path: path.to_owned(),
        source,
    })
}

fn write_new(path: &Path, mode: u32, content: &[u8]) -> Result<(), IdentityError> {
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .and_then(|mut file| file.write_all(content))
        .map_err(|source| IdentityError::Write {
            path: path.to_owned(),
            source,
        })
}

/// RFC 7468 text of a DER value.
fn pem_text(label: &str, der: &[u8]) -> String {
    pem::encode(&pem::Pem::new(label, der))
}
