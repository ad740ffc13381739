//! Sessions that real processes prepare ahead: they are used once, give the same, and are gone with the process that held them.

use std::process::Command;
use std::time::{Duration, Instant};

use tercet::deployment::{COORDINATOR, Settings};
use tercet_ids::PartyId;

use crate::harness::{Local, Scrape, samples, scrape, wait_for};

const MODEL: &str = "credit_mlp";
/// As many as the model has for its tests.
const BATCH: u32 = 256;
const PATIENCE: Duration = Duration::from_secs(30);
/// A process that is told to stop waits for what is under way, and for no session that only might be used.
const STOPPED_WITHIN: Duration = Duration::from_secs(5);

fn start() -> Local {
    let local = Local::start_with(&Settings {
        pool_batch: Some(BATCH),
        ..Settings::default()
    });
    local.deploy(MODEL, MODEL);
    local
}

fn metrics(local: &Local, process: &str) -> Option<Scrape> {
    let (_, address) = local.deployment.metrics().find(|(name, _)| *name == process)?;
    scrape(address)
}

fn wait_until_filled(local: &Local) {
    wait_for("a filled pool", PATIENCE, || {
        let coordinator = metrics(local, COORDINATOR)?;
        let filled = coordinator.value("tercet_prepared_sessions")? == coordinator.value("tercet_prepared_target")?;
        (filled && coordinator.value("tercet_prepared_target")? > 0.0).then_some(())
    });
}

/// Queries that found a prepared session.
fn hits(local: &Local) -> f64 {
    let coordinator = metrics(local, COORDINATOR).expect("it answers");
    coordinator.sum("tercet_pool_queries_total", &["pool=\"hit\""])
}

#[test]
fn a_prepared_session_gives_what_any_other_gives_and_none_outlives_its_node() {
    let mut local = start();
    wait_until_filled(&local);
    let pooled = local.infer(MODEL, &samples(MODEL));
    assert_eq!(hits(&local), 1.0);
    for party in PartyId::ALL {
        let node = metrics(&local, party.name()).expect("it answers");
        assert_eq!(
            node.sum("tercet_prepared_ended_total", &["end=\"used\""]),
            1.0,
            "{party}"
        );
    }

    wait_until_filled(&local);
    let node = metrics(&local, "cloud").expect("it answers");
    assert!(node.value("tercet_prepared_bytes").expect("a number") > 0.0);
    local.deployment.process(Some(PartyId::Cloud)).kill().expect("it runs");
    local
        .deployment
        .restart(Some(PartyId::Cloud))
        .unwrap_or_else(|failure| panic!("{failure}"));
    let node = metrics(&local, "cloud").expect("it answers");
    assert_eq!(node.sum("tercet_prepared_ended_total", &["end=\"used\""]), 0.0);
    local.infer_within(PATIENCE, MODEL, &samples(MODEL));
    wait_until_filled(&local);
    let before = hits(&local);
    let again = local.infer(MODEL, &samples(MODEL));
    assert_eq!(hits(&local), before + 1.0);
    let of = |report: &serde_json::Value| report["predictions"].as_array().expect("labels").clone();
    let (first, second) = (of(&pooled), of(&again));
    let differing = first.iter().zip(&second).filter(|(a, b)| a != b).count();
    // Truncation may round the other way, which moves a label only where two are as good as equal.
    assert!(
        first.len() == BATCH as usize && differing <= 2,
        "{differing} labels differ"
    );
}

#[test]
fn no_process_waits_for_sessions_that_nobody_asked_for() {
    for process in [Some(PartyId::Auditor), None] {
        let mut local = start();
        wait_until_filled(&local);
        let process = local.deployment.process(process);
        let since = Instant::now();
        let script = format!("kill -TERM {}", process.id());
        let told = Command::new("sh").args(["-c", &script]).status();
        assert!(told.expect("kill runs").success());
        wait_for("the end of a process", STOPPED_WITHIN, || process.ended());
        assert!(since.elapsed() < STOPPED_WITHIN);
    }
}
