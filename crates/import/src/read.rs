//! An ONNX file as it is: its inputs, outputs and nodes, before anything is made of it.

use std::collections::HashSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{ModelProto, ValueInfoProto, tensor_shape_proto, type_proto};
use tract_onnx::prelude::*;

use crate::error::ImportError;

/// A parsed ONNX model.
#[derive(Clone)]
pub struct Model {
    pub(crate) proto: Arc<ModelProto>,
    /// Where tensors that are stored beside the file are looked for.
    pub(crate) directory: Option<String>,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
}

/// An input or output as the file declares it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Port {
    /// The name.
    pub name: String,
    /// Sizes of the axes; `None` where the file leaves them open.
    pub shape: Vec<Option<usize>>,
    /// Whether the first axis is the batch: open, or of size one.
    pub batched: bool,
    /// Whether the numbers are whole.
    pub whole: bool,
}

impl Model {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ImportError::Unreadable`] or [`ImportError::Malformed`].
    pub fn read(path: &Path) -> Result<Model, ImportError> {
        let bytes = std::fs::read(path).map_err(|cause| ImportError::Unreadable {
            path: path.display().to_string(),
            cause: cause.to_string(),
        })?;
        let mut model = Model::from_bytes(&path.display().to_string(), &bytes)?;
        model.directory = path.parent().and_then(Path::to_str).map(str::to_owned);
        Ok(model)
    }

    /// Parses the bytes of a file; `name` is for messages.
    ///
    /// # Errors
    /// [`ImportError::Malformed`].
    pub fn from_bytes(name: &str, bytes: &[u8]) -> Result<Model, ImportError> {
        let malformed = |cause: String| ImportError::Malformed {
            name: name.to_owned(),
            cause,
        };
        let proto = onnx()
            .proto_model_for_read(&mut &bytes[..])
            .map_err(|cause| malformed(root_cause(&cause)))?;
        let graph = proto
            .graph
            .as_ref()
            .ok_or_else(|| malformed("it has no graph".to_owned()))?;
        if graph.node.is_empty() || graph.output.is_empty() {
            return Err(malformed("its graph is empty".to_owned()));
        }
        let constants: HashSet<&str> = graph.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
        let inputs = graph
            .input
            .iter()
            .filter(|input| !constants.contains(input.name.as_str()));
        let inputs = inputs
            .map(|input| port(input).map_err(malformed))
            .collect::<Result<_, _>>()?;
        let outputs = graph
            .output
            .iter()
            .map(|output| port(output).map_err(malformed))
            .collect::<Result<_, _>>()?;
        let results = graph.node.iter().flat_map(|node| &node.output);
        let mut defined: HashSet<&str> = results.map(String::as_str).collect();
        defined.extend(&constants);
        defined.extend(graph.input.iter().map(|input| input.name.as_str()));
        if let Some(output) = graph
            .output
            .iter()
            .find(|output| !defined.contains(output.name.as_str()))
        {
            return Err(malformed(format!("nothing defines its output `{}`", output.name)));
        }
        Ok(Model {
            proto: Arc::new(proto),
            directory: None,
            inputs,
            outputs,
        })
    }

    /// What the model takes, in its order.
    pub fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    /// What the model gives, in its order.
    pub fn outputs(&self) -> &[Port] {
        &self.outputs
    }
}

fn port(info: &ValueInfoProto) -> Result<Port, String> {
    let value = info.r#type.as_ref().and_then(|kind| kind.value.as_ref());
    let Some(type_proto::Value::TensorType(tensor)) = value else {
        return Err(format!("`{}` is not a tensor", info.name));
    };
    let kind = DataType::try_from(tensor.elem_type).unwrap_or(DataType::Undefined);
    if matches!(kind, DataType::String | DataType::Complex64 | DataType::Complex128) {
        return Err(format!("`{}` holds {}, not numbers", info.name, kind.as_str_name()));
    }
    let axes = tensor.shape.iter().flat_map(|shape| &shape.dim);
    let shape: Vec<Option<usize>> = axes
        .map(|axis| match axis.value {
            Some(tensor_shape_proto::dimension::Value::DimValue(size)) => usize::try_from(size).ok().filter(|&s| s > 0),
            _ => None,
        })
        .collect();
    let batched = shape.first().is_some_and(|size| size.is_none_or(|size| size == 1));
    Ok(Port {
        name: info.name.clone(),
        shape,
        batched,
        whole: !matches!(
            kind,
            DataType::Undefined | DataType::Float | DataType::Double | DataType::Float16 | DataType::Bfloat16
        ),
    })
}

impl Port {
    /// The whole shape with batch one, open sizes taken from a sample array if there is one.
    ///
    /// # Errors
    /// [`ImportError::OpenShape`] without a sample, [`ImportError::SampleShape`] if it does not fit.
    pub(crate) fn shape_at_batch_one(&self, sample: Option<&[usize]>) -> Result<Vec<usize>, ImportError> {
        let mut shape = self.shape.clone();
        if let Some(found) = sample {
            let fits =
                found.len() == shape.len()
                    && shape.iter().zip(found).enumerate().all(|(axis, (size, &found))| {
                        (axis == 0 && self.batched) || size.is_none_or(|size| size == found)
                    });
            if !fits {
                return Err(ImportError::SampleShape {
                    input: self.name.clone(),
                    expected: self.shape_text(),
                    found: found.to_vec(),
                });
            }
            shape = found.iter().copied().map(Some).collect();
        }
        if self.batched {
            shape[0] = Some(1);
        }
        let whole: Option<Vec<usize>> = shape.into_iter().collect();
        whole.ok_or_else(|| ImportError::OpenShape {
            input: self.name.clone(),
            shape: self.shape_text(),
        })
    }

    /// The shape as people write it.
    pub(crate) fn shape_text(&self) -> String {
        let sizes: Vec<String> = self
            .shape
            .iter()
            .map(|size| size.map_or_else(|| "?".to_owned(), |size| size.to_string()))
            .collect();
        format!("[{}]", sizes.join(", "))
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Model({:?} -> {:?})", self.inputs, self.outputs)
    }
}

/// Runs the front end on what may be a damaged model, which it can panic on. A panic is an error of the model.
pub(crate) fn guarded<T>(run: impl FnOnce() -> TractResult<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(result) => result.map_err(|cause| describe(&cause)),
        Err(_) => Err("the front end stumbles over it".to_owned()),
    }
}

/// Where and why, in one line.
pub(crate) fn describe(error: &TractError) -> String {
    let chain: Vec<String> = error
        .chain()
        .map(|cause| cause.to_string().replace('\n', " "))
        .collect();
    match (chain.first(), chain.last()) {
        (Some(first), Some(last)) if first != last => format!("{first}: {last}"),
        (Some(first), _) => first.clone(),
        _ => String::new(),
    }
}

/// The innermost reason of a front end's error, in one line.
pub(crate) fn root_cause(error: &TractError) -> String {
    error
        .root_cause()
        .to_string()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}
