use tercet_ring::RingKind;

use crate::{
    Bound, Decode, FORMAT, Form, Input, Op, Origin, Output, Parameter, ParameterId, Plan, Step, Value, ValueId,
};

/// Builds a plan step by step; forms follow from the ops.
#[derive(Clone, Debug)]
pub struct PlanBuilder {
    plan: Plan,
}

impl PlanBuilder {
    /// An empty plan in a ring.
    pub fn new(ring: RingKind) -> PlanBuilder {
        PlanBuilder {
            plan: Plan {
                format: FORMAT,
                name: "test".to_owned(),
                ring_bits: ring.bits() as u8,
                inputs: Vec::new(),
                outputs: Vec::new(),
                parameters: Vec::new(),
                steps: Vec::new(),
            },
        }
    }

    /// An input with integers |v| < 2^bound_bits, and the step that gives it.
    pub fn input(&mut self, shape: &[u32], fraction_bits: u8, bound_bits: u8) -> ValueId {
        let index = self.plan.inputs.len();
        let limit = ((1_u64 << bound_bits) - 1) as f64 / f64::from(fraction_bits).exp2();
        // Rounded to a double, 2^63 - 1 would be 2^63.
        let limit = if bound_bits > 52 {
            limit * (1.0 - f64::EPSILON)
        } else {
            limit
        };
        self.plan.inputs.push(Input {
            name: format!("input_{index}"),
            shape: shape.to_vec(),
            batched: true,
            fraction_bits,
            range: (-limit, limit),
        });
        self.step(Op::Input(index as u32), shape, fraction_bits, bound_bits)
    }

    /// A parameter.
    pub fn parameter(&mut self, shape: &[u32], fraction_bits: u8) -> ParameterId {
        let index = self.plan.parameters.len();
        self.plan.parameters.push(Parameter {
            source: format!("parameter_{index}"),
            shape: shape.to_vec(),
            fraction_bits,
        });
        ParameterId(index as u32)
    }

    /// A step whose value has the given shape, scale and bound.
    pub fn step(&mut self, op: Op, shape: &[u32], fraction_bits: u8, bound_bits: u8) -> ValueId {
        let form = match &op {
            Op::Linear(_) => Form::Opened,
            Op::Input(_) | Op::Truncate { .. } | Op::Piecewise { .. } | Op::MaxPool { .. } | Op::ArgMax { .. } => {
                Form::Masked
            }
            local => self.plan.value(local.operands()[0]).form,
        };
        let index = self.plan.steps.len();
        self.plan.steps.push(Step {
            source: format!("node_{index}"),
            op,
            value: Value {
                shape: shape.to_vec(),
                fraction_bits,
                bound: Bound {
                    bits: bound_bits,
                    origin: Origin::Proven,
                },
                form,
            },
        });
        ValueId(index as u32)
    }

    /// The shape of a value.
    pub fn shape(&self, value: ValueId) -> Vec<u32> {
        self.plan.value(value).shape.clone()
    }

    /// Reveals a value as it is.
    pub fn output(&mut self, value: ValueId) {
        self.output_as(value, Decode::Identity);
    }

    /// Reveals a value that the client computes on.
    pub fn output_as(&mut self, value: ValueId, decode: Decode) {
        self.plan.outputs.push(Output {
            name: format!("output_{}", self.plan.outputs.len()),
            value,
            shape: self.plan.value(value).shape.clone(),
            batched: true,
            decode,
        });
    }

    /// The plan.
    ///
    /// # Panics
    /// When it breaks a rule.
    pub fn build(self) -> Plan {
        if let Err(fault) = self.plan.validate() {
            panic!("{fault}");
        }
        self.plan
    }
}
