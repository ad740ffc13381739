//! The float graph: what a model computes for one sample, in the few operations that a plan has, on real numbers.
//!
//! It is what the front end translates into, what the simplifications rewrite, what is calibrated, and what is at last
//! lowered to integers. Constants are held in double precision, so that folding them loses nothing.

mod curve;
mod evaluate;
mod interval;

use std::sync::Arc;

pub use curve::Curve;
pub use evaluate::{conv, dense};
use ndarray::ArrayD;
use tercet_plan::{ConvGeometry, Decode, Window};

/// A constant tensor of the model.
pub type Constant = Arc<ArrayD<f64>>;

/// A node, by its position in the graph.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeId(pub usize);

/// What a model computes for one sample. Nodes only use nodes before them.
#[derive(Clone, Default)]
pub struct Graph {
    /// The nodes in order of computation.
    pub nodes: Vec<Node>,
    /// The inputs, in the model's order.
    pub inputs: Vec<GraphInput>,
    /// The outputs, in the model's order.
    pub outputs: Vec<GraphOutput>,
}

/// One value of the graph.
#[derive(Clone)]
pub struct Node {
    /// The name of the ONNX node it stems from.
    pub source: String,
    /// The shape for one sample.
    pub shape: Vec<usize>,
    /// How it is computed.
    pub op: Op,
}

/// An input of the model.
#[derive(Clone, Debug)]
pub struct GraphInput {
    /// The name in the ONNX file.
    pub name: String,
    /// The shape of one sample as the client gives it.
    pub shape: Vec<usize>,
    /// Whether the client's array has a batch axis in front.
    pub batched: bool,
}

/// An output of the model.
#[derive(Clone, Debug)]
pub struct GraphOutput {
    /// The name in the ONNX file.
    pub name: String,
    /// The value that is revealed.
    pub node: NodeId,
    /// The shape of one sample as the client sees it.
    pub shape: Vec<usize>,
    /// What the client computes from the revealed numbers.
    pub decode: Decode,
}

/// An operation on real numbers. Geometry means what it means in a plan.
#[derive(Clone)]
pub enum Op {
    /// An input of the model.
    Input(usize),
    /// The same elements under the node's shape.
    Reshape(NodeId),
    /// Axis `i` of the result is axis `permutation[i]` of the operand.
    Transpose { of: NodeId, permutation: Vec<usize> },
    /// Every `step`-th element from `start` on, along each axis.
    Slice {
        of: NodeId,
        start: Vec<usize>,
        step: Vec<isize>,
    },
    /// Side by side along an axis.
    Concat { of: Vec<NodeId>, axis: usize },
    /// A border of one number.
    Pad {
        of: NodeId,
        before: Vec<usize>,
        after: Vec<usize>,
        fill: f64,
    },
    /// Repeats to the node's shape.
    Broadcast(NodeId),
    /// Sums over windows of `[channels, height, width]`.
    SumPool { of: NodeId, window: Window },
    /// Sums along axes, which vanish.
    SumAxes { of: NodeId, axes: Vec<usize> },
    /// A sum of terms; everything linear or bilinear.
    Sum(Vec<Term>),
    /// An elementwise piecewise linear function.
    Piecewise { of: NodeId, curve: Curve },
    /// The largest of each window, and of zero if `relu`.
    MaxPool { of: NodeId, window: Window, relu: bool },
    /// The index of the largest along the last axis, which vanishes.
    ArgMax(NodeId),
    /// The logistic function, to be left to the client or approximated.
    Sigmoid(NodeId),
    /// Softmax or its logarithm along an axis; only the client computes it.
    Softmax { of: NodeId, axis: usize, logarithm: bool },
}

/// A summand. Weights are arrays of the model.
#[derive(Clone)]
pub enum Term {
    /// Rows of the operand times a matrix `[inner, outer]`.
    Dense { of: NodeId, weight: Constant },
    /// Cross-correlation with kernels `[outputs, channels / groups, kh, kw]`.
    Conv {
        of: NodeId,
        weight: Constant,
        geometry: ConvGeometry,
    },
    /// Elementwise product with a constant that broadcasts to the operand.
    Scale { of: NodeId, weight: Constant },
    /// Elementwise product.
    Product { left: NodeId, right: NodeId },
    /// Batched matrix product.
    MatMul { left: NodeId, right: NodeId },
    /// The operand times a number.
    Add { of: NodeId, factor: f64 },
    /// A constant that broadcasts to the node's shape.
    Bias(Constant),
}

impl Term {
    /// The values the term uses.
    pub fn operands(&self) -> Vec<NodeId> {
        match self {
            Term::Dense { of, .. } | Term::Conv { of, .. } | Term::Scale { of, .. } | Term::Add { of, .. } => vec![*of],
            Term::Product { left, right } | Term::MatMul { left, right } => vec![*left, *right],
            Term::Bias(_) => vec![],
        }
    }

    /// The same term over other operands.
    pub fn map(&self, mut f: impl FnMut(NodeId) -> NodeId) -> Term {
        let mut term = self.clone();
        match &mut term {
            Term::Dense { of, .. } | Term::Conv { of, .. } | Term::Scale { of, .. } | Term::Add { of, .. } => {
                *of = f(*of)
            }
            Term::Product { left, right } | Term::MatMul { left, right } => {
                *left = f(*left);
                *right = f(*right);
            }
            Term::Bias(_) => {}
        }
        term
    }
}

impl Op {
    /// The values the operation uses.
    pub fn operands(&self) -> Vec<NodeId> {
        match self {
            Op::Input(_) => vec![],
            Op::Concat { of, .. } => of.clone(),
            Op::Sum(terms) => terms.iter().flat_map(Term::operands).collect(),
            Op::Reshape(of)
            | Op::Broadcast(of)
            | Op::ArgMax(of)
            | Op::Sigmoid(of)
            | Op::Transpose { of, .. }
            | Op::Slice { of, .. }
            | Op::Pad { of, .. }
            | Op::SumPool { of, .. }
            | Op::SumAxes { of, .. }
            | Op::Piecewise { of, .. }
            | Op::MaxPool { of, .. }
            | Op::Softmax { of, .. } => vec![*of],
        }
    }

    /// The same operation over other operands.
    pub fn map(&self, mut f: impl FnMut(NodeId) -> NodeId) -> Op {
        let mut op = self.clone();
        match &mut op {
            Op::Input(_) => {}
            Op::Concat { of, .. } => of.iter_mut().for_each(|of| *of = f(*of)),
            Op::Sum(terms) => terms.iter_mut().for_each(|term| *term = term.map(&mut f)),
            Op::Reshape(of)
            | Op::Broadcast(of)
            | Op::ArgMax(of)
            | Op::Sigmoid(of)
            | Op::Transpose { of, .. }
            | Op::Slice { of, .. }
            | Op::Pad { of, .. }
            | Op::SumPool { of, .. }
            | Op::SumAxes { of, .. }
            | Op::Piecewise { of, .. }
            | Op::MaxPool { of, .. }
            | Op::Softmax { of, .. } => *of = f(*of),
        }
        op
    }

    /// Text that is equal for equal operations: what common subexpressions are found by. Constants are compared by identity.
    pub fn key(&self) -> String {
        use std::fmt::Write;
        let mut key = String::new();
        let mut write = |arguments: std::fmt::Arguments<'_>| {
            key.write_fmt(arguments).expect("a string takes any text");
        };
        match self {
            Op::Input(index) => write(format_args!("input {index}")),
            Op::Reshape(of) => write(format_args!("reshape {of:?}")),
            Op::Transpose { of, permutation } => write(format_args!("transpose {of:?} {permutation:?}")),
            Op::Slice { of, start, step } => write(format_args!("slice {of:?} {start:?} {step:?}")),
            Op::Concat { of, axis } => write(format_args!("concat {of:?} {axis}")),
            Op::Pad {
                of,
                before,
                after,
                fill,
            } => write(format_args!("pad {of:?} {before:?} {after:?} {fill:?}")),
            Op::Broadcast(of) => write(format_args!("broadcast {of:?}")),
            Op::SumPool { of, window } => write(format_args!("sum pool {of:?} {window:?}")),
            Op::SumAxes { of, axes } => write(format_args!("sum axes {of:?} {axes:?}")),
            Op::Piecewise { of, curve } => write(format_args!("piecewise {of:?} {curve:?}")),
            Op::MaxPool { of, window, relu } => write(format_args!("max pool {of:?} {window:?} {relu}")),
            Op::ArgMax(of) => write(format_args!("arg max {of:?}")),
            Op::Sigmoid(of) => write(format_args!("sigmoid {of:?}")),
            Op::Softmax { of, axis, logarithm } => write(format_args!("softmax {of:?} {axis} {logarithm}")),
            Op::Sum(terms) => {
                write(format_args!("sum"));
                for term in terms {
                    match term {
                        Term::Dense { of, weight } => write(format_args!(" dense {of:?} {:p}", Arc::as_ptr(weight))),
                        Term::Conv { of, weight, geometry } => {
                            write(format_args!(" conv {of:?} {:p} {geometry:?}", Arc::as_ptr(weight)));
                        }
                        Term::Scale { of, weight } => write(format_args!(" scale {of:?} {:p}", Arc::as_ptr(weight))),
                        Term::Product { left, right } => write(format_args!(" product {left:?} {right:?}")),
                        Term::MatMul { left, right } => write(format_args!(" matmul {left:?} {right:?}")),
                        Term::Add { of, factor } => write(format_args!(" add {of:?} {factor:?}")),
                        Term::Bias(bias) => write(format_args!(" bias {:p}", Arc::as_ptr(bias))),
                    }
                }
            }
        }
        key
    }
}

impl Graph {
    /// The node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// The shape of a node for one sample.
    pub fn shape(&self, id: NodeId) -> &[usize] {
        &self.nodes[id.0].shape
    }

    /// Adds a node.
    pub fn push(&mut self, source: &str, shape: Vec<usize>, op: Op) -> NodeId {
        self.nodes.push(Node {
            source: source.to_owned(),
            shape,
            op,
        });
        NodeId(self.nodes.len() - 1)
    }

    /// Roughly the multiply-adds of one sample, where moving an element counts as many as it takes as long.
    pub fn work(&self) -> u64 {
        const MOVED: usize = 32;
        let products = |term: &Term| match term {
            Term::Dense { weight, .. } => weight.shape()[0],
            Term::Conv { weight, .. } => weight.shape()[1..].iter().product(),
            Term::MatMul { left, .. } => self.shape(*left).last().copied().unwrap_or(1),
            _ => 1,
        };
        let of = |node: &Node| {
            let per_element = match &node.op {
                Op::Sum(terms) => terms.iter().map(products).sum(),
                _ => 1,
            };
            (per_element + MOVED) * node.shape.iter().product::<usize>()
        };
        self.nodes.iter().map(|node| of(node) as u64).sum()
    }

    /// How often each node is used; an output counts as a use.
    pub fn uses(&self) -> Vec<usize> {
        let mut uses = vec![0; self.nodes.len()];
        for operand in self.nodes.iter().flat_map(|node| node.op.operands()) {
            uses[operand.0] += 1;
        }
        for output in &self.outputs {
            uses[output.node.0] += 1;
        }
        uses
    }
}
