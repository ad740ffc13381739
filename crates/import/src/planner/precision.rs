//! How fine each value is rounded on the narrow ring.
//!
//! A sum of products has the fractional bits F that its bound leaves, and its operand and its weights share them. With the operand rounded to
//! `2^-f` and the weights to `2^-(F - f)`, the error of a sum of n products is about `sqrt(n) (2^-f w + 2^-(F - f) x)` for weights and
//! operands of size w and x, which is least at `f = (F + log2 w - log2 x) / 2`. One number of bits for all values would be too coarse for
//! some layers and leave others no bits for their weights.

use crate::graph::{Graph, NodeId, Op, Term};
use crate::lower::headroom;
use crate::planner::magnitude::Magnitude;

/// Fractional bits beyond which nothing is gained: what remains is the weights' error.
const BITS_MAX: f64 = 15.0;
/// Values are never rounded to whole numbers and less.
const BITS_MIN: f64 = 2.0;

/// For each node the fractional bits that are best for the sums that use it, on a ring of `ring_bits`.
pub fn balanced(graph: &Graph, magnitudes: &[Magnitude], ring_bits: u8) -> Vec<f64> {
    let headroom = headroom(graph, magnitudes);
    let mut bits = vec![BITS_MAX; graph.nodes.len()];
    let room = |index: usize| f64::from(ring_bits) - 2.0 - headroom[index] - magnitudes[index].most.log2().ceil();
    let typical = |of: NodeId| magnitudes[of.0].typical;
    for NodeId(index) in graph.outputs.iter().map(|output| output.node) {
        // What is revealed may have to be brought to unit one, which is a product with a number near it.
        bits[index] = bits[index].min(share(room(index), 1.0, typical(NodeId(index))));
    }
    let lower = |bits: &mut Vec<f64>, of: NodeId, wanted: f64| bits[of.0] = bits[of.0].min(wanted);
    for (index, node) in graph.nodes.iter().enumerate().rev() {
        let own = bits[index];
        let room = room(index);
        match &node.op {
            Op::Sum(terms) if is_combination(terms) => {
                node.op.operands().into_iter().for_each(|of| lower(&mut bits, of, own));
            }
            Op::Sum(terms) => {
                for term in terms {
                    match term {
                        Term::Dense { of, weight } | Term::Conv { of, weight, .. } | Term::Scale { of, weight } => {
                            let squares: f64 = weight.iter().map(|w| w * w).sum();
                            let size = (squares / weight.len() as f64).sqrt();
                            lower(&mut bits, *of, share(room, size, typical(*of)));
                        }
                        Term::Product { left, right } | Term::MatMul { left, right } => {
                            lower(&mut bits, *left, share(room, typical(*right), typical(*left)));
                            lower(&mut bits, *right, share(room, typical(*left), typical(*right)));
                        }
                        Term::Add { of, .. } => lower(&mut bits, *of, room),
                        Term::Bias(_) => {}
                    }
                }
            }
            // Rounding errors grow with the root of the count, the sum with the count.
            Op::SumPool { of, .. } | Op::SumAxes { of, .. } => {
                let count = graph.shape(*of).iter().product::<usize>() / node.shape.iter().product::<usize>().max(1);
                lower(&mut bits, *of, own + (count.max(1) as f64).log2() / 2.0);
            }
            _ => node.op.operands().into_iter().for_each(|of| lower(&mut bits, of, own)),
        }
        bits[index] = bits[index].max(BITS_MIN);
    }
    bits
}

/// Sums of multiples need no opening, and keep the scale of their operands.
fn is_combination(terms: &[Term]) -> bool {
    terms.iter().all(|term| matches!(term, Term::Add { .. }))
}

/// The operand's share of the fractional bits of a product.
fn share(room: f64, other: f64, own: f64) -> f64 {
    if other > 0.0 && own > 0.0 {
        (room + (other / own).log2()) / 2.0
    } else {
        room / 2.0
    }
}
