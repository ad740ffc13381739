//! The blocks of a comparison whose answer is never opened, and what that costs.
//!
//! Up to the last block all is as in [`Layout`]. Of the nodes below that block, `lt` of each and `eq` of each but the lowest are opened under masks.
//! Exactly one node decides, so the block's formula holds in integers as well as in bits,
//!
//! ```text
//! lt = lt_{q-1} + eq_{q-1} lt_{q-2} + eq_{q-1} eq_{q-2} lt_{q-3} + ...
//! ```
//!
//! and is linear in the products of masks, with coefficients that the evaluators know. The dealer deals these products as ring elements, times whatever the
//! answer is to select. So the answer costs no round. Each product takes dozens of bits rather than one, which is why there are few and large leaves.
//! Source: the products as in ASTRA (CCSW 2019) and ABY2.0 (USENIX Security 2021).

use tercet_ring::RingKind;

use crate::comparison::{BLOCK_SIZE_MAX, ComparisonFault, Layout, compared_bits};
use crate::op::Comparison;

/// The most bits of a leaf that stands directly below the last block.
pub const LARGE_LEAF_BITS_MAX: u32 = 8;
/// The most children of the last block.
pub const LAST_BLOCK_SIZE_MAX: u32 = 4;

/// The blocks of a comparison whose answer is not opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnopenedLayout {
    below: Layout,
    children: u32,
}

impl UnopenedLayout {
    /// The cheapest layout in bits that cross a link, at the fewest rounds, when `thresholds` public numbers are compared with the same
    /// value and `selected_bits` are dealt for each product of masks.
    ///
    /// # Errors
    /// When the comparison makes no sense in the ring.
    pub fn new(
        comparison: Comparison,
        thresholds: u32,
        selected_bits: u32,
        ring: RingKind,
    ) -> Result<UnopenedLayout, ComparisonFault> {
        comparison.check(ring)?;
        let bits = compared_bits(comparison);
        let fewest = bits.div_ceil(LARGE_LEAF_BITS_MAX);
        let one_round = (fewest..=LAST_BLOCK_SIZE_MAX.min(bits)).map(|children| UnopenedLayout {
            below: Layout::below_last_block(bits, children, None),
            children,
        });
        let two_rounds = (2..=LAST_BLOCK_SIZE_MAX).flat_map(|children| {
            let leaf_counts = bits.div_ceil(BLOCK_SIZE_MAX).max(2 * children)..=bits.min(children * BLOCK_SIZE_MAX);
            leaf_counts.map(move |leaf_count| UnopenedLayout {
                below: Layout::below_last_block(bits, leaf_count, Some(children)),
                children,
            })
        });
        let cost = |layout: &UnopenedLayout| {
            layout.dealt_bits(thresholds) + thresholds * (layout.products() * selected_bits + 2 * layout.opened_bits())
        };
        let cheapest = one_round.min_by_key(cost).or_else(|| two_rounds.min_by_key(cost));
        Ok(cheapest.expect("1 to 63 bits have a layout"))
    }

    /// The layout for a piecewise function with `knots` knots that drops `shift` bits: a product of masks is dealt as an element, with the
    /// operand's shifted mask as another, and with its wrap in `shift` bits.
    ///
    /// # Errors
    /// As [`UnopenedLayout::new`].
    pub fn for_piecewise(
        comparison: Comparison,
        knots: u32,
        shift: u8,
        ring: RingKind,
    ) -> Result<UnopenedLayout, ComparisonFault> {
        UnopenedLayout::new(comparison, knots, 2 * ring.bits() + u32::from(shift), ring)
    }

    /// The leaves, and the blocks that yield the children of the last one.
    pub fn below(&self) -> &Layout {
        &self.below
    }

    /// Children of the last block.
    pub fn children(&self) -> u32 {
        self.children
    }

    /// One opening below each level, that of the last block among them.
    pub fn rounds(&self) -> u32 {
        self.below.levels().len() as u32 + 1
    }

    /// Opened before the last block: an lt of each child, an eq of each but the lowest.
    pub fn last_openings(&self) -> u32 {
        2 * self.children - 1
    }

    /// Bits opened in each direction per lane and threshold.
    pub fn opened_bits(&self) -> u32 {
        let levels = 0..self.below.levels().len();
        levels.map(|level| self.below.level_openings(level)).sum::<u32>() + self.last_openings()
    }

    /// Bits dealt per lane when `thresholds` public numbers are compared with the same value, without the products of the last block's masks.
    pub fn dealt_bits(&self, thresholds: u32) -> u32 {
        self.below.dealt_bits(thresholds)
    }

    /// Products of one or more masks that the last block needs for each threshold: those of its children's eq, and of each lt with
    /// those of the eq above it.
    pub fn products(&self) -> u32 {
        let among_equal = (1 << (self.children - 1)) - 1;
        let with_less = (1 << self.children) - 1;
        among_equal + with_less
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(bits: u8, drop: u8, thresholds: u32, selected_bits: u32) -> UnopenedLayout {
        UnopenedLayout::new(Comparison { bits, drop }, thresholds, selected_bits, RingKind::Z64)
            .expect("a sound comparison")
    }

    #[test]
    fn every_width_has_a_layout_of_the_declared_rounds() {
        for bits in 2..=64u8 {
            let layout = layout(bits, 0, 1, 144);
            let compared = u32::from(bits) - 1;
            assert_eq!(layout.below().compared_bits(), compared);
            assert_eq!(layout.rounds(), if compared <= 32 { 1 } else { 2 }, "{compared} bits");
            let most = if compared <= 32 {
                LARGE_LEAF_BITS_MAX
            } else {
                BLOCK_SIZE_MAX
            };
            assert!(layout.below().leaves().iter().all(|leaf| (1..=most).contains(leaf)));
            let below = layout.below().levels().last();
            let nodes = below.map_or(layout.below().leaves().len(), Vec::len);
            assert_eq!(nodes, layout.children() as usize);
            assert!((1..=LAST_BLOCK_SIZE_MAX).contains(&layout.children()));
        }
    }

    #[test]
    fn known_layouts_and_their_bits() {
        // 20 bits for a ReLU on the 32-bit ring that drops 10 bits.
        let twenty = layout(26, 5, 1, 74);
        assert_eq!(twenty.below().leaves(), [7, 7, 6]);
        // lt_2; eq_2, lt_1, eq_2 lt_1; eq_1, lt_0 and the products of those three and eq_2 that are left.
        assert_eq!((twenty.last_openings(), twenty.products()), (5, 10));
        assert_eq!(twenty.dealt_bits(1), 127 + 127 + 63);
        let sixteen = layout(17, 0, 1, 74);
        assert_eq!(sixteen.below().leaves(), [8, 8]);
        assert_eq!((sixteen.last_openings(), sixteen.products()), (3, 4));
    }

    #[test]
    fn bad_comparisons_are_refused() {
        for (bits, drop) in [(33, 0), (1, 0), (8, 7)] {
            assert!(UnopenedLayout::new(Comparison { bits, drop }, 1, 74, RingKind::Z32).is_err());
        }
    }
}
