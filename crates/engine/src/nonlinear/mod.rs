//! The steps that turn an opened value `x = m - r` into a masked one.
//!
//! Each protocol has the dealer's part, which sees r and deals, and the evaluators' part, which sees m and exchanges. All work on whole
//! vectors; bits are worked on 64 lanes a word. What a party does and sends depends on public numbers alone.

mod block;
mod comparison;
pub mod piecewise;
mod select;
mod slots;
pub mod truncate;

use tercet_plan::{Comparison, Layout};
use tercet_ring::Ring;

use crate::EngineError;

/// The blocks of a comparison. A checked plan has none that fails.
fn layout<R: Ring>(comparison: Comparison) -> Result<Layout, EngineError> {
    Layout::new(comparison, R::KIND).map_err(|_| EngineError::Misuse("a comparison that does not fit the ring was run"))
}

#[cfg(test)]
mod tests;
