//! Convolutions and contractions.

use std::sync::Arc;

use ndarray::{ArrayD, IxDyn};
use tercet_plan::ConvGeometry;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::axes::AxesMapping;
use tract_onnx::tract_core::ops::cnn::{Conv, KernelFormat};
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::nn::DataFormat;

use super::{Translated, Translator, canonical};
use crate::graph::{Constant, NodeId, Op, Term};

impl Translator<'_> {
    pub(super) fn conv(&mut self, node: &TypedNode, source: &str) -> Translated {
        let op: &Conv = node.op_as().ok_or("an unknown convolution")?;
        let spec = &op.pool_spec;
        let whole = self.tract_shape(node.inputs[0])?;
        let outlet = OutletId::new(node.id, 0);
        let result = self.tract_shape(outlet)?;
        let float =
            op.q_params.is_none() && op.kernel_fmt == KernelFormat::OIHW && spec.data_format == DataFormat::NCHW;
        if !float || !(3..=4).contains(&whole.len()) {
            return Err("only float convolutions over one or two axes are supported".to_owned());
        }
        let Some(kernels) = self.constant(node, 1)? else {
            return Err("kernels that depend on the input are not supported; use constant ones".to_owned());
        };
        let line = whole.len() == 3;
        let pair = |values: &[usize], missing: usize| -> [u32; 2] {
            if line {
                [missing as u32, values[0] as u32]
            } else {
                [values[0] as u32, values[1] as u32]
            }
        };
        let computed = spec.computed_padding(&whole[2..]);
        let before: Vec<usize> = computed.iter().map(|axis| axis.pad_before).collect();
        let after: Vec<usize> = computed.iter().map(|axis| axis.pad_after).collect();
        let geometry = ConvGeometry {
            stride: pair(&spec.strides(), 1),
            dilation: pair(&spec.dilations(), 1),
            pad_before: pair(&before, 0),
            pad_after: pair(&after, 0),
            groups: op.group as u32,
        };
        let [height, width] = pair(&whole[2..], 1).map(|size| size as usize);
        let outputs = kernels.shape()[0];
        let taps = pair(&kernels.shape()[2..], 1).map(|size| size as usize);
        let kernel_shape = [outputs, kernels.shape()[1], taps[0], taps[1]];
        let weight = reshape_constant(&kernels, &kernel_shape)?;
        let bias = self.conv_bias(node, outputs)?;
        let operand = self.operand(node, 0, source)?;
        let images = self.reshape(source, operand, &[whole[0], whole[1], height, width]);
        let [rows, columns] = pair(&result[2..], 1).map(|size| size as usize);
        let shape = vec![outputs, rows, columns];
        let mut results = Vec::with_capacity(whole[0]);
        for image in 0..whole[0] {
            let of = self.nth(images, image, source);
            let mut terms = vec![Term::Conv {
                of,
                weight: weight.clone(),
                geometry,
            }];
            terms.extend(bias.clone().map(Term::Bias));
            results.push(self.graph.push(source, shape.clone(), Op::Sum(terms)));
        }
        let joined = self.stacked(results, source);
        let joined = self.reshape(source, joined, canonical(&result));
        self.define(outlet, source, joined);
        Ok(())
    }

    /// The bias of a convolution as `[outputs, 1, 1]`, unless it is zero.
    fn conv_bias(&mut self, node: &TypedNode, outputs: usize) -> Result<Option<Constant>, String> {
        if node.inputs.len() < 3 {
            return Ok(None);
        }
        let Some(bias) = self.constant(node, 2)? else {
            return Err("a bias that depends on the input is not supported; add it after the convolution".to_owned());
        };
        if bias.iter().all(|&x| x == 0.0) {
            return Ok(None);
        }
        let bias = bias
            .broadcast(outputs)
            .ok_or("its bias has the wrong shape")?
            .to_owned();
        Ok(Some(reshape_constant(&bias.into_dyn(), &[outputs, 1, 1])?))
    }

    /// Element `index` along the first axis, which vanishes.
    fn nth(&mut self, of: NodeId, index: usize, source: &str) -> NodeId {
        let shape = self.graph.shape(of).to_vec();
        let mut one = shape.clone();
        one[0] = 1;
        let mut start = vec![0; shape.len()];
        start[0] = index;
        let step = vec![1; shape.len()];
        let slice = if shape[0] == 1 {
            of
        } else {
            self.graph.push(source, one, Op::Slice { of, start, step })
        };
        self.reshape(source, slice, &shape[1..])
    }

    /// Values of equal shape along a new first axis, which is left out if there is just one.
    fn stacked(&mut self, of: Vec<NodeId>, source: &str) -> NodeId {
        if let &[one] = of.as_slice() {
            return one;
        }
        let mut shape = vec![1];
        shape.extend(self.graph.shape(of[0]));
        let of: Vec<NodeId> = of.into_iter().map(|one| self.reshape(source, one, &shape)).collect();
        shape[0] = of.len();
        self.graph.push(source, shape, Op::Concat { of, axis: 0 })
    }

    /// A contraction of two operands, which matrix products of all kinds are.
    pub(super) fn einsum(&mut self, node: &TypedNode, source: &str) -> Translated {
        let op: &EinSum = node.op_as().ok_or("an unknown contraction")?;
        if op.q_params.is_some() || node.inputs.len() != 2 {
            return Err("only contractions of two float operands are supported".to_owned());
        }
        let outlet = OutletId::new(node.id, 0);
        let roles = AxisRoles::new(
            &op.axes,
            [&self.tract_shape(node.inputs[0])?, &self.tract_shape(node.inputs[1])?],
            &self.tract_shape(outlet)?,
        )?;
        let result = match (self.constant(node, 0)?, self.constant(node, 1)?) {
            (None, Some(weight)) => self.with_weight(node, 0, &weight, roles, source)?,
            (Some(weight), None) => self.with_weight(node, 1, &weight, roles.swapped(), source)?,
            _ => self.of_two_values(node, &roles, source)?,
        };
        self.define(outlet, source, result);
        Ok(())
    }

    /// A value times a constant matrix; several matrices at once are a convolution in groups.
    fn with_weight(
        &mut self,
        node: &TypedNode,
        index: usize,
        weight: &ArrayD<f64>,
        roles: AxisRoles,
        source: &str,
    ) -> Result<NodeId, String> {
        let value = self.whole_operand(node, index, source)?;
        let [batch, rows, inner, columns] = roles.sizes();
        let left = self.arranged(value, &roles.left_order(), source);
        let right = arrange_constant(weight, &roles.right_order(), &[batch, inner, columns])?;
        if batch == 1 {
            let mut shape: Vec<usize> = roles.rows.iter().map(|axis| axis.size).collect();
            shape.push(inner);
            let left = self.reshape(source, left, &shape);
            let weight = reshape_constant(&right, &[inner, columns])?;
            *shape.last_mut().expect("just pushed") = columns;
            let product = Op::Sum(vec![Term::Dense { of: left, weight }]);
            let product = self.graph.push(source, shape, product);
            return Ok(self.rearranged(product, &roles, source));
        }
        // [batch, rows, inner] as an image of batch * inner channels and one line of rows.
        let left = self.reshape(source, left, &[batch, rows, inner]);
        let channels = Op::Transpose {
            of: left,
            permutation: vec![0, 2, 1],
        };
        let channels = self.graph.push(source, vec![batch, inner, rows], channels);
        let image = self.reshape(source, channels, &[batch * inner, 1, rows]);
        let kernels = right.permuted_axes(IxDyn(&[0, 2, 1])).as_standard_layout().into_owned();
        let convolution = Term::Conv {
            of: image,
            weight: reshape_constant(&kernels, &[batch * columns, inner, 1, 1])?,
            geometry: ConvGeometry {
                stride: [1, 1],
                dilation: [1, 1],
                pad_before: [0, 0],
                pad_after: [0, 0],
                groups: batch as u32,
            },
        };
        let product = self
            .graph
            .push(source, vec![batch * columns, 1, rows], Op::Sum(vec![convolution]));
        let product = self.reshape(source, product, &[batch, columns, rows]);
        let back = Op::Transpose {
            of: product,
            permutation: vec![0, 2, 1],
        };
        let product = self.graph.push(source, vec![batch, rows, columns], back);
        Ok(self.rearranged(product, &roles, source))
    }

    fn of_two_values(&mut self, node: &TypedNode, roles: &AxisRoles, source: &str) -> Result<NodeId, String> {
        let [batch, rows, inner, columns] = roles.sizes();
        let left = self.whole_operand(node, 0, source)?;
        let right = self.whole_operand(node, 1, source)?;
        let left = self.arranged(left, &roles.left_order(), source);
        let left = self.reshape(source, left, &[batch, rows, inner]);
        let right = self.arranged(right, &roles.right_order(), source);
        let right = self.reshape(source, right, &[batch, inner, columns]);
        let product = Op::Sum(vec![Term::MatMul { left, right }]);
        let product = self.graph.push(source, vec![batch, rows, columns], product);
        Ok(self.rearranged(product, roles, source))
    }

    /// The operand with its axes in another order.
    fn arranged(&mut self, of: NodeId, order: &[usize], source: &str) -> NodeId {
        if order.is_sorted() {
            return of;
        }
        let shape = order.iter().map(|&axis| self.graph.shape(of)[axis]).collect();
        let permutation = order.to_vec();
        self.graph.push(source, shape, Op::Transpose { of, permutation })
    }

    /// From `[batch, rows, columns]` to the result's order of axes.
    fn rearranged(&mut self, product: NodeId, roles: &AxisRoles, source: &str) -> NodeId {
        let made: Vec<&RoleAxis> = roles.batch.iter().chain(&roles.rows).chain(&roles.columns).collect();
        let shape: Vec<usize> = made.iter().map(|axis| axis.size).collect();
        let product = self.reshape(source, product, &shape);
        let mut order: Vec<usize> = (0..made.len()).collect();
        order.sort_by_key(|&i| made[i].output);
        self.arranged(product, &order, source)
    }
}

/// What each axis of a contraction is for.
struct AxisRoles {
    batch: Vec<RoleAxis>,
    rows: Vec<RoleAxis>,
    inner: Vec<RoleAxis>,
    columns: Vec<RoleAxis>,
}

/// Where an axis stands in the operands and the result.
#[derive(Clone)]
struct RoleAxis {
    size: usize,
    left: Option<usize>,
    right: Option<usize>,
    output: Option<usize>,
}

impl AxisRoles {
    fn new(mapping: &AxesMapping, shapes: [&[usize]; 2], result: &[usize]) -> Result<AxisRoles, String> {
        let mut roles = AxisRoles {
            batch: vec![],
            rows: vec![],
            inner: vec![],
            columns: vec![],
        };
        let unusual = || "this contraction is not supported; write it as a matrix product".to_owned();
        for axis in mapping.iter_all_axes() {
            let position = |slot: &[usize]| match slot {
                [] => Ok(None),
                &[one] => Ok(Some(one)),
                _ => Err(unusual()),
            };
            let (left, right) = (position(&axis.inputs[0])?, position(&axis.inputs[1])?);
            let output = position(&axis.outputs[0])?;
            let sizes = [
                left.map(|i| shapes[0][i]),
                right.map(|i| shapes[1][i]),
                output.map(|i| result[i]),
            ];
            let size = sizes.into_iter().flatten().max().unwrap_or(1);
            let equal = sizes.into_iter().flatten().all(|one| one == size);
            let one = RoleAxis {
                size,
                left,
                right,
                output,
            };
            match (left.is_some(), right.is_some(), output.is_some()) {
                (true, true, true) if equal => roles.batch.push(one),
                // An axis that one side repeats is an axis of the other side alone.
                (true, true, true) if sizes[0] == Some(size) => roles.rows.push(one),
                (true, true, true) => roles.columns.push(one),
                (true, true, false) if equal => roles.inner.push(one),
                (true, false, true) => roles.rows.push(one),
                (false, true, true) => roles.columns.push(one),
                _ => return Err(unusual()),
            }
        }
        for group in [&mut roles.batch, &mut roles.rows, &mut roles.columns] {
            group.sort_by_key(|axis| axis.output);
        }
        roles.inner.sort_by_key(|axis| axis.left);
        Ok(roles)
    }

    fn swapped(mut self) -> AxisRoles {
        std::mem::swap(&mut self.rows, &mut self.columns);
        for group in [&mut self.batch, &mut self.rows, &mut self.inner, &mut self.columns] {
            for axis in group {
                std::mem::swap(&mut axis.left, &mut axis.right);
            }
        }
        self
    }

    /// Elements of batch, rows, inner and columns.
    fn sizes(&self) -> [usize; 4] {
        [&self.batch, &self.rows, &self.inner, &self.columns].map(|group| group.iter().map(|axis| axis.size).product())
    }

    /// The left operand's axes as batch, rows, inner; axes it only repeats (of size one) go first.
    fn left_order(&self) -> Vec<usize> {
        let order = self
            .batch
            .iter()
            .chain(&self.rows)
            .chain(&self.inner)
            .filter_map(|axis| axis.left);
        let repeated = self.columns.iter().filter_map(|axis| axis.left);
        repeated.chain(order).collect()
    }

    /// The right operand's axes as batch, inner, columns; axes it only repeats go first.
    fn right_order(&self) -> Vec<usize> {
        let order = self
            .batch
            .iter()
            .chain(&self.inner)
            .chain(&self.columns)
            .filter_map(|axis| axis.right);
        let repeated = self.rows.iter().filter_map(|axis| axis.right);
        repeated.chain(order).collect()
    }
}

fn reshape_constant(array: &ArrayD<f64>, shape: &[usize]) -> Result<Constant, String> {
    let standard = array.as_standard_layout().into_owned();
    let reshaped = standard
        .into_shape_with_order(shape)
        .map_err(|_| "a constant has the wrong shape")?;
    Ok(Arc::new(reshaped))
}

fn arrange_constant(array: &ArrayD<f64>, order: &[usize], shape: &[usize]) -> Result<ArrayD<f64>, String> {
    let moved = array
        .view()
        .permuted_axes(IxDyn(order))
        .as_standard_layout()
        .into_owned();
    moved
        .into_shape_with_order(shape)
        .map_err(|_| "a weight has the wrong shape".to_owned())
}
