//! What the outputs should be.

use std::time::Instant;

use tercet_import::{Compiled, FloatReference, Model};
use tercet_plan::{Array, Output};

use crate::arguments::Reveal;
use crate::compare::as_revealed;
use crate::compile::{self, output_names};
use crate::exit::{ExitCode, Failure};
use crate::files::{self, EXPECTED};
use crate::statistics::Spread;

/// Outputs to compare with, and where they come from.
pub struct Reference {
    /// `expected` or `plaintext`.
    pub kind: &'static str,
    /// In the model's order.
    pub outputs: Vec<Array>,
}

/// The plain run of a model, measured after one that warms up.
pub fn plain_run(model: &Model, inputs: &[Array], repeat: u32) -> Result<(Vec<Array>, Spread), Failure> {
    let reference = FloatReference::new(model, inputs).map_err(compile::failure)?;
    let outputs = reference.run(inputs).map_err(compile::failure)?;
    let mut times = Vec::new();
    for _ in 0..repeat.max(1) {
        let start = Instant::now();
        reference.run(inputs).map_err(compile::failure)?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let spread = Spread::of(times).ok_or_else(|| Failure::new(ExitCode::Internal, "no run was measured"))?;
    Ok((outputs, spread))
}

/// The plain outputs in the form that the plan reveals: the model's own numbers, unless others were asked for.
pub fn revealed(
    compiled: &Compiled,
    reveal: Option<Reveal>,
    inputs: &[Array],
    plain: Vec<Array>,
) -> Result<Vec<Array>, Failure> {
    match reveal {
        // Labels are compared with the largest of the model's own numbers.
        None | Some(Reveal::Label) => Ok(plain),
        Some(Reveal::Logits | Reveal::Probabilities) => compiled.float_outputs(inputs).map_err(compile::failure),
    }
}

/// The files of the command line, or else the plain outputs.
pub fn expected(model: &Model, outputs: &[Output], files: &[String], plain: Vec<Array>) -> Result<Reference, Failure> {
    let (kind, reference) = match files {
        [] => ("plaintext", plain),
        files => ("expected", files::read_in_order(EXPECTED, files, &output_names(model))?),
    };
    Ok(Reference {
        kind,
        outputs: as_revealed(outputs, reference),
    })
}
