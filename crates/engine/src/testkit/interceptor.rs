use std::sync::{Arc, Mutex, PoisonError};

use crate::frame::FrameTag;
use crate::link::{Link, LinkError};

/// A link that changes what its owner sends.
pub struct Interceptor<F> {
    inner: Box<dyn Link>,
    change: F,
}

impl<F> Interceptor<F>
where
    F: FnMut(FrameTag, Vec<u8>) -> Vec<(FrameTag, Vec<u8>)> + Send,
{
    /// Replaces each sent frame by those that `change` makes of it: none, one or several.
    pub fn new(inner: Box<dyn Link>, change: F) -> Self {
        Interceptor { inner, change }
    }
}

impl<F> Link for Interceptor<F>
where
    F: FnMut(FrameTag, Vec<u8>) -> Vec<(FrameTag, Vec<u8>)> + Send,
{
    fn send(&mut self, tag: FrameTag, payload: Vec<u8>) -> Result<(), LinkError> {
        (self.change)(tag, payload)
            .into_iter()
            .try_for_each(|(tag, payload)| self.inner.send(tag, payload))
    }

    fn receive(&mut self, tag: FrameTag) -> Result<Vec<u8>, LinkError> {
        self.inner.receive(tag)
    }
}

/// A fault in the frame that a party sends at one place of the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The last byte is missing.
    Truncated,
    /// One byte too many.
    Extended,
    /// The frame carries the next frame's number.
    Renumbered,
    /// The frame comes twice.
    Repeated,
    /// The frame, and all after it, never comes.
    Silent,
}

impl Fault {
    /// What becomes of a frame under the fault.
    pub fn apply(self, tag: FrameTag, mut payload: Vec<u8>) -> Vec<(FrameTag, Vec<u8>)> {
        match self {
            Fault::Truncated => {
                payload.pop();
                vec![(tag, payload)]
            }
            Fault::Extended => {
                payload.push(0);
                vec![(tag, payload)]
            }
            Fault::Renumbered => vec![(
                FrameTag {
                    sequence: tag.sequence + 1,
                    ..tag
                },
                payload,
            )],
            Fault::Repeated => vec![(tag, payload.clone()), (tag, payload)],
            Fault::Silent => vec![],
        }
    }

    /// Applies the fault to the frame `at` of what goes over `link`, from the owner of this end.
    pub fn inject(self, link: Box<dyn Link>, at: FrameTag) -> Box<dyn Link> {
        let mut silent = false;
        Box::new(Interceptor::new(link, move |tag, payload| {
            silent |= tag == at && self == Fault::Silent;
            if silent {
                vec![]
            } else if tag == at {
                self.apply(tag, payload)
            } else {
                vec![(tag, payload)]
            }
        }))
    }
}

/// What went over a tapped link.
pub type Transcript = Arc<Mutex<Vec<(FrameTag, Vec<u8>)>>>;

/// Copies all that the owner of this end sends into `transcript`.
pub fn tap(link: Box<dyn Link>, transcript: &Transcript) -> Box<dyn Link> {
    let transcript = transcript.clone();
    Box::new(Interceptor::new(link, move |tag, payload| {
        transcript
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((tag, payload.clone()));
        vec![(tag, payload)]
    }))
}
