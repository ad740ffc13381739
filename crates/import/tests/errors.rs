//! What cannot be imported, and what is said then.

mod support;

use std::path::Path;

use support::{Onnx, compiled, int, ints, samples};
use tercet_import::{ImportError, Model, Options, Reveal, RingChoice, compile};
use tercet_plan::{Array, Decode};

fn vectors() -> Onnx {
    Onnx::new(&[-1, 6])
        .weight("w", &[6, 3])
        .node("MatMul", &["x", "w"], "m", &[])
}

fn inputs() -> [Array; 1] {
    [samples(&[5, 6], -2.0, 2.0)]
}

fn refusal(onnx: &Onnx, inputs: &[Array]) -> ImportError {
    compiled(&onnx.model(), inputs, RingChoice::Auto)
        .err()
        .expect("the model is refused")
}

/// One sentence, which says something.
fn assert_sentence(error: &ImportError) {
    let text = error.to_string();
    assert!(text.len() > 30 && !text.contains('\n'), "{text}");
}

#[test]
fn files_that_are_no_models() {
    let whole = vectors().bytes(&["m"]);
    let mut refused = 0;
    for length in 0..whole.len() {
        match Model::from_bytes("cut.onnx", &whole[..length]) {
            Err(error @ ImportError::Malformed { .. }) => {
                assert_sentence(&error);
                refused += 1;
            }
            Err(other) => panic!("{other}"),
            // A cut between two fields leaves a shorter message that is still one; then what it lacks is noticed later.
            Ok(model) => {
                let _ = compiled(&model, &inputs(), RingChoice::Auto);
            }
        }
    }
    assert!(
        refused > whole.len() / 2,
        "only {refused} of {} cuts were noticed",
        whole.len()
    );
    let garbage = Model::from_bytes("noise.onnx", &[0xab; 400]);
    assert!(matches!(garbage, Err(ImportError::Malformed { .. })));
    let missing = Model::read(Path::new("/nonexistent/model.onnx"));
    let error = missing.expect_err("there is no such file");
    assert!(matches!(error, ImportError::Unreadable { .. }));
    assert_sentence(&error);
}

#[test]
fn damaged_files_never_panic() {
    let whole = vectors().node("Relu", &["m"], "r", &[]).bytes(&["r"]);
    for index in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[index] ^= 1 << (index % 8);
        if let Ok(model) = Model::from_bytes("damaged.onnx", &damaged) {
            let _ = compiled(&model, &inputs(), RingChoice::Auto);
        }
    }
}

#[test]
fn all_unsupported_nodes_are_named_at_once() {
    let onnx = vectors()
        .node("Exp", &["m"], "e", &[])
        .node("Relu", &["e"], "r", &[])
        .node("FancyAct", &["r"], "f", &[])
        .node("Softmax", &["f"], "s", &[])
        .node("Add", &["s", "r"], "y", &[]);
    let error = refusal(&onnx, &inputs());
    assert_sentence(&error);
    let ImportError::Unsupported(nodes) = error else {
        panic!("{error}");
    };
    let named: Vec<(&str, &str)> = nodes
        .iter()
        .map(|node| (node.operator.as_str(), node.node.as_str()))
        .collect();
    assert_eq!(named, [("Exp", "e"), ("FancyAct", "f"), ("Softmax", "s")]);
    assert_eq!(nodes[0].shape.as_deref(), Some(&[1, 3][..]));
    assert!(nodes.iter().all(|node| !node.advice.is_empty()));
}

#[test]
fn operators_are_refused_for_what_they_do_with_secrets() {
    let volume = Onnx::new(&[-1, 2, 4, 4, 4]).weight("k", &[3, 2, 2, 2, 2]);
    let volume = volume.node("Conv", &["x", "k"], "y", &[ints("kernel_shape", &[2, 2, 2])]);
    let cases = [
        (volume, vec![samples(&[2, 2, 4, 4, 4], -1.0, 1.0)]),
        (vectors().node("Div", &["m", "m"], "y", &[]), inputs().to_vec()),
        (
            vectors()
                .node("Cast", &["m"], "c", &[int("to", 7)])
                .node("Gather", &["w", "c"], "y", &[]),
            inputs().to_vec(),
        ),
        (vectors().node("Cast", &["m"], "y", &[int("to", 6)]), inputs().to_vec()),
    ];
    for (onnx, inputs) in cases {
        let error = refusal(&onnx, &inputs);
        assert!(matches!(error, ImportError::Unsupported(_)), "{error}");
        assert_sentence(&error);
    }
}

#[test]
fn models_that_contradict_themselves() {
    let onnx = Onnx::new(&[-1, 6])
        .weight("w", &[7, 3])
        .node("MatMul", &["x", "w"], "y", &[]);
    let error = refusal(&onnx, &inputs());
    assert!(matches!(error, ImportError::Inconsistent { .. }), "{error}");
    assert_sentence(&error);
    let undefined = Onnx::new(&[-1, 6]).node("MatMul", &["x", "nothing"], "y", &[]);
    let error = refusal(&undefined, &inputs());
    assert!(matches!(error, ImportError::Inconsistent { .. }), "{error}");
}

#[test]
fn models_that_mix_samples() {
    let onnx = vectors().node("ReduceMean", &["m"], "a", &[ints("axes", &[0])]);
    let onnx = onnx.node("Sub", &["m", "a"], "y", &[]);
    let error = refusal(&onnx, &inputs());
    assert!(matches!(error, ImportError::MixesBatch), "{error}");
    assert_sentence(&error);
}

#[test]
fn samples_that_do_not_fit() {
    let onnx = vectors();
    let shape = refusal(&onnx, &[samples(&[5, 7], -1.0, 1.0)]);
    assert!(matches!(shape, ImportError::SampleShape { .. }), "{shape}");
    let count = refusal(&onnx, &[inputs()[0].clone(), inputs()[0].clone()]);
    assert!(
        matches!(count, ImportError::SampleCount { expected: 1, found: 2 }),
        "{count}"
    );
    let nan = Array::new(vec![1, 6], vec![0.0, f32::NAN, 0.0, 0.0, 0.0, 0.0]).expect("six");
    let nan = refusal(&onnx, &[nan]);
    assert!(matches!(nan, ImportError::SampleNotFinite { .. }), "{nan}");
    let options = Options {
        input_range: Some((-1.0, 1.0)),
        calibration: inputs().to_vec(),
        name: "test".into(),
        ..Options::default()
    };
    let outside = compile(&onnx.model(), &options)
        .err()
        .expect("a sample is outside of the range");
    assert!(matches!(outside, ImportError::SampleOutOfRange { .. }), "{outside}");
}

#[test]
fn something_must_bound_the_values() {
    let model = vectors().model();
    let named = || Options {
        name: "test".into(),
        ..Options::default()
    };
    let error = compile(&model, &named()).err().expect("nothing bounds the values");
    assert!(matches!(error, ImportError::NothingToBoundBy), "{error}");
    for range in [(1.0, 1.0), (2.0, 1.0), (f64::NAN, 1.0), (0.0, f64::INFINITY)] {
        let options = Options {
            input_range: Some(range),
            ..named()
        };
        let error = compile(&model, &options).err().expect("the range is no range");
        assert!(matches!(error, ImportError::BadRange { .. }), "{error}");
    }
    let options = Options {
        input_range: Some((-2.0, 2.0)),
        ..named()
    };
    let compiled = compile(&model, &options).expect("a range is enough");
    assert!(compiled.agreement.is_none());
    let proven = compiled
        .plan
        .steps
        .iter()
        .all(|step| step.value.bound.origin == tercet_plan::Origin::Proven);
    assert!(proven, "without samples every bound is proven");
}

#[test]
fn open_sizes_need_a_sample() {
    let onnx = Onnx::new(&[-1, 3, -1, -1])
        .node("GlobalAveragePool", &["x"], "g", &[])
        .node("Flatten", &["g"], "y", &[]);
    let options = Options {
        name: "test".into(),
        input_range: Some((0.0, 1.0)),
        ..Options::default()
    };
    let error = compile(&onnx.model(), &options).err().expect("sizes are open");
    assert!(matches!(error, ImportError::OpenShape { .. }), "{error}");
    let inputs = [samples(&[2, 3, 5, 4], 0.0, 1.0)];
    let compiled = support::check_on(&onnx.model(), &inputs, RingChoice::Wide, 1e-3);
    assert_eq!(compiled.plan.inputs[0].shape, [3, 5, 4]);
}

#[test]
fn values_too_large_for_the_narrow_ring() {
    let onnx = Onnx::new(&[-1, 2])
        .constant("w", &[2, 1], &[3e6, -2e6])
        .node("MatMul", &["x", "w"], "y", &[]);
    let inputs = [samples(&[5, 2], -1000.0, 1000.0)];
    let error = compiled(&onnx.model(), &inputs, RingChoice::Narrow)
        .err()
        .expect("too large");
    assert!(
        matches!(error, ImportError::DoesNotFit { ring_bits: 32, .. }),
        "{error}"
    );
    assert_sentence(&error);
    let wide = compiled(&onnx.model(), &inputs, RingChoice::Auto).expect("the wide ring is wide enough");
    assert_eq!(wide.plan.ring_bits, 64);
}

#[test]
fn what_is_revealed() {
    let onnx = vectors().node("Softmax", &["m"], "y", &[]);
    let reveal = |reveal: Reveal| {
        let options = Options {
            name: "test".into(),
            calibration: inputs().to_vec(),
            reveal,
            ..Options::default()
        };
        compile(&onnx.model(), &options).expect("compiles")
    };
    assert_eq!(
        reveal(Reveal::AsModel).plan.outputs[0].decode,
        Decode::Softmax { axis: 0 }
    );
    assert_eq!(reveal(Reveal::Logits).plan.outputs[0].decode, Decode::Identity);
    let label = reveal(Reveal::Label);
    assert_eq!(label.plan.outputs[0].decode, Decode::Label);
    let probabilities = support::integer_outputs(&reveal(Reveal::AsModel), &inputs());
    let labels = support::integer_outputs(&label, &inputs());
    assert_eq!(labels[0].shape(), [5]);
    for (row, &label) in probabilities[0].data().chunks(3).zip(labels[0].data()) {
        assert!(row.iter().all(|&x| x <= row[label as usize]));
    }
}

#[test]
fn the_label_of_a_single_number_is_its_sign() {
    let onnx = Onnx::new(&[-1, 6])
        .weight("w", &[6, 1])
        .node("MatMul", &["x", "w"], "m", &[])
        .node("Sigmoid", &["m"], "y", &[]);
    let options = |reveal| Options {
        name: "test".into(),
        calibration: inputs().to_vec(),
        reveal,
        ..Options::default()
    };
    let chances = compile(&onnx.model(), &options(Reveal::AsModel)).expect("compiles");
    let label = compile(&onnx.model(), &options(Reveal::Label)).expect("compiles");
    let chances = support::integer_outputs(&chances, &inputs());
    let labels = support::integer_outputs(&label, &inputs());
    for (chance, label) in chances[0].data().iter().zip(labels[0].data()) {
        assert_eq!(f32::from(u8::from(*chance > 0.5)), *label);
    }
}

#[test]
fn bounds_say_where_they_come_from_and_hold_the_margin() {
    let onnx = vectors()
        .node("Relu", &["m"], "r", &[])
        .weight("v", &[3, 2])
        .node("MatMul", &["r", "v"], "y", &[]);
    let options = Options {
        name: "test".into(),
        calibration: vec![samples(&[64, 6], -0.1, 0.1)],
        input_range: Some((-100.0, 100.0)),
        margin_bits: Some(2),
        ..Options::default()
    };
    let compiled = compile(&onnx.model(), &options).expect("compiles");
    let last = compiled.plan.steps.last().expect("steps");
    let calibrated = tercet_plan::Origin::Calibrated { margin_bits: 2 };
    assert_eq!(
        last.value.bound.origin, calibrated,
        "the samples are far smaller than the range"
    );
    let outputs = compiled.float_outputs(&options.calibration).expect("runs");
    let largest = outputs[0].data().iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    let limit = f64::from(last.value.bound.bits).exp2() / f64::from(last.value.fraction_bits).exp2();
    assert!(limit >= 4.0 * f64::from(largest), "{limit} for {largest}");
}
