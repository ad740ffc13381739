//! ONNX files made on the spot.

use prost::Message;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto,
    ValueInfoProto, attribute_proto::AttributeType, tensor_shape_proto, type_proto,
};

/// The operators' version.
const OPERATOR_SET: i64 = 13;
/// The file format's version.
const FORMAT: i64 = 8;

/// A model under construction.
#[derive(Default)]
pub struct Onnx {
    graph: GraphProto,
}

impl Onnx {
    /// Adds an input; a first size of zero is the batch.
    pub fn input(mut self, name: &str, shape: &[usize]) -> Onnx {
        self.graph.input.push(port(name, Some(shape)));
        self
    }

    /// Adds a constant.
    pub fn constant(mut self, name: &str, shape: &[usize], numbers: Vec<f32>) -> Onnx {
        self.graph.initializer.push(TensorProto {
            name: name.into(),
            dims: shape.iter().map(|&size| size as i64).collect(),
            data_type: DataType::Float as i32,
            float_data: numbers,
            ..Default::default()
        });
        self
    }

    /// Adds a node, called like its result.
    pub fn node(mut self, operator: &str, inputs: &[&str], output: &str, integers: &[(&str, i64)]) -> Onnx {
        let attribute = |&(name, value): &(&str, i64)| AttributeProto {
            name: name.into(),
            r#type: AttributeType::Int as i32,
            i: value,
            ..Default::default()
        };
        self.graph.node.push(NodeProto {
            name: output.into(),
            op_type: operator.into(),
            input: inputs.iter().map(|&input| input.into()).collect(),
            output: vec![output.into()],
            attribute: integers.iter().map(attribute).collect(),
            ..Default::default()
        });
        self
    }

    /// The file, with one output.
    pub fn bytes(mut self, name: &str, output: &str) -> Vec<u8> {
        self.graph.name = name.into();
        self.graph.output.push(port(output, None));
        let model = ModelProto {
            ir_version: FORMAT,
            opset_import: vec![OperatorSetIdProto {
                domain: String::new(),
                version: OPERATOR_SET,
            }],
            graph: Some(self.graph),
            ..Default::default()
        };
        model.encode_to_vec()
    }
}

fn port(name: &str, shape: Option<&[usize]>) -> ValueInfoProto {
    let axis = |&size: &usize| tensor_shape_proto::Dimension {
        value: Some(match size {
            0 => tensor_shape_proto::dimension::Value::DimParam("batch".into()),
            size => tensor_shape_proto::dimension::Value::DimValue(size as i64),
        }),
        ..Default::default()
    };
    let shape = shape.map(|shape| TensorShapeProto {
        dim: shape.iter().map(axis).collect(),
    });
    ValueInfoProto {
        name: name.into(),
        r#type: Some(TypeProto {
            value: Some(type_proto::Value::TensorType(type_proto::Tensor {
                elem_type: DataType::Float as i32,
                shape,
            })),
            ..Default::default()
        }),
        ..Default::default()
    }
}
