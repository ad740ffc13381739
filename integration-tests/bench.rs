//! `tercet bench` on real processes.

use serde_json::Value;

use crate::harness::{model, samples, tercet};

#[test]
fn bench_measures_what_it_is_told_to() {
    let (onnx, input) = (model("credit_mlp"), samples("credit_mlp"));
    let bench = tercet(&[
        "bench",
        &onnx,
        "--input",
        &input,
        "--batch",
        "3",
        "--threads",
        "1",
        "--concurrency",
        "2",
        "--seconds",
        "1",
        "--format",
        "json",
    ]);
    let report = bench.json();
    for (name, expected) in [("batch", 3), ("threads", 1), ("concurrency", 2), ("sessions", 1)] {
        assert_eq!(report[name], expected, "{name}: {report}");
    }
    for name in [
        "queries",
        "rounds",
        "dealt_bytes",
        "queries_per_second",
        "samples_per_second",
        "ring_bits",
    ] {
        assert!(number(&report[name]) > 0.0, "{name}: {report}");
    }
    for name in ["online_ms", "session_ms", "total_ms"] {
        let figures = ["min", "p10", "median", "p90", "p99", "max"].map(|part| number(&report[name][part]));
        assert!(figures[0] > 0.0 && figures.is_sorted(), "{name}: {report}");
    }
    for process in ["client-proxy", "cloud", "auditor", "coordinator", "client"] {
        assert!(number(&report["cpu_ms_per_query"][process]) >= 0.0, "{report}");
        assert!(number(&report["peak_rss_bytes"][process]) > 1e6, "{report}");
    }
    let dealt: f64 = report["dealt_by"]
        .as_object()
        .expect("by party")
        .values()
        .map(number)
        .sum();
    assert_eq!(dealt, number(&report["queries"]), "{report}");
    assert!(number(&report["argmax_agreement"]) > 0.6, "{report}");
    let [tract, onnxruntime] = report["plaintext"].as_array().expect("two runtimes").as_slice() else {
        panic!("{report}")
    };
    assert!(number(&tract["ms"]["median"]) > 0.0 && number(&report["ratio"]["tract"]["total"]) > 1.0);
    assert!(
        onnxruntime["ms"].is_object() != onnxruntime["unavailable"].is_string(),
        "{report}"
    );
}

#[test]
fn bench_emulates_a_wide_area_network() {
    let (onnx, input) = (model("credit_mlp"), samples("credit_mlp"));
    let bench = tercet(&[
        "bench",
        &onnx,
        "--input",
        &input,
        "--batch",
        "1",
        "--rtt",
        "20ms",
        "--bandwidth",
        "100Mbit",
        "--seconds",
        "1",
        "--format",
        "json",
    ]);
    let report = bench.json();
    let network = &report["network"];
    assert_eq!(
        (&network["rtt_ms"], &network["bandwidth_mbit"]),
        (&20.0.into(), &100.0.into())
    );
    assert!(number(&network["packets"]) > 0.0, "{report}");
    assert_eq!(network["dropped"], 0, "{report}");
    // Each round takes half a round trip: both evaluators send at the same time.
    let rounds_ms = number(&report["rounds"]) * 10.0;
    assert!(number(&report["online_ms"]["min"]) >= rounds_ms, "{report}");
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}
