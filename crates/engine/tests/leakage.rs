//! What an evaluator receives in a whole session tells nothing of the input.
//!
//! All that the evaluator itself holds and draws is fixed; only the secret that the other two parties have in common is redrawn. Then
//! every bit it receives has to be uniform, whatever the input. The test statistic is the sum over all bits of
//! (ones - runs / 2)^2 / (runs / 4), which has a chi-square distribution with as many degrees of freedom as there are bits.

use rand::SeedableRng;
use rand::rngs::StdRng;
use tercet_engine::Model;
use tercet_engine::testkit::{SessionRun, Transcript, World};
use tercet_ids::{PartyId, Role, Roles};
use tercet_plan::cost::PlanCost;
use tercet_plan::testkit::{PlanBuilder, random_parameters};
use tercet_plan::{Comparison, Encoded, Integers, Op, Plan, Term, Variant};
use tercet_ring::{RingKind, Secret};

const RUNS: u64 = 600;
/// Standard deviations above the mean that the statistic may lie: exceeded with a probability of about 1e-8.
const DEVIATIONS: f64 = 6.0;

/// Counts of ones of each bit over all runs.
#[derive(Default)]
struct Ones(Vec<u64>);

impl Ones {
    fn add(&mut self, transcripts: &[&Transcript]) {
        let mut bytes = Vec::new();
        for transcript in transcripts {
            let frames = transcript.lock().expect("no thread panicked");
            frames.iter().for_each(|(_, payload)| bytes.extend_from_slice(payload));
        }
        self.0.resize(bytes.len() * 8, 0);
        for (bit, ones) in self.0.iter_mut().enumerate() {
            *ones += u64::from(bytes[bit / 8] >> (bit % 8) & 1);
        }
    }

    /// How many standard deviations the statistic lies above its mean.
    fn excess(&self) -> f64 {
        let half = RUNS as f64 / 2.0;
        let statistic: f64 = self
            .0
            .iter()
            .map(|&ones| (ones as f64 - half).powi(2) / (half / 2.0))
            .sum();
        let freedom = self.0.len() as f64;
        (statistic - freedom) / (2.0 * freedom).sqrt()
    }
}

/// Dense, ReLU with truncation, dense: 64 lanes at batch 8, so that no bit on the wire is padding.
fn network() -> Plan {
    let mut plan = PlanBuilder::new(RingKind::Z32);
    let input = plan.input(&[16], 8, 10);
    let (first, second) = (plan.parameter(&[16, 8], 8), plan.parameter(&[8, 8], 8));
    let bias = plan.parameter(&[8], 16);
    let hidden = Op::Linear(vec![
        Term::Dense {
            of: input,
            weight: first,
        },
        Term::Bias(bias),
    ]);
    let hidden = plan.step(hidden, &[8], 16, 22);
    let relu = Op::Piecewise {
        of: hidden,
        shift: 8,
        knots: vec![0],
        slopes: vec![0, 1],
        offsets: vec![0, 0],
        comparison: Comparison { bits: 24, drop: 4 },
        variant: Variant::Balanced,
    };
    let relu = plan.step(relu, &[8], 8, 14);
    let output = plan.step(
        Op::Linear(vec![Term::Dense {
            of: relu,
            weight: second,
        }]),
        &[8],
        16,
        25,
    );
    plan.output(output);
    plan.build()
}

/// Two inputs that differ in every element, in sign and in size.
fn inputs() -> [Encoded; 2] {
    let of = |value: &dyn Fn(i64) -> i64| Encoded {
        batch: 8,
        inputs: vec![(0..128).map(value).collect::<Integers>()],
    };
    [of(&|_| 0), of(&|i| if i % 2 == 0 { 1023 } else { -1000 })]
}

#[test]
fn a_session_tells_an_evaluator_nothing() {
    tells_an_evaluator_nothing(network().cost(8), |world, plan, models, input, roles| {
        world.run(plan, models, input, roles)
    });
}

#[test]
fn a_prepared_session_tells_an_evaluator_nothing() {
    tells_an_evaluator_nothing(network().prepared_cost(8), |world, plan, models, input, roles| {
        world.run_prepared(plan, models, input, roles)
    });
}

fn tells_an_evaluator_nothing(cost: PlanCost, run: impl Fn(&World, &Plan, &[Model; 3], &Encoded, Roles) -> SessionRun) {
    let cost = cost.total();
    let plan = network();
    let parameters = random_parameters(&plan, 8, &mut StdRng::seed_from_u64(1));
    let roles = Roles::new(PartyId::Auditor, PartyId::Cloud).expect("two parties");
    let models = World::new(5).models(&plan, &parameters);
    for input in &inputs() {
        for (me, other) in [
            (Role::Evaluator0, Role::Evaluator1),
            (Role::Evaluator1, Role::Evaluator0),
        ] {
            let mut received = Ones::default();
            for seed in 0..RUNS {
                let [from_other, from_dealer, to_dealer] = [(); 3].map(|()| Transcript::default());
                let world = World::new(5)
                    .with_pair_seed(PartyId::Auditor, roles.party(other), seed)
                    .with_tap(other, me, &from_other)
                    .with_tap(Role::Dealer, me, &from_dealer)
                    .with_tap(me, Role::Dealer, &to_dealer);
                let run = run(&world, &plan, &models, input, roles);
                assert!(run.reports.iter().all(Result::is_ok));
                assert!(
                    to_dealer.lock().expect("no thread panicked").is_empty(),
                    "nobody speaks to the dealer"
                );
                received.add(&[&from_other, &from_dealer]);
            }
            let declared = if me == Role::Evaluator0 {
                cost.e1_to_e0
            } else {
                cost.e0_to_e1 + cost.dealt
            };
            assert_eq!(
                received.0.len() as u64,
                8 * declared,
                "all that the {me} receives is looked at"
            );
            let excess = received.excess();
            assert!(
                excess < DEVIATIONS,
                "what the {me} received lies {excess} standard deviations from uniform"
            );
        }
    }
}

/// The same statistic over one opening of 64 elements, with the mask or without.
fn excess_of_an_opening(masked: bool) -> f64 {
    let mut received = Ones::default();
    for seed in 0..RUNS {
        let transcript = Transcript::default();
        let world = World::new(5)
            .with_pair_seed(PartyId::Auditor, PartyId::Cloud, seed)
            .with_tap(Role::Evaluator1, Role::Evaluator0, &transcript);
        let run = world.run_protocol(
            0,
            |_| (),
            |evaluator| {
                let mask: Secret<u32> = evaluator.masks(0, 64);
                let share: Vec<u32> = mask
                    .iter()
                    .map(|mask| {
                        if masked {
                            mask.wrapping_add(17)
                        } else {
                            17 + (mask & 0xfff)
                        }
                    })
                    .collect();
                evaluator.open(&share)
            },
        );
        run.unwrap();
        received.add(&[&transcript]);
    }
    received.excess()
}

#[test]
fn the_statistic_tells_a_missing_mask() {
    assert!(excess_of_an_opening(true) < DEVIATIONS);
    assert!(excess_of_an_opening(false) > 10.0 * DEVIATIONS);
}
