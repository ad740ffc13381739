//! Between gRPC's messages and the protocol's requests and responses. Pure.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use tercet_open_inference::{
    Datatype, InferRequest, InferResponse, ModelMetadata, ModelState, Options, Parameter, RepositoryEntry,
    RequestError, RequestedOutput, Tensor, TensorMetadata,
};
use tonic::metadata::MetadataMap;

use super::messages::infer_parameter::ParameterChoice;
use super::messages::model_infer_request::InferInputTensor;
use super::messages::model_infer_response::InferOutputTensor;
use super::messages::repository_index_response::ModelIndex;
use super::messages::{
    InferParameter, InferTensorContents, ModelInferRequest, ModelInferResponse, ModelMetadataResponse,
    RepositoryIndexResponse, model_metadata_response,
};

/// The time the caller's deadline leaves, by the header that gRPC has for it: digits and a unit.
pub(super) fn deadline(metadata: &MetadataMap) -> Option<Duration> {
    let text = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count.saturating_mul(3600))),
        "M" => Some(Duration::from_secs(count.saturating_mul(60))),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

/// Reads a request, whose tensors are either all raw or all typed.
///
/// # Errors
/// What is wrong first.
pub(super) fn infer_request(
    request: ModelInferRequest,
    deadline: Option<Duration>,
) -> Result<InferRequest, RequestError> {
    let mut options = Options::from_parameters(&parameters(request.parameters))?;
    options.timeout = options.timeout.into_iter().chain(deadline).min();
    let raw = request.raw_input_contents;
    if !raw.is_empty() && raw.len() != request.inputs.len() {
        return Err(RequestError::RawTensors {
            inputs: request.inputs.len(),
            raw: raw.len(),
        });
    }
    let tensors = request.inputs.into_iter().enumerate();
    let inputs = tensors.map(|(index, input)| tensor(input, raw.get(index).map(Vec::as_slice)));
    let outputs = request.outputs.into_iter().map(|output| RequestedOutput {
        name: output.name,
        binary: None,
    });
    let request = InferRequest {
        id: (!request.id.is_empty()).then_some(request.id),
        options,
        inputs: inputs.collect::<Result<_, _>>()?,
        outputs: outputs.collect(),
        binary_output: true,
    };
    request.check_names()?;
    Ok(request)
}

fn tensor(input: InferInputTensor, raw: Option<&[u8]>) -> Result<Tensor, RequestError> {
    let datatype: Datatype = input.datatype.parse()?;
    let sizes = input.shape.iter().map(|&size| u64::try_from(size));
    let shape = sizes.collect::<Result<_, _>>();
    let shape: Vec<u64> = shape.map_err(|_| RequestError::Shape(input.name.clone()))?;
    match (raw, input.contents) {
        (Some(bytes), None) => Tensor::from_binary(input.name, datatype, shape, bytes),
        (None, Some(contents)) => Tensor::from_elements(input.name, datatype, shape, elements(datatype, contents)),
        _ => Err(RequestError::Data(input.name)),
    }
}

/// The elements of the field that a datatype is carried in.
fn elements(datatype: Datatype, contents: InferTensorContents) -> Vec<f32> {
    fn of<T>(values: Vec<T>, convert: impl Fn(T) -> f32) -> Vec<f32> {
        values.into_iter().map(convert).collect()
    }
    match datatype {
        Datatype::Bool => of(contents.bool_contents, |value| f32::from(u8::from(value))),
        Datatype::Int8 | Datatype::Int16 | Datatype::Int32 => of(contents.int_contents, |value| value as f32),
        Datatype::Int64 => of(contents.int64_contents, |value| value as f32),
        Datatype::Uint8 | Datatype::Uint16 | Datatype::Uint32 => of(contents.uint_contents, |value| value as f32),
        Datatype::Uint64 => of(contents.uint64_contents, |value| value as f32),
        Datatype::Fp64 => of(contents.fp64_contents, |value| value as f32),
        Datatype::Fp32 => contents.fp32_contents,
        // They come raw only.
        Datatype::Fp16 | Datatype::Bf16 => Vec::new(),
    }
}

fn parameters(parameters: HashMap<String, InferParameter>) -> BTreeMap<String, Parameter> {
    let value = |parameter: InferParameter| {
        Some(match parameter.parameter_choice? {
            ParameterChoice::BoolParam(value) => Parameter::Bool(value),
            ParameterChoice::Int64Param(value) => Parameter::Int(value),
            ParameterChoice::StringParam(value) => Parameter::Text(value),
            ParameterChoice::DoubleParam(value) => Parameter::Number(value),
            ParameterChoice::Uint64Param(value) => Parameter::Uint(value),
        })
    };
    let known = parameters
        .into_iter()
        .filter_map(|(name, parameter)| Some((name, value(parameter)?)));
    known.collect()
}

/// The answer, with raw tensors, which all clients read.
pub(super) fn infer_response(response: &InferResponse, id: Option<String>) -> ModelInferResponse {
    let choice = |parameter: &Parameter| match parameter {
        Parameter::Bool(value) => ParameterChoice::BoolParam(*value),
        Parameter::Int(value) => ParameterChoice::Int64Param(*value),
        Parameter::Uint(value) => ParameterChoice::Uint64Param(*value),
        Parameter::Number(value) => ParameterChoice::DoubleParam(*value),
        Parameter::Text(value) => ParameterChoice::StringParam(value.clone()),
    };
    let parameter = |(name, value): (&String, &Parameter)| {
        let parameter_choice = Some(choice(value));
        (name.clone(), InferParameter { parameter_choice })
    };
    let output = |tensor: &Tensor| InferOutputTensor {
        name: tensor.name.clone(),
        datatype: tensor.datatype.name().to_owned(),
        shape: tensor
            .shape
            .iter()
            .map(|&size| i64::try_from(size).unwrap_or(i64::MAX))
            .collect(),
        parameters: HashMap::new(),
        contents: None,
    };
    ModelInferResponse {
        model_name: response.model.clone(),
        model_version: response.version.clone(),
        id: id.unwrap_or_default(),
        parameters: response.parameters.iter().map(parameter).collect(),
        outputs: response.outputs.iter().map(output).collect(),
        raw_output_contents: response.outputs.iter().map(Tensor::to_bytes).collect(),
    }
}

pub(super) fn model_metadata(metadata: ModelMetadata) -> ModelMetadataResponse {
    let tensor = |tensor: TensorMetadata| model_metadata_response::TensorMetadata {
        name: tensor.name,
        datatype: tensor.datatype.name().to_owned(),
        shape: tensor.shape,
    };
    ModelMetadataResponse {
        name: metadata.name,
        versions: metadata.versions,
        platform: metadata.platform,
        inputs: metadata.inputs.into_iter().map(tensor).collect(),
        outputs: metadata.outputs.into_iter().map(tensor).collect(),
    }
}

pub(super) fn model_index(entries: Vec<RepositoryEntry>, ready_only: bool) -> RepositoryIndexResponse {
    let entries = entries
        .into_iter()
        .filter(|entry| !ready_only || entry.state == ModelState::Ready);
    let models = entries.map(|entry| ModelIndex {
        name: entry.name,
        version: entry.version,
        state: entry.state.name().to_owned(),
        reason: entry.reason,
    });
    RepositoryIndexResponse {
        models: models.collect(),
    }
}
