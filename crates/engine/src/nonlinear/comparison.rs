//! The sign: `[x >= 0]` for an opened value `x = m - r`, or for several `x - knot` with public knots at once.
//!
//! On the bits that are compared, `msb(x) = msb(m) ^ msb(r) ^ [m_low < r_low]`; see [`Layout`] for the blocks that find the last bit.
//! The answer is opened under a mask: `[x >= 0] = m_b ^ l_b`, m_b known to both evaluators and l_b to the dealer. The mask is that of two
//! fresh draws and msb(r), so msb(r) is never dealt.
//!
//! Rounds and bytes: [`Layout::rounds`]; per lane [`Layout::opened_bits`] each way and [`Layout::dealt_bits`] dealt, in whole words of 64 lanes.
//! Exact for what [`tercet_plan::Comparison`] promises. Sources: ABY2.0 (USENIX Security 2021), multi-input multiplication,
//! for products of several masked bits in one round; HummingBird (2023) for leaving high and low bits out.

use tercet_plan::Layout;
use tercet_ring::BitPlanes;

use super::block::{self, Block, Nodes};
use super::slots::{Slot, Slots};
use crate::{Dealer, EvaluatorTile};

/// The dealer's part. Plane i of `r` is the i-th compared bit of r, the highest its sign.
///
/// Gives the masks l_b, one plane for each of `thresholds`.
pub(super) fn deal(dealer: &mut Dealer, slots: Slots, layout: &Layout, r: &BitPlanes, thresholds: usize) -> BitPlanes {
    deal_blocks(dealer, slots, layout, r, thresholds);
    let mut answers = dealer.mask_bits(slots.at(Slot::AnswerMasks), thresholds, r.lanes());
    for threshold in 0..thresholds {
        xor_into(answers.plane_mut(threshold), r.plane(r.planes() - 1));
    }
    answers
}

/// The dealer's part up to what the last level yields.
pub(super) fn deal_blocks(dealer: &mut Dealer, slots: Slots, layout: &Layout, r: &BitPlanes, thresholds: usize) {
    let lanes = r.lanes();
    dealer.deal_bits(slots.at(Slot::LeafProducts), &block::leaf_products(layout, r));
    for (level, children) in layout.levels().iter().enumerate() {
        let blocks = Block::of_level(children);
        let openings = layout.level_openings(level) as usize;
        let masks = dealer.mask_bits(slots.at(Slot::level_masks(level)), thresholds * openings, lanes);
        let products: Vec<BitPlanes> = split_evenly(masks, thresholds)
            .iter()
            .map(|masks| block::block_products(&blocks, masks, layout.level_products(level) as usize))
            .collect();
        dealer.deal_bits(slots.at(Slot::level_products(level)), &join(products));
    }
}

/// An evaluator's part. `m` has planes like the dealer's `r` for each threshold.
///
/// Gives the masked answers m_b, one plane for each of `m`.
pub(super) async fn evaluate(
    evaluator: &mut EvaluatorTile,
    slots: Slots,
    layout: &Layout,
    m: &[BitPlanes],
) -> BitPlanes {
    let nodes = evaluate_blocks(evaluator, slots, layout, m).await;
    let (thresholds, lanes, is_first) = (m.len(), m[0].lanes(), evaluator.is_first());
    let mut answers = evaluator.mask_bits(slots.at(Slot::AnswerMasks), thresholds, lanes);
    for (threshold, nodes) in nodes.iter().enumerate() {
        let answer = answers.plane_mut(threshold);
        xor_into(answer, nodes.less.plane(0));
        if is_first {
            let m = &m[threshold];
            xor_into(answer, m.plane(m.planes() - 1));
            answer.iter_mut().for_each(|word| *word = !*word);
        }
    }
    evaluator.open_bits(answers).await
}

/// An evaluator's part up to what the last level yields, for each of `m`.
pub(super) async fn evaluate_blocks(
    evaluator: &mut EvaluatorTile,
    slots: Slots,
    layout: &Layout,
    m: &[BitPlanes],
) -> Vec<Nodes> {
    let (thresholds, lanes, is_first) = (m.len(), m[0].lanes(), evaluator.is_first());
    let products = evaluator.dealt_bits(slots.at(Slot::LeafProducts), layout.leaf_products() as usize, lanes);
    let mut nodes: Vec<_> = m
        .iter()
        .map(|m| block::leaf_nodes(layout, m, &products, is_first))
        .collect();
    for (level, children) in layout.levels().iter().enumerate() {
        let blocks = Block::of_level(children);
        let openings = thresholds * layout.level_openings(level) as usize;
        let masks = evaluator.mask_bits(slots.at(Slot::level_masks(level)), openings, lanes);
        let mine: Vec<_> = nodes.iter().map(|nodes| block::openings(&blocks, nodes)).collect();
        let mut mine = join(mine);
        mine.xor_assign(&masks);
        let opened = split_evenly(evaluator.open_bits(mine).await, thresholds);
        let masks = split_evenly(masks, thresholds);
        let count = thresholds * layout.level_products(level) as usize;
        let products = evaluator.dealt_bits(slots.at(Slot::level_products(level)), count, lanes);
        let products = split_evenly(products, thresholds);
        nodes = (0..thresholds)
            .map(|t| block::block_nodes(&blocks, &opened[t], &masks[t], &products[t], &nodes[t], is_first))
            .collect();
    }
    nodes
}

fn xor_into(to: &mut [u64], other: &[u64]) {
    to.iter_mut().zip(other).for_each(|(x, y)| *x ^= y);
}

/// The planes of all parts, in order. A single part stays where it is.
pub(super) fn join(mut parts: Vec<BitPlanes>) -> BitPlanes {
    match parts.len() {
        1 => parts.remove(0),
        _ => BitPlanes::concat(&parts),
    }
}

/// The planes in `parts` parts of equal size.
fn split_evenly(planes: BitPlanes, parts: usize) -> Vec<BitPlanes> {
    let size = planes.planes() / parts;
    let mut rest = planes;
    let mut split = Vec::with_capacity(parts);
    for _ in 1..parts {
        let (part, after) = rest.split_at(size);
        split.push(part);
        rest = after;
    }
    split.push(rest);
    split
}
