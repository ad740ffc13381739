//! Small ONNX models made on the spot, and their two runs: the front end's and the plan's integers.

// Each test binary uses a part of this.
#![allow(dead_code)]

pub mod sketch;

use prost::Message;
use tercet_import::{Compiled, FloatReference, ImportError, Model, Options, RingChoice, compile};
use tercet_plan::{Array, oracle};
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto,
    ValueInfoProto, attribute_proto::AttributeType, tensor_shape_proto, type_proto,
};

/// A model under construction.
#[derive(Clone)]
pub struct Onnx {
    graph: GraphProto,
    opset: i64,
}

/// An attribute of a node.
pub fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        r#type: AttributeType::Int as i32,
        i: value,
        ..Default::default()
    }
}

/// An attribute of a node.
pub fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        r#type: AttributeType::Ints as i32,
        ints: values.to_vec(),
        ..Default::default()
    }
}

/// An attribute of a node.
pub fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        r#type: AttributeType::Float as i32,
        f: value,
        ..Default::default()
    }
}

/// An attribute of a node.
pub fn text(name: &str, value: &str) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        r#type: AttributeType::String as i32,
        s: value.as_bytes().to_vec(),
        ..Default::default()
    }
}

fn port(name: &str, shape: &[i64], kind: DataType) -> ValueInfoProto {
    let dim = shape.iter().map(|&size| tensor_shape_proto::Dimension {
        value: Some(if size > 0 {
            tensor_shape_proto::dimension::Value::DimValue(size)
        } else {
            tensor_shape_proto::dimension::Value::DimParam("N".into())
        }),
        ..Default::default()
    });
    ValueInfoProto {
        name: name.into(),
        r#type: Some(TypeProto {
            value: Some(type_proto::Value::TensorType(type_proto::Tensor {
                elem_type: kind as i32,
                shape: Some(TensorShapeProto { dim: dim.collect() }),
            })),
            ..Default::default()
        }),
        ..Default::default()
    }
}

impl Onnx {
    /// A model with one input `x`; sizes that are not positive are open.
    pub fn new(input: &[i64]) -> Onnx {
        Onnx {
            graph: GraphProto::default(),
            opset: 13,
        }
        .input("x", input)
    }

    /// Another input.
    pub fn input(mut self, name: &str, shape: &[i64]) -> Onnx {
        self.graph.input.push(port(name, shape, DataType::Float));
        self
    }

    /// Another version of the operators.
    pub fn opset(mut self, version: i64) -> Onnx {
        self.opset = version;
        self
    }

    /// A constant of small random numbers.
    pub fn weight(self, name: &str, shape: &[i64]) -> Onnx {
        let count = shape.iter().product::<i64>() as usize;
        let data = random(name.len() as u64 + count as u64, count, -1.0, 1.0);
        self.constant(name, shape, &data)
    }

    /// A constant.
    pub fn constant(mut self, name: &str, shape: &[i64], data: &[f32]) -> Onnx {
        self.graph.initializer.push(TensorProto {
            name: name.into(),
            dims: shape.to_vec(),
            data_type: DataType::Float as i32,
            float_data: data.to_vec(),
            ..Default::default()
        });
        self
    }

    /// A constant of integers.
    pub fn integers(mut self, name: &str, data: &[i64]) -> Onnx {
        self.graph.initializer.push(TensorProto {
            name: name.into(),
            dims: vec![data.len() as i64],
            data_type: DataType::Int64 as i32,
            int64_data: data.to_vec(),
            ..Default::default()
        });
        self
    }

    /// A node with one result, called like it.
    pub fn node(self, operator: &str, inputs: &[&str], output: &str, attributes: &[AttributeProto]) -> Onnx {
        self.node_of_many(operator, inputs, &[output], attributes)
    }

    /// A node, called like its first result.
    pub fn node_of_many(
        mut self,
        operator: &str,
        inputs: &[&str],
        outputs: &[&str],
        attributes: &[AttributeProto],
    ) -> Onnx {
        self.graph.node.push(NodeProto {
            name: outputs[0].into(),
            op_type: operator.into(),
            input: inputs.iter().map(|&input| input.into()).collect(),
            output: outputs.iter().map(|&output| output.into()).collect(),
            attribute: attributes.to_vec(),
            ..Default::default()
        });
        self
    }

    /// The file.
    pub fn bytes(&self, outputs: &[&str]) -> Vec<u8> {
        let mut graph = self.graph.clone();
        graph.name = "test".into();
        graph.output = outputs
            .iter()
            .map(|name| ValueInfoProto {
                name: (*name).into(),
                r#type: Some(TypeProto {
                    value: Some(type_proto::Value::TensorType(type_proto::Tensor {
                        elem_type: DataType::Float as i32,
                        shape: None,
                    })),
                    ..Default::default()
                }),
                ..Default::default()
            })
            .collect();
        let model = ModelProto {
            ir_version: 8,
            opset_import: vec![OperatorSetIdProto {
                domain: String::new(),
                version: self.opset,
            }],
            graph: Some(graph),
            ..Default::default()
        };
        model.encode_to_vec()
    }

    /// The parsed model; the last node's result is the output.
    pub fn model(&self) -> Model {
        let last = self.graph.node.last().expect("a model has nodes").output[0].clone();
        self.model_with(&[&last])
    }

    /// The parsed model with these outputs.
    pub fn model_with(&self, outputs: &[&str]) -> Model {
        Model::from_bytes("test", &self.bytes(outputs)).expect("the model is whole")
    }
}

/// Reproducible numbers between two.
pub fn random(seed: u64, count: usize, low: f32, high: f32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..count)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            low + (high - low) * ((state >> 40) as f32 / (1u64 << 24) as f32)
        })
        .collect()
}

/// Random samples.
pub fn samples(shape: &[usize], low: f32, high: f32) -> Array {
    let count = shape.iter().product();
    Array::new(shape.to_vec(), random(count as u64 + 7, count, low, high)).expect("as many as the shape says")
}

/// The plan's outputs on the integer oracle.
pub fn integer_outputs(compiled: &Compiled, inputs: &[Array]) -> Vec<Array> {
    let encoded = compiled.plan.encode(inputs).expect("samples are within the range");
    let trace = oracle::run(&compiled.plan, &compiled.parameters, &encoded);
    let excesses = trace.excesses(&compiled.plan);
    assert!(excesses.is_empty(), "values beyond their bounds: {excesses:?}");
    let revealed = trace.revealed(&compiled.plan);
    compiled.plan.decode(encoded.batch, &revealed).expect("decodes")
}

/// Compiles on a ring, with the inputs as calibration samples.
pub fn compiled(model: &Model, inputs: &[Array], ring: RingChoice) -> Result<Compiled, ImportError> {
    let options = Options {
        name: "test".into(),
        calibration: inputs.to_vec(),
        ring,
        ..Options::default()
    };
    compile(model, &options)
}

/// Compiles a model on a ring and compares every output with the front end's.
pub fn check_on(model: &Model, inputs: &[Array], ring: RingChoice, tolerance: f32) -> Compiled {
    let compiled = compiled(model, inputs, ring).unwrap_or_else(|error| panic!("{ring:?}: {error}"));
    let stated = FloatReference::new(model, inputs)
        .and_then(|reference| reference.run(inputs))
        .expect("runs in the clear");
    for (found, stated) in integer_outputs(&compiled, inputs).iter().zip(&stated) {
        assert_eq!(found.shape(), stated.shape());
        for (index, (found, stated)) in found.data().iter().zip(stated.data()).enumerate() {
            let error = (found - stated).abs();
            assert!(error <= tolerance, "{ring:?}: {found} for {stated} at {index}");
        }
    }
    compiled
}

/// Compiles a model on both rings and compares it with the front end; gives the plan for the wide one.
pub fn check(model: &Model, inputs: &[Array], tolerance: f32) -> Compiled {
    check_on(model, inputs, RingChoice::Narrow, tolerance.max(0.1));
    check_on(model, inputs, RingChoice::Wide, tolerance)
}
