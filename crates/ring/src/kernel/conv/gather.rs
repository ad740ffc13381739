//! Gathering the right operand of a convolution.

use std::ops::Range;

use super::ConvGeometry;
use crate::Ring;

/// Neighbouring columns that are pixels of one row of one image of the result.
struct Run {
    image: usize,
    row: usize,
    /// Columns of the panel.
    columns: Range<usize>,
    /// Position in the row of the run's first pixel.
    start: usize,
}

/// One panel of columns: the pixels `columns`, counted through all rows and images.
pub(super) struct Gather<'a> {
    geometry: &'a ConvGeometry,
    runs: Vec<Run>,
    covered: [Vec<Range<usize>>; 2],
}

impl<'a> Gather<'a> {
    pub(super) fn new(geometry: &'a ConvGeometry) -> Self {
        let covered = [0, 1].map(|axis| {
            (0..geometry.kernel[axis])
                .map(|tap| geometry.covered(axis, tap))
                .collect()
        });
        Gather {
            geometry,
            runs: Vec::new(),
            covered,
        }
    }

    /// Moves to another panel.
    pub(super) fn select(&mut self, columns: Range<usize>) {
        let [rows, width] = self.geometry.output_size();
        self.runs.clear();
        let mut column = columns.start;
        while column < columns.end {
            let start = column % width;
            let end = columns.end.min(column - start + width);
            let row = column / width;
            let within = column - columns.start..end - columns.start;
            self.runs.push(Run {
                image: row / rows,
                row: row % rows,
                columns: within,
                start,
            });
            column = end;
        }
    }

    /// Writes rows `taps` of the panel, each `stride` long, for one group of channels.
    #[inline(always)]
    pub(super) fn fill<R: Ring>(&self, input: &[R], group: usize, taps: Range<usize>, panel: &mut [R], stride: usize) {
        let g = self.geometry;
        let group_channels = g.channels / g.groups;
        let [height, width] = g.input;
        for (tap, to) in taps.zip(panel.chunks_exact_mut(stride)) {
            let (channel, ky, kx) = (
                tap / (g.kernel[0] * g.kernel[1]),
                tap / g.kernel[1] % g.kernel[0],
                tap % g.kernel[1],
            );
            let (covered_rows, covered_columns) = (&self.covered[0][ky], &self.covered[1][kx]);
            to.fill(R::ZERO);
            for run in &self.runs {
                if !covered_rows.contains(&run.row) {
                    continue;
                }
                let first = covered_columns.start.max(run.start);
                let end = covered_columns.end.min(run.start + run.columns.len());
                if first >= end {
                    continue;
                }
                let plane = run.image * g.channels + group * group_channels + channel;
                let y = run.row * g.stride[0] + ky * g.dilation[0] - g.pad_before[0];
                let x = first * g.stride[1] + kx * g.dilation[1] - g.pad_before[1];
                let from = &input[(plane * height + y) * width + x..][..(end - first - 1) * g.stride[1] + 1];
                let at = run.columns.start + first - run.start;
                let to = &mut to[at..at + end - first];
                if g.stride[1] == 1 {
                    to.copy_from_slice(from);
                } else {
                    to.iter_mut()
                        .zip(from.iter().step_by(g.stride[1]))
                        .for_each(|(to, &element)| *to = element);
                }
            }
        }
    }
}
