//! `tercet run`

use serde::Serialize;

use crate::arguments::RunArguments;
use crate::commands::save_outputs;
use crate::compare::compare;
use crate::compile::{self, OneQuery};
use crate::exit::Failure;
use crate::local::ask_locally;
use crate::output::Report;
use crate::reference;
use crate::report::QueryReport;

/// What the run gave and cost.
#[derive(Serialize)]
#[serde(transparent)]
pub struct RunReport {
    query: QueryReport,
}

/// Compiles a model, deploys it on this machine, and asks it.
pub fn run(arguments: &RunArguments) -> Result<RunReport, Failure> {
    let OneQuery {
        name,
        model,
        inputs,
        compiled,
        ..
    } = compile::for_one_query(&arguments.compile, &arguments.input)?;
    let (plain, plaintext_ms) = reference::plain_run(&model, &inputs, 1)?;
    let plain = reference::revealed(&compiled, arguments.compile.settings.reveal, &inputs, plain)?;
    let expected = reference::expected(&model, &compiled.plan.outputs, &arguments.expected, plain)?;

    let (outputs, mut query) = ask_locally(&name, &compiled, &inputs)?;
    query.plaintext_ms = Some(plaintext_ms);
    query.comparison = Some(compare(&compiled.plan.outputs, &outputs, &expected.outputs)?);
    query.reference = Some(expected.kind);
    save_outputs(&arguments.output, &compiled.plan, &outputs)?;
    Ok(RunReport { query })
}

impl Report for RunReport {
    fn text(&self) -> String {
        self.query.text()
    }
}
