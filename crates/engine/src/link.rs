use tercet_ids::PartyId;

use crate::frame::{FRAME_BYTES_MAX, FrameTag};

/// Payload bytes of frames to one peer that may be under way without the peer's receiving them: as much as the longest frame, less what a link
/// adds to each of several.
pub const WINDOW_BYTES: usize = FRAME_BYTES_MAX - (4 << 10);

/// An ordered, reliable, authenticated connection to one peer, for one session.
///
/// Calls block until the session's deadline, which the link knows, or until the link is closed from outside.
pub trait Link: Send {
    /// Sends a frame. Returns when the frame is on its way, which has to be without the other end's receiving it as long as what is under way, this
    /// frame included, has no more than [`WINDOW_BYTES`], or is this frame alone; then it may wait.
    fn send(&mut self, tag: FrameTag, payload: Vec<u8>) -> Result<(), LinkError>;

    /// Waits for the next frame, which has to carry `tag`.
    fn receive(&mut self, tag: FrameTag) -> Result<Vec<u8>, LinkError>;
}

/// Why a link gives no frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The peer is gone.
    #[error("the connection is closed")]
    Closed,
    /// The session's deadline passed.
    #[error("the deadline passed")]
    Deadline,
    /// The session was cancelled on this side.
    #[error("the session was cancelled")]
    Cancelled,
    /// The next frame is another one than the protocol calls for.
    #[error("{found} came where {expected} was due")]
    WrongTag {
        /// What the protocol calls for.
        expected: FrameTag,
        /// What came.
        found: FrameTag,
    },
    /// A frame above [`crate::FRAME_BYTES_MAX`].
    #[error("a frame of {bytes} bytes is above the limit")]
    TooLarge {
        /// The declared length.
        bytes: u64,
    },
    /// Bytes that are no frame.
    #[error("the bytes are no frame")]
    Malformed,
}

/// A session's links, one to each peer.
pub struct Links {
    peers: [(PartyId, Box<dyn Link>); 2],
}

impl Links {
    /// Names the links by the peers they lead to.
    pub fn new(peers: [(PartyId, Box<dyn Link>); 2]) -> Self {
        Links { peers }
    }

    /// The parties the links lead to.
    pub fn parties(&self) -> [PartyId; 2] {
        self.peers.each_ref().map(|(party, _)| *party)
    }

    /// The same links, but for the one to `party`.
    pub(crate) fn try_replace<E>(
        self,
        party: PartyId,
        replace: impl Fn(Box<dyn Link>) -> Result<Box<dyn Link>, E>,
    ) -> Result<Self, E> {
        let [first, second] = self.peers;
        let exchange = |(peer, link)| Ok((peer, if peer == party { replace(link)? } else { link }));
        Ok(Links::new([exchange(first)?, exchange(second)?]))
    }

    /// The links to `first` and to `second`; `None` if they lead to others.
    pub(crate) fn to(self, first: PartyId, second: PartyId) -> Option<[Box<dyn Link>; 2]> {
        let [(a, link_a), (b, link_b)] = self.peers;
        match (a, b) {
            _ if (a, b) == (first, second) => Some([link_a, link_b]),
            _ if (b, a) == (first, second) => Some([link_b, link_a]),
            _ => None,
        }
    }
}
