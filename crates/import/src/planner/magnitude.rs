//! Bounds of the float graph's values, from calibration samples or proven.

use tercet_plan::Origin;

use super::observe::Observed;
use crate::graph::{Graph, Op};
use crate::options::{DEFAULT_MARGIN_BITS, MANY_ELEMENTS};

/// Values of which nothing but a bound is known are taken to be mostly this part of it.
const TYPICAL_PART: f64 = 0.125;

/// How large a value is, and where the bound comes from.
#[derive(Clone, Copy, Debug)]
pub struct Magnitude {
    /// No element is larger.
    pub most: f64,
    /// The root of the mean square.
    pub typical: f64,
    /// Whether the bound is proven or was seen.
    pub origin: Origin,
}

/// For each node the smaller of the proven bound and the calibrated one, which is the largest magnitude in the samples times
/// `2^margin_bits`; without a choice by the user the margin is the default, and a bit less where many elements were seen.
pub fn magnitudes(
    graph: &Graph,
    ranges: &[(f64, f64)],
    observed: Option<&Observed>,
    margin_bits: Option<u8>,
) -> Vec<Magnitude> {
    let proven = graph.proven_magnitudes(ranges);
    let margin = |seen: u64| {
        let usual = DEFAULT_MARGIN_BITS - u8::from(seen >= MANY_ELEMENTS);
        margin_bits.unwrap_or(usual)
    };
    let mut bounds: Vec<Magnitude> = Vec::with_capacity(proven.len());
    for (index, node) in graph.nodes.iter().enumerate() {
        let typical = observed.map_or(0.0, |observed| observed.typical[index]);
        let proven = Magnitude {
            most: proven[index],
            typical: if typical > 0.0 {
                typical
            } else {
                TYPICAL_PART * proven[index]
            },
            origin: Origin::Proven,
        };
        let calibrated = observed.map(|observed| {
            let margin_bits = margin(observed.seen[index]);
            Magnitude {
                most: observed.largest[index] * f64::from(margin_bits).exp2(),
                origin: Origin::Calibrated { margin_bits },
                ..proven
            }
        });
        // A value that was zero in all samples may still be something.
        // Inputs may be anything in their range, whatever the samples are.
        let input = matches!(node.op, Op::Input(_));
        let calibrated = calibrated.filter(|bound| !input && bound.most > 0.0 && bound.most < proven.most);
        let mut bound = calibrated.unwrap_or(proven);
        if let Op::Pad { of, fill, .. } = &node.op
            && !fill.is_finite()
        {
            bound = bounds[of.0];
        }
        bounds.push(bound);
    }
    bounds
}
