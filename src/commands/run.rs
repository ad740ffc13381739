//! `tercet run`

use serde::Serialize;

use crate::arguments::RunArguments;
use crate::commands::save_outputs;
use crate::compare::compare;
use crate::compile;
use crate::deployment::Deployment;
use crate::exit::Failure;
use crate::files::{self, INPUT};
use crate::output::Report;
use crate::progress::Progress;
use crate::query::{Connection, measure};
use crate::reference;
use crate::report::QueryReport;
use crate::usage::Usage;

/// What the run gave and cost.
#[derive(Serialize)]
#[serde(transparent)]
pub struct RunReport {
    query: QueryReport,
}

/// Compiles a model, deploys it on this machine, and asks it.
pub fn run(arguments: &RunArguments) -> Result<RunReport, Failure> {
    let name = compile::name(&arguments.compile);
    let model = compile::read(&arguments.compile)?;
    let inputs = files::read_in_order(INPUT, &arguments.input, &compile::input_names(&model))?;
    let compiled = compile::compile(&model, &name, &arguments.compile.settings, Some(&inputs))?;
    // What the parties would refuse is refused before they are started.
    compiled.plan.encode(&inputs).map_err(Failure::input)?;
    let (plain, plaintext_ms) = reference::plain_run(&model, &inputs, arguments.repeat)?;
    let plain = reference::revealed(&compiled, arguments.compile.settings.reveal, &inputs, plain)?;
    let expected = reference::expected(&model, &compiled.plan.outputs, &arguments.expected, plain)?;

    let directory = tempfile::tempdir()
        .map_err(|reason| Failure::machine(format!("cannot make a temporary directory: {reason}")))?;
    let mut deployment = Deployment::start(directory.path())?;
    let connection = Connection::open(&deployment.client_config()?)?;
    let served = {
        let _progress = Progress::start(format!("sharing {name} with the three parties"));
        connection.deploy(&name, &compiled.plan, &compiled.parameters)?;
        connection.describe(&name)?
    };
    let _progress = Progress::start(format!("asking {name}"));
    if arguments.repeat > 1 {
        connection.ask(&served, &inputs)?;
    }
    let before = Usage::of(&deployment);
    let (outputs, mut query) = measure(&connection, &served, &inputs, arguments.repeat)?;
    Usage::of(&deployment).since(&before, &mut query);
    deployment.check()?;
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
