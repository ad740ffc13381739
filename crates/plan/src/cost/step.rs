use std::ops::{Add, AddAssign};

/// What one step costs for a given batch, summed over the rounds of the step.
///
/// Bytes are payload bytes: ring elements little-endian, bits as planes of 64-bit words, without frame headers.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct StepCost {
    /// Simultaneous exchanges between the two evaluators.
    pub rounds: u32,
    /// Online bytes from evaluator 0 to evaluator 1.
    pub e0_to_e1: u64,
    /// Online bytes from evaluator 1 to evaluator 0.
    pub e1_to_e0: u64,
    /// Bytes from the dealer to evaluator 1, independent of the input.
    pub dealt: u64,
    /// What an evaluator has to do with the dealt bytes, in bytes of the balanced protocols that would take it as long.
    pub dealt_work: u64,
    /// Ring multiply-adds of one evaluator that depend on the input.
    pub multiply_adds: u64,
}

impl StepCost {
    /// A step whose exchanges are of equal size both ways.
    pub fn symmetric(rounds: u32, online_each_way: u64, dealt: u64) -> StepCost {
        StepCost {
            rounds,
            e0_to_e1: online_each_way,
            e1_to_e0: online_each_way,
            dealt,
            dealt_work: dealt,
            multiply_adds: 0,
        }
    }
}

impl Add for StepCost {
    type Output = StepCost;

    fn add(self, other: StepCost) -> StepCost {
        StepCost {
            rounds: self.rounds.saturating_add(other.rounds),
            e0_to_e1: self.e0_to_e1.saturating_add(other.e0_to_e1),
            e1_to_e0: self.e1_to_e0.saturating_add(other.e1_to_e0),
            dealt: self.dealt.saturating_add(other.dealt),
            dealt_work: self.dealt_work.saturating_add(other.dealt_work),
            multiply_adds: self.multiply_adds.saturating_add(other.multiply_adds),
        }
    }
}

impl AddAssign for StepCost {
    fn add_assign(&mut self, other: StepCost) {
        *self = *self + other;
    }
}

impl std::iter::Sum for StepCost {
    fn sum<I: Iterator<Item = StepCost>>(costs: I) -> StepCost {
        costs.fold(StepCost::default(), Add::add)
    }
}
