use crate::{Comparison, Op, Tournament};

impl Op {
    /// How far an element of the step's result may be from that of [`crate::oracle`], in units of the last place, when the operands are
    /// equal. `None` for a step whose error is not a distance: the index of a largest element that another comes close to.
    pub fn error_bound(&self) -> Option<u64> {
        match self {
            Op::Truncate { .. } => Some(1),
            Op::Piecewise {
                shift,
                knots,
                slopes,
                offsets,
                comparison,
                ..
            } => {
                let steepest = slopes.iter().map(|slope| slope.unsigned_abs()).max().unwrap_or(0);
                let ignored = ignored_below(*comparison);
                // An element within `ignored` below several knots may be counted as beyond any of them.
                let wrong_piece = |first: usize| -> u64 {
                    let distance = |knot: i64| i128::from(knot) - i128::from(knots[first]);
                    let near = knots[first..].iter().take_while(|&&knot| distance(knot) < ignored);
                    let jump = |knot: usize| {
                        let change = |of: &[i64]| i128::from(of[knot + 1]) - i128::from(of[knot]);
                        let at = |t: i128| (change(slopes) * t + change(offsets)).unsigned_abs();
                        let nearest = i128::from(knots[knot]);
                        at((nearest - ignored) >> shift).max(at((nearest >> shift) + 1))
                    };
                    let all: u128 = (first..first + near.count()).map(jump).sum();
                    u64::try_from(all).unwrap_or(u64::MAX)
                };
                let wrong_pieces = (0..knots.len()).map(wrong_piece).max().unwrap_or(0);
                Some(steepest.saturating_add(wrong_pieces))
            }
            Op::MaxPool {
                window,
                shift,
                relu,
                comparison,
                variant,
                ..
            } => {
                let levels = Tournament::new(window.taps() as u32, *relu, *variant).levels().len() as u64;
                let lost = 2 * levels * ignored_below(*comparison) as u64;
                Some(1 + lost.div_ceil(1 << shift))
            }
            Op::ArgMax { comparison, .. } => (comparison.drop == 0).then_some(0),
            _ => Some(0),
        }
    }
}

/// How far below zero a number may be and count as not negative.
fn ignored_below(comparison: Comparison) -> i128 {
    if comparison.drop == 0 { 0 } else { 1 << comparison.drop }
}
