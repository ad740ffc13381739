//! Steps of many tiles: results and cost as of few, a linear step fused with the one after it, and faults in the middle of them.

use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tercet_engine::testkit::{Case, Fault, SessionRun, World};
use tercet_engine::{EngineError, FrameTag, Misbehaviour};
use tercet_ids::{PartyId, Role, Roles};
use tercet_plan::testkit::{PlanBuilder, random_inputs, random_parameters};
use tercet_plan::{Comparison, Op, Term, Variant, Window};
use tercet_ring::RingKind;

/// The linear step of the plan, and the one that is fused with it.
const LINEAR: u32 = 1;
const RELU: u32 = 2;

fn roles() -> Roles {
    Roles::new(PartyId::Auditor, PartyId::Cloud).expect("two parties")
}

/// A linear step with a ReLU that alone takes its value, pooling, and a linear step whose value has two users: 80 000 and
/// 20 000 elements at `batch` 25.
fn case(ring: RingKind, batch: u32) -> Case {
    let mut plan = PlanBuilder::new(ring);
    let input = plan.input(&[4, 40, 20], 6, 8);
    let weight = plan.parameter(&[4, 40, 20], 6);
    let linear = Op::Linear(vec![Term::Scale { of: input, weight }]);
    let linear = plan.step(linear, &[4, 40, 20], 12, 14);
    let relu = Op::Piecewise {
        of: linear,
        shift: 0,
        knots: vec![0],
        slopes: vec![0, 1],
        offsets: vec![0, 0],
        comparison: Comparison { bits: 16, drop: 0 },
        variant: Variant::Balanced,
    };
    let relu = plan.step(relu, &[4, 40, 20], 12, 14);
    let doubled = Op::Linear(vec![Term::Add { of: relu, factor: 2 }]);
    let doubled = plan.step(doubled, &[4, 40, 20], 12, 15);
    let truncated = plan.step(Op::Truncate { of: doubled, shift: 1 }, &[4, 40, 20], 11, 15);
    let pool = Op::MaxPool {
        of: doubled,
        window: Window {
            size: [2; 2],
            stride: [2; 2],
            dilation: [1; 2],
        },
        shift: 0,
        relu: false,
        comparison: Comparison { bits: 18, drop: 0 },
        variant: Variant::Balanced,
    };
    let pool = plan.step(pool, &[4, 20, 10], 12, 15);
    plan.output(truncated);
    plan.output(pool);
    let plan = plan.build();
    let mut random = StdRng::seed_from_u64(u64::from(batch));
    Case {
        name: "many tiles",
        parameters: random_parameters(&plan, 5, &mut random),
        inputs: random_inputs(&plan, batch, &mut random),
        plan,
    }
}

fn run(world: &World, case: &Case) -> SessionRun {
    let models = world.models(&case.plan, &case.parameters);
    world.run(&case.plan, &models, &case.inputs, roles())
}

#[test]
fn many_tiles_agree_with_the_oracle_and_cost_what_is_declared() {
    for ring in [RingKind::Z32, RingKind::Z64] {
        // Fewer tiles than live at once, as many and one element more, and several times as many.
        for batch in [3, 41, 80] {
            let case = case(ring, batch);
            case.check_run(&run(&World::new(1), &case));
        }
    }
}

fn error(run: &SessionRun, role: Role) -> EngineError {
    let report = run.report(role).as_ref();
    report
        .err()
        .cloned()
        .unwrap_or_else(|| panic!("the {role} did not fail"))
}

#[test]
fn a_fault_in_the_middle_of_many_tiles_is_found_by_its_receiver() {
    let case = case(RingKind::Z32, 80);
    let tag = FrameTag {
        step: LINEAR,
        sequence: 11,
    };
    let next = FrameTag { sequence: 12, ..tag };
    let at = |fault| {
        let world = World::new(1).with_fault(Role::Evaluator1, Role::Evaluator0, tag, fault);
        let run = run(&world, &case);
        // The one that fails leaves.
        assert!(matches!(
            error(&run, Role::Evaluator1),
            EngineError::PeerLost {
                peer: PartyId::ClientProxy,
                ..
            }
        ));
        error(&run, Role::Evaluator0)
    };
    let misbehaved = |fault| EngineError::PeerMisbehaved {
        peer: PartyId::Cloud,
        step: LINEAR,
        fault,
    };
    for (fault, difference) in [(Fault::Truncated, -1), (Fault::Extended, 1)] {
        let EngineError::PeerMisbehaved {
            peer: PartyId::Cloud,
            step: LINEAR,
            fault:
                Misbehaviour::WrongLength {
                    tag: at,
                    expected,
                    found,
                },
        } = at(fault)
        else {
            panic!("the length is wrong")
        };
        assert_eq!((at, found as i64 - expected as i64), (tag, difference));
    }
    assert_eq!(
        at(Fault::Renumbered),
        misbehaved(Misbehaviour::WrongTag {
            expected: tag,
            found: next
        })
    );
    assert_eq!(
        at(Fault::Repeated),
        misbehaved(Misbehaviour::WrongTag {
            expected: next,
            found: tag
        })
    );
}

#[test]
fn a_dealer_that_falls_silent_between_tiles_is_named() {
    let case = case(RingKind::Z32, 80);
    let tag = FrameTag {
        step: RELU,
        sequence: 5,
    };
    let world = World::new(1).with_patience(Duration::from_millis(700)).with_fault(
        Role::Dealer,
        Role::Evaluator1,
        tag,
        Fault::Silent,
    );
    // The dealer ends, as it hears of nobody; the evaluator learns it or gives up.
    let (peer, step) = (PartyId::Auditor, RELU);
    let expected = [
        EngineError::PeerLost { peer, step },
        EngineError::Deadline { peer, step },
    ];
    assert!(expected.contains(&error(&run(&world, &case), Role::Evaluator1)));
}
