//! Operators that move elements: reshapes, transposes, slices, joins, borders, repetitions.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::array::{
    Gather, MultiBroadcastTo, Pad, PadMode, Slice, StridedSlice, Tile, TypedConcat,
};
use tract_onnx::tract_core::ops::change_axes::AxisOp;
use tract_onnx::tract_hir::internal::DimLike;

use super::{Translated, Translator};
use crate::graph::{NodeId, Op};

impl Translator<'_> {
    pub(super) fn move_elements(&mut self, node: &TypedNode, source: &str) -> Translated {
        let outlet = OutletId::new(node.id, 0);
        let result = self.tract_shape(outlet)?;
        let moved = if let Some(op) = node.op_as::<AxisOp>() {
            let of = self.whole_operand(node, 0, source)?;
            match op {
                AxisOp::Move(from, to) => self.moved(of, *from, *to, source),
                AxisOp::Add(_) | AxisOp::Rm(_) | AxisOp::Reshape(..) => of,
            }
        } else if let Some(op) = node.op_as::<Slice>() {
            let of = self.whole_operand(node, 0, source)?;
            let start = op.start.to_usize().map_err(|_| "its start depends on data")?;
            let mut starts = vec![0; result.len()];
            starts[op.axis] = start;
            self.sliced(of, starts, vec![1; result.len()], &result, source)
        } else if node.op_is::<StridedSlice>() {
            self.strided(node, &result, source)?
        } else if let Some(op) = node.op_as::<TypedConcat>() {
            let mut of = Vec::with_capacity(node.inputs.len());
            for index in 0..node.inputs.len() {
                of.push(self.whole_operand(node, index, source)?);
            }
            self.graph
                .push(source, result.clone(), Op::Concat { of, axis: op.axis })
        } else if let Some(op) = node.op_as::<Pad>() {
            let of = self.whole_operand(node, 0, source)?;
            self.bordered(of, op, &result, source)?
        } else if node.op_is::<MultiBroadcastTo>() {
            let mut of = self.whole_operand(node, 0, source)?;
            let mut shape = self.graph.shape(of).to_vec();
            while shape.len() < result.len() {
                shape.insert(0, 1);
            }
            of = self.reshape(source, of, &shape);
            self.graph.push(source, result.clone(), Op::Broadcast(of))
        } else if let Some(op) = node.op_as::<Tile>() {
            self.tiled(node, op, source)?
        } else if let Some(op) = node.op_as::<Gather>() {
            self.gathered(node, op.axis, source)?
        } else {
            return Err("the operator is not supported".to_owned());
        };
        self.define(outlet, source, moved);
        Ok(())
    }

    fn bordered(&mut self, of: NodeId, op: &Pad, result: &[usize], source: &str) -> Result<NodeId, String> {
        if let PadMode::Constant(fill) = &op.mode {
            let fill = fill.cast_to_scalar::<f32>().map_err(|cause| cause.to_string())?;
            let pad = Op::Pad {
                of,
                before: op.pads.iter().map(|pad| pad.0).collect(),
                after: op.pads.iter().map(|pad| pad.1).collect(),
                fill: f64::from(fill),
            };
            return Ok(self.graph.push(source, result.to_vec(), pad));
        }
        // Borders that repeat or mirror what is there are joined from slices of it, axis by axis.
        let mut of = of;
        for (axis, &(before, after)) in op.pads.iter().enumerate() {
            let shape = self.graph.shape(of).to_vec();
            let last = shape[axis] - 1;
            let places = (0..before + shape[axis] + after).map(|place| {
                let inside = place as isize - before as isize;
                match op.mode {
                    PadMode::Reflect => (last as isize - (last as isize - inside.abs()).abs()) as usize,
                    _ => inside.clamp(0, last as isize) as usize,
                }
            });
            if before + after > 0 {
                of = self.picked(of, axis, &places.collect::<Vec<usize>>(), source);
            }
        }
        Ok(of)
    }

    fn moved(&mut self, of: NodeId, from: usize, to: usize, source: &str) -> NodeId {
        let shape = self.graph.shape(of).to_vec();
        let mut permutation: Vec<usize> = (0..shape.len()).collect();
        let axis = permutation.remove(from);
        permutation.insert(to, axis);
        let shape = permutation.iter().map(|&axis| shape[axis]).collect();
        self.graph.push(source, shape, Op::Transpose { of, permutation })
    }

    fn sliced(&mut self, of: NodeId, start: Vec<usize>, step: Vec<isize>, shape: &[usize], source: &str) -> NodeId {
        if self.graph.shape(of) == shape && step.iter().all(|&step| step == 1) {
            return of;
        }
        self.graph.push(source, shape.to_vec(), Op::Slice { of, start, step })
    }

    /// A slice whose bounds are constant operands.
    fn strided(&mut self, node: &TypedNode, result: &[usize], source: &str) -> Result<NodeId, String> {
        let op: &StridedSlice = node.op_as().ok_or("an unknown slice")?;
        let whole = self.tract_shape(node.inputs[0])?;
        let integers = |index: usize| -> Result<Vec<i64>, String> {
            let constant = self
                .constant(node, index)?
                .ok_or("slices that depend on data are not supported")?;
            Ok(constant.iter().map(|&x| x as i64).collect())
        };
        let begin = integers(1)?;
        let axes = match op.optional_axes_input {
            Some(index) => integers(index)?,
            None => (0..begin.len() as i64).collect(),
        };
        let steps = match op.optional_steps_input {
            Some(index) => integers(index)?,
            None => vec![1; begin.len()],
        };
        if op.shrink_axis_mask != 0 {
            return Err("slices that drop axes are not supported".to_owned());
        }
        let mut start = vec![0; whole.len()];
        let mut step = vec![1; whole.len()];
        for (i, &axis) in axes.iter().enumerate() {
            let axis = if axis < 0 { axis + whole.len() as i64 } else { axis } as usize;
            let size = whole[axis] as i64;
            let from = if begin[i] < 0 { begin[i] + size } else { begin[i] };
            let last = if steps[i] < 0 { size - 1 } else { size };
            let omitted = op.begin_mask & (1 << i) != 0;
            let first = if steps[i] < 0 { size - 1 } else { 0 };
            start[axis] = if omitted { first } else { from.clamp(0, last) } as usize;
            step[axis] = steps[i] as isize;
        }
        let of = self.whole_operand(node, 0, source)?;
        Ok(self.sliced(of, start, step, result, source))
    }

    /// Repeats along each axis: side by side with itself.
    fn tiled(&mut self, node: &TypedNode, op: &Tile, source: &str) -> Result<NodeId, String> {
        let mut of = self.whole_operand(node, 0, source)?;
        for (axis, times) in op.multipliers.iter().enumerate() {
            let times = times.to_usize().map_err(|_| "its repetitions depend on data")?;
            if times > 1 {
                let mut shape = self.graph.shape(of).to_vec();
                shape[axis] *= times;
                let copies = vec![of; times];
                of = self.graph.push(source, shape, Op::Concat { of: copies, axis });
            }
        }
        Ok(of)
    }

    /// Elements at constant places along an axis.
    fn gathered(&mut self, node: &TypedNode, axis: usize, source: &str) -> Result<NodeId, String> {
        let Some(indices) = self.constant(node, 1)? else {
            return Err("looking up at secret places is not supported; give the looked-up values as input".to_owned());
        };
        let of = self.whole_operand(node, 0, source)?;
        let shape = self.graph.shape(of).to_vec();
        let size = shape[axis] as i64;
        let places: Vec<usize> = indices
            .iter()
            .map(|&index| if index < 0.0 { index as i64 + size } else { index as i64 })
            .map(|index| usize::try_from(index).ok().filter(|&index| index < shape[axis]))
            .collect::<Option<_>>()
            .ok_or("an index is outside of the axis")?;
        Ok(self.picked(of, axis, &places, source))
    }

    /// The elements at these places along an axis, neighbours in one slice.
    fn picked(&mut self, of: NodeId, axis: usize, places: &[usize], source: &str) -> NodeId {
        let shape = self.graph.shape(of).to_vec();
        let mut slices = Vec::new();
        for run in places.chunk_by(|a, b| a + 1 == *b) {
            let mut start = vec![0; shape.len()];
            start[axis] = run[0];
            let mut some = shape.clone();
            some[axis] = run.len();
            slices.push(self.sliced(of, start, vec![1; shape.len()], &some, source));
        }
        if let &[slice] = slices.as_slice() {
            return slice;
        }
        let mut joined = shape;
        joined[axis] = places.len();
        self.graph.push(source, joined, Op::Concat { of: slices, axis })
    }
}
