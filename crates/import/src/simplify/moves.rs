//! Moves of elements: merged with each other, and past affine functions.

use super::Rewriter;
use super::affine::Affine;
use crate::graph::{NodeId, Op};

impl Rewriter {
    /// An operation that moves elements, as simple as possible.
    pub(super) fn moves(&mut self, source: &str, shape: &[usize], op: Op) -> NodeId {
        match op {
            Op::Reshape(of) => self.reshape(source, shape, of),
            Op::Transpose { of, permutation } => self.transpose(source, shape, of, permutation),
            Op::Broadcast(of) if self.graph.shape(of) == shape => of,
            Op::Concat { of, .. } if of.len() == 1 => of[0],
            Op::Slice { of, start, step } => {
                let whole = self.graph.shape(of) == shape && step.iter().all(|&step| step == 1);
                if whole {
                    of
                } else {
                    self.node(source, shape, Op::Slice { of, start, step })
                }
            }
            Op::SumAxes { of, axes } => {
                let inner = self.graph.shape(of);
                if axes.iter().all(|&axis| inner[axis] == 1) {
                    return self.reshape(source, shape, of);
                }
                self.node(source, shape, Op::SumAxes { of, axes })
            }
            other => self.node(source, shape, other),
        }
    }

    fn reshape(&mut self, source: &str, shape: &[usize], of: NodeId) -> NodeId {
        if self.graph.shape(of) == shape {
            return of;
        }
        if let Op::Reshape(inner) = self.graph.node(of).op {
            return self.reshape(source, shape, inner);
        }
        if let Some(affine) = self.movable(of) {
            let inner = self.reshape(source, shape, affine.of);
            let moved = affine.moved(self.graph.shape(of), |array| {
                array
                    .into_shape_with_order(shape)
                    .expect("reshapes keep the number of elements")
            });
            return self.sum(source, shape, moved.terms(inner));
        }
        self.node(source, shape, Op::Reshape(of))
    }

    fn transpose(&mut self, source: &str, shape: &[usize], of: NodeId, permutation: Vec<usize>) -> NodeId {
        let inner_shape = self.graph.shape(of).to_vec();
        // Moving axes of size one moves nothing.
        let long: Vec<usize> = permutation
            .iter()
            .copied()
            .filter(|&axis| inner_shape[axis] != 1)
            .collect();
        if long.is_sorted() {
            return self.reshape(source, shape, of);
        }
        if let Op::Transpose {
            of: inner,
            permutation: first,
        } = &self.graph.node(of).op
        {
            let both = permutation.iter().map(|&axis| first[axis]).collect();
            let inner = *inner;
            return self.transpose(source, shape, inner, both);
        }
        if let Some(affine) = self.movable(of) {
            let inner = self.transpose(source, shape, affine.of, permutation.clone());
            let moved = affine.moved(&inner_shape, |array| {
                array
                    .permuted_axes(permutation.clone())
                    .as_standard_layout()
                    .into_owned()
            });
            return self.sum(source, shape, moved.terms(inner));
        }
        self.node(source, shape, Op::Transpose { of, permutation })
    }

    /// An affine function that a move may go before, so that it meets the layer that follows.
    fn movable(&self, of: NodeId) -> Option<Affine> {
        Affine::read(&self.graph, of).filter(|_| self.is_used_once(of))
    }
}
