//! `Queries`: carries out what the table of queries decides.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, Addr, AsyncContext, Context, Handler, MessageResult, SpawnHandle};
use tercet_config::{CoordinatorLimits, PoolConfig, QueueConfig};
use tercet_ids::{PartyId, Roles, SessionId};
use tercet_telemetry::{CoordinatorMetrics, Outcome, PreparedEnd};
use tercet_wire::{Answer, Failure, Fault, Infer, Model, ModelName, Phase, Report};
use tokio::sync::{oneshot, watch};

use crate::admission::{Refusal, admit};
use crate::batch::{Bounds, Waiting};
use crate::catalogue::find;
use crate::dispatch::{Order, dispatch, dispatch_prepared, stop};
use crate::filling::Filler;
use crate::limits::{MAILBOX_MAX, POOL_CHECK_TIME, QUIET_TIME};
use crate::messages::{
    ClientLeft, Concurrency, CountQueries, Drain, Load, PartyEnded, PreparedFailed, SessionPrepared, Submit, Submitted,
};
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
    filler: Filler,
    /// Fills the pool once all has been quiet for a while, or something of it changes.
    filling: Option<SpawnHandle>,
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
    /// Whether it was begun before its query.
    is_prepared: bool,
    /// Whether the parties were told to stop.
    is_cancelled: bool,
}

impl Queries {
    /// No queries yet.
    pub fn new(
        nodes: watch::Receiver<Arc<Snapshot>>,
        limits: CoordinatorLimits,
        queue: QueueConfig,
        pool: PoolConfig,
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
            filler: Filler::new(pool, metrics.pool.clone()),
            metrics,
            filling: None,
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
        self.fill_later(context);
    }

    /// Fills the pool if all stays quiet for a while.
    fn fill_later(&mut self, context: &mut Context<Self>) {
        if let Some(filling) = self.filling.take() {
            context.cancel_future(filling);
        }
        if !self.filler.is_on() || self.stopping || self.table.sessions() > 0 || self.table.waiting() > 0 {
            return;
        }
        self.filling = Some(context.run_later(QUIET_TIME, |queries, context| {
            let snapshot = queries.nodes.borrow().clone();
            queries.filler.fill(&snapshot, &context.address());
            let now = Instant::now();
            let until = queries.filler.next_change(now);
            let wait = until.map_or(POOL_CHECK_TIME, |at| at - now);
            queries.filling = Some(context.run_later(wait.min(POOL_CHECK_TIME), Self::fill_later));
        }));
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
        let order = |session, roles| Order {
            turn,
            session,
            model: model.clone(),
            roles,
            left: latest - now,
            reply_bytes_max: self.limits.envelope_bytes,
        };
        let queries = context.address();
        // Whatever is being prepared would slow this down.
        self.filler.yield_now();
        if let [infer] = &infers[..]
            && let Some(ready) = self.filler.take(&model, infer.batch, &snapshot)
        {
            let order = order(ready.begun.session, ready.begun.roles);
            self.sessions.insert(turn, Session::new(&order, true));
            return dispatch_prepared(&order, ready, infer.clone(), latest, &queries);
        }
        match roles::choose(&snapshot.round_trips(), turn.0) {
            Ok(roles) => {
                let order = order(SessionId(rand::random()), roles);
                self.sessions.insert(turn, Session::new(&order, false));
                dispatch(&order, infers, &snapshot, &queries);
            }
            Err(apart) => end(turn, &Failure::new(Fault::Peer, None, Phase::Start, apart), &queries),
        }
    }

    /// A prepared session did not serve its query. Nothing of the query is lost, so it is computed from the start, once; unless it is
    /// itself the reason.
    fn begin_again(&mut self, failed: PreparedFailed, context: &mut Context<Self>) {
        let PreparedFailed {
            turn,
            failure,
            infer,
            expires,
        } = failed;
        self.filler.ended(PreparedEnd::Failed);
        let (snapshot, queries) = (self.nodes.borrow().clone(), context.address());
        let Some(session) = self.sessions.get(&turn) else {
            return;
        };
        stop(session.id, &snapshot);
        tracing::warn!(session = %session.id, %failure, "a prepared session failed");
        if session.is_cancelled || failure.fault == Fault::Client {
            return end(turn, &failure, &queries);
        }
        let found = find(&snapshot.holdings(), &infer.model).map_err(|unserved| unserved.failure());
        let roles = roles::choose(&snapshot.round_trips(), turn.0);
        let roles = roles.map_err(|apart| Failure::new(Fault::Peer, None, Phase::Start, apart));
        match found.and_then(|offer| Ok((offer.model, roles?))) {
            Ok((model, roles)) if model.digest == infer.digest => {
                let order = Order {
                    turn,
                    session: SessionId(rand::random()),
                    model,
                    roles,
                    left: expires.saturating_duration_since(Instant::now()),
                    reply_bytes_max: self.limits.envelope_bytes,
                };
                self.sessions.insert(turn, Session::new(&order, false));
                dispatch(&order, vec![infer], &snapshot, &queries);
            }
            Ok(_) => end(turn, &failure, &queries),
            Err(failure) => end(turn, &failure, &queries),
        }
    }

    fn cancel(&mut self, turn: Turn) {
        if let Some(session) = self.sessions.get_mut(&turn) {
            session.is_cancelled = true;
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
        if session.is_prepared {
            self.filler.ended(PreparedEnd::Used);
        }
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
                is_prepared: session.is_prepared,
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

impl Session {
    fn new(order: &Order, is_prepared: bool) -> Session {
        Session {
            id: order.session,
            roles: order.roles,
            is_prepared,
            is_cancelled: false,
        }
    }
}

/// Ends a session at all three parties, from within a handler: the table hears of it after the session has begun.
fn end(turn: Turn, failure: &Failure, queries: &Addr<Queries>) {
    for party in PartyId::ALL {
        let (queries, result) = (queries.clone(), Err(failure.clone()));
        actix::spawn(async move { queries.send(PartyEnded { turn, party, result }).await });
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

impl Handler<SessionPrepared> for Queries {
    type Result = ();

    fn handle(&mut self, SessionPrepared { session, result }: SessionPrepared, context: &mut Context<Self>) {
        self.filler.prepared(session, result);
        self.fill_later(context);
    }
}

impl Handler<PreparedFailed> for Queries {
    type Result = ();

    fn handle(&mut self, failed: PreparedFailed, context: &mut Context<Self>) {
        self.begin_again(failed, context);
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
        MessageResult(Load {
            waiting: self.table.waiting(),
            running: self.table.running(),
            prepared: self.filler.status(&self.nodes.borrow()),
        })
    }
}

impl Handler<Drain> for Queries {
    type Result = MessageResult<Drain>;

    fn handle(&mut self, _: Drain, _: &mut Context<Self>) -> Self::Result {
        let (drained, heard) = oneshot::channel();
        self.stopping = true;
        self.filler.close();
        if self.queries.is_empty() {
            // The receiver is in our hands.
            let _ = drained.send(());
        } else {
            self.drained = Some(drained);
        }
        MessageResult(heard)
    }
}
