//! `Control`: serves the coordinator.

use std::sync::Arc;
use std::time::Instant;

use actix::{Actor, Addr, Context, Handler};
use tercet_ids::PartyId;
use tercet_net::{CloseReason, Connection, Stream, Underway};
use tercet_wire::{Failure, Fault, NodeReply, NodeRequest, NodeState, Phase, Pong, Run, decode, encode};
use tokio::time::timeout;

use crate::limits::{COORDINATOR_CONNECTIONS_MAX, MAILBOX_MAX, REQUEST_TIME_MAX};
use crate::messages::{
    ActivateModel, BeginSession, CancelSession, CoordinatorConnected, CountSessions, DiscardModel, FindModel,
    LinkStates, ListModels, LoadModel,
};
use crate::models::Models;
use crate::peers::Peers;
use crate::prepared::Prepared;
use crate::preparing::serve_prepared;
use crate::session::Services;
use crate::sessions::Sessions;

/// Owns the coordinator's connections, and answers each request on the stream it came on.
pub struct Control {
    server: Server,
    connections: Vec<Connection>,
}

/// Who can answer.
#[derive(Clone)]
pub struct Server {
    /// This party.
    pub me: PartyId,
    /// Largest request: a model, or an envelope.
    pub request_bytes_max: usize,
    /// Sessions that compute at once.
    pub sessions_max: usize,
    /// The connections to the peers.
    pub peers: Addr<Peers>,
    /// The models.
    pub models: Addr<Models>,
    /// The sessions.
    pub sessions: Addr<Sessions>,
    /// What sessions use.
    pub services: Arc<Services>,
    /// Requests that are being answered.
    pub underway: Underway,
}

impl Control {
    /// Serves a coordinator that is still to connect.
    pub fn new(server: Server) -> Control {
        Control {
            server,
            connections: Vec::new(),
        }
    }
}

impl Actor for Control {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        context.set_mailbox_capacity(MAILBOX_MAX);
    }
}

impl Handler<CoordinatorConnected> for Control {
    type Result = ();

    fn handle(&mut self, CoordinatorConnected(connection): CoordinatorConnected, _: &mut Context<Self>) {
        self.connections
            .retain(|connection| connection.close_reason().is_none());
        if self.connections.len() >= COORDINATOR_CONNECTIONS_MAX {
            return connection.close(CloseReason::Overloaded);
        }
        tracing::info!(address = %connection.remote_address(), "the coordinator connected");
        self.connections.push(connection.clone());
        actix::spawn(serve_connection(connection, self.server.clone()));
    }
}

async fn serve_connection(connection: Connection, server: Server) {
    loop {
        match connection.accept_stream().await {
            // As many of these as the coordinator may have streams open.
            Ok(stream) => drop(actix::spawn(serve_request(stream, connection.clone(), server.clone()))),
            Err(error) => return tracing::warn!(%error, "the coordinator's connection is gone"),
        }
    }
}

async fn serve_request(mut stream: Stream, connection: Connection, server: Server) {
    let request = match timeout(REQUEST_TIME_MAX, stream.reader.read_message(server.request_bytes_max)).await {
        Ok(Ok(bytes)) => decode(&bytes).map_err(|error| error.to_string()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("the coordinator's request did not arrive in time: check the network between them".to_owned()),
    };
    let received = Instant::now();
    let request = match request {
        // It waits for its query as long as it takes, and a node that is being stopped does not wait for that.
        Ok(NodeRequest::Prepare(prepare)) => {
            return serve_prepared(prepare, received, stream, connection, &server).await;
        }
        request => request,
    };
    let _underway = server.underway.begin();
    let reply = match request {
        Ok(request) => server.answer(request, received, &connection).await,
        Err(error) => {
            tracing::warn!(error, "a request of the coordinator can't be read");
            NodeReply::Failed(Failure::new(Fault::Config, Some(server.me), Phase::Admission, error))
        }
    };
    // If the coordinator is gone, so is whoever wanted to know.
    if stream.writer.write_message(encode(&reply), usize::MAX).await.is_ok() {
        stream.writer.finish();
        stream.writer.stopped().await;
    }
}

impl Server {
    async fn answer(&self, request: NodeRequest, received: Instant, connection: &Connection) -> NodeReply {
        let reply = match request {
            NodeRequest::Ping => self.pong().await,
            NodeRequest::Describe { model } => match self.models.send(FindModel(model.clone())).await {
                Ok(Some(served)) => Ok(NodeReply::Described {
                    model: served.model.clone(),
                    plan: served.plan_bytes.clone(),
                    batch_max: served.batch_max,
                }),
                Ok(None) => Err(Failure::new(
                    Fault::Config,
                    Some(self.me),
                    Phase::Admission,
                    format_args!("{} does not serve the model {model}: deploy it again", self.me),
                )),
                Err(_) => Err(self.stopping()),
            },
            NodeRequest::Load(load) => {
                let loaded = self
                    .models
                    .send(LoadModel(load))
                    .await
                    .unwrap_or_else(|_| Err(self.stopping()));
                loaded.map(|digest| NodeReply::Loaded { digest })
            }
            NodeRequest::Activate { deployment } => {
                let activated = self.models.send(ActivateModel(deployment)).await;
                activated
                    .unwrap_or_else(|_| Err(self.stopping()))
                    .map(NodeReply::Activated)
            }
            NodeRequest::Discard { deployment } => {
                let discarded = self.models.send(DiscardModel(deployment)).await;
                discarded.map(|()| NodeReply::Discarded).map_err(|_| self.stopping())
            }
            NodeRequest::Run(run) => self.run(run, received, None, connection).await,
            NodeRequest::Prepare(_) => unreachable!("it is served apart, since it keeps its stream"),
            NodeRequest::Cancel { session } => {
                let cancelled = self.sessions.send(CancelSession(session)).await;
                cancelled.map(|()| NodeReply::Cancelled).map_err(|_| self.stopping())
            }
        };
        reply.unwrap_or_else(NodeReply::Failed)
    }

    /// A session ends with its coordinator: there is nobody else to tell the other parties that one has failed.
    pub async fn run(
        &self,
        run: Run,
        received: Instant,
        prepared: Option<Box<Prepared>>,
        connection: &Connection,
    ) -> Result<NodeReply, Failure> {
        let session = run.session;
        let begun = self
            .sessions
            .send(BeginSession {
                run,
                received,
                prepared,
            })
            .await
            .map_err(|_| self.stopping())?;
        let ended = tokio::select! {
            ended = begun? => ended,
            _ = connection.closed() => {
                let _ = self.sessions.send(CancelSession(session)).await;
                return Err(self.stopping());
            }
        };
        ended.unwrap_or_else(|_| Err(self.stopping())).map(NodeReply::Done)
    }

    async fn pong(&self) -> Result<NodeReply, Failure> {
        let stopping = |_| self.stopping();
        let (offers, all_read) = self.models.send(ListModels).await.map_err(stopping)?;
        let (sessions, draining) = self.sessions.send(CountSessions).await.map_err(stopping)?;
        let links = self.peers.send(LinkStates).await.map_err(stopping)?;
        let state = match (draining, all_read) {
            (true, _) => NodeState::Stopping,
            (false, true) => NodeState::Ready,
            (false, false) => NodeState::Starting,
        };
        Ok(NodeReply::Pong(Pong {
            party: self.me,
            state,
            offers,
            links,
            sessions: sessions as u32,
            sessions_max: self.sessions_max as u32,
        }))
    }

    fn stopping(&self) -> Failure {
        let sentence = format_args!("{} is being stopped: ask again when it is back", self.me);
        Failure::new(Fault::Overload, Some(self.me), Phase::Admission, sentence)
    }
}
