use serde::{Deserialize, Serialize};
use tercet_ring::RingKind;

use crate::op::{Op, ParameterId, ValueId};

/// The version of the plan format that this crate reads and writes.
pub const FORMAT: u16 = 2;

/// A compiled model.
///
/// Shapes are per sample: a session of batch `n` runs the plan on `n` samples at once, each value holding `n` times its
/// shape, samples outermost. Step `i` defines value `i`, and uses only values of earlier steps.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// Version of this format; readers refuse any other.
    pub format: u16,
    /// The model's name.
    pub name: String,
    /// Bits of a ring element: 32 or 64.
    pub ring_bits: u8,
    /// What the client gives, in the model's order.
    pub inputs: Vec<Input>,
    /// What the client gets, in the model's order.
    pub outputs: Vec<Output>,
    /// The secret weights the steps use; the values are shared apart from the plan.
    pub parameters: Vec<Parameter>,
    /// The steps, in order of execution.
    pub steps: Vec<Step>,
}

impl Plan {
    /// The ring the plan computes in. Validated plans have 32 or 64 bits.
    pub fn ring(&self) -> RingKind {
        if self.ring_bits == 32 {
            RingKind::Z32
        } else {
            RingKind::Z64
        }
    }

    /// The value that step `id.0` defines. Ids in validated plans are in range.
    pub fn value(&self, id: ValueId) -> &Value {
        &self.steps[id.0 as usize].value
    }

    /// For each value, the step after which it is not needed any more: the last that uses it, the one that defines it if none does, and the
    /// number of steps if the value is revealed at the end.
    pub fn last_uses(&self) -> Vec<usize> {
        let mut last: Vec<usize> = (0..self.steps.len()).collect();
        for (index, step) in self.steps.iter().enumerate() {
            for of in step.op.operands() {
                last[of.0 as usize] = index;
            }
        }
        for output in &self.outputs {
            last[output.value.0 as usize] = self.steps.len();
        }
        last
    }

    /// A parameter. Ids in validated plans are in range.
    pub fn parameter(&self, id: ParameterId) -> &Parameter {
        &self.parameters[id.0 as usize]
    }
}

/// One step and the value it defines.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Step {
    /// The name of the node of the source model that this step (or the most of it) comes from.
    pub source: String,
    /// What is computed.
    pub op: Op,
    /// The value that the step defines.
    pub value: Value,
}

/// A secret tensor that a step defines.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Value {
    /// Shape of one sample, row-major.
    pub shape: Vec<u32>,
    /// The value v stands for v / 2^fraction_bits.
    pub fraction_bits: u8,
    /// How large the integer may be.
    pub bound: Bound,
    /// What the parties hold of it.
    pub form: Form,
}

impl Value {
    /// Elements of one sample.
    pub fn elements(&self) -> usize {
        elements(&self.shape)
    }
}

/// A bound on an integer value: |v| < 2^bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Bound {
    /// The exponent.
    pub bits: u8,
    /// Where the bound comes from.
    pub origin: Origin,
}

/// Where a bound comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Origin {
    /// Interval arithmetic over the weights and the declared input ranges: cannot be exceeded.
    Proven,
    /// The largest magnitude seen on calibration samples, widened by `margin_bits`. An input that exceeds it gives a wrong answer.
    Calibrated {
        /// log2 of the safety factor.
        margin_bits: u8,
    },
}

/// What the parties hold of a value x.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Form {
    /// x = m - l0 - l1: evaluator 0 holds (m, l0), evaluator 1 holds (m, l1), the dealer holds (l0, l1).
    Masked,
    /// x = m - r: both evaluators hold m, the dealer holds r. Every masked value can be read in this form.
    Opened,
}

/// One input of the model.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Input {
    /// The name in the source model.
    pub name: String,
    /// Shape of one sample.
    pub shape: Vec<u32>,
    /// Whether the client's array has a batch axis before the sample's axes.
    pub batched: bool,
    /// Fractional bits of the encoding.
    pub fraction_bits: u8,
    /// Smallest and largest number the plan's bounds allow; a client refuses anything outside.
    pub range: (f64, f64),
}

/// One output of the model.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Output {
    /// The name in the source model.
    pub name: String,
    /// The value that is revealed to the client.
    pub value: ValueId,
    /// Shape of one sample as the client sees it.
    pub shape: Vec<u32>,
    /// Whether the client's array has a batch axis before the sample's axes.
    pub batched: bool,
    /// What the client computes from the decoded numbers.
    pub decode: Decode,
}

/// The client's last computation, on numbers it alone holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Decode {
    /// The numbers as they are.
    Identity,
    /// 1 / (1 + e^-x), elementwise.
    Sigmoid,
    /// Softmax along one axis of the sample's shape.
    Softmax {
        /// The axis.
        axis: u32,
    },
    /// The logarithm of softmax along one axis.
    LogSoftmax {
        /// The axis.
        axis: u32,
    },
    /// The number is the index of the largest class; nothing else of the output is revealed.
    Label,
}

/// One secret weight tensor.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Parameter {
    /// The name of the initialiser or node it comes from.
    pub source: String,
    /// Row-major shape.
    pub shape: Vec<u32>,
    /// Fractional bits of the encoding.
    pub fraction_bits: u8,
}

impl Parameter {
    /// Elements of the tensor.
    pub fn elements(&self) -> usize {
        elements(&self.shape)
    }
}

fn elements(shape: &[u32]) -> usize {
    shape.iter().map(|&size| size as usize).product()
}
