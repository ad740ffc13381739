//! What the processes serve to Prometheus after real queries.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;
use tercet_ids::PartyId;
use tercet_telemetry::names::{self, Kind, Metric};

use crate::harness::{COMMAND_WITHIN, Local, Scrape, samples, scrape, wait_for};

const MODEL: &str = "credit_mlp";
/// Samples of it.
const BATCH: f64 = 256.0;
/// As many that every party plays every role.
const QUERIES: usize = 6;

/// What only nodes or only the coordinator measure; everything else is served by both.
const OF_NODES: &[Metric] = &[
    names::SESSIONS,
    names::ROUNDS,
    names::SAMPLES,
    names::SENT_BYTES,
    names::RECEIVED_BYTES,
    names::PLAN_INFO,
    names::PLAN_ROUNDS,
    names::PLAN_ONLINE_BYTES,
    names::PLAN_DEALT_BYTES,
    names::PREPARED_BYTES,
];
const OF_THE_COORDINATOR: &[Metric] = &[
    names::QUERIES,
    names::QUERY_DURATION,
    names::SESSION_QUERIES,
    names::PREPARED_TARGET,
    names::POOL_QUERIES,
];

/// A deployment after traffic: what each process serves, and the reports of the queries.
fn after_traffic() -> (BTreeMap<&'static str, Scrape>, Vec<Value>) {
    let local = Local::start();
    local.deploy(MODEL, MODEL);
    let reports: Vec<Value> = (0..QUERIES).map(|_| local.infer(MODEL, &samples(MODEL))).collect();
    let scrapes = local.deployment.metrics().map(|(name, address)| {
        // Round trips are sampled each second.
        let served = wait_for(&format!("samples at {name}"), COMMAND_WITHIN, || {
            let served = scrape(address)?;
            (served.sum("tercet_peer_round_trip_seconds_count", &[]) > 0.0).then_some(served)
        });
        (name, served)
    });
    (scrapes.collect(), reports)
}

/// Name and labels under which a histogram counts, or a counter or gauge stands.
fn series_name(metric: &Metric) -> String {
    match metric.kind {
        Kind::Histogram => format!("{}_count", metric.name),
        Kind::Counter | Kind::Gauge => metric.name.to_owned(),
    }
}

#[test]
fn every_metric_is_served_and_agrees_with_what_queries_report() {
    let (scrapes, reports) = after_traffic();
    let is = |list: &[Metric], metric: &Metric| list.iter().any(|other| other.name == metric.name);
    for metric in names::ALL {
        let name = series_name(metric);
        for (process, served) in &scrapes {
            let elsewhere = if *process == "coordinator" {
                OF_NODES
            } else {
                OF_THE_COORDINATOR
            };
            let expected = !is(elsewhere, metric);
            let found = served.series(&name).next().is_some();
            assert_eq!(found, expected, "{name} at {process}");
        }
    }

    let total = |of: fn(&Value) -> f64| reports.iter().map(of).sum::<f64>();
    let nodes = || PartyId::ALL.iter().map(|party| &scrapes[party.name()]);
    let sum = |name: &str, labels: &[&str]| nodes().map(|served| served.sum(name, labels)).sum::<f64>();
    let number = |value: &Value| value.as_f64().expect("a number");
    let online = total(|report| {
        let bytes = &report["online_bytes"];
        bytes["e0_to_e1"].as_f64().expect("bytes") + bytes["e1_to_e0"].as_f64().expect("bytes")
    });
    let dealt = total(|report| report["dealt_bytes"].as_f64().expect("bytes"));
    for direction in ["sent", "received"] {
        let name = format!("tercet_peer_{direction}_bytes_total");
        assert_eq!(sum(&name, &["kind=\"online\""]), online, "{direction}");
        assert_eq!(sum(&name, &["kind=\"dealt\""]), dealt, "{direction}");
    }
    let rounds = total(|report| report["rounds"].as_f64().expect("rounds"));
    assert!(rounds > 0.0 && online > 0.0 && dealt > 0.0);
    assert_eq!(sum("tercet_rounds_total", &[]), 2.0 * rounds, "both evaluators count");
    let queries = reports.len() as f64;
    assert_eq!(sum("tercet_sessions_total", &["outcome=\"ok\""]), 3.0 * queries);
    assert_eq!(
        sum("tercet_sessions_total", &["outcome=\"ok\"", "part=\"dealer\""]),
        queries
    );
    assert_eq!(sum("tercet_sessions_total", &[]), 3.0 * queries, "none failed");
    assert_eq!(sum("tercet_samples_total", &[]), 3.0 * BATCH * queries);
    for phase in ["queue", "share", "deal", "open"] {
        let label = format!("phase=\"{phase}\"");
        assert_eq!(
            sum("tercet_phase_duration_seconds_count", &[&label]),
            3.0 * queries,
            "{phase}"
        );
    }
    for phase in ["online_compute", "online_wait"] {
        let label = format!("phase=\"{phase}\"");
        assert_eq!(
            sum("tercet_phase_duration_seconds_count", &[&label]),
            2.0 * queries,
            "{phase}"
        );
        let seconds = sum("tercet_phase_duration_seconds_sum", &[&label]);
        assert!(seconds > 0.0 && seconds < queries * 10.0, "{phase}: {seconds}");
    }

    let coordinator = &scrapes["coordinator"];
    assert_eq!(coordinator.sum("tercet_queries_total", &["outcome=\"ok\""]), queries);
    assert_eq!(coordinator.sum("tercet_query_duration_seconds_count", &[]), queries);
    let digest = format!("digest=\"{}\"", reports[0]["digest"].as_str().expect("a digest"));
    for served in nodes() {
        assert_eq!(
            served.sum("tercet_plan_info", &[&digest]),
            1.0,
            "the plan that answered"
        );
        assert_eq!(served.sum("tercet_plan_rounds", &[]), number(&reports[0]["rounds"]));
        assert_eq!(served.sum("tercet_peer_up", &[]), 2.0);
        assert_eq!(served.value("tercet_queue_depth"), Some(0.0));
        assert_eq!(served.value("tercet_sessions_active"), Some(0.0));
    }
    assert_eq!(coordinator.sum("tercet_peer_up", &[]), 3.0);
    for served in scrapes.values() {
        assert!(served.value("process_resident_memory_bytes") > Some(1e6));
        assert!(served.sum("tercet_peer_round_trip_seconds_sum", &[]) < 1.0, "loopback");
    }

    every_query_of_the_dashboards_finds_something(&scrapes);
}

/// Names that a dashboard asks for are names that a process serves.
fn every_query_of_the_dashboards_finds_something(scrapes: &BTreeMap<&str, Scrape>) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("monitoring/grafana/dashboards");
    let mut checked = 0;
    for file in fs::read_dir(directory).expect("dashboards") {
        let text = fs::read_to_string(file.expect("a file").path()).expect("a dashboard");
        let dashboard: Value = serde_json::from_str(&text).expect("JSON");
        for panel in dashboard["panels"].as_array().expect("panels") {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let query = target["expr"].as_str().expect("a query");
                let words = query.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
                let series = words.filter(|word| word.starts_with("tercet_") || word.starts_with("process_"));
                for name in series {
                    let found = scrapes.values().any(|served| served.series(name).next().is_some());
                    assert!(found, "{}: nothing serves {name}", panel["title"]);
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 20, "{checked} names");
}
