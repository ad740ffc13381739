use std::ops::Add;
use std::time::Duration;

/// What one step cost at one party: rounds and payload bytes, without frame headers.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct StepTraffic {
    /// Simultaneous exchanges with the other evaluator.
    pub rounds: u32,
    /// Bytes sent to the other evaluator.
    pub online_sent: u64,
    /// Bytes received from the other evaluator.
    pub online_received: u64,
    /// Bytes the dealer sent to the second evaluator.
    pub dealt_sent: u64,
    /// Bytes the second evaluator received from the dealer.
    pub dealt_received: u64,
}

impl Add for StepTraffic {
    type Output = StepTraffic;

    fn add(self, other: StepTraffic) -> StepTraffic {
        StepTraffic {
            rounds: self.rounds + other.rounds,
            online_sent: self.online_sent + other.online_sent,
            online_received: self.online_received + other.online_received,
            dealt_sent: self.dealt_sent + other.dealt_sent,
            dealt_received: self.dealt_received + other.dealt_received,
        }
    }
}

/// What a session cost at one party.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Meter {
    /// Traffic of each step of the plan.
    pub steps: Vec<StepTraffic>,
    /// Local work that does not depend on the input: an evaluator's preprocessing, all of a dealer's computation.
    pub prepare_time: Duration,
    /// An evaluator's local work on the input.
    pub compute_time: Duration,
    /// Time blocked on the other evaluator.
    pub wait_time: Duration,
    /// Time blocked on the dealer's stream, at either end of it.
    pub deal_time: Duration,
}

impl Meter {
    /// The sum over all steps.
    pub fn total(&self) -> StepTraffic {
        self.steps.iter().fold(StepTraffic::default(), |all, step| all + *step)
    }
}
