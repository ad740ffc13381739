//! Sessions that fail, and the exact error at each party.

use std::time::{Duration, Instant};

use tercet_engine::testkit::{Case, Fault, SessionRun, World, cases};
use tercet_engine::{EngineError, FrameTag, InputShare, Misbehaviour};
use tercet_ids::{PartyId, Role, Roles};
use tercet_plan::Op;
use tercet_ring::RingKind;

/// How long parties wait.
const PATIENCE: Duration = Duration::from_millis(300);
const DEALER: PartyId = PartyId::Auditor;
const FIRST: PartyId = PartyId::ClientProxy;
const SECOND: PartyId = PartyId::Cloud;

fn roles() -> Roles {
    Roles::new(DEALER, SECOND).expect("two parties")
}

fn case(name: &str) -> Case {
    cases(RingKind::Z32, 2, 3)
        .into_iter()
        .find(|case| case.name == name)
        .expect("a case of that name")
}

/// The step of a case that its name is about: the first that exchanges anything.
fn exchanging_step(case: &Case) -> u32 {
    let steps = case.plan.cost(2).steps;
    steps
        .iter()
        .position(|cost| cost.rounds > 0)
        .expect("the case exchanges something") as u32
}

fn run(world: World, case: &Case) -> SessionRun {
    let models = world.models(&case.plan, &case.parameters);
    world
        .with_patience(PATIENCE)
        .run(&case.plan, &models, &case.inputs, roles())
}

fn error(run: &SessionRun, role: Role) -> EngineError {
    run.report(role)
        .as_ref()
        .err()
        .cloned()
        .unwrap_or_else(|| panic!("the {role} did not fail"))
}

#[test]
fn a_fault_in_an_opening_is_found_by_its_receiver_in_every_linear_protocol() {
    let names = [
        "dense and bias",
        "convolution",
        "scale",
        "product",
        "matrix product",
        "residual sum",
    ];
    for case in names.map(case) {
        let step = exchanging_step(&case);
        let tag = FrameTag { step, sequence: 0 };
        let next = FrameTag { step, sequence: 1 };
        let len = case.plan.cost(2).steps[step as usize].e1_to_e0 as usize;
        let misbehaved = |fault| EngineError::PeerMisbehaved {
            peer: SECOND,
            step,
            fault,
        };
        let at = |fault| {
            let world = World::new(1).with_fault(Role::Evaluator1, Role::Evaluator0, tag, fault);
            error(&run(world, &case), Role::Evaluator0)
        };
        let wrong_length = |found| {
            misbehaved(Misbehaviour::WrongLength {
                tag,
                expected: len,
                found,
            })
        };
        assert_eq!(at(Fault::Truncated), wrong_length(len - 1), "{}", case.name);
        assert_eq!(at(Fault::Extended), wrong_length(len + 1), "{}", case.name);
        let wrong_tag = Misbehaviour::WrongTag {
            expected: tag,
            found: next,
        };
        assert_eq!(at(Fault::Renumbered), misbehaved(wrong_tag), "{}", case.name);
    }
}

#[test]
fn a_silent_evaluator_is_named_within_the_deadline() {
    let case = case("network of exact steps");
    let step = exchanging_step(&case);
    let tag = FrameTag { step, sequence: 0 };
    let since = Instant::now();
    let run = run(
        World::new(1).with_fault(Role::Evaluator0, Role::Evaluator1, tag, Fault::Silent),
        &case,
    );
    assert!(since.elapsed() < 2 * PATIENCE);
    // Both wait for each other; whoever gives up first is lost to the other.
    let named = |role, peer| match error(&run, role) {
        EngineError::Deadline { peer: waited_for, .. } | EngineError::PeerLost { peer: waited_for, .. } => {
            assert_eq!(waited_for, peer);
        }
        other => panic!("{other}"),
    };
    named(Role::Evaluator1, FIRST);
    named(Role::Evaluator0, SECOND);
}

#[test]
fn dealt_material_that_is_too_much_names_the_dealer() {
    let case = case("relu");
    let steps = case.plan.cost(2).steps;
    let step = steps
        .iter()
        .position(|cost| cost.dealt > 0)
        .expect("a comparison takes dealt bits") as u32;
    let tag = FrameTag { step, sequence: 0 };
    let world = World::new(1).with_fault(Role::Dealer, Role::Evaluator1, tag, Fault::Extended);
    let run = run(world, &case);
    let fault = Misbehaviour::DealtTooMuch { bytes: 1 };
    assert_eq!(
        error(&run, Role::Evaluator1),
        EngineError::PeerMisbehaved {
            peer: DEALER,
            step,
            fault
        }
    );
    assert!(run.report(Role::Dealer).is_ok(), "the dealer hears of nobody");
}

#[test]
fn an_evaluator_that_fails_is_lost_to_the_other() {
    let case = case("network of exact steps");
    let linear = |op: &Op| matches!(op, Op::Linear(_));
    let steps: Vec<u32> = (0..)
        .zip(&case.plan.steps)
        .filter(|(_, step)| linear(&step.op))
        .map(|(i, _)| i)
        .collect();
    let tag = FrameTag {
        step: steps[0],
        sequence: 0,
    };
    let world = World::new(1).with_fault(Role::Evaluator1, Role::Evaluator0, tag, Fault::Truncated);
    let run = run(world, &case);
    assert!(matches!(
        error(&run, Role::Evaluator0),
        EngineError::PeerMisbehaved { peer: SECOND, .. }
    ));
    assert!(matches!(
        error(&run, Role::Evaluator1),
        EngineError::PeerLost { peer: FIRST, .. }
    ));
}

#[test]
fn shares_that_do_not_fit_the_plan_are_the_clients_fault() {
    let case = case("dense and bias");
    let mut short = case.inputs.clone();
    short.batch = 3;
    let longer = Case { inputs: short, ..case };
    let run_longer = run(World::new(1), &longer);
    let input = longer.plan.inputs[0].name.clone();
    let per_sample: usize = longer.plan.inputs[0].shape.iter().map(|&size| size as usize).product();
    for role in [Role::Dealer, Role::Evaluator0, Role::Evaluator1] {
        let expected = EngineError::InputLength {
            input: input.clone(),
            expected: 3 * per_sample,
            found: 2 * per_sample,
        };
        assert_eq!(error(&run_longer, role), expected);
    }
}

#[test]
fn shares_over_another_ring_or_of_another_number_are_the_clients_fault() {
    let case = case("dense and bias");
    let world = World::new(1);
    let models = world.models(&case.plan, &case.parameters);
    let empty = || {
        [
            InputShare::Z32(vec![]),
            InputShare::Z32(vec![]),
            InputShare::Z32(vec![]),
        ]
    };
    let wide = || {
        [
            InputShare::Z64(vec![]),
            InputShare::Z64(vec![]),
            InputShare::Z64(vec![]),
        ]
    };
    for (inputs, detail) in [
        (empty(), "their number is another one"),
        (wide(), "they are over another ring"),
    ] {
        let run = world.run_shares(&case.plan, &models, 2, inputs, roles());
        for report in run.reports {
            assert_eq!(report.err(), Some(EngineError::InputKind { detail }));
        }
    }
}
