//! A party that holds another model than the others.

use std::fs;

use tercet_ids::PartyId;

use crate::harness::{Local, samples, tercet};

const FIRST: &str = "credit_mlp";
const SECOND: &str = "breast_cancer_mlp";
const THIRD: &str = "mnist_lenet";
/// Exit code, as documented.
const CONFIGURATION: i32 = 3;

#[test]
fn a_party_that_holds_other_plans_is_named_and_other_models_are_served() {
    let mut local = Local::start();
    for model in [FIRST, SECOND, THIRD] {
        local.deploy(model, model);
    }
    let party = PartyId::Auditor;
    local.deployment.process(Some(party)).kill().expect("it runs");
    // The node's files with each other's contents: their names inside are swapped, too, as a mistaken operator's copy would have it.
    let stored = local
        .deployment
        .directory()
        .join("models")
        .join(party.name())
        .join("active");
    let swapped = [FIRST, SECOND].map(|model| fs::read(stored.join(model)).expect("a stored model"));
    let [first, second] = swapped.map(|bytes| tercet_wire::decode::<tercet_wire::Load>(&bytes).expect("a model"));
    for (name, other) in [(FIRST, second), (SECOND, first)] {
        let load = tercet_wire::Load {
            name: name.parse().expect("a name"),
            ..other
        };
        fs::write(stored.join(name), tercet_wire::encode(&load)).expect("written");
    }
    local
        .deployment
        .restart(Some(party))
        .unwrap_or_else(|failure| panic!("{failure}"));

    for model in [FIRST, SECOND] {
        let asked = tercet(&[
            "infer",
            "--config",
            &local.client(),
            "--model",
            model,
            "--input",
            &samples(model),
        ]);
        let said = asked.sentence(CONFIGURATION);
        assert!(said.contains(party.name()) && said.contains(model), "{said}");
    }
    local.infer(THIRD, &samples(THIRD));

    // Deploying again puts it right.
    local.deploy(FIRST, FIRST);
    local.infer(FIRST, &samples(FIRST));
}
