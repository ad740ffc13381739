//! Bounds of the float graph's values, from calibration samples or proven.

use std::thread;

use ndarray::ArrayD;
use tercet_plan::Origin;

use crate::graph::{Graph, Op};

/// The largest magnitude of a value, and where it comes from.
#[derive(Clone, Copy, Debug)]
pub struct Magnitude {
    /// No element is larger.
    pub most: f64,
    /// Whether that is proven or was seen.
    pub origin: Origin,
}

/// For each node the smaller of the proven bound and the calibrated one, which is the largest magnitude in `samples` times
/// `2^margin_bits`.
pub fn magnitudes(
    graph: &Graph,
    ranges: &[(f64, f64)],
    samples: &[Vec<ArrayD<f64>>],
    margin_bits: u8,
) -> Vec<Magnitude> {
    let proven = graph.proven_magnitudes(ranges);
    let seen = largest(graph, samples);
    let widened = |most: f64| most * f64::from(margin_bits).exp2();
    let mut bounds: Vec<Magnitude> = Vec::with_capacity(proven.len());
    for (index, node) in graph.nodes.iter().enumerate() {
        let proven = Magnitude {
            most: proven[index],
            origin: Origin::Proven,
        };
        let calibrated = seen.as_ref().map(|seen| Magnitude {
            most: widened(seen[index]),
            origin: Origin::Calibrated { margin_bits },
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

/// For each node the largest finite magnitude over all samples; none without samples.
fn largest(graph: &Graph, samples: &[Vec<ArrayD<f64>>]) -> Option<Vec<f64>> {
    if samples.is_empty() {
        return None;
    }
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let chunk = samples.len().div_ceil(threads);
    let of_chunk = |chunk: &[Vec<ArrayD<f64>>]| {
        let mut most = vec![0.0_f64; graph.nodes.len()];
        for sample in chunk {
            for (most, value) in most.iter_mut().zip(graph.evaluate(sample)) {
                let finite = value.iter().map(|x| x.abs()).filter(|x| x.is_finite());
                *most = finite.fold(*most, f64::max);
            }
        }
        most
    };
    let of_chunk = &of_chunk;
    let parts: Vec<Vec<f64>> = thread::scope(|scope| {
        let workers: Vec<_> = samples
            .chunks(chunk)
            .map(|chunk| scope.spawn(move || of_chunk(chunk)))
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().expect("evaluation does not panic"))
            .collect()
    });
    parts
        .into_iter()
        .reduce(|a, b| a.iter().zip(&b).map(|(a, b)| a.max(*b)).collect())
}
