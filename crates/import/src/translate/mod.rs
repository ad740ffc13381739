//! From the front end's typed model to the float graph.
//!
//! The front end has already resolved operator versions, shapes and shape arithmetic. Its values have a leading batch axis of size
//! one; here a leading axis of size one is always dropped, so that nodes have the shapes of one sample.

mod activation;
mod linear;
mod pool;
mod shape;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use ndarray::{ArrayD, Axis};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_hir::internal::{Factoid, TypedOp, bail};

use crate::error::{ImportError, UnsupportedNode};
use crate::graph::{Constant, Graph, GraphInput, GraphOutput, NodeId, Op, Term};
use crate::read::{Model, describe, guarded};
use crate::support;

use tercet_plan::Decode;

/// A value of the typed model.
#[derive(Clone)]
enum Known {
    /// Computed at import, in the front end's shape.
    Constant(Arc<Tensor>),
    /// A node whose shape is the front end's without a leading axis of size one.
    Node(NodeId),
    /// The result of a node that is not supported.
    Missing,
}

struct Translator<'a> {
    graph: Graph,
    known: HashMap<OutletId, Known>,
    typed: &'a TypedModel,
    names: HashSet<String>,
    unsupported: Vec<UnsupportedNode>,
}

/// Why a node was not translated: advice for the person.
type Translated = Result<(), String>;

impl Model {
    /// The front end's typed model for inputs of these shapes.
    pub(crate) fn typed(&self, shapes: &[Vec<usize>]) -> Result<TypedModel, ImportError> {
        guarded(|| self.typed_by_front_end(shapes)).map_err(|cause| ImportError::Inconsistent { cause })
    }

    fn typed_by_front_end(&self, shapes: &[Vec<usize>]) -> TractResult<TypedModel> {
        let parsed = onnx().parse(&self.proto, self.directory.as_deref())?;
        if let Some(input) = parsed.unresolved_inputs.first() {
            bail!("a node uses `{input}`, which nothing defines");
        }
        let mut model = parsed.model;
        let outlets = self.inputs().iter().map(|input| parsed.outlets_by_name[&input.name]);
        let outlets: Vec<OutletId> = outlets.collect();
        model.set_input_outlets(&outlets)?;
        for (outlet, shape) in outlets.iter().zip(shapes) {
            let kind = model.outlet_fact(*outlet)?.datum_type.concretize();
            let kind = kind.unwrap_or(DatumType::F32);
            model.set_outlet_fact(*outlet, InferenceFact::dt_shape(kind, shape.as_slice()))?;
        }
        // Declared output shapes often name another batch than one.
        for outlet in model.output_outlets()?.to_vec() {
            model.set_outlet_fact(outlet, InferenceFact::default())?;
        }
        model.into_typed()
    }

    /// Translates the typed model.
    pub(crate) fn translate(&self, typed: &TypedModel) -> Result<Graph, ImportError> {
        let graph = self.proto.graph.iter().flat_map(|graph| &graph.node);
        let mut translator = Translator {
            graph: Graph::default(),
            known: HashMap::new(),
            typed,
            names: graph.map(|node| support::name(node).to_owned()).collect(),
            unsupported: vec![],
        };
        translator.inputs(self)?;
        translator.nodes()?;
        if !translator.unsupported.is_empty() {
            return Err(ImportError::Unsupported(translator.unsupported));
        }
        translator.outputs(self)?;
        Ok(translator.graph)
    }
}

impl Translator<'_> {
    fn inputs(&mut self, model: &Model) -> Result<(), ImportError> {
        for (index, (port, outlet)) in model.inputs().iter().zip(self.typed.inputs.clone()).enumerate() {
            let shape = self
                .tract_shape(outlet)
                .map_err(|cause| ImportError::Inconsistent { cause })?;
            let sample = if port.batched {
                shape[1..].to_vec()
            } else {
                shape.clone()
            };
            self.graph.inputs.push(GraphInput {
                name: port.name.clone(),
                shape: sample.clone(),
                batched: port.batched,
            });
            let node = self.graph.push(&port.name, sample, Op::Input(index));
            self.define(outlet, &port.name, node);
        }
        Ok(())
    }

    fn nodes(&mut self) -> Result<(), ImportError> {
        let order = self.typed.eval_order().map_err(|cause| ImportError::Inconsistent {
            cause: describe(&cause),
        })?;
        for id in order {
            let node = self.typed.node(id);
            if node
                .outputs
                .iter()
                .enumerate()
                .all(|(slot, _)| self.known.contains_key(&OutletId::new(id, slot)))
            {
                continue;
            }
            let operands: Option<Vec<Known>> = node.inputs.iter().map(|input| self.known.get(input).cloned()).collect();
            let operands = operands.unwrap_or_default();
            let missing = operands.iter().any(|operand| matches!(operand, Known::Missing));
            if missing {
                self.forget(node);
            } else if let Some(constants) = self.computed(node, &operands) {
                for (slot, constant) in constants.into_iter().enumerate() {
                    self.known.insert(OutletId::new(id, slot), Known::Constant(constant));
                }
            } else if let Err(advice) = self.translate_node(node, &operands) {
                self.forget(node);
                self.unsupported.push(UnsupportedNode {
                    operator: node.op.name().to_string(),
                    node: self.source(&node.name),
                    shape: self.tract_shape(OutletId::new(id, 0)).ok(),
                    advice,
                });
            }
        }
        Ok(())
    }

    fn forget(&mut self, node: &TypedNode) {
        for slot in 0..node.outputs.len() {
            self.known.insert(OutletId::new(node.id, slot), Known::Missing);
        }
    }

    /// The results of a node all of whose operands are constants.
    fn computed(&self, node: &TypedNode, operands: &[Known]) -> Option<Vec<Arc<Tensor>>> {
        let stated: Option<Vec<Arc<Tensor>>> = node.outputs.iter().map(|output| output.fact.konst.clone()).collect();
        if stated.is_some() {
            return stated;
        }
        let constants: Option<TVec<TValue>> = operands
            .iter()
            .map(|operand| match operand {
                Known::Constant(tensor) => Some(tensor.clone().into_tvalue()),
                _ => None,
            })
            .collect();
        let constants = constants.filter(|constants| !constants.is_empty())?;
        let results = guarded(|| node.op.eval_out_of_plan(constants)).ok()??;
        Some(results.into_iter().map(TValue::into_arc_tensor).collect())
    }

    fn translate_node(&mut self, node: &TypedNode, operands: &[Known]) -> Translated {
        let source = self.source(&node.name);
        let outlet = OutletId::new(node.id, 0);
        let op: &dyn TypedOp = node.op.as_ref();
        if let Some(op) = op.downcast_ref::<TypedBinOp>() {
            return self.binary(op.0.name(), node, &source);
        }
        if let Some(op) = op.downcast_ref::<ElementWiseOp>() {
            return self.elementwise(op, node, &source);
        }
        match op.name().as_ref() {
            "Conv" => self.conv(node, &source),
            "EinSum" => self.einsum(node, &source),
            "MaxPool" => self.max_pool(node, &source),
            "SumPool" => self.sum_pool(node, &source),
            "Softmax" | "LogSoftmax" => self.softmax(node, &source),
            name if name.starts_with("Reduce<") => self.reduce(node, &source),
            "Cast" => self.cast(node, operands),
            "Identity" | "Dropout" => {
                let same = operands.first().cloned().ok_or("an identity of nothing")?;
                self.known.insert(outlet, same);
                Ok(())
            }
            _ => self.move_elements(node, &source),
        }
    }

    /// Numbers stay numbers; casts that would round secret values are refused.
    fn cast(&mut self, node: &TypedNode, operands: &[Known]) -> Translated {
        let outlet = OutletId::new(node.id, 0);
        let to = node.outputs[0].fact.datum_type;
        let from = self
            .typed
            .outlet_fact(node.inputs[0])
            .map_err(|cause| describe(&cause))?
            .datum_type;
        if to.is_float() || from == to || (from.is_integer() && to.is_integer()) {
            self.known.insert(outlet, operands[0].clone());
            return Ok(());
        }
        Err("a cast that rounds is not supported; keep the value in float".to_owned())
    }

    /// The name of the ONNX node a typed node was made for: the front end appends parts to it after dots.
    fn source(&self, typed_name: &str) -> String {
        let mut name = typed_name;
        while !self.names.contains(name) {
            match name.rsplit_once('.') {
                Some((front, _)) => name = front,
                None => return typed_name.to_owned(),
            }
        }
        name.to_owned()
    }

    /// The front end's shape of a value.
    fn tract_shape(&self, outlet: OutletId) -> Result<Vec<usize>, String> {
        let fact = self.typed.outlet_fact(outlet).map_err(|cause| describe(&cause))?;
        let shape = fact.shape.as_concrete().map(<[usize]>::to_vec);
        shape.ok_or_else(|| format!("its shape {:?} depends on data; fix the shape at export", fact.shape))
    }

    /// Records what a typed value is, under its canonical shape.
    fn define(&mut self, outlet: OutletId, source: &str, node: NodeId) {
        let node = match self.tract_shape(outlet) {
            Ok(shape) => self.reshape(source, node, canonical(&shape)),
            Err(_) => node,
        };
        self.known.insert(outlet, Known::Node(node));
    }

    /// The node in another shape.
    fn reshape(&mut self, source: &str, node: NodeId, shape: &[usize]) -> NodeId {
        if self.graph.shape(node) == shape {
            return node;
        }
        self.graph.push(source, shape.to_vec(), Op::Reshape(node))
    }

    /// The `index`-th operand as a node of its canonical shape; constants become biases of nothing.
    fn operand(&mut self, node: &TypedNode, index: usize, source: &str) -> Result<NodeId, String> {
        let outlet = node.inputs[index];
        match self.known.get(&outlet) {
            Some(Known::Node(id)) => Ok(*id),
            Some(Known::Constant(tensor)) => {
                let array = array_of(tensor)?;
                let shape = canonical(array.shape()).to_vec();
                let array = array
                    .into_shape_with_order(shape.clone())
                    .map_err(|cause| cause.to_string())?;
                Ok(self
                    .graph
                    .push(source, shape, Op::Sum(vec![Term::Bias(Arc::new(array))])))
            }
            _ => Err("an operand is not supported".to_owned()),
        }
    }

    /// The `index`-th operand in the front end's whole shape.
    fn whole_operand(&mut self, node: &TypedNode, index: usize, source: &str) -> Result<NodeId, String> {
        let operand = self.operand(node, index, source)?;
        let shape = self.tract_shape(node.inputs[index])?;
        Ok(self.reshape(source, operand, &shape))
    }

    /// The `index`-th operand if it is a constant.
    fn constant(&self, node: &TypedNode, index: usize) -> Result<Option<Constant>, String> {
        match node.inputs.get(index).and_then(|outlet| self.known.get(outlet)) {
            Some(Known::Constant(tensor)) => Ok(Some(Arc::new(array_of(tensor)?))),
            _ => Ok(None),
        }
    }

    fn outputs(&mut self, model: &Model) -> Result<(), ImportError> {
        for (port, outlet) in model.outputs().iter().zip(self.typed.outputs.clone()) {
            let refuse = |advice: &str, shape: Option<Vec<usize>>| {
                ImportError::Unsupported(vec![UnsupportedNode {
                    operator: "output".to_owned(),
                    node: port.name.clone(),
                    shape,
                    advice: advice.to_owned(),
                }])
            };
            let Some(Known::Node(node)) = self.known.get(&outlet).cloned() else {
                return Err(refuse(
                    "it does not depend on any input; read it from the model file",
                    None,
                ));
            };
            let whole = self
                .tract_shape(outlet)
                .map_err(|cause| ImportError::Inconsistent { cause })?;
            // Of a batched model the first axis is the batch; an axis of size one in front is what it is at batch one.
            let batched = model.inputs().iter().any(|input| input.batched);
            let shape = if batched {
                canonical(&whole).to_vec()
            } else {
                whole.clone()
            };
            let (node, decode) = self.peel(node, &shape);
            self.graph.outputs.push(GraphOutput {
                name: port.name.clone(),
                node,
                shape,
                decode,
            });
        }
        let uses_softmax = self.graph.nodes.iter().any(|node| {
            let operands = node.op.operands();
            operands
                .iter()
                .any(|id| matches!(self.graph.node(*id).op, Op::Softmax { .. }))
        });
        if uses_softmax {
            let softmax = self
                .graph
                .nodes
                .iter()
                .filter(|node| matches!(node.op, Op::Softmax { .. }));
            return Err(ImportError::Unsupported(
                softmax
                    .map(|node| UnsupportedNode {
                        operator: "Softmax".to_owned(),
                        node: node.source.clone(),
                        shape: Some(node.shape.clone()),
                        advice: "it is computed by the client and must be last".to_owned(),
                    })
                    .collect(),
            ));
        }
        Ok(())
    }

    /// Leaves a last sigmoid or softmax to the client: the value before it, and what the client computes. Reshapes
    /// that come after are part of the output's shape.
    fn peel(&self, node: NodeId, shape: &[usize]) -> (NodeId, Decode) {
        let mut inner = node;
        while let Op::Reshape(of) = self.graph.node(inner).op {
            inner = of;
        }
        let without_ones =
            |shape: &[usize]| -> Vec<usize> { shape.iter().copied().filter(|&size| size != 1).collect() };
        match self.graph.node(inner).op {
            Op::Sigmoid(of) => (of, Decode::Sigmoid),
            Op::Softmax { of, axis, logarithm } if without_ones(self.graph.shape(of)) == without_ones(shape) => {
                // The axis keeps its place among the axes longer than one.
                let inner_shape = self.graph.shape(of);
                let place = without_ones(&inner_shape[..axis]).len();
                let long: Vec<usize> = (0..shape.len()).filter(|&i| shape[i] != 1).collect();
                let axis = if inner_shape[axis] == 1 {
                    None
                } else {
                    long.get(place).copied()
                };
                match axis {
                    Some(axis) if logarithm => (of, Decode::LogSoftmax { axis: axis as u32 }),
                    Some(axis) => (of, Decode::Softmax { axis: axis as u32 }),
                    None => (node, Decode::Identity),
                }
            }
            _ => (node, Decode::Identity),
        }
    }
}

/// The shape without a leading axis of size one.
fn canonical(shape: &[usize]) -> &[usize] {
    match shape {
        [1, rest @ ..] => rest,
        all => all,
    }
}

/// A constant in double precision.
fn array_of(tensor: &Tensor) -> Result<ArrayD<f64>, String> {
    let numbers = tensor.cast_to::<f64>().map_err(|cause| describe(&cause))?;
    let view = numbers.to_plain_array_view::<f64>().map_err(|cause| describe(&cause))?;
    Ok(view.to_owned())
}

/// A constant without a leading axis of size one.
fn canonical_constant(array: &ArrayD<f64>) -> ArrayD<f64> {
    if array.shape().first() == Some(&1) {
        array.index_axis(Axis(0), 0).to_owned()
    } else {
        array.clone()
    }
}
