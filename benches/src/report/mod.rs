//! The report: `REPORT.md` and its charts.
//!
//! A figure that can't be measured leaves a sentence that says why, so that the rest of the report is written in any case.

mod curves;
mod layers;
mod machine;
mod networks;
mod pool;
mod sizes;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::cases::Models;
use crate::goals;
use crate::measure::Program;

/// What a section is made of.
pub struct Setting<'a> {
    /// The program that is measured.
    pub program: &'a Program,
    /// The models.
    pub models: &'a Models,
    /// Where the report and its charts go.
    pub output: &'a Path,
    /// Where models are made.
    pub scratch: &'a Path,
}

/// What stands above the sections.
const INTRODUCTION: &str = "# Measurements

Written by `cargo run --release -p tercet-benches -- report`; do not edit. Each figure is the median of `tercet bench` on real processes \
of one machine: three nodes, a coordinator and the client share its cores, links are encrypted and both ends authenticated. *Online* is the \
evaluators' part. *Session* is dealing and evaluating. *Total* is from the client's arrays to the client's result, with dealing, sharing \
and sealing. *In the clear* is the same model on the same machine.
";

/// Measures a part of the report, and gives its text.
type Section = fn(&Setting<'_>) -> Result<String>;

/// Measures everything and writes the report.
pub fn write(setting: &Setting<'_>) -> Result<()> {
    let sections: [(&str, Section); 9] = [
        ("Goals", goals),
        ("Networks", networks::section),
        ("Latency against round-trip time", curves::round_trips),
        ("Latency against batch", curves::batches),
        ("Latency against threads", curves::threads),
        ("Throughput against queries in flight", curves::concurrency),
        ("With sessions prepared ahead", pool::section),
        ("Cost per layer", layers::section),
        ("Cost against size", sizes::section),
    ];
    let mut text = format!("{INTRODUCTION}\n{}\n", machine::description());
    for (title, section) in sections {
        let body = section(setting).unwrap_or_else(|reason| format!("Not measured: {reason:#}.\n"));
        text.push_str(&format!("\n## {title}\n\n{body}"));
    }
    let path = setting.output.join("REPORT.md");
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn goals(setting: &Setting<'_>) -> Result<String> {
    let outcome = goals::check(setting.program, setting.models, setting.scratch)?;
    let verdict = if outcome.reached {
        "All are reached."
    } else {
        "Not all are reached."
    };
    Ok(format!(
        "{}\n{verdict} Alone: `cargo run --release -p tercet-benches -- goals`.\n",
        outcome.table
    ))
}
