//! Which ONNX nodes can be imported: a pass over the file that finds all that cannot, before any of it is translated.

use std::collections::{HashMap, HashSet};

use tract_onnx::pb::{GraphProto, NodeProto};
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::infer::Factoid;
use tract_onnx::tract_hir::internal::DimLike;

use crate::error::UnsupportedNode;
use crate::read::{Model, guarded};

/// Operators that are computed on secret values.
const SUPPORTED: &[&str] = &[
    "Abs",
    "Add",
    "ArgMax",
    "AveragePool",
    "BatchNormalization",
    "Cast",
    "Clip",
    "Concat",
    "Conv",
    "Div",
    "Dropout",
    "Einsum",
    "Expand",
    "Flatten",
    "Gather",
    "Gemm",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "LeakyRelu",
    "LogSoftmax",
    "MatMul",
    "Max",
    "MaxPool",
    "Mean",
    "Min",
    "Mul",
    "Neg",
    "Pad",
    "Pow",
    "ReduceMax",
    "ReduceMean",
    "ReduceSum",
    "Relu",
    "Reshape",
    "Shape",
    "Sigmoid",
    "Size",
    "Slice",
    "Softmax",
    "Split",
    "Squeeze",
    "Sub",
    "Sum",
    "Swish",
    "Tanh",
    "Tile",
    "Transpose",
    "Unsqueeze",
];

/// Operators that look at a value's shape only, which is public.
const SHAPE_ONLY: &[&str] = &["Shape", "Size"];

/// Operators that may stand between a softmax and the output it is the last of.
const FORWARDING: &[&str] = &[
    "Cast",
    "Dropout",
    "Flatten",
    "Identity",
    "Reshape",
    "Squeeze",
    "Unsqueeze",
];

impl Model {
    /// Every node whose operator cannot be computed on shares.
    ///
    /// Nodes that depend on constants and shapes only are computed at import, whatever they are. `shapes` gives the inputs'
    /// shapes at batch one where they are known, to name the shapes of the nodes.
    pub fn unsupported(&self, shapes: &[Option<Vec<usize>>]) -> Vec<UnsupportedNode> {
        let Some(graph) = &self.proto.graph else {
            return vec![];
        };
        let mut secret: HashSet<&str> = self.inputs().iter().map(|input| input.name.as_str()).collect();
        let mut found = Vec::new();
        for node in &graph.node {
            if !node.input.iter().any(|input| secret.contains(input.as_str())) {
                continue;
            }
            if !SHAPE_ONLY.contains(&node.op_type.as_str()) {
                secret.extend(
                    node.output
                        .iter()
                        .map(String::as_str)
                        .filter(|output| !output.is_empty()),
                );
            }
            if let Some(advice) = objection(graph, node) {
                found.push((node, advice));
            }
        }
        if found.is_empty() {
            return vec![];
        }
        let known = self.output_shapes(shapes);
        let describe = |(node, advice): (&NodeProto, String)| UnsupportedNode {
            operator: node.op_type.clone(),
            node: name(node).to_owned(),
            shape: node.output.first().and_then(|output| known.get(output).cloned()),
            advice,
        };
        found.into_iter().map(describe).collect()
    }

    /// Shapes of values by name, as far as they can be told in spite of unknown operators.
    fn output_shapes(&self, inputs: &[Option<Vec<usize>>]) -> HashMap<String, Vec<usize>> {
        guarded(|| self.output_shapes_by_front_end(inputs)).unwrap_or_default()
    }

    fn output_shapes_by_front_end(&self, inputs: &[Option<Vec<usize>>]) -> TractResult<HashMap<String, Vec<usize>>> {
        let parsed = onnx().parse(&self.proto, self.directory.as_deref())?;
        let mut model = parsed.model;
        for (port, shape) in self.inputs().iter().zip(inputs) {
            if let (Some(shape), Some(outlet)) = (shape, parsed.outlets_by_name.get(&port.name)) {
                model.set_outlet_fact(*outlet, InferenceFact::new().with_shape(shape.as_slice()))?;
            }
        }
        // Inference stops at the first operator it does not know; what it found until then is kept.
        let _ = model.analyse(true);
        let shape = |outlet: &OutletId| {
            let fact = model.outlet_fact(*outlet).ok()?;
            let sizes = fact.shape.concretize()?;
            sizes
                .iter()
                .map(|size| size.to_usize().ok())
                .collect::<Option<Vec<usize>>>()
        };
        let named = parsed.outlets_by_name.iter();
        Ok(named
            .filter_map(|(name, outlet)| Some((name.clone(), shape(outlet)?)))
            .collect())
    }
}

/// The node's name; nodes without one are called by their first output.
pub(crate) fn name(node: &NodeProto) -> &str {
    match (node.name.as_str(), node.output.first()) {
        ("", Some(output)) => output,
        (name, _) => name,
    }
}

/// Why the node cannot be imported, if it cannot.
fn objection(graph: &GraphProto, node: &NodeProto) -> Option<String> {
    let operator = node.op_type.as_str();
    let standard = matches!(node.domain.as_str(), "" | "ai.onnx" | "com.microsoft");
    if !standard || !SUPPORTED.contains(&operator) {
        return Some(advice(operator).to_owned());
    }
    match operator {
        "Conv" | "MaxPool" | "AveragePool" if spatial_axes(graph, node) > 2 => {
            Some("windows of more than two axes are not supported; split the model before it".to_owned())
        }
        "Softmax" | "LogSoftmax" if !is_last(graph, node) => Some(
            "it is computed by the client and must be last; move it to the end or replace it by Relu or Sigmoid"
                .to_owned(),
        ),
        _ => None,
    }
}

fn advice(operator: &str) -> &'static str {
    match operator {
        "Elu" | "Selu" | "Celu" | "Softplus" | "Softsign" | "Gelu" | "FastGelu" | "Mish" | "PRelu"
        | "ThresholdedRelu" => "retrain with Relu, LeakyRelu, HardSwish or Sigmoid in its place",
        "Exp"
        | "Log"
        | "Sqrt"
        | "Reciprocal"
        | "Erf"
        | "LayerNormalization"
        | "InstanceNormalization"
        | "GroupNormalization"
        | "ReduceL2"
        | "LRN" => "functions of this kind are not computed on shares; use BatchNormalization and Relu",
        "LSTM" | "GRU" | "RNN" | "Loop" | "Scan" | "If" => {
            "loops and recurrences are not supported; use convolutions or dense layers"
        }
        "ConvTranspose" | "Resize" | "Upsample" => {
            "it is not supported; cut the model before it and run the rest in the clear"
        }
        "Where" | "Equal" | "Greater" | "Less" | "TopK" | "NonZero" | "NonMaxSuppression" => {
            "choices that depend on secret data are not supported; reveal the value before it and decide in the clear"
        }
        "QuantizeLinear" | "DequantizeLinear" | "QLinearConv" | "QLinearMatMul" | "ConvInteger" | "MatMulInteger" => {
            "export the model in float; the importer quantises it itself"
        }
        _ => "the operator is not supported; replace it or cut the model before it",
    }
}

/// Axes the window of a convolution or pool slides over.
fn spatial_axes(graph: &GraphProto, node: &NodeProto) -> usize {
    let attribute = node.attribute.iter().find(|attribute| attribute.name == "kernel_shape");
    let weight = node
        .input
        .get(1)
        .and_then(|weight| graph.initializer.iter().find(|tensor| tensor.name == *weight));
    match (attribute, weight) {
        (Some(attribute), _) => attribute.ints.len(),
        (None, Some(weight)) => weight.dims.len().saturating_sub(2),
        (None, None) => 2,
    }
}

/// Whether nothing but renaming and reshaping follows until the outputs.
fn is_last(graph: &GraphProto, node: &NodeProto) -> bool {
    let Some(output) = node.output.first() else {
        return true;
    };
    let users = graph.node.iter().filter(|user| user.input.contains(output));
    users
        .into_iter()
        .all(|user| FORWARDING.contains(&user.op_type.as_str()) && is_last(graph, user))
}
