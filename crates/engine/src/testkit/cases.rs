use rand::SeedableRng;
use rand::rngs::StdRng;
use tercet_plan::testkit::samples;
use tercet_plan::{Encoded, Integers, Parameters, Plan, oracle};
use tercet_ring::RingKind;

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
