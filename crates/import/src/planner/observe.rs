//! What the float graph's values are on calibration samples.

use std::thread;

use ndarray::{ArrayD, Axis};

use crate::graph::Graph;

/// A run of the graph on samples.
pub struct Observed {
    /// For each node the largest finite magnitude.
    pub largest: Vec<f64>,
    /// For each node the root of the mean square of its finite elements.
    pub typical: Vec<f64>,
    /// For each node how many finite elements were seen.
    pub seen: Vec<u64>,
    /// For each node the mean of each channel: along the first axis of an image, else along the last axis.
    pub means: Vec<Vec<f64>>,
    /// For each output the numbers that are revealed, samples outermost.
    pub revealed: Vec<Vec<f64>>,
}

/// Runs the graph on the samples, several at once.
pub fn observe(graph: &Graph, samples: &[Vec<ArrayD<f64>>]) -> Observed {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let chunk = samples.len().div_ceil(threads).max(1);
    let parts: Vec<Sums> = thread::scope(|scope| {
        let workers: Vec<_> = samples
            .chunks(chunk)
            .map(|chunk| scope.spawn(move || Sums::over(graph, chunk)))
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().expect("evaluation does not panic"))
            .collect()
    });
    let mut total = Sums::new(graph);
    parts.into_iter().for_each(|part| total.add(part));
    Observed {
        typical: total.nodes.iter().map(Sum::typical).collect(),
        means: total.nodes.iter().map(Sum::means).collect(),
        seen: total.nodes.iter().map(|sum| sum.count).collect(),
        largest: total.nodes.iter().map(|sum| sum.largest).collect(),
        revealed: total.revealed,
    }
}

/// Sums over some of the samples.
struct Sums {
    nodes: Vec<Sum>,
    revealed: Vec<Vec<f64>>,
}

/// Sums over the finite elements of a node.
#[derive(Clone, Default)]
struct Sum {
    largest: f64,
    squares: f64,
    channels: Vec<f64>,
    count: u64,
}

impl Sum {
    fn typical(&self) -> f64 {
        (self.squares / self.count.max(1) as f64).sqrt()
    }

    fn means(&self) -> Vec<f64> {
        let each = self.count as f64 / self.channels.len().max(1) as f64;
        self.channels.iter().map(|sum| sum / each.max(1.0)).collect()
    }

    fn add(&mut self, value: &ArrayD<f64>) {
        for &x in value.iter().filter(|x| x.is_finite()) {
            self.largest = self.largest.max(x.abs());
            self.squares += x * x;
            self.count += 1;
        }
        if let Some(last) = value.ndim().checked_sub(1) {
            let axis = Axis(if last == 2 { 0 } else { last });
            self.channels.resize(value.len_of(axis), 0.0);
            for (sum, channel) in self.channels.iter_mut().zip(value.axis_iter(axis)) {
                *sum += channel.sum();
            }
        }
    }
}

impl Sums {
    fn new(graph: &Graph) -> Sums {
        Sums {
            nodes: vec![Sum::default(); graph.nodes.len()],
            revealed: vec![Vec::new(); graph.outputs.len()],
        }
    }

    fn over(graph: &Graph, samples: &[Vec<ArrayD<f64>>]) -> Sums {
        let mut sums = Sums::new(graph);
        for sample in samples {
            graph.walk(sample, |id, value| {
                sums.nodes[id.0].add(value);
                for (output, numbers) in graph.outputs.iter().zip(&mut sums.revealed) {
                    if output.node == id {
                        numbers.extend(value.iter());
                    }
                }
            });
        }
        sums
    }

    fn add(&mut self, other: Sums) {
        for (sum, other) in self.nodes.iter_mut().zip(other.nodes) {
            sum.largest = sum.largest.max(other.largest);
            sum.squares += other.squares;
            sum.count += other.count;
            sum.channels.resize(other.channels.len(), 0.0);
            sum.channels
                .iter_mut()
                .zip(other.channels)
                .for_each(|(sum, other)| *sum += other);
        }
        for (numbers, more) in self.revealed.iter_mut().zip(other.revealed) {
            numbers.extend(more);
        }
    }
}
