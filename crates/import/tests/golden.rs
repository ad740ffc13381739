//! Real models with real samples and the answers of another runtime: the compiled plans must agree.

use std::path::{Path, PathBuf};

use npyz::NpyFile;
use tercet_import::{Compiled, Model, Options, RingChoice, compile};
use tercet_plan::{Array, oracle};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../integration-tests/models")
        .join(name)
}

fn array(path: &Path) -> Array {
    let bytes = std::fs::read(path).expect("the model folders are complete");
    let file = NpyFile::new(&bytes[..]).expect("npy");
    let shape = file.shape().iter().map(|&size| size as usize).collect();
    Array::new(shape, file.into_vec::<f32>().expect("float32")).expect("npy files hold what they say")
}

struct Outcome {
    ring_bits: u8,
    largest_error: f32,
    disagreements: usize,
    rounds: u32,
}

fn outcome(compiled: &Compiled, input: &Array, stated: &Array) -> Outcome {
    let plan = &compiled.plan;
    let encoded = plan
        .encode(std::slice::from_ref(input))
        .expect("samples are within the range");
    let trace = oracle::run(plan, &compiled.parameters, &encoded);
    assert!(trace.excesses(plan).is_empty(), "values beyond their bounds");
    let decoded = plan.decode(encoded.batch, &trace.revealed(plan)).expect("decodes");
    assert_eq!(decoded[0].shape(), stated.shape());
    let pairs = decoded[0].data().iter().zip(stated.data());
    let largest_error = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let classes = *stated.shape().last().expect("a class axis");
    let label = |row: &[f32]| {
        if classes == 1 {
            return usize::from(row[0] > 0.5);
        }
        (0..classes)
            .max_by(|&a, &b| row[a].total_cmp(&row[b]))
            .expect("classes")
    };
    let rows = decoded[0].data().chunks(classes).zip(stated.data().chunks(classes));
    let disagreements = rows.filter(|(a, b)| label(a) != label(b)).count();
    let rounds = plan.cost(1).total().rounds;
    Outcome {
        ring_bits: plan.ring_bits,
        largest_error,
        disagreements,
        rounds,
    }
}

fn check(name: &str, ring: RingChoice, tolerance: f32) -> Outcome {
    let directory = folder(name);
    let model = Model::read(&directory.join("model.onnx")).expect("reads");
    let input = array(&directory.join("input_0.npy"));
    let stated = array(&directory.join("output_0.npy"));
    let options = Options {
        name: name.to_owned(),
        calibration: vec![input.clone()],
        ring,
        ..Options::default()
    };
    let start = std::time::Instant::now();
    let compiled = compile(&model, &options).unwrap_or_else(|error| panic!("{name}: {error}"));
    let compile_time = start.elapsed();
    let outcome = outcome(&compiled, &input, &stated);
    println!(
        "{name} {ring:?}: {} bits, {} steps, {} rounds, largest error {}, {} disagreements, compiled in {compile_time:?}",
        outcome.ring_bits,
        compiled.plan.steps.len(),
        outcome.rounds,
        outcome.largest_error,
        outcome.disagreements
    );
    assert_eq!(outcome.disagreements, 0, "{name}");
    assert!(
        outcome.largest_error < tolerance,
        "{name}: off by {}",
        outcome.largest_error
    );
    outcome
}

#[test]
fn breast_cancer() {
    check("breast_cancer_mlp", RingChoice::Wide, 1e-2);
    check("breast_cancer_mlp", RingChoice::Auto, 5e-2);
}

#[test]
fn credit() {
    check("credit_mlp", RingChoice::Wide, 1e-2);
    assert_eq!(check("credit_mlp", RingChoice::Auto, 5e-2).ring_bits, 32);
}

#[test]
fn lenet() {
    check("mnist_lenet", RingChoice::Wide, 1e-2);
    let outcome = check("mnist_lenet", RingChoice::Auto, 0.5);
    assert_eq!(outcome.ring_bits, 32);
    assert!(outcome.rounds <= 18);
}

#[test]
fn cryptonets() {
    check("mnist_cryptonets_square", RingChoice::Wide, 1e-2);
    check("mnist_cryptonets_square", RingChoice::Auto, 0.5);
}

#[test]
fn resnet_folded() {
    check("fashion_resnet20_folded", RingChoice::Wide, 1e-2);
    check("fashion_resnet20_folded", RingChoice::Auto, 0.5);
}

#[test]
fn resnet_with_normalization() {
    check("fashion_resnet20_bn", RingChoice::Wide, 1e-2);
}

#[test]
fn text_line_classifier() {
    check("ppocr_textline_cls_mobilenetv3", RingChoice::Wide, 1e-2);
    check("ppocr_textline_cls_mobilenetv3", RingChoice::Auto, 5e-2);
}
