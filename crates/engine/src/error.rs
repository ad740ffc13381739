use tercet_ids::PartyId;

use crate::frame::FrameTag;
use crate::link::LinkError;

/// Why a session failed at this party, and whose fault it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The client gave input shares that don't fit the plan.
    #[error(
        "the shares of input `{input}` have {found} elements where the plan and batch call for {expected}; share the input again"
    )]
    InputLength {
        /// The input's name.
        input: String,
        /// Elements the plan calls for.
        expected: usize,
        /// Elements that came.
        found: usize,
    },
    /// The client gave another number of inputs than the plan has, or shares of another ring.
    #[error(
        "the input shares are not those of this plan: {detail}; share the input again for the plan that is deployed"
    )]
    InputKind {
        /// What differs.
        detail: &'static str,
    },
    /// A peer's connection is gone.
    #[error("{peer} left the session in step {step}; try again when it is back")]
    PeerLost {
        /// The peer.
        peer: PartyId,
        /// The step of the plan.
        step: u32,
    },
    /// A peer sent what the protocol does not call for.
    #[error(
        "{peer} broke the protocol in step {step}: {fault}; check that it runs the same version and is not tampered with"
    )]
    PeerMisbehaved {
        /// The peer.
        peer: PartyId,
        /// The step of the plan.
        step: u32,
        /// What it did.
        fault: Misbehaviour,
    },
    /// The deadline passed.
    #[error("the deadline passed in step {step}, at {peer}'s turn; allow more time or ask with a smaller batch")]
    Deadline {
        /// The peer that was waited for.
        peer: PartyId,
        /// The step of the plan.
        step: u32,
    },
    /// The session was cancelled on this side.
    #[error("the session was cancelled in step {step}")]
    Cancelled {
        /// The step of the plan.
        step: u32,
    },
    /// The caller of this library broke its contract.
    #[error("this is a defect of the program, please report it: {0}")]
    Misuse(&'static str),
}

/// What a peer did that the protocol does not call for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misbehaviour {
    /// Another frame than the one that was due.
    #[error("{found} came where {expected} was due")]
    WrongTag {
        /// What was due.
        expected: FrameTag,
        /// What came.
        found: FrameTag,
    },
    /// A frame whose payload is longer or shorter than the protocol's message.
    #[error("{tag} has {found} bytes instead of {expected}")]
    WrongLength {
        /// The frame.
        tag: FrameTag,
        /// Bytes the message has.
        expected: usize,
        /// Bytes that came.
        found: usize,
    },
    /// A frame above the limit.
    #[error("a frame of {bytes} bytes is above the limit")]
    TooLarge {
        /// The declared length.
        bytes: u64,
    },
    /// Bytes that are no frame.
    #[error("what came is no frame")]
    Malformed,
    /// An empty frame in the dealer's stream, which would let it stall the evaluator for ever.
    #[error("{tag} of the dealer's stream is empty")]
    EmptyFrame {
        /// The frame.
        tag: FrameTag,
    },
    /// More dealt material than the step takes.
    #[error("{bytes} bytes more were dealt than the step takes")]
    DealtTooMuch {
        /// Bytes left over.
        bytes: usize,
    },
}

impl EngineError {
    /// The error of a session whose link to `peer` failed in `step`.
    pub fn link(peer: PartyId, step: u32, error: LinkError) -> Self {
        let fault = match error {
            LinkError::Closed => return EngineError::PeerLost { peer, step },
            LinkError::Deadline => return EngineError::Deadline { peer, step },
            LinkError::Cancelled => return EngineError::Cancelled { step },
            LinkError::WrongTag { expected, found } => Misbehaviour::WrongTag { expected, found },
            LinkError::TooLarge { bytes } => Misbehaviour::TooLarge { bytes },
            LinkError::Malformed => Misbehaviour::Malformed,
        };
        EngineError::PeerMisbehaved { peer, step, fault }
    }
}
