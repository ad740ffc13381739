use tercet_plan::{Form, Op, Term, ValueId};
use tercet_ring::{Ring, Secret};

use super::{InputMasks, Program, Values, is_local};
use crate::evaluator::Evaluator;
use crate::linear::LinearStep;
use crate::local::Part;
use crate::model::View;
use crate::prf::RESULT_MASK;

/// An evaluator's work that does not depend on the input: its halves of all masks, and the brackets of the linear steps.
///
/// Nothing of it waits for anybody.
pub(crate) struct Preparation<R: Ring> {
    /// Half of the mask of each input, in the plan's order, until the input's step is prepared.
    input_masks: Vec<Secret<R>>,
    /// Half of the mask of each masked value, while a later step needs it for a mask or a bracket.
    masks: Values<R>,
    /// For each step what its online part needs.
    prepared: Vec<Prepared<R>>,
    /// The step to prepare next.
    next: usize,
    held_bytes: usize,
}

/// What the online part of a step needs of the preparation.
#[derive(Default)]
pub(super) struct Prepared<R: Ring> {
    /// Linear: the bracket. Non-linear: this evaluator's half of the result's mask.
    pub own: Secret<R>,
    /// Linear with products of two values: this evaluator's halves of the operands' masks, by value.
    pub factors: Vec<(ValueId, Secret<R>)>,
}

impl<R: Ring> Prepared<R> {
    /// This evaluator's half of the mask of a factor.
    pub(super) fn factor(&self, id: ValueId) -> &Secret<R> {
        let factor = self.factors.iter().find(|(factor, _)| *factor == id);
        &factor.expect("factors of products are prepared").1
    }

    fn bytes(&self) -> usize {
        (self.own.len() + self.factors.iter().map(|(_, mask)| mask.len()).sum::<usize>()) * R::BYTES
    }
}

impl<R: Ring> Preparation<R> {
    /// Takes the halves of the inputs' masks from the client's sharing, or draws them.
    pub(crate) fn new(program: &Program<'_, R>, evaluator: &mut Evaluator, inputs: InputMasks<R>) -> Self {
        let input_masks = match inputs {
            InputMasks::Shared(masks) => masks,
            InputMasks::Drawn => drawn_halves(program, evaluator),
        };
        Preparation {
            input_masks,
            masks: Values::new(program.plan),
            prepared: Vec::new(),
            next: 0,
            held_bytes: 0,
        }
    }

    /// Halves of the masks of the inputs, in the plan's order; asked for before any step is prepared.
    pub(crate) fn input_masks(&self) -> &[Secret<R>] {
        &self.input_masks
    }

    /// Prepares steps as long as memory allows; later ones are prepared when they come.
    pub(crate) fn run_ahead(&mut self, program: &Program<'_, R>, evaluator: &mut Evaluator) {
        while self.next < program.plan.steps.len() && self.held_bytes < program.prepared_bytes_max {
            self.prepare_next(program, evaluator);
        }
    }

    /// What was prepared for `step`, or is now.
    pub(super) fn take(&mut self, step: usize, program: &Program<'_, R>, evaluator: &mut Evaluator) -> Prepared<R> {
        while self.next <= step {
            self.prepare_next(program, evaluator);
        }
        let prepared = std::mem::take(&mut self.prepared[step]);
        self.held_bytes -= prepared.bytes();
        prepared
    }

    fn prepare_next(&mut self, program: &Program<'_, R>, evaluator: &mut Evaluator) {
        let index = self.next;
        let step = &program.plan.steps[index];
        evaluator.prepare_step(index as u32);
        let mut prepared = Prepared::default();
        match &step.op {
            Op::Input(position) => self
                .masks
                .define(index, std::mem::take(&mut self.input_masks[*position as usize])),
            op if is_local(op) => {
                // An opened value has no halves of a mask; r is the dealer's alone.
                if step.value.form == Form::Masked {
                    self.masks.define(index, program.local(index, Part::Mask, &self.masks));
                }
            }
            Op::Linear(terms) => {
                let mask = evaluator.masks(RESULT_MASK, program.elements(index));
                let view = View::of_masks(program.me, program.roles);
                let linear = LinearStep::new(program.plan, program.model, index, program.batch);
                prepared.own = linear.prepare(mask, evaluator.is_first(), view, |id| self.masks.of(id));
                for term in terms {
                    if let Term::Product { left, right } | Term::MatMul { left, right } = term {
                        prepared
                            .factors
                            .extend([left, right].map(|id| (*id, self.masks.of(*id).clone())));
                    }
                }
            }
            _ => {
                prepared.own = evaluator.masks(RESULT_MASK, program.elements(index));
                self.masks.define(index, prepared.own.clone());
            }
        }
        self.masks.release(index, &step.op);
        self.held_bytes += prepared.bytes();
        self.prepared.push(prepared);
        self.next += 1;
    }
}

/// A half of a fresh mask for each input; an empty one for an input that no step defines.
fn drawn_halves<R: Ring>(program: &Program<'_, R>, evaluator: &mut Evaluator) -> Vec<Secret<R>> {
    let mut halves = vec![Secret::default(); program.plan.inputs.len()];
    for (index, step) in program.plan.steps.iter().enumerate() {
        if let Op::Input(position) = step.op {
            evaluator.prepare_step(index as u32);
            halves[position as usize] = evaluator.masks(RESULT_MASK, program.elements(index));
        }
    }
    halves
}
