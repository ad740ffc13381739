//! Where the float and the integer run of a model part.

use std::collections::HashMap;

use serde::Serialize;
use tercet_plan::oracle::{self, Excess};
use tercet_plan::{Array, Encoded, Integers, Parameters, Plan, ValueId};

/// One layer of the plan beside the node of the model it comes from.
#[derive(Clone, Debug, Serialize)]
pub struct LayerError {
    /// The node.
    pub layer: String,
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

/// The integer run: outputs, and every layer beside the floats of the node of the same name.
pub struct IntegerRun {
    /// What is revealed.
    pub revealed: Vec<Integers>,
    /// In the plan's order, where the model has a value of that name and size.
    pub layers: Vec<LayerError>,
    /// Layers beyond their bounds.
    pub excesses: Vec<LayerExcess>,
}

/// Runs the plan in the clear and compares it, layer by layer, with `floats`.
pub fn integer_run(
    plan: &Plan,
    parameters: &Parameters,
    encoded: &Encoded,
    floats: &HashMap<String, Array>,
) -> IntegerRun {
    // Several steps can stem from one node; the last of them has its value.
    let last: HashMap<&str, usize> = plan
        .steps
        .iter()
        .enumerate()
        .map(|(index, step)| (step.source.as_str(), index))
        .collect();
    let mut run = IntegerRun {
        revealed: vec![Integers::new(Vec::new()); plan.outputs.len()],
        layers: Vec::new(),
        excesses: Vec::new(),
    };
    oracle::walk(plan, parameters, encoded, |id, integers| {
        let index = id.0 as usize;
        let step = &plan.steps[index];
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
        let float = floats
            .get(&step.source)
            .filter(|float| float.data().len() == integers.len());
        if let Some(float) = float.filter(|_| last[step.source.as_str()] == index) {
            run.layers.push(layer_error(plan, id, integers, float));
        }
    });
    run
}

fn layer_error(plan: &Plan, id: ValueId, integers: &[i64], float: &Array) -> LayerError {
    let unit = (-f64::from(plan.value(id).fraction_bits)).exp2();
    let errors = integers
        .iter()
        .zip(float.data())
        .map(|(&integer, &float)| (integer as f64 * unit - f64::from(float)).abs());
    LayerError {
        layer: plan.steps[id.0 as usize].source.clone(),
        max_abs_error: errors.fold(0.0, f64::max),
        largest: float
            .data()
            .iter()
            .map(|number| f64::from(number.abs()))
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
            max_abs_error,
            largest,
        };
        assert!(layer(0.02, 0.5).parts(0.01));
        assert!(!layer(0.009, 0.5).parts(0.01));
        assert!(!layer(0.5, 100.0).parts(0.01));
        assert!(layer(1.5, 100.0).parts(0.01));
    }
}
