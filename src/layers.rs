//! Where the float and the integer run of a model part.

use serde::Serialize;
use tercet_plan::oracle::{self, Excess};
use tercet_plan::{Encoded, Integers, Parameters, Plan, Step};

/// One layer of the plan beside the node of the model it comes from.
#[derive(Clone, Debug, Serialize)]
pub struct LayerError {
    /// The node.
    pub layer: String,
    /// What the step computes.
    pub operation: &'static str,
    /// The largest difference from the float value.
    pub max_abs_error: f64,
    /// The largest float value, which says whether that is much.
    pub largest: f64,
}

impl LayerError {
    /// Whether the difference is more than `tolerance` of the layer's largest value, or of one if it is smaller.
    pub fn parts(&self, tolerance: f64) -> bool {
        self.max_abs_error > tolerance * self.largest.max(1.0)
    }
}

/// A layer with a value beyond its declared bound.
#[derive(Clone, Debug, Serialize)]
pub struct LayerExcess {
    /// The node.
    pub layer: String,
    /// |v| should be below 2^bits.
    pub bits: u8,
    /// The largest that occurred.
    pub largest: u64,
}

/// The integer run: outputs, and every step beside its value in floats.
pub struct IntegerRun {
    /// What is revealed.
    pub revealed: Vec<Integers>,
    /// In the plan's order.
    pub layers: Vec<LayerError>,
    /// Layers beyond their bounds.
    pub excesses: Vec<LayerExcess>,
}

/// Runs the plan in the clear and compares it, step by step, with `floats`, which may be of the first samples only.
pub fn integer_run(plan: &Plan, parameters: &Parameters, encoded: &Encoded, floats: &[Vec<f64>]) -> IntegerRun {
    let mut run = IntegerRun {
        revealed: vec![Integers::new(Vec::new()); plan.outputs.len()],
        layers: Vec::new(),
        excesses: Vec::new(),
    };
    oracle::walk(plan, parameters, encoded, |id, integers| {
        let step = &plan.steps[id.0 as usize];
        for (output, revealed) in plan.outputs.iter().zip(&mut run.revealed) {
            if output.value == id {
                *revealed = integers.iter().copied().collect();
            }
        }
        if let Some(Excess { bits, largest, .. }) = oracle::excess(plan, id, integers) {
            run.excesses.push(LayerExcess {
                layer: step.source.clone(),
                bits,
                largest,
            });
        }
        run.layers.push(layer_error(step, integers, &floats[id.0 as usize]));
    });
    run
}

fn layer_error(step: &Step, integers: &[i64], floats: &[f64]) -> LayerError {
    let unit = (-f64::from(step.value.fraction_bits)).exp2();
    let errors = integers
        .iter()
        .zip(floats)
        .map(|(&integer, &float)| (integer as f64 * unit - float).abs());
    LayerError {
        layer: step.source.clone(),
        operation: step.op.name(),
        // A border that never wins a maximum is infinite on real numbers.
        max_abs_error: errors.filter(|error| error.is_finite()).fold(0.0, f64::max),
        largest: floats
            .iter()
            .map(|number| number.abs())
            .filter(|number| number.is_finite())
            .fold(0.0, f64::max),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_parts_by_its_own_size() {
        let layer = |max_abs_error, largest| LayerError {
            layer: String::new(),
            operation: "linear",
            max_abs_error,
            largest,
        };
        assert!(layer(0.02, 0.5).parts(0.01));
        assert!(!layer(0.009, 0.5).parts(0.01));
        assert!(!layer(0.5, 100.0).parts(0.01));
        assert!(layer(1.5, 100.0).parts(0.01));
    }
}
