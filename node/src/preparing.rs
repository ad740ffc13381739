//! The life of a prepared session on the coordinator's stream: `Prepare`, `Prepared`, then one `Run` or nothing.

use std::pin::pin;
use std::time::{Duration, Instant};

use tercet_net::{Connection, Stream, StreamReader, StreamWriter};
use tercet_telemetry::PreparedEnd;
use tercet_wire::{Failure, NodeReply, NodeRequest, Prepare, Run, decode, encode};
use tokio::time::{Instant as TokioInstant, sleep, timeout_at};

use crate::control::Server;
use crate::failure::SessionError;
use crate::messages::AdmitPreparation;
use crate::prepared::{Prepared, prepare};

/// Prepares a session, keeps it, and runs it on the query that comes on the same stream. It is discarded when its time is up, the stream
/// or the connection ends, or the node is being stopped.
pub async fn serve_prepared(
    prepare: Prepare,
    received: Instant,
    stream: Stream,
    connection: Connection,
    server: &Server,
) {
    let Stream {
        mut writer, mut reader, ..
    } = stream;
    let session = prepare.session;
    let (metrics, me) = (&server.services.metrics.pool.prepared, server.me);
    let reply = match keep(prepare, received, &mut reader, &mut writer, server).await {
        Ok((prepared, run, received)) => {
            metrics.ended(PreparedEnd::Used);
            let _underway = server.underway.begin();
            let ran = server.run(run, received, Some(prepared), &connection).await;
            ran.unwrap_or_else(NodeReply::Failed)
        }
        Err(Ended::GivenUp) => {
            metrics.ended(PreparedEnd::GivenUp);
            return tracing::debug!(%session, "a prepared session was given up");
        }
        Err(Ended::Failed(end, error)) => {
            metrics.ended(end);
            tracing::info!(%session, %error, "no prepared session");
            server.services.forget(session);
            NodeReply::Failed(error.failure(me))
        }
        Err(Ended::Refused(failure)) => {
            metrics.ended(PreparedEnd::Failed);
            NodeReply::Failed(failure)
        }
    };
    send(&mut writer, &reply).await;
    writer.finish();
    writer.stopped().await;
}

/// Why a session gets no query.
enum Ended {
    /// The coordinator has no use for it any more.
    GivenUp,
    /// This party does not have it any more, or never had.
    Failed(PreparedEnd, SessionError),
    /// It was not admitted.
    Refused(Failure),
}

impl From<SessionError> for Ended {
    fn from(error: SessionError) -> Ended {
        Ended::Failed(PreparedEnd::Failed, error)
    }
}

/// The session and its run, with the time that came.
async fn keep(
    order: Prepare,
    received: Instant,
    reader: &mut StreamReader,
    writer: &mut StreamWriter,
    server: &Server,
) -> Result<(Box<Prepared>, Run, Instant), Ended> {
    let (me, services) = (server.me, &server.services);
    let admitted = server.sessions.send(AdmitPreparation(order.session)).await;
    admitted
        .map_err(|_| SessionError::Stopping(me))?
        .map_err(Ended::Refused)?;
    // Anything that comes before the reply ends the preparation; after it, it is the run.
    let mut next = pin!(reader.read_message(server.request_bytes_max));
    let time = Duration::from_millis(order.deadline_ms).min(services.limits.session_time);
    let (deadline, kept) = (received + time, Duration::from_millis(order.keep_ms));
    let prepared = tokio::select! {
        biased;
        _ = &mut next => return Err(Ended::GivenUp),
        () = services.pool.closed() => return Err(SessionError::Stopping(me).into()),
        prepared = timeout_at(TokioInstant::from_std(deadline), prepare(order, deadline, services)) => prepared,
    };
    let doing = "a session was prepared";
    let prepared = prepared.map_err(|_| SessionError::Deadline { party: me, doing })??;
    services.metrics.pool.prepared.made();
    send(
        writer,
        &NodeReply::Prepared {
            bytes: prepared.bytes(),
        },
    )
    .await;
    let message = tokio::select! {
        biased;
        message = &mut next => message.map_err(|_| Ended::GivenUp)?,
        () = services.pool.closed() => return Err(SessionError::Stopping(me).into()),
        () = sleep(kept) => return Err(Ended::Failed(PreparedEnd::Expired, SessionError::Expired(me))),
    };
    match decode(&message) {
        Ok(NodeRequest::Run(run)) => Ok((Box::new(prepared), run, Instant::now())),
        Ok(_) | Err(_) => Err(SessionError::NotAsPrepared(me).into()),
    }
}

/// If the coordinator is gone, so is whoever wanted to know.
async fn send(writer: &mut StreamWriter, reply: &NodeReply) {
    let _ = writer.write_message(encode(reply), usize::MAX).await;
}
