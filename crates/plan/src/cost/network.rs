use std::time::Duration;

use tercet_ring::RingKind;

use super::PlanCost;

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
    /// From the parties having the shares to the last opening.
    pub online: Duration,
    /// The dealer's stream, which runs at the same time; `online` is never shorter.
    pub dealing: Duration,
}

/// Multiply-adds a second that one core sustains on the 32-bit ring with 512-bit vectors, and half as many on the wider ring.
const MULTIPLY_ADDS_PER_SECOND: f64 = 36e9;

impl PlanCost {
    /// Predicts a session by the model
    ///
    /// ```text
    /// online  = rounds * round_trip / 2 + larger direction's bytes / bandwidth + multiply-adds / rate
    /// dealing =          round_trip / 2 + dealt bytes / bandwidth
    /// ```
    ///
    /// where the online phase cannot end before the dealing has. A round is one simultaneous exchange, so it takes half a round-trip;
    /// both directions run at full bandwidth at once. The non-linear steps' computation is left out: it runs at memory speed,
    /// about as fast as a 10 Gb/s link carries what it makes.
    pub fn predict(&self, network: Network, ring: RingKind) -> Prediction {
        let total = self.total();
        let trip = network.round_trip.as_secs_f64() / 2.0;
        let transfer = |bytes: u64| bytes as f64 / network.bytes_per_second;
        let rate = MULTIPLY_ADDS_PER_SECOND * 32.0 / f64::from(ring.bits());
        let compute = total.multiply_adds as f64 / rate;
        let exchanges = f64::from(total.rounds) * trip + transfer(total.e0_to_e1.max(total.e1_to_e0));
        let dealing = if total.dealt == 0 {
            0.0
        } else {
            trip + transfer(total.dealt)
        };
        Prediction {
            online: seconds((exchanges + compute).max(dealing)),
            dealing: seconds(dealing),
        }
    }
}

/// A bandwidth of zero takes for ever.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}
