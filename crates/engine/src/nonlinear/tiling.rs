use std::ops::Range;

use tercet_plan::Op;
use tercet_plan::cost::{StepCost, nonlinear};
use tercet_ring::Ring;

use super::Shapes;
use crate::EngineError;

/// Elements of a tile at most: vectors of so many elements stay in a core's second-level cache together, and each below the size from which an
/// allocator asks the operating system for memory.
const LANES_MAX: usize = 8192;

/// Elements of a tile come in multiples of as many, so that planes of bits have no gaps between tiles and chunks of words are full.
const LANES_STEP: usize = 512;

/// Bytes dealt for a tile at most, if that leaves [`LANES_STEP`] elements: what costs much per element has smaller tiles.
const DEALT_BYTES_MAX: usize = 512 << 10;

/// How the elements of a non-linear step's result are cut into tiles. Follows from public numbers, the same at all parties.
pub(super) struct Tiling {
    lanes: usize,
    tile_lanes: usize,
    whole: StepCost,
    last: StepCost,
}

impl Tiling {
    /// The tiles of a step of a checked plan.
    pub fn new<R: Ring>(op: &Op, shapes: Shapes<'_>) -> Result<Self, EngineError> {
        let cost = |lanes: usize| {
            nonlinear(op, shapes.operand, lanes as u64, R::KIND)
                .map_err(|_| EngineError::Misuse("a comparison that does not fit the ring was run"))
        };
        let dealt = cost(LANES_STEP)?.dealt as usize;
        let steps = (DEALT_BYTES_MAX / dealt.max(1)).clamp(1, LANES_MAX / LANES_STEP);
        let (lanes, tile_lanes) = (shapes.result_elements(), steps * LANES_STEP);
        let count = lanes.div_ceil(tile_lanes);
        Ok(Tiling {
            lanes,
            tile_lanes,
            whole: cost(tile_lanes)?,
            last: cost(lanes - count.saturating_sub(1) * tile_lanes)?,
        })
    }

    pub fn count(&self) -> usize {
        self.lanes.div_ceil(self.tile_lanes)
    }

    /// The elements of a tile.
    pub fn lanes(&self, tile: usize) -> Range<usize> {
        let start = tile * self.tile_lanes;
        start..self.lanes.min(start + self.tile_lanes)
    }

    /// What a tile costs.
    pub fn cost(&self, tile: usize) -> StepCost {
        if tile + 1 == self.count() {
            self.last
        } else {
            self.whole
        }
    }

    /// All elements of the result.
    pub fn elements(&self) -> usize {
        self.lanes
    }
}
