use std::fmt;

use serde::{Deserialize, Serialize};
use tercet_ids::PartyId;

use crate::limits::SENTENCE_BYTES_MAX;

/// Who has to do something about a failure.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Fault {
    /// The client: the request itself is wrong.
    Client,
    /// An operator: configuration, identity, or what is deployed.
    Config,
    /// A party: it is lost, late or misbehaves; `Failure::party` says which.
    Peer,
    /// Nobody: a limit is reached, and the same request may succeed later.
    Overload,
    /// This software.
    Own,
}

/// Where in the life of a request it failed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Phase {
    /// Reading the request, and deciding whether to take it.
    Admission,
    /// Waiting for a turn.
    Queue,
    /// Sharing a model with the three parties.
    Deploy,
    /// A party opens its envelope and agrees with its peers on what is run.
    Start,
    /// The parties compute.
    Compute,
    /// The results travel back.
    Answer,
}

impl Phase {
    /// The name used in messages to people.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Admission => "admission",
            Phase::Queue => "queue",
            Phase::Deploy => "deploy",
            Phase::Start => "start",
            Phase::Compute => "compute",
            Phase::Answer => "answer",
        }
    }
}

/// Why a request has no result.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
#[error("{sentence}")]
pub struct Failure {
    /// Who has to act.
    pub fault: Fault,
    /// The party it is about, if it is about one.
    pub party: Option<PartyId>,
    /// Where it failed.
    pub phase: Phase,
    /// One sentence that says what happened and what to do. Never holds a value derived from a share.
    pub sentence: String,
}

impl Failure {
    /// A failure with the sentence of `error`, cut at [`SENTENCE_BYTES_MAX`].
    pub fn new(fault: Fault, party: Option<PartyId>, phase: Phase, error: impl fmt::Display) -> Failure {
        let mut sentence = error.to_string();
        sentence.truncate(sentence.floor_char_boundary(SENTENCE_BYTES_MAX));
        Failure {
            fault,
            party,
            phase,
            sentence,
        }
    }
}
