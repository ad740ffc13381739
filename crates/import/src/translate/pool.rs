//! Pooling and reductions.

use std::sync::Arc;

use ndarray::Array3;
use tercet_plan::Window;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::cnn::{MaxPool, PaddingSpec, PoolSpec, SumPool};
use tract_onnx::tract_core::ops::nn::{DataFormat, Reduce, Reducer};

use super::{Known, Translated, Translator};
use crate::graph::{NodeId, Op, Term};

/// The window of a pool, its padding, and the image it slides over as `[channels, height, width]`.
struct Pooling {
    image: NodeId,
    window: Window,
    before: [usize; 2],
    after: [usize; 2],
    /// What of the border behind the image the model states; `ceil_mode` may need more.
    stated_after: [usize; 2],
    output: [usize; 2],
}

impl Translator<'_> {
    pub(super) fn max_pool(&mut self, node: &TypedNode, source: &str) -> Translated {
        let op: &MaxPool = node.op_as().ok_or("an unknown pool")?;
        if op.with_index_outputs.is_some() {
            return Err("the indices of maxima are not supported; use the values alone".to_owned());
        }
        let pooling = self.pooling(&op.pool_spec, node, source)?;
        // The border must never win. Its fill is settled at the end, when ReLU after the pool may have made it zero.
        let image = self.padded(&pooling, f64::NEG_INFINITY, source);
        let shape = vec![self.graph.shape(image)[0], pooling.output[0], pooling.output[1]];
        let maximum = Op::MaxPool {
            of: image,
            window: pooling.window,
            relu: false,
        };
        let result = self.graph.push(source, shape, maximum);
        self.define_pooled(node, source, result)
    }

    pub(super) fn sum_pool(&mut self, node: &TypedNode, source: &str) -> Translated {
        let op: &SumPool = node.op_as().ok_or("an unknown pool")?;
        let pooling = self.pooling(&op.pool_spec, node, source)?;
        let image = self.padded(&pooling, 0.0, source);
        let shape = vec![self.graph.shape(image)[0], pooling.output[0], pooling.output[1]];
        let sum = Op::SumPool {
            of: image,
            window: pooling.window,
        };
        let mut result = self.graph.push(source, shape.clone(), sum);
        if op.normalize {
            let counts = counts(&pooling, &self.graph.shape(pooling.image)[1..], op.count_include_pad);
            let first = counts[[0, 0, 0]];
            let term = if counts.iter().all(|&count| count == first) {
                Term::Add {
                    of: result,
                    factor: 1.0 / first,
                }
            } else {
                Term::Scale {
                    of: result,
                    weight: Arc::new(counts.mapv(f64::recip).into_dyn()),
                }
            };
            result = self.graph.push(source, shape, Op::Sum(vec![term]));
        }
        self.define_pooled(node, source, result)
    }

    fn define_pooled(&mut self, node: &TypedNode, source: &str, result: NodeId) -> Translated {
        let outlet = OutletId::new(node.id, 0);
        let shape = self.tract_shape(outlet)?;
        let result = self.reshape(source, result, super::canonical(&shape));
        self.known.insert(outlet, Known::Node(result));
        Ok(())
    }

    /// Several images are pooled as one with more channels; lines are images of height one.
    fn pooling(&mut self, spec: &PoolSpec, node: &TypedNode, source: &str) -> Result<Pooling, String> {
        let whole = self.tract_shape(node.inputs[0])?;
        let result = self.tract_shape(OutletId::new(node.id, 0))?;
        if spec.data_format != DataFormat::NCHW || !(3..=4).contains(&whole.len()) {
            return Err("only pools over one or two axes are supported".to_owned());
        }
        let line = whole.len() == 3;
        let pair = |values: &[usize], missing: usize| -> [usize; 2] {
            if line {
                [missing, values[0]]
            } else {
                [values[0], values[1]]
            }
        };
        let size = pair(&whole[2..], 1);
        let computed = spec.computed_padding(&whole[2..]);
        let before: Vec<usize> = computed.iter().map(|axis| axis.pad_before).collect();
        let stated_after: Vec<usize> = match &spec.padding {
            PaddingSpec::ExplicitOnnxPool(_, after, _) => after.to_vec(),
            _ => computed.iter().map(|axis| axis.pad_after).collect(),
        };
        let window = [
            pair(&spec.kernel_shape, 1),
            pair(&spec.strides(), 1),
            pair(&spec.dilations(), 1),
        ];
        let [size_of, stride, dilation] = window.map(|[a, b]| [a as u32, b as u32]);
        let (before, output) = (pair(&before, 0), pair(&result[2..], 1));
        // As much border as the last window reaches; with ceil_mode that may be more than the model states.
        let reach = |axis: usize| {
            let field = (window[0][axis] - 1) * window[2][axis] + 1;
            (output[axis] - 1) * window[1][axis] + field
        };
        let after = [0, 1].map(|axis| reach(axis).saturating_sub(size[axis] + before[axis]));
        let operand = self.operand(node, 0, source)?;
        let image = self.reshape(source, operand, &[whole[0] * whole[1], size[0], size[1]]);
        Ok(Pooling {
            image,
            window: Window {
                size: size_of,
                stride,
                dilation,
            },
            before,
            after,
            stated_after: pair(&stated_after, 0),
            output,
        })
    }

    fn padded(&mut self, pooling: &Pooling, fill: f64, source: &str) -> NodeId {
        let (before, after) = (pooling.before, pooling.after);
        if before == [0, 0] && after == [0, 0] {
            return pooling.image;
        }
        let mut shape = self.graph.shape(pooling.image).to_vec();
        shape[1] += before[0] + after[0];
        shape[2] += before[1] + after[1];
        let pad = Op::Pad {
            of: pooling.image,
            before: vec![0, before[0], before[1]],
            after: vec![0, after[0], after[1]],
            fill,
        };
        self.graph.push(source, shape, pad)
    }

    pub(super) fn reduce(&mut self, node: &TypedNode, source: &str) -> Translated {
        let op: &Reduce = node.op_as().ok_or("an unknown reduction")?;
        let of = self.whole_operand(node, 0, source)?;
        let shape = self.graph.shape(of).to_vec();
        let mut axes: Vec<usize> = op.axes.to_vec();
        axes.sort_unstable();
        let rest: Vec<usize> = (0..shape.len()).filter(|axis| !axes.contains(axis)).collect();
        let kept: Vec<usize> = rest.iter().map(|&axis| shape[axis]).collect();
        let result = match op.reducer {
            Reducer::Sum => self.graph.push(source, kept, Op::SumAxes { of, axes }),
            Reducer::MeanOfSquares => {
                let count: usize = axes.iter().map(|&axis| shape[axis]).product();
                let square = Op::Sum(vec![Term::Product { left: of, right: of }]);
                let square = self.graph.push(source, shape, square);
                let sum = self.graph.push(source, kept.clone(), Op::SumAxes { of: square, axes });
                let mean = Term::Add {
                    of: sum,
                    factor: 1.0 / count as f64,
                };
                self.graph.push(source, kept, Op::Sum(vec![mean]))
            }
            Reducer::ArgMax(false) if axes.len() == 1 => {
                let mut permutation = rest.clone();
                permutation.push(axes[0]);
                let moved = permutation.iter().map(|&axis| shape[axis]).collect();
                let moved = self.graph.push(source, moved, Op::Transpose { of, permutation });
                self.graph.push(source, kept, Op::ArgMax(moved))
            }
            Reducer::Max => {
                // A window over all of the reduced axes.
                let mut permutation = rest.clone();
                permutation.extend(&axes);
                let moved = permutation.iter().map(|&axis| shape[axis]).collect();
                let moved = self.graph.push(source, moved, Op::Transpose { of, permutation });
                let count: usize = axes.iter().map(|&axis| shape[axis]).product();
                let rows: usize = kept.iter().product();
                let image = self.reshape(source, moved, &[rows, 1, count]);
                let window = Window {
                    size: [1, count as u32],
                    stride: [1, 1],
                    dilation: [1, 1],
                };
                let maximum = Op::MaxPool {
                    of: image,
                    window,
                    relu: false,
                };
                self.graph.push(source, vec![rows, 1, 1], maximum)
            }
            _ => return Err("only sums, means and maxima along axes are supported".to_owned()),
        };
        self.define(OutletId::new(node.id, 0), source, result);
        Ok(())
    }
}

/// How many elements each average is over. Borders count if the model says so, but not what `ceil_mode` adds beyond them.
fn counts(pooling: &Pooling, size: &[usize], include_border: bool) -> Array3<f64> {
    let along = |axis: usize, position: usize| {
        let start = position * pooling.window.stride[axis] as usize;
        let mut taps = (0..pooling.window.size[axis]).map(|tap| start + (tap * pooling.window.dilation[axis]) as usize);
        let image = pooling.before[axis]..pooling.before[axis] + size[axis];
        let counted = if include_border {
            0..image.end + pooling.stated_after[axis]
        } else {
            image
        };
        taps.by_ref().filter(|index| counted.contains(index)).count().max(1)
    };
    let [height, width] = pooling.output;
    Array3::from_shape_fn((1, height, width), |(_, y, x)| (along(0, y) * along(1, x)) as f64)
}
