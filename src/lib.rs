//! Private AI inference among three parties: the command-line program, as a library that its tests share.
//!
//! Standard output holds a command's result, for people or as one JSON object; progress, logs and errors go to standard error. Every exit
//! code has a page under `docs/exit-codes`.

mod arguments;
mod batches;
mod commands;
mod compare;
mod compile;
pub mod deployment;
pub mod exit;
mod files;
mod layers;
mod local;
pub mod npy;
mod output;
mod progress;
pub mod query;
mod reference;
mod report;
mod statistics;
mod table;
mod units;
mod usage;

use std::process::ExitCode;

use clap::Parser;
use tercet_ring::kernel::Tier;

use arguments::{Arguments, Command, Format};
use commands::{bench, demo, deploy, infer, keys, plan, run, serve, verify};
use exit::Failure;
use output::{Report, present, present_failure};

/// The program: runs what the command line says.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage_error(&error),
    };
    match dispatch(&arguments) {
        Ok(()) => exit::ExitCode::Success.into(),
        Err(failure) => {
            present_failure(arguments.format, &failure);
            failure.code.into()
        }
    }
}

/// What clap has to say: help and the version are results, everything else is a mistake on the command line, which whoever asked for JSON
/// gets as an object too.
fn usage_error(error: &clap::Error) -> ExitCode {
    // Nothing can be said where standard error is closed.
    let _ = error.print();
    if !error.use_stderr() {
        return exit::ExitCode::Success.into();
    }
    let words: Vec<String> = std::env::args_os()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let json =
        words.iter().any(|word| word == "--format=json") || words.windows(2).any(|pair| pair == ["--format", "json"]);
    if json {
        let text = error.to_string();
        let complaint: Vec<&str> = text
            .lines()
            .take_while(|line| !line.is_empty())
            .map(str::trim)
            .collect();
        let sentence = complaint.join(" ");
        output::write_failure(&Failure::new(
            exit::ExitCode::Usage,
            sentence.trim_start_matches("error: "),
        ));
    }
    exit::ExitCode::Usage.into()
}

fn dispatch(arguments: &Arguments) -> Result<(), Failure> {
    Tier::chosen().map_err(|error| Failure::new(exit::ExitCode::Configuration, error.to_string()))?;
    let format = arguments.format;
    match &arguments.command {
        Command::Demo(arguments) => {
            let demonstration = demo::run(arguments)?;
            present(format, &demonstration.report)?;
            demonstration.keep()
        }
        Command::Run(arguments) => show(format, run::run(arguments)),
        Command::Bench(arguments) => show(format, bench::run(arguments)),
        Command::Infer(arguments) => show(format, infer::run(arguments)),
        Command::Deploy(arguments) => show(format, deploy::run(arguments)),
        Command::Plan(arguments) => show(format, plan::run(arguments)),
        Command::Verify(arguments) => verify::run(arguments, format),
        Command::Keys(arguments) => show(format, keys::run(arguments)),
        Command::Node(arguments) => show(format, serve::node(arguments)),
        Command::Coordinator(arguments) => show(format, serve::coordinator(arguments)),
    }
}

fn show(format: Format, result: Result<impl Report, Failure>) -> Result<(), Failure> {
    present(format, &result?)
}
