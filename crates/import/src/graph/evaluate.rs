//! The float graph on real numbers: what calibration and comparisons of layers run.

use ndarray::{Array2, ArrayD, ArrayView3, Axis, IxDyn, Slice};
use tercet_plan::{ConvGeometry, Window};

use super::{Graph, Op, Term};

impl Graph {
    /// Every value for one sample, given the inputs in their sample shapes.
    pub fn evaluate(&self, inputs: &[ArrayD<f64>]) -> Vec<ArrayD<f64>> {
        let mut values: Vec<ArrayD<f64>> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let of = |id: &super::NodeId| &values[id.0];
            let value =
                match &node.op {
                    Op::Input(index) => reshaped(&inputs[*index], &node.shape),
                    Op::Sum(terms) => sum(terms, &node.shape, &values),
                    Op::Piecewise { of: id, curve } => of(id).mapv(|x| curve.at(x)),
                    Op::MaxPool { of: id, window, relu } => {
                        let start = if *relu { 0.0 } else { f64::NEG_INFINITY };
                        pool(of(id), window, &node.shape, start, f64::max)
                    }
                    Op::ArgMax(id) => {
                        of(id).map_axis(Axis(of(id).ndim() - 1), |row| {
                            let best = row.iter().enumerate().fold((0, f64::NEG_INFINITY), |best, (i, &x)| {
                                if x > best.1 { (i, x) } else { best }
                            });
                            best.0 as f64
                        })
                    }
                    Op::Sigmoid(id) => of(id).mapv(|x| 1.0 / (1.0 + (-x).exp())),
                    Op::Softmax {
                        of: id,
                        axis,
                        logarithm,
                    } => softmax(of(id), *axis, *logarithm),
                    local => move_elements(local, &node.shape, &values, |x| x),
                };
            debug_assert_eq!(value.shape(), node.shape, "{}", node.source);
            values.push(value);
        }
        values
    }
}

/// Operations that only copy, repeat or add elements. `border` says what to make of the constant of a border.
pub(super) fn move_elements(
    op: &Op,
    shape: &[usize],
    values: &[ArrayD<f64>],
    border: impl Fn(f64) -> f64,
) -> ArrayD<f64> {
    let of = |id: &super::NodeId| &values[id.0];
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
            .into_dimensionality::<ndarray::Ix2>()
            .expect("a matrix");
        let b = right3
            .index_axis(Axis(0), i)
            .into_dimensionality::<ndarray::Ix2>()
            .expect("a matrix");
        result.index_axis_mut(Axis(0), i).assign(&a.dot(&b).into_dyn());
    }
    let mut shape = left.shape().to_vec();
    shape[rank - 1] = columns;
    reshaped(&result, &shape)
}

/// Cross-correlation of `[channels, height, width]`.
pub fn conv(operand: &ArrayD<f64>, weight: &ArrayD<f64>, geometry: &ConvGeometry) -> ArrayD<f64> {
    let image = operand
        .view()
        .into_dimensionality::<ndarray::Ix3>()
        .expect("an image has three axes");
    let (outputs, inner) = (weight.shape()[0], weight.shape()[1]);
    let taps = [weight.shape()[2], weight.shape()[3]];
    let size = |axis: usize| {
        let padded = image.shape()[axis + 1] + (geometry.pad_before[axis] + geometry.pad_after[axis]) as usize;
        let field = (taps[axis] - 1) * geometry.dilation[axis] as usize + 1;
        (padded - field) / geometry.stride[axis] as usize + 1
    };
    let (height, width) = (size(0), size(1));
    let groups = geometry.groups as usize;
    let mut result = ArrayD::zeros(vec![outputs, height, width]);
    let per_group = outputs / groups;
    for group in 0..groups {
        let channels = group * inner..(group + 1) * inner;
        let columns = patches(&image, channels, taps, geometry, [height, width]);
        let kernels = weight.slice_axis(Axis(0), Slice::from(group * per_group..(group + 1) * per_group));
        let kernels = reshaped(&kernels.to_owned(), &[per_group, inner * taps[0] * taps[1]]);
        let kernels = kernels.into_dimensionality::<ndarray::Ix2>().expect("just reshaped");
        let product = reshaped(&kernels.dot(&columns).into_dyn(), &[per_group, height, width]);
        let rows = Slice::from(group * per_group..(group + 1) * per_group);
        result.slice_axis_mut(Axis(0), rows).assign(&product);
    }
    result
}

/// One row for each channel and tap, one column for each position.
fn patches(
    image: &ArrayView3<f64>,
    channels: std::ops::Range<usize>,
    taps: [usize; 2],
    geometry: &ConvGeometry,
    [height, width]: [usize; 2],
) -> Array2<f64> {
    let mut columns = Array2::zeros((channels.len() * taps[0] * taps[1], height * width));
    let from = |axis: usize, position: usize, tap: usize| {
        let index = position * geometry.stride[axis] as usize + tap * geometry.dilation[axis] as usize;
        index
            .checked_sub(geometry.pad_before[axis] as usize)
            .filter(|&index| index < image.shape()[axis + 1])
    };
    let mut rows = columns.rows_mut().into_iter();
    for channel in channels {
        for tap_row in 0..taps[0] {
            for tap_column in 0..taps[1] {
                let mut row = rows.next().expect("one row for each tap");
                for y in 0..height {
                    let Some(source_y) = from(0, y, tap_row) else { continue };
                    for x in 0..width {
                        if let Some(source_x) = from(1, x, tap_column) {
                            row[y * width + x] = image[[channel, source_y, source_x]];
                        }
                    }
                }
            }
        }
    }
    columns
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
