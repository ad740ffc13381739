use std::collections::HashSet;

use serde::Deserialize;

use crate::datatype::Datatype;
use crate::elements::Elements;
use crate::error::RequestError;
use crate::parameters::{Options, Parameters, count, switch};
use crate::tensor::Tensor;

/// An inference request.
#[derive(Clone, PartialEq, Debug)]
pub struct InferRequest {
    /// The client's name for it, to be echoed.
    pub id: Option<String>,
    /// Deadline and priority.
    pub options: Options,
    /// The inputs, in the client's order, every one with as many elements as its shape says.
    pub inputs: Vec<Tensor>,
    /// The outputs that are wanted; none stands for all.
    pub outputs: Vec<RequestedOutput>,
    /// Whether outputs that do not say so themselves travel as binary data.
    pub binary_output: bool,
}

/// An output that a client asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestedOutput {
    /// The model's name of it.
    pub name: String,
    /// Whether it travels as binary data, if the client says so.
    pub binary: Option<bool>,
}

// Unknown fields are ignored: clients send some that the protocol does not name.
#[derive(Deserialize)]
struct JsonRequest {
    id: Option<String>,
    #[serde(default)]
    parameters: Parameters,
    inputs: Vec<JsonInput>,
    #[serde(default)]
    outputs: Vec<JsonOutput>,
}

#[derive(Deserialize)]
struct JsonInput {
    name: String,
    shape: Vec<u64>,
    datatype: String,
    #[serde(default)]
    parameters: Parameters,
    data: Option<Elements>,
}

#[derive(Deserialize)]
struct JsonOutput {
    name: String,
    #[serde(default)]
    parameters: Parameters,
}

impl InferRequest {
    /// Reads the body of a REST request. `json_length` is the value of the header `Inference-Header-Content-Length`, which is there if
    /// binary tensors follow the JSON part.
    ///
    /// # Errors
    /// What is wrong first.
    pub fn from_rest(body: &[u8], json_length: Option<&str>) -> Result<InferRequest, RequestError> {
        let (json, binary) = match json_length {
            None => (body, &[][..]),
            Some(stated) => {
                let length = stated.trim().parse().ok();
                let split = length.and_then(|length| body.split_at_checked(length));
                split.ok_or_else(|| RequestError::HeaderLength {
                    stated: stated.chars().take(20).collect(),
                    body: body.len(),
                })?
            }
        };
        let request: JsonRequest = serde_json::from_slice(json).map_err(|error| json_error(&error))?;
        let options = Options::from_parameters(&request.parameters)?;
        let binary_output = switch(&request.parameters, "binary_data_output")?.unwrap_or(false);
        let sizes = request
            .inputs
            .iter()
            .map(|input| count(&input.parameters, "binary_data_size"));
        let stated = sizes.sum::<Result<u64, _>>()?;
        if stated != binary.len() as u64 {
            return Err(RequestError::BodyLength {
                expected: stated,
                found: binary.len() as u64,
            });
        }
        let mut rest = binary;
        let mut inputs = Vec::with_capacity(request.inputs.len());
        for input in request.inputs {
            inputs.push(input.into_tensor(&mut rest)?);
        }
        let outputs = request.outputs.into_iter().map(|output| {
            Ok(RequestedOutput {
                binary: switch(&output.parameters, "binary_data")?,
                name: output.name,
            })
        });
        let request = InferRequest {
            id: request.id,
            options,
            inputs,
            outputs: outputs.collect::<Result<_, RequestError>>()?,
            binary_output,
        };
        request.check_names()?;
        Ok(request)
    }

    /// Whether no input and no output is named twice.
    ///
    /// # Errors
    /// The first name that is.
    pub fn check_names(&self) -> Result<(), RequestError> {
        let inputs = self.inputs.iter().map(|input| input.name.as_str());
        let outputs = self.outputs.iter().map(|output| output.name.as_str());
        once(inputs).and_then(|()| once(outputs))
    }

    /// Whether an output travels as binary data.
    pub(crate) fn is_binary(&self, output: &str) -> bool {
        let named = self.outputs.iter().find(|requested| requested.name == output);
        named
            .and_then(|requested| requested.binary)
            .unwrap_or(self.binary_output)
    }
}

fn once<'a>(mut names: impl Iterator<Item = &'a str>) -> Result<(), RequestError> {
    let mut seen = HashSet::new();
    match names.find(|name| !seen.insert(*name)) {
        Some(name) => Err(RequestError::Twice(name.to_owned())),
        None => Ok(()),
    }
}

impl JsonInput {
    /// The tensor, whose binary data, if it has any, is taken from the front of `rest`.
    fn into_tensor(self, rest: &mut &[u8]) -> Result<Tensor, RequestError> {
        let datatype: Datatype = self.datatype.parse()?;
        let is_binary = self.parameters.contains_key("binary_data_size");
        match (self.data, is_binary) {
            (Some(mut data), false) => {
                Tensor::from_elements(self.name, datatype, self.shape, std::mem::take(&mut data.0))
            }
            (None, true) => {
                let size = count(&self.parameters, "binary_data_size")?;
                // The sizes of all inputs were checked to add up to what is there.
                let (bytes, after) = rest.split_at(usize::try_from(size).unwrap_or(usize::MAX).min(rest.len()));
                *rest = after;
                Tensor::from_binary(self.name, datatype, self.shape, bytes)
            }
            _ => Err(RequestError::Data(self.name)),
        }
    }
}

/// What a JSON reader says without what it read: its messages repeat values where a type is wrong.
fn json_error(error: &serde_json::Error) -> RequestError {
    use serde_json::error::Category;
    let what = match error.classify() {
        Category::Eof => "it ends too early",
        Category::Io | Category::Syntax => "it is malformed",
        Category::Data => "a field is missing or of the wrong type",
    };
    RequestError::Json(format!("{what} (line {}, column {})", error.line(), error.column()))
}
