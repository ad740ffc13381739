//! What the outputs should be.

use std::time::Instant;

use tercet_import::{FloatReference, Model};
use tercet_plan::Array;

use crate::compile::{self, output_names};
use crate::exit::Failure;
use crate::files::{self, EXPECTED};
use crate::statistics::Spread;

/// Expected outputs and where they come from.
pub struct Reference {
    /// `expected` or `plaintext`.
    pub kind: &'static str,
    /// In the model's order.
    pub outputs: Vec<Array>,
}

/// The plain run of a model, measured.
pub fn plain_run(model: &Model, inputs: &[Array], repeat: u32) -> Result<(Vec<Array>, Spread), Failure> {
    let reference = FloatReference::new(model, inputs).map_err(compile::failure)?;
    let mut outputs = reference.run(inputs).map_err(compile::failure)?;
    let mut times = Vec::new();
    for _ in 0..repeat {
        let start = Instant::now();
        outputs = reference.run(inputs).map_err(compile::failure)?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let spread = Spread::of(times).unwrap_or(Spread {
        median: 0.0,
        min: 0.0,
        max: 0.0,
    });
    Ok((outputs, spread))
}

/// The files of the command line, or else the plain run.
pub fn expected(model: &Model, files: &[String], plain: Vec<Array>) -> Result<Reference, Failure> {
    if files.is_empty() {
        return Ok(Reference {
            kind: "plaintext",
            outputs: plain,
        });
    }
    let outputs = files::read_in_order(EXPECTED, files, &output_names(model))?;
    Ok(Reference {
        kind: "expected",
        outputs,
    })
}
