//! A real Prometheus with the files of `monitoring/`: every query of the dashboards and rules finds data, and an alert comes when a node goes.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tercet::deployment::free_tcp;
use tercet_ids::PartyId;

use crate::harness::{COMMAND_WITHIN, Local, samples, wait_for};

const MODEL: &str = "credit_mlp";
/// The ports of `monitoring/prometheus.yml`: the coordinator's, then the parties' in order.
const PORTS: [u16; 4] = [9100, 9101, 9102, 9103];
/// What Grafana would fill in.
const VARIABLES: &[(&str, &str)] = &[("$__rate_interval", "10s"), ("$model", ".*")];
/// Time for an answer of Prometheus.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A running Prometheus.
struct Prometheus {
    process: Child,
    address: SocketAddr,
    _directory: TempDir,
}

impl Prometheus {
    /// Starts it with the files of `monitoring/`, looking each second at the processes of a deployment. `None` where none is installed.
    fn start(local: &Local) -> Option<Prometheus> {
        if Command::new("prometheus").arg("--version").output().is_err() {
            assert!(std::env::var_os("CI").is_none(), "CI installs Prometheus");
            return None;
        }
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut text = fs::read_to_string(monitoring("prometheus.yml")).expect("a configuration");
        let targets = ["coordinator", "client-proxy", "cloud", "auditor"];
        for (port, name) in PORTS.into_iter().zip(targets) {
            let mut metrics = local.deployment.metrics();
            let (_, address) = metrics.find(|(process, _)| *process == name).expect("all processes");
            text = text.replace(&format!("127.0.0.1:{port}"), &address.to_string());
        }
        for (written, tested) in [("5s", "1s"), ("15s", "1s")] {
            text = text.replace(&format!("interval: {written}"), &format!("interval: {tested}"));
        }
        let rules = monitoring("rules.yml").display().to_string();
        text = text.replace("- rules.yml", &format!("- {rules}"));
        let config = directory.path().join("prometheus.yml");
        fs::write(&config, text).expect("a file");

        let address = free_tcp(1).unwrap_or_else(|failure| panic!("{failure}"))[0];
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                directory.path().join("data").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("Prometheus starts");
        Some(Prometheus {
            process,
            address,
            _directory: directory,
        })
    }

    /// What it answers to a path of its interface; `None` while it does not.
    fn ask(&self, path: &str) -> Option<Value> {
        let mut stream = TcpStream::connect_timeout(&self.address, ANSWER_WITHIN).ok()?;
        stream.set_read_timeout(Some(ANSWER_WITHIN)).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        let answer: Value = serde_json::from_str(body).ok()?;
        assert_eq!(answer["status"], "success", "{path}: {answer}");
        Some(answer["data"].clone())
    }

    /// The values of a query that are numbers.
    fn values(&self, query: &str) -> Vec<f64> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let answer = self.ask(&format!("/api/v1/query?query={encoded}"));
        let series = answer.as_ref().and_then(|answer| answer["result"].as_array());
        let values = series.into_iter().flatten().map(|series| &series["value"][1]);
        let values = values.map(|value| value.as_str().expect("a value").parse().expect("a number"));
        values.filter(|value: &f64| value.is_finite()).collect()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn monitoring(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("monitoring").join(file)
}

/// Title and query of every panel of every dashboard.
fn panel_queries() -> Vec<(String, String)> {
    let mut queries = Vec::new();
    for file in fs::read_dir(monitoring("grafana/dashboards")).expect("dashboards") {
        let text = fs::read_to_string(file.expect("a file").path()).expect("a dashboard");
        let dashboard: Value = serde_json::from_str(&text).expect("JSON");
        for panel in dashboard["panels"].as_array().expect("panels") {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let title = panel["title"].as_str().expect("a title").to_owned();
                queries.push((title, target["expr"].as_str().expect("a query").to_owned()));
            }
        }
    }
    queries
}

/// The names of series in a query: a rule's recorded one, or a metric.
fn names_in(query: &str) -> impl Iterator<Item = &str> {
    let words = query.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'));
    words.filter(|word| *word == "up" || word.contains("tercet_") || word.starts_with("tercet:"))
}

#[test]
fn every_panel_and_every_rule_finds_data_in_a_real_prometheus() {
    let mut local = Local::start();
    let Some(prometheus) = Prometheus::start(&local) else {
        eprintln!("skipped: Prometheus is not installed");
        return;
    };
    local.deploy(MODEL, MODEL);
    let input = samples(MODEL);

    let panels = panel_queries();
    assert!(panels.len() > 20);
    for (title, query) in &panels {
        let filled = VARIABLES
            .iter()
            .fold(query.clone(), |query, (variable, value)| query.replace(variable, value));
        wait_for(&format!("data for {title}: {filled}"), COMMAND_WITHIN, || {
            let found = !prometheus.values(&filled).is_empty();
            if !found {
                // Ratios of rates need traffic under way.
                local.infer(MODEL, &input);
            }
            found.then_some(())
        });
    }

    let groups = prometheus.ask("/api/v1/rules").expect("rules");
    let groups = groups["groups"].as_array().expect("groups");
    let rules: Vec<&Value> = groups
        .iter()
        .flat_map(|group| group["rules"].as_array().expect("rules"))
        .collect();
    assert!(rules.len() > 10);
    for rule in &rules {
        wait_for(&format!("{} to be evaluated", rule["name"]), COMMAND_WITHIN, || {
            let query = rule["query"].as_str().expect("a query");
            names_in(query)
                .all(|name| !prometheus.values(name).is_empty())
                .then_some(())
        });
        assert!(rule["lastError"].is_null(), "{rule}");
        if rule["type"] == "alerting" {
            let page = rule["annotations"]["runbook"].as_str().expect("a runbook");
            assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(page).exists(), "{page}");
        }
    }
    assert!(prometheus.values("ALERTS").is_empty(), "all is well");

    let killed = local.deployment.process(Some(PartyId::Auditor)).kill();
    killed.unwrap_or_else(|failure| panic!("{failure}"));
    for alert in ["TercetProcessDown", "TercetPeerUnreachable"] {
        wait_for(alert, COMMAND_WITHIN, || {
            let query = format!("ALERTS{{alertname=\"{alert}\"}}");
            (!prometheus.values(&query).is_empty()).then_some(())
        });
    }
}
