use std::fmt;
use std::path::PathBuf;

/// One thing that is wrong in a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The key, with its sections: `limits.sessions`.
    pub key: String,
    /// What is wrong and what to write instead.
    pub sentence: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.sentence)
    }
}

/// Why a configuration can't be used. Whoever wrote the file is at fault.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("cannot read the configuration file {path}: {reason}; give the path of an existing TOML file")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        reason: String,
    },
    /// The file isn't TOML.
    #[error("{path} is not valid TOML: {reason}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why.
        reason: String,
    },
    /// The file is TOML, but not a usable configuration.
    #[error("{path} has {}:{}", count(faults), lines(faults))]
    Faults {
        /// The file.
        path: PathBuf,
        /// Everything that is wrong.
        faults: Vec<Fault>,
    },
}

fn count(faults: &[Fault]) -> String {
    match faults.len() {
        1 => "one fault".to_owned(),
        many => format!("{many} faults"),
    }
}

fn lines(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("\n  {fault}")).collect()
}
