//! Private AI inference among three parties: the command-line program.
//!
//! Standard output holds a command's result, for people or as one JSON object; progress, logs and errors go to standard error. Every exit
//! code has a page under `docs/exit-codes`.

#![allow(dead_code)]

mod arguments;
mod batches;
mod commands;
mod compare;
mod deployment;
mod exit;
mod files;
mod npy;
mod output;
mod progress;
mod query;
mod report;
mod statistics;
mod table;
mod units;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command, Format};
use commands::{infer, keys, serve};
use exit::Failure;
use output::{Report, present, present_failure};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match dispatch(&arguments) {
        Ok(()) => exit::ExitCode::Success.into(),
        Err(failure) => {
            present_failure(arguments.format, &failure);
            failure.code.into()
        }
    }
}

fn dispatch(arguments: &Arguments) -> Result<(), Failure> {
    let format = arguments.format;
    match &arguments.command {
        Command::Infer(arguments) => show(format, infer::run(arguments)),
        Command::Demo(_) | Command::Run(_) | Command::Deploy(_) | Command::Plan(_) | Command::Verify(_) => {
            let sentence = "this command needs the importer, which this build does not have yet";
            Err(Failure::new(exit::ExitCode::Internal, sentence))
        }
        Command::Keys(arguments) => show(format, keys::run(arguments)),
        Command::Node(arguments) => show(format, serve::node(arguments)),
        Command::Coordinator(arguments) => show(format, serve::coordinator(arguments)),
    }
}

fn show(format: Format, result: Result<impl Report, Failure>) -> Result<(), Failure> {
    present(format, &result?)
}
