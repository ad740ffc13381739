//! Unmodified inference clients from the Python package index ask the gateway.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Local, model_file, samples};

const MODEL: &str = "credit_mlp";
/// Samples of one query that a node takes if its configuration does not say otherwise.
const BATCH_MAX: u64 = tercet_config::limits::BATCH.default;

/// A Python that has the clients of `clients/requirements.txt`: the one that `TERCET_TEST_PYTHON` names, or the system's. `None` where
/// neither has them.
fn python() -> Option<PathBuf> {
    let named = std::env::var_os("TERCET_TEST_PYTHON").map(PathBuf::from);
    let python = named.unwrap_or_else(|| PathBuf::from("python3"));
    let imports = Command::new(&python)
        .args(["-c", "import kserve, tritonclient.http"])
        .output();
    let has_them = imports.is_ok_and(|output| output.status.success());
    assert!(has_them || std::env::var_os("CI").is_none(), "CI installs the clients");
    has_them.then_some(python)
}

/// Runs a script of `clients` against a deployment, at the address that it asks.
fn run(script: &str, address: impl Fn(&Local) -> SocketAddr) {
    let Some(python) = python() else {
        eprintln!("skipped: pip install -r integration-tests/clients/requirements.txt");
        return;
    };
    let local = Local::start();
    local.deploy(MODEL, MODEL);
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("integration-tests/clients")
        .join(script);
    // Without compiled copies of what the scripts share: they would lie among the sources.
    let output = Command::new(python)
        .arg("-B")
        .arg(path)
        .arg(address(&local).to_string())
        .args([
            MODEL,
            &BATCH_MAX.to_string(),
            &samples(MODEL),
            &model_file(MODEL, "output_0.npy"),
        ])
        .output()
        .expect("Python runs");
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{out}{err}");
    assert_eq!(
        out.trim_end().lines().last(),
        Some("every answer is right"),
        "{out}{err}"
    );
}

#[test]
fn rest_clients_get_their_predictions() {
    run("ask_rest.py", |local| local.deployment.gateway());
}

#[test]
fn grpc_clients_get_their_predictions() {
    run("ask_grpc.py", |local| local.deployment.gateway_grpc());
}

#[test]
fn kserve_gets_its_predictions_over_grpc() {
    run("ask_grpc_kserve.py", |local| local.deployment.gateway_grpc());
}
