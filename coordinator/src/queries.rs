//! `Queries`: carries out what the table of queries decides.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, Addr, AsyncContext, Context, Handler, MessageResult, SpawnHandle};
use tercet_config::{CoordinatorLimits, QueueConfig};
use tercet_ids::{PartyId, Roles, SessionId};
use tercet_telemetry::{CoordinatorMetrics, Outcome};
use tercet_wire::{
    Answer, CONTROL_MESSAGE_BYTES_MAX, Done, Failure, Fault, Infer, Model, NodeReply, NodeRequest, Phase, QueryPart,
    Report, Run,
};
use tokio::sync::{oneshot, watch};

use crate::admission::{Refusal, admit};
use crate::call::{CallError, call};
use crate::limits::{CANCEL_TIME_MAX, LAST_WORD_TIME_MAX, MAILBOX_MAX};
use crate::messages::{ClientLeft, Concurrency, CountQueries, Drain, PartyEnded, Submit, Submitted};
use crate::query::{Action, Computed, Event};
use crate::roles;
use crate::snapshot::Snapshot;
use crate::table::{Actions, Table};

/// Owns all queries.
pub struct Queries {
    table: Table,
    queries: HashMap<SessionId, Query>,
    nodes: watch::Receiver<Arc<Snapshot>>,
    limits: CoordinatorLimits,
    queue: QueueConfig,
    metrics: CoordinatorMetrics,
    /// Counts sessions, so that the parties take turns.
    turn: u64,
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
    started: Option<(Instant, Roles)>,
    reply: Option<oneshot::Sender<Result<Box<Answer>, Failure>>>,
}

impl Queries {
    /// No queries yet.
    pub fn new(
        nodes: watch::Receiver<Arc<Snapshot>>,
        limits: CoordinatorLimits,
        queue: QueueConfig,
        metrics: CoordinatorMetrics,
    ) -> Queries {
        Queries {
            table: Table::new(queue.capacity),
            queries: HashMap::new(),
            nodes,
            limits,
            queue,
            metrics,
            turn: 0,
            alarm: None,
            stopping: false,
            drained: None,
        }
    }

    fn submit(&mut self, submit: Submit, context: &mut Context<Self>) -> Result<Submitted, (Refusal, Option<Model>)> {
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
        let model = offer.model;
        let mine = self.queries.values().filter(|query| query.client == client).count();
        if mine >= self.limits.client_queries {
            return Err((Refusal::ClientQueries { most: mine }, Some(model)));
        }
        let session = SessionId(rand::random());
        let asked = Duration::from_millis(infer.deadline_ms).min(self.queue.deadline_max);
        let expires = received + asked;
        let (reply, result) = oneshot::channel();
        let actions = match self.table.submit(Instant::now(), session, expires) {
            Ok(actions) => actions,
            Err(full) => return Err((Refusal::QueueFull(full), Some(model))),
        };
        let query = Query {
            client,
            model,
            infer: Some(infer),
            received,
            expires,
            started: None,
            reply: Some(reply),
        };
        self.queries.insert(session, query);
        self.carry_out(actions, context);
        Ok(Submitted { session, result })
    }

    fn happened(&mut self, session: SessionId, event: Event, context: &mut Context<Self>) {
        let actions = self.table.happened(Instant::now(), session, event);
        self.carry_out(actions, context);
        // A client that left the queue needs no action, and yet nothing is left to know of it.
        self.forget(session);
    }

    fn carry_out(&mut self, actions: Actions, context: &mut Context<Self>) {
        let touched: Vec<SessionId> = actions.iter().map(|(session, _)| *session).collect();
        for (session, action) in actions {
            match action {
                Action::Dispatch => self.dispatch(session, context),
                Action::Cancel => self.cancel(session),
                Action::Answer(done) => self.answer(session, *done),
                Action::Fail(failure) => self.fail(session, failure),
                Action::Release => {}
            }
        }
        for session in touched {
            self.forget(session);
        }
        self.metrics.queue.waiting(self.table.waiting());
        self.metrics.queue.active(self.table.running());
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

    /// Drops what is kept of a query that is over.
    fn forget(&mut self, session: SessionId) {
        if !self.table.knows(session) {
            self.queries.remove(&session);
        }
    }

    /// Tells all three parties to run a session. Each ends it exactly once, as the table requires.
    fn dispatch(&mut self, session: SessionId, context: &mut Context<Self>) {
        let snapshot = self.nodes.borrow().clone();
        let Some(query) = self.queries.get_mut(&session) else {
            return;
        };
        let Some(infer) = query.infer.take() else { return };
        let now = Instant::now();
        self.metrics
            .dequeued(Some(query.model.name.as_str()), now - query.received);
        let roles = match roles::choose(&snapshot.round_trips(), self.turn) {
            Ok(roles) => roles,
            Err(apart) => {
                let failure = Failure::new(Fault::Peer, None, Phase::Start, apart);
                for party in PartyId::ALL {
                    notify(context.address(), session, party, Err(failure.clone()));
                }
                return;
            }
        };
        self.turn += 1;
        query.started = Some((now, roles));
        let left = query.expires.saturating_duration_since(now);
        for (party, envelope) in PartyId::ALL.into_iter().zip(infer.envelopes) {
            let run = Run {
                session,
                model: query.model.clone(),
                roles,
                deadline_ms: left.as_millis() as u64,
                queries: vec![QueryPart {
                    query: infer.query,
                    batch: infer.batch,
                    envelope,
                }],
            };
            let (connection, queries) = (snapshot.connection(party), context.address());
            let reply_bytes_max = self.limits.envelope_bytes + CONTROL_MESSAGE_BYTES_MAX;
            actix::spawn(async move {
                let time = left + LAST_WORD_TIME_MAX;
                let result = match call(party, connection, NodeRequest::Run(run), reply_bytes_max, time).await {
                    Ok(NodeReply::Done(Done { mut results, report })) if results.len() == 1 => {
                        results.remove(0).map(|result| Computed { result, report })
                    }
                    Ok(_) => Err(CallError::Unexpected(party).failure(Phase::Compute)),
                    Err(error) => Err(error.failure(Phase::Compute)),
                };
                // Fails only if the coordinator is being stopped.
                let _ = queries.send(PartyEnded { session, party, result }).await;
            });
        }
    }

    fn cancel(&self, session: SessionId) {
        let snapshot = self.nodes.borrow().clone();
        for party in PartyId::ALL {
            let cancel = NodeRequest::Cancel { session };
            let connection = snapshot.connection(party);
            actix::spawn(async move {
                // A party that can't be told ends the session at its deadline.
                let _ = call(party, connection, cancel, CONTROL_MESSAGE_BYTES_MAX, CANCEL_TIME_MAX).await;
            });
        }
    }

    fn answer(&mut self, session: SessionId, done: [Computed; 3]) {
        let Some(query) = self.queries.get_mut(&session) else {
            return;
        };
        let Some((started, roles)) = query.started else { return };
        let total = query.received.elapsed();
        let parties = done.each_ref().map(|done| done.report);
        let report = Report {
            parties,
            queue: started - query.received,
            total,
        };
        let answer = Answer {
            session,
            roles,
            results: done.map(|done| done.result),
            report,
        };
        self.metrics
            .answered(Some(query.model.name.as_str()), Outcome::Ok, total);
        tracing::info!(%session, client = &*query.client, model = %query.model.name, ms = total.as_secs_f64() * 1e3, "answered");
        if let Some(reply) = query.reply.take() {
            // The client may have left this moment.
            let _ = reply.send(Ok(Box::new(answer)));
        }
    }

    fn fail(&mut self, session: SessionId, failure: Failure) {
        let Some(query) = self.queries.get_mut(&session) else {
            return;
        };
        self.metrics.answered(
            Some(query.model.name.as_str()),
            outcome(&failure),
            query.received.elapsed(),
        );
        tracing::warn!(%session, client = &*query.client, model = %query.model.name, %failure, "failed");
        if let Some(reply) = query.reply.take() {
            // The client may have left this moment.
            let _ = reply.send(Err(failure));
        }
    }
}

/// Tells the actor that a party ended a session, from within a handler.
fn notify(queries: Addr<Queries>, session: SessionId, party: PartyId, result: Result<Computed, Failure>) {
    actix::spawn(async move { queries.send(PartyEnded { session, party, result }).await });
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
            let model = model.as_ref().map(|model| model.name.as_str());
            self.metrics.answered(model, outcome(&failure), received.elapsed());
            tracing::warn!(client = &*client, %failure, "refused");
            failure
        })
    }
}

impl Handler<ClientLeft> for Queries {
    type Result = ();

    fn handle(&mut self, ClientLeft(session): ClientLeft, context: &mut Context<Self>) {
        if let Some(query) = self.queries.get_mut(&session)
            && query.reply.take().is_some()
        {
            let model = Some(query.model.name.as_str());
            self.metrics
                .answered(model, Outcome::Cancelled, query.received.elapsed());
        }
        self.happened(session, Event::ClientLeft, context);
    }
}

impl Handler<PartyEnded> for Queries {
    type Result = ();

    fn handle(&mut self, PartyEnded { session, party, result }: PartyEnded, context: &mut Context<Self>) {
        self.happened(session, Event::Ended { party, result }, context);
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
