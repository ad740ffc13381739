use std::net::SocketAddr;

use tercet_client::{Cause, ClientError, SettingsError};
use tercet_config::ConfigError;
use tercet_ids::PartyId;
use tercet_open_inference::RequestError;

/// Why a request has no prediction.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum GatewayError {
    /// The request can't be read.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The inputs or outputs are not the model's.
    #[error("the model {model} has no {kind} `{name}`; it has {known}")]
    UnknownTensor {
        /// The model.
        model: String,
        /// Input or output.
        kind: &'static str,
        /// The name that came.
        name: String,
        /// The names there are.
        known: String,
    },
    /// An input is missing.
    #[error("the model {model} needs the input `{name}`, which is missing")]
    MissingInput {
        /// The model.
        model: String,
        /// The input.
        name: String,
    },
    /// No such model.
    #[error("there is no model {0}; GET /v2/models lists those that there are")]
    UnknownModel(String),
    /// The model has another version.
    #[error("the model {model} has version {served}, not {asked}")]
    UnknownVersion {
        /// The model.
        model: String,
        /// The version there is.
        served: String,
        /// The version asked for.
        asked: String,
    },
    /// No token, or an unknown one.
    #[error("send a token that this gateway knows, as `Authorization: Bearer TOKEN`")]
    Unauthenticated,
    /// The token is not for this model.
    #[error("this token is not for the model {0}: ask the gateway's operator to add it")]
    Forbidden(String),
    /// The request is larger than its model takes.
    #[error("the request is over {limit} bytes, which is more than the largest batch of the model takes: split it")]
    TooLarge {
        /// The bound.
        limit: usize,
    },
    /// The body broke off, or its compression is broken.
    #[error("the request's body can't be read to its end")]
    Body,
    /// An operation of the protocol that is not for callers of this gateway.
    #[error("models are loaded and unloaded by their owner with `tercet deploy`, not over this interface")]
    NotHere,
    /// Something else than the protocol's paths.
    #[error("there is nothing at this path; see the Open Inference Protocol V2")]
    NoSuchPath,
    /// The coordinator does not reach a party.
    #[error("the coordinator has no connection to {0}; no query can be answered before its operator has mended that")]
    PartyMissing(PartyId),
    /// The deployment gives no answer.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// What a caller can do about an error, the same for both ways to ask.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Remedy {
    /// Ask for something else.
    MendRequest,
    /// Ask about a model that exists.
    OtherModel,
    /// Send a token.
    Authenticate,
    /// Ask the operator for permission.
    Permission,
    /// Send less at once.
    Split,
    /// Come back later; nothing was done.
    Later,
    /// Allow more time, or come back when less is going on.
    MoreTime,
    /// Wait until the deployment's operators have mended it.
    Operators,
    /// Report it.
    Report,
}

impl GatewayError {
    pub(crate) fn remedy(&self) -> Remedy {
        match self {
            GatewayError::Request(_)
            | GatewayError::UnknownTensor { .. }
            | GatewayError::MissingInput { .. }
            | GatewayError::Body => Remedy::MendRequest,
            GatewayError::UnknownModel(_) | GatewayError::UnknownVersion { .. } | GatewayError::NoSuchPath => {
                Remedy::OtherModel
            }
            GatewayError::Unauthenticated => Remedy::Authenticate,
            GatewayError::Forbidden(_) | GatewayError::NotHere => Remedy::Permission,
            GatewayError::TooLarge { .. } => Remedy::Split,
            GatewayError::PartyMissing(_) => Remedy::Operators,
            GatewayError::Client(ClientError::Batch { .. }) => Remedy::MendRequest,
            GatewayError::Client(error) => match error.cause() {
                Cause::Request => Remedy::MendRequest,
                Cause::Overload => Remedy::Later,
                Cause::Deadline => Remedy::MoreTime,
                Cause::Configuration | Cause::Coordinator | Cause::Party => Remedy::Operators,
                Cause::Defect => Remedy::Report,
            },
        }
    }
}

/// Why the gateway can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The client's file is wrong.
    #[error(transparent)]
    Client(#[from] ConfigError),
    /// The client's file names something that can't be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The address can't be bound.
    #[error("cannot serve inference on {address}: {reason}; give gateway.listen a free address of this machine")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the operating system says.
        reason: std::io::Error,
    },
    /// An address that others reach, and nobody to be recognised.
    #[error(
        "gateway.listen is {0}, which other machines reach: name the callers under [gateway.callers.NAME], or listen on 127.0.0.1"
    )]
    Open(SocketAddr),
}
