//! The dealer's stream to the second evaluator: one sequence of bytes a step, cut into frames.

use std::time::Duration;

use tercet_ring::kernel::wipe;

use crate::channel::{Channel, StepBytes};
use crate::error::{EngineError, Misbehaviour};
use crate::frame::FRAME_BYTES_MAX;

/// The dealer's end.
pub(crate) struct DealtSender {
    channel: Channel,
    pending: Vec<u8>,
    failure: Option<EngineError>,
}

impl DealtSender {
    pub(crate) fn new(channel: Channel) -> Self {
        DealtSender {
            channel,
            pending: Vec::new(),
            failure: None,
        }
    }

    pub(crate) fn begin_step(&mut self, step: u32) {
        self.channel.begin_step(step);
    }

    /// Appends to the step's bytes; full frames leave at once. A link that fails is reported when the step ends.
    pub(crate) fn append(&mut self, mut bytes: Vec<u8>) {
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (head, tail) = rest.split_at(rest.len().min(FRAME_BYTES_MAX - self.pending.len()));
            self.pending.extend_from_slice(head);
            rest = tail;
            if self.pending.len() == FRAME_BYTES_MAX {
                self.flush();
            }
        }
        wipe(&mut bytes);
    }

    /// Sends what is left of the step.
    pub(crate) fn finish_step(&mut self) -> Result<StepBytes, EngineError> {
        if !self.pending.is_empty() {
            self.flush();
        }
        match self.failure.take() {
            Some(failure) => Err(failure),
            None => Ok(self.channel.step_bytes()),
        }
    }

    pub(crate) fn blocked(&self) -> Duration {
        self.channel.blocked()
    }

    fn flush(&mut self) {
        let frame = std::mem::take(&mut self.pending);
        if self.failure.is_none() {
            self.failure = self.channel.send(frame).err();
        }
    }
}

/// The second evaluator's end.
pub(crate) struct DealtReceiver {
    channel: Channel,
    pending: Vec<u8>,
    taken: usize,
}

impl DealtReceiver {
    pub(crate) fn new(channel: Channel) -> Self {
        DealtReceiver {
            channel,
            pending: Vec::new(),
            taken: 0,
        }
    }

    pub(crate) fn begin_step(&mut self, step: u32) {
        self.channel.begin_step(step);
    }

    /// The step's next `len` bytes.
    pub(crate) fn take(&mut self, len: usize) -> Result<Vec<u8>, EngineError> {
        let mut bytes = Vec::with_capacity(len);
        while bytes.len() < len {
            if self.taken == self.pending.len() {
                self.refill()?;
            }
            let end = self.pending.len().min(self.taken + len - bytes.len());
            bytes.extend_from_slice(&self.pending[self.taken..end]);
            self.taken = end;
        }
        Ok(bytes)
    }

    /// Checks that the step took all that was dealt for it.
    pub(crate) fn finish_step(&mut self) -> Result<StepBytes, EngineError> {
        let left = self.pending.len() - self.taken;
        if left != 0 {
            return Err(self.channel.misbehaved(Misbehaviour::DealtTooMuch { bytes: left }));
        }
        Ok(self.channel.step_bytes())
    }

    pub(crate) fn blocked(&self) -> Duration {
        self.channel.blocked()
    }

    fn refill(&mut self) -> Result<(), EngineError> {
        wipe(&mut self.pending);
        self.pending.clear();
        self.taken = 0;
        let tag = self.channel.next_received();
        self.pending = self.channel.receive()?;
        if self.pending.is_empty() {
            return Err(self.channel.misbehaved(Misbehaviour::EmptyFrame { tag }));
        }
        Ok(())
    }
}

impl Drop for DealtReceiver {
    fn drop(&mut self) {
        wipe(&mut self.pending);
    }
}
