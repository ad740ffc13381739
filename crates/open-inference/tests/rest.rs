//! Requests and responses as clients send and read them.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use tercet_open_inference::{Datatype, InferRequest, InferResponse, Parameter, RequestError, RequestedOutput, Tensor};

fn read(request: &Value) -> Result<InferRequest, RequestError> {
    InferRequest::from_rest(request.to_string().as_bytes(), None)
}

/// A JSON part with binary tensors after it.
fn with_binary(request: &Value, binary: &[u8]) -> Result<InferRequest, RequestError> {
    let mut body = request.to_string().into_bytes();
    let length = body.len().to_string();
    body.extend_from_slice(binary);
    InferRequest::from_rest(&body, Some(&length))
}

fn input(data: Value) -> Value {
    json!({"inputs": [{"name": "x", "shape": [2, 2], "datatype": "FP32", "data": data}]})
}

#[test]
fn data_may_be_nested_or_flat_and_of_any_number_type() {
    for data in [
        json!([[1, -2.5], [true, 0]]),
        json!([1, -2.5, true, 0]),
        json!([[[1, -2.5, true]], [0]]),
    ] {
        let request = read(&input(data)).expect("good");
        let [tensor] = &request.inputs[..] else {
            panic!("one input")
        };
        assert_eq!(
            (tensor.shape.as_slice(), tensor.elements.as_slice()),
            (&[2, 2][..], &[1.0, -2.5, 1.0, 0.0][..])
        );
        assert_eq!(
            (request.id, request.binary_output, request.outputs),
            (None, false, vec![])
        );
    }
}

#[test]
fn unknown_fields_are_ignored_and_known_parameters_read() {
    let mut request = input(json!([1, 2, 3, 4]));
    request["model_name"] = json!("digits");
    request["id"] = json!("4711");
    request["parameters"] =
        json!({"timeout": 250_000, "priority": 2, "mine": "text", "sequence_id": 0, "binary_data_output": true});
    request["outputs"] = json!([{"name": "a", "parameters": {"binary_data": false}}, {"name": "b"}]);
    let request = read(&request).expect("good");
    assert_eq!(request.id.as_deref(), Some("4711"));
    assert_eq!(
        (request.options.timeout, request.options.priority),
        (Some(Duration::from_millis(250)), 2)
    );
    let output = |name: &str, binary| RequestedOutput {
        name: name.to_owned(),
        binary,
    };
    assert_eq!(request.outputs, [output("a", Some(false)), output("b", None)]);
    assert!(request.binary_output);
}

#[test]
fn binary_tensors_follow_in_the_order_of_the_inputs() {
    let request = json!({"inputs": [
        {"name": "a", "shape": [2], "datatype": "INT16", "parameters": {"binary_data_size": 4}},
        {"name": "b", "shape": [1], "datatype": "FP32", "data": [7]},
        {"name": "c", "shape": [1, 2], "datatype": "FP16", "parameters": {"binary_data_size": 4}},
    ]});
    let read = with_binary(&request, &[1, 0, 0xff, 0xff, 0x00, 0x3c, 0x00, 0xbc]).expect("good");
    let elements: Vec<&[f32]> = read.inputs.iter().map(|tensor| tensor.elements.as_slice()).collect();
    assert_eq!(elements, [&[1.0, -1.0][..], &[7.0], &[1.0, -1.0]]);
}

#[test]
fn what_is_wrong_is_named() {
    let change = |at: &str, to: Value| {
        let mut request = input(json!([1, 2, 3, 4]));
        *request.pointer_mut(at).expect("a place") = to;
        read(&request).expect_err("refused")
    };
    let x = || "x".to_owned();
    assert_eq!(
        change("/inputs/0/datatype", json!("FP33")),
        RequestError::Datatype("FP33".to_owned())
    );
    assert_eq!(
        change("/inputs/0/datatype", json!("BYTES")),
        RequestError::Datatype("BYTES".to_owned())
    );
    assert_eq!(
        change("/inputs/0/datatype", json!("FP16")),
        RequestError::BinaryOnly(x())
    );
    let elements = RequestError::Elements {
        input: x(),
        expected: 6,
        found: 4,
    };
    assert_eq!(change("/inputs/0/shape", json!([2, 3])), elements);
    let huge = json!([u64::MAX, 2]);
    assert_eq!(change("/inputs/0/shape", huge), RequestError::Shape(x()));
    assert!(matches!(
        change("/inputs/0/shape", json!([-1, 4])),
        RequestError::Json(_)
    ));
    assert!(matches!(change("/inputs", json!(3)), RequestError::Json(_)));

    let twice = json!({"inputs": [
        {"name": "x", "shape": [1], "datatype": "FP32", "data": [1]},
        {"name": "x", "shape": [1], "datatype": "FP32", "data": [1]},
    ]});
    assert_eq!(read(&twice).err(), Some(RequestError::Twice(x())));
    let nothing = json!({"inputs": [{"name": "x", "shape": [1], "datatype": "FP32"}]});
    assert_eq!(read(&nothing).err(), Some(RequestError::Data(x())));
    let mut both = nothing.clone();
    both["inputs"][0]["data"] = json!([1]);
    both["inputs"][0]["parameters"] = json!({"binary_data_size": 4});
    assert_eq!(with_binary(&both, &[0; 4]).err(), Some(RequestError::Data(x())));

    for (name, value) in [
        ("timeout", json!(-1)),
        ("timeout", json!("soon")),
        ("priority", json!(0.5)),
    ] {
        let mut request = input(json!([1, 2, 3, 4]));
        request["parameters"] = json!({ name: value });
        assert!(matches!(read(&request), Err(RequestError::Parameter { name: found, .. }) if found == name));
    }
    let mut sequence = input(json!([1, 2, 3, 4]));
    sequence["parameters"] = json!({"sequence_id": 5});
    assert_eq!(
        read(&sequence).err(),
        Some(RequestError::UnsupportedParameter("sequence_id".to_owned()))
    );
}

#[test]
fn binary_sizes_have_to_fit_the_shape_and_the_body() {
    let request = |size: Value| {
        json!({"inputs": [
            {"name": "x", "shape": [2], "datatype": "FP32", "parameters": {"binary_data_size": size}},
        ]})
    };
    let body = |expected, found| Some(RequestError::BodyLength { expected, found });
    assert_eq!(with_binary(&request(json!(8)), &[0; 7]).err(), body(8, 7));
    assert_eq!(with_binary(&request(json!(8)), &[0; 9]).err(), body(8, 9));
    let size = RequestError::BinarySize {
        input: "x".to_owned(),
        expected: 8,
        found: 4,
    };
    assert_eq!(with_binary(&request(json!(4)), &[0; 4]).err(), Some(size));
    for stated in ["-1", "many", "100000", ""] {
        let refused = InferRequest::from_rest(b"{}", Some(stated)).expect_err("refused");
        assert!(
            matches!(refused, RequestError::HeaderLength { body: 2, .. }),
            "{refused}"
        );
    }
}

#[test]
fn no_error_repeats_a_value() {
    for data in [
        json!(["4711.5", 1, 2, 3]),
        json!({"secret": 4711}),
        json!([[4711, null]]),
    ] {
        let refused = read(&input(data)).expect_err("refused").to_string();
        assert!(!refused.contains("4711") && !refused.contains("secret"), "{refused}");
    }
}

fn response() -> InferResponse {
    let tensor = |name: &str, datatype, elements: Vec<f32>| Tensor {
        name: name.to_owned(),
        datatype,
        shape: vec![1, elements.len() as u64],
        elements,
    };
    InferResponse {
        model: "digits".to_owned(),
        version: "1".to_owned(),
        parameters: BTreeMap::from([("tercet_rounds".to_owned(), Parameter::Int(15))]),
        outputs: vec![
            tensor("scores", Datatype::Fp32, vec![0.5, -1.0]),
            tensor("label", Datatype::Int64, vec![7.0]),
        ],
    }
}

#[test]
fn a_response_in_json_echoes_the_id_and_has_flat_data() {
    let mut request = read(&input(json!([1, 2, 3, 4]))).expect("good");
    request.id = Some("4711".to_owned());
    let body = response().to_rest(&request);
    assert_eq!(body.json_length, None);
    let expected = json!({
        "model_name": "digits", "model_version": "1", "id": "4711", "parameters": {"tercet_rounds": 15},
        "outputs": [
            {"name": "scores", "shape": [1, 2], "datatype": "FP32", "data": [0.5, -1.0]},
            {"name": "label", "shape": [1, 1], "datatype": "INT64", "data": [7]},
        ],
    });
    assert_eq!(serde_json::from_slice::<Value>(&body.bytes).expect("JSON"), expected);
}

#[test]
fn outputs_travel_as_they_were_asked_for() {
    let mut request = read(&input(json!([1, 2, 3, 4]))).expect("good");
    request.binary_output = true;
    request.outputs = vec![RequestedOutput {
        name: "label".to_owned(),
        binary: Some(false),
    }];
    let body = response().to_rest(&request);
    let length = body.json_length.expect("binary data");
    let head: Value = serde_json::from_slice(&body.bytes[..length]).expect("JSON");
    assert_eq!(head["outputs"][0]["parameters"]["binary_data_size"], 8);
    assert!(head["outputs"][0]["data"].is_null());
    assert_eq!(head["outputs"][1]["data"], json!([7]));
    assert_eq!(body.bytes[length..], [0, 0, 0, 0x3f, 0, 0, 0x80, 0xbf]);
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_refused_or_read(body: Vec<u8>, stated in proptest::option::of("[0-9]{0,4}")) {
        // Whatever comes, there is an answer.
        let _ = InferRequest::from_rest(&body, stated.as_deref());
    }

    #[test]
    fn numbers_survive_json_and_binary(elements in prop::collection::vec(-1e6_f32..1e6, 1..40)) {
        let shape = [elements.len()];
        let json = json!({"inputs": [{"name": "x", "shape": shape, "datatype": "FP32", "data": &elements}]});
        prop_assert_eq!(&read(&json).expect("good").inputs[0].elements, &elements);
        let bytes: Vec<u8> = elements.iter().flat_map(|element| element.to_le_bytes()).collect();
        let size = json!({"binary_data_size": bytes.len()});
        let json = json!({"inputs": [{"name": "x", "shape": shape, "datatype": "FP32", "parameters": size}]});
        prop_assert_eq!(&with_binary(&json, &bytes).expect("good").inputs[0].elements, &elements);
    }
}
