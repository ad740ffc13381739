//! A node as a program of its own.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tercet_config::{LogFormat, NodeConfig};
use tercet_ring::kernel::Tier;
use tercet_telemetry::logging;

/// One party: serves its share of every session.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The node's configuration file.
    #[arg(long, env = "TERCET_CONFIG")]
    config: PathBuf,
}

fn main() -> ExitCode {
    match start(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: &Arguments) -> anyhow::Result<()> {
    let config = NodeConfig::load(&arguments.config)?;
    config.check_files()?;
    let level = config.log.level.name();
    match config.log.format {
        LogFormat::Text => logging::init_text(level)?,
        LogFormat::Json => logging::init_json(level)?,
    }
    let kernels = Tier::chosen()?;
    tracing::info!(%kernels, "the arithmetic uses the processor's vector unit");
    tercet_node::run(config)?;
    Ok(())
}
