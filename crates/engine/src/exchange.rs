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
/// **No deadlock when both send at once.** A frame leaves only when no more than [`WINDOW_BYTES`] of own frames, itself included, are unanswered.
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
            if self.unanswered_bytes + len > WINDOW_BYTES {
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
