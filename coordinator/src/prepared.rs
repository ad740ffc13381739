//! Prepared sessions on their way: one stream to each node, on which the session is ordered, and later run.

use std::time::Duration;

use tercet_ids::PartyId;
use tercet_net::{NetError, Stream};
use tercet_wire::{
    CONTROL_MESSAGE_BYTES_MAX, Done, Failure, Infer, NodeReply, NodeRequest, Phase, Prepare, Run, decode, encode,
};
use tokio::time::timeout;

use crate::call::CallError;
use crate::dispatch::parts;
use crate::limits::{LAST_WORD_TIME_MAX, PREPARE_TIME_MAX};
use crate::pool::Ready;
use crate::snapshot::Snapshot;

/// A session's stream to each node, by party index, with the connection that it runs over. Dropping it discards the session there.
pub struct Kept([(usize, Stream); 3]);

impl Kept {
    /// Whether all nodes are still connected as they were.
    pub fn is_usable(&self, snapshot: &Snapshot) -> bool {
        PartyId::ALL.iter().zip(&self.0).all(|(party, (id, _))| {
            let connection = snapshot.connection(*party);
            connection.is_some_and(|connection| connection.id() == *id && connection.close_reason().is_none())
        })
    }
}

/// Has all three nodes prepare a session. Dropping the future gives it up.
///
/// # Errors
/// The first node's that can't, which is named.
pub async fn prepare(order: Prepare, snapshot: &Snapshot) -> Result<Kept, CallError> {
    let request = encode(&NodeRequest::Prepare(order));
    let [first, second, third] = PartyId::ALL.map(|party| ask(party, request.clone(), snapshot));
    let (first, second, third) = tokio::try_join!(first, second, third)?;
    Ok(Kept([first, second, third]))
}

async fn ask(party: PartyId, request: Vec<u8>, snapshot: &Snapshot) -> Result<(usize, Stream), CallError> {
    let connection = snapshot.connection(party).ok_or(CallError::NotConnected(party))?;
    let exchange = async {
        let mut stream = connection.open_stream().await?;
        stream.writer.write_message(request, usize::MAX).await?;
        let bytes = stream.reader.read_message(CONTROL_MESSAGE_BYTES_MAX).await?;
        Ok((stream, bytes))
    };
    let time = PREPARE_TIME_MAX + LAST_WORD_TIME_MAX;
    let exchanged = timeout(time, exchange).await;
    let exchanged = exchanged.map_err(|_| CallError::Late { party, time })?;
    let (stream, bytes) = exchanged.map_err(|error: NetError| CallError::Net(party, error))?;
    match decode(&bytes).map_err(|error| CallError::Unreadable(party, error))? {
        NodeReply::Prepared { .. } => Ok((connection.id(), stream)),
        NodeReply::Failed(failure) => Err(CallError::Refused(failure)),
        _ => Err(CallError::Unexpected(party)),
    }
}

/// Runs a prepared session on its query: what each party computed, by party index.
///
/// # Errors
/// The first party's that fails. The session is used up.
pub async fn run(
    ready: Ready<Kept>,
    infer: Infer,
    left: Duration,
    reply_bytes_max: usize,
) -> Result<[Done; 3], Failure> {
    let Ready { begun, kept, .. } = ready;
    let mut parts = parts(vec![infer]).into_iter();
    let mut streams = kept.0.into_iter();
    let [first, second, third] = PartyId::ALL.map(|party| {
        let one_each = "one of each party";
        let run = Run {
            session: begun.session,
            model: begun.model.clone(),
            roles: begun.roles,
            deadline_ms: left.as_millis() as u64,
            queries: parts.next().expect(one_each),
        };
        let (_, stream) = streams.next().expect(one_each);
        finish(party, stream, run, reply_bytes_max, left + LAST_WORD_TIME_MAX)
    });
    let (first, second, third) = tokio::try_join!(first, second, third)?;
    Ok([first, second, third])
}

async fn finish(
    party: PartyId,
    mut stream: Stream,
    run: Run,
    reply_bytes_max: usize,
    time: Duration,
) -> Result<Done, Failure> {
    let exchange = async {
        let request = encode(&NodeRequest::Run(run));
        // A node that has discarded the session does not read on, and has said why.
        if stream.writer.write_message(request, usize::MAX).await.is_ok() {
            stream.writer.finish();
        }
        stream.reader.read_message(reply_bytes_max).await
    };
    let reply = match timeout(time, exchange).await {
        Ok(Ok(bytes)) => decode(&bytes).map_err(|error| CallError::Unreadable(party, error)),
        Ok(Err(error)) => Err(CallError::Net(party, error)),
        Err(_) => Err(CallError::Late { party, time }),
    };
    match reply {
        Ok(NodeReply::Done(done)) if done.results.len() == 1 => Ok(done),
        Ok(NodeReply::Failed(failure)) => Err(failure),
        Ok(_) => Err(CallError::Unexpected(party).failure(Phase::Compute)),
        Err(error) => Err(error.failure(Phase::Compute)),
    }
}
