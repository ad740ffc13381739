//! One model on a deployment of its own on this machine.

use tercet_import::Compiled;
use tercet_plan::Array;

use crate::deployment::Deployment;
use crate::exit::Failure;
use crate::progress::Progress;
use crate::query::{Connection, measure};
use crate::report::QueryReport;
use crate::usage::Usage;

/// Starts real processes, shares the model with them and asks it `repeat` times, after one query that warms up if there are several: the outputs,
/// and what a query cost.
pub fn ask_locally(
    name: &str,
    compiled: &Compiled,
    inputs: &[Array],
    repeat: u32,
) -> Result<(Vec<Array>, QueryReport), Failure> {
    let directory = tempfile::tempdir()
        .map_err(|reason| Failure::machine(format!("cannot make a temporary directory: {reason}")))?;
    let mut deployment = Deployment::start(directory.path())?;
    let connection = Connection::open(&deployment.client_config()?)?;
    let served = {
        let _progress = Progress::start(format!("sharing {name} with the three parties"));
        connection.deploy(name, &compiled.plan, &compiled.parameters)?;
        connection.describe(name)?
    };
    let _progress = Progress::start(format!("asking {name}"));
    if repeat > 1 {
        connection.ask(&served, inputs)?;
    }
    let before = Usage::of(&deployment);
    let (outputs, mut query) = measure(&connection, &served, inputs, repeat)?;
    Usage::of(&deployment).since(&before, &mut query);
    deployment.check()?;
    Ok((outputs, query))
}
