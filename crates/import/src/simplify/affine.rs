//! `x * scale + bias` with constants: what constants of the model can be moved as.

use std::sync::Arc;

use ndarray::{ArrayD, Axis};

use crate::graph::{Constant, Graph, NodeId, Op, Term};

/// An elementwise affine function of one value. Its constants broadcast to the value's shape.
#[derive(Clone)]
pub struct Affine {
    /// The value.
    pub of: NodeId,
    /// A factor of all elements.
    pub factor: f64,
    /// Factors of single elements.
    pub scale: Option<Constant>,
    /// What is added.
    pub bias: Option<Constant>,
}

impl Affine {
    /// Reads the node as an affine function of one operand, if it is one.
    pub fn read(graph: &Graph, id: NodeId) -> Option<Affine> {
        match &graph.node(id).op {
            Op::Sum(terms) => Affine::read_terms(terms),
            _ => None,
        }
    }

    /// Reads terms as an affine function of one operand, if they are one.
    pub fn read_terms(terms: &[Term]) -> Option<Affine> {
        let mut affine: Option<Affine> = None;
        let mut bias = None;
        for term in terms {
            let (of, factor, scale) = match term {
                Term::Add { of, factor } => (*of, *factor, None),
                Term::Scale { of, weight } => (*of, 1.0, Some(weight.clone())),
                Term::Bias(constant) if bias.is_none() => {
                    bias = Some(constant.clone());
                    continue;
                }
                _ => return None,
            };
            if affine.is_some() {
                return None;
            }
            affine = Some(Affine {
                of,
                factor,
                scale,
                bias: None,
            });
        }
        affine.map(|affine| Affine { bias, ..affine })
    }

    /// The same function as terms of a sum over `of`.
    pub fn terms(&self, of: NodeId) -> Vec<Term> {
        let first = match &self.scale {
            Some(scale) if self.factor == 1.0 => Term::Scale {
                of,
                weight: scale.clone(),
            },
            Some(scale) => Term::Scale {
                of,
                weight: Arc::new(&**scale * self.factor),
            },
            None => Term::Add {
                of,
                factor: self.factor,
            },
        };
        let bias = self.bias.clone().map(Term::Bias);
        [first].into_iter().chain(bias).collect()
    }

    /// All factors, spread to `shape`.
    pub fn whole_scale(&self, shape: &[usize]) -> ArrayD<f64> {
        match &self.scale {
            Some(scale) => spread(scale, shape) * self.factor,
            None => ArrayD::from_elem(shape, self.factor),
        }
    }

    /// The same function of a value whose elements were moved by `f`, which takes and gives whole arrays.
    pub fn moved(&self, from: &[usize], f: impl Fn(ArrayD<f64>) -> ArrayD<f64>) -> Affine {
        let moved = |constant: &Constant| Arc::new(narrowed(f(spread(constant, from))));
        Affine {
            of: self.of,
            factor: self.factor,
            scale: self.scale.as_ref().map(moved),
            bias: self.bias.as_ref().map(moved),
        }
    }

    /// The one number that is added to all elements, if it is one.
    pub fn single_bias(&self) -> Option<f64> {
        match &self.bias {
            None => Some(0.0),
            Some(bias) => {
                let first = *bias.first()?;
                bias.iter().all(|&x| x == first).then_some(first)
            }
        }
    }
}

/// A constant repeated to a shape.
pub fn spread(constant: &ArrayD<f64>, shape: &[usize]) -> ArrayD<f64> {
    constant
        .broadcast(shape)
        .expect("constants broadcast to their node's shape")
        .to_owned()
}

/// The constant with axes along which nothing changes cut to one element.
pub fn narrowed(array: ArrayD<f64>) -> ArrayD<f64> {
    let mut array = array;
    for axis in 0..array.ndim() {
        let first = array.index_axis(Axis(axis), 0).to_owned();
        if array.shape()[axis] > 1 && array.axis_iter(Axis(axis)).all(|one| one == first) {
            array = first.insert_axis(Axis(axis));
        }
    }
    array
}
