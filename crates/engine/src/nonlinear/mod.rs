//! The steps that turn an opened value `x = m - r` into a masked one.
//!
//! Each protocol has the dealer's part, which sees r and deals, and the evaluators' part, which sees m and exchanges. Both work on
//! tiles, ranges of the result's elements that stay in a core's cache; bits are worked on 64 lanes a word. What a party does and sends depends on public
//! numbers alone.

pub mod arg_max;
mod block;
mod comparison;
mod contest;
pub mod max_pool;
pub mod piecewise;
mod polynomial;
mod select;
mod slots;
#[cfg(test)]
mod tests;
mod tiling;
pub mod truncate;
mod unopened;
mod winners;

use std::ops::Range;

use tercet_plan::{Comparison, Layout, Op, Variant};
use tercet_ring::{Ring, Secret};

use self::arg_max::ArgMax;
use self::max_pool::MaxPool;
use self::piecewise::Piecewise;
use self::tiling::Tiling;
use crate::evaluator::Tiles;
use crate::{Dealer, EngineError, Evaluator, EvaluatorTile};

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
    let (step, tiling) = (Nonlinear::of(op, shapes)?, Tiling::new::<R>(op, shapes)?);
    for tile in 0..tiling.count() {
        dealer.begin_tile(tile as u32, tiling.cost(tile).dealt as usize);
        step.deal(dealer, r, tiling.lanes(tile))?;
        dealer.finish_tile();
    }
    Ok(())
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
    mask: &[R],
) -> Result<Secret<R>, EngineError> {
    let (step, tiling) = (Nonlinear::of(op, shapes)?, Tiling::new::<R>(op, shapes)?);
    run_tiles(evaluator, &tiling, 0, async |mut evaluator, lanes| {
        step.evaluate(&mut evaluator, m, lanes.clone(), &mask[lanes]).await
    })
}

/// As [`evaluate`], for an element-wise step whose operand is still to be opened: `share` is this evaluator's masked share of it. A tile's comparison starts
/// when its part of the opening is there. Takes the opening's round on top.
///
/// # Errors
/// As [`evaluate`].
pub(crate) fn open_and_evaluate<R: Ring>(
    evaluator: &mut Evaluator,
    op: &Op,
    shapes: Shapes<'_>,
    share: &[R],
    mask: &[R],
) -> Result<Secret<R>, EngineError> {
    let (step, tiling) = (Nonlinear::of(op, shapes)?, Tiling::new::<R>(op, shapes)?);
    run_tiles(evaluator, &tiling, R::BYTES, async |mut evaluator, lanes| {
        let m = evaluator.open(Secret::new(share[lanes.clone()].to_vec())).await;
        step.evaluate(&mut evaluator, &m, 0..m.len(), &mask[lanes]).await
    })
}

/// Whether elements of the result depend on one element of the operand each.
pub(crate) fn is_element_wise(op: &Op) -> bool {
    matches!(op, Op::Truncate { .. } | Op::Piecewise { .. })
}

/// Runs `protocol` on each tile, and puts the results together. `opened_bytes` of each element are exchanged ahead of the step's own protocol.
fn run_tiles<R: Ring>(
    evaluator: &mut Evaluator,
    tiling: &Tiling,
    opened_bytes: usize,
    protocol: impl AsyncFn(EvaluatorTile, Range<usize>) -> Result<Secret<R>, EngineError>,
) -> Result<Secret<R>, EngineError> {
    let mut result = Secret::zeros(tiling.elements());
    let tiles = Tiles {
        count: tiling.count(),
        online_bytes: tiling.cost(0).e0_to_e1 as usize + opened_bytes * tiling.lanes(0).len(),
        open_operand: opened_bytes > 0,
    };
    evaluator.run_tiles(
        tiles,
        |tile| tiling.cost(tile).dealt as usize,
        async |evaluator, tile| protocol(evaluator, tiling.lanes(tile)).await,
        |tile, part| result[tiling.lanes(tile)].copy_from_slice(&part),
    )?;
    Ok(result)
}

/// The public form of a non-linear step.
enum Nonlinear<'a> {
    Truncate(u8),
    Piecewise(Piecewise<'a>),
    MaxPool(MaxPool<'a>),
    ArgMax(ArgMax),
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
                variant,
                ..
            } => Ok(Nonlinear::Piecewise(Piecewise {
                shift: *shift,
                knots,
                slopes,
                offsets,
                comparison: *comparison,
                variant: *variant,
            })),
            Op::MaxPool {
                window,
                shift,
                relu,
                comparison,
                variant,
                ..
            } => Ok(Nonlinear::MaxPool(MaxPool {
                window: *window,
                shift: *shift,
                relu: *relu,
                comparison: *comparison,
                variant: *variant,
                operand: shapes.operand,
                result: shapes.result,
            })),
            Op::ArgMax {
                comparison, variant, ..
            } => Ok(Nonlinear::ArgMax(ArgMax {
                comparison: *comparison,
                variant: *variant,
                candidates: shapes.operand.last().map_or(1, |&candidates| candidates as usize),
            })),
            _ => Err(EngineError::Misuse("a step that is not non-linear was run as one")),
        }
    }

    /// Deals for the elements `lanes` of the result, with `r` of the whole operand.
    fn deal<R: Ring>(&self, dealer: &mut Dealer, r: &[R], lanes: Range<usize>) -> Result<(), EngineError> {
        match self {
            Nonlinear::Truncate(shift) => {
                truncate::deal(dealer, &r[lanes], *shift);
                Ok(())
            }
            Nonlinear::Piecewise(function) => piecewise::deal(dealer, &r[lanes], *function),
            Nonlinear::MaxPool(pool) => max_pool::deal(dealer, r, *pool, lanes),
            Nonlinear::ArgMax(search) => arg_max::deal(dealer, &r[search.operand_range(lanes)], *search),
        }
    }

    /// The elements `lanes` of the masked result, with `m` of the whole operand and this evaluator's half of their mask.
    async fn evaluate<R: Ring>(
        &self,
        evaluator: &mut EvaluatorTile,
        m: &[R],
        lanes: Range<usize>,
        mask: &[R],
    ) -> Result<Secret<R>, EngineError> {
        match self {
            Nonlinear::Truncate(shift) => Ok(truncate::evaluate(evaluator, &m[lanes], *shift, mask).await),
            Nonlinear::Piecewise(function) => piecewise::evaluate(evaluator, &m[lanes], *function, mask).await,
            Nonlinear::MaxPool(pool) => max_pool::evaluate(evaluator, m, *pool, lanes, mask).await,
            Nonlinear::ArgMax(search) => {
                arg_max::evaluate(evaluator, &m[search.operand_range(lanes)], *search, mask).await
            }
        }
    }
}

/// The blocks of a comparison whose answer is opened. A checked plan has none that fails.
fn layout<R: Ring>(comparison: Comparison, variant: Variant) -> Result<Layout, EngineError> {
    Layout::of_variant(comparison, variant, R::KIND)
        .map_err(|_| EngineError::Misuse("a comparison that does not fit the ring was run"))
}
