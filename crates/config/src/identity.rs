use std::path::PathBuf;

use serde::Deserialize;

use crate::check::{Check, FileCheck};
use crate::field::{Field, UnknownKeys};

/// `[identity]`: who this program is. `tercet keys --out DIRECTORY` makes the three files.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct IdentityFile {
    /// Path of the certificate (PEM) that peers pin by its SHA-256. No default.
    pub certificate: Field<String>,
    /// Path of the certificate's private key (PEM), mode 0600. No default. Whoever has it can pose as this program.
    pub private_key: Field<String>,
    /// Path of the key that opens envelopes, mode 0600; nodes only. No default. Whoever has it reads this party's shares.
    pub sealing_key: Field<String>,
    #[serde(flatten)]
    unknown: UnknownKeys,
}

/// Certificate and key of a coordinator or a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientIdentity {
    /// The certificate, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub private_key: PathBuf,
}

/// Certificate and keys of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeIdentity {
    /// The certificate, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub private_key: PathBuf,
    /// The private key that opens envelopes.
    pub sealing_key: PathBuf,
}

const CERTIFICATE: &str = "certificate = \"identity.crt\"";
const PRIVATE_KEY: &str = "private_key = \"identity.key\"";
const SEALING_KEY: &str = "sealing_key = \"sealing.key\"";

impl NodeIdentity {
    pub(crate) fn read(check: &mut Check, file: IdentityFile) -> Option<NodeIdentity> {
        check.unknown(&file.unknown, &["certificate", "private_key", "sealing_key"]);
        let certificate = check.path("certificate", file.certificate, CERTIFICATE);
        let private_key = check.path("private_key", file.private_key, PRIVATE_KEY);
        let sealing_key = check.path("sealing_key", file.sealing_key, SEALING_KEY);
        Some(NodeIdentity {
            certificate: certificate?,
            private_key: private_key?,
            sealing_key: sealing_key?,
        })
    }

    pub(crate) fn check_files(&self, files: &mut FileCheck) {
        files.readable("identity.certificate", &self.certificate);
        files.private("identity.private_key", &self.private_key);
        files.private("identity.sealing_key", &self.sealing_key);
    }
}

impl ClientIdentity {
    pub(crate) fn read(check: &mut Check, file: IdentityFile) -> Option<ClientIdentity> {
        check.unknown(&file.unknown, &["certificate", "private_key"]);
        if file.sealing_key != Field::Absent {
            check.fault("sealing_key", "only nodes open envelopes; remove the key");
        }
        let certificate = check.path("certificate", file.certificate, CERTIFICATE);
        let private_key = check.path("private_key", file.private_key, PRIVATE_KEY);
        Some(ClientIdentity {
            certificate: certificate?,
            private_key: private_key?,
        })
    }

    pub(crate) fn check_files(&self, files: &mut FileCheck) {
        files.readable("identity.certificate", &self.certificate);
        files.private("identity.private_key", &self.private_key);
    }
}
