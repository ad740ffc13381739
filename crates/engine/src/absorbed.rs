use std::collections::VecDeque;

use tercet_ids::PartyId;
use tercet_ring::kernel::wipe;

use crate::channel::Channel;
use crate::error::{EngineError, Misbehaviour};
use crate::frame::FrameTag;
use crate::link::{Link, LinkError};

/// A dealer's link whose frames have all arrived.
struct Absorbed {
    frames: VecDeque<(FrameTag, Vec<u8>)>,
    /// Stays open, as the dealer's end does.
    _link: Channel,
}

/// Takes in all that the dealer has for a session: `dealt` bytes for each step of the plan.
///
/// # Errors
/// When the dealer is lost, late, or sends what the protocol does not call for.
pub(crate) fn absorb(link: Box<dyn Link>, dealer: PartyId, dealt: &[u64]) -> Result<Box<dyn Link>, EngineError> {
    let mut channel = Channel::new(dealer, link);
    let mut absorbed = VecDeque::new();
    for (step, &expected) in (0..).zip(dealt) {
        channel.begin_step(step);
        let mut left = expected;
        while left > 0 {
            let tag = channel.next_received();
            let frame = channel.receive()?;
            if frame.is_empty() {
                return Err(channel.misbehaved(Misbehaviour::EmptyFrame { tag }));
            }
            let Some(rest) = left.checked_sub(frame.len() as u64) else {
                let bytes = frame.len() - left as usize;
                return Err(channel.misbehaved(Misbehaviour::DealtTooMuch { bytes }));
            };
            left = rest;
            absorbed.push_back((tag, frame));
        }
    }
    Ok(Box::new(Absorbed {
        frames: absorbed,
        _link: channel,
    }))
}

impl Link for Absorbed {
    /// Nobody speaks to the dealer.
    fn send(&mut self, _: FrameTag, _: Vec<u8>) -> Result<(), LinkError> {
        Err(LinkError::Closed)
    }

    fn receive(&mut self, tag: FrameTag) -> Result<Vec<u8>, LinkError> {
        match self.frames.pop_front() {
            Some((found, payload)) if found == tag => Ok(payload),
            Some((found, _)) => Err(LinkError::WrongTag { expected: tag, found }),
            None => Err(LinkError::Closed),
        }
    }
}

impl Drop for Absorbed {
    fn drop(&mut self) {
        self.frames.iter_mut().for_each(|(_, payload)| wipe(payload));
    }
}
