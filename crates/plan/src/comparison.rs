//! How the bits of a comparison are grouped into blocks, and what that costs.
//!
//! The parties know `x = m - r`: the evaluators m, the dealer r. On the bits `drop..bits`, with `low` standing for all of
//! them but the highest, `msb(x) = msb(m) ^ msb(r) ^ [m_low < r_low]`. The bits of `low` form *leaves*. Each leaf yields two
//! bits, `lt` (m < r there) and `eq` (m = r there), and blocks combine their children's bits the same way:
//!
//! ```text
//! lt = lt_{n-1} ^ eq_{n-1} lt_{n-2} ^ eq_{n-1} eq_{n-2} lt_{n-3} ^ ...        eq = eq_{n-1} ... eq_0
//! ```
//!
//! The bits that enter a level of blocks are opened under masks first, which is one round; the dealer deals shares of
//! the products of what it knows (bits of r below a leaf, masks below a block), and the rest is local work. The lt of the last
//! child enters linearly and is never opened; the lowest node of every level needs no eq.
//! Source: Patra et al., ABY2.0 (USENIX Security 2021), multi-input multiplication, and the prefix form of a comparison.

use tercet_ring::RingKind;
use thiserror::Error;

use crate::op::{Comparison, Variant};

/// Comparisons of at most this many bits are a single leaf.
pub const SINGLE_LEAF_BITS: u32 = 5;
/// Comparisons of at most this many bits have one level of blocks above the leaves; others have two.
pub const ONE_LEVEL_BITS: u32 = 25;
/// The most bits of a leaf and the most children of a block: the dealt bits double with each one.
pub const BLOCK_SIZE_MAX: u32 = 6;

impl Comparison {
    /// The largest magnitude of a compared difference for which the answer is right (as [`Comparison`] says).
    ///
    /// The ignored bits may carry: what is compared is `floor(x / 2^drop)` or one more, and for differences of
    /// two values one less, too. That must still fit. A comparison that [`Comparison::check`] refuses has limit 0.
    pub fn limit(self) -> u64 {
        if self.check(RingKind::Z64).is_err() {
            return 0;
        }
        let half = 1u64 << (self.bits - 1);
        if self.drop == 0 {
            half - 1
        } else {
            half - (2u64 << self.drop)
        }
    }

    /// The comparison on the fewest bits whose [`Comparison::limit`] is at least `reach`; `None` when the ring has too few.
    pub fn covering(reach: u64, drop: u8, ring: RingKind) -> Option<Comparison> {
        (2..=ring.bits() as u8)
            .map(|bits| Comparison { bits, drop })
            .find(|comparison| comparison.check(ring).is_ok() && comparison.limit() >= reach)
    }

    /// Whether the comparison makes sense in a ring.
    pub fn check(self, ring: RingKind) -> Result<(), ComparisonFault> {
        if u32::from(self.bits) > ring.bits() {
            return Err(ComparisonFault::TooWide { bits: self.bits, ring });
        }
        if u32::from(self.drop) + 2 > u32::from(self.bits) {
            return Err(ComparisonFault::NothingLeft {
                bits: self.bits,
                drop: self.drop,
            });
        }
        Ok(())
    }
}

/// Why a comparison cannot be carried out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum ComparisonFault {
    /// More bits than an element has.
    #[error("a comparison on {bits} bits does not fit {ring}")]
    TooWide {
        /// The bits compared.
        bits: u8,
        /// The ring of the plan.
        ring: RingKind,
    },
    /// Less than the sign and one more bit remain.
    #[error("a comparison on {bits} bits cannot ignore {drop} of them: the sign and at least one more bit must remain")]
    NothingLeft {
        /// The bits compared.
        bits: u8,
        /// The bits ignored.
        drop: u8,
    },
}

/// The blocks of a comparison, each level from the low end to the high one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Layout {
    leaves: Vec<u32>,
    levels: Vec<Vec<u32>>,
}

impl Layout {
    /// The cheapest layout in bits that cross a link (dealt bits once, opened bits twice), at the fewest rounds.
    pub fn new(comparison: Comparison, ring: RingKind) -> Result<Layout, ComparisonFault> {
        comparison.check(ring)?;
        let bits = compared_bits(comparison);
        let single_leaf = (bits <= SINGLE_LEAF_BITS).then(|| Layout::single_leaf(bits));
        let cheapest = single_leaf
            .or_else(|| (bits <= ONE_LEVEL_BITS).then(|| Layout::cheapest_of(Layout::one_level(bits)))?)
            .or_else(|| Layout::cheapest_of(Layout::two_levels(bits)));
        Ok(cheapest.expect("1 to 63 bits have a layout"))
    }

    /// The layout that a variant of a step takes where answers are opened.
    ///
    /// # Errors
    /// When the comparison makes no sense in the ring.
    pub fn of_variant(comparison: Comparison, variant: Variant, ring: RingKind) -> Result<Layout, ComparisonFault> {
        match variant {
            Variant::Traffic => Layout::cheapest(comparison, ring),
            Variant::Balanced | Variant::Latency => Layout::new(comparison, ring),
        }
    }

    /// The cheapest layout in bits that cross a link, at any number of rounds.
    pub fn cheapest(comparison: Comparison, ring: RingKind) -> Result<Layout, ComparisonFault> {
        comparison.check(ring)?;
        let bits = compared_bits(comparison);
        let single_leaf = (bits <= BLOCK_SIZE_MAX).then(|| Layout::single_leaf(bits));
        let candidates = single_leaf
            .into_iter()
            .chain(Layout::one_level(bits))
            .chain(Layout::two_levels(bits));
        Ok(Layout::cheapest_of(candidates).expect("1 to 63 bits have a layout"))
    }

    fn single_leaf(bits: u32) -> Layout {
        Layout {
            leaves: vec![bits],
            levels: vec![],
        }
    }

    /// All layouts of even leaves under a single block.
    fn one_level(bits: u32) -> impl Iterator<Item = Layout> {
        (bits.div_ceil(BLOCK_SIZE_MAX).max(2)..=BLOCK_SIZE_MAX.min(bits)).map(move |leaf_count| Layout {
            leaves: even_split(bits, leaf_count),
            levels: vec![vec![leaf_count]],
        })
    }

    /// All layouts of even leaves under even blocks under a single block.
    fn two_levels(bits: u32) -> impl Iterator<Item = Layout> {
        (bits.div_ceil(BLOCK_SIZE_MAX).max(4)..=bits).flat_map(move |leaf_count| {
            (leaf_count.div_ceil(BLOCK_SIZE_MAX).max(2)..=BLOCK_SIZE_MAX.min(leaf_count / 2)).map(move |block_count| {
                Layout {
                    leaves: even_split(bits, leaf_count),
                    levels: vec![even_split(leaf_count, block_count), vec![block_count]],
                }
            })
        })
    }

    /// The first of those that cost the least.
    fn cheapest_of(layouts: impl IntoIterator<Item = Layout>) -> Option<Layout> {
        layouts
            .into_iter()
            .min_by_key(|layout| layout.dealt_bits(1) + 2 * layout.opened_bits())
    }

    /// Leaves and the blocks above them, for a comparison whose last block is another's.
    pub(crate) fn below_last_block(bits: u32, leaf_count: u32, block_count: Option<u32>) -> Layout {
        Layout {
            leaves: even_split(bits, leaf_count),
            levels: block_count
                .map(|blocks| even_split(leaf_count, blocks))
                .into_iter()
                .collect(),
        }
    }

    /// Bits of each leaf.
    pub fn leaves(&self) -> &[u32] {
        &self.leaves
    }

    /// For each level above the leaves, the children of each of its blocks. The last level is a single block.
    pub fn levels(&self) -> &[Vec<u32>] {
        &self.levels
    }

    /// Bits below the sign that are compared.
    pub fn compared_bits(&self) -> u32 {
        self.leaves.iter().sum()
    }

    /// One opening below each level, and that of the result.
    pub fn rounds(&self) -> u32 {
        self.levels.len() as u32 + 1
    }

    /// Dealt for the leaves: all products of the bits of r within each leaf.
    pub fn leaf_products(&self) -> u32 {
        self.leaves.iter().map(|&bits| (1 << bits) - 1).sum()
    }

    /// Dealt for a level: the products of two or more masks of its children that its blocks need.
    pub fn level_products(&self, level: usize) -> u32 {
        self.levels[level]
            .iter()
            .enumerate()
            .map(|(block, &children)| block_products(block, children))
            .sum()
    }

    /// Opened before a level: an lt of each child but the last of a block, an eq of each child but the lowest of all.
    pub fn level_openings(&self, level: usize) -> u32 {
        self.levels[level].iter().map(|&children| 2 * children - 1).sum::<u32>() - 1
    }

    /// Bits dealt per lane when `thresholds` public numbers are compared with the same value. The leaves' products serve all of them.
    pub fn dealt_bits(&self, thresholds: u32) -> u32 {
        self.leaf_products()
            + thresholds
                * (0..self.levels.len())
                    .map(|level| self.level_products(level))
                    .sum::<u32>()
    }

    /// Bits opened in each direction per lane and threshold, that of the result included.
    pub fn opened_bits(&self) -> u32 {
        (0..self.levels.len())
            .map(|level| self.level_openings(level))
            .sum::<u32>()
            + 1
    }
}

/// Bits of a comparison below its sign.
pub(crate) fn compared_bits(comparison: Comparison) -> u32 {
    u32::from(comparison.bits - comparison.drop) - 1
}

/// Products of two or more masks that a block needs. An eq mask of the lowest child is there if the block itself yields an eq, which all
/// blocks but the first of a level do.
fn block_products(block: usize, children: u32) -> u32 {
    let equal_masks = if block == 0 { children - 1 } else { children };
    let among_equal = (1 << equal_masks) - 1 - equal_masks;
    let with_less = (1 << children) - 1 - children;
    among_equal + with_less
}

/// `total` in `parts` numbers that differ by one at most, the larger ones first.
fn even_split(total: u32, parts: u32) -> Vec<u32> {
    (0..parts)
        .map(|part| total / parts + u32::from(part < total % parts))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(bits: u8, drop: u8) -> Layout {
        Layout::new(Comparison { bits, drop }, RingKind::Z64).expect("a sound comparison")
    }

    #[test]
    fn every_width_has_a_layout_of_the_declared_rounds() {
        for bits in 2..=64u8 {
            for drop in 0..bits - 1 {
                let layout = layout(bits, drop);
                let compared = u32::from(bits - drop) - 1;
                assert_eq!(layout.compared_bits(), compared);
                let rounds = match compared {
                    0..=5 => 1,
                    6..=25 => 2,
                    _ => 3,
                };
                assert_eq!(layout.rounds(), rounds, "{compared} bits");
                assert!(layout.leaves().iter().all(|&leaf| (1..=BLOCK_SIZE_MAX).contains(&leaf)));
                let mut below = layout.leaves().len() as u32;
                for level in layout.levels() {
                    assert_eq!(level.iter().sum::<u32>(), below);
                    assert!(level.iter().all(|&children| children >= 2));
                    below = level.len() as u32;
                }
                assert_eq!(below, 1);
            }
        }
    }

    #[test]
    fn known_layouts_and_their_bits() {
        let twenty = layout(26, 5);
        assert_eq!(twenty.leaves(), [4, 4, 4, 4, 4]);
        assert_eq!(twenty.levels(), [vec![5]]);
        assert_eq!(twenty.dealt_bits(1), 5 * 15 + 37);
        assert_eq!(twenty.dealt_bits(3), 5 * 15 + 3 * 37);
        assert_eq!(twenty.opened_bits(), 8 + 1);

        // Three children: with the masks of eq_1, eq_2 the products eq_1 eq_2, lt_1 eq_2, lt_0 eq_1, lt_0 eq_2, lt_0 eq_1 eq_2.
        assert_eq!(block_products(0, 3), 5);
        // A block that yields an eq needs eq_0 eq_1, eq_0 eq_2, eq_0 eq_1 eq_2 on top.
        assert_eq!(block_products(1, 3), 8);
    }

    #[test]
    fn bad_comparisons_are_refused() {
        assert_eq!(
            Layout::new(Comparison { bits: 33, drop: 0 }, RingKind::Z32),
            Err(ComparisonFault::TooWide {
                bits: 33,
                ring: RingKind::Z32
            })
        );
        for (bits, drop) in [(0, 0), (1, 0), (8, 7), (8, 200)] {
            assert_eq!(
                Layout::new(Comparison { bits, drop }, RingKind::Z64),
                Err(ComparisonFault::NothingLeft { bits, drop })
            );
        }
    }

    #[test]
    fn the_limit_leaves_room_for_the_carry() {
        assert_eq!(Comparison { bits: 64, drop: 0 }.limit(), i64::MAX as u64);
        assert_eq!(Comparison { bits: 8, drop: 0 }.limit(), 127);
        assert_eq!(Comparison { bits: 8, drop: 3 }.limit(), 112);
        // The sign and one bit: what is compared is one of three quantities at most, so nothing but zero is safe.
        assert_eq!(Comparison { bits: 8, drop: 6 }.limit(), 0);
        assert_eq!(Comparison { bits: 0, drop: 0 }.limit(), 0);
    }

    #[test]
    fn the_covering_comparison_is_the_narrowest() {
        let covering = |reach, drop| Comparison::covering(reach, drop, RingKind::Z32).map(|comparison| comparison.bits);
        assert_eq!(covering(127, 0), Some(8));
        assert_eq!(covering(128, 0), Some(9));
        assert_eq!(covering(112, 3), Some(8));
        assert_eq!(covering(113, 3), Some(9));
        assert_eq!(covering((1 << 31) - 1, 0), Some(32));
        assert_eq!(covering((1 << 31) - 1, 1), None);
        assert_eq!(covering(0, 31), None);
    }
}
