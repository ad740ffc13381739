//! `Nodes`: the connections to the three nodes, and how they are.

use std::sync::Arc;
use std::time::Instant;

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, ResponseActFuture, WrapFuture};
use tercet_ids::PartyId;
use tercet_telemetry::{CoordinatorMetrics, Readiness};
use tercet_wire::{CONTROL_MESSAGE_BYTES_MAX, NodeReply, NodeRequest};
use tokio::sync::watch;

use crate::call::call;
use crate::limits::{MAILBOX_MAX, PING_TIME, PONG_TIME_MAX, UNSETTLED_PING_TIME};
use crate::messages::{AskNodes, NodeConnected, NodeLost};
use crate::snapshot::Snapshot;

/// Owns what is known of the nodes, and publishes it.
pub struct Nodes {
    snapshot: Snapshot,
    published: watch::Sender<Arc<Snapshot>>,
    readiness: Readiness,
    metrics: CoordinatorMetrics,
}

impl Nodes {
    /// Three nodes, none of them connected; every change appears in the receiver.
    pub fn new(readiness: Readiness, metrics: CoordinatorMetrics) -> (Nodes, watch::Receiver<Arc<Snapshot>>) {
        let (published, watched) = watch::channel(Arc::default());
        (
            Nodes {
                snapshot: Snapshot::default(),
                published,
                readiness,
                metrics,
            },
            watched,
        )
    }

    fn publish(&self) {
        match self.snapshot.unready() {
            None => self.readiness.ready(),
            Some(reason) => self.readiness.not_ready(reason),
        }
        for offer in self.snapshot.holdings().into_iter().flatten().flatten() {
            self.metrics.deployed(offer.model.name.as_str());
        }
        self.published.send_replace(Arc::new(self.snapshot.clone()));
    }

    /// Asks one node how it is, and notes what it says.
    fn ask(&self, party: PartyId) -> ResponseActFuture<Self, ()> {
        let connection = self.snapshot.connection(party);
        let asked = connection.as_ref().map(|connection| connection.id());
        let asking = call(
            party,
            connection,
            NodeRequest::Ping,
            CONTROL_MESSAGE_BYTES_MAX,
            PONG_TIME_MAX,
        );
        Box::pin(asking.into_actor(self).map(move |reply, nodes, _| {
            let node = &mut nodes.snapshot.nodes[party.index()];
            if node.connection.as_ref().map(|connection| connection.id()) != asked {
                return;
            }
            node.pong = match reply {
                Ok(NodeReply::Pong(pong)) if pong.party == party => Some(Box::new(pong)),
                Ok(NodeReply::Pong(pong)) => {
                    tracing::error!(%party, says = %pong.party, "a node says it is another party: correct its configuration");
                    None
                }
                Ok(_) => None,
                Err(error) => {
                    tracing::warn!(%party, %error, "no sign of life");
                    None
                }
            };
            if let Some(connection) = &node.connection {
                nodes.metrics.nodes.round_trip(party, connection.round_trip());
            }
            nodes.publish();
        }))
    }
}

impl Actor for Nodes {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        context.set_mailbox_capacity(MAILBOX_MAX);
        let (mut last, every) = (Instant::now(), UNSETTLED_PING_TIME);
        context.run_interval(every, move |nodes, context| {
            if nodes.snapshot.is_settled() && last.elapsed() < PING_TIME {
                return;
            }
            last = Instant::now();
            for party in PartyId::ALL {
                if nodes.snapshot.connection(party).is_some() {
                    let asking = nodes.ask(party);
                    context.spawn(asking);
                }
            }
        });
    }
}

impl Handler<NodeConnected> for Nodes {
    type Result = ();

    fn handle(&mut self, NodeConnected { party, connection }: NodeConnected, context: &mut Context<Self>) {
        tracing::info!(%party, address = %connection.remote_address(), "connected");
        self.metrics.nodes.connected(party);
        self.snapshot.nodes[party.index()].connection = Some(connection);
        let asking = self.ask(party);
        context.spawn(asking);
    }
}

impl Handler<NodeLost> for Nodes {
    type Result = ();

    fn handle(&mut self, NodeLost(party): NodeLost, _: &mut Context<Self>) {
        self.metrics.nodes.disconnected(party);
        let node = &mut self.snapshot.nodes[party.index()];
        node.connection = None;
        node.pong = None;
        self.publish();
    }
}

impl Handler<AskNodes> for Nodes {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, _: AskNodes, _: &mut Context<Self>) -> Self::Result {
        let [first, second, third] = PartyId::ALL.map(|party| self.ask(party));
        // One after another is as fast as the slowest of them: each waits for an answer to a question of its own.
        Box::pin(first.then(move |(), _, _| second).then(move |(), _, _| third))
    }
}
