//! `Session`: one run of a plan at this party, from the coordinator's request to the sealed results.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, ActorContext, ActorFutureExt, Addr, AsyncContext, Context, Handler, WrapFuture};
use tercet_config::NodeLimits;
use tercet_ids::{PartyId, Role, SessionId};
use tercet_net::{Cancellation, StreamWriter};
use tercet_sharing::SealingKeyPair;
use tercet_telemetry::{NodeMetrics, Outcome, Part, Traffic};
use tercet_wire::{Done, Hello, Model, Opaque, PartyReport, Run};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::{Instant as TokioInstant, sleep_until};

use crate::batch::{QueryRefusal, join, settle, standings};
use crate::compute::{Computation, Computed, compute};
use crate::envelope::open_query;
use crate::failure::SessionError;
use crate::greeting::{fresh_nonce, greet_both};
use crate::messages::{FindModel, ForgetSession, GiveUp, SessionEnded, SessionResult};
use crate::models::Models;
use crate::parameters::ServedModel;
use crate::peers::Peers;
use crate::pool::Pool;
use crate::prepared::{Prepared, finish_prepared};
use crate::sessions::Sessions;

/// What every session of a node uses.
pub struct Services {
    /// This party.
    pub me: PartyId,
    /// What the configuration allows.
    pub limits: NodeLimits,
    /// The key that the envelopes are sealed to.
    pub sealing_key: Arc<SealingKeyPair>,
    /// The models.
    pub models: Addr<Models>,
    /// The connections.
    pub peers: Addr<Peers>,
    /// Places to compute in. A session waits for one in the order of arrival, and its compute thread holds it to the end.
    pub places: Arc<Semaphore>,
    /// Room for sessions that wait for a query.
    pub pool: Arc<Pool>,
    /// What is counted.
    pub metrics: NodeMetrics,
}

impl Services {
    /// A place to compute in, as soon as one is free.
    ///
    /// # Errors
    /// The node is being stopped.
    pub async fn place(&self) -> Result<OwnedSemaphorePermit, SessionError> {
        let place = self.places.clone().acquire_owned().await;
        place.map_err(|_| SessionError::Stopping(self.me))
    }

    /// Nothing of a session is waited for any more.
    pub fn forget(&self, session: SessionId) {
        // Full mailboxes only delay this: what is parked expires by itself.
        let _ = self.peers.try_send(ForgetSession(session));
    }

    /// Counts a session that was refused before it began.
    pub fn refused(&self, run: &Run, error: &SessionError) {
        let part = Part::from(run.roles.role(self.me));
        self.metrics.models.other().session_ended(part, error.outcome(self.me));
        tracing::warn!(session = %run.session, %error, "session refused");
    }
}

/// Owns one session: starts its work, gives it up when told to, tells how it ended.
pub struct Session {
    /// What to run, until the work starts, and the half of it that was done before.
    work: Option<(Run, Option<Box<Prepared>>)>,
    deadline: Instant,
    services: Arc<Services>,
    sessions: Addr<Sessions>,
    reply: Option<oneshot::Sender<SessionResult>>,
    cancellation: Cancellation,
    /// Ends the waits of the work that are not on the compute thread.
    give_up: Option<oneshot::Sender<()>>,
}

impl Session {
    /// A session that starts as soon as the actor does.
    pub fn new(
        run: Run,
        prepared: Option<Box<Prepared>>,
        deadline: Instant,
        services: Arc<Services>,
        sessions: Addr<Sessions>,
        reply: oneshot::Sender<SessionResult>,
    ) -> Session {
        Session {
            cancellation: prepared
                .as_ref()
                .map_or_else(Cancellation::new, |prepared| prepared.cancellation()),
            work: Some((run, prepared)),
            deadline,
            services,
            sessions,
            reply: Some(reply),
            give_up: None,
        }
    }

    fn ended(&mut self, run: &Run, result: Result<Done, SessionError>) {
        let me = self.services.me;
        // Whatever is still under way for this session has no purpose any more.
        self.cancellation.cancel();
        let part = Part::from(run.roles.role(me));
        let outcome = result.as_ref().map_or_else(|error| error.outcome(me), |_| Outcome::Ok);
        match &result {
            Ok(_) => tracing::debug!(session = %run.session, "done"),
            Err(error) => tracing::warn!(session = %run.session, %error, "session failed"),
        }
        self.services
            .metrics
            .models
            .model(run.model.name.as_str())
            .session_ended(part, outcome);
        if let Some(reply) = self.reply.take() {
            // The coordinator may have left.
            let _ = reply.send(result.map_err(|error| error.failure(me)));
        }
    }
}

impl Actor for Session {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        let Some((run, prepared)) = self.work.take() else {
            return context.stop();
        };
        let (give_up, given_up) = oneshot::channel();
        self.give_up = Some(give_up);
        let (services, cancellation, deadline) = (self.services.clone(), self.cancellation.clone(), self.deadline);
        let (sessions, id) = (self.sessions.clone(), run.session);
        let work = async move {
            let me = services.me;
            let served = async {
                match prepared {
                    Some(prepared) => finish_prepared(&run, *prepared, deadline, &services).await,
                    None => serve(&run, deadline, &services, cancellation).await,
                }
            };
            let result = tokio::select! {
                biased;
                _ = given_up => Err(SessionError::Cancelled(me)),
                result = served => result,
                () = sleep_until(TokioInstant::from_std(deadline)) => {
                    Err(SessionError::Deadline { party: me, doing: "the session was under way" })
                }
            };
            (run, result)
        };
        context.spawn(work.into_actor(self).map(move |(run, result), session, context| {
            let (result, sent) = match result {
                Ok((done, sent)) => (Ok(done), sent),
                Err(error) => (Err(error), vec![]),
            };
            session.ended(&run, result);
            // A node that is told to stop waits for its sessions, and its peers still need what it sent last. They read it or drop the
            // stream by the session's deadline.
            let told = async move {
                for writer in sent {
                    writer.stopped().await;
                }
                sessions.send(SessionEnded(id)).await
            };
            context.spawn(told.into_actor(session).map(|_, _, context| context.stop()));
        }));
    }
}

impl Handler<GiveUp> for Session {
    type Result = ();

    fn handle(&mut self, _: GiveUp, _: &mut Context<Self>) {
        if let Some(give_up) = self.give_up.take() {
            // The work may just have ended.
            let _ = give_up.send(());
        }
    }
}

/// The work of a session, in order: a place, the model, the envelopes, the peers, the computation.
async fn serve(
    run: &Run,
    deadline: Instant,
    services: &Arc<Services>,
    cancellation: Cancellation,
) -> Result<(Done, Vec<StreamWriter>), SessionError> {
    let party = services.me;
    let defect = |what| SessionError::Defect { party, what };
    let begun = Instant::now();
    let place = services.place().await?;
    let waited = begun.elapsed();

    let started = Instant::now();
    let model = find_model(&run.model, run.samples(), services).await?;
    let (sealing_key, plan, opening) = (services.sealing_key.clone(), model.plan.clone(), run.clone());
    let opened = spawn_blocking(move || {
        let open =
            |part| open_query(&sealing_key, party, &plan, opening.model.digest, part).map_err(QueryRefusal::from);
        opening.queries.iter().map(open).collect::<Vec<_>>()
    });
    let opened = opened.await.map_err(|_| defect("opening the envelopes broke off"))?;
    let hello = Hello {
        session: run.session,
        digest: run.model.digest,
        deployment: run.model.deployment,
        roles: run.roles,
        queries: standings(&run.queries, &opened),
        prepared: None,
        nonce: fresh_nonce(party)?,
    };
    let meeting = greet_both(&hello, &services.peers, party).await?;
    let settled = settle(
        opened,
        &meeting.peers.each_ref().map(|met| (met.peer, met.standings.as_slice())),
    );
    let (joined, left_out) = join(settled);
    let start = started.elapsed();
    let left_out = left_out.into_iter().map(|(place, refusal)| (place, Err(refusal)));
    let Some((seats, input)) = joined else {
        // Each party finds so by itself. The peers may still be reading this one's greeting.
        let report = PartyReport {
            start,
            ..PartyReport::default()
        };
        return Ok((done(left_out.collect(), report, party), meeting.end()));
    };

    let computation = Computation {
        session: run.session,
        roles: run.roles,
        me: party,
        model: model.clone(),
        seats,
        input,
        meeting,
        deadline,
        frame_bytes_max: services.limits.frame_bytes,
        cancellation,
    };
    let computed = spawn_blocking(move || {
        let _place = place;
        compute(computation)
    });
    let computed = computed.await.map_err(|_| defect("the computation broke off"))??;
    record(services, run, &model, waited, start, &computed);
    let report = PartyReport {
        start,
        ..computed.report
    };
    let results = computed.results.into_iter().chain(left_out).collect();
    Ok((done(results, report, party), computed.sent))
}

/// What the coordinator is told, of each query by its place in the run.
pub fn done(mut results: Vec<(usize, Result<Opaque, QueryRefusal>)>, report: PartyReport, me: PartyId) -> Done {
    results.sort_by_key(|(place, _)| *place);
    let told = |(_, result): (usize, Result<Opaque, QueryRefusal>)| result.map_err(|refusal| refusal.failure(me));
    Done {
        results: results.into_iter().map(told).collect(),
        report,
    }
}

/// The model, if it still is the one the coordinator chose the parties for, and takes the samples.
pub async fn find_model(wanted: &Model, samples: u32, services: &Services) -> Result<Arc<ServedModel>, SessionError> {
    let party = services.me;
    let name = || wanted.name.clone();
    let found = services
        .models
        .send(FindModel(name()))
        .await
        .map_err(|_| SessionError::Stopping(party))?;
    let model = found.ok_or_else(|| SessionError::UnknownModel { party, name: name() })?;
    if model.model != *wanted {
        return Err(SessionError::OtherModel { party, name: name() });
    }
    if samples > model.batch_max {
        return Err(SessionError::Batch {
            party,
            batch: samples,
            most: model.batch_max,
        });
    }
    Ok(model)
}

/// Counts what a session cost.
pub fn record(
    services: &Services,
    run: &Run,
    model: &ServedModel,
    waited: Duration,
    start: Duration,
    computed: &Computed,
) {
    use tercet_telemetry::Phase;
    let report = &computed.report;
    let role = run.roles.role(services.me);
    let metrics = services.metrics.models.model(model.model.name.as_str());
    metrics.computed(Part::from(role), u64::from(computed.batch), u64::from(report.rounds));
    metrics.phase(Phase::Queue, waited);
    metrics.phase(Phase::Share, start);
    metrics.phase(Phase::Deal, report.deal);
    metrics.phase(Phase::Open, computed.sealing);
    if role != Role::Dealer {
        metrics.phase(Phase::OnlineCompute, report.online_compute);
        metrics.phase(Phase::OnlineWait, report.online_wait);
    }
    for (peer, traffic) in computed.traffic {
        services.metrics.sent(peer, Traffic::Online, traffic.online_sent);
        services
            .metrics
            .received(peer, Traffic::Online, traffic.online_received);
        services.metrics.sent(peer, Traffic::Dealt, traffic.dealt_sent);
        services.metrics.received(peer, Traffic::Dealt, traffic.dealt_received);
    }
}
