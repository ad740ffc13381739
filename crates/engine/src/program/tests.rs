use std::time::{Duration, Instant};

use tercet_ids::{PartyId, Roles};
use tercet_ring::{RingKind, Secret};

use super::{InputMasks, Preparation, Program, deal, evaluate};
use crate::error::EngineError;
use crate::session::{InputShare, Model, dealer_view, evaluator_views};
use crate::testkit::{Case, World, cases};

fn network() -> Case {
    let named = |case: &Case| case.name == "network of exact steps";
    cases(RingKind::Z32, 3, 8)
        .into_iter()
        .find(named)
        .expect("there is such a case")
}

/// What dealer and evaluator 0 reveal of a case's outputs: r and m.
fn run(case: &Case, prepared_bytes_max: usize, patience: Duration) -> [Result<Vec<Secret<u32>>, EngineError>; 2] {
    // The roles that the world gives to a single protocol.
    let roles = Roles::new(PartyId::Auditor, PartyId::Cloud).expect("two parties");
    let world = World::new(4);
    let models = world.models(&case.plan, &case.parameters);
    let deadline = Instant::now() + patience;
    let program = |me: PartyId| {
        let Model::Z32(model) = &models[me.index()] else {
            panic!("the case is over 32 bits")
        };
        let (batch, plan) = (case.inputs.batch as usize, &case.plan);
        Program {
            plan,
            model,
            batch,
            me,
            roles,
            deadline,
            prepared_bytes_max,
        }
    };
    let inputs = |me: PartyId| {
        let shares = world.share_inputs(&case.plan, &case.inputs);
        let InputShare::Z32(mine) = &shares[me.index()] else {
            panic!("the case is over 32 bits")
        };
        mine.clone()
    };
    let run = world.run_protocol(
        0,
        |dealer| {
            let masks = inputs(PartyId::Auditor)
                .into_iter()
                .map(|input| dealer_view(input, roles));
            deal(&program(PartyId::Auditor), dealer, InputMasks::Shared(masks.collect()))
        },
        |evaluator| {
            let me = if evaluator.is_first() {
                PartyId::ClientProxy
            } else {
                PartyId::Cloud
            };
            let program = program(me);
            let views = evaluator_views(inputs(me), roles).into_iter();
            let (masks, masked) = views.map(|input| (input.mask, input.masked)).unzip();
            let mut preparation = Preparation::new(&program, evaluator, InputMasks::Shared(masks));
            preparation.run_ahead(&program, evaluator);
            evaluate(&program, evaluator, preparation, masked)
        },
    );
    let [first, _] = run.evaluators;
    let (dealt, _) = run.dealer.expect("nothing is left of the last step");
    [dealt.map(|(r, _)| r), first.map(|((m, _), _)| m)]
}

#[test]
fn what_is_not_prepared_ahead_is_prepared_in_time() {
    let case = network();
    for prepared_bytes_max in [0, 1, 500, usize::MAX] {
        let run = run(&case, prepared_bytes_max, Duration::from_secs(10));
        let [r, m] = run.map(|outputs| outputs.expect("the session succeeds"));
        let difference = |(m, r): (&u32, &u32)| i64::from(m.wrapping_sub(*r).cast_signed());
        let outputs = m
            .iter()
            .zip(&r)
            .map(|(m, r)| m.iter().zip(r.iter()).map(difference).collect());
        case.check(&outputs.collect::<Vec<_>>());
    }
}

#[test]
fn computation_stops_at_the_deadline() {
    let errors = run(&network(), 0, Duration::ZERO).map(Result::err);
    let late = |peer| Some(EngineError::Deadline { peer, step: 0 });
    assert_eq!(errors, [late(PartyId::Auditor), late(PartyId::ClientProxy)]);
}
