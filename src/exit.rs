//! How the program ends: a documented code and one sentence.

use std::fmt;

use serde::Serialize;
use tercet_config::ConfigError;

/// Exit codes. Each has a page under `docs/exit-codes/` that says how to resolve it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExitCode {
    /// Done.
    Success = 0,
    /// A fault of this program.
    Internal = 1,
    /// The command line is wrong.
    Usage = 2,
    /// A configuration file, an identity or a deployment's state is wrong.
    Configuration = 3,
    /// The model can't be read, imported or compiled.
    Model = 4,
    /// An input or expected array can't be used with the model.
    Input = 5,
    /// The private result isn't the plain one.
    Disagreement = 6,
    /// The coordinator can't be reached.
    Unreachable = 7,
    /// A party is lost or misbehaves.
    Party = 8,
    /// The deployment is full.
    Overload = 9,
    /// The deadline passed.
    Deadline = 10,
    /// This machine doesn't do what is needed: a file can't be written, a process can't be started.
    Machine = 11,
}

impl ExitCode {
    /// All of them.
    #[cfg(test)]
    pub const ALL: [ExitCode; 12] = [
        ExitCode::Success,
        ExitCode::Internal,
        ExitCode::Usage,
        ExitCode::Configuration,
        ExitCode::Model,
        ExitCode::Input,
        ExitCode::Disagreement,
        ExitCode::Unreachable,
        ExitCode::Party,
        ExitCode::Overload,
        ExitCode::Deadline,
        ExitCode::Machine,
    ];
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        std::process::ExitCode::from(code as u8)
    }
}

/// Why a command has no result, for a person.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// The code the process ends with.
    pub code: ExitCode,
    /// What happened and what to do.
    pub sentence: String,
}

impl Failure {
    /// A failure with this code and sentence.
    pub fn new(code: ExitCode, sentence: impl fmt::Display) -> Failure {
        Failure {
            code,
            sentence: sentence.to_string(),
        }
    }

    /// Of the machine this runs on.
    pub fn machine(sentence: impl fmt::Display) -> Failure {
        Failure::new(ExitCode::Machine, sentence)
    }

    /// Of an input.
    pub fn input(sentence: impl fmt::Display) -> Failure {
        Failure::new(ExitCode::Input, sentence)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Failure::new(ExitCode::Configuration, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_page_that_says_how_to_resolve_it() {
        for code in ExitCode::ALL {
            let page = format!("{}/docs/exit-codes/{}.md", env!("CARGO_MANIFEST_DIR"), code as u8);
            let text = std::fs::read_to_string(&page).unwrap_or_else(|reason| panic!("{page}: {reason}"));
            let name = serde_json::to_value(code).unwrap();
            assert!(
                text.starts_with(&format!("# {} {}", code as u8, name.as_str().unwrap())),
                "{page}"
            );
            assert!(
                code == ExitCode::Success || text.contains("## How to resolve"),
                "{page}"
            );
        }
    }
}
