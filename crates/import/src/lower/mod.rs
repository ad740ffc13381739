//! From the float graph to a plan: a scale, a unit and a bound for every value, and integers for every weight.
//!
//! A value of the plan holds integers v that stand for `unit * v / 2^fraction_bits`. Units carry positive factors that are no
//! power of two, such as the count of an average, to the next layer's weights, so that they cost nothing.

mod correction;
mod linear;
mod moves;
mod nonlinear;

use tercet_plan::{
    Bound, FORMAT, Form, Input, Integers, Op, Origin, Output, Parameter, ParameterId, Parameters, Plan, Step, Value,
    ValueId,
};

use crate::error::ImportError;
use crate::graph::{Graph, NodeId, Op as FloatOp, Term};
use crate::planner::magnitude::Magnitude;

/// Smaller units than 2^-UNIT_BITS_MAX are turned into fractional bits. Others are left, since it takes a step.
const UNIT_BITS_MAX: f64 = 6.0;

/// How numbers are represented.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scales {
    /// Bits of a ring element.
    pub ring_bits: u8,
    /// For each node the fractional bits that its value is rounded to where it is rounded, in unit one.
    pub fraction_bits: Vec<u8>,
    /// Fractional bits of slopes that are no multiples of each other.
    pub slope_bits: u8,
}

/// Which float node a step stands for.
#[derive(Clone, Copy, Debug)]
pub struct StepOrigin {
    /// The node.
    pub node: NodeId,
    /// What one of the step's value, scaled, stands for in the float graph.
    pub unit: f64,
}

/// A plan with its parameters.
pub struct Lowered {
    /// The plan.
    pub plan: Plan,
    /// Its weights.
    pub parameters: Parameters,
    /// For each step the float node it computes.
    pub origins: Vec<StepOrigin>,
}

/// A value of the plan that represents a node.
#[derive(Clone, Copy)]
struct Held {
    id: ValueId,
    unit: f64,
}

struct Lowering<'a> {
    graph: &'a Graph,
    magnitudes: &'a [Magnitude],
    scales: Scales,
    /// For each node the mean of each channel; empty where none was seen or none is needed.
    means: &'a [Vec<f64>],
    /// For each node how many bits above its own magnitude its users need.
    headroom: Vec<f64>,
    plan: Plan,
    tensors: Vec<Integers>,
    /// For each parameter what its numbers were multiplied by before they were rounded.
    factors: Vec<f64>,
    origins: Vec<StepOrigin>,
    natural: Vec<Option<Held>>,
    masked: Vec<Option<Held>>,
}

/// Lowers the graph; `ranges` are those of the inputs. With the `means` of the nodes' channels, biases make up for what the rounding of weights
/// adds on average.
///
/// # Errors
/// [`ImportError::DoesNotFit`] when a value or weight does not fit the ring with these scales.
pub fn lower(
    name: &str,
    graph: &Graph,
    ranges: &[(f64, f64)],
    magnitudes: &[Magnitude],
    means: &[Vec<f64>],
    scales: Scales,
) -> Result<Lowered, ImportError> {
    let batched = graph.inputs.iter().any(|input| input.batched);
    let nodes = || graph.nodes.iter().zip(&scales.fraction_bits);
    let inputs = graph.inputs.iter().zip(ranges).enumerate();
    let inputs = inputs.map(|(index, (input, &range))| Input {
        name: input.name.clone(),
        shape: sizes(&input.shape),
        batched: input.batched,
        fraction_bits: nodes()
            .find_map(|(node, bits)| matches!(node.op, FloatOp::Input(of) if of == index).then_some(*bits))
            .expect("every input is a node"),
        range,
    });
    let plan = Plan {
        format: FORMAT,
        name: name.to_owned(),
        ring_bits: scales.ring_bits,
        inputs: inputs.collect(),
        outputs: vec![],
        parameters: vec![],
        steps: vec![],
    };
    let mut lowering = Lowering {
        graph,
        magnitudes,
        scales,
        means,
        headroom: headroom(graph, magnitudes),
        plan,
        tensors: vec![],
        factors: vec![],
        origins: vec![],
        natural: vec![None; graph.nodes.len()],
        masked: vec![None; graph.nodes.len()],
    };
    for index in 0..graph.nodes.len() {
        let held = lowering.node(NodeId(index))?;
        let held = lowering.in_moderate_unit(NodeId(index), held)?;
        lowering.natural[index] = Some(held);
    }
    for output in &graph.outputs {
        let held = lowering.in_unit_one(output.node)?;
        lowering.plan.outputs.push(Output {
            name: output.name.clone(),
            value: held.id,
            shape: sizes(&output.shape),
            batched,
            decode: output.decode,
        });
    }
    lowering.plan.validate()?;
    let parameters = Parameters::new(&lowering.plan, lowering.tensors)?;
    Ok(Lowered {
        plan: lowering.plan,
        parameters,
        origins: lowering.origins,
    })
}

/// For each node the bits that its users' results, which keep its scale, are larger by, and one more where differences are compared.
pub fn headroom(graph: &Graph, magnitudes: &[Magnitude]) -> Vec<f64> {
    let mut headroom = vec![0.0_f64; graph.nodes.len()];
    for (index, node) in graph.nodes.iter().enumerate().rev() {
        let growth = |of: NodeId| (magnitudes[index].most / magnitudes[of.0].most).log2().max(0.0);
        for of in node.op.operands() {
            let needed = match &node.op {
                FloatOp::MaxPool { .. } | FloatOp::ArgMax(_) => 1.0,
                FloatOp::Piecewise { curve, .. } => {
                    let farthest = curve.knots.iter().fold(0.0_f64, |most, knot| most.max(knot.abs()));
                    (1.0 + farthest / magnitudes[of.0].most).log2()
                }
                FloatOp::Sum(terms) => match terms.as_slice() {
                    [Term::Add { .. }] => headroom[index],
                    terms if terms.iter().all(|term| matches!(term, Term::Add { .. })) => headroom[index] + growth(of),
                    _ => 0.0,
                },
                FloatOp::Sigmoid(_) | FloatOp::Softmax { .. } | FloatOp::Input(_) => 0.0,
                _ => headroom[index] + growth(of),
            };
            headroom[of.0] = headroom[of.0].max(needed);
        }
    }
    headroom
}

impl Lowering<'_> {
    fn node(&mut self, id: NodeId) -> Result<Held, ImportError> {
        let graph = self.graph;
        match &graph.node(id).op {
            FloatOp::Input(index) => {
                let fraction = self.scales.fraction_bits[id.0];
                self.step(id, 1.0, Op::Input(*index as u32), fraction, Form::Masked)
            }
            FloatOp::Sum(terms) => self.sum(id, terms),
            FloatOp::Piecewise { of, curve } => self.piecewise(id, *of, curve),
            FloatOp::MaxPool { of, window, relu } => self.max_pool(id, *of, *window, *relu),
            FloatOp::ArgMax(of) => self.arg_max(id, *of),
            FloatOp::Sigmoid(_) | FloatOp::Softmax { .. } => unreachable!("simplification leaves none that is live"),
            moves => self.moves(id, moves),
        }
    }

    fn natural(&self, id: NodeId) -> Held {
        self.natural[id.0].expect("operands are lowered first")
    }

    fn value(&self, held: Held) -> &Value {
        &self.plan.steps[held.id.0 as usize].value
    }

    /// The value of a node in masked form, with the scale it is to have if it had to be brought there.
    fn masked(&mut self, id: NodeId) -> Result<Held, ImportError> {
        if let Some(held) = self.masked[id.0] {
            return Ok(held);
        }
        let natural = self.natural(id);
        let value = self.value(natural);
        let held = match value.form {
            Form::Masked => natural,
            Form::Opened => {
                let shift = value.fraction_bits.saturating_sub(self.rounded_bits(id, natural.unit));
                let fraction = value.fraction_bits - shift;
                let of = natural.id;
                self.step(id, natural.unit, Op::Truncate { of, shift }, fraction, Form::Masked)?
            }
        };
        self.masked[id.0] = Some(held);
        Ok(held)
    }

    /// Fractional bits that make the node's value in a unit as fine as it is to be.
    fn rounded_bits(&self, id: NodeId, unit: f64) -> u8 {
        let bits = f64::from(self.scales.fraction_bits[id.0]) + unit.log2().round();
        bits.clamp(0.0, f64::from(self.scales.ring_bits - 2)) as u8
    }

    /// The powers of two of a small unit as fractional bits, which is a matter of names.
    fn in_moderate_unit(&mut self, id: NodeId, held: Held) -> Result<Held, ImportError> {
        let finer = -held.unit.log2().ceil();
        let (fraction, form) = (self.value(held).fraction_bits, self.value(held).form);
        let fits = f64::from(fraction) + finer < f64::from(self.scales.ring_bits);
        if finer < UNIT_BITS_MAX || !fits {
            return Ok(held);
        }
        let same = Op::Combine {
            terms: vec![(held.id, 1)],
            constant: 0,
        };
        self.step(id, held.unit * finer.exp2(), same, fraction + finer as u8, form)
    }

    /// Bits an integer needs for the node's values in a unit at a scale, |v| < 2^bits. Rounding may add some units.
    fn bits(&self, id: NodeId, unit: f64, fraction: u8) -> i32 {
        const ROUNDING: f64 = 8.0;
        let scaled = self.magnitudes[id.0].most / unit * f64::from(fraction).exp2() * 1.001 + ROUNDING;
        scaled.log2().floor() as i32 + 1
    }

    /// Adds a step for the node, with the bound its magnitude gives.
    fn step(&mut self, id: NodeId, unit: f64, op: Op, fraction: u8, form: Form) -> Result<Held, ImportError> {
        let shape = sizes(self.graph.shape(id));
        self.shaped_step(id, unit, op, shape, fraction, form)
    }

    fn shaped_step(
        &mut self,
        id: NodeId,
        unit: f64,
        op: Op,
        shape: Vec<u32>,
        fraction: u8,
        form: Form,
    ) -> Result<Held, ImportError> {
        let bits = self.bits(id, unit, fraction);
        let available = i32::from(self.scales.ring_bits) - 2;
        if bits > available {
            return Err(self.does_not_fit(id, bits, available));
        }
        // Inputs outside of the range are refused, so their bound holds.
        let input = matches!(op, Op::Input(_));
        let origin = if input {
            Origin::Proven
        } else {
            self.magnitudes[id.0].origin
        };
        let value = Value {
            shape,
            fraction_bits: fraction,
            bound: Bound {
                bits: bits.max(1) as u8,
                origin,
            },
            form,
        };
        Ok(self.push(id, unit, op, value))
    }

    fn push(&mut self, id: NodeId, unit: f64, op: Op, value: Value) -> Held {
        self.plan.steps.push(Step {
            source: self.graph.node(id).source.clone(),
            op,
            value,
        });
        self.origins.push(StepOrigin { node: id, unit });
        Held {
            id: ValueId(self.plan.steps.len() as u32 - 1),
            unit,
        }
    }

    fn does_not_fit(&self, id: NodeId, needed: i32, available: i32) -> ImportError {
        let advice = if self.scales.ring_bits == 32 {
            "use the 64-bit ring"
        } else {
            "give calibration samples or a narrower input range"
        };
        ImportError::DoesNotFit {
            ring_bits: self.scales.ring_bits,
            source_name: self.graph.node(id).source.clone(),
            needed,
            available,
            advice,
        }
    }

    /// Rounds a weight to integers and makes it a parameter.
    fn parameter(
        &mut self,
        id: NodeId,
        array: &ndarray::ArrayD<f64>,
        factor: f64,
        fraction: u8,
    ) -> Result<ParameterId, ImportError> {
        let scale = factor * f64::from(fraction).exp2();
        let limit = f64::from(self.scales.ring_bits - 1).exp2();
        let largest = array.iter().fold(0.0_f64, |most, x| most.max((x * scale).abs()));
        if largest.round() >= limit || !largest.is_finite() {
            let needed = largest.log2().floor() as i32 + 2;
            return Err(self.does_not_fit(id, needed, i32::from(self.scales.ring_bits)));
        }
        self.tensors
            .push(array.iter().map(|x| (x * scale).round() as i64).collect());
        self.factors.push(scale);
        self.plan.parameters.push(Parameter {
            source: self.graph.node(id).source.clone(),
            shape: sizes(array.shape()),
            fraction_bits: fraction,
        });
        Ok(ParameterId(self.plan.parameters.len() as u32 - 1))
    }
}

fn sizes(shape: &[usize]) -> Vec<u32> {
    shape.iter().map(|&size| size as u32).collect()
}
