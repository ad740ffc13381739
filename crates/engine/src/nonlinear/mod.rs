//! The steps that turn an opened value `x = m - r` into a masked one.
//!
//! Each protocol has the dealer's part, which sees r and deals, and the evaluators' part, which sees m and exchanges. All work on whole
//! vectors; bits are worked on 64 lanes a word. What a party does and sends depends on public numbers alone.

pub mod arg_max;
mod block;
mod comparison;
mod contest;
pub mod max_pool;
pub mod piecewise;
mod select;
mod slots;
#[cfg(test)]
mod tests;
pub mod truncate;

use tercet_plan::{Comparison, Layout, Op};
use tercet_ring::{Ring, Secret};

use self::arg_max::ArgMax;
use self::max_pool::MaxPool;
use self::piecewise::Piecewise;
use crate::{Dealer, EngineError, Evaluator};

/// Shapes of one sample of a step's operand and result, and the samples of the batch.
#[derive(Clone, Copy)]
pub struct Shapes<'a> {
    /// The operand's.
    pub operand: &'a [u32],
    /// The result's.
    pub result: &'a [u32],
    /// Samples.
    pub batch: usize,
}

impl Shapes<'_> {
    /// Elements of the result over the whole batch.
    fn result_elements(&self) -> usize {
        self.batch * self.result.iter().map(|&size| size as usize).product::<usize>()
    }
}

/// The dealer's part of a non-linear step of a checked plan, with `r` of its operand.
///
/// # Errors
/// When the step is none of these.
pub fn deal<R: Ring>(dealer: &mut Dealer, op: &Op, shapes: Shapes<'_>, r: &[R]) -> Result<(), EngineError> {
    match Nonlinear::of(op, shapes)? {
        Nonlinear::Truncate(shift) => {
            truncate::deal(dealer, r, shift);
            Ok(())
        }
        Nonlinear::Piecewise(function) => piecewise::deal(dealer, r, function),
        Nonlinear::MaxPool(pool) => max_pool::deal(dealer, r, pool),
        Nonlinear::ArgMax(search) => arg_max::deal(dealer, r, search),
    }
}

/// An evaluator's part of a non-linear step of a checked plan, with `m` of its operand and its half of the result's mask: m of the result.
///
/// # Errors
/// When a peer is lost, late, or sends what the protocol does not call for; when the step is none of these.
pub fn evaluate<R: Ring>(
    evaluator: &mut Evaluator,
    op: &Op,
    shapes: Shapes<'_>,
    m: &[R],
    mask: &Secret<R>,
) -> Result<Secret<R>, EngineError> {
    match Nonlinear::of(op, shapes)? {
        Nonlinear::Truncate(shift) => truncate::evaluate(evaluator, m, shift, mask),
        Nonlinear::Piecewise(function) => piecewise::evaluate(evaluator, m, function, mask),
        Nonlinear::MaxPool(pool) => max_pool::evaluate(evaluator, m, pool, mask),
        Nonlinear::ArgMax(search) => arg_max::evaluate(evaluator, m, search, mask),
    }
}

/// The public form of a non-linear step.
enum Nonlinear<'a> {
    Truncate(u8),
    Piecewise(Piecewise<'a>),
    MaxPool(MaxPool<'a>),
    ArgMax(ArgMax<'a>),
}

impl<'a> Nonlinear<'a> {
    fn of(op: &'a Op, shapes: Shapes<'a>) -> Result<Self, EngineError> {
        match op {
            Op::Truncate { shift, .. } => Ok(Nonlinear::Truncate(*shift)),
            Op::Piecewise {
                shift,
                knots,
                slopes,
                offsets,
                comparison,
                ..
            } => Ok(Nonlinear::Piecewise(Piecewise {
                shift: *shift,
                knots,
                slopes,
                offsets,
                comparison: *comparison,
            })),
            Op::MaxPool {
                window,
                shift,
                relu,
                comparison,
                ..
            } => Ok(Nonlinear::MaxPool(MaxPool {
                window: *window,
                shift: *shift,
                relu: *relu,
                comparison: *comparison,
                shapes,
            })),
            Op::ArgMax { comparison, .. } => Ok(Nonlinear::ArgMax(ArgMax {
                comparison: *comparison,
                shapes,
            })),
            _ => Err(EngineError::Misuse("a step that is not non-linear was run as one")),
        }
    }
}

/// The blocks of a comparison. A checked plan has none that fails.
fn layout<R: Ring>(comparison: Comparison) -> Result<Layout, EngineError> {
    Layout::new(comparison, R::KIND).map_err(|_| EngineError::Misuse("a comparison that does not fit the ring was run"))
}
