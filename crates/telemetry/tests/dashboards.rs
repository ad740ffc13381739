//! Every query of every dashboard names metrics and labels that exist, and the dashboards find their data source.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tercet_ids::PartyId;
use tercet_telemetry::names::{self, Kind, Metric, label};
use tercet_telemetry::{Label, Outcome, Part, Phase, Pooled, PreparedEnd, Traffic};

const DATA_SOURCE: &str = "tercet-prometheus";

fn monitoring() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../monitoring")
}

fn dashboards() -> Vec<(String, Value)> {
    let files = std::fs::read_dir(monitoring().join("grafana/dashboards")).unwrap();
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (
            name,
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap(),
        )
    };
    files.map(|file| read(file.unwrap().path())).collect()
}

fn panels(dashboard: &Value) -> &Vec<Value> {
    dashboard["panels"].as_array().unwrap()
}

fn queries(dashboard: &Value) -> Vec<String> {
    let panels = panels(dashboard)
        .iter()
        .flat_map(|panel| panel["targets"].as_array().unwrap());
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let texts = panels
        .map(|target| &target["expr"])
        .chain(variables.iter().map(|variable| &variable["query"]));
    texts.map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// Words of PromQL and of Grafana that are neither metrics nor labels.
const WORDS: &[&str] = &[
    "sum",
    "max",
    "count",
    "rate",
    "increase",
    "histogram_quantile",
    "label_values",
    "by",
    "on",
    "s",
    "m",
    "h",
    "__rate_interval",
];

/// The identifiers of a query outside of quotes.
fn identifiers(query: &str) -> Vec<String> {
    let unquoted: String = query.split('"').step_by(2).collect::<Vec<_>>().join(" ");
    let separated = unquoted.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    separated
        .filter(|word| word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'))
        .map(str::to_owned)
        .collect()
}

/// The metric a series name belongs to.
fn metric(series: &str) -> Option<Metric> {
    names::ALL.iter().copied().find(|metric| match metric.kind {
        Kind::Histogram => series
            .strip_prefix(metric.name)
            .is_some_and(|suffix| ["_bucket", "_sum", "_count"].contains(&suffix)),
        Kind::Counter | Kind::Gauge => series == metric.name,
    })
}

/// What is wrong with a query, if something is.
fn complaint(query: &str) -> Option<String> {
    let words = identifiers(query);
    let metrics: Vec<Metric> = words.iter().filter_map(|word| metric(word)).collect();
    if metrics.is_empty() {
        return Some("names no metric".to_owned());
    }
    let labels: BTreeSet<&str> = metrics
        .iter()
        .flat_map(|metric| metric.labels.iter().copied())
        .chain([label::PARTY, "le"])
        .collect();
    let unknown = words
        .iter()
        .find(|word| metric(word).is_none() && !WORDS.contains(&word.as_str()) && !labels.contains(word.as_str()));
    unknown.map(|word| format!("names `{word}`, which is no metric and no label of its metrics"))
}

#[test]
fn every_query_names_metrics_and_labels_that_exist() {
    let dashboards = dashboards();
    assert!(dashboards.len() >= 2);
    for (file, dashboard) in &dashboards {
        let queries = queries(dashboard);
        assert!(queries.len() > 10, "{file}");
        for query in queries {
            assert_eq!(complaint(&query), None, "{file}: {query}");
        }
    }
}

#[test]
fn a_query_of_something_unknown_is_found() {
    assert!(complaint("rate(tercet_sesions_total[5m])").is_some());
    assert!(complaint("sum by (modle) (tercet_sessions_total)").is_some());
    assert!(
        complaint("tercet_queue_depth{model=\"x\"}").is_some(),
        "the metric has no such label"
    );
    assert!(
        complaint("tercet_query_duration_seconds").is_some(),
        "a histogram has no series of its own name"
    );
    assert!(complaint("sum by (model) (rate(tercet_sessions_total{party=\"cloud\"}[$__rate_interval]))").is_none());
}

#[test]
fn every_value_a_query_selects_by_exists() {
    fn values<L: Label>() -> impl Iterator<Item = &'static str> {
        L::ALL.iter().map(|value| value.value())
    }
    let parties = values::<PartyId>().chain(["coordinator", "$model"]);
    let known: BTreeSet<&str> = values::<Outcome>()
        .chain(values::<Phase>())
        .chain(values::<Traffic>())
        .chain(values::<Part>())
        .chain(values::<Pooled>())
        .chain(values::<PreparedEnd>())
        .chain(parties)
        .collect();
    for (file, dashboard) in dashboards() {
        for query in queries(&dashboard) {
            for value in query.split('"').skip(1).step_by(2).flat_map(|quoted| quoted.split('|')) {
                assert!(known.contains(value), "{file}: {query} selects by `{value}`");
            }
        }
    }
}

#[test]
fn dashboards_are_provisioned_with_their_data_source() {
    let provisioned =
        std::fs::read_to_string(monitoring().join("grafana/provisioning/datasources/prometheus.yml")).unwrap();
    assert!(provisioned.contains(&format!("uid: {DATA_SOURCE}")));
    let mut titles = BTreeSet::new();
    let readme = std::fs::read_to_string(monitoring().join("README.md")).unwrap();
    for (file, dashboard) in dashboards() {
        assert!(titles.insert(dashboard["uid"].as_str().unwrap().to_owned()), "{file}");
        for panel in panels(&dashboard) {
            let title = panel["title"].as_str().unwrap();
            assert_eq!(panel["datasource"]["uid"], DATA_SOURCE, "{file}: {title}");
            for target in panel["targets"].as_array().unwrap() {
                assert_eq!(target["datasource"]["uid"], DATA_SOURCE, "{file}: {title}");
            }
            let question = panel["description"].as_str().unwrap();
            assert!(
                readme.contains(&format!("| {title} | {question} |")),
                "the README lacks {title}"
            );
        }
    }
}
