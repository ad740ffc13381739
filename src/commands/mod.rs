//! The commands, one a file.

pub mod bench;
pub mod demo;
pub mod deploy;
pub mod infer;
pub mod keys;
pub mod plan;
pub mod run;
pub mod serve;
pub mod verify;

use tercet_plan::{Array, Plan};

use crate::exit::Failure;
use crate::files::{self, OUTPUT};
use crate::npy;

/// Writes outputs to the files that `--output` names, if it names any.
fn save_outputs(given: &[String], plan: &Plan, outputs: &[Array]) -> Result<(), Failure> {
    if given.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = plan.outputs.iter().map(|output| output.name.as_str()).collect();
    let paths = files::in_order(OUTPUT, given, &names)?;
    paths
        .iter()
        .zip(outputs)
        .try_for_each(|(path, array)| npy::write(path, array))
}
