//! Piecewise linear functions composed, and fused with maxima.

use std::sync::Arc;

use ndarray::ArrayD;

use super::Rewriter;
use super::affine::Affine;
use crate::graph::{Curve, NodeId, Op, Term};

impl Rewriter {
    /// A non-linear operation, as simple as possible.
    pub(super) fn nonlinear(&mut self, source: &str, shape: &[usize], op: Op) -> NodeId {
        match op {
            // One whose operand is revealed is left to the client, and not live.
            Op::Sigmoid(of) => self.piecewise(source, shape, of, Curve::sigmoid()),
            Op::Piecewise { of, curve } => self.piecewise(source, shape, of, curve),
            Op::MaxPool { of, window, relu } => {
                let (of, relu) = self.max_pool_operand(of, relu);
                self.node(source, shape, Op::MaxPool { of, window, relu })
            }
            other => self.node(source, shape, other),
        }
    }

    fn piecewise(&mut self, source: &str, shape: &[usize], of: NodeId, curve: Curve) -> NodeId {
        if curve.knots.is_empty() {
            let bias = ArrayD::from_elem(vec![1; shape.len()], curve.offsets[0]);
            let factor = curve.slopes[0];
            return self.sum(
                source,
                shape,
                vec![Term::Add { of, factor }, Term::Bias(Arc::new(bias))],
            );
        }
        match self.graph.node(of).op.clone() {
            Op::Piecewise {
                of: inner,
                curve: first,
            } if self.is_used_once(of) => {
                return self.piecewise(source, shape, inner, curve.after(&first));
            }
            // What acts on each element may go before moves of elements.
            Op::Reshape(inner) if self.is_used_once(of) => {
                let inner_shape = self.graph.shape(inner).to_vec();
                let moved = self.piecewise(source, &inner_shape, inner, curve);
                return self.rewrite(source, shape, Op::Reshape(moved));
            }
            Op::MaxPool {
                of: inner,
                window,
                relu,
            } if self.is_used_once(of) && curve == Curve::at_least(0.0) => {
                return if relu {
                    of
                } else {
                    self.rewrite(
                        source,
                        shape,
                        Op::MaxPool {
                            of: inner,
                            window,
                            relu: true,
                        },
                    )
                };
            }
            _ => {}
        }
        // What remains of an affine function here could not join a layer's weights; as part of the activation it needs no opening.
        if let Some(affine) = Affine::read(&self.graph, of)
            && let (None, Some(bias)) = (&affine.scale, affine.single_bias())
        {
            return self.piecewise(source, shape, affine.of, curve.after(&Curve::line(affine.factor, bias)));
        }
        self.node(source, shape, Op::Piecewise { of, curve })
    }

    /// ReLU before a maximum is one more candidate; a border then is zero.
    fn max_pool_operand(&mut self, of: NodeId, relu: bool) -> (NodeId, bool) {
        let node = self.graph.node(of).clone();
        match node.op {
            Op::Piecewise { of: inner, curve } if curve == Curve::at_least(0.0) && self.is_used_once(of) => {
                (inner, true)
            }
            Op::Pad {
                of: inner,
                before,
                after,
                fill,
            } if fill == f64::NEG_INFINITY && self.is_used_once(of) => {
                let (inner, inner_relu) = self.max_pool_operand(inner, relu);
                let relu = relu || inner_relu;
                let fill = if relu || self.is_not_negative(inner) { 0.0 } else { fill };
                let pad = Op::Pad {
                    of: inner,
                    before,
                    after,
                    fill,
                };
                (self.node(&node.source, &node.shape, pad), relu)
            }
            _ => (of, relu),
        }
    }

    fn is_not_negative(&self, of: NodeId) -> bool {
        match &self.graph.node(of).op {
            Op::Piecewise { curve, .. } => {
                let pieces = curve.slopes.len() - 1;
                let flat_or_rising = curve.slopes[0] <= 0.0 && curve.slopes[pieces] >= 0.0;
                flat_or_rising && curve.knots.iter().all(|&knot| curve.at(knot) >= 0.0)
            }
            Op::MaxPool { relu, .. } => *relu,
            Op::Reshape(of) | Op::Transpose { of, .. } | Op::Slice { of, .. } => self.is_not_negative(*of),
            _ => false,
        }
    }
}
