//! What a scrape of a fresh process finds.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use tercet_ids::{PartyId, PlanDigest};
use tercet_telemetry::names::{self, Kind, MODELS_MAX};
use tercet_telemetry::{
    BuildInfo, CoordinatorMetrics, NodeMetrics, Outcome, Part, Phase, PlanFacts, Process, Readiness, Registry, Traffic,
};

const BUILD: BuildInfo = BuildInfo {
    version: "1.2.3",
    protocol: 7,
};

fn node() -> (Registry, NodeMetrics) {
    let registry = Registry::new(Process::Node(PartyId::Cloud), BUILD);
    let metrics = NodeMetrics::new(&registry, PartyId::Cloud, 64);
    (registry, metrics)
}

fn facts(digest: u8) -> PlanFacts {
    PlanFacts {
        digest: PlanDigest([digest; 32]),
        ring_bits: 32,
        rounds: 15,
        online_bytes: 1000,
        dealt_bytes: 5000,
    }
}

/// A series without the order of its labels.
fn parts(series: &str) -> (&str, BTreeSet<&str>) {
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    (name, labels.trim_end_matches('}').split(',').collect())
}

/// The value of a series.
fn value(text: &str, series: &str) -> Option<f64> {
    let samples = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.rsplit_once(' '));
    samples
        .filter(|(found, _)| parts(found) == parts(series))
        .find_map(|(_, value)| value.parse().ok())
}

fn families(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_declared_metric_is_exported_by_a_process_and_no_other() {
    let (node_registry, metrics) = node();
    metrics.models.deployed("credit", facts(1));
    let coordinator_registry = Registry::new(Process::Coordinator, BUILD);
    let _coordinator = CoordinatorMetrics::new(&coordinator_registry, 8);
    let exported: BTreeSet<String> = families(&node_registry.text())
        .union(&families(&coordinator_registry.text()))
        .cloned()
        .collect();
    let declared: BTreeSet<String> = names::ALL.iter().map(|metric| metric.name.to_owned()).collect();
    assert_eq!(exported, declared);
}

#[test]
fn series_have_the_declared_labels_and_the_party() {
    let (registry, metrics) = node();
    metrics.models.deployed("credit", facts(1));
    let text = registry.text();
    for metric in names::ALL.iter().filter(|metric| families(&text).contains(metric.name)) {
        let name = match metric.kind {
            Kind::Histogram => format!("{}_count", metric.name),
            Kind::Counter | Kind::Gauge => metric.name.to_owned(),
        };
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("{name}{{")))
            .unwrap();
        for label in metric.labels.iter().chain([&names::label::PARTY]) {
            assert!(line.contains(&format!("{label}=\"")), "{line} lacks {label}");
        }
    }
}

#[test]
fn every_combination_starts_at_zero() {
    let (registry, metrics) = node();
    metrics.models.model("credit");
    let text = registry.text();
    for outcome in [
        "ok",
        "invalid",
        "overload",
        "mismatch",
        "peer_lost",
        "peer_misbehaved",
        "deadline",
        "cancelled",
        "internal",
    ] {
        for part in ["dealer", "evaluator"] {
            let labels = format!("model=\"credit\",outcome=\"{outcome}\",part=\"{part}\",party=\"cloud\"");
            assert_eq!(value(&text, &format!("tercet_sessions_total{{{labels}}}")), Some(0.0));
        }
    }
    for (peer, kind) in [
        ("client-proxy", "online"),
        ("client-proxy", "dealt"),
        ("auditor", "online"),
        ("auditor", "dealt"),
    ] {
        let labels = format!("kind=\"{kind}\",party=\"cloud\",peer=\"{peer}\"");
        assert_eq!(
            value(&text, &format!("tercet_peer_sent_bytes_total{{{labels}}}")),
            Some(0.0)
        );
    }
    assert!(!text.contains("peer=\"cloud\""), "a party has no link to itself");
}

#[test]
fn what_is_recorded_is_exported() {
    let (registry, metrics) = node();
    let model = metrics.models.model("credit");
    model.session_ended(Part::Evaluator, Outcome::Ok);
    model.computed(Part::Evaluator, 32, 15);
    model.computed(Part::Dealer, 8, 15);
    model.phase(Phase::OnlineWait, Duration::from_millis(3));
    metrics.sent(PartyId::Auditor, Traffic::Online, 1234);
    metrics.received(PartyId::ClientProxy, Traffic::Dealt, 99);
    metrics.queue.waiting(3);
    metrics.queue.active(2);
    metrics.peers.connected(PartyId::Auditor);
    metrics.peers.round_trip(PartyId::Auditor, Duration::from_micros(120));
    metrics.models.deployed("credit", facts(1));
    metrics.models.deployed("credit", facts(2));
    let text = registry.text();
    let expect = |series: &str, expected: f64| assert_eq!(value(&text, series), Some(expected), "{series}\n{text}");
    expect(
        "tercet_sessions_total{model=\"credit\",outcome=\"ok\",part=\"evaluator\",party=\"cloud\"}",
        1.0,
    );
    expect(
        "tercet_samples_total{model=\"credit\",part=\"evaluator\",party=\"cloud\"}",
        32.0,
    );
    expect(
        "tercet_samples_total{model=\"credit\",part=\"dealer\",party=\"cloud\"}",
        8.0,
    );
    expect("tercet_rounds_total{model=\"credit\",party=\"cloud\"}", 15.0);
    expect(
        "tercet_phase_duration_seconds_bucket{model=\"credit\",party=\"cloud\",phase=\"online_wait\",le=\"0.005\"}",
        1.0,
    );
    expect(
        "tercet_phase_duration_seconds_bucket{model=\"credit\",party=\"cloud\",phase=\"online_wait\",le=\"0.002\"}",
        0.0,
    );
    expect(
        "tercet_peer_sent_bytes_total{kind=\"online\",party=\"cloud\",peer=\"auditor\"}",
        1234.0,
    );
    expect(
        "tercet_peer_received_bytes_total{kind=\"dealt\",party=\"cloud\",peer=\"client-proxy\"}",
        99.0,
    );
    expect("tercet_queue_depth{party=\"cloud\"}", 3.0);
    expect("tercet_queue_capacity{party=\"cloud\"}", 64.0);
    expect("tercet_sessions_active{party=\"cloud\"}", 2.0);
    expect("tercet_peer_up{party=\"cloud\",peer=\"auditor\"}", 1.0);
    expect("tercet_peer_up{party=\"cloud\",peer=\"client-proxy\"}", 0.0);
    expect(
        "tercet_peer_round_trip_seconds_count{party=\"cloud\",peer=\"auditor\"}",
        1.0,
    );
    expect("tercet_plan_rounds{model=\"credit\",party=\"cloud\"}", 15.0);
    expect(
        "tercet_build_info{party=\"cloud\",protocol=\"7\",version=\"1.2.3\"}",
        1.0,
    );
    assert_eq!(
        text.matches("tercet_plan_info{").count(),
        1,
        "a replaced plan leaves no series behind"
    );
    assert!(text.contains(&PlanDigest([2; 32]).to_string()));
}

#[test]
fn deployments_do_not_grow_the_series_without_bound() {
    let (registry, metrics) = node();
    for i in 0..MODELS_MAX + 10 {
        metrics
            .models
            .model(&format!("model-{i}"))
            .session_ended(Part::Dealer, Outcome::Ok);
    }
    let text = registry.text();
    let models: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("tercet_rounds_total{model=\"")?.split('"').next())
        .collect();
    assert_eq!(models.len(), MODELS_MAX + 1);
    let other = "tercet_sessions_total{model=\"other\",outcome=\"ok\",part=\"dealer\",party=\"cloud\"}";
    assert_eq!(value(&text, other), Some(10.0));
}

#[test]
fn the_coordinator_counts_each_query_once() {
    let registry = Registry::new(Process::Coordinator, BUILD);
    let metrics = CoordinatorMetrics::new(&registry, 8);
    metrics.deployed("credit");
    metrics.dequeued(Some("credit"), Duration::from_millis(1));
    metrics.answered(Some("credit"), Outcome::Ok, Duration::from_millis(20));
    metrics.answered(None, Outcome::Invalid, Duration::from_millis(1));
    let text = registry.text();
    let query = |model, outcome| {
        format!("tercet_queries_total{{model=\"{model}\",outcome=\"{outcome}\",party=\"coordinator\"}}")
    };
    assert_eq!(value(&text, &query("credit", "ok")), Some(1.0));
    assert_eq!(value(&text, &query("credit", "deadline")), Some(0.0));
    assert_eq!(value(&text, &query("other", "invalid")), Some(1.0));
}

/// Status line and body of one request.
fn ask(address: SocketAddr, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

#[test]
fn the_endpoint_serves_metrics_health_and_readiness() {
    let (registry, _metrics) = node();
    let readiness = Readiness::starting();
    let system = actix_web::rt::System::new();
    let switch = readiness.clone();
    system.block_on(async move {
        let server = tercet_telemetry::serve("127.0.0.1:0".parse().unwrap(), registry, readiness).unwrap();
        let address = server.address();
        let client = std::thread::spawn(move || {
            let (status, text) = ask(address, "/metrics");
            assert!(status.contains("200"), "{status}");
            assert!(text.contains("tercet_build_info"));
            assert!(ask(address, "/healthz").0.contains("200"));
            let (status, reason) = ask(address, "/readyz");
            assert!(status.contains("503") && reason == "starting\n", "{status} {reason}");
            switch.ready();
            assert!(ask(address, "/readyz").0.contains("200"));
            switch.not_ready("no connection to auditor");
            assert_eq!(ask(address, "/readyz").1, "no connection to auditor\n");
            assert!(ask(address, "/nothing").0.contains("404"));
        });
        while !client.is_finished() {
            actix_web::rt::time::sleep(Duration::from_millis(5)).await;
        }
        client.join().unwrap();
        server.stop().await;
    });
}

#[test]
fn an_address_in_use_is_a_clear_error() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (registry, _metrics) = node();
    actix_web::rt::System::new().block_on(async {
        let error = tercet_telemetry::serve(taken.local_addr().unwrap(), registry, Readiness::starting());
        assert!(error.err().unwrap().to_string().contains("metrics_listen"));
    });
}
