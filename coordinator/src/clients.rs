//! `Clients`: who is connected, and what they ask.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, Addr, Context, Handler};
use tercet_config::{ClientEntry, CoordinatorLimits};
use tercet_net::{CloseReason, Connection, PeerName, Stream, Underway};
use tercet_wire::{
    CONTROL_MESSAGE_BYTES_MAX, ClientReply, ClientRequest, Described, Failure, Fault, Infer, ModelName, Phase, Status,
    decode, encode,
};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use crate::catalogue::served;
use crate::deployment::deploy;
use crate::description::describe;
use crate::limits::{DEPLOYMENTS_MAX, MAILBOX_MAX, PLAN_AND_FRAME_BYTES_MAX, REQUEST_TIME_MAX, SETTLE_TIME_MAX};
use crate::messages::{ClientConnected, ClientLeft, CountQueries, Submit};
use crate::nodes::Nodes;
use crate::queries::Queries;
use crate::snapshot::Snapshot;

/// Owns the clients' connections, and answers each request on the stream it came on.
pub struct Clients {
    /// Whether each client may deploy models, by its name.
    deployers: HashMap<String, bool>,
    limits: CoordinatorLimits,
    server: Server,
    connections: Vec<Connection>,
}

/// Who can answer.
#[derive(Clone)]
pub struct Server {
    /// The nodes.
    pub nodes: Addr<Nodes>,
    /// What is known of them.
    pub watched: watch::Receiver<Arc<Snapshot>>,
    /// The queries.
    pub queries: Addr<Queries>,
    /// Deployments hold three models in memory each.
    pub deployments: Arc<Semaphore>,
    /// Requests that are being answered.
    pub underway: Underway,
}

/// One client, as far as its requests need to know.
#[derive(Clone)]
struct Client {
    name: Arc<str>,
    may_deploy: bool,
    request_bytes_max: usize,
}

impl Server {
    /// Answers from these actors.
    pub fn new(nodes: Addr<Nodes>, watched: watch::Receiver<Arc<Snapshot>>, queries: Addr<Queries>) -> Server {
        Server {
            nodes,
            watched,
            queries,
            deployments: Arc::new(Semaphore::new(DEPLOYMENTS_MAX)),
            underway: Underway::default(),
        }
    }
}

impl Clients {
    /// Serves the clients that the configuration lets in.
    pub fn new(clients: &[ClientEntry], limits: CoordinatorLimits, server: Server) -> Clients {
        let deployers = clients
            .iter()
            .map(|client| (client.name.clone(), client.deploy))
            .collect();
        Clients {
            deployers,
            limits,
            server,
            connections: Vec::new(),
        }
    }
}

impl Actor for Clients {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        context.set_mailbox_capacity(MAILBOX_MAX);
    }
}

impl Handler<ClientConnected> for Clients {
    type Result = ();

    fn handle(&mut self, ClientConnected(connection): ClientConnected, _: &mut Context<Self>) {
        self.connections
            .retain(|connection| connection.close_reason().is_none());
        let PeerName::Client(name) = connection.peer().name.clone() else {
            return connection.close(CloseReason::Misbehaved);
        };
        if self.connections.len() >= self.limits.connections {
            tracing::warn!(client = &*name, "refused: too many connections");
            return connection.close(CloseReason::Overloaded);
        }
        let may_deploy = self.deployers.get(&*name).copied().unwrap_or(false);
        // Who may not deploy can't make the coordinator hold a model.
        let request_bytes_max = if may_deploy {
            3 * self.limits.model_bytes.max(self.limits.envelope_bytes) + PLAN_AND_FRAME_BYTES_MAX
        } else {
            3 * self.limits.envelope_bytes + CONTROL_MESSAGE_BYTES_MAX
        };
        tracing::info!(client = &*name, address = %connection.remote_address(), "connected");
        self.connections.push(connection.clone());
        let client = Client {
            name,
            may_deploy,
            request_bytes_max,
        };
        actix::spawn(serve_connection(connection, client, self.server.clone()));
    }
}

async fn serve_connection(connection: Connection, client: Client, server: Server) {
    loop {
        match connection.accept_stream().await {
            // As many of these as the client may have streams open.
            Ok(stream) => drop(actix::spawn(serve_request(stream, client.clone(), server.clone()))),
            Err(error) => return tracing::debug!(client = &*client.name, %error, "disconnected"),
        }
    }
}

async fn serve_request(mut stream: Stream, client: Client, server: Server) {
    let request = match timeout(REQUEST_TIME_MAX, stream.reader.read_message(client.request_bytes_max)).await {
        Ok(Ok(bytes)) => decode(&bytes).map_err(|error| error.to_string()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("the request did not arrive in time: check the network to the coordinator".to_owned()),
    };
    let received = Instant::now();
    let _underway = server.underway.begin();
    let answer = match request {
        Ok(request) => server.answer(request, received, &mut stream, &client).await,
        Err(error) => Err(Failure::new(Fault::Client, None, Phase::Admission, error)),
    };
    let reply = answer.unwrap_or_else(ClientReply::Failure);
    // If the client has left, nobody wants to know.
    if stream.writer.write_message(encode(&reply), usize::MAX).await.is_ok() {
        stream.writer.finish();
        stream.writer.stopped().await;
    }
}

impl Server {
    async fn answer(
        &self,
        request: ClientRequest,
        received: Instant,
        stream: &mut Stream,
        client: &Client,
    ) -> Result<ClientReply, Failure> {
        let snapshot = self.watched.borrow().clone();
        match request {
            ClientRequest::Describe { model } => self.describe(model, &snapshot).await.map(ClientReply::Described),
            ClientRequest::ListModels => Ok(ClientReply::Models(served(&snapshot.holdings()))),
            ClientRequest::Deploy(_) if !client.may_deploy => {
                let sentence = format_args!(
                    "client {} may not deploy models: have the coordinator's operator set deploy = true for it",
                    client.name
                );
                Err(Failure::new(Fault::Config, None, Phase::Admission, sentence))
            }
            ClientRequest::Deploy(request) => {
                let Ok(_turn) = self.deployments.try_acquire() else {
                    let sentence = "another model is being deployed: try again in a minute";
                    return Err(Failure::new(Fault::Overload, None, Phase::Admission, sentence));
                };
                deploy(request, &self.nodes, &self.watched)
                    .await
                    .map(ClientReply::Deployed)
            }
            ClientRequest::Status => {
                let load = self.queries.send(CountQueries).await.map_err(|_| stopping())?;
                Ok(ClientReply::Status(Status {
                    nodes: snapshot.status(),
                    queued: load.waiting as u32,
                    running: load.running as u32,
                    prepared: load.prepared,
                }))
            }
            ClientRequest::Infer(infer) => self.infer(infer, received, stream, client).await,
        }
    }

    /// Describes a model. A node may have been restarted since it was last heard of: the first request over its old connection finds out,
    /// and is made again once the node is back in its place.
    async fn describe(&self, model: ModelName, before: &Snapshot) -> Result<Described, Failure> {
        let failure = match describe(model.clone(), before).await {
            Err(failure) if failure.fault == Fault::Peer => failure,
            described => return described,
        };
        let Some((party, lost)) = failure
            .party
            .and_then(|party| Some((party, before.connection(party)?.id())))
        else {
            return Err(failure);
        };
        let is_back = |snapshot: &Arc<Snapshot>| {
            let connection = snapshot.connection(party);
            connection.is_some_and(|connection| connection.id() != lost) && snapshot.unready().is_none()
        };
        let mut watched = self.watched.clone();
        let settled = timeout(SETTLE_TIME_MAX, watched.wait_for(is_back)).await;
        let now = settled.ok().and_then(Result::ok).map(|now| now.clone());
        match now {
            Some(now) => describe(model, &now).await,
            None => Err(failure),
        }
    }

    /// Runs a query for as long as its client waits for it.
    async fn infer(
        &self,
        infer: Infer,
        received: Instant,
        stream: &mut Stream,
        client: &Client,
    ) -> Result<ClientReply, Failure> {
        let patience = SETTLE_TIME_MAX.min(Duration::from_millis(infer.deadline_ms / 2));
        let mut watched = self.watched.clone();
        // If they don't, the query is taken all the same, and fails with the reason.
        let _ = timeout(patience, watched.wait_for(|snapshot| snapshot.is_settled())).await;
        let submit = Submit {
            client: client.name.clone(),
            infer,
            received,
        };
        let submitted = self.queries.send(submit).await.map_err(|_| stopping())??;
        tokio::select! {
            result = submitted.result => result.unwrap_or_else(|_| Err(stopping())).map(ClientReply::Answer),
            () = stream.writer.stopped() => {
                let _ = self.queries.send(ClientLeft(submitted.ticket)).await;
                Err(stopping())
            }
        }
    }
}

fn stopping() -> Failure {
    Failure::new(
        Fault::Overload,
        None,
        Phase::Admission,
        "the coordinator is being stopped: ask again when it is back",
    )
}
