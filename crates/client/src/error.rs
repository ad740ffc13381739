use std::time::Duration;

use tercet_ids::{PartyId, PlanDigest};
use tercet_net::NetError;
use tercet_plan::{DecodeError, EncodeError, PlanError};
use tercet_sharing::EnvelopeError;
use tercet_wire::{Failure, Fault, MalformedName, ModelName, Phase, WireError};

/// Why a request has no result.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ClientError {
    /// The name can't name a model.
    #[error(transparent)]
    Name(#[from] MalformedName),
    /// The arrays can't be used with the model.
    #[error(transparent)]
    Input(#[from] EncodeError),
    /// The batch is larger than one session takes.
    #[error("a batch of {batch} is over the {most} samples that the parties take of this model at once: split it")]
    Batch {
        /// Samples of the arrays.
        batch: u32,
        /// Samples of a session.
        most: u32,
    },
    /// The coordinator can't be reached, or is lost.
    #[error(transparent)]
    Coordinator(NetError),
    /// The coordinator's reply can't be read.
    #[error("the coordinator can't be understood: {0}")]
    Reply(#[from] WireError),
    /// The coordinator answered another question.
    #[error(
        "the coordinator answered another question than it was asked: run the same release of tercet on all machines"
    )]
    OtherReply,
    /// No answer in time.
    #[error("there was no answer within {} ms: allow more time, or ask again when less is going on", .0.as_millis())]
    Late(Duration),
    /// The coordinator or a party says why not.
    #[error(transparent)]
    Refused(Failure),
    /// The plan is broken, or of another version.
    #[error("the plan of the model {name} can't be used: {error}")]
    Plan {
        /// The model.
        name: ModelName,
        /// What is wrong with it.
        error: PlanError,
    },
    /// The plan is not the one it is said to be.
    #[error(
        "the coordinator describes the model {0} with a plan of another digest: do not trust it, and ask its operator"
    )]
    FalseDigest(ModelName),
    /// The plan is not the pinned one.
    #[error(
        "the model {name} has the plan {served}, not the pinned {pinned}: find out who deployed it before you pin the new one"
    )]
    Unpinned {
        /// The model.
        name: ModelName,
        /// The plan that is served.
        served: PlanDigest,
        /// The plan that is pinned.
        pinned: PlanDigest,
    },
    /// A share can't be sealed to a party.
    #[error("the share for {party} can't be sealed: {error}")]
    Seal {
        /// The party.
        party: PartyId,
        /// Why.
        error: EnvelopeError,
    },
    /// A party's result can't be opened.
    #[error("the result of {party} can't be opened: {error}")]
    Open {
        /// The party.
        party: PartyId,
        /// Why.
        error: EnvelopeError,
    },
    /// A party's result is not one of the plan.
    #[error(
        "the result of {0} has another size than the model's output: have its operator check that it runs the same release"
    )]
    WrongResult(PartyId),
    /// The evaluators say different things.
    #[error(
        "{0} and {1} evaluated to different results: one of them is faulty or cheats, so trust neither and have both checked"
    )]
    EvaluatorsDisagree(PartyId, PartyId),
    /// The results don't make the model's outputs.
    #[error("this is a defect of the program, please report it: {0}")]
    Decode(#[from] DecodeError),
}

/// What kind of thing has to be put right.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Cause {
    /// The arrays, or the name of the model.
    Request,
    /// Keys, certificates, pinned digests, permissions, or what is deployed.
    Configuration,
    /// The coordinator can't be reached.
    Coordinator,
    /// A party is lost or misbehaves.
    Party,
    /// Too much is going on.
    Overload,
    /// Time ran out.
    Deadline,
    /// This software.
    Defect,
}

impl ClientError {
    /// What has to be put right.
    pub fn cause(&self) -> Cause {
        match self {
            ClientError::Name(_) | ClientError::Input(_) | ClientError::Batch { .. } => Cause::Request,
            // Somebody answers, but the two ends' certificates are not pinned at each other.
            ClientError::Coordinator(NetError::WrongIdentity { .. } | NetError::Refused { .. }) => Cause::Configuration,
            ClientError::Coordinator(_) => Cause::Coordinator,
            ClientError::Reply(_)
            | ClientError::OtherReply
            | ClientError::Plan { .. }
            | ClientError::FalseDigest(_)
            | ClientError::Unpinned { .. }
            | ClientError::Seal { .. } => Cause::Configuration,
            ClientError::Late(_) => Cause::Deadline,
            ClientError::Open { .. } | ClientError::WrongResult(_) | ClientError::EvaluatorsDisagree(..) => {
                Cause::Party
            }
            ClientError::Decode(_) => Cause::Defect,
            ClientError::Refused(failure) => match (failure.fault, failure.phase) {
                (Fault::Client, _) => Cause::Request,
                (Fault::Config, _) => Cause::Configuration,
                (Fault::Peer, _) => Cause::Party,
                (Fault::Overload, Phase::Queue | Phase::Compute) => Cause::Deadline,
                (Fault::Overload, _) => Cause::Overload,
                (Fault::Own, _) => Cause::Defect,
            },
        }
    }

    /// The party it is about, if it is about one.
    pub fn party(&self) -> Option<PartyId> {
        match self {
            ClientError::Refused(failure) => failure.party,
            ClientError::Seal { party, .. } | ClientError::Open { party, .. } | ClientError::WrongResult(party) => {
                Some(*party)
            }
            _ => None,
        }
    }
}
