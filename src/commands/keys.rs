//! `tercet keys`

use std::path::PathBuf;

use serde::Serialize;

use crate::arguments::KeysArguments;
use crate::deployment::make_party;
use crate::exit::Failure;
use crate::output::Report;

/// What others need to know of a new identity.
#[derive(Serialize)]
pub struct KeysReport {
    directory: PathBuf,
    certificate_sha256: String,
    sealing_key: String,
}

/// Makes an identity.
pub fn run(arguments: &KeysArguments) -> Result<KeysReport, Failure> {
    let keys = make_party(&arguments.out, &arguments.name)?;
    Ok(KeysReport {
        directory: arguments.out.clone(),
        certificate_sha256: keys.certificate_sha256.to_string(),
        sealing_key: keys.sealing_key.map(|key| key.to_string()).unwrap_or_default(),
    })
}

impl Report for KeysReport {
    fn text(&self) -> String {
        format!(
            "Wrote identity.crt, identity.key and sealing.key to {}.\n\
             Tell the other organisations, over a channel you trust:\n\n\
             certificate_sha256 = \"{}\"\nsealing_key = \"{}\"\n\n\
             The .key files stay here. A coordinator or a client needs no sealing.key.\n",
            self.directory.display(),
            self.certificate_sha256,
            self.sealing_key
        )
    }
}
