//! The linear step: opens a sum of products in one round.
//!
//! For z = x W + x y + f x + b, with W and b parameters and x = m_x - l_x, y = m_y - l_y masked values, l_x = l0_x + l1_x:
//!
//! ```text
//! E0 sends  m_x (-l0_W)       + [-l0_x m_W + s0]        - m_x l0_y - l0_x m_y
//! E1 sends  m_x (m_W - l1_W)  + [-l1_x m_W + s1 + m_b]  + m_x (m_y - l1_y) - l1_x m_y  + f m_x
//! both get  z + r,   r = s0 + s1 - l_x l_W - l_x l_y + f l_x + l_b   known to the dealer alone
//! ```
//!
//! s0 and s1 are the masks that the evaluators have in common with the dealer; what stands in brackets does not depend on the input and is
//! computed ahead of it. Rounds: 1. Bytes: one element of the result in each direction, nothing dealt. Exact in the ring.
//! Source: Chaudhari et al., ASTRA (CCSW 2019), section 3.2, with weights shared once in replicated form (Araki et al., CCS 2016) and seen
//! through the session's roles.

mod static_operand;

use tercet_plan::{Op, Plan, Term, ValueId};
use tercet_ring::kernel::gemm;
use tercet_ring::{Ring, Secret, vector};

pub(crate) use static_operand::StaticOperand;

use crate::model::{ModelShare, View};

/// One linear step of a session: the plan's terms, and the parameters as this party's role sees them.
pub(crate) struct LinearStep<'a, R: Ring> {
    plan: &'a Plan,
    model: &'a ModelShare<R>,
    step: usize,
    terms: &'a [Term],
    batch: usize,
}

impl<'a, R: Ring> LinearStep<'a, R> {
    /// The linear step `step` of a validated plan.
    pub(crate) fn new(plan: &'a Plan, model: &'a ModelShare<R>, step: usize, batch: usize) -> Self {
        let Op::Linear(terms) = &plan.steps[step].op else {
            unreachable!("the caller matched a linear step")
        };
        LinearStep {
            plan,
            model,
            step,
            terms,
            batch,
        }
    }

    /// At the dealer: r, from the step's mask. `of` gives l of an operand, `view` is [`View::of_masks`].
    pub(crate) fn deal<'v>(&self, mask: Secret<R>, view: View, of: impl Fn(ValueId) -> &'v Secret<R>) -> Secret<R> {
        let mut r = mask;
        for (index, term) in self.terms.iter().enumerate() {
            match term {
                Term::Dense { of: x, .. } | Term::Conv { of: x, .. } | Term::Scale { of: x, .. } => {
                    // The view is -l_W.
                    self.operand(index, view).multiply_add(self.batch, of(*x), &mut r);
                }
                Term::Bias(_) => self.operand(index, view).add_bias(R::ONE.negated(), &mut r),
                Term::Add { of: x, factor } => vector::add_scaled(&mut r, R::from_i64(*factor), of(*x)),
                Term::Product { left, right } | Term::MatMul { left, right } => {
                    self.dynamic_product(term, &negated(of(*left)), of(*right), &mut r);
                }
            }
        }
        r
    }

    /// At an evaluator, ahead of the input: the bracket, from its half of the step's mask. `of` gives the evaluator's half of an operand's
    /// mask, `view` is [`View::of_masks`].
    pub(crate) fn prepare<'v>(
        &self,
        mask: Secret<R>,
        first: bool,
        view: View,
        of: impl Fn(ValueId) -> &'v Secret<R>,
    ) -> Secret<R> {
        let mut bracket = mask;
        for (index, term) in self.terms.iter().enumerate() {
            match term {
                Term::Dense { of: x, .. } | Term::Conv { of: x, .. } | Term::Scale { of: x, .. } => {
                    let negated = negated(of(*x));
                    self.operand(index, view)
                        .multiply_add(self.batch, &negated, &mut bracket);
                }
                Term::Bias(_) if !first => self.operand(index, view).add_bias(R::ONE, &mut bracket),
                Term::Bias(_) | Term::Add { .. } | Term::Product { .. } | Term::MatMul { .. } => {}
            }
        }
        bracket
    }

    /// At an evaluator, online: its message, from the bracket. `masked` gives m of an operand, `mask` the evaluator's half of its mask, `view`
    /// is [`View::of_masked`].
    pub(crate) fn evaluate<'v>(
        &self,
        bracket: Secret<R>,
        first: bool,
        view: View,
        masked: impl Fn(ValueId) -> &'v Secret<R>,
        mask: impl Fn(ValueId) -> &'v Secret<R>,
    ) -> Secret<R> {
        let mut message = bracket;
        for (index, term) in self.terms.iter().enumerate() {
            match term {
                Term::Dense { of: x, .. } | Term::Conv { of: x, .. } | Term::Scale { of: x, .. } => {
                    self.operand(index, view)
                        .multiply_add(self.batch, masked(*x), &mut message);
                }
                Term::Add { of: x, factor } if !first => {
                    vector::add_scaled(&mut message, R::from_i64(*factor), masked(*x));
                }
                Term::Bias(_) | Term::Add { .. } => {}
                Term::Product { left, right } | Term::MatMul { left, right } => {
                    // Evaluator 0: m_x (-l0_y). Evaluator 1: m_x (m_y - l1_y).
                    let mut factor = negated(mask(*right));
                    if !first {
                        vector::add_assign(&mut factor, masked(*right));
                    }
                    self.dynamic_product(term, masked(*left), &factor, &mut message);
                    self.dynamic_product(term, &negated(mask(*left)), masked(*right), &mut message);
                }
            }
        }
        message
    }

    fn operand(&self, term: usize, view: View) -> &StaticOperand<R> {
        let operand = self.model.operand(self.plan, self.step, term, view);
        operand.expect("the term has a parameter")
    }

    /// `sum += x * y` as the term multiplies.
    fn dynamic_product(&self, term: &Term, x: &[R], y: &[R], sum: &mut [R]) {
        let Term::MatMul { left, right } = term else {
            return vector::add_product(sum, x, y);
        };
        let (&[.., rows, inner], &[.., columns]) =
            (&self.plan.value(*left).shape[..], &self.plan.value(*right).shape[..])
        else {
            unreachable!("factors of a matrix product have two axes at least")
        };
        let [rows, inner, columns] = [rows, inner, columns].map(|size| size as usize);
        let products = x.chunks_exact(rows * inner).zip(y.chunks_exact(inner * columns));
        for ((x, y), sum) in products.zip(sum.chunks_exact_mut(rows * columns)) {
            gemm::gemm(rows, inner, columns, x, y, sum);
        }
    }
}

fn negated<R: Ring>(elements: &Secret<R>) -> Secret<R> {
    let mut negated = elements.clone();
    vector::negate(&mut negated);
    negated
}
