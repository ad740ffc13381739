use std::time::Duration;

use tercet_ring::kernel::wipe;
use tercet_ring::{BitPlanes, Ring, Secret, from_bytes, narrow_len, to_bytes, unpack_narrow, vector};

use crate::channel::Channel;
use crate::dealt::DealtReceiver;
use crate::error::EngineError;
use crate::meter::StepTraffic;
use crate::prf::Prf;

/// An evaluator's side of a session: draws its halves of masks, takes dealt shares, and opens values with the other one.
pub struct Evaluator {
    with_dealer: Prf,
    other: Channel,
    dealt: Dealt,
    step: u32,
    rounds: u32,
}

/// Where an evaluator's dealt shares come from.
enum Dealt {
    /// Evaluator 0 draws them from the PRF it has in common with the dealer.
    Drawn,
    /// Evaluator 1 receives them.
    Received(DealtReceiver),
}

impl Evaluator {
    /// The evaluator that draws its dealt shares.
    pub(crate) fn first(with_dealer: Prf, other: Channel) -> Self {
        Evaluator {
            with_dealer,
            other,
            dealt: Dealt::Drawn,
            step: 0,
            rounds: 0,
        }
    }

    /// The evaluator that receives its dealt shares.
    pub(crate) fn second(with_dealer: Prf, other: Channel, dealer: Channel) -> Self {
        Evaluator {
            with_dealer,
            other,
            dealt: Dealt::Received(DealtReceiver::new(dealer)),
            step: 0,
            rounds: 0,
        }
    }

    /// Begins the preprocessing of a step, which draws masks and exchanges nothing.
    pub(crate) fn prepare_step(&mut self, step: u32) {
        self.step = step;
    }

    /// Begins the online part of a step.
    pub(crate) fn begin_step(&mut self, step: u32) {
        self.step = step;
        self.rounds = 0;
        self.other.begin_step(step);
        if let Dealt::Received(stream) = &mut self.dealt {
            stream.begin_step(step);
        }
    }

    /// Checks that the step took all that was dealt for it, and says what it cost.
    pub(crate) fn finish_step(&mut self) -> Result<StepTraffic, EngineError> {
        let online = self.other.step_bytes();
        let dealt_received = match &mut self.dealt {
            Dealt::Drawn => 0,
            Dealt::Received(stream) => stream.finish_step()?.received,
        };
        Ok(StepTraffic {
            rounds: self.rounds,
            online_sent: online.sent,
            online_received: online.received,
            dealt_sent: 0,
            dealt_received,
        })
    }

    /// Time blocked on the other evaluator, and on the dealer.
    pub(crate) fn blocked(&self) -> (Duration, Duration) {
        let on_dealer = match &self.dealt {
            Dealt::Drawn => Duration::ZERO,
            Dealt::Received(stream) => stream.blocked(),
        };
        (self.other.blocked(), on_dealer)
    }

    /// Whether this is evaluator 0, the one that adds public constants.
    pub fn is_first(&self) -> bool {
        matches!(self.dealt, Dealt::Drawn)
    }

    /// This evaluator's half of a fresh mask.
    pub fn masks<R: Ring>(&mut self, slot: u32, len: usize) -> Secret<R> {
        self.with_dealer.elements(self.step, slot, len)
    }

    /// This evaluator's half of a fresh mask of bits.
    pub fn mask_bits(&mut self, slot: u32, planes: usize, lanes: usize) -> BitPlanes {
        self.with_dealer.bits(self.step, slot, planes, lanes)
    }

    /// This evaluator's additive share of what [`crate::Dealer::deal`] deals at the slot.
    ///
    /// # Errors
    /// When the dealer is lost, late, or sends what the protocol does not call for.
    pub fn dealt<R: Ring>(&mut self, slot: u32, len: usize) -> Result<Secret<R>, EngineError> {
        let Dealt::Received(stream) = &mut self.dealt else {
            return Ok(self.with_dealer.elements(self.step, slot, len));
        };
        let mut bytes = stream.take(len * R::BYTES)?;
        let share = from_bytes(&bytes, len).expect("the stream gives as many bytes as asked for");
        wipe(&mut bytes);
        Ok(share)
    }

    /// This evaluator's share mod 2^bits of what [`crate::Dealer::deal_narrow`] deals at the slot. The sum of both shares may exceed
    /// 2^bits: what they are used for has to be indifferent to multiples of it.
    ///
    /// # Errors
    /// As [`Evaluator::dealt`].
    pub fn dealt_narrow<R: Ring>(&mut self, slot: u32, bits: u32, len: usize) -> Result<Secret<R>, EngineError> {
        let Dealt::Received(stream) = &mut self.dealt else {
            return Ok(self.with_dealer.elements(self.step, slot, len));
        };
        let mut bytes = stream.take(narrow_len(bits, len))?;
        let share = unpack_narrow(bits, &bytes, len).expect("the stream gives as many bytes as asked for");
        wipe(&mut bytes);
        Ok(share)
    }

    /// This evaluator's share, under exclusive or, of what [`crate::Dealer::deal_bits`] deals at the slot.
    ///
    /// # Errors
    /// As [`Evaluator::dealt`].
    pub fn dealt_bits(&mut self, slot: u32, planes: usize, lanes: usize) -> Result<BitPlanes, EngineError> {
        let Dealt::Received(stream) = &mut self.dealt else {
            return Ok(self.with_dealer.bits(self.step, slot, planes, lanes));
        };
        let mut bytes = stream.take(BitPlanes::byte_len(planes, lanes))?;
        let share = BitPlanes::from_bytes(planes, lanes, &bytes).expect("the stream gives as many bytes as asked for");
        wipe(&mut bytes);
        Ok(share)
    }

    /// One round: the sum of both evaluators' vectors. Each must already carry a fresh mask.
    ///
    /// # Errors
    /// When the other evaluator is lost, late, or sends what the protocol does not call for.
    pub fn open<R: Ring>(&mut self, mut mine: Secret<R>) -> Result<Secret<R>, EngineError> {
        self.rounds += 1;
        let mut bytes = self.other.exchange(to_bytes(&mine))?;
        let theirs: Secret<R> = from_bytes(&bytes, mine.len()).expect("an exchange gives a message of equal length");
        wipe(&mut bytes);
        vector::add_assign(&mut mine, &theirs);
        Ok(mine)
    }

    /// One round: the exclusive or of both evaluators' planes. Each must already carry a fresh mask.
    ///
    /// # Errors
    /// As [`Evaluator::open`].
    pub fn open_bits(&mut self, mut mine: BitPlanes) -> Result<BitPlanes, EngineError> {
        self.rounds += 1;
        let mut bytes = self.other.exchange(mine.to_bytes())?;
        let theirs = BitPlanes::from_bytes(mine.planes(), mine.lanes(), &bytes)
            .expect("an exchange gives a message of equal length");
        wipe(&mut bytes);
        mine.xor_assign(&theirs);
        Ok(mine)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tercet_ids::{PartyId, Role};
    use tercet_ring::slice_bits;

    use super::*;
    use crate::FRAME_BYTES_MAX;
    use crate::error::Misbehaviour;
    use crate::frame::FrameTag;
    use crate::testkit::{Fault, World};

    const STEP: u32 = 3;
    const FIRST_FRAME: FrameTag = FrameTag {
        step: STEP,
        sequence: 0,
    };

    fn values<R: Ring>(len: usize) -> Vec<R> {
        (0..len as u64)
            .map(|i| R::from_u64(i.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
            .collect()
    }

    fn dealt_values_are_shared<R: Ring>(len: usize) {
        let narrow = 11;
        let run = World::new(1).run_protocol(
            STEP,
            |dealer| {
                dealer.deal(0, &values::<R>(len));
                dealer.deal_narrow(1, narrow, &values::<R>(len));
                dealer.deal_bits(2, &slice_bits(&values::<R>(len), 0, 5));
            },
            |evaluator| {
                Ok((
                    evaluator.dealt::<R>(0, len)?,
                    evaluator.dealt_narrow::<R>(1, narrow, len)?,
                    evaluator.dealt_bits(2, 5, len)?,
                ))
            },
        );
        let ((), [mut first, second], costs) = run.unwrap();
        let expected = values::<R>(len);
        first.2.xor_assign(&second.2);
        for (i, expected) in expected.iter().map(|expected| expected.to_u64()).enumerate() {
            assert_eq!(first.0[i].plus(second.0[i]).to_u64(), expected);
            let low = (1 << narrow) - 1;
            assert_eq!(first.1[i].plus(second.1[i]).to_u64() & low, expected & low);
            for plane in 0..5 {
                assert_eq!(first.2.plane(plane)[i / 64] >> (i % 64) & 1, expected >> plane & 1);
            }
        }
        let bytes = len * R::BYTES + narrow_len(narrow, len) + BitPlanes::byte_len(5, len);
        assert_eq!(
            (costs[0].dealt_sent, costs[2].dealt_received),
            (bytes as u64, bytes as u64)
        );
        assert_eq!((costs[1], costs[2].rounds), (StepTraffic::default(), 0));
    }

    #[test]
    fn what_is_dealt_adds_up_at_the_evaluators() {
        for len in [0, 1, 63, 64, 65, 1000] {
            dealt_values_are_shared::<u32>(len);
            dealt_values_are_shared::<u64>(len);
        }
        dealt_values_are_shared::<u64>(3 * FRAME_BYTES_MAX / 8 + 5);
    }

    #[test]
    fn masks_and_openings_agree_at_all_parties() {
        let len = 9 * FRAME_BYTES_MAX / 8 + 3;
        let run = World::new(2).run_protocol(
            STEP,
            |dealer| (dealer.masks::<u64>(0, len), dealer.mask_bits(1, 3, 70)),
            |evaluator| {
                let masks = evaluator.masks::<u64>(0, len);
                let bits = evaluator.mask_bits(1, 3, 70);
                Ok((evaluator.open(masks)?, evaluator.open_bits(bits)?))
            },
        );
        let (([mut first, second], [mut first_bits, second_bits]), opened, costs) = run.unwrap();
        vector::add_assign(&mut first, &second);
        first_bits.xor_assign(&second_bits);
        for (masks, bits) in &opened {
            assert!(masks[..] == first[..]);
            assert!(bits.to_bytes() == first_bits.to_bytes());
        }
        let bytes = (len * 8 + BitPlanes::byte_len(3, 70)) as u64;
        for cost in &costs[1..] {
            assert_eq!((cost.rounds, cost.online_sent, cost.online_received), (2, bytes, bytes));
        }
        assert_eq!(costs[0], StepTraffic::default());
    }

    /// The error at the second evaluator when a frame to it from `from` suffers a fault.
    fn fault_at_the_second(from: Role, fault: Fault) -> EngineError {
        let world = World::new(3).with_patience(Duration::from_millis(200));
        let run = world
            .with_fault(from, Role::Evaluator1, FIRST_FRAME, fault)
            .run_protocol(
                STEP,
                |dealer| dealer.deal(0, &values::<u32>(10)),
                |evaluator| {
                    let dealt = evaluator.dealt::<u32>(0, 10)?;
                    let opened = evaluator.open(dealt)?;
                    evaluator.open(opened)
                },
            );
        let [_, second] = run.evaluators;
        second.expect_err("the fault is found")
    }

    #[test]
    fn faults_in_openings_name_the_other_evaluator() {
        let peer = PartyId::ClientProxy;
        let misbehaved = |fault| EngineError::PeerMisbehaved {
            peer,
            step: STEP,
            fault,
        };
        let (tag, expected) = (FIRST_FRAME, FIRST_FRAME);
        let next = FrameTag {
            step: STEP,
            sequence: 1,
        };
        let at = |fault| fault_at_the_second(Role::Evaluator0, fault);
        assert_eq!(
            at(Fault::Truncated),
            misbehaved(Misbehaviour::WrongLength {
                tag,
                expected: 40,
                found: 39
            })
        );
        assert_eq!(
            at(Fault::Extended),
            misbehaved(Misbehaviour::WrongLength {
                tag,
                expected: 40,
                found: 41
            })
        );
        assert_eq!(
            at(Fault::Renumbered),
            misbehaved(Misbehaviour::WrongTag { expected, found: next })
        );
        assert_eq!(
            at(Fault::Repeated),
            misbehaved(Misbehaviour::WrongTag {
                expected: next,
                found: tag
            })
        );
        // Both evaluators wait for each other; the one whose time is up first closes the link.
        let silent = [
            EngineError::Deadline { peer, step: STEP },
            EngineError::PeerLost { peer, step: STEP },
        ];
        assert!(silent.contains(&at(Fault::Silent)));
    }

    #[test]
    fn faults_in_the_dealt_stream_name_the_dealer() {
        let peer = PartyId::Auditor;
        let misbehaved = |fault| EngineError::PeerMisbehaved {
            peer,
            step: STEP,
            fault,
        };
        let at = |fault| fault_at_the_second(Role::Dealer, fault);
        assert_eq!(at(Fault::Extended), misbehaved(Misbehaviour::DealtTooMuch { bytes: 1 }));
        let found = FrameTag {
            step: STEP,
            sequence: 1,
        };
        assert_eq!(
            at(Fault::Renumbered),
            misbehaved(Misbehaviour::WrongTag {
                expected: FIRST_FRAME,
                found
            })
        );
        // What is missing never comes.
        assert_eq!(at(Fault::Truncated), EngineError::Deadline { peer, step: STEP });
    }
}
