//! Real models and real samples through real processes, against what ONNX Runtime answers.

use serde_json::Value;

use crate::harness::{first_samples, model, model_file, samples, tercet};

/// The largest error of an answer over the 64-bit ring.
const ERROR_MAX: f64 = 1e-2;

/// Checks a model on all its samples with the protocols that are chosen by default.
fn agrees(folder: &str) {
    agrees_with(folder, "auto");
}

/// Over the 64-bit ring within [`ERROR_MAX`], and over the ring that is chosen with every label right.
fn agrees_with(folder: &str, prefer: &str) {
    let wide = verify(folder, "64", prefer);
    assert_eq!(wide["ring_bits"], 64);
    assert_eq!(wide["argmax_agreement"], 1.0, "{folder}");
    let error = wide["max_abs_error"].as_f64().expect("a number");
    assert!(error < ERROR_MAX, "{folder}: {error}");
    let chosen = verify(folder, "auto", prefer);
    assert_eq!(chosen["argmax_agreement"], 1.0, "{folder}");
    // What the parties compute is what the integer oracle computes, but for the last digits of what is revealed.
    for report in [wide, chosen] {
        assert_eq!(report["private_to_integer"]["argmax_agreement"], 1.0, "{folder}");
    }
}

fn verify(folder: &str, ring: &str, prefer: &str) -> Value {
    let (onnx, input, expected) = (model(folder), samples(folder), model_file(folder, "output_0.npy"));
    // The bound on errors is this test's, not the command's.
    let verified = tercet(&[
        "verify",
        &onnx,
        "--input",
        &input,
        "--expected",
        &expected,
        "--ring",
        ring,
        "--prefer",
        prefer,
        "--tolerance",
        "1000",
        "--format",
        "json",
    ]);
    let report = verified.json();
    assert_eq!(report["reference"], "expected");
    report
}

#[test]
fn few_rounds_and_few_bytes() {
    for prefer in ["latency", "traffic"] {
        agrees_with("breast_cancer_mlp", prefer);
        agrees_with("mnist_lenet", prefer);
    }
}

#[test]
fn breast_cancer_mlp() {
    agrees("breast_cancer_mlp");
}

#[test]
fn credit_mlp() {
    agrees("credit_mlp");
}

#[test]
fn mnist_lenet() {
    agrees("mnist_lenet");
}

#[test]
fn mnist_cryptonets_square() {
    agrees("mnist_cryptonets_square");
}

#[test]
fn fashion_resnet20_bn() {
    agrees("fashion_resnet20_bn");
}

#[test]
fn fashion_resnet20_folded() {
    agrees("fashion_resnet20_folded");
}

#[test]
fn ppocr_textline_cls_mobilenetv3() {
    agrees("ppocr_textline_cls_mobilenetv3");
}

#[test]
fn lenet_is_within_its_budget_of_rounds_and_bytes() {
    let one = first_samples("mnist_lenet", 1);
    let (onnx, calibration) = (model("mnist_lenet"), samples("mnist_lenet"));
    let input = one.path().display().to_string();
    let run = tercet(&[
        "run",
        &onnx,
        "--calibration",
        &calibration,
        "--input",
        &input,
        "--ring",
        "32",
        "--format",
        "json",
    ]);
    let report = run.json();
    assert_eq!((&report["batch"], &report["ring_bits"]), (&1.into(), &32.into()));
    assert!(number(&report["rounds"]) <= 18.0, "{report}");
    for direction in ["e0_to_e1", "e1_to_e0"] {
        let sent = number(&report["online_bytes"][direction]);
        assert!(sent > 0.0 && sent <= 250_000.0, "{report}");
    }
    assert_eq!(report["predictions"].as_array().expect("labels").len(), 1);
    machines_find_every_field(&report);
}

/// The names that machines rely on, with values of the right kind.
fn machines_find_every_field(report: &Value) {
    assert_eq!(report["model"], "mnist_lenet");
    for name in ["batch", "rounds", "dealt_bytes", "queries_per_second", "ring_bits"] {
        assert!(number(&report[name]) > 0.0, "{name}: {report}");
    }
    for name in ["max_abs_error", "mean_abs_error", "argmax_agreement"] {
        assert!(number(&report[name]) >= 0.0, "{name}: {report}");
    }
    for name in ["online_ms", "total_ms", "plaintext_ms"] {
        let [median, min, max] = ["median", "min", "max"].map(|part| number(&report[name][part]));
        assert!(0.0 < min && min <= median && median <= max, "{name}: {report}");
    }
    assert!(number(&report["online_ms"]["median"]) < number(&report["total_ms"]["median"]));
    for process in ["client-proxy", "cloud", "auditor", "coordinator"] {
        assert!(number(&report["cpu_seconds"][process]) >= 0.0, "{report}");
        assert!(number(&report["peak_rss_bytes"][process]) > 1e6, "{report}");
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}
