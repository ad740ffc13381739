//! Whole sessions at three parties against the plan's oracle, with declared cost against metered.

use tercet_engine::testkit::{Case, SessionRun, World, cases};
use tercet_ids::{Role, Roles};
use tercet_plan::cost::StepCost;
use tercet_ring::RingKind;

/// Compares a run with the oracle, and what it cost with what the plan declares, step by step.
fn check(case: &Case, run: &SessionRun) {
    case.check(&run.outputs(case.plan.ring()));
    let [dealer, first, second] = [Role::Dealer, Role::Evaluator0, Role::Evaluator1].map(|role| {
        let report = run
            .report(role)
            .as_ref()
            .unwrap_or_else(|error| panic!("{}: the {role} failed: {error}", case.name));
        &report.meter.steps
    });
    for (index, declared) in case.plan.cost(case.inputs.batch).steps.into_iter().enumerate() {
        let metered = StepCost {
            rounds: first[index].rounds,
            e0_to_e1: first[index].online_sent,
            e1_to_e0: second[index].online_sent,
            dealt: dealer[index].dealt_sent,
            multiply_adds: declared.multiply_adds,
        };
        assert_eq!(metered, declared, "{}: step {index}", case.name);
        assert_eq!(second[index].rounds, declared.rounds);
        assert_eq!(
            (second[index].online_received, first[index].online_received),
            (declared.e0_to_e1, declared.e1_to_e0)
        );
        assert_eq!(second[index].dealt_received, declared.dealt);
    }
}

fn every_op_agrees_with_the_oracle(ring: RingKind) {
    for (seed, batch) in [1, 2, 7].into_iter().enumerate() {
        for case in cases(ring, batch, seed as u64) {
            let world = World::new(seed as u64);
            let models = world.models(&case.plan, &case.parameters);
            for roles in Roles::all() {
                check(&case, &world.run(&case.plan, &models, &case.inputs, roles));
            }
        }
    }
}

#[test]
fn every_op_agrees_with_the_oracle_over_32_bits() {
    every_op_agrees_with_the_oracle(RingKind::Z32);
}

#[test]
fn every_op_agrees_with_the_oracle_over_64_bits() {
    every_op_agrees_with_the_oracle(RingKind::Z64);
}
