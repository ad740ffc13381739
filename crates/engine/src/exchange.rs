//! Messages between the evaluators, in the same order at both: what leaves together is one frame.

use std::collections::VecDeque;
use std::time::Duration;

use tercet_ring::kernel::wipe;

use crate::channel::Channel;
use crate::error::{EngineError, Misbehaviour};
use crate::frame::FRAME_BYTES_MAX;
use crate::link::WINDOW_BYTES;

/// Messages that are ready together leave as one frame when that has no more than these bytes, so that small ones don't each cost a packet.
const JOINED_BYTES_MAX: usize = 64 << 10;

/// The evaluators' channel as a sequence of messages, each answered by one of the other evaluator's that has the same length.
///
/// Both post messages in the same order and take the answers in that order. Frames are cut by these lengths alone, so frame n of one
/// side answers frame n of the other and is as long.
///
/// **No deadlock when both send at once.** A frame leaves only when no own frame is unanswered, or no more than [`WINDOW_BYTES`] of them, itself included.
/// Of two evaluators that both wait for room, look at the one that has sent fewer frames: the other one, having sent
/// as many, has received all but its last window of them, so the link has room.
pub(crate) struct Exchange {
    channel: Channel,
    /// Messages that will leave as one frame.
    joined: Vec<u8>,
    /// Frames that wait for room in the window.
    waiting: VecDeque<Vec<u8>>,
    /// Lengths of frames sent and not answered.
    unanswered: VecDeque<usize>,
    unanswered_bytes: usize,
    /// The frame that is being taken, and how much of it was.
    answer: Vec<u8>,
    taken: usize,
}

impl Exchange {
    pub(crate) fn new(channel: Channel) -> Self {
        Exchange {
            channel,
            joined: Vec::new(),
            waiting: VecDeque::new(),
            unanswered: VecDeque::new(),
            unanswered_bytes: 0,
            answer: Vec::new(),
            taken: 0,
        }
    }

    /// Begins a step, when all messages are answered: frames are counted from zero again.
    pub(crate) fn begin_step(&mut self, step: u32) {
        self.channel.begin_step(step);
    }

    /// Time spent in the link's calls so far.
    pub(crate) fn blocked(&self) -> Duration {
        self.channel.blocked()
    }

    /// Sends a message, at once or joined with those that follow before the next answer is waited for.
    pub(crate) fn post(&mut self, mut message: Vec<u8>) -> Result<(), EngineError> {
        if self.joined.len() + message.len() > JOINED_BYTES_MAX {
            self.close_frame();
        }
        if self.joined.is_empty() {
            self.joined = message;
        } else {
            self.joined.extend_from_slice(&message);
            wipe(&mut message);
        }
        if self.joined.len() >= JOINED_BYTES_MAX {
            self.close_frame();
        }
        self.send_waiting()
    }

    /// The answer to the first message that was not answered yet, which has `len` bytes.
    pub(crate) fn take(&mut self, len: usize) -> Result<Vec<u8>, EngineError> {
        let mut answer = Vec::new();
        while answer.len() < len {
            if self.taken == self.answer.len() {
                self.receive()?;
            }
            if answer.is_empty() && self.taken == 0 && self.answer.len() == len {
                return Ok(std::mem::take(&mut self.answer));
            }
            let end = self.answer.len().min(self.taken + len - answer.len());
            answer.reserve_exact(len - answer.len());
            answer.extend_from_slice(&self.answer[self.taken..end]);
            self.taken = end;
        }
        Ok(answer)
    }

    fn receive(&mut self) -> Result<(), EngineError> {
        self.close_frame();
        self.send_waiting()?;
        let expected = self.unanswered.pop_front().expect("only answers are waited for");
        let tag = self.channel.next_received();
        wipe(&mut self.answer);
        self.answer = self.channel.receive()?;
        self.taken = 0;
        self.unanswered_bytes -= expected;
        let found = self.answer.len();
        if found != expected {
            return Err(self
                .channel
                .misbehaved(Misbehaviour::WrongLength { tag, expected, found }));
        }
        Ok(())
    }

    /// What was joined is a frame now; a message that is too long for one is several.
    fn close_frame(&mut self) {
        if self.joined.len() <= FRAME_BYTES_MAX {
            if !self.joined.is_empty() {
                self.waiting.push_back(std::mem::take(&mut self.joined));
            }
            return;
        }
        self.waiting
            .extend(self.joined.chunks(FRAME_BYTES_MAX).map(<[u8]>::to_vec));
        wipe(&mut self.joined);
        self.joined.clear();
    }

    fn send_waiting(&mut self) -> Result<(), EngineError> {
        while let Some(frame) = self.waiting.front() {
            let len = frame.len();
            if self.unanswered_bytes > 0 && self.unanswered_bytes + len > WINDOW_BYTES {
                break;
            }
            let frame = self.waiting.pop_front().expect("there is a first one");
            self.unanswered_bytes += len;
            self.unanswered.push_back(len);
            self.channel.send(frame)?;
        }
        Ok(())
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        wipe(&mut self.answer);
        wipe(&mut self.joined);
        self.waiting.iter_mut().for_each(|frame| wipe(frame));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::thread;
    use std::time::{Duration, Instant};

    use proptest::prelude::*;
    use tercet_ids::PartyId;

    use super::*;
    use crate::testkit::MemoryLink;

    /// What one side says in message `index`.
    fn message(side: u8, index: usize, len: usize) -> Vec<u8> {
        (0..len)
            .map(|i| (i as u8).wrapping_mul(7) ^ index as u8 ^ side)
            .collect()
    }

    /// Both sides post messages of these lengths, at most `live` of them unanswered; checks every answer, and gives the frames of a side.
    fn converse(lengths: &[usize], live: usize) -> u32 {
        let (near, far) = MemoryLink::pair(Instant::now() + Duration::from_secs(10));
        let side = |me: u8, link: MemoryLink| {
            let mut exchange = Exchange::new(Channel::new(PartyId::Cloud, Box::new(link)));
            let mut posted = VecDeque::new();
            let take_first = |exchange: &mut Exchange, posted: &mut VecDeque<usize>| {
                let index = posted.pop_front().expect("something was posted");
                let answer = exchange.take(lengths[index]).expect("the other side answers");
                assert!(answer == message(1 - me, index, lengths[index]), "message {index}");
            };
            for (index, &len) in lengths.iter().enumerate() {
                if posted.len() == live {
                    take_first(&mut exchange, &mut posted);
                }
                exchange.post(message(me, index, len)).expect("the other side listens");
                posted.push_back(index);
            }
            while !posted.is_empty() {
                take_first(&mut exchange, &mut posted);
            }
            exchange.channel.next_received().sequence
        };
        thread::scope(|scope| {
            let [one, other] = [(0, near), (1, far)].map(|(me, link)| scope.spawn(move || side(me, link)));
            let frames = [one, other].map(|side| side.join().expect("a side panicked"));
            assert_eq!(frames[0], frames[1]);
            frames[0]
        })
    }

    #[test]
    fn messages_that_are_ready_together_are_one_frame() {
        assert_eq!(converse(&[100; 10], 10), 1);
        assert_eq!(converse(&[100; 10], 1), 10);
        // The first wait parts the messages before it from those after it.
        assert_eq!(converse(&[100; 10], 5), 2);
        let half = JOINED_BYTES_MAX / 2;
        assert_eq!(converse(&[half; 4], 4), 2);
        assert_eq!(converse(&[half, half + 1], 2), 2);
        assert_eq!(converse(&[JOINED_BYTES_MAX, 1], 2), 2);
        assert_eq!(converse(&[0, 5, 0, 0, 5], 5), 1);
    }

    #[test]
    fn long_messages_take_several_frames_and_wait_for_room() {
        assert_eq!(converse(&[FRAME_BYTES_MAX], 1), 1);
        assert_eq!(converse(&[FRAME_BYTES_MAX + 1], 1), 2);
        assert_eq!(converse(&[5 * FRAME_BYTES_MAX + 3, 7], 2), 7);
        assert_eq!(converse(&[WINDOW_BYTES / 2 + 1; 6], 6), 6);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn every_answer_is_the_other_sides_message(
            lengths in prop::collection::vec(prop_oneof![0usize..300, 20_000usize..90_000, 900_000usize..1_200_000], 1..20),
            live in 1usize..20,
        ) {
            converse(&lengths, live);
        }
    }
}
