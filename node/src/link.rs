//! The engine's link over a QUIC stream.

use std::sync::{Arc, Mutex, PoisonError};

use tercet_engine::{FrameTag, Link, LinkError};
use tercet_net::{NetError, SessionStream, StreamWriter};

/// One peer's end of a session, as the engine sees it. The engine drops it when it returns, whatever the outcome; what that
/// means to the peer is for the [`StreamKeeper`] to say.
pub struct StreamLink(Arc<Mutex<SessionStream>>);

/// Keeps a session's stream until the outcome is known. Dropping it tells the peer that the session was given up.
pub struct StreamKeeper(Arc<Mutex<SessionStream>>);

impl StreamKeeper {
    /// Keeps `stream`, and gives the engine a link over it.
    pub fn new(stream: SessionStream) -> (StreamKeeper, StreamLink) {
        let shared = Arc::new(Mutex::new(stream));
        (StreamKeeper(shared.clone()), StreamLink(shared))
    }

    /// Ends the session in good order, once the engine has returned: what was sent still arrives, as the writer tells.
    pub fn finish(self) -> Option<StreamWriter> {
        let stream = Arc::into_inner(self.0)?;
        Some(stream.into_inner().unwrap_or_else(PoisonError::into_inner).finish())
    }
}

impl Link for StreamLink {
    fn send(&mut self, tag: FrameTag, payload: Vec<u8>) -> Result<(), LinkError> {
        let mut stream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stream.send(tag.step, tag.sequence, payload).map_err(link_error)
    }

    fn receive(&mut self, tag: FrameTag) -> Result<Vec<u8>, LinkError> {
        let mut stream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (header, payload) = stream.receive().map_err(link_error)?;
        let found = FrameTag {
            step: header.step,
            sequence: header.sequence,
        };
        if found != tag {
            return Err(LinkError::WrongTag { expected: tag, found });
        }
        Ok(payload)
    }
}

fn link_error(error: NetError) -> LinkError {
    match error {
        NetError::Timeout { .. } => LinkError::Deadline,
        NetError::Cancelled { .. } => LinkError::Cancelled,
        NetError::TooLarge { bytes, .. } | NetError::OwnTooLarge { bytes, .. } => LinkError::TooLarge { bytes },
        _ => LinkError::Closed,
    }
}
