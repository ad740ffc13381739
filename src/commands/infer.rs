//! `tercet infer`

use serde::Serialize;
use tercet_config::ClientConfig;

use crate::arguments::InferArguments;
use crate::commands::save_outputs;
use crate::compare::{as_revealed, compare};
use crate::exit::Failure;
use crate::files::{self, EXPECTED, INPUT};
use crate::output::Report;
use crate::progress::Progress;
use crate::query::{Connection, measure};
use crate::report::QueryReport;

/// What the query gave and cost.
#[derive(Serialize)]
#[serde(transparent)]
pub struct InferReport {
    query: QueryReport,
}

/// Asks a running deployment.
pub fn run(arguments: &InferArguments) -> Result<InferReport, Failure> {
    let config = ClientConfig::load(&arguments.config)?;
    config.check_files()?;
    let _progress = Progress::start(format!("asking {}", arguments.model));
    let connection = Connection::open(&config)?;
    let served = connection.describe(&arguments.model)?;
    let plan = served.plan();
    let names: Vec<&str> = plan.inputs.iter().map(|input| input.name.as_str()).collect();
    let inputs = files::read_in_order(INPUT, &arguments.input, &names)?;
    let (outputs, mut query) = measure(&connection, &served, &inputs, arguments.repeat)?;
    if !arguments.expected.is_empty() {
        let names: Vec<&str> = plan.outputs.iter().map(|output| output.name.as_str()).collect();
        let expected = as_revealed(
            &plan.outputs,
            files::read_in_order(EXPECTED, &arguments.expected, &names)?,
        );
        query.comparison = Some(compare(&plan.outputs, &outputs, &expected)?);
        query.reference = Some("expected");
    }
    save_outputs(&arguments.output, plan, &outputs)?;
    Ok(InferReport { query })
}

impl Report for InferReport {
    fn text(&self) -> String {
        self.query.text()
    }
}
