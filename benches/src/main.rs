//! The measurements of the whole program: `cargo run --release -p tercet-benches -- goals`, or `report`.

mod cases;
mod goals;
mod markdown;
mod measure;
mod onnx;
mod plots;
mod report;
mod synthetic;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

use cases::Models;
use measure::Program;
use report::Setting;

/// Measures the whole program.
#[derive(Parser)]
struct Arguments {
    /// A directory that benches/models/networks.py has written. Without it the large networks are left out.
    #[arg(long, value_name = "D", global = true)]
    networks: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure what the engine is to reach; fails if it does not.
    Goals,
    /// Measure everything, and write benches/REPORT.md and its charts.
    Report,
    /// Write the models that are made on the spot, with inputs, to run them by hand.
    Models {
        /// Where to.
        directory: PathBuf,
    },
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let models = Models::new(arguments.networks.as_deref());
    let scratch = tempfile::tempdir().context("cannot make a temporary directory")?;
    match arguments.command {
        Command::Goals => {
            let outcome = goals::check(&Program::build()?, &models, scratch.path())?;
            print!("{}", outcome.table);
            Ok(if outcome.reached {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
        Command::Report => {
            let setting = Setting {
                program: &Program::build()?,
                models: &models,
                output: Path::new(env!("CARGO_MANIFEST_DIR")),
                scratch: scratch.path(),
            };
            report::write(&setting)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Models { directory } => {
            synthetic::matrix_product(&directory)?;
            synthetic::rectifier(&directory)?;
            synthetic::perceptron(&directory, &[784, 128, 128, 10])?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
