//! Between the protocol's tensors and the model's arrays. Pure.

use std::collections::BTreeMap;

use tercet_client::{Answer, Description};
use tercet_open_inference::{Datatype, InferRequest, InferResponse, ModelMetadata, Parameter, Tensor, TensorMetadata};
use tercet_plan::{Array, Decode, EncodeError, Output, Plan};

use crate::error::GatewayError;
use crate::limits::{JSON_ELEMENT_BYTES_MAX, REQUEST_FRAME_BYTES_MAX};

/// Digits of a plan's digest that name a version.
const VERSION_DIGITS: usize = 16;

/// How a model is computed, as its metadata says it.
const PLATFORM: &str = "tercet_three_party";

/// The version of a model: the beginning of its plan's digest, so that a version never means two plans.
pub(crate) fn version(model: &Description) -> String {
    model.digest().to_string()[..VERSION_DIGITS].to_owned()
}

/// Whether `asked` names the version there is; nothing stands for any.
///
/// # Errors
/// It names another.
pub(crate) fn check_version(model: &Description, asked: Option<&str>) -> Result<(), GatewayError> {
    match asked.filter(|asked| !asked.is_empty()) {
        Some(asked) if asked != version(model) => Err(GatewayError::UnknownVersion {
            model: model.name().to_string(),
            served: version(model),
            asked: asked.chars().take(64).collect(),
        }),
        _ => Ok(()),
    }
}

/// What a model takes and gives.
pub(crate) fn metadata(model: &Description) -> ModelMetadata {
    let tensor = |name: &str, datatype, batched: bool, shape: &[u32]| TensorMetadata {
        name: name.to_owned(),
        datatype,
        shape: batched
            .then_some(-1)
            .into_iter()
            .chain(shape.iter().map(|&size| i64::from(size)))
            .collect(),
    };
    let plan = model.plan();
    let inputs = plan.inputs.iter();
    let outputs = plan.outputs.iter();
    ModelMetadata {
        name: model.name().to_string(),
        versions: vec![version(model)],
        platform: PLATFORM.to_owned(),
        inputs: inputs
            .map(|input| tensor(&input.name, Datatype::Fp32, input.batched, &input.shape))
            .collect(),
        outputs: outputs
            .map(|output| tensor(&output.name, datatype(output), output.batched, &output.shape))
            .collect(),
    }
}

fn datatype(output: &Output) -> Datatype {
    match output.decode {
        Decode::Label => Datatype::Int64,
        Decode::Identity | Decode::Sigmoid | Decode::Softmax { .. } | Decode::LogSoftmax { .. } => Datatype::Fp32,
    }
}

/// Bytes of the largest request about a model, whatever the encoding.
pub(crate) fn request_bytes_max(model: &Description) -> usize {
    let elements = model.plan().inputs.iter().map(|input| {
        let sample = input.shape.iter().map(|&size| size as usize).product::<usize>();
        let samples = if input.batched { model.batch_max() as usize } else { 1 };
        sample.saturating_mul(samples)
    });
    let elements = elements.fold(0_usize, usize::saturating_add);
    elements
        .saturating_mul(JSON_ELEMENT_BYTES_MAX)
        .saturating_add(REQUEST_FRAME_BYTES_MAX)
}

/// The request's inputs in the model's order.
///
/// # Errors
/// One is unknown or missing, or the model has no such output.
pub(crate) fn arrays(model: &Description, request: &mut InferRequest) -> Result<Vec<Array>, GatewayError> {
    let plan = model.plan();
    let is_input = |name: &str| plan.inputs.iter().any(|input| input.name == name);
    if let Some(tensor) = request.inputs.iter().find(|tensor| !is_input(&tensor.name)) {
        return Err(unknown(
            model,
            "input",
            &tensor.name,
            plan.inputs.iter().map(|input| input.name.as_str()),
        ));
    }
    let is_output = |name: &str| plan.outputs.iter().any(|output| output.name == name);
    if let Some(output) = request.outputs.iter().find(|output| !is_output(&output.name)) {
        let known = plan.outputs.iter().map(|output| output.name.as_str());
        return Err(unknown(model, "output", &output.name, known));
    }
    let array = |name: &str| {
        let tensor = request.inputs.iter_mut().find(|tensor| tensor.name == name);
        let tensor = tensor.ok_or_else(|| GatewayError::MissingInput {
            model: model.name().to_string(),
            name: name.to_owned(),
        })?;
        let shape = tensor
            .shape
            .iter()
            .map(|&size| usize::try_from(size).unwrap_or(usize::MAX));
        let array = Array::new(shape.collect(), std::mem::take(&mut tensor.elements));
        // A shape that fits its elements was read; whatever else is wrong with it, the model's own check says better.
        array.map_err(|mismatch| {
            GatewayError::Client(
                EncodeError::Shape {
                    input: name.to_owned(),
                    expected: "one that its elements fill".to_owned(),
                    found: mismatch.shape,
                }
                .into(),
            )
        })
    };
    plan.inputs.iter().map(|input| input.name.as_str()).map(array).collect()
}

fn unknown<'a>(
    model: &Description,
    kind: &'static str,
    name: &str,
    known: impl Iterator<Item = &'a str>,
) -> GatewayError {
    GatewayError::UnknownTensor {
        model: model.name().to_string(),
        kind,
        name: name.chars().take(64).collect(),
        known: known.collect::<Vec<_>>().join(", "),
    }
}

/// What the deployment answered, as the request asked for it.
pub(crate) fn response(model: &Description, request: &InferRequest, answer: Answer) -> InferResponse {
    let parameters = costs(&answer);
    let mut outputs: Vec<Option<Tensor>> = tensors(model.plan(), answer.outputs).map(Some).collect();
    let outputs = if request.outputs.is_empty() {
        outputs.into_iter().flatten().collect()
    } else {
        let names = request.outputs.iter().map(|output| output.name.as_str());
        let mut take = |name: &str| {
            let found = outputs
                .iter_mut()
                .find(|tensor| tensor.as_ref().is_some_and(|tensor| tensor.name == name));
            found.and_then(Option::take)
        };
        names.filter_map(&mut take).collect()
    };
    InferResponse {
        model: model.name().to_string(),
        version: version(model),
        parameters,
        outputs,
    }
}

fn tensors(plan: &Plan, arrays: Vec<Array>) -> impl Iterator<Item = Tensor> {
    plan.outputs.iter().zip(arrays).map(|(output, array)| Tensor {
        name: output.name.clone(),
        datatype: datatype(output),
        shape: array.shape().iter().map(|&size| size as u64).collect(),
        elements: array.into_data(),
    })
}

/// What the session cost, in whole numbers: not every client reads others.
fn costs(answer: &Answer) -> BTreeMap<String, Parameter> {
    let rounds = answer.report.parties.iter().map(|party| i64::from(party.rounds)).max();
    let sent = answer
        .report
        .parties
        .iter()
        .map(|party| party.online_bytes_sent + party.dealt_bytes_sent)
        .sum::<u64>();
    let count = |value: u64| Parameter::Int(i64::try_from(value).unwrap_or(i64::MAX));
    let micros = |time: std::time::Duration| count(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    BTreeMap::from([
        ("tercet_rounds".to_owned(), Parameter::Int(rounds.unwrap_or_default())),
        ("tercet_sent_bytes".to_owned(), count(sent)),
        ("tercet_queue_us".to_owned(), micros(answer.report.queue)),
        ("tercet_total_us".to_owned(), micros(answer.report.total)),
    ])
}
