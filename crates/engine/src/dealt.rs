//! The dealer's stream to the second evaluator: one sequence of bytes a step, cut into frames.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tercet_ring::kernel::wipe;

use crate::channel::{Channel, StepBytes};
use crate::error::{EngineError, Misbehaviour};
use crate::frame::FRAME_BYTES_MAX;

/// A frame leaves at the end of the tile that makes it as long, so that a tile's bytes are seldom in two frames.
const FRAME_BYTES_MIN: usize = 192 << 10;

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

    /// Begins a tile for which `len` bytes are dealt. They get their place at once: memory that grew would leave copies behind.
    pub(crate) fn begin_tile(&mut self, len: usize) {
        if self.pending.capacity() < self.pending.len() + len {
            self.flush();
            self.pending = Vec::with_capacity(len + FRAME_BYTES_MIN);
        }
    }

    /// Room for the step's next `len` bytes, which the caller fills.
    pub(crate) fn append(&mut self, len: usize) -> &mut [u8] {
        let start = self.pending.len();
        self.pending.resize(start + len, 0);
        &mut self.pending[start..]
    }

    /// Ends a tile: what is pending leaves if it is enough for a frame. A link that fails is reported when the step ends.
    pub(crate) fn finish_tile(&mut self) {
        if self.pending.len() >= FRAME_BYTES_MIN {
            self.flush();
        }
    }

    /// Sends what is left of the step.
    pub(crate) fn finish_step(&mut self) -> Result<StepBytes, EngineError> {
        self.flush();
        match self.failure.take() {
            Some(failure) => Err(failure),
            None => Ok(self.channel.step_bytes()),
        }
    }

    pub(crate) fn blocked(&self) -> Duration {
        self.channel.blocked()
    }

    fn flush(&mut self) {
        if self.pending.len() > FRAME_BYTES_MAX {
            let frames: Vec<_> = self.pending.chunks(FRAME_BYTES_MAX).map(<[u8]>::to_vec).collect();
            wipe(&mut self.pending);
            self.pending.clear();
            frames.into_iter().for_each(|frame| self.send(frame));
        } else if !self.pending.is_empty() {
            let frame = std::mem::take(&mut self.pending);
            self.send(frame);
        }
    }

    fn send(&mut self, frame: Vec<u8>) {
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
