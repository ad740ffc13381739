//! The rules of a plan, checked before anything is allocated or run: a plan may come from the network.
//!
//! What cannot be checked without the weights is whether the declared bounds hold; that is the compiler's promise.

mod fault;
mod range;
mod shape;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

pub use fault::{Place, PlanFault, Rule};

use crate::limits::{
    MODEL_ELEMENTS_MAX, NAME_BYTES_MAX, OPERANDS_MAX, PARAMETER_ELEMENTS_MAX, PARAMETERS_MAX, PORTS_MAX, RANK_MAX,
    STEPS_MAX, VALUE_ELEMENTS_MAX,
};
use crate::{Decode, Form, Op, Output, Plan, Step, Term};

impl Plan {
    /// Checks that the plan can be run: references go backwards, every shape, form and scale follows from the operands,
    /// sizes are within [`crate::limits`], and every bound fits what the protocols do with the value in the plan's ring.
    ///
    /// # Errors
    /// The first rule that is broken, and where.
    pub fn validate(&self) -> Result<(), PlanFault> {
        let at = |place: Place| move |rule: Rule| PlanFault { place, rule };
        self.check_whole().map_err(at(Place::Plan))?;
        for (index, input) in self.inputs.iter().enumerate() {
            let (low, high) = input.range;
            size(&input.shape, VALUE_ELEMENTS_MAX)
                .and_then(|_| ensure(low.is_finite() && high.is_finite() && low <= high, Rule::Range))
                .map_err(at(Place::Input(index)))?;
        }
        self.check_parameters()?;
        let mut inputs = HashSet::new();
        for (index, step) in self.steps.iter().enumerate() {
            let fault = |rule| PlanFault {
                place: Place::Step {
                    index,
                    op: step.op.name(),
                    source: printable(&step.source),
                },
                rule,
            };
            self.check_step(index, step).map_err(fault)?;
            if let Op::Input(input) = step.op {
                ensure(inputs.insert(input), Rule::RepeatedInput).map_err(fault)?;
            }
        }
        for (index, output) in self.outputs.iter().enumerate() {
            self.check_output(output).map_err(at(Place::Output(index)))?;
        }
        Ok(())
    }

    fn check_whole(&self) -> Result<(), Rule> {
        ensure(matches!(self.ring_bits, 32 | 64), Rule::Ring(self.ring_bits))?;
        let ports = |count: usize| (1..=PORTS_MAX).contains(&count);
        ensure(ports(self.inputs.len()) && ports(self.outputs.len()), Rule::Count)?;
        ensure(self.parameters.len() <= PARAMETERS_MAX, Rule::Count)?;
        ensure((1..=STEPS_MAX).contains(&self.steps.len()), Rule::Count)?;
        name(&self.name)?;
        unique(self.inputs.iter().map(|input| input.name.as_str()))?;
        unique(self.outputs.iter().map(|output| output.name.as_str()))?;
        let batched = self.inputs.iter().any(|input| input.batched);
        ensure(
            self.outputs.iter().all(|output| output.batched == batched),
            Rule::Batched,
        )
    }

    fn check_parameters(&self) -> Result<(), PlanFault> {
        let mut total = 0;
        for (index, parameter) in self.parameters.iter().enumerate() {
            let fault = |rule| PlanFault {
                place: Place::Parameter(index, printable(&parameter.source)),
                rule,
            };
            source(&parameter.source).map_err(fault)?;
            total += size(&parameter.shape, PARAMETER_ELEMENTS_MAX).map_err(fault)?;
            ensure(total <= MODEL_ELEMENTS_MAX, Rule::ModelSize).map_err(fault)?;
        }
        Ok(())
    }

    fn check_step(&self, index: usize, step: &Step) -> Result<(), Rule> {
        source(&step.source)?;
        size(&step.value.shape, VALUE_ELEMENTS_MAX)?;
        self.check_references(index, &step.op)?;
        shape::check(self, step)?;
        self.check_form(step)?;
        range::check(self, step)
    }

    fn check_references(&self, index: usize, op: &Op) -> Result<(), Rule> {
        let operands = op.operands();
        let sources = usize::from(!matches!(op, Op::Input(_) | Op::Linear(_)));
        ensure((sources..=OPERANDS_MAX).contains(&operands.len()), Rule::Count)?;
        for of in operands {
            ensure((of.0 as usize) < index, Rule::Undefined(format!("value {}", of.0)))?;
        }
        if let Op::Input(input) = op {
            let known = (*input as usize) < self.inputs.len();
            ensure(known, Rule::Undefined(format!("input {input}")))?;
        }
        if let Op::Linear(terms) = op {
            ensure((1..=OPERANDS_MAX).contains(&terms.len()), Rule::Count)?;
            for parameter in terms.iter().filter_map(Term::parameter) {
                let known = (parameter.0 as usize) < self.parameters.len();
                ensure(known, Rule::Undefined(format!("parameter {}", parameter.0)))?;
            }
        }
        Ok(())
    }

    /// Local steps keep the form of their operands, the linear step takes masked values to an opened one, and the
    /// non-linear steps give a masked one whatever they take, since a masked value can be read as an opened one.
    fn check_form(&self, step: &Step) -> Result<(), Rule> {
        let operands = step.op.operands();
        let all = |form: Form| operands.iter().all(|&of| self.value(of).form == form);
        let right = match &step.op {
            Op::Input(_) => step.value.form == Form::Masked,
            Op::Linear(_) => all(Form::Masked) && step.value.form == Form::Opened,
            Op::Truncate { .. } | Op::Piecewise { .. } | Op::MaxPool { .. } | Op::ArgMax { .. } => {
                step.value.form == Form::Masked
            }
            _ => all(step.value.form),
        };
        ensure(right, Rule::Form)
    }

    fn check_output(&self, output: &Output) -> Result<(), Rule> {
        let id = output.value.0;
        ensure((id as usize) < self.steps.len(), Rule::Undefined(format!("value {id}")))?;
        let value = self.value(output.value);
        let elements = size(&output.shape, VALUE_ELEMENTS_MAX)?;
        ensure(elements == value.elements() as u64, Rule::Shape(output.shape.clone()))?;
        let decodes = match output.decode {
            Decode::Identity | Decode::Sigmoid => true,
            Decode::Softmax { axis } | Decode::LogSoftmax { axis } => (axis as usize) < output.shape.len(),
            Decode::Label => value.fraction_bits == 0,
        };
        ensure(decodes, Rule::Decode)
    }
}

fn ensure(holds: bool, rule: Rule) -> Result<(), Rule> {
    if holds { Ok(()) } else { Err(rule) }
}

/// The number of elements of a shape that is within bounds.
fn size(shape: &[u32], elements_max: u64) -> Result<u64, Rule> {
    let product = shape.iter().try_fold(1_u64, |product, &size| {
        product
            .checked_mul(u64::from(size))
            .filter(|product| *product <= elements_max)
    });
    match product {
        Some(elements) if elements > 0 && shape.len() <= RANK_MAX => Ok(elements),
        _ => Err(Rule::TensorSize(shape.iter().copied().take(RANK_MAX).collect())),
    }
}

fn name(name: &str) -> Result<(), Rule> {
    ensure(!name.is_empty(), Rule::Name)?;
    source(name)
}

/// The source of a step or parameter may be empty.
fn source(name: &str) -> Result<(), Rule> {
    let short = name.len() <= NAME_BYTES_MAX;
    ensure(short && !name.chars().any(char::is_control), Rule::Name)
}

fn unique<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), Rule> {
    let mut seen = HashSet::new();
    for one in names {
        name(one)?;
        ensure(seen.insert(one), Rule::Name)?;
    }
    Ok(())
}

/// A name from the network as it may stand in a message.
fn printable(name: &str) -> String {
    const SHOWN: usize = 80;
    name.chars().filter(|c| !c.is_control()).take(SHOWN).collect()
}
