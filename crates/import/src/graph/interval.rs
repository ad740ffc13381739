//! Proven bounds: interval arithmetic over the float graph.

use ndarray::{ArrayD, Zip};

use super::evaluate::{move_elements, pool, weighted};
use super::{Graph, NodeId, Op, Term};

/// Elementwise bounds of a value.
#[derive(Clone)]
struct Interval {
    low: ArrayD<f64>,
    high: ArrayD<f64>,
}

impl Graph {
    /// For each node the largest magnitude it can take when every input is within its range.
    ///
    /// Linear operations are bounded element by element from the weights' magnitudes; correlations between values are not
    /// used, so that the bounds of deep networks are far from tight. They are never too small but for rounding in double precision.
    pub fn proven_magnitudes(&self, ranges: &[(f64, f64)]) -> Vec<f64> {
        let mut intervals: Vec<Interval> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let interval = self.interval(&node.op, &node.shape, ranges, &intervals);
            intervals.push(interval);
        }
        intervals.iter().map(Interval::magnitude).collect()
    }

    fn interval(&self, op: &Op, shape: &[usize], ranges: &[(f64, f64)], known: &[Interval]) -> Interval {
        let of = |id: &NodeId| &known[id.0];
        match op {
            Op::Input(index) => Interval {
                low: ArrayD::from_elem(shape, ranges[*index].0),
                high: ArrayD::from_elem(shape, ranges[*index].1),
            },
            Op::Sum(terms) => sum(terms, shape, known),
            Op::Piecewise { of: id, curve } => of(id).map(|low, high| curve.range(low, high)),
            Op::MaxPool { of: id, window, relu } => {
                let start = if *relu { 0.0 } else { f64::NEG_INFINITY };
                Interval {
                    low: pool(&of(id).low, window, shape, start, f64::max),
                    high: pool(&of(id).high, window, shape, start, f64::max),
                }
            }
            Op::ArgMax(id) => {
                let classes = of(id).low.shape().last().copied().unwrap_or(1);
                Interval {
                    low: ArrayD::zeros(shape),
                    high: ArrayD::from_elem(shape, classes as f64 - 1.0),
                }
            }
            Op::Sigmoid(_) | Op::Softmax { .. } => Interval {
                low: ArrayD::from_elem(shape, f64::NEG_INFINITY),
                high: ArrayD::from_elem(shape, f64::INFINITY),
            },
            local => {
                let end = |end: fn(&Interval) -> &ArrayD<f64>| {
                    // Only the operands are looked at; the others may stay empty.
                    let mut values = vec![ArrayD::zeros(vec![0]); known.len()];
                    for operand in local.operands() {
                        values[operand.0] = end(of(&operand)).clone();
                    }
                    move_elements(local, shape, &values, |fill| fill)
                };
                Interval {
                    low: end(|interval| &interval.low),
                    high: end(|interval| &interval.high),
                }
            }
        }
    }
}

fn sum(terms: &[Term], shape: &[usize], known: &[Interval]) -> Interval {
    let mut total = Interval {
        low: ArrayD::zeros(shape),
        high: ArrayD::zeros(shape),
    };
    for term in terms {
        let part = match term {
            Term::Bias(bias) => Interval {
                low: (**bias).clone(),
                high: (**bias).clone(),
            },
            Term::Add { of, factor } => known[of.0].map(|low, high| ordered(low * factor, high * factor)),
            Term::Product { left, right } if left == right => known[left.0].map(|low, high| {
                let most = (low * low).max(high * high);
                let least = if low <= 0.0 && high >= 0.0 {
                    0.0
                } else {
                    (low * low).min(high * high)
                };
                (least, most)
            }),
            Term::Product { left, right } => product(&known[left.0], &known[right.0]),
            Term::MatMul { left, right } => {
                let shape = known[left.0].low.shape();
                let inner = shape[shape.len() - 1] as f64;
                let most = inner * known[left.0].magnitude() * known[right.0].magnitude();
                Interval {
                    low: ArrayD::from_elem(total.low.shape(), -most),
                    high: ArrayD::from_elem(total.low.shape(), most),
                }
            }
            Term::Dense { of, .. } | Term::Conv { of, .. } | Term::Scale { of, .. } => {
                // With center c and radius r of the operand: W c -+ |W| r.
                let (center, radius) = known[of.0].center_and_radius();
                let center = weighted(term, &center, |w| w);
                let radius = weighted(term, &radius, f64::abs);
                Interval {
                    low: &center - &radius,
                    high: &center + &radius,
                }
            }
        };
        total.low += &part.low;
        total.high += &part.high;
    }
    total
}

fn product(left: &Interval, right: &Interval) -> Interval {
    let corners = |pick: fn(f64, f64) -> f64, start: f64| {
        let mut result = ArrayD::from_elem(left.low.shape(), start);
        for a in [&left.low, &left.high] {
            for b in [&right.low, &right.high] {
                Zip::from(&mut result)
                    .and(a)
                    .and(b)
                    .for_each(|result, a, b| *result = pick(*result, a * b));
            }
        }
        result
    };
    Interval {
        low: corners(f64::min, f64::INFINITY),
        high: corners(f64::max, f64::NEG_INFINITY),
    }
}

fn ordered(a: f64, b: f64) -> (f64, f64) {
    (a.min(b), a.max(b))
}

impl Interval {
    fn map(&self, f: impl Fn(f64, f64) -> (f64, f64)) -> Interval {
        Interval {
            low: Zip::from(&self.low)
                .and(&self.high)
                .map_collect(|&low, &high| f(low, high).0),
            high: Zip::from(&self.low)
                .and(&self.high)
                .map_collect(|&low, &high| f(low, high).1),
        }
    }

    fn center_and_radius(&self) -> (ArrayD<f64>, ArrayD<f64>) {
        ((&self.low + &self.high) / 2.0, (&self.high - &self.low) / 2.0)
    }

    fn magnitude(&self) -> f64 {
        let ends = self.low.iter().chain(&self.high);
        ends.fold(0.0, |most, x| most.max(x.abs()))
    }
}
