//! Logs go to standard error, so that standard output stays a program's result.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use crate::endpoint::TelemetryError;

/// Logs lines for people, from `level` on.
///
/// # Errors
/// Logging was set up already, or `level` isn't one.
pub fn init_text(level: &str) -> Result<(), TelemetryError> {
    // Colours are for eyes; in a file they are noise.
    let colours = std::io::stderr().is_terminal();
    let subscriber = fmt()
        .with_writer(std::io::stderr)
        .with_ansi(colours)
        .with_env_filter(filter(level)?);
    subscriber.try_init().map_err(|_| TelemetryError::LoggingTwice)
}

/// Logs a JSON object a line, from `level` on.
///
/// # Errors
/// Logging was set up already, or `level` isn't one.
pub fn init_json(level: &str) -> Result<(), TelemetryError> {
    let subscriber = fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(filter(level)?)
        .json();
    subscriber.try_init().map_err(|_| TelemetryError::LoggingTwice)
}

/// Libraries below us say less than we do: their debug lines are of no use to an operator and may describe traffic.
fn filter(level: &str) -> Result<EnvFilter, TelemetryError> {
    let directives = format!(
        "warn,tercet={level},tercet_node={level},tercet_coordinator={level},tercet_net={level},tercet_client={level}"
    );
    EnvFilter::try_new(directives).map_err(|_| TelemetryError::Level(level.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_levels_are_levels() {
        for level in ["error", "warn", "info", "debug", "trace"] {
            assert!(filter(level).is_ok());
        }
        assert!(matches!(filter("loud!"), Err(TelemetryError::Level(_))));
    }
}
