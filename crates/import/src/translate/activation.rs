//! Elementwise operators: arithmetic, and functions of one number.

use std::sync::Arc;

use ndarray::ArrayD;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_core::ops::nn::{LeakyRelu, Softmax, SoftmaxKind};

use super::{Known, Translated, Translator, canonical_constant};
use crate::graph::{Constant, Curve, NodeId, Op, Term};

impl Translator<'_> {
    /// Sums, products, quotients and extremes of two values or a value and a constant.
    pub(super) fn binary(&mut self, name: &str, node: &TypedNode, source: &str) -> Translated {
        let outlet = OutletId::new(node.id, 0);
        let whole = self.tract_shape(outlet)?;
        if name == "Div" && node.outputs[0].fact.datum_type.is_integer() {
            return Err("division of whole numbers, which rounds, is not supported; divide in float".to_owned());
        }
        // Shapes have equal rank; a leading one can be dropped from all or none.
        let shape = super::canonical(&whole).to_vec();
        let drops = shape.len() < whole.len();
        let result = match (self.constant(node, 0)?, self.constant(node, 1)?) {
            (None, Some(constant)) => {
                let of = self.spread(node, 0, source, &shape, drops)?;
                let constant = if drops {
                    canonical_constant(&constant)
                } else {
                    (*constant).clone()
                };
                self.with_constant(name, of, constant, false, source)?
            }
            (Some(constant), None) => {
                let of = self.spread(node, 1, source, &shape, drops)?;
                let constant = if drops {
                    canonical_constant(&constant)
                } else {
                    (*constant).clone()
                };
                self.with_constant(name, of, constant, true, source)?
            }
            _ => {
                let left = self.spread(node, 0, source, &shape, drops)?;
                let right = self.spread(node, 1, source, &shape, drops)?;
                self.of_two(name, left, right, source)?
            }
        };
        self.define(outlet, source, result);
        Ok(())
    }

    /// An operand of an elementwise operation, repeated to the result's shape.
    fn spread(
        &mut self,
        node: &TypedNode,
        index: usize,
        source: &str,
        shape: &[usize],
        drops: bool,
    ) -> Result<NodeId, String> {
        let of = if drops {
            self.operand(node, index, source)?
        } else {
            self.whole_operand(node, index, source)?
        };
        if self.graph.shape(of) == shape {
            return Ok(of);
        }
        Ok(self.graph.push(source, shape.to_vec(), Op::Broadcast(of)))
    }

    fn of_two(&mut self, name: &str, left: NodeId, right: NodeId, source: &str) -> Result<NodeId, String> {
        let add = |of, factor| Term::Add { of, factor };
        let shape = self.graph.shape(left).to_vec();
        let terms = match name {
            "Add" => vec![add(left, 1.0), add(right, 1.0)],
            "Sub" => vec![add(left, 1.0), add(right, -1.0)],
            "Mul" => vec![Term::Product { left, right }],
            "Max" | "Min" => {
                // max(a, b) = b + relu(a - b); min(a, b) = a - relu(a - b).
                let difference = vec![add(left, 1.0), add(right, -1.0)];
                let difference = self.graph.push(source, shape.clone(), Op::Sum(difference));
                let excess = self.piecewise(difference, Curve::at_least(0.0), source);
                if name == "Max" {
                    vec![add(right, 1.0), add(excess, 1.0)]
                } else {
                    vec![add(left, 1.0), add(excess, -1.0)]
                }
            }
            "Div" => return Err("division by a secret value is not supported; divide by a constant".to_owned()),
            _ => return Err("the operator is not supported on two secret values".to_owned()),
        };
        Ok(self.graph.push(source, shape, Op::Sum(terms)))
    }

    fn with_constant(
        &mut self,
        name: &str,
        of: NodeId,
        constant: ArrayD<f64>,
        constant_first: bool,
        source: &str,
    ) -> Result<NodeId, String> {
        let scalar = single(&constant);
        let shape = self.graph.shape(of).to_vec();
        let terms = match (name, constant_first) {
            ("Add", _) => vec![Term::Add { of, factor: 1.0 }, Term::Bias(Arc::new(constant))],
            ("Sub", false) => vec![Term::Add { of, factor: 1.0 }, Term::Bias(Arc::new(-constant))],
            ("Sub", true) => vec![Term::Add { of, factor: -1.0 }, Term::Bias(Arc::new(constant))],
            ("Mul", _) => vec![scale(of, constant)],
            ("Div", false) if constant.iter().all(|&x| x != 0.0) => vec![scale(of, constant.mapv(f64::recip))],
            ("Div", false) => return Err("it divides by zero; mend the constant".to_owned()),
            ("Pow", false) => return self.power(of, scalar, source),
            ("Max", _) => return self.bounded(of, scalar, Curve::at_least, source),
            ("Min", _) => return self.bounded(of, scalar, Curve::at_most, source),
            _ => return Err("the operator is not supported with a secret operand in this place".to_owned()),
        };
        Ok(self.graph.push(source, shape, Op::Sum(terms)))
    }

    fn bounded(
        &mut self,
        of: NodeId,
        bound: Option<f64>,
        curve: fn(f64) -> Curve,
        source: &str,
    ) -> Result<NodeId, String> {
        match bound {
            // Exporters write a missing bound as the largest number there is.
            Some(bound) if bound.abs() >= f64::from(f32::MAX) => Ok(of),
            Some(bound) => Ok(self.piecewise(of, curve(bound), source)),
            None => Err("bounds that differ between elements are not supported; use one bound".to_owned()),
        }
    }

    fn power(&mut self, of: NodeId, exponent: Option<f64>, source: &str) -> Result<NodeId, String> {
        let shape = self.graph.shape(of).to_vec();
        let square = |left, right| Op::Sum(vec![Term::Product { left, right }]);
        match exponent {
            Some(1.0) => Ok(of),
            Some(2.0) => Ok(self.graph.push(source, shape, square(of, of))),
            Some(exponent @ (3.0 | 4.0)) => {
                let squared = self.graph.push(source, shape.clone(), square(of, of));
                let other = if exponent == 3.0 { of } else { squared };
                Ok(self.graph.push(source, shape, square(squared, other)))
            }
            _ => Err("only the powers 1 to 4 are supported".to_owned()),
        }
    }

    fn piecewise(&mut self, of: NodeId, curve: Curve, source: &str) -> NodeId {
        let shape = self.graph.shape(of).to_vec();
        self.graph.push(source, shape, Op::Piecewise { of, curve })
    }

    /// Functions of one number.
    pub(super) fn elementwise(&mut self, op: &ElementWiseOp, node: &TypedNode, source: &str) -> Translated {
        let of = self.operand(node, 0, source)?;
        let shape = self.graph.shape(of).to_vec();
        let result = match op.0.name().as_str() {
            "Sigmoid" => self.graph.push(source, shape, Op::Sigmoid(of)),
            "Tanh" => self.piecewise(of, Curve::hyperbolic_tangent(), source),
            "Abs" => self.piecewise(of, Curve::absolute(), source),
            "Neg" => self
                .graph
                .push(source, shape, Op::Sum(vec![Term::Add { of, factor: -1.0 }])),
            "Square" => self.power(of, Some(2.0), source)?,
            "LeakyRelu" => {
                let alpha = op.0.downcast_ref::<LeakyRelu>().map(|op| f64::from(op.alpha));
                self.piecewise(of, Curve::leaky(alpha.ok_or("its slope is unknown")?), source)
            }
            "HardSwish" => {
                // x * clip(x + 3, 0, 6) / 6, with whole-numbered slopes.
                let clip = Curve::at_most(6.0)
                    .after(&Curve::at_least(0.0))
                    .after(&Curve::line(1.0, 3.0));
                let gate = self.piecewise(of, clip, source);
                self.gated(of, gate, 1.0 / 6.0, source)
            }
            "Ln" => self.log_softmax(of, source)?,
            "Silu" => self.piecewise(of, Curve::silu(), source),
            _ => return Err("functions of this kind are not computed on shares".to_owned()),
        };
        self.define(OutletId::new(node.id, 0), source, result);
        Ok(())
    }

    /// The front end writes the logarithm of softmax in two steps.
    fn log_softmax(&mut self, of: NodeId, source: &str) -> Result<NodeId, String> {
        let node = self.graph.node(of).clone();
        match node.op {
            Op::Softmax {
                of,
                axis,
                logarithm: false,
            } => {
                let logarithm = true;
                Ok(self.graph.push(source, node.shape, Op::Softmax { of, axis, logarithm }))
            }
            _ => Err("logarithms are not computed on shares".to_owned()),
        }
    }

    fn gated(&mut self, of: NodeId, gate: NodeId, factor: f64, source: &str) -> NodeId {
        let shape = self.graph.shape(of).to_vec();
        let product = Op::Sum(vec![Term::Product { left: of, right: gate }]);
        let product = self.graph.push(source, shape.clone(), product);
        self.graph
            .push(source, shape, Op::Sum(vec![Term::Add { of: product, factor }]))
    }

    /// Softmax is kept for the end.
    pub(super) fn softmax(&mut self, node: &TypedNode, source: &str) -> Translated {
        let op: &Softmax = node.op_as().ok_or("an unknown softmax")?;
        let outlet = OutletId::new(node.id, 0);
        let whole = self.tract_shape(outlet)?;
        let dropped = whole.len() - super::canonical(&whole).len();
        // Axes of size one beside the real one change nothing.
        let long: Vec<usize> = op.axes.iter().copied().filter(|&axis| whole[axis] != 1).collect();
        let &[axis] = long.as_slice() else {
            return Err("softmax over several axes is not supported; flatten them first".to_owned());
        };
        let of = self.operand(node, 0, source)?;
        let shape = self.graph.shape(of).to_vec();
        let softmax = Op::Softmax {
            of,
            axis: axis - dropped,
            logarithm: op.kind == SoftmaxKind::LogSoftmax,
        };
        let result = self.graph.push(source, shape, softmax);
        self.known.insert(outlet, Known::Node(result));
        Ok(())
    }
}

/// A product with a constant; one number for all elements is a plain factor.
fn scale(of: NodeId, constant: ArrayD<f64>) -> Term {
    match single(&constant) {
        Some(factor) => Term::Add { of, factor },
        None => Term::Scale {
            of,
            weight: Constant::new(constant),
        },
    }
}

/// The number that all elements are.
fn single(constant: &ArrayD<f64>) -> Option<f64> {
    let first = *constant.first()?;
    constant.iter().all(|&x| x == first).then_some(first)
}
