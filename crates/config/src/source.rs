use std::collections::HashMap;
use std::path::{Path, PathBuf};

use config::{Config, Environment, File, FileFormat};
use serde::de::DeserializeOwned;

use crate::error::ConfigError;

/// Every variable that overrides a key starts with this.
const PREFIX: &str = "TERCET";
/// Stands between the sections of a variable's name, since keys have single underscores.
const SEPARATOR: &str = "__";

/// A file's text and the variables that override it.
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) environment: HashMap<String, String>,
    text: String,
}

impl Source {
    /// Reads the file, and the variables of this process.
    pub(crate) fn read(path: &Path) -> Result<Source, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|reason| ConfigError::Unreadable {
            path: path.to_owned(),
            reason: reason.to_string(),
        })?;
        let ours = format!("{PREFIX}{SEPARATOR}");
        // A variable that isn't Unicode can't be one of ours to use, and must not panic.
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| name.starts_with(&ours));
        Ok(Source::new(path, text, environment))
    }

    pub(crate) fn new(path: &Path, text: String, environment: impl IntoIterator<Item = (String, String)>) -> Source {
        Source {
            path: path.to_owned(),
            environment: environment.into_iter().collect(),
            text,
        }
    }

    /// The variable that overrides a key.
    pub(crate) fn variable(key: &str) -> String {
        format!("{PREFIX}{SEPARATOR}{}", key.replace('.', SEPARATOR).to_uppercase())
    }

    /// Where relative paths of the file start.
    pub(crate) fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// The file with the overrides applied.
    pub(crate) fn merged<F: DeserializeOwned>(&self) -> Result<F, ConfigError> {
        let syntax = |reason: String| ConfigError::Syntax {
            path: self.path.clone(),
            reason,
        };
        let environment = Environment::with_prefix(PREFIX)
            .prefix_separator(SEPARATOR)
            .separator(SEPARATOR)
            .source(Some(self.environment.clone()));
        Config::builder()
            .add_source(File::from_str(&self.text, FileFormat::Toml))
            .add_source(environment)
            .build()
            .and_then(Config::try_deserialize)
            .map_err(|reason| syntax(reason.to_string()))
    }
}
