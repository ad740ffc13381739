//! `tercet node` and `tercet coordinator`

use std::io::Read;

use serde::Serialize;
use tercet_config::{CoordinatorConfig, LogConfig, LogFormat, NodeConfig};
use tercet_coordinator::CoordinatorError;
use tercet_node::NodeError;
use tercet_telemetry::{TelemetryError, logging};

use crate::arguments::ServeArguments;
use crate::exit::{ExitCode, Failure};
use crate::output::Report;

/// How a served process ended.
#[derive(Serialize)]
pub struct ServeReport {
    message: String,
}

/// Runs one party's node until it is told to stop.
pub fn node(arguments: &ServeArguments) -> Result<ServeReport, Failure> {
    let config = NodeConfig::load(&arguments.config)?;
    config.check_files()?;
    if arguments.check {
        return Ok(sound(arguments));
    }
    prepare(config.log, arguments)?;
    tercet_node::run(config).map_err(|error| {
        let code = match error {
            NodeError::System(_) => ExitCode::Machine,
            NodeError::Defect(_) => ExitCode::Internal,
            _ => ExitCode::Configuration,
        };
        Failure::new(code, error)
    })?;
    Ok(ServeReport {
        message: "the node stopped as it was told to".to_owned(),
    })
}

/// Runs the coordinator until it is told to stop.
pub fn coordinator(arguments: &ServeArguments) -> Result<ServeReport, Failure> {
    let config = CoordinatorConfig::load(&arguments.config)?;
    config.check_files()?;
    if arguments.check {
        return Ok(sound(arguments));
    }
    prepare(config.log, arguments)?;
    tercet_coordinator::run(config).map_err(|error| {
        let code = match error {
            CoordinatorError::System(_) => ExitCode::Machine,
            CoordinatorError::Defect(_) => ExitCode::Internal,
            _ => ExitCode::Configuration,
        };
        Failure::new(code, error)
    })?;
    Ok(ServeReport {
        message: "the coordinator stopped as it was told to".to_owned(),
    })
}

fn sound(arguments: &ServeArguments) -> ServeReport {
    ServeReport {
        message: format!("{} is sound", arguments.config.display()),
    }
}

fn prepare(log: LogConfig, arguments: &ServeArguments) -> Result<(), Failure> {
    let level = log.level.name();
    let started = match log.format {
        LogFormat::Text => logging::init_text(level),
        LogFormat::Json => logging::init_json(level),
    };
    started.map_err(|error: TelemetryError| Failure::new(ExitCode::Internal, error))?;
    if arguments.until_stdin_closes {
        std::thread::spawn(leave_when_stdin_closes);
    }
    Ok(())
}

/// The process that started this one has ended or wants it to: there is nobody left to serve.
fn leave_when_stdin_closes() {
    let mut byte = [0];
    while !matches!(std::io::stdin().read(&mut byte), Ok(0) | Err(_)) {}
    std::process::exit(ExitCode::Success as i32);
}

impl Report for ServeReport {
    fn text(&self) -> String {
        format!("{}\n", self.message)
    }
}
