//! `Queries`: carries out what the table of queries decides.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, AsyncContext, Context, Handler, MessageResult, SpawnHandle};
use tercet_config::{CoordinatorLimits, QueueConfig};
use tercet_ids::{PartyId, Roles, SessionId};
use tercet_telemetry::{CoordinatorMetrics, Outcome};
use tercet_wire::{Answer, Failure, Fault, Infer, Model, ModelName, Phase, Report};
use tokio::sync::{oneshot, watch};

use crate::admission::{Refusal, admit};
use crate::batch::{Bounds, Waiting};
use crate::dispatch::{Order, dispatch, stop};
use crate::limits::MAILBOX_MAX;
use crate::messages::{ClientLeft, Concurrency, CountQueries, Drain, PartyEnded, Submit, Submitted};
use crate::roles;
use crate::snapshot::Snapshot;
use crate::table::{Action, Answered, Table, Ticket, Turn};

/// Owns all queries.
pub struct Queries {
    table: Table,
    queries: HashMap<Ticket, Query>,
    sessions: HashMap<Turn, Session>,
    nodes: watch::Receiver<Arc<Snapshot>>,
    limits: CoordinatorLimits,
    queue: QueueConfig,
    metrics: CoordinatorMetrics,
    /// Wakes the actor when the next query's time is up.
    alarm: Option<SpawnHandle>,
    stopping: bool,
    drained: Option<oneshot::Sender<()>>,
}

/// What is kept of a query beside its state.
struct Query {
    client: Arc<str>,
    model: Model,
    /// What the client sent; given away when the query starts.
    infer: Option<Infer>,
    received: Instant,
    expires: Instant,
    /// How long it waited for its session.
    queued: Duration,
    reply: oneshot::Sender<Result<Box<Answer>, Failure>>,
}

/// What is kept of a session beside its state.
struct Session {
    id: SessionId,
    roles: Roles,
}

impl Queries {
    /// No queries yet.
    pub fn new(
        nodes: watch::Receiver<Arc<Snapshot>>,
        limits: CoordinatorLimits,
        queue: QueueConfig,
        metrics: CoordinatorMetrics,
    ) -> Queries {
        let bounds = Bounds {
            envelope_bytes: limits.envelope_bytes,
            session_time: queue.session_time,
        };
        Queries {
            table: Table::new(queue.capacity, bounds),
            queries: HashMap::new(),
            sessions: HashMap::new(),
            nodes,
            limits,
            queue,
            metrics,
            alarm: None,
            stopping: false,
            drained: None,
        }
    }

    fn submit(
        &mut self,
        submit: Submit,
        context: &mut Context<Self>,
    ) -> Result<Submitted, (Refusal, Option<ModelName>)> {
        let Submit {
            client,
            infer,
            received,
        } = submit;
        if self.stopping {
            return Err((Refusal::Stopping, None));
        }
        let snapshot = self.nodes.borrow().clone();
        let offer = admit(&snapshot.holdings(), &infer, &self.limits).map_err(|refusal| (refusal, None))?;
        let (model, name) = (offer.model, infer.model.clone());
        let mine = self.queries.values().filter(|query| query.client == client).count();
        if mine >= self.limits.client_queries {
            return Err((Refusal::ClientQueries { most: mine }, Some(name)));
        }
        let asked = Duration::from_millis(infer.deadline_ms).min(self.queue.deadline_max);
        let waiting = Waiting {
            model: model.clone(),
            batch_max: offer.batch_max,
            batch: infer.batch,
            envelope_bytes: infer
                .envelopes
                .iter()
                .map(|envelope| envelope.as_slice().len())
                .max()
                .unwrap_or(0),
            expires: received + asked,
        };
        let expires = waiting.expires;
        let (ticket, actions) = match self.table.submit(Instant::now(), waiting) {
            Ok(taken) => taken,
            Err(full) => return Err((Refusal::QueueFull(full), Some(name))),
        };
        let (reply, result) = oneshot::channel();
        let query = Query {
            client,
            model,
            infer: Some(infer),
            received,
            expires,
            queued: Duration::ZERO,
            reply,
        };
        self.queries.insert(ticket, query);
        self.carry_out(actions, context);
        Ok(Submitted { ticket, result })
    }

    fn carry_out(&mut self, actions: Vec<Action>, context: &mut Context<Self>) {
        for action in actions {
            match action {
                Action::Begin(turn, tickets) => self.begin(turn, &tickets, context),
                Action::Cancel(turn) => self.cancel(turn),
                Action::Answer(answered) => self.answer(*answered),
                Action::Fail(ticket, failure) => self.fail(ticket, failure),
                Action::End(turn) => drop(self.sessions.remove(&turn)),
            }
        }
        self.metrics.queue.waiting(self.table.waiting());
        self.metrics.queue.active(self.table.sessions());
        if let Some(alarm) = self.alarm.take() {
            context.cancel_future(alarm);
        }
        self.alarm = self.table.next_expiry().map(|expiry| {
            let wait = expiry.saturating_duration_since(Instant::now());
            context.run_later(wait, |queries, context| {
                let actions = queries.table.expire(Instant::now());
                queries.carry_out(actions, context);
            })
        });
        if self.queries.is_empty()
            && let Some(drained) = self.drained.take()
        {
            // Nobody listens any more if the time for it has passed.
            let _ = drained.send(());
        }
    }

    /// Tells all three parties to run a session. Each ends it exactly once, as the table requires.
    fn begin(&mut self, turn: Turn, tickets: &[Ticket], context: &mut Context<Self>) {
        let snapshot = self.nodes.borrow().clone();
        let now = Instant::now();
        let (mut infers, mut model, mut latest) = (vec![], None, now);
        for ticket in tickets {
            let Some(query) = self.queries.get_mut(ticket) else {
                continue;
            };
            query.queued = now - query.received;
            self.metrics.dequeued(Some(query.model.name.as_str()), query.queued);
            latest = latest.max(query.expires);
            infers.extend(query.infer.take());
            model = Some(query.model.clone());
        }
        let Some(model) = model else { return };
        self.metrics.session_began(model.name.as_str(), infers.len());
        let queries = context.address();
        let roles = match roles::choose(&snapshot.round_trips(), turn.0) {
            Ok(roles) => roles,
            Err(apart) => {
                let failure = Failure::new(Fault::Peer, None, Phase::Start, apart);
                for party in PartyId::ALL {
                    let (queries, result) = (queries.clone(), Err(failure.clone()));
                    // From within a handler, so that the table hears of it after the session has begun.
                    actix::spawn(async move { queries.send(PartyEnded { turn, party, result }).await });
                }
                return;
            }
        };
        let id = SessionId(rand::random());
        self.sessions.insert(turn, Session { id, roles });
        let order = Order {
            turn,
            session: id,
            model,
            roles,
            left: latest - now,
            reply_bytes_max: self.limits.envelope_bytes,
        };
        dispatch(&order, infers, &snapshot, &queries);
    }

    fn cancel(&self, turn: Turn) {
        if let Some(session) = self.sessions.get(&turn) {
            stop(session.id, &self.nodes.borrow().clone());
        }
    }

    fn answer(&mut self, answered: Answered) {
        let Answered {
            ticket,
            turn,
            results,
            reports,
        } = answered;
        let (Some(query), Some(session)) = (self.queries.remove(&ticket), self.sessions.get(&turn)) else {
            return;
        };
        let total = query.received.elapsed();
        let (id, model) = (session.id, query.model.name.as_str());
        self.metrics.answered(Some(model), Outcome::Ok, total);
        tracing::info!(session = %id, client = &*query.client, model, ms = total.as_secs_f64() * 1e3, "answered");
        let answer = Answer {
            session: id,
            roles: session.roles,
            results,
            report: Report {
                parties: reports,
                queue: query.queued,
                total,
            },
        };
        // The client may have left this moment.
        let _ = query.reply.send(Ok(Box::new(answer)));
    }

    fn fail(&mut self, ticket: Ticket, failure: Failure) {
        let Some(query) = self.queries.remove(&ticket) else {
            return;
        };
        let model = query.model.name.as_str();
        self.metrics
            .answered(Some(model), outcome(&failure), query.received.elapsed());
        tracing::warn!(client = &*query.client, model, %failure, "failed");
        // The client may have left this moment.
        let _ = query.reply.send(Err(failure));
    }
}

/// How a failed query is counted.
fn outcome(failure: &Failure) -> Outcome {
    match (failure.fault, failure.phase) {
        (Fault::Client, _) => Outcome::Invalid,
        (Fault::Config, _) => Outcome::Mismatch,
        (Fault::Peer, _) => Outcome::PeerLost,
        (Fault::Overload, Phase::Admission) => Outcome::Overload,
        (Fault::Overload, _) => Outcome::Deadline,
        (Fault::Own, _) => Outcome::Internal,
    }
}

impl Actor for Queries {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        context.set_mailbox_capacity(MAILBOX_MAX);
        let (mut nodes, configured, queries) = (self.nodes.clone(), self.limits.sessions, context.address());
        actix::spawn(async move {
            let mut last = 0;
            while nodes.changed().await.is_ok() {
                let concurrency = nodes.borrow_and_update().concurrency(configured);
                if concurrency != last && queries.send(Concurrency(concurrency)).await.is_err() {
                    return;
                }
                last = concurrency;
            }
        });
    }
}

impl Handler<Submit> for Queries {
    type Result = Result<Submitted, Failure>;

    fn handle(&mut self, submit: Submit, context: &mut Context<Self>) -> Self::Result {
        let (received, client) = (submit.received, submit.client.clone());
        self.submit(submit, context).map_err(|(refusal, model)| {
            let failure = refusal.failure();
            let model = model.as_ref().map(ModelName::as_str);
            self.metrics.answered(model, outcome(&failure), received.elapsed());
            tracing::warn!(client = &*client, %failure, "refused");
            failure
        })
    }
}

impl Handler<ClientLeft> for Queries {
    type Result = ();

    fn handle(&mut self, ClientLeft(ticket): ClientLeft, context: &mut Context<Self>) {
        if let Some(query) = self.queries.remove(&ticket) {
            let model = Some(query.model.name.as_str());
            self.metrics
                .answered(model, Outcome::Cancelled, query.received.elapsed());
            tracing::info!(client = &*query.client, "left before its answer");
        }
        let actions = self.table.left(Instant::now(), ticket);
        self.carry_out(actions, context);
    }
}

impl Handler<PartyEnded> for Queries {
    type Result = ();

    fn handle(&mut self, PartyEnded { turn, party, result }: PartyEnded, context: &mut Context<Self>) {
        let actions = self.table.ended(Instant::now(), turn, party, result);
        self.carry_out(actions, context);
    }
}

impl Handler<Concurrency> for Queries {
    type Result = ();

    fn handle(&mut self, Concurrency(concurrency): Concurrency, context: &mut Context<Self>) {
        let actions = self.table.set_concurrency(Instant::now(), concurrency);
        self.carry_out(actions, context);
    }
}

impl Handler<CountQueries> for Queries {
    type Result = MessageResult<CountQueries>;

    fn handle(&mut self, _: CountQueries, _: &mut Context<Self>) -> Self::Result {
        MessageResult((self.table.waiting(), self.table.running()))
    }
}

impl Handler<Drain> for Queries {
    type Result = MessageResult<Drain>;

    fn handle(&mut self, _: Drain, _: &mut Context<Self>) -> Self::Result {
        let (drained, heard) = oneshot::channel();
        self.stopping = true;
        if self.queries.is_empty() {
            // The receiver is in our hands.
            let _ = drained.send(());
        } else {
            self.drained = Some(drained);
        }
        MessageResult(heard)
    }
}
