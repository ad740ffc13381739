//! Sessions that are prepared before they have inputs: what goes wrong in either half, and at whom.

use std::time::Duration;

use tercet_engine::testkit::{Case, Fault, SessionRun, World, cases};
use tercet_engine::{EngineError, FrameTag, Misbehaviour};
use tercet_ids::{PartyId, Role, Roles};
use tercet_ring::RingKind;

const PATIENCE: Duration = Duration::from_millis(300);
const DEALER: PartyId = PartyId::Auditor;
const FIRST: PartyId = PartyId::ClientProxy;
const SECOND: PartyId = PartyId::Cloud;
/// The opening of the inputs belongs to the first step.
const ENTRY: FrameTag = FrameTag { step: 0, sequence: 0 };

fn case(name: &str) -> Case {
    cases(RingKind::Z32, 2, 3)
        .into_iter()
        .find(|case| case.name == name)
        .expect("a case of that name")
}

fn run(world: World, case: &Case) -> SessionRun {
    let models = world.models(&case.plan, &case.parameters);
    let roles = Roles::new(DEALER, SECOND).expect("two parties");
    world
        .with_patience(PATIENCE)
        .run_prepared(&case.plan, &models, &case.inputs, roles)
}

fn error(run: &SessionRun, role: Role) -> EngineError {
    let report = run.report(role).as_ref();
    report
        .err()
        .cloned()
        .unwrap_or_else(|| panic!("the {role} did not fail"))
}

/// The first step of a case that takes dealt material, and how much.
fn dealt_step(case: &Case) -> (u32, u64) {
    let steps = case.plan.cost(2).steps;
    let dealt = (0..).zip(&steps).find(|(_, cost)| cost.dealt > 0);
    let (step, cost) = dealt.expect("something is dealt");
    (step, cost.dealt)
}

#[test]
fn what_is_dealt_wrongly_is_found_before_there_is_a_query() {
    let case = case("relu");
    let (step, _) = dealt_step(&case);
    let tag = FrameTag { step, sequence: 0 };
    let at = |fault| {
        let run = run(
            World::new(1).with_fault(Role::Dealer, Role::Evaluator1, tag, fault),
            &case,
        );
        assert!(run.report(Role::Dealer).is_ok(), "the dealer hears of nobody");
        error(&run, Role::Evaluator1)
    };
    let misbehaved = |fault| EngineError::PeerMisbehaved {
        peer: DEALER,
        step,
        fault,
    };
    assert_eq!(at(Fault::Extended), misbehaved(Misbehaviour::DealtTooMuch { bytes: 1 }));
    let found = FrameTag { step, sequence: 1 };
    let expected = tag;
    assert_eq!(
        at(Fault::Renumbered),
        misbehaved(Misbehaviour::WrongTag { expected, found })
    );
    // What is missing never comes, and the dealer's end stays open.
    assert_eq!(at(Fault::Truncated), EngineError::Deadline { peer: DEALER, step });
    assert_eq!(at(Fault::Silent), EngineError::Deadline { peer: DEALER, step });
}

#[test]
fn a_fault_in_the_opening_of_the_inputs_names_its_sender() {
    let case = case("product");
    let expected = case.plan.prepared_cost(2).steps[0].e1_to_e0 as usize;
    let at = |fault| {
        let world = World::new(1).with_fault(Role::Evaluator1, Role::Evaluator0, ENTRY, fault);
        error(&run(world, &case), Role::Evaluator0)
    };
    let wrong_length = |found| EngineError::PeerMisbehaved {
        peer: SECOND,
        step: 0,
        fault: Misbehaviour::WrongLength {
            tag: ENTRY,
            expected,
            found,
        },
    };
    assert_eq!(at(Fault::Truncated), wrong_length(expected - 1));
    assert_eq!(at(Fault::Extended), wrong_length(expected + 1));
}

#[test]
fn inputs_that_do_not_fit_are_the_clients_fault_and_end_the_session() {
    let case = case("dense and bias");
    let mut short = case.inputs.clone();
    short.batch = 3;
    let longer = Case { inputs: short, ..case };
    let run = run(World::new(1), &longer);
    for role in [Role::Dealer, Role::Evaluator0, Role::Evaluator1] {
        assert!(
            matches!(error(&run, role), EngineError::InputLength { .. }),
            "at the {role}"
        );
    }
}

#[test]
fn the_dealer_needs_no_word_of_the_query() {
    let case = case("network of exact steps");
    let silent = World::new(1).with_fault(Role::Evaluator0, Role::Evaluator1, ENTRY, Fault::Silent);
    let run = run(silent, &case);
    assert!(run.report(Role::Dealer).is_ok());
    let named = |role, peer| match error(&run, role) {
        EngineError::Deadline { peer: waited_for, .. } | EngineError::PeerLost { peer: waited_for, .. } => {
            assert_eq!(waited_for, peer);
        }
        other => panic!("{other}"),
    };
    named(Role::Evaluator1, FIRST);
    named(Role::Evaluator0, SECOND);
}
