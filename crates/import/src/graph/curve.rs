/// A continuous piecewise linear function: `slopes[0] * x + offsets[0]` below the first knot, `slopes[i] * x + offsets[i]` from
/// `knots[i - 1]` on.
#[derive(Clone, PartialEq, Debug)]
pub struct Curve {
    /// Ascending.
    pub knots: Vec<f64>,
    /// One more than knots.
    pub slopes: Vec<f64>,
    /// One more than knots.
    pub offsets: Vec<f64>,
}

/// Knots of the approximations of the logistic function and the hyperbolic tangent.
const SIGMOID_KNOTS: usize = 16;

impl Curve {
    /// `max(x, floor)`.
    pub fn at_least(floor: f64) -> Curve {
        Curve {
            knots: vec![floor],
            slopes: vec![0.0, 1.0],
            offsets: vec![floor, 0.0],
        }
    }

    /// `min(x, ceiling)`.
    pub fn at_most(ceiling: f64) -> Curve {
        Curve {
            knots: vec![ceiling],
            slopes: vec![1.0, 0.0],
            offsets: vec![0.0, ceiling],
        }
    }

    /// `x` where it is not negative, else `slope * x`.
    pub fn leaky(slope: f64) -> Curve {
        Curve {
            knots: vec![0.0],
            slopes: vec![slope, 1.0],
            offsets: vec![0.0, 0.0],
        }
    }

    /// `|x|`.
    pub fn absolute() -> Curve {
        Curve::leaky(-1.0)
    }

    /// The straight line `slope * x + offset`.
    pub fn line(slope: f64, offset: f64) -> Curve {
        Curve {
            knots: vec![],
            slopes: vec![slope],
            offsets: vec![offset],
        }
    }

    /// The logistic function, off by at most [`Curve::SIGMOID_ERROR`].
    pub fn sigmoid() -> Curve {
        let logistic = |x: f64| 1.0 / (1.0 + (-x).exp());
        // Knots at equal steps of the integral of sqrt(|f''|) give pieces of equal error.
        let reach = 14.0;
        let steps = 20_000;
        let density = |x: f64| {
            let y = logistic(x);
            (y * (1.0 - y) * (1.0 - 2.0 * y).abs()).sqrt()
        };
        let width = 2.0 * reach / f64::from(steps);
        let middle = |i: i32| -reach + (f64::from(i) + 0.5) * width;
        let total: f64 = (0..steps).map(|i| density(middle(i)) * width).sum();
        let mut knots = Vec::new();
        let mut sum = 0.0;
        for i in 0..steps {
            sum += density(middle(i)) * width;
            // The flat tails are pieces, too: half a share of the integral each.
            let goal = total * (knots.len() as f64 + 0.5) / SIGMOID_KNOTS as f64;
            if knots.len() < SIGMOID_KNOTS && sum >= goal {
                knots.push(middle(i));
            }
        }
        // The chord of a convex piece lies above it by twice what the best line is off: shift knots of each half by that.
        let sag = |a: f64, b: f64| {
            let slope = (logistic(b) - logistic(a)) / (b - a);
            (1..100)
                .map(|i| a + (b - a) * f64::from(i) / 100.0)
                .map(|x| (logistic(a) + slope * (x - a) - logistic(x)).abs())
                .fold(0.0, f64::max)
        };
        let values: Vec<f64> = (0..knots.len())
            .map(|i| {
                let neighbour = if i + 1 < knots.len() {
                    sag(knots[i], knots[i + 1])
                } else {
                    sag(knots[i - 1], knots[i])
                };
                let side = if knots[i] < 0.0 { -1.0 } else { 1.0 };
                logistic(knots[i]) + side * neighbour / 2.0
            })
            .collect();
        let mut values = values;
        let end = values.len() - 1;
        values[0] = values[0].clamp(0.0, Self::SIGMOID_ERROR / 2.0);
        values[end] = values[end].clamp(1.0 - Self::SIGMOID_ERROR / 2.0, 1.0);
        Curve::through(&knots, &values, [0.0, 0.0])
    }

    /// The largest error of [`Curve::sigmoid`]; twice that for [`Curve::hyperbolic_tangent`].
    pub const SIGMOID_ERROR: f64 = 0.004;

    /// `x * sigmoid(x)`, off by at most 0.0048. As one curve it takes no product, and the error does not grow with `x`.
    pub fn silu() -> Curve {
        // What is left of the function without `x / 2` is even: knots and values of one half, found by minimising the largest error.
        const HALF: [(f64, f64); 7] = [
            (0.1883, 0.00427),
            (0.5752, 0.0761),
            (1.0229, 0.23605),
            (1.6293, 0.54282),
            (3.1703, 1.46184),
            (4.6736, 2.29833),
            (7.3563, 3.67821),
        ];
        let left = HALF.iter().rev().map(|&(x, y)| (-x, y - x / 2.0));
        let points = left.chain(HALF.iter().map(|&(x, y)| (x, y + x / 2.0)));
        let (knots, values): (Vec<f64>, Vec<f64>) = points.unzip();
        Curve::through(&knots, &values, [0.0, 1.0])
    }

    /// `tanh(x) = 2 sigmoid(2 x) - 1`.
    pub fn hyperbolic_tangent() -> Curve {
        Curve::line(2.0, -1.0)
            .after(&Curve::sigmoid())
            .after(&Curve::line(2.0, 0.0))
    }

    /// Through the points, and on from the first and the last with these slopes.
    fn through(knots: &[f64], values: &[f64], outer: [f64; 2]) -> Curve {
        let between = |i: usize| (values[i + 1] - values[i]) / (knots[i + 1] - knots[i]);
        let mut slopes = vec![outer[0]];
        slopes.extend((0..knots.len() - 1).map(between));
        slopes.push(outer[1]);
        // The first piece ends at the first point; every other one starts at one.
        let offset = |(piece, slope): (usize, &f64)| {
            let at = piece.saturating_sub(1);
            values[at] - slope * knots[at]
        };
        let offsets = slopes.iter().enumerate().map(offset).collect();
        Curve {
            knots: knots.to_vec(),
            slopes,
            offsets,
        }
    }

    /// The value at `x`.
    pub fn at(&self, x: f64) -> f64 {
        let piece = self.knots.partition_point(|&knot| knot <= x);
        self.slopes[piece] * x + self.offsets[piece]
    }

    /// The smallest and largest value over `[low, high]`.
    pub fn range(&self, low: f64, high: f64) -> (f64, f64) {
        let inner = self.knots.iter().copied().filter(|knot| (low..=high).contains(knot));
        let points = inner.chain([low, high]);
        points
            .map(|x| self.at(x))
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), y| {
                (least.min(y), most.max(y))
            })
    }

    /// The composition `x -> self(inner(x))`.
    pub fn after(&self, inner: &Curve) -> Curve {
        let mut knots = inner.knots.clone();
        for piece in 0..inner.slopes.len() {
            let (slope, offset) = (inner.slopes[piece], inner.offsets[piece]);
            if slope == 0.0 {
                continue;
            }
            let from = if piece == 0 {
                f64::NEG_INFINITY
            } else {
                inner.knots[piece - 1]
            };
            let to = inner.knots.get(piece).copied().unwrap_or(f64::INFINITY);
            let crossings = self.knots.iter().map(|knot| (knot - offset) / slope);
            knots.extend(crossings.filter(|x| (from..to).contains(x)));
        }
        knots.sort_by(f64::total_cmp);
        knots.dedup_by(|b, a| (*b - *a).abs() <= 1e-12 * a.abs().max(1.0));
        let mut curve = Curve {
            slopes: vec![],
            offsets: vec![],
            knots,
        };
        for piece in 0..=curve.knots.len() {
            // Any point inside a piece shows which lines meet there.
            let x = match (piece.checked_sub(1).map(|i| curve.knots[i]), curve.knots.get(piece)) {
                (Some(a), Some(b)) => (a + b) / 2.0,
                (Some(a), None) => a + 1.0,
                (None, Some(b)) => b - 1.0,
                (None, None) => 0.0,
            };
            let first = inner.knots.partition_point(|&knot| knot <= x);
            let second = self.knots.partition_point(|&knot| knot <= inner.at(x));
            curve.slopes.push(self.slopes[second] * inner.slopes[first]);
            curve
                .offsets
                .push(self.slopes[second] * inner.offsets[first] + self.offsets[second]);
        }
        curve.merged()
    }

    /// Whether the function is `c -> scale * f(c / scale)` for every positive scale: ReLU, leaky ReLU, the absolute value.
    pub fn is_homogeneous(&self) -> bool {
        self.knots == [0.0] && self.offsets == [0.0, 0.0]
    }

    /// The same function where argument and result are measured in other units.
    pub fn in_units(&self, argument: f64, result: f64) -> Curve {
        Curve {
            knots: self.knots.iter().map(|knot| knot / argument).collect(),
            slopes: self.slopes.iter().map(|slope| slope * argument / result).collect(),
            offsets: self.offsets.iter().map(|offset| offset / result).collect(),
        }
    }

    /// Drops knots at which nothing changes.
    fn merged(mut self) -> Curve {
        let mut i = 0;
        while i < self.knots.len() {
            if self.slopes[i] == self.slopes[i + 1] && self.offsets[i] == self.offsets[i + 1] {
                self.knots.remove(i);
                self.slopes.remove(i + 1);
                self.offsets.remove(i + 1);
            } else {
                i += 1;
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> impl Iterator<Item = f64> {
        (-2000..=2000).map(|i| f64::from(i) / 100.0)
    }

    #[test]
    fn the_sigmoid_is_as_close_as_it_says() {
        let (sigmoid, tangent) = (Curve::sigmoid(), Curve::hyperbolic_tangent());
        assert_eq!(sigmoid.knots.len(), SIGMOID_KNOTS);
        for x in grid() {
            let error = (sigmoid.at(x) - 1.0 / (1.0 + (-x).exp())).abs();
            assert!(error <= Curve::SIGMOID_ERROR, "{error} at {x}");
            assert!(
                (tangent.at(x) - x.tanh()).abs() <= 2.0 * Curve::SIGMOID_ERROR,
                "tanh at {x}"
            );
            assert!((0.0..=1.0).contains(&sigmoid.at(x)));
        }
        for (i, &knot) in sigmoid.knots.iter().enumerate() {
            let before = sigmoid.slopes[i] * knot + sigmoid.offsets[i];
            assert!((before - sigmoid.at(knot)).abs() < 1e-9, "a step at {knot}");
        }
    }

    #[test]
    fn the_gated_sigmoid_is_as_close_as_it_says() {
        let silu = Curve::silu();
        for x in grid().chain([-1e6, 1e6]) {
            let error = (silu.at(x) - x / (1.0 + (-x).exp())).abs();
            assert!(error <= 0.0048, "{error} at {x}");
        }
    }

    #[test]
    fn composition_is_applying_one_after_the_other() {
        let parts = [
            Curve::at_least(0.0),
            Curve::at_most(6.0),
            Curve::leaky(0.1),
            Curve::absolute(),
            Curve::line(-0.5, 1.0),
            Curve::sigmoid(),
        ];
        for outer in &parts {
            for inner in &parts {
                let both = outer.after(inner);
                for x in grid() {
                    let expected = outer.at(inner.at(x));
                    assert!((both.at(x) - expected).abs() < 1e-9, "{outer:?} after {inner:?} at {x}");
                }
            }
        }
        let clip = Curve::at_most(6.0).after(&Curve::at_least(0.0));
        assert_eq!(clip.knots, [0.0, 6.0]);
        assert_eq!(clip.slopes, [0.0, 1.0, 0.0]);
    }

    #[test]
    fn ranges_contain_the_extremes_between_the_ends() {
        assert_eq!(Curve::absolute().range(-2.0, 1.0), (0.0, 2.0));
        assert_eq!(Curve::at_most(6.0).range(5.0, 9.0), (5.0, 6.0));
    }
}
