use std::str::FromStr;

use serde::Deserialize;

use crate::check::Check;
use crate::field::{Field, UnknownKeys};

/// `[log]`: what is written to standard error.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct LogFile {
    /// `text` for people or `json` for collectors, one line an event. Default `text`.
    pub format: Field<String>,
    /// `error`, `warn`, `info`, `debug` or `trace`. Default `info`. `debug` logs each session, `trace` each round: use them to
    /// find a fault, they cost latency. Shares and keys are logged at no level.
    pub level: Field<String>,
    #[serde(flatten)]
    unknown: UnknownKeys,
}

/// What is written to standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogConfig {
    /// How an event looks.
    pub format: LogFormat,
    /// What is logged.
    pub level: LogLevel,
}

impl LogConfig {
    pub(crate) fn read(check: &mut Check, file: LogFile) -> Option<LogConfig> {
        check.unknown(&file.unknown, &["format", "level"]);
        let format = check.parsed_or("format", file.format, LogFormat::Text, "format = \"text\" or \"json\"");
        let level = check.parsed_or("level", file.level, LogLevel::Info, "level = \"info\"");
        Some(LogConfig {
            format: format?,
            level: level?,
        })
    }
}

/// How an event looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// A JSON object a line.
    Json,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            other => Err(format!("`{other}` is not a log format")),
        }
    }
}

/// The least important event that is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// What an operator must act on.
    Error,
    /// What failed but was handled.
    Warn,
    /// Life cycle.
    Info,
    /// Sessions and steps.
    Debug,
    /// Rounds.
    Trace,
}

impl LogLevel {
    /// The name, as logging libraries spell it.
    pub fn name(self) -> &'static str {
        match self {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        }
    }
}

impl FromStr for LogLevel {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        [
            LogLevel::Error,
            LogLevel::Warn,
            LogLevel::Info,
            LogLevel::Debug,
            LogLevel::Trace,
        ]
        .into_iter()
        .find(|level| level.name() == name)
        .ok_or_else(|| format!("`{name}` is not a log level (error, warn, info, debug, trace)"))
    }
}
