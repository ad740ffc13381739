use crate::{Op, Tournament};

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
                let ignored = if comparison.drop == 0 {
                    0
                } else {
                    1_i64 << comparison.drop
                };
                // An element within `ignored` below several knots may be counted as beyond any of them.
                let wrong_piece = |first: usize| -> u64 {
                    let near = knots[first..].iter().take_while(|&&knot| knot - knots[first] < ignored);
                    let jump = |knot: usize| {
                        let at = |t: i64| (slopes[knot + 1] - slopes[knot]) * t + offsets[knot + 1] - offsets[knot];
                        let low = (knots[knot] - ignored) >> shift;
                        let high = (knots[knot] >> shift) + 1;
                        at(low).unsigned_abs().max(at(high).unsigned_abs())
                    };
                    (first..first + near.count()).map(jump).sum()
                };
                let wrong_pieces = (0..knots.len()).map(wrong_piece).max().unwrap_or(0);
                Some(steepest + wrong_pieces)
            }
            Op::MaxPool {
                window,
                shift,
                relu,
                comparison,
                ..
            } => {
                let levels = Tournament::new(window.taps() as u32, *relu).levels().len() as u64;
                let lost = if comparison.drop == 0 {
                    0
                } else {
                    levels << (comparison.drop + 1)
                };
                Some(1 + lost.div_ceil(1 << shift))
            }
            Op::ArgMax { comparison, .. } => (comparison.drop == 0).then_some(0),
            _ => Some(0),
        }
    }
}
