//! What people get wrong: one clear sentence, the documented exit code, and nothing on standard output.

use std::fs;
use std::path::Path;

use tempfile::TempDir;
use tercet_plan::Array;
use tercet_wire::{Load, Opaque, decode, encode};

use crate::harness::{Local, array_file, model, model_file, samples, tercet};

const MODEL: &str = "credit_mlp";
/// Numbers of one sample of it.
const WIDTH: usize = 26;
/// Exit codes, as documented.
const USAGE: i32 = 2;
const CONFIGURATION: i32 = 3;
const MODEL_FAULT: i32 = 4;
const INPUT: i32 = 5;

/// Fails a command, and checks that its sentence is one line that has all of `words`.
fn fails(arguments: &[&str], code: i32, words: &[&str]) {
    let outcome = tercet(arguments);
    let sentence = outcome.sentence(code);
    assert!(sentence.len() > 20 && sentence.len() < 1000, "{sentence}");
    for word in words {
        assert!(sentence.contains(word), "`{word}` is not in: {sentence}");
    }
}

fn written(directory: &TempDir, name: &str, bytes: &[u8]) -> String {
    let path = directory.path().join(name);
    fs::write(&path, bytes).expect("written");
    path.display().to_string()
}

#[test]
fn inputs_that_do_not_fit_the_model_never_leave_the_client() {
    let local = Local::start();
    local.deploy(MODEL, MODEL);
    let client = local.client();
    let asks = |input: &str, code: i32, words: &[&str]| {
        fails(
            &["infer", "--config", &client, "--model", MODEL, "--input", input],
            code,
            words,
        );
    };
    let ask_array = |shape: &[usize], change: fn(&mut Vec<f32>), words: &[&str]| {
        let mut data = vec![0.0; shape.iter().product()];
        change(&mut data);
        let file = array_file(&Array::new(shape.to_vec(), data).expect("an array"));
        asks(&file.path().display().to_string(), INPUT, words);
    };
    ask_array(&[2, WIDTH + 1], |_| (), &["`x`", "shape", "27"]);
    ask_array(&[0, WIDTH], |_| (), &["`x`", "0 samples"]);
    ask_array(
        &[2, WIDTH],
        |data| data[WIDTH + 3] = f32::NAN,
        &["`x`", "[1, 3]", "not a number"],
    );
    ask_array(&[2, WIDTH], |data| data[WIDTH + 3] = f32::INFINITY, &["`x`", "[1, 3]"]);
    ask_array(&[2, WIDTH], |data| data[5] = -1e9, &["`x`", "[0, 5]", "-1000000000"]);

    let directory = tempfile::tempdir().expect("a directory");
    let header = |dtype: &str| {
        let text = format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': (1, {WIDTH}), }}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((text.len() as u16).to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes
    };
    let complex = [header("<c8"), vec![0; 8 * WIDTH]].concat();
    asks(
        &written(&directory, "complex.npy", &complex),
        INPUT,
        &["<c8", "float32"],
    );
    let cut = [header("<f4"), vec![0; 4 * WIDTH - 1]].concat();
    asks(
        &written(&directory, "cut.npy", &cut),
        INPUT,
        &["cut.npy", "not a whole .npy"],
    );
    asks(
        &written(&directory, "text.npy", b"hello"),
        INPUT,
        &["text.npy", "not a whole .npy"],
    );
    asks("/nowhere/x.npy", INPUT, &["/nowhere/x.npy", "cannot read"]);

    let unknown = [
        "infer",
        "--config",
        &client,
        "--model",
        "nothing",
        "--input",
        &samples(MODEL),
    ];
    fails(&unknown, INPUT, &["no model nothing"]);
    let malformed = [
        "infer",
        "--config",
        &client,
        "--model",
        "../x",
        "--input",
        &samples(MODEL),
    ];
    fails(&malformed, INPUT, &["../x", "can't name a model"]);
    let twice = [
        "infer",
        "--config",
        &client,
        "--model",
        MODEL,
        "--input",
        &samples(MODEL),
        "--input",
        "y.npy",
    ];
    fails(&twice, USAGE, &["y.npy", "one too many"]);
    // After all that, it serves.
    local.infer(MODEL, &samples(MODEL));
}

#[test]
fn models_that_can_not_be_imported_say_why() {
    let directory = tempfile::tempdir().expect("a directory");
    let input = samples(MODEL);
    let runs = |model: &str, words: &[&str]| {
        fails(&["run", model, "--input", &input], MODEL_FAULT, words);
        fails(&["verify", model, "--input", &input], MODEL_FAULT, words);
        fails(&["plan", model, "--calibration", &input], MODEL_FAULT, words);
    };
    let whole = fs::read(model(MODEL)).expect("a model");
    runs(
        &written(&directory, "cut.onnx", &whole[..whole.len() / 2]),
        &["not a whole ONNX model"],
    );
    runs(
        &written(&directory, "text.onnx", b"this is no model at all"),
        &["not a whole ONNX model"],
    );
    runs(&written(&directory, "empty.onnx", b""), &["empty.onnx"]);
    runs("/nowhere/model.onnx", &["/nowhere/model.onnx", "cannot read"]);
}

#[test]
fn every_operator_that_is_not_supported_is_listed() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut bytes = fs::read(model(MODEL)).expect("a model");
    // A node's operator is field 4 of its message, a string; this one has as many letters.
    let (known, unknown) = (b"\x22\x04Relu", b"\x22\x04Sinh");
    let places: Vec<usize> = (0..bytes.len() - known.len())
        .filter(|&at| bytes[at..].starts_with(known))
        .collect();
    assert!(places.len() >= 2, "the model has several");
    for &at in &places {
        bytes[at..at + known.len()].copy_from_slice(unknown);
    }
    let path = written(&directory, "model.onnx", &bytes);
    let outcome = tercet(&["plan", &path, "--calibration", &samples(MODEL)]);
    assert_eq!((outcome.code, outcome.out.as_str()), (Some(MODEL_FAULT), ""));
    assert_eq!(outcome.err.matches("Sinh").count(), places.len(), "{}", outcome.err);
}

#[test]
fn configurations_report_every_fault_at_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let text = "party = \"nobody\"\nlisten = \"here\"\nspeed = 9\n\n[limits]\nsessions = 0\n";
    let path = written(&directory, "node.toml", text.as_bytes());
    let outcome = tercet(&["node", "--config", &path]);
    assert_eq!((outcome.code, outcome.out.as_str()), (Some(CONFIGURATION), ""));
    for key in [
        "node.toml",
        "party",
        "listen",
        "speed",
        "limits.sessions",
        "metrics_listen",
        "identity",
        "coordinator",
        "peers",
    ] {
        assert!(outcome.err.contains(key), "`{key}` is not in: {}", outcome.err);
    }
    for command in ["node", "coordinator"] {
        fails(
            &[command, "--config", "/nowhere/x.toml"],
            CONFIGURATION,
            &["/nowhere/x.toml"],
        );
    }
    fails(
        &[
            "infer",
            "--config",
            "/nowhere/x.toml",
            "--model",
            MODEL,
            "--input",
            "x.npy",
        ],
        CONFIGURATION,
        &["/nowhere/x.toml"],
    );
}

#[test]
fn a_plan_of_another_version_is_refused_where_it_is_read() {
    let mut local = Local::start();
    local.deploy(MODEL, MODEL);
    local.deploy("breast_cancer_mlp", "other");
    let party = tercet_ids::PartyId::Cloud;
    local.deployment.process(Some(party)).kill().expect("it runs");
    let stored = local
        .deployment
        .directory()
        .join("models")
        .join(party.name())
        .join("active")
        .join(MODEL);
    raise_plan_version(&stored);
    local
        .deployment
        .restart(Some(party))
        .unwrap_or_else(|failure| panic!("{failure}"));
    let log = fs::read_to_string(local.deployment.directory().join("cloud.log")).expect("its log");
    assert!(log.contains("version"), "{log}");
    let asked = [
        "infer",
        "--config",
        &local.client(),
        "--model",
        MODEL,
        "--input",
        &samples(MODEL),
    ];
    fails(&asked, CONFIGURATION, &["cloud", MODEL]);
    local.infer("other", &samples("breast_cancer_mlp"));
}

/// Makes the plan in a stored model one of a later release.
fn raise_plan_version(stored: &Path) {
    let mut load: Load = decode(&fs::read(stored).expect("a stored model")).expect("a model");
    let mut plan = load.plan.as_slice().to_vec();
    // The version comes first.
    plan[0] += 1;
    load.plan = Opaque::from(plan);
    fs::write(stored, encode(&load)).expect("written");
}

#[test]
fn a_failure_is_an_object_for_machines_as_well() {
    let outcome = tercet(&[
        "run",
        "/nowhere/model.onnx",
        "--input",
        &model_file(MODEL, "input_0.npy"),
        "--format",
        "json",
    ]);
    let sentence = outcome.failed_json(MODEL_FAULT);
    assert!(sentence.contains("/nowhere/model.onnx"), "{sentence}");
}
