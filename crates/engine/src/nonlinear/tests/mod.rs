//! The protocols against plain arithmetic, their declared cost against the metered one, their faults, and what they reveal.

mod faults;
mod leakage;
mod maxima;
mod pointwise;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tercet_plan::Op;
use tercet_plan::cost::{StepCost, nonlinear};
use tercet_ring::Ring;

use super::{Shapes, deal, evaluate};
use crate::RESULT_MASK;
use crate::meter::StepTraffic;
use crate::testkit::{ProtocolRun, World};

const STEP: u32 = 3;

/// Runs a step as the executor would, on the opened form of `x` under a random r. Gives the mask of the result, and m at both evaluators.
fn run<R: Ring>(world: &World, op: &Op, shapes: Shapes<'_>, x: &[i64]) -> ProtocolRun<Vec<R>, Vec<R>> {
    let mut random = StdRng::seed_from_u64(x.len() as u64);
    let r: Vec<R> = x.iter().map(|_| R::from_u64(random.random())).collect();
    let m: Vec<R> = x.iter().zip(&r).map(|(&x, &r)| R::from_i64(x).plus(r)).collect();
    let results = shapes.result_elements();
    world.run_protocol(
        STEP,
        |dealer| {
            deal(dealer, op, shapes, &r).expect("a sound step");
            dealer.mask::<R>(RESULT_MASK, results).to_vec()
        },
        |evaluator| {
            let mask = evaluator.masks(RESULT_MASK, results);
            Ok(evaluate(evaluator, op, shapes, &m, &mask)?.into_vec())
        },
    )
}

/// The results of a run without faults, after checking that both evaluators have the same m and that the cost is as declared.
fn results<R: Ring>(seed: u64, op: &Op, shapes: Shapes<'_>, x: &[i64]) -> Vec<i64> {
    let (mask, [m, other], traffic) = run::<R>(&World::new(seed), op, shapes, x).unwrap();
    assert!(
        m.iter().zip(&other).all(|(x, y)| x.to_u64() == y.to_u64()),
        "the evaluators have the same m"
    );
    let lanes = shapes.result_elements() as u64;
    check_cost(
        nonlinear(op, shapes.operand, lanes, R::KIND).expect("a sound comparison"),
        traffic,
    );
    m.iter().zip(&mask).map(|(m, l)| m.minus(*l).to_i64()).collect()
}

fn check_cost(declared: StepCost, [dealer, first, second]: [StepTraffic; 3]) {
    assert_eq!((first.rounds, second.rounds), (declared.rounds, declared.rounds));
    assert_eq!(
        (first.online_sent, second.online_received),
        (declared.e0_to_e1, declared.e0_to_e1)
    );
    assert_eq!(
        (second.online_sent, first.online_received),
        (declared.e1_to_e0, declared.e1_to_e0)
    );
    assert_eq!(
        (dealer.dealt_sent, second.dealt_received),
        (declared.dealt, declared.dealt)
    );
}
