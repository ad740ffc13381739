//! Sums: constants folded into weights, sums of sums joined so that one opening serves them all.

use std::sync::Arc;

use ndarray::{ArrayD, Axis};

use super::Rewriter;
use super::affine::{Affine, narrowed, spread};
use crate::graph::{Constant, Curve, NodeId, Op, Term, conv, dense};

/// Terms a sum may grow to by joining others.
const TERMS_MAX: usize = 32;

impl Rewriter {
    /// A sum, as simple as possible.
    pub(super) fn sum(&mut self, source: &str, shape: &[usize], terms: Vec<Term>) -> NodeId {
        let mut source = source.to_owned();
        let mut joined = Vec::with_capacity(terms.len());
        for term in terms {
            match self.inlined(&term, shape) {
                Some((inner_source, inner)) if joined.len() + inner.len() <= TERMS_MAX => {
                    // The layer with the weights lends its name.
                    if inner
                        .iter()
                        .any(|term| matches!(term, Term::Dense { .. } | Term::Conv { .. }))
                    {
                        source = inner_source;
                    }
                    joined.extend(inner);
                }
                _ => joined.push(term),
            }
        }
        let joined: Vec<Term> = joined.into_iter().flat_map(|term| self.absorbed(term)).collect();
        let terms = collected(joined, shape);
        if let Some(of) = self.gated_by_its_sigmoid(&terms) {
            return self.rewrite(
                &source,
                shape,
                Op::Piecewise {
                    of,
                    curve: Curve::silu(),
                },
            );
        }
        if let [Term::Add { of, factor: 1.0 }] = terms.as_slice() {
            return *of;
        }
        if let Some(hoisted) = self.before_reshape(&source, shape, &terms) {
            return hoisted;
        }
        self.node(&source, shape, Op::Sum(terms))
    }

    /// The value that is multiplied with its own sigmoid, if that is all.
    fn gated_by_its_sigmoid(&self, terms: &[Term]) -> Option<NodeId> {
        let &[Term::Product { left, right }] = terms else {
            return None;
        };
        let is_sigmoid_of = |gate: NodeId, value: NodeId| match &self.graph.node(gate).op {
            Op::Piecewise { of, curve } => *of == value && *curve == Curve::sigmoid(),
            _ => false,
        };
        if is_sigmoid_of(right, left) {
            Some(left)
        } else {
            is_sigmoid_of(left, right).then_some(right)
        }
    }

    /// The terms of a sum that `term` adds or scales, with that applied to each; and the sum's source.
    fn inlined(&self, term: &Term, shape: &[usize]) -> Option<(String, Vec<Term>)> {
        let (of, factor, scale) = match term {
            Term::Add { of, factor } => (*of, *factor, None),
            Term::Scale { of, weight } => (*of, 1.0, Some(weight)),
            _ => return None,
        };
        let node = self.graph.node(of);
        let Op::Sum(inner) = &node.op else {
            return None;
        };
        let cheap = inner
            .iter()
            .all(|term| matches!(term, Term::Add { .. } | Term::Bias(_)));
        if !cheap && !self.is_used_once(of) {
            return None;
        }
        let scaled = inner.iter().map(|term| {
            let term = if factor == 1.0 {
                term.clone()
            } else {
                times(term, factor)?
            };
            match scale {
                Some(scale) => times_each(&term, &spread(scale, shape)),
                None => Some(term),
            }
        });
        Some((node.source.clone(), scaled.collect::<Option<_>>()?))
    }

    /// A weighted term over an affine function, as a weighted term over its operand and a bias.
    fn absorbed(&self, term: Term) -> Vec<Term> {
        let folded = match &term {
            Term::Dense { of, weight } => Affine::read(&self.graph, *of).and_then(|affine| {
                let shape = self.graph.shape(*of);
                let scale = along_last(&affine.whole_scale(shape))?;
                let rows = Arc::new(&**weight * &scale.insert_axis(Axis(1)));
                let bias = affine
                    .bias
                    .as_ref()
                    .map(|bias| narrowed(dense(&spread(bias, shape), weight)));
                let of = affine.of;
                Some((Term::Dense { of, weight: rows }, bias))
            }),
            Term::Conv { of, weight, geometry } => Affine::read(&self.graph, *of).and_then(|affine| {
                let shape = self.graph.shape(*of);
                let scale = along_first(&affine.whole_scale(shape))?;
                let weight_scale = per_input_channel(&scale, weight.shape(), geometry.groups as usize);
                // The border is zero after the affine function, so the bias differs near it: fold it position by position.
                let bias = affine
                    .bias
                    .as_ref()
                    .map(|bias| narrowed(conv(&spread(bias, shape), weight, geometry)));
                let term = Term::Conv {
                    of: affine.of,
                    weight: Arc::new(&**weight * &weight_scale),
                    geometry: *geometry,
                };
                Some((term, bias))
            }),
            _ => None,
        };
        match folded {
            Some((term, Some(bias))) => vec![term, Term::Bias(Arc::new(bias))],
            Some((term, None)) => vec![term],
            None => vec![self.without_border(term)],
        }
    }

    /// A border of zeros before a convolution is the convolution's own.
    fn without_border(&self, term: Term) -> Term {
        let Term::Conv { of, weight, geometry } = &term else {
            return term;
        };
        let Op::Pad {
            of: inner,
            before,
            after,
            fill,
        } = &self.graph.node(*of).op
        else {
            return term;
        };
        if *fill != 0.0 || before[0] != 0 || after[0] != 0 {
            return term;
        }
        let mut geometry = *geometry;
        for axis in 0..2 {
            geometry.pad_before[axis] += before[axis + 1] as u32;
            geometry.pad_after[axis] += after[axis + 1] as u32;
        }
        Term::Conv {
            of: *inner,
            weight: weight.clone(),
            geometry,
        }
    }

    /// An affine function of a reshaped sum, as the reshape of a sum that has it folded in.
    fn before_reshape(&mut self, source: &str, shape: &[usize], terms: &[Term]) -> Option<NodeId> {
        let affine = Affine::read_terms(terms)?;
        let Op::Reshape(inner) = self.graph.node(affine.of).op else {
            return None;
        };
        let Op::Sum(inner_terms) = &self.graph.node(inner).op else {
            return None;
        };
        let weighted = inner_terms
            .iter()
            .any(|term| !matches!(term, Term::Add { .. } | Term::Bias(_) | Term::Scale { .. }));
        if !weighted || !self.is_used_once(affine.of) || !self.is_used_once(inner) {
            return None;
        }
        let inner_shape = self.graph.shape(inner).to_vec();
        let reshaped = |array: ArrayD<f64>| {
            array
                .into_shape_with_order(inner_shape.clone())
                .expect("reshapes keep the elements")
        };
        let moved = affine.moved(shape, reshaped);
        let scale = moved.whole_scale(&inner_shape);
        let foldable = inner_terms.iter().all(|term| times_each(term, &scale).is_some());
        if !foldable {
            return None;
        }
        let sum = self.sum(source, &inner_shape, moved.terms(inner));
        Some(self.rewrite(source, shape, Op::Reshape(sum)))
    }
}

/// A term times a number.
fn times(term: &Term, factor: f64) -> Option<Term> {
    let scaled = |weight: &Constant| Arc::new(&**weight * factor);
    Some(match term {
        Term::Dense { of, weight } => Term::Dense {
            of: *of,
            weight: scaled(weight),
        },
        Term::Conv { of, weight, geometry } => Term::Conv {
            of: *of,
            weight: scaled(weight),
            geometry: *geometry,
        },
        Term::Scale { of, weight } => Term::Scale {
            of: *of,
            weight: scaled(weight),
        },
        Term::Add { of, factor: inner } => Term::Add {
            of: *of,
            factor: inner * factor,
        },
        Term::Bias(bias) => Term::Bias(scaled(bias)),
        Term::Product { .. } | Term::MatMul { .. } => return None,
    })
}

/// A term with each element of its result times one of `scale`, which has the result's shape.
fn times_each(term: &Term, scale: &ArrayD<f64>) -> Option<Term> {
    Some(match term {
        Term::Dense { of, weight } => Term::Dense {
            of: *of,
            weight: Arc::new(&**weight * &along_last(scale)?),
        },
        Term::Conv { of, weight, geometry } => {
            let scale = along_first(scale)?.into_shape_with_order(vec![weight.shape()[0], 1, 1, 1]);
            Term::Conv {
                of: *of,
                weight: Arc::new(&**weight * &scale.ok()?),
                geometry: *geometry,
            }
        }
        Term::Scale { of, weight } => Term::Scale {
            of: *of,
            weight: Arc::new(narrowed(&**weight * scale)),
        },
        Term::Add { of, factor } => match scale.first() {
            Some(&first) if scale.iter().all(|&x| x == first) => Term::Add {
                of: *of,
                factor: factor * first,
            },
            _ => Term::Scale {
                of: *of,
                weight: Arc::new(narrowed(scale * *factor)),
            },
        },
        Term::Bias(bias) => Term::Bias(Arc::new(narrowed(&**bias * scale))),
        Term::Product { .. } | Term::MatMul { .. } => return scale.iter().all(|&x| x == 1.0).then(|| term.clone()),
    })
}

/// Adds up what can be added at import: biases, and multiples of the same value.
fn collected(terms: Vec<Term>, shape: &[usize]) -> Vec<Term> {
    let mut bias: Option<ArrayD<f64>> = None;
    let mut single_bias: Option<Constant> = None;
    let mut result: Vec<Term> = Vec::with_capacity(terms.len());
    for term in terms {
        match term {
            Term::Bias(constant) => {
                // One bias keeps its identity, so that a pass that changes nothing is seen to change nothing.
                match (&mut bias, &single_bias) {
                    (None, None) => single_bias = Some(constant),
                    (None, Some(first)) => bias = Some(spread(first, shape) + &*constant),
                    (Some(bias), _) => *bias += &*constant,
                }
            }
            Term::Add { of, factor } => {
                let same = result.iter_mut().find_map(|term| match term {
                    Term::Add { of: other, factor } if *other == of => Some(factor),
                    _ => None,
                });
                match same {
                    Some(sum) => *sum += factor,
                    None => result.push(Term::Add { of, factor }),
                }
            }
            other => result.push(other),
        }
    }
    result.retain(|term| !matches!(term, Term::Add { factor: 0.0, .. }));
    let bias = bias.map(|bias| Arc::new(narrowed(bias))).or(single_bias);
    let bias = bias.filter(|bias| result.is_empty() || bias.iter().any(|&x| x != 0.0));
    result.extend(bias.map(Term::Bias));
    if result.is_empty() {
        result.push(Term::Bias(Arc::new(ArrayD::zeros(vec![1; shape.len()]))));
    }
    result
}

/// The elements along the last axis, if they are the same everywhere else.
fn along_last(array: &ArrayD<f64>) -> Option<ArrayD<f64>> {
    let last = *array.shape().last()?;
    let rows = array.view().into_shape_with_order((array.len() / last, last)).ok()?;
    let first = rows.row(0);
    rows.rows()
        .into_iter()
        .all(|row| row == first)
        .then(|| first.to_owned().into_dyn())
}

/// The elements along the first axis, if they are the same everywhere else.
fn along_first(array: &ArrayD<f64>) -> Option<ArrayD<f64>> {
    let first = *array.shape().first()?;
    let rows = array.view().into_shape_with_order((first, array.len() / first)).ok()?;
    let constant = rows.rows().into_iter().all(|row| row.iter().all(|&x| x == row[0]));
    constant.then(|| rows.column(0).to_owned().into_dyn())
}

/// Factors of input channels, arranged for kernels `[outputs, channels / groups, kh, kw]`.
fn per_input_channel(scale: &ArrayD<f64>, kernels: &[usize], groups: usize) -> ArrayD<f64> {
    let per_group = kernels[0] / groups;
    ArrayD::from_shape_fn(vec![kernels[0], kernels[1], 1, 1], |index| {
        scale[[index[0] / per_group * kernels[1] + index[1]]]
    })
}
