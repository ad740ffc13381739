//! Which of its protocols each step runs.

use tercet_plan::cost::{Network, PlanCost, StepCost, nonlinear};
use tercet_plan::{Plan, Step, Variant};

/// Weights of dealt bytes against time that are tried, in parts of what it takes to send them.
const DEALT_WEIGHTS: [f64; 9] = [0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0];

/// What the choice of protocols goes by.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Preference {
    /// The fewest rounds in every step, of equally few the fewest bytes.
    Latency,
    /// The fewest bytes in every step, online and dealt together.
    Traffic,
    /// The shortest predicted time.
    Time {
        /// Between the parties.
        network: Network,
        /// Whether what is dealt is expected to be there before a query comes.
        is_dealt_before: bool,
    },
}

/// Gives each step that has several protocols the preferred one for queries of `batch` samples.
///
/// The dealer's stream runs beside the rounds and may or may not be what a step waits for, so by time no step can be judged alone: a number of
/// weights of dealt bytes is tried, each step is given what is best by its own time and so many bytes, and the plan that is predicted to be the fastest is taken.
pub fn choose_variants(plan: &mut Plan, batch: u32, preference: Preference) {
    let bytes = |cost: &StepCost| (cost.e0_to_e1 + cost.e1_to_e0 + cost.dealt) as f64;
    match preference {
        Preference::Latency => choose(plan, batch, |cost| (f64::from(cost.rounds), bytes(cost))),
        Preference::Traffic => choose(plan, batch, |cost| (bytes(cost), f64::from(cost.rounds))),
        Preference::Time {
            network,
            is_dealt_before,
        } => {
            let ring = plan.ring();
            let alone = |cost: &StepCost| {
                let steps = vec![*cost];
                PlanCost { steps, revealed: 0 }
                    .predict(network, ring)
                    .pooled
                    .as_secs_f64()
            };
            let weights = if is_dealt_before {
                &DEALT_WEIGHTS[..1]
            } else {
                &DEALT_WEIGHTS
            };
            let candidates = weights.iter().map(|weight| {
                let mut candidate = plan.clone();
                choose(&mut candidate, batch, |cost| {
                    let dealt = cost.dealt as f64 / network.bytes_per_second;
                    (alone(cost) + weight * dealt, bytes(cost))
                });
                candidate
            });
            let time = |plan: &Plan| {
                let prediction = plan.cost(batch).predict(network, ring);
                if is_dealt_before {
                    prediction.pooled
                } else {
                    prediction.online
                }
            };
            let fastest = candidates.min_by_key(time);
            *plan = fastest.expect("some weight was tried");
        }
    }
}

/// Gives each step the variant with the least score.
fn choose(plan: &mut Plan, batch: u32, score: impl Fn(&StepCost) -> (f64, f64)) {
    let chosen: Vec<_> = plan.steps.iter().map(|step| best(plan, step, batch, &score)).collect();
    for (step, variant) in plan.steps.iter_mut().zip(chosen) {
        step.op = step.op.clone().with_variant(variant);
    }
}

/// The variant with the least score.
fn best(plan: &Plan, step: &Step, batch: u32, score: &impl Fn(&StepCost) -> (f64, f64)) -> Variant {
    let operand = step.op.operands().first().map(|&of| plan.value(of).shape.as_slice());
    let lanes = u64::from(batch) * step.value.elements() as u64;
    let score_of = |variant: &Variant| {
        let op = step.op.clone().with_variant(*variant);
        let cost = nonlinear(&op, operand.unwrap_or_default(), lanes, plan.ring());
        score(&cost.expect("the comparisons of a valid plan fit its ring"))
    };
    let less = |a: &Variant, b: &Variant| {
        score_of(a)
            .partial_cmp(&score_of(b))
            .unwrap_or(std::cmp::Ordering::Equal)
    };
    // Of equal ones the balanced.
    let [traffic, balanced, latency] = Variant::ALL;
    let variants = [balanced, latency, traffic].into_iter();
    variants.min_by(less).expect("there are variants")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tercet_plan::testkit::lenet;
    use tercet_ring::RingKind;

    use super::*;

    fn network(milliseconds: f64, megabits: f64) -> Network {
        Network {
            round_trip: Duration::from_secs_f64(milliseconds / 1e3),
            bytes_per_second: megabits * 1e6 / 8.0,
        }
    }

    fn chosen(preference: Preference) -> Plan {
        let mut plan = lenet(RingKind::Z32);
        choose_variants(&mut plan, 1, preference);
        plan.validate().expect("the plan stays sound");
        plan
    }

    fn variants(plan: &Plan) -> Vec<Variant> {
        plan.steps.iter().filter_map(|step| step.op.variant()).collect()
    }

    #[test]
    fn rounds_or_bytes_are_the_fewest() {
        let [latency, traffic] = [Preference::Latency, Preference::Traffic].map(chosen);
        let bytes = |plan: &Plan| {
            let total = plan.cost(1).total();
            total.e0_to_e1 + total.e1_to_e0 + total.dealt
        };
        for variant in Variant::ALL {
            let mut other = lenet(RingKind::Z32);
            for step in &mut other.steps {
                step.op = step.op.clone().with_variant(variant);
            }
            assert!(latency.cost(1).total().rounds <= other.cost(1).total().rounds);
            assert!(bytes(&traffic) <= bytes(&other));
        }
        assert!(latency.cost(1).total().rounds < traffic.cost(1).total().rounds);
    }

    #[test]
    fn the_predicted_time_is_the_shortest() {
        for (milliseconds, megabits) in [
            (0.1, 10_000.0),
            (1.0, 1000.0),
            (40.0, 100.0),
            (40.0, 2.0),
            (100.0, 10.0),
        ] {
            let network = network(milliseconds, megabits);
            for is_dealt_before in [false, true] {
                let time = |plan: &Plan| {
                    let prediction = plan.cost(1).predict(network, plan.ring());
                    if is_dealt_before {
                        prediction.pooled
                    } else {
                        prediction.online
                    }
                };
                let fastest = time(&chosen(Preference::Time {
                    network,
                    is_dealt_before,
                }));
                for other in [Preference::Latency, Preference::Traffic]
                    .map(chosen)
                    .iter()
                    .chain([&lenet(RingKind::Z32)])
                {
                    assert!(fastest <= time(other), "{milliseconds} ms, {megabits} Mbit/s");
                }
            }
        }
    }

    #[test]
    fn a_pool_makes_rounds_matter_alone() {
        let by_time = |network, is_dealt_before| {
            variants(&chosen(Preference::Time {
                network,
                is_dealt_before,
            }))
        };
        let slow = network(40.0, 2.0);
        assert!(by_time(slow, true).contains(&Variant::Latency));
        assert!(!by_time(slow, false).contains(&Variant::Latency));
    }
}
