use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tercet_ring::{Ring, Secret};

use crate::channel::Channel;
use crate::dealt::DealtReceiver;
use crate::error::EngineError;
use crate::exchange::Exchange;
use crate::link::WINDOW_BYTES;
use crate::meter::StepTraffic;
use crate::prf::{Address, Prf};
use crate::tile::{EvaluatorTile, Mailbox};

/// Tiles of a step that are under way at once, at most: enough to fill the link, and few enough to stay in the cache.
const LIVE_TILES_MAX: usize = 16;

/// Elements that are opened in one message.
const OPENED_LANES: usize = 16 << 10;

/// An evaluator's side of a session: draws its halves of masks, takes dealt shares, and runs the tiles of each step with the other one.
pub struct Evaluator {
    with_dealer: Prf,
    other: Exchange,
    dealt: Option<DealtReceiver>,
    step: u32,
    /// Of a step that only opens what the current one takes; see [`Evaluator::begin_fused`].
    opening: StepTraffic,
    traffic: StepTraffic,
}

/// The tiles of a step.
#[derive(Clone, Copy)]
pub(crate) struct Tiles {
    pub count: usize,
    /// Bytes that a tile exchanges with the other evaluator in each direction, at most.
    pub online_bytes: usize,
    /// Whether each tile's first message opens the step's operand.
    pub open_operand: bool,
}

/// A tile under way.
struct LiveTile<'a, T> {
    index: usize,
    protocol: Pin<Box<dyn Future<Output = Result<T, EngineError>> + 'a>>,
    mailbox: Arc<Mailbox>,
    rounds: u32,
    /// Bytes of the answer that it waits for.
    awaited: usize,
}

impl Evaluator {
    /// The evaluator that draws its dealt shares.
    pub(crate) fn first(with_dealer: Prf, other: Channel) -> Self {
        Evaluator {
            with_dealer,
            other: Exchange::new(other),
            dealt: None,
            step: 0,
            opening: StepTraffic::default(),
            traffic: StepTraffic::default(),
        }
    }

    /// The evaluator that receives its dealt shares.
    pub(crate) fn second(with_dealer: Prf, other: Channel, dealer: Channel) -> Self {
        Evaluator {
            dealt: Some(DealtReceiver::new(dealer)),
            ..Evaluator::first(with_dealer, other)
        }
    }

    /// Begins the preprocessing of a step, which draws masks and exchanges nothing.
    pub(crate) fn prepare_step(&mut self, step: u32) {
        self.step = step;
    }

    /// Begins the online part of a step.
    pub(crate) fn begin_step(&mut self, step: u32) {
        self.begin_fused(step, step);
    }

    /// Begins the online part of two steps at once: `opening` opens what it computed, and `step` takes that. Frames between the evaluators
    /// are numbered as `opening`'s, dealt ones as `step`'s.
    pub(crate) fn begin_fused(&mut self, opening: u32, step: u32) {
        self.step = step;
        (self.opening, self.traffic) = Default::default();
        self.other.begin_step(opening);
        if let Some(stream) = &mut self.dealt {
            stream.begin_step(step);
        }
    }

    /// As [`Evaluator::finish_step`], for both steps.
    pub(crate) fn finish_fused(&mut self) -> Result<[StepTraffic; 2], EngineError> {
        Ok([self.opening, self.finish_step()?])
    }

    /// Checks that the step took all that was dealt for it, and says what it cost.
    pub(crate) fn finish_step(&mut self) -> Result<StepTraffic, EngineError> {
        let dealt_received = match &mut self.dealt {
            None => 0,
            Some(stream) => stream.finish_step()?.received,
        };
        Ok(StepTraffic {
            dealt_received,
            ..self.traffic
        })
    }

    /// Time blocked on the other evaluator, and on the dealer.
    pub(crate) fn blocked(&self) -> (Duration, Duration) {
        let on_dealer = self.dealt.as_ref().map_or(Duration::ZERO, DealtReceiver::blocked);
        (self.other.blocked(), on_dealer)
    }

    /// Whether this is evaluator 0, the one that adds public constants.
    pub fn is_first(&self) -> bool {
        self.dealt.is_none()
    }

    /// This evaluator's half of a fresh mask of a whole value.
    pub fn masks<R: Ring>(&mut self, slot: u32, len: usize) -> Secret<R> {
        let at = Address {
            step: self.step,
            tile: 0,
            slot,
        };
        self.with_dealer.elements(at, len)
    }

    /// One round: the sum of both evaluators' vectors, tile by tile. Each must already carry a fresh mask.
    ///
    /// # Errors
    /// When the other evaluator is lost, late, or sends what the protocol does not call for.
    pub fn open<R: Ring>(&mut self, mine: &[R]) -> Result<Secret<R>, EngineError> {
        let mut opened = Secret::zeros(mine.len());
        let tiles = Tiles {
            count: mine.len().div_ceil(OPENED_LANES),
            online_bytes: OPENED_LANES * R::BYTES,
            open_operand: false,
        };
        self.run_tiles(
            tiles,
            |_| 0,
            async |mut evaluator, tile| {
                let part = mine.chunks(OPENED_LANES).nth(tile).unwrap_or_default();
                Ok(evaluator.open(Secret::new(part.to_vec())).await)
            },
            |tile, part| {
                let start = tile * OPENED_LANES;
                opened[start..start + part.len()].copy_from_slice(&part);
            },
        )?;
        Ok(opened)
    }

    /// Runs a protocol on a step's only tile, for which `dealt_bytes` bytes are dealt.
    ///
    /// # Errors
    /// When a peer is lost, late, or sends what the protocol does not call for; those of `protocol`.
    pub fn run_tile<T>(
        &mut self,
        dealt_bytes: usize,
        protocol: impl AsyncFn(EvaluatorTile) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let tiles = Tiles {
            count: 1,
            online_bytes: 0,
            open_operand: false,
        };
        let mut result = None;
        self.run_tiles(
            tiles,
            |_| dealt_bytes,
            async |tile, _| protocol(tile).await,
            |_, value| result = Some(value),
        )?;
        Ok(result.expect("the tile ended"))
    }

    /// Runs a protocol on all tiles of a step, `dealt_bytes` being dealt for each, and gives `finish` what comes of each.
    ///
    /// Tiles start in order, and those that live take turns: while one waits for the other evaluator the others are worked on. Which one is next follows
    /// from public numbers alone, so both evaluators' messages are in the same order.
    pub(crate) fn run_tiles<T>(
        &mut self,
        tiles: Tiles,
        dealt_bytes: impl Fn(usize) -> usize,
        protocol: impl AsyncFn(EvaluatorTile, usize) -> Result<T, EngineError>,
        mut finish: impl FnMut(usize, T),
    ) -> Result<(), EngineError> {
        let most = (WINDOW_BYTES / tiles.online_bytes.max(1)).clamp(1, LIVE_TILES_MAX);
        let mut live: VecDeque<LiveTile<'_, T>> = VecDeque::new();
        let mut started = 0;
        loop {
            let mut tile = if started < tiles.count && live.len() < most {
                let tile = self.tile(started, dealt_bytes(started))?;
                let mailbox = tile.mailbox();
                started += 1;
                LiveTile {
                    index: started - 1,
                    protocol: Box::pin(protocol(tile, started - 1)),
                    mailbox,
                    rounds: 0,
                    awaited: 0,
                }
            } else if let Some(tile) = live.pop_front() {
                let answer = self.other.take(tile.awaited)?;
                self.traffic_of(tiles, tile.rounds).online_received += answer.len() as u64;
                tile.mailbox.deliver(answer);
                tile
            } else {
                return Ok(());
            };
            match tile.protocol.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(result) => finish(tile.index, result?),
                Poll::Pending => {
                    let message = tile.mailbox.posted().expect("a tile waits for nothing but an answer");
                    tile.awaited = message.len();
                    tile.rounds += 1;
                    let rounds_before = u32::from(tiles.open_operand && tile.rounds > 1);
                    let traffic = self.traffic_of(tiles, tile.rounds);
                    traffic.rounds = traffic.rounds.max(tile.rounds - rounds_before);
                    traffic.online_sent += message.len() as u64;
                    self.other.post(message)?;
                    live.push_back(tile);
                }
            }
        }
    }

    /// Where a tile's round counts, the first being 1.
    fn traffic_of(&mut self, tiles: Tiles, round: u32) -> &mut StepTraffic {
        if tiles.open_operand && round == 1 {
            &mut self.opening
        } else {
            &mut self.traffic
        }
    }

    fn tile(&mut self, index: usize, dealt_bytes: usize) -> Result<EvaluatorTile, EngineError> {
        let dealt = match &mut self.dealt {
            None => None,
            Some(stream) => Some(stream.block(dealt_bytes)?),
        };
        Ok(EvaluatorTile::new(
            self.with_dealer.clone(),
            self.step,
            index as u32,
            dealt,
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tercet_ids::{PartyId, Role};
    use tercet_ring::{BitPlanes, narrow_len, slice_bits};

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
        let bytes = len * R::BYTES + narrow_len(narrow, len) + BitPlanes::byte_len(5, len);
        let run = World::new(1).run_protocol(
            STEP,
            |dealer| {
                dealer.deal(0, &values::<R>(len));
                dealer.deal_narrow(1, narrow, &values::<R>(len));
                dealer.deal_bits(2, &slice_bits(&values::<R>(len), 0, 5));
            },
            |evaluator| {
                evaluator.run_tile(bytes, async |mut tile| {
                    Ok((
                        tile.dealt::<R>(0, len),
                        tile.dealt_narrow::<R>(1, narrow, len),
                        tile.dealt_bits(2, 5, len),
                    ))
                })
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
            |dealer| (dealer.mask::<u64>(0, len), dealer.mask_bits(1, 3, 70)),
            |evaluator| {
                evaluator.run_tile(0, async |mut tile| {
                    let masks = tile.masks::<u64>(0, len);
                    let bits = tile.mask_bits(1, 3, 70);
                    Ok((tile.open(masks).await, tile.open_bits(bits).await))
                })
            },
        );
        let ((masks, mask_bits), opened, costs) = run.unwrap();
        for (opened, opened_bits) in &opened {
            assert!(opened[..] == masks[..]);
            assert!(opened_bits.to_bytes() == mask_bits.to_bytes());
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
                    evaluator.run_tile(40, async |mut tile| {
                        let dealt = tile.dealt::<u32>(0, 10);
                        let opened = tile.open(dealt).await;
                        Ok(tile.open(opened).await)
                    })
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
