//! The engine's link over a QUIC stream.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tercet_engine::{EngineError, FrameTag, Link, LinkError};
use tercet_ids::PartyId;
use tercet_net::{NetError, SessionStream, StreamWriter};
use tercet_wire::Binding;

use crate::batch::QueryRefusal;
use crate::failure::SessionError;

/// The frame that carries the binding of the query that a prepared session has got. No step of a plan has its number.
const BINDING_FRAME: FrameTag = FrameTag {
    step: u32::MAX,
    sequence: 0,
};

/// One peer's end of a session, as the engine sees it. The engine drops it when it returns, whatever the outcome; what that
/// means to the peer is for the [`StreamKeeper`] to say.
pub struct StreamLink(Arc<Mutex<Shared>>);

/// Keeps a session's stream until the outcome is known. Dropping it tells the peer that the session was given up.
pub struct StreamKeeper {
    peer: PartyId,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    stream: SessionStream,
    /// What the peer's next frame has to say before any other.
    awaited: Option<Binding>,
    /// Whether it said something else.
    differs: bool,
}

impl StreamKeeper {
    /// Keeps `stream`, and gives the engine a link over it.
    pub fn new(peer: PartyId, stream: SessionStream) -> (StreamKeeper, StreamLink) {
        let shared = Arc::new(Mutex::new(Shared {
            stream,
            awaited: None,
            differs: false,
        }));
        let keeper = StreamKeeper {
            peer,
            shared: shared.clone(),
        };
        (keeper, StreamLink(shared))
    }

    /// Tells the peer which query a prepared session has got, and has its word on that compared before anything else it sends.
    ///
    /// # Errors
    /// The peer is gone.
    pub fn confirm(&self, binding: Binding, deadline: Instant) -> Result<(), SessionError> {
        let mut shared = lock(&self.shared);
        shared.stream.set_deadline(deadline);
        shared.awaited = Some(binding);
        let sent = shared
            .stream
            .send(BINDING_FRAME.step, BINDING_FRAME.sequence, binding.0.to_vec());
        sent.map_err(|error| self.error(link_error(error)))
    }

    /// Waits for the peer's word on the query, unless the engine has met it already.
    ///
    /// # Errors
    /// The peer has got another query, or is gone.
    pub fn confirmed(&self) -> Result<(), SessionError> {
        let mut shared = lock(&self.shared);
        let compared = shared.compare_binding();
        match (shared.differs, compared) {
            (true, _) => Err(QueryRefusal::Binding(self.peer).into()),
            (false, Err(error)) => Err(self.error(error)),
            (false, Ok(())) => Ok(()),
        }
    }

    /// Ends the session in good order, once the engine has returned: what was sent still arrives, as the writer tells.
    pub fn finish(self) -> Option<StreamWriter> {
        let shared = Arc::into_inner(self.shared)?;
        Some(
            shared
                .into_inner()
                .unwrap_or_else(PoisonError::into_inner)
                .stream
                .finish(),
        )
    }

    fn error(&self, error: LinkError) -> SessionError {
        EngineError::link(self.peer, 0, error).into()
    }
}

impl Shared {
    /// Receives and compares the binding that is awaited, if one is.
    fn compare_binding(&mut self) -> Result<(), LinkError> {
        let Some(binding) = self.awaited.take() else {
            return Ok(());
        };
        if self.receive(BINDING_FRAME)? != binding.0 {
            self.differs = true;
            return Err(LinkError::Cancelled);
        }
        Ok(())
    }

    fn receive(&mut self, tag: FrameTag) -> Result<Vec<u8>, LinkError> {
        let (header, payload) = self.stream.receive().map_err(link_error)?;
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

impl Link for StreamLink {
    fn send(&mut self, tag: FrameTag, payload: Vec<u8>) -> Result<(), LinkError> {
        let mut shared = lock(&self.0);
        shared.stream.send(tag.step, tag.sequence, payload).map_err(link_error)
    }

    fn receive(&mut self, tag: FrameTag) -> Result<Vec<u8>, LinkError> {
        let mut shared = lock(&self.0);
        shared.compare_binding()?;
        shared.receive(tag)
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn link_error(error: NetError) -> LinkError {
    match error {
        NetError::Timeout { .. } => LinkError::Deadline,
        NetError::Cancelled { .. } => LinkError::Cancelled,
        NetError::TooLarge { bytes, .. } | NetError::OwnTooLarge { bytes, .. } => LinkError::TooLarge { bytes },
        _ => LinkError::Closed,
    }
}
