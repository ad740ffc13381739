//! One request to a node and its reply, on a stream of their own.

use std::time::Duration;

use tercet_ids::PartyId;
use tercet_net::{Connection, NetError};
use tercet_wire::{Failure, Fault, NodeReply, NodeRequest, Phase, WireError, decode, encode};
use tokio::time::timeout;

/// Why a node gave no usable reply.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// There is no connection to it.
    #[error("{0} can't be reached: wait until its node is back, or have its operator start it")]
    NotConnected(PartyId),
    /// Talking to it failed.
    #[error("{1}")]
    Net(PartyId, #[source] NetError),
    /// It did not answer in time.
    #[error("{party} did not answer in {} ms: see what keeps it busy", .time.as_millis())]
    Late {
        /// Which node.
        party: PartyId,
        /// How long was waited.
        time: Duration,
    },
    /// Its reply can't be read.
    #[error("{0} can't be understood: {1}")]
    Unreadable(PartyId, #[source] WireError),
    /// It answered another question.
    #[error("{0} answered another question than it was asked: run the same release of tercet on all machines")]
    Unexpected(PartyId),
    /// It says why it can't.
    #[error("{0}")]
    Refused(Failure),
}

impl CallError {
    /// What the client is told.
    pub fn failure(self, phase: Phase) -> Failure {
        let party = match &self {
            CallError::Refused(failure) => return failure.clone(),
            CallError::NotConnected(party)
            | CallError::Net(party, _)
            | CallError::Late { party, .. }
            | CallError::Unreadable(party, _)
            | CallError::Unexpected(party) => *party,
        };
        Failure::new(Fault::Peer, Some(party), phase, self)
    }
}

/// Sends `request` and waits for the reply, for `time` at most. A node's own refusal comes as [`CallError::Refused`].
///
/// # Errors
/// Each names the party.
pub async fn call(
    party: PartyId,
    connection: Option<Connection>,
    request: NodeRequest,
    reply_bytes_max: usize,
    time: Duration,
) -> Result<NodeReply, CallError> {
    let connection = connection.ok_or(CallError::NotConnected(party))?;
    let exchange = async {
        let mut stream = connection.open_stream().await?;
        stream.writer.write_message(encode(&request), usize::MAX).await?;
        stream.writer.finish();
        stream.reader.read_message(reply_bytes_max).await
    };
    let bytes = match timeout(time, exchange).await {
        Ok(exchanged) => exchanged.map_err(|error| CallError::Net(party, error))?,
        Err(_) => return Err(CallError::Late { party, time }),
    };
    match decode(&bytes).map_err(|error| CallError::Unreadable(party, error))? {
        NodeReply::Failed(failure) => Err(CallError::Refused(failure)),
        reply => Ok(reply),
    }
}
