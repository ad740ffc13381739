use std::time::{Duration, Instant};

use tercet_ids::PartyId;

use crate::error::{EngineError, Misbehaviour};
use crate::frame::{FRAME_BYTES_MAX, FrameTag};
use crate::link::{Link, LinkError};

/// A link with its place in the plan: numbers the frames, bounds them, and says in errors who failed and where.
pub(crate) struct Channel {
    peer: PartyId,
    link: Box<dyn Link>,
    step: u32,
    sent_frames: u32,
    received_frames: u32,
    sent_bytes: u64,
    received_bytes: u64,
    blocked: Duration,
}

/// Payload bytes of one step over one channel.
#[derive(Clone, Copy, Default)]
pub(crate) struct StepBytes {
    pub sent: u64,
    pub received: u64,
}

impl Channel {
    pub(crate) fn new(peer: PartyId, link: Box<dyn Link>) -> Self {
        Channel {
            peer,
            link,
            step: 0,
            sent_frames: 0,
            received_frames: 0,
            sent_bytes: 0,
            received_bytes: 0,
            blocked: Duration::ZERO,
        }
    }

    /// Begins a step: frames are counted from zero again.
    pub(crate) fn begin_step(&mut self, step: u32) {
        self.step = step;
        (self.sent_frames, self.received_frames) = (0, 0);
        (self.sent_bytes, self.received_bytes) = (0, 0);
    }

    /// What went over the channel since the step began.
    pub(crate) fn step_bytes(&self) -> StepBytes {
        StepBytes {
            sent: self.sent_bytes,
            received: self.received_bytes,
        }
    }

    /// Time spent in the link's calls so far.
    pub(crate) fn blocked(&self) -> Duration {
        self.blocked
    }

    pub(crate) fn send(&mut self, payload: Vec<u8>) -> Result<(), EngineError> {
        assert!(
            payload.len() <= FRAME_BYTES_MAX,
            "messages are cut before they are sent"
        );
        let tag = FrameTag {
            step: self.step,
            sequence: self.sent_frames,
        };
        self.sent_frames += 1;
        self.sent_bytes += payload.len() as u64;
        let since = Instant::now();
        let sent = self.link.send(tag, payload);
        self.blocked += since.elapsed();
        sent.map_err(|error| self.failure(error))
    }

    /// The next frame's payload, not above the limit.
    pub(crate) fn receive(&mut self) -> Result<Vec<u8>, EngineError> {
        let tag = self.next_received();
        let since = Instant::now();
        let received = self.link.receive(tag);
        self.blocked += since.elapsed();
        let payload = received.map_err(|error| self.failure(error))?;
        if payload.len() > FRAME_BYTES_MAX {
            return Err(self.failure(LinkError::TooLarge {
                bytes: payload.len() as u64,
            }));
        }
        self.received_frames += 1;
        self.received_bytes += payload.len() as u64;
        Ok(payload)
    }

    /// The error of a peer that did what the protocol does not call for.
    pub(crate) fn misbehaved(&self, fault: Misbehaviour) -> EngineError {
        EngineError::PeerMisbehaved {
            peer: self.peer,
            step: self.step,
            fault,
        }
    }

    /// The tag that the next frame from the peer has to carry.
    pub(crate) fn next_received(&self) -> FrameTag {
        FrameTag {
            step: self.step,
            sequence: self.received_frames,
        }
    }

    fn failure(&self, error: LinkError) -> EngineError {
        EngineError::link(self.peer, self.step, error)
    }
}
