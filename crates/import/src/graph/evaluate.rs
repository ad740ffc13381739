//! The float graph on real numbers: what calibration and comparisons of layers run.

use ndarray::{Array2, ArrayD, ArrayView2, Axis, Ix2, IxDyn, Slice};
use tercet_plan::{ConvGeometry, Window};

use super::{Graph, Node, NodeId, Op, Term};

impl Graph {
    /// Computes every value for one sample, given the inputs in their sample shapes, and shows it as soon as it is there; a value is dropped
    /// after its last use.
    pub fn walk(&self, inputs: &[ArrayD<f64>], mut visit: impl FnMut(NodeId, &ArrayD<f64>)) {
        let mut last_uses: Vec<usize> = (0..self.nodes.len()).collect();
        for (index, node) in self.nodes.iter().enumerate() {
            node.op.operands().iter().for_each(|of| last_uses[of.0] = index);
        }
        let mut values: Vec<ArrayD<f64>> = Vec::with_capacity(self.nodes.len());
        for (index, node) in self.nodes.iter().enumerate() {
            let value = self.value(node, inputs, &values);
            debug_assert_eq!(value.shape(), node.shape, "{}", node.source);
            visit(NodeId(index), &value);
            values.push(value);
            let in_use = node.op.operands().into_iter().chain([NodeId(index)]);
            for of in in_use.filter(|of| last_uses[of.0] == index) {
                values[of.0] = ArrayD::zeros(vec![0]);
            }
        }
    }

    fn value(&self, node: &Node, inputs: &[ArrayD<f64>], values: &[ArrayD<f64>]) -> ArrayD<f64> {
        let of = |id: &NodeId| &values[id.0];
        match &node.op {
            Op::Input(index) => reshaped(&inputs[*index], &node.shape),
            Op::Sum(terms) => sum(terms, &node.shape, values),
            Op::Piecewise { of: id, curve } => of(id).mapv(|x| curve.at(x)),
            Op::MaxPool { of: id, window, relu } => {
                let start = if *relu { 0.0 } else { f64::NEG_INFINITY };
                pool(of(id), window, &node.shape, start, f64::max)
            }
            Op::ArgMax(id) => of(id).map_axis(Axis(of(id).ndim() - 1), |row| {
                let best = row.iter().enumerate().fold(
                    (0, f64::NEG_INFINITY),
                    |best, (i, &x)| if x > best.1 { (i, x) } else { best },
                );
                best.0 as f64
            }),
            Op::Sigmoid(id) => of(id).mapv(|x| 1.0 / (1.0 + (-x).exp())),
            Op::Softmax {
                of: id,
                axis,
                logarithm,
            } => softmax(of(id), *axis, *logarithm),
            local => move_elements(local, &node.shape, values, |x| x),
        }
    }
}

/// Operations that only copy, repeat or add elements. `border` says what to make of the constant of a border.
pub(super) fn move_elements(
    op: &Op,
    shape: &[usize],
    values: &[ArrayD<f64>],
    border: impl Fn(f64) -> f64,
) -> ArrayD<f64> {
    let of = |id: &NodeId| &values[id.0];
    match op {
        Op::Reshape(id) => reshaped(of(id), shape),
        Op::Transpose { of: id, permutation } => {
            let view = of(id).view().permuted_axes(IxDyn(permutation));
            view.as_standard_layout().into_owned()
        }
        Op::Slice { of: id, start, step } => sliced(of(id), shape, start, step),
        Op::Concat { of: ids, axis } => {
            let views: Vec<_> = ids.iter().map(|id| of(id).view()).collect();
            ndarray::concatenate(Axis(*axis), &views).expect("shapes were checked when the node was made")
        }
        Op::Pad {
            of: id, before, fill, ..
        } => {
            let mut padded = ArrayD::from_elem(shape, border(*fill));
            let inner = of(id);
            let mut middle = padded.slice_each_axis_mut(|axis| {
                let i = axis.axis.index();
                Slice::from(before[i]..before[i] + inner.shape()[i])
            });
            middle.assign(inner);
            drop(middle);
            padded
        }
        Op::Broadcast(id) => of(id)
            .broadcast(shape)
            .expect("shapes were checked when the node was made")
            .to_owned(),
        Op::SumPool { of: id, window } => pool(of(id), window, shape, 0.0, |a, b| a + b),
        Op::SumAxes { of: id, axes } => {
            let mut sum = of(id).clone();
            for &axis in axes.iter().rev() {
                sum = sum.sum_axis(Axis(axis));
            }
            sum
        }
        _ => unreachable!("the caller handles every other operation"),
    }
}

/// The same elements in another shape.
pub(super) fn reshaped(array: &ArrayD<f64>, shape: &[usize]) -> ArrayD<f64> {
    let standard = array.as_standard_layout().into_owned();
    standard
        .into_shape_with_order(shape)
        .expect("reshapes keep the number of elements")
}

fn sliced(array: &ArrayD<f64>, shape: &[usize], start: &[usize], step: &[isize]) -> ArrayD<f64> {
    ArrayD::from_shape_fn(shape, |index| {
        let from: Vec<usize> = (0..shape.len())
            .map(|axis| start[axis].wrapping_add_signed(index[axis] as isize * step[axis]))
            .collect();
        array[IxDyn(&from)]
    })
}

fn sum(terms: &[Term], shape: &[usize], values: &[ArrayD<f64>]) -> ArrayD<f64> {
    let mut total = ArrayD::zeros(shape);
    for term in terms {
        match term {
            Term::Product { left, right } => total += &(&values[left.0] * &values[right.0]),
            Term::MatMul { left, right } => total += &batched_product(&values[left.0], &values[right.0]),
            Term::Bias(bias) => total += &**bias,
            Term::Add { of, factor } => total.scaled_add(*factor, &values[of.0]),
            Term::Dense { of, .. } | Term::Conv { of, .. } | Term::Scale { of, .. } => {
                total += &weighted(term, &values[of.0], |w| w);
            }
        }
    }
    total
}

/// A dense, convolution or scale term over `operand` with every weight replaced by `f` of it.
pub(super) fn weighted(term: &Term, operand: &ArrayD<f64>, f: impl Fn(f64) -> f64) -> ArrayD<f64> {
    match term {
        Term::Dense { weight, .. } => dense(operand, &weight.mapv(f)),
        Term::Conv { weight, geometry, .. } => conv(operand, &weight.mapv(f), geometry),
        Term::Scale { weight, .. } => operand * &weight.mapv(f),
        _ => unreachable!("the term has no weight"),
    }
}

/// The last axis of `operand` times a matrix.
pub fn dense(operand: &ArrayD<f64>, weight: &ArrayD<f64>) -> ArrayD<f64> {
    let (inner, outer) = (weight.shape()[0], weight.shape()[1]);
    let rows = operand.len() / inner;
    let left = reshaped(operand, &[rows, inner]);
    let left = left.view().into_shape_with_order((rows, inner)).expect("just reshaped");
    let right = weight
        .view()
        .into_shape_with_order((inner, outer))
        .expect("weights are matrices");
    let mut shape = operand.shape().to_vec();
    *shape.last_mut().expect("a dense operand has an axis") = outer;
    reshaped(&left.dot(&right).into_dyn(), &shape)
}

fn batched_product(left: &ArrayD<f64>, right: &ArrayD<f64>) -> ArrayD<f64> {
    let rank = left.ndim();
    let (rows, inner, columns) = (left.shape()[rank - 2], left.shape()[rank - 1], right.shape()[rank - 1]);
    let batch = left.len() / (rows * inner);
    let left3 = reshaped(left, &[batch, rows, inner]);
    let right3 = reshaped(right, &[batch, inner, columns]);
    let mut result = ArrayD::zeros(vec![batch, rows, columns]);
    for i in 0..batch {
        let a = left3
            .index_axis(Axis(0), i)
            .into_dimensionality::<Ix2>()
            .expect("a matrix");
        let b = right3
            .index_axis(Axis(0), i)
            .into_dimensionality::<Ix2>()
            .expect("a matrix");
        result.index_axis_mut(Axis(0), i).assign(&a.dot(&b).into_dyn());
    }
    let mut shape = left.shape().to_vec();
    shape[rank - 1] = columns;
    reshaped(&result, &shape)
}

/// Cross-correlation of `[channels, height, width]`.
pub fn conv(operand: &ArrayD<f64>, weight: &ArrayD<f64>, geometry: &ConvGeometry) -> ArrayD<f64> {
    let image = operand.as_standard_layout();
    let taps = Taps {
        input: [image.shape()[1], image.shape()[2]],
        kernel: [weight.shape()[2], weight.shape()[3]],
        geometry,
    };
    let (outputs, inner) = (weight.shape()[0], weight.shape()[1]);
    let [height, width] = taps.output();
    let pixels = height * width;
    let groups = geometry.groups as usize;
    let per_group = outputs / groups;
    let kernels = reshaped(weight, &[groups, per_group, inner * taps.kernel[0] * taps.kernel[1]]);
    let mut result = ArrayD::zeros(vec![groups, per_group, pixels]);
    let channels = image
        .as_slice()
        .expect("a standard layout")
        .chunks_exact(inner * taps.input[0] * taps.input[1]);
    let results = result.axis_iter_mut(Axis(0));
    for ((channels, kernels), mut result) in channels.zip(kernels.axis_iter(Axis(0))).zip(results) {
        let kernels = kernels.into_dimensionality::<Ix2>().expect("just reshaped");
        let product = if taps.are_the_image() {
            let columns = ArrayView2::from_shape((inner, pixels), channels).expect("one tap a channel");
            kernels.dot(&columns)
        } else {
            kernels.dot(&taps.columns(channels))
        };
        result.assign(&product);
    }
    reshaped(&result, &[outputs, height, width])
}

/// What the taps of a convolution meet.
struct Taps<'a> {
    input: [usize; 2],
    kernel: [usize; 2],
    geometry: &'a ConvGeometry,
}

impl Taps<'_> {
    fn output(&self) -> [usize; 2] {
        [0, 1].map(|axis| {
            let border = self.geometry.pad_before[axis] + self.geometry.pad_after[axis];
            let field = (self.kernel[axis] - 1) * self.geometry.dilation[axis] as usize + 1;
            (self.input[axis] + border as usize - field) / self.geometry.stride[axis] as usize + 1
        })
    }

    /// Whether every position meets its own element and nothing else.
    fn are_the_image(&self) -> bool {
        self.kernel == [1, 1] && self.geometry.stride == [1, 1] && self.output() == self.input
    }

    /// Where a tap meets the input, for each position along an axis; `None` on the border.
    fn places(&self, axis: usize, tap: usize) -> Vec<Option<usize>> {
        let place = |position: usize| {
            let padded = position * self.geometry.stride[axis] as usize + tap * self.geometry.dilation[axis] as usize;
            let place = padded.checked_sub(self.geometry.pad_before[axis] as usize);
            place.filter(|&place| place < self.input[axis])
        };
        (0..self.output()[axis]).map(place).collect()
    }

    /// One row for each channel and tap, one column for each position.
    fn columns(&self, channels: &[f64]) -> Array2<f64> {
        let [height, width] = self.output();
        let [rows, columns] = self.kernel;
        let pixels = self.input[0] * self.input[1];
        let mut result = Array2::zeros((channels.len() / pixels * rows * columns, height * width));
        let mut lines = result.as_slice_mut().expect("just made").chunks_exact_mut(width);
        for channel in channels.chunks_exact(pixels) {
            for row in 0..rows {
                let down = self.places(0, row);
                for column in 0..columns {
                    let across = self.places(1, column);
                    for y in &down {
                        let line = lines.next().expect("as many lines as rows and positions");
                        let Some(y) = y else { continue };
                        let from = &channel[y * self.input[1]..][..self.input[1]];
                        for (to, x) in line.iter_mut().zip(&across) {
                            *to = x.map_or(0.0, |x| from[x]);
                        }
                    }
                }
            }
        }
        result
    }
}

pub(super) fn pool(
    array: &ArrayD<f64>,
    window: &Window,
    shape: &[usize],
    start: f64,
    join: impl Fn(f64, f64) -> f64,
) -> ArrayD<f64> {
    let image = array
        .view()
        .into_dimensionality::<ndarray::Ix3>()
        .expect("an image has three axes");
    ArrayD::from_shape_fn(shape, |index| {
        let mut value = start;
        for row in 0..window.size[0] {
            for column in 0..window.size[1] {
                let y = index[1] * window.stride[0] as usize + (row * window.dilation[0]) as usize;
                let x = index[2] * window.stride[1] as usize + (column * window.dilation[1]) as usize;
                value = join(value, image[[index[0], y, x]]);
            }
        }
        value
    })
}

fn softmax(array: &ArrayD<f64>, axis: usize, logarithm: bool) -> ArrayD<f64> {
    let mut result = array.clone();
    for mut lane in result.lanes_mut(Axis(axis)) {
        let largest = lane.fold(f64::NEG_INFINITY, |a, &b| a.max(b));
        let total: f64 = lane.iter().map(|x| (x - largest).exp()).sum();
        lane.mapv_inplace(|x| {
            if logarithm {
                x - largest - total.ln()
            } else {
                (x - largest).exp() / total
            }
        });
    }
    result
}
