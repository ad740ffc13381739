use serde::Serialize;
use std::collections::BTreeMap;

use crate::elements::Flat;
use crate::parameters::Parameter;
use crate::request::InferRequest;
use crate::tensor::Tensor;

/// An inference response.
#[derive(Clone, PartialEq, Debug)]
pub struct InferResponse {
    /// The model.
    pub model: String,
    /// Its version.
    pub version: String,
    /// What the session cost.
    pub parameters: BTreeMap<String, Parameter>,
    /// The outputs, in the order they were asked for.
    pub outputs: Vec<Tensor>,
}

/// The body of a REST response.
#[derive(Clone, PartialEq, Eq)]
pub struct ResponseBody {
    /// JSON, and what follows it.
    pub bytes: Vec<u8>,
    /// Bytes of the JSON part if binary tensors follow it: the value of the header `Inference-Header-Content-Length`.
    pub json_length: Option<usize>,
}

#[derive(Serialize)]
struct JsonResponse<'a> {
    // Clients read it although the protocol lets a server leave it out.
    model_name: &'a str,
    model_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    parameters: &'a BTreeMap<String, Parameter>,
    outputs: Vec<JsonOutput<'a>>,
}

#[derive(Serialize)]
struct JsonOutput<'a> {
    name: &'a str,
    shape: &'a [u64],
    datatype: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<BinarySize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Flat<'a>>,
}

#[derive(Serialize)]
struct BinarySize {
    binary_data_size: usize,
}

impl InferResponse {
    /// The body that answers `request`: each output in the encoding that was asked for.
    pub fn to_rest(&self, request: &InferRequest) -> ResponseBody {
        let mut binary = Vec::new();
        let outputs = self.outputs.iter().map(|output| {
            let bytes = request.is_binary(&output.name).then(|| output.to_bytes());
            let parameters = bytes.as_ref().map(|bytes| BinarySize {
                binary_data_size: bytes.len(),
            });
            let data = bytes.is_none().then_some(Flat {
                datatype: output.datatype,
                elements: &output.elements,
            });
            binary.extend(bytes.into_iter().flatten());
            JsonOutput {
                name: &output.name,
                shape: &output.shape,
                datatype: output.datatype.name(),
                parameters,
                data,
            }
        });
        let response = JsonResponse {
            model_name: &self.model,
            model_version: &self.version,
            id: request.id.as_deref(),
            parameters: &self.parameters,
            outputs: outputs.collect(),
        };
        let mut bytes = serde_json::to_vec(&response).expect("names, numbers and text are always JSON");
        let is_binary = self.outputs.iter().any(|output| request.is_binary(&output.name));
        let json_length = is_binary.then_some(bytes.len());
        bytes.append(&mut binary);
        ResponseBody { bytes, json_length }
    }
}
