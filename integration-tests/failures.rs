//! Processes that end in mid-query: who is told, who lives on, and that the next query succeeds.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;
use tercet_ids::PartyId;

use crate::harness::{Local, Running, first_samples, samples, scrape, start, wait_for};

/// Takes seconds on any machine, so that there is a middle to fail in.
const LONG_MODEL: &str = "fashion_resnet20_folded";
const LONG_SAMPLES: usize = 200;
/// Takes long enough to be told to stop meanwhile, and less than a process waits for it.
const MEDIUM_SAMPLES: usize = 80;
const SHORT_MODEL: &str = "credit_mlp";
/// The deadline of the client's configuration.
const CLIENT_DEADLINE: Duration = Duration::from_secs(30);
/// Exit codes, as documented.
const UNREACHABLE: i32 = 7;
const PARTY: i32 = 8;

fn deployed() -> (Local, NamedTempFile) {
    let local = Local::start();
    local.deploy(LONG_MODEL, LONG_MODEL);
    local.deploy(SHORT_MODEL, SHORT_MODEL);
    (local, first_samples(LONG_MODEL, LONG_SAMPLES))
}

/// Waits until a process is at work on `query`.
fn wait_for_work(local: &Local, process: &str, query: &Running) {
    let (_, address) = local
        .deployment
        .metrics()
        .find(|(name, _)| *name == process)
        .expect("a process");
    wait_for(&format!("a session at {process}"), CLIENT_DEADLINE, || {
        assert!(!query.has_ended(), "there is a middle of the query");
        (scrape(address)?.value("tercet_sessions_active")? >= 1.0).then_some(())
    });
}

/// Starts queries without end, one after another, so that every role is played by every party, and waits until `process` is at work.
fn in_mid_query(local: &Local, input: &Path, process: &str) -> Running {
    let (client, input) = (local.client(), input.display().to_string());
    let query = start(&[
        "infer", "--config", &client, "--model", LONG_MODEL, "--input", &input, "--repeat", "100000", "--format",
        "json",
    ]);
    wait_for_work(local, process, &query);
    query
}

#[test]
fn a_node_that_is_killed_in_mid_query_is_named_and_may_come_back() {
    let (mut local, input) = deployed();
    for party in PartyId::ALL {
        let others = local.process_ids();
        let query = in_mid_query(&local, input.path(), party.name());
        let since = Instant::now();
        local.deployment.process(Some(party)).kill().expect("it runs");
        let outcome = query.outcome();
        assert!(since.elapsed() < CLIENT_DEADLINE, "{:?}", since.elapsed());
        let said = outcome.failed_json(PARTY);
        assert!(said.contains(party.name()), "{party}: {said}");

        local
            .deployment
            .restart(Some(party))
            .unwrap_or_else(|failure| panic!("{failure}"));
        let report = local.infer(SHORT_MODEL, &samples(SHORT_MODEL));
        assert_eq!(report["batch"], 256);
        let now = local.process_ids();
        for (index, (before, after)) in others.iter().zip(now).enumerate() {
            assert_eq!(*before == after, index != party.index(), "all but {party} live on");
        }
        for process in PartyId::ALL.map(Some).into_iter().chain([None]) {
            assert!(local.deployment.process(process).ended().is_none(), "{process:?} lives");
        }
    }
}

#[test]
fn a_coordinator_that_is_killed_in_mid_query_fails_it_and_may_come_back() {
    let (mut local, input) = deployed();
    let nodes = local.process_ids();
    let query = in_mid_query(&local, input.path(), "cloud");
    local.deployment.process(None).kill().expect("it runs");
    let said = query.outcome().failed_json(UNREACHABLE);
    assert!(said.contains("the coordinator"), "{said}");
    // Nobody computes for a coordinator that is gone.
    for (name, address) in local.deployment.metrics().filter(|(name, _)| *name != "coordinator") {
        wait_for(&format!("{name} to give up"), CLIENT_DEADLINE, || {
            (scrape(address)?.value("tercet_sessions_active")? == 0.0).then_some(())
        });
    }
    local
        .deployment
        .restart(None)
        .unwrap_or_else(|failure| panic!("{failure}"));
    local.infer(SHORT_MODEL, &samples(SHORT_MODEL));
    assert_eq!(local.process_ids()[..3], nodes[..3]);
}

#[test]
fn a_process_that_is_told_to_stop_finishes_what_it_has() {
    let (mut local, _) = deployed();
    let input = first_samples(LONG_MODEL, MEDIUM_SAMPLES);
    for process in [Some(PartyId::Cloud), None] {
        let query = local.start_query(LONG_MODEL, &input.path().display().to_string());
        wait_for_work(&local, process.map_or("coordinator", PartyId::name), &query);
        terminate(local.deployment.process(process).id());
        let report = query.outcome().json();
        assert_eq!(report["batch"], MEDIUM_SAMPLES);
        let status = wait_for("the process to leave", CLIENT_DEADLINE, || {
            local.deployment.process(process).ended()
        });
        assert_eq!(status.code(), Some(0), "{process:?}");
        local
            .deployment
            .restart(process)
            .unwrap_or_else(|failure| panic!("{failure}"));
        local.infer(SHORT_MODEL, &samples(SHORT_MODEL));
    }
}

/// Asks a process to stop, as a service manager does.
fn terminate(process: u32) {
    let script = format!("kill -TERM {process}");
    let told = Command::new("sh").args(["-c", &script]).status().expect("a shell");
    assert!(told.success());
}
