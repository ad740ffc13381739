//! Why a session has no result, who is at fault, and how it is told.

use tercet_engine::EngineError;
use tercet_ids::PartyId;
use tercet_net::NetError;
use tercet_telemetry::Outcome;
use tercet_wire::{Failure, Fault, ModelName, Phase};

use crate::agreement::Disagreement;
use crate::batch::QueryRefusal;

/// Why a session has no result at this party.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SessionError {
    /// The node is being stopped.
    #[error("{0} is being stopped: ask again when it is back")]
    Stopping(PartyId),
    /// The identifier was used before.
    #[error("{0} has seen this session before and runs none twice: send the query again")]
    Replayed(PartyId),
    /// Too many sessions.
    #[error("{party} has {sessions} sessions already: ask again later")]
    Full {
        /// This party.
        party: PartyId,
        /// How many there are.
        sessions: usize,
    },
    /// Too many samples.
    #[error("a batch of {batch} is over the {most} samples that {party} takes for this model: split it")]
    Batch {
        /// This party.
        party: PartyId,
        /// Samples asked for.
        batch: u32,
        /// Samples allowed.
        most: u32,
    },
    /// No queries, or too many.
    #[error(
        "a session of {queries} queries is none that {party} takes: have the coordinator's operator run the same release of tercet"
    )]
    Queries {
        /// This party.
        party: PartyId,
        /// How many there are.
        queries: usize,
    },
    /// The envelopes are too large.
    #[error(
        "envelopes of {bytes} bytes are over the limit of {most} at {party}: split the batch, or have limits.envelope_bytes raised"
    )]
    EnvelopeBytes {
        /// This party.
        party: PartyId,
        /// Their size.
        bytes: usize,
        /// The limit.
        most: usize,
    },
    /// No such model here.
    #[error("{party} does not serve the model {name}: deploy it again")]
    UnknownModel {
        /// This party.
        party: PartyId,
        /// The name asked for.
        name: ModelName,
    },
    /// The model changed since the coordinator looked.
    #[error("{party} serves another version of the model {name} by now: send the query again")]
    OtherModel {
        /// This party.
        party: PartyId,
        /// The name asked for.
        name: ModelName,
    },
    /// There is no connection to a peer.
    #[error("{party} has no connection to {peer}: wait until its node is back, or have its operator start it")]
    NotConnected {
        /// This party.
        party: PartyId,
        /// The missing peer.
        peer: PartyId,
    },
    /// A peer did not greet in time, or its connection broke while it was waited for.
    #[error("{0} did not join the session: check that its node runs, then send the query again")]
    Absent(PartyId),
    /// Talking to a peer failed before the computation.
    #[error("{error}")]
    Net {
        /// The peer.
        peer: PartyId,
        /// How.
        error: NetError,
    },
    /// A peer's greeting has another version or is broken.
    #[error("{peer} can't be understood: {error}")]
    Greeting {
        /// The peer.
        peer: PartyId,
        /// How.
        error: tercet_wire::WireError,
    },
    /// A peer would run something else.
    #[error(transparent)]
    Disagreement(#[from] Disagreement),
    /// The computation failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The query of a prepared session is of no use.
    #[error(transparent)]
    Query(#[from] QueryRefusal),
    /// There is no room for another prepared session.
    #[error(
        "{party} keeps sessions for queries to come within {most} bytes, and {bytes} more do not fit: raise limits.prepared_bytes there, or lower pool.sessions at the coordinator"
    )]
    PoolFull {
        /// This party.
        party: PartyId,
        /// Bytes that the session would take.
        bytes: u64,
        /// The limit.
        most: u64,
    },
    /// All places are taken, and a preparation never waits for one.
    #[error("{0} has no place to prepare a session in: ask again when it is idle")]
    Busy(PartyId),
    /// No query came while the prepared session was kept.
    #[error("{0} has discarded the prepared session, since no query came for it: prepare another")]
    Expired(PartyId),
    /// The run is not the one that the session was prepared for.
    #[error("{0} was told to run a prepared session on something else: have the coordinator's operator look at it")]
    NotAsPrepared(PartyId),
    /// The coordinator or this node's operator stopped the session.
    #[error("the session was stopped at {0}: send the query again")]
    Cancelled(PartyId),
    /// No time is left.
    #[error("the deadline passed at {party} while {doing}: allow more time, or ask with a smaller batch")]
    Deadline {
        /// This party.
        party: PartyId,
        /// What went on.
        doing: &'static str,
    },
    /// A defect of this program.
    #[error("{party} met a defect of the program, please report it: {what}")]
    Defect {
        /// This party.
        party: PartyId,
        /// What is wrong.
        what: &'static str,
    },
}

impl SessionError {
    /// What the coordinator is told. `me` is this party.
    pub fn failure(&self, me: PartyId) -> Failure {
        let (fault, party, phase, _) = self.facts(me);
        Failure::new(fault, party, phase, self)
    }

    /// How it is counted.
    pub fn outcome(&self, me: PartyId) -> Outcome {
        self.facts(me).3
    }

    fn facts(&self, me: PartyId) -> (Fault, Option<PartyId>, Phase, Outcome) {
        use Phase::{Admission, Compute, Start};
        match self {
            SessionError::Stopping(_) => (Fault::Overload, Some(me), Admission, Outcome::Overload),
            SessionError::Replayed(_) => (Fault::Client, Some(me), Admission, Outcome::Invalid),
            SessionError::Full { .. } => (Fault::Overload, Some(me), Admission, Outcome::Overload),
            SessionError::Queries { .. } => (Fault::Config, Some(me), Admission, Outcome::Invalid),
            SessionError::Batch { .. } | SessionError::EnvelopeBytes { .. } => {
                (Fault::Client, Some(me), Admission, Outcome::Invalid)
            }
            SessionError::UnknownModel { .. } | SessionError::OtherModel { .. } => {
                (Fault::Config, Some(me), Admission, Outcome::Mismatch)
            }
            SessionError::NotConnected { peer, .. } | SessionError::Absent(peer) => {
                (Fault::Peer, Some(*peer), Start, Outcome::PeerLost)
            }
            SessionError::Net { peer, error } => (Fault::Peer, Some(*peer), Start, net_outcome(error)),
            SessionError::Greeting { peer, .. } => (Fault::Peer, Some(*peer), Start, Outcome::PeerMisbehaved),
            SessionError::Disagreement(disagreement) => {
                (Fault::Config, Some(disagreement.peer()), Start, Outcome::Mismatch)
            }
            SessionError::Query(refusal) => {
                let failure = refusal.failure(me);
                (failure.fault, failure.party, failure.phase, Outcome::Invalid)
            }
            SessionError::PoolFull { .. } | SessionError::Busy(_) | SessionError::Expired(_) => {
                (Fault::Overload, Some(me), Admission, Outcome::Overload)
            }
            SessionError::NotAsPrepared(_) => (Fault::Config, Some(me), Admission, Outcome::Mismatch),
            SessionError::Engine(error) => match error {
                EngineError::InputLength { .. } | EngineError::InputKind { .. } => {
                    (Fault::Client, Some(me), Compute, Outcome::Invalid)
                }
                EngineError::PeerLost { peer, .. } => (Fault::Peer, Some(*peer), Compute, Outcome::PeerLost),
                EngineError::PeerMisbehaved { peer, .. } => {
                    (Fault::Peer, Some(*peer), Compute, Outcome::PeerMisbehaved)
                }
                EngineError::Deadline { .. } => (Fault::Overload, None, Compute, Outcome::Deadline),
                EngineError::Cancelled { .. } => (Fault::Peer, None, Compute, Outcome::Cancelled),
                EngineError::Misuse(_) => (Fault::Own, Some(me), Compute, Outcome::Internal),
            },
            SessionError::Cancelled(_) => (Fault::Peer, None, Compute, Outcome::Cancelled),
            SessionError::Deadline { .. } => (Fault::Overload, None, Compute, Outcome::Deadline),
            SessionError::Defect { .. } => (Fault::Own, Some(me), Compute, Outcome::Internal),
        }
    }
}

fn net_outcome(error: &NetError) -> Outcome {
    match error {
        NetError::TooLarge { .. } => Outcome::PeerMisbehaved,
        _ => Outcome::PeerLost,
    }
}
