use std::time::Duration;

use tercet_ring::RingKind;

use super::{PlanCost, StepCost};

/// The network between the parties, as a prediction sees it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Network {
    /// There and back between any two parties.
    pub round_trip: Duration,
    /// In each direction between any two parties.
    pub bytes_per_second: f64,
}

/// How long a session would take. Queues, envelopes and the way from and to the client come on top.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prediction {
    /// From the parties having the shares to the last opening, with everything dealt in the meantime.
    pub online: Duration,
    /// The dealer's stream, which runs at the same time; `online` is never shorter.
    pub dealing: Duration,
    /// From the parties having the shares to the last opening, with everything dealt before.
    pub pooled: Duration,
}

/// Multiply-adds a second that one core sustains on the 32-bit ring with 512-bit vectors, and half as many on the wider ring.
const MULTIPLY_ADDS_PER_SECOND: f64 = 36e9;

/// Dealt bytes a second of the balanced protocols that an evaluator's core works into the values they are for
/// (`cargo bench -p tercet-engine --bench relu`).
const DEALT_BYTES_PER_SECOND: f64 = 2.1e9;

/// What a round takes beside the way of its message: waking up, encryption, frames.
const ROUND_SECONDS: f64 = 40e-6;

impl PlanCost {
    /// Predicts a session by the model
    ///
    /// ```text
    /// online of a step = rounds * (round_trip / 2 + 40 us) + larger direction's bytes / bandwidth + multiply-adds / rate + dealt work / rate
    /// dealt up to it   =           round_trip / 2          + dealt bytes of all steps up to it / bandwidth
    /// ```
    ///
    /// where the dealer runs ahead, and the last round of a step cannot begin before what is dealt for it has come. A round is one
    /// simultaneous exchange, so it takes half a round-trip; all directions run at full bandwidth at once.
    pub fn predict(&self, network: Network, ring: RingKind) -> Prediction {
        let trip = network.round_trip.as_secs_f64() / 2.0;
        let [mut online, mut dealing, mut pooled] = [0.0_f64, trip, 0.0];
        for step in &self.steps {
            let own = step.seconds(network, ring);
            pooled += own;
            online += own;
            if step.dealt > 0 {
                dealing += step.dealt as f64 / network.bytes_per_second;
                online = online.max(dealing + f64::from(step.rounds.min(1)) * (trip + ROUND_SECONDS));
            }
        }
        if self.steps.iter().all(|step| step.dealt == 0) {
            dealing = 0.0;
        }
        Prediction {
            online: seconds(online),
            dealing: seconds(dealing),
            pooled: seconds(pooled),
        }
    }
}

impl StepCost {
    /// The step's part of a session in which everything was dealt before.
    fn seconds(&self, network: Network, ring: RingKind) -> f64 {
        let rate = MULTIPLY_ADDS_PER_SECOND * 32.0 / f64::from(ring.bits());
        let round = network.round_trip.as_secs_f64() / 2.0 + ROUND_SECONDS;
        f64::from(self.rounds) * round
            + self.e0_to_e1.max(self.e1_to_e0) as f64 / network.bytes_per_second
            + self.multiply_adds as f64 / rate
            + self.dealt_work as f64 / DEALT_BYTES_PER_SECOND
    }
}

/// A bandwidth of zero takes for ever.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}
