//! Whole sessions at three parties, begun with their inputs and prepared before, against the plan's oracle, with declared cost against metered.

use tercet_engine::testkit::{World, cases};
use tercet_ids::Roles;
use tercet_ring::RingKind;

fn every_op_agrees_with_the_oracle(ring: RingKind) {
    for (seed, batch) in [1, 2, 7].into_iter().enumerate() {
        for case in cases(ring, batch, seed as u64) {
            let world = World::new(seed as u64);
            let models = world.models(&case.plan, &case.parameters);
            for roles in Roles::all() {
                case.check_run(&world.run(&case.plan, &models, &case.inputs, roles));
                case.check_prepared_run(&world.run_prepared(&case.plan, &models, &case.inputs, roles));
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
