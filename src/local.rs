//! One model on a deployment of its own on this machine.

use tempfile::TempDir;
use tercet_import::Compiled;
use tercet_plan::Array;

use crate::deployment::{Deployment, Settings};
use crate::exit::Failure;
use crate::progress::Progress;
use crate::query::{Connection, Served, measure};
use crate::report::QueryReport;
use crate::usage::Usage;

/// Real processes that serve one model; they end, and their files go, when this is dropped.
pub struct Local {
    /// The processes.
    pub deployment: Deployment,
    /// Their client.
    pub connection: Connection,
    /// The model.
    pub served: Served,
    _directory: TempDir,
}

impl Local {
    /// Starts the processes and shares the model with them.
    pub fn start(name: &str, compiled: &Compiled, settings: &Settings) -> Result<Local, Failure> {
        let directory = tempfile::tempdir()
            .map_err(|reason| Failure::machine(format!("cannot make a temporary directory: {reason}")))?;
        let deployment = Deployment::start(directory.path(), settings)?;
        let connection = Connection::open(&deployment.client_config()?)?;
        let _progress = Progress::start(format!("sharing {name} with the three parties"));
        connection.deploy(name, &compiled.plan, &compiled.parameters)?;
        Ok(Local {
            served: connection.describe(name)?,
            deployment,
            connection,
            _directory: directory,
        })
    }
}

/// Asks a model once on a deployment of its own: the outputs, and what the query cost.
pub fn ask_locally(name: &str, compiled: &Compiled, inputs: &[Array]) -> Result<(Vec<Array>, QueryReport), Failure> {
    let mut local = Local::start(name, compiled, &Settings::default())?;
    let _progress = Progress::start(format!("asking {name}"));
    let before = Usage::of(&local.deployment);
    let (outputs, mut query) = measure(&local.connection, &local.served, inputs, 1)?;
    Usage::of(&local.deployment).since(&before, &mut query);
    local.deployment.check()?;
    Ok((outputs, query))
}
