//! Which ring, and how many fractional bits.

use tercet_plan::{Array, Decode, oracle};

use crate::error::ImportError;
use crate::graph::{Graph, Op};
use crate::lower::{Lowered, Scales, lower};
use crate::options::RingChoice;
use crate::planner::magnitude::Magnitude;
use crate::planner::precision::balanced;

/// Fractional bits of activations on the 64-bit ring: errors of 2^-17 per layer, and comparisons of values up to 2^8 in two rounds.
const WIDE_BITS: u8 = 16;
/// Inputs are not compared, so finer ones are free.
const WIDE_INPUT_BITS: u8 = 20;
/// Bits by which all values of the narrow ring are tried coarser or finer than what an estimate of the errors says.
const NARROW_SHIFTS: [f64; 3] = [0.0, -1.0, 1.0];
/// The 32-bit ring must not be off by more than this part of the largest number revealed.
const TOLERANCE: f64 = 0.01;

/// What is compiled, and what it is tried on.
pub struct Task<'a> {
    /// The plan's name.
    pub name: &'a str,
    /// What is computed.
    pub graph: &'a Graph,
    /// Ranges of the inputs.
    pub ranges: &'a [(f64, f64)],
    /// Bounds of the nodes.
    pub magnitudes: &'a [Magnitude],
    /// For each node the means of its channels; empty without samples.
    pub means: &'a [Vec<f64>],
    /// Samples, as a batch for each input; empty if there are none.
    pub samples: &'a [Array],
    /// The first few of them.
    pub trial: &'a [Array],
    /// For each output the numbers that are revealed for the samples, before the client's last computation; samples outermost.
    pub expected: &'a [Vec<f64>],
}

/// How far a plan's integers are from the float graph on the calibration samples.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Agreement {
    /// Samples looked at.
    pub samples: usize,
    /// The largest difference of a revealed number.
    pub largest_error: f64,
    /// The part of the samples whose decisions are the same.
    pub decisions: f64,
    /// The largest magnitude of a revealed number.
    pub largest: f64,
    /// How far the closest decision of the float graph is from being another one: the lead of the largest number over the next, or the distance from zero.
    pub lead: f64,
}

/// The plan in the ring of choice, and how it agrees with the float graph where there are samples.
pub fn search(task: &Task, ring: RingChoice) -> Result<(Lowered, Option<Agreement>), ImportError> {
    let has_samples = !task.samples.is_empty();
    match ring {
        RingChoice::Wide => wide(task),
        RingChoice::Narrow => narrow(task),
        RingChoice::Auto if !has_samples => wide(task),
        RingChoice::Auto => match narrow(task) {
            Ok((lowered, Some(agreement))) if agreement.is_lossless() => Ok((lowered, Some(agreement))),
            Ok(_) | Err(ImportError::DoesNotFit { .. }) => wide(task),
            Err(other) => Err(other),
        },
    }
}

impl Agreement {
    /// The decisions are the same, and would be if two numbers were off by the largest error in opposite directions: every session rounds differently.
    fn is_lossless(&self) -> bool {
        self.decisions == 1.0
            && 2.0 * self.largest_error < self.lead
            && self.largest_error <= TOLERANCE * self.largest.max(1.0)
    }
}

/// On the 64-bit ring precision is only given up for values that need the room.
fn wide(task: &Task) -> Result<(Lowered, Option<Agreement>), ImportError> {
    let mut result = None;
    for bits in (8..=WIDE_BITS).rev() {
        let fraction = |op: &Op| match op {
            Op::Input(_) => bits + WIDE_INPUT_BITS - WIDE_BITS,
            _ => bits,
        };
        let scales = Scales {
            ring_bits: 64,
            fraction_bits: task.graph.nodes.iter().map(|node| fraction(&node.op)).collect(),
            slope_bits: 12,
        };
        match lower(task.name, task.graph, task.ranges, task.magnitudes, &[], scales) {
            Ok(lowered) => {
                let agreement = agreement(task, &lowered, task.samples);
                return Ok((lowered, agreement));
            }
            Err(cause @ ImportError::DoesNotFit { .. }) => result = result.or(Some(cause)),
            Err(other) => return Err(other),
        }
    }
    Err(result.expect("at least one scale was tried"))
}

/// On the 32-bit ring every value gets its own scale; samples tell whether all of them are better coarser or finer.
fn narrow(task: &Task) -> Result<(Lowered, Option<Agreement>), ImportError> {
    let balanced = balanced(task.graph, task.magnitudes, 32);
    let mut best: Option<(Lowered, f64)> = None;
    let mut refusal = None;
    for shift in NARROW_SHIFTS {
        let scales = Scales {
            ring_bits: 32,
            fraction_bits: balanced
                .iter()
                .map(|bits| (bits + shift).round().max(0.0) as u8)
                .collect(),
            slope_bits: 10,
        };
        match lower(task.name, task.graph, task.ranges, task.magnitudes, task.means, scales) {
            Ok(lowered) => {
                // Without samples the estimate is all there is.
                let Some(agreement) = agreement(task, &lowered, task.trial) else {
                    return Ok((lowered, None));
                };
                tracing::debug!(shift, agreement.largest_error, "tried on the narrow ring");
                if best.as_ref().is_none_or(|(_, error)| agreement.largest_error < *error) {
                    best = Some((lowered, agreement.largest_error));
                }
            }
            Err(cause @ ImportError::DoesNotFit { .. }) => refusal = Some(cause),
            Err(other) => return Err(other),
        }
    }
    let Some((lowered, _)) = best else {
        return Err(refusal.expect("at least one scale was tried"));
    };
    let agreement = agreement(task, &lowered, task.samples);
    Ok((lowered, agreement))
}

/// Runs the plan's integers on samples. Samples the plan refuses are a disagreement.
fn agreement(task: &Task, lowered: &Lowered, samples: &[Array]) -> Option<Agreement> {
    if samples.is_empty() {
        return None;
    }
    let plan = &lowered.plan;
    let Ok(encoded) = plan.encode(samples) else {
        return Some(Agreement {
            samples: 0,
            largest_error: f64::INFINITY,
            decisions: 0.0,
            largest: 0.0,
            lead: 0.0,
        });
    };
    let mut revealed = vec![Vec::new(); plan.outputs.len()];
    oracle::walk(plan, &lowered.parameters, &encoded, |id, integers| {
        for (output, numbers) in plan.outputs.iter().zip(&mut revealed) {
            if output.value == id {
                let unit = (-f64::from(plan.value(id).fraction_bits)).exp2();
                *numbers = integers.iter().map(|&v| v as f64 * unit).collect();
            }
        }
    });
    let batch = encoded.batch as usize;
    let mut result = Agreement {
        samples: batch,
        largest_error: 0.0,
        decisions: 0.0,
        largest: 0.0,
        lead: f64::INFINITY,
    };
    let mut agreeing = vec![true; batch];
    for ((output, numbers), expected) in plan.outputs.iter().zip(&revealed).zip(task.expected) {
        let size = numbers.len() / batch;
        for (sample, agrees) in agreeing.iter_mut().enumerate() {
            let found = &numbers[sample * size..(sample + 1) * size];
            let wanted = &expected[sample * size..(sample + 1) * size];
            for (found, wanted) in found.iter().zip(wanted) {
                result.largest_error = result.largest_error.max((found - wanted).abs());
                result.largest = result.largest.max(wanted.abs());
            }
            let decided = |numbers| decisions(output.decode, &output.shape, numbers);
            *agrees &= decided(found) == decided(wanted);
            result.lead = result.lead.min(lead(output.decode, &output.shape, wanted));
        }
    }
    result.decisions = agreeing.iter().filter(|&&agrees| agrees).count() as f64 / batch as f64;
    Some(result)
}

/// How far the closest of the decisions is from being another one; infinite where nothing is decided, or the decision itself is revealed.
fn lead(decode: Decode, shape: &[u32], numbers: &[f64]) -> f64 {
    let classes = shape.last().copied().unwrap_or(1) as usize;
    let leads: Vec<f64> = match decode {
        Decode::Label => vec![],
        Decode::Sigmoid => numbers.iter().map(|x| x.abs()).collect(),
        _ if classes > 1 => {
            let of = |row: &[f64]| {
                let mut sorted = row.to_vec();
                sorted.sort_by(|a, b| b.total_cmp(a));
                sorted[0] - sorted[1]
            };
            numbers.chunks_exact(classes).map(of).collect()
        }
        _ => vec![],
    };
    leads.into_iter().fold(f64::INFINITY, f64::min)
}

/// What a person would read from the numbers: the largest along the last axis, or of single numbers which are positive.
fn decisions(decode: Decode, shape: &[u32], numbers: &[f64]) -> Vec<i64> {
    let classes = shape.last().copied().unwrap_or(1) as usize;
    if decode == Decode::Label {
        return numbers.iter().map(|x| x.round() as i64).collect();
    }
    if classes > 1 && decode != Decode::Sigmoid {
        let largest = |row: &[f64]| {
            let best = row.iter().enumerate().fold(
                (0, f64::NEG_INFINITY),
                |best, (i, &x)| if x > best.1 { (i, x) } else { best },
            );
            best.0 as i64
        };
        return numbers.chunks(classes).map(largest).collect();
    }
    if decode == Decode::Sigmoid {
        numbers.iter().map(|x| i64::from(*x > 0.0)).collect()
    } else {
        vec![]
    }
}
