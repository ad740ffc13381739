//! The dealer's stream to the second evaluator: one sequence of bytes a step, cut into frames.

use std::ops::Range;
use std::sync::Arc;
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
    frame: Arc<DealtFrame>,
    taken: usize,
}

/// A received frame, shared by the tiles it is for. Wiped when the last of them is done.
struct DealtFrame(Vec<u8>);

/// What was dealt for one tile, in the order it is used.
pub(crate) struct DealtBlock {
    frame: Arc<DealtFrame>,
    left: Range<usize>,
}

impl DealtReceiver {
    pub(crate) fn new(channel: Channel) -> Self {
        DealtReceiver {
            channel,
            frame: Arc::new(DealtFrame(Vec::new())),
            taken: 0,
        }
    }

    pub(crate) fn begin_step(&mut self, step: u32) {
        self.channel.begin_step(step);
    }

    /// The step's next `len` bytes. They are copied only if they came in several frames.
    pub(crate) fn block(&mut self, len: usize) -> Result<DealtBlock, EngineError> {
        if self.left() == 0 && len > 0 {
            self.refill()?;
        }
        if len <= self.left() {
            let start = self.taken;
            self.taken += len;
            return Ok(DealtBlock {
                frame: self.frame.clone(),
                left: start..start + len,
            });
        }
        let mut bytes = DealtFrame(Vec::with_capacity(len));
        while bytes.0.len() < len {
            if self.left() == 0 {
                self.refill()?;
            }
            let end = self.frame.0.len().min(self.taken + len - bytes.0.len());
            bytes.0.extend_from_slice(&self.frame.0[self.taken..end]);
            self.taken = end;
        }
        Ok(DealtBlock {
            frame: Arc::new(bytes),
            left: 0..len,
        })
    }

    /// Checks that the step took all that was dealt for it.
    pub(crate) fn finish_step(&mut self) -> Result<StepBytes, EngineError> {
        match self.left() {
            0 => Ok(self.channel.step_bytes()),
            left => Err(self.channel.misbehaved(Misbehaviour::DealtTooMuch { bytes: left })),
        }
    }

    pub(crate) fn blocked(&self) -> Duration {
        self.channel.blocked()
    }

    fn left(&self) -> usize {
        self.frame.0.len() - self.taken
    }

    fn refill(&mut self) -> Result<(), EngineError> {
        let tag = self.channel.next_received();
        self.frame = Arc::new(DealtFrame(self.channel.receive()?));
        self.taken = 0;
        if self.frame.0.is_empty() {
            return Err(self.channel.misbehaved(Misbehaviour::EmptyFrame { tag }));
        }
        Ok(())
    }
}

impl DealtBlock {
    /// The next `len` bytes.
    ///
    /// # Panics
    /// When the tile was declared to take less.
    pub(crate) fn take(&mut self, len: usize) -> &[u8] {
        assert!(
            len <= self.left.len(),
            "a tile takes what is declared to be dealt for it"
        );
        let start = self.left.start;
        self.left.start += len;
        &self.frame.0[start..start + len]
    }
}

impl Drop for DealtFrame {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}
