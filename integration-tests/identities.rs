//! Callers whose certificates are not the pinned ones.

use std::fs;

use tercet::deployment::make_identity;
use tercet_ids::PartyId;

use crate::harness::{COMMAND_WITHIN, Local, samples, tercet, wait_for};

const MODEL: &str = "credit_mlp";
/// Exit codes, as documented.
const CONFIGURATION: i32 = 3;

#[test]
fn a_client_with_an_unknown_certificate_is_refused() {
    let local = Local::start();
    local.deploy(MODEL, MODEL);
    let directory = local.deployment.directory();
    let stranger = directory.join("keys/stranger");
    make_identity(&stranger, "client").unwrap_or_else(|failure| panic!("{failure}"));
    let text = fs::read_to_string(local.client()).expect("the client's configuration");
    let config = directory.join("stranger.toml");
    fs::write(&config, text.replace("keys/client/", "keys/stranger/")).expect("written");
    let asked = tercet(&[
        "infer",
        "--config",
        &config.display().to_string(),
        "--model",
        MODEL,
        "--input",
        &samples(MODEL),
    ]);
    let said = asked.sentence(CONFIGURATION);
    assert!(
        said.contains("the coordinator") && said.contains("refused this end"),
        "{said}"
    );
    // The known client is still served.
    local.infer(MODEL, &samples(MODEL));
}

#[test]
fn a_coordinator_that_is_not_the_pinned_one_is_told_nothing() {
    let local = Local::start();
    let text = fs::read_to_string(local.client()).expect("the client's configuration");
    let pinned = text
        .split("certificate_sha256 = \"")
        .nth(1)
        .and_then(|rest| rest.get(..64))
        .expect("a pin");
    let other = "ab".repeat(32);
    let config = local.deployment.directory().join("mistaken.toml");
    fs::write(&config, text.replace(pinned, &other)).expect("written");
    let asked = tercet(&[
        "infer",
        "--config",
        &config.display().to_string(),
        "--model",
        MODEL,
        "--input",
        &samples(MODEL),
    ]);
    let said = asked.sentence(CONFIGURATION);
    assert!(said.contains(pinned) && said.contains(&other), "{said}");
}

#[test]
fn a_node_whose_certificate_is_not_the_pinned_one_takes_no_part() {
    let mut local = Local::start();
    local.deploy(MODEL, MODEL);
    let party = PartyId::Cloud;
    let keys = local.deployment.directory().join("keys").join(party.name());
    let (own, kept) = (keys.join("identity.crt"), keys.join("kept.crt"));
    let (own_key, kept_key) = (keys.join("identity.key"), keys.join("kept.key"));
    fs::rename(&own, &kept).expect("moved");
    fs::rename(&own_key, &kept_key).expect("moved");
    make_identity(&keys, party.name()).unwrap_or_else(|failure| panic!("{failure}"));
    local.deployment.process(Some(party)).kill().expect("it runs");
    let process = local.deployment.process(Some(party));
    process.start_again().unwrap_or_else(|failure| panic!("{failure}"));

    // Those who dial it find an impostor, and say so once.
    for dialler in ["client-proxy", "coordinator"] {
        let log = local.deployment.directory().join(format!("{dialler}.log"));
        wait_for(&format!("{dialler} to see the impostor"), COMMAND_WITHIN, || {
            let text = fs::read_to_string(&log).ok()?;
            text.contains("whoever answers for cloud").then_some(())
        });
    }
    let asked = tercet(&[
        "infer",
        "--config",
        &local.client(),
        "--model",
        MODEL,
        "--input",
        &samples(MODEL),
    ]);
    let said = asked.sentence(8);
    assert!(said.contains(party.name()), "{said}");

    // With its own identity it takes part again.
    local.deployment.process(Some(party)).kill().expect("it runs");
    fs::rename(&kept, &own).expect("moved back");
    fs::rename(&kept_key, &own_key).expect("moved back");
    local
        .deployment
        .restart(Some(party))
        .unwrap_or_else(|failure| panic!("{failure}"));
    local.infer(MODEL, &samples(MODEL));
}
