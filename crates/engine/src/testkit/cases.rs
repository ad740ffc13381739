use rand::SeedableRng;
use rand::rngs::StdRng;
use tercet_ids::Role;
use tercet_plan::cost::{PlanCost, StepCost};
use tercet_plan::testkit::samples;
use tercet_plan::{Encoded, Integers, Parameters, Plan, oracle};
use tercet_ring::RingKind;

use super::SessionRun;

/// A plan with parameters and inputs, to be run by any means and compared with the oracle.
pub struct Case {
    /// What it exercises.
    pub name: &'static str,
    /// The plan, which is valid.
    pub plan: Plan,
    /// Its parameters.
    pub parameters: Parameters,
    /// Inputs within the plan's bounds, edge values among them.
    pub inputs: Encoded,
}

/// A case for each op and kind of term: random shapes in a ring, for a batch. Everything follows from the seed.
pub fn cases(ring: RingKind, batch: u32, seed: u64) -> Vec<Case> {
    let mut random = StdRng::seed_from_u64(seed);
    let with_inputs = |sample: tercet_plan::testkit::Sample| Case {
        name: sample.name,
        inputs: sample.inputs(batch, &mut random),
        plan: sample.plan,
        parameters: sample.parameters,
    };
    let mut shapes = StdRng::seed_from_u64(!seed);
    samples(ring, &mut shapes).into_iter().map(with_inputs).collect()
}

impl Case {
    /// Compares a run with the oracle, and what it cost with what the plan declares, step by step.
    ///
    /// # Panics
    /// When a party failed, or anything differs.
    pub fn check_run(&self, run: &SessionRun) {
        self.check_run_of(run, self.plan.cost(self.inputs.batch));
    }

    /// The same for a session that was prepared before it had inputs.
    ///
    /// # Panics
    /// When a party failed, or anything differs.
    pub fn check_prepared_run(&self, run: &SessionRun) {
        self.check_run_of(run, self.plan.prepared_cost(self.inputs.batch));
    }

    fn check_run_of(&self, run: &SessionRun, cost: PlanCost) {
        self.check(&run.outputs(self.plan.ring()));
        let [dealer, first, second] = [Role::Dealer, Role::Evaluator0, Role::Evaluator1].map(|role| {
            let report = run
                .report(role)
                .as_ref()
                .unwrap_or_else(|error| panic!("{}: the {role} failed: {error}", self.name));
            &report.meter.steps
        });
        for (index, declared) in cost.steps.into_iter().enumerate() {
            let metered = StepCost {
                rounds: first[index].rounds,
                e0_to_e1: first[index].online_sent,
                e1_to_e0: second[index].online_sent,
                dealt: dealer[index].dealt_sent,
                dealt_work: declared.dealt_work,
                multiply_adds: declared.multiply_adds,
            };
            assert_eq!(metered, declared, "{}: step {index}", self.name);
            assert_eq!(second[index].rounds, declared.rounds);
            assert_eq!(
                (second[index].online_received, first[index].online_received),
                (declared.e0_to_e1, declared.e1_to_e0)
            );
            assert_eq!(second[index].dealt_received, declared.dealt);
        }
    }

    /// Compares what a client rebuilt, output by output, with the oracle: equal but for the error that the revealed step allows.
    ///
    /// # Panics
    /// When they differ by more.
    pub fn check(&self, outputs: &[Integers]) {
        let expected = oracle::run(&self.plan, &self.parameters, &self.inputs).revealed(&self.plan);
        assert_eq!(
            outputs.len(),
            expected.len(),
            "{}: the plan's outputs are revealed",
            self.name
        );
        for ((output, found), expected) in self.plan.outputs.iter().zip(outputs).zip(&expected) {
            assert_eq!(
                found.len(),
                expected.len(),
                "{}: the output has the plan's shape",
                self.name
            );
            let bound = self.plan.steps[output.value.0 as usize].op.error_bound().unwrap_or(0);
            for (index, (&found, &expected)) in found.iter().zip(expected.iter()).enumerate() {
                let error = found.wrapping_sub(expected).unsigned_abs();
                let name = self.name;
                assert!(
                    error <= bound,
                    "{name}: element {index} is {found}, not {expected} within {bound}"
                );
            }
        }
    }
}
