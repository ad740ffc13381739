//! Fills the pool of prepared sessions while nothing else goes on, and hands them out.

use std::sync::Arc;
use std::time::Instant;

use actix::Addr;
use tercet_config::PoolConfig;
use tercet_ids::SessionId;
use tercet_telemetry::{PoolMetrics, Pooled, PreparedEnd};
use tercet_wire::{Failure, Model, Phase, Prepare, PreparedSessions};
use tokio::task::JoinHandle;

use crate::catalogue::served;
use crate::limits::{KEEP_GRACE, PREPARE_TIME_MAX};
use crate::messages::SessionPrepared;
use crate::pool::{Begun, Pool, Ready};
use crate::prepared::{Kept, prepare};
use crate::queries::Queries;
use crate::roles;
use crate::snapshot::Snapshot;

/// Owns the pool, and the preparation that is under way.
pub struct Filler {
    pool: Pool<Kept>,
    config: PoolConfig,
    underway: Option<JoinHandle<()>>,
    /// Counts preparations, so that the parties take turns.
    turn: u64,
    metrics: PoolMetrics,
}

impl Filler {
    /// An empty pool.
    pub fn new(config: PoolConfig, metrics: PoolMetrics) -> Filler {
        Filler {
            pool: Pool::new(config),
            config,
            underway: None,
            turn: 0,
            metrics,
        }
    }

    /// Whether sessions are prepared at all.
    pub fn is_on(&self) -> bool {
        self.pool.is_on()
    }

    /// When there may be something to do that there is not at `now`.
    pub fn next_change(&self, now: Instant) -> Option<Instant> {
        self.pool.next_change(now)
    }

    /// The prepared session that a query gets, if one is there.
    pub fn take(&mut self, model: &Model, batch: u32, snapshot: &Snapshot) -> Option<Ready<Kept>> {
        if !self.is_on() {
            return None;
        }
        self.discard(snapshot);
        let taken = self.pool.take(Instant::now(), model, batch);
        self.metrics
            .query(if taken.is_some() { Pooled::Hit } else { Pooled::Miss });
        self.metrics.prepared.waiting(self.pool.waiting());
        taken
    }

    /// Counts what became of a session that was taken.
    pub fn ended(&self, end: PreparedEnd) {
        self.metrics.prepared.ended(end);
    }

    /// Gives up the preparation that is under way: a query goes first.
    pub fn yield_now(&mut self) {
        if let Some(underway) = self.underway.take() {
            underway.abort();
        }
        if let Some(begun) = self.pool.yield_now() {
            tracing::debug!(session = %begun.session, "a preparation gives way to a query");
            self.metrics.prepared.ended(PreparedEnd::GivenUp);
        }
    }

    /// Discards what is of no use any more, and begins to prepare a session if one is lacking.
    pub fn fill(&mut self, snapshot: &Arc<Snapshot>, queries: &Addr<Queries>) {
        self.discard(snapshot);
        let models = served(&snapshot.holdings());
        self.metrics.target(models.len() * self.config.sessions);
        if snapshot.unready().is_some() {
            return;
        }
        let (Some(model), Ok(roles)) = (
            self.pool.wanted(Instant::now(), &models),
            roles::choose(&snapshot.round_trips(), self.turn),
        ) else {
            return;
        };
        self.turn += 1;
        let begun = Begun {
            session: SessionId(rand::random()),
            model: model.clone(),
            roles,
        };
        let order = Prepare {
            session: begun.session,
            model: model.clone(),
            batch: self.config.batch,
            roles,
            deadline_ms: PREPARE_TIME_MAX.as_millis() as u64,
            keep_ms: (self.config.age + KEEP_GRACE).as_millis() as u64,
        };
        let (session, snapshot, queries) = (begun.session, snapshot.clone(), queries.clone());
        self.pool.begin(begun);
        self.underway = Some(actix::spawn(async move {
            let result = prepare(order, &snapshot)
                .await
                .map_err(|error| error.failure(Phase::Start));
            // Fails only if the coordinator is being stopped.
            let _ = queries.send(SessionPrepared { session, result }).await;
        }));
    }

    /// What came of a preparation.
    pub fn prepared(&mut self, session: SessionId, result: Result<Kept, Failure>) {
        let now = Instant::now();
        // What was given up meanwhile is counted as that.
        match result {
            Ok(kept) => {
                if !self.pool.prepared(now, session, kept) {
                    return;
                }
                self.metrics.prepared.made();
            }
            Err(failure) => {
                if !self.pool.failed(now, session) {
                    return;
                }
                tracing::warn!(%session, %failure, "a session could not be prepared");
                self.metrics.prepared.ended(PreparedEnd::Failed);
            }
        }
        self.underway = None;
        self.metrics.prepared.waiting(self.pool.waiting());
    }

    /// How many wait for each model, and how many should.
    pub fn status(&self, snapshot: &Snapshot) -> Vec<PreparedSessions> {
        self.pool.status(&served(&snapshot.holdings()))
    }

    /// Discards everything: the coordinator is being stopped.
    pub fn close(&mut self) {
        self.yield_now();
        let given_up = self.pool.discard(Instant::now(), &[], |_| false);
        (0..given_up.0 + given_up.1).for_each(|_| self.ended(PreparedEnd::GivenUp));
    }

    fn discard(&mut self, snapshot: &Snapshot) {
        let models = served(&snapshot.holdings());
        let is_usable = |kept: &Kept| kept.is_usable(snapshot);
        let (expired, given_up) = self.pool.discard(Instant::now(), &models, is_usable);
        (0..expired).for_each(|_| self.ended(PreparedEnd::Expired));
        (0..given_up).for_each(|_| self.ended(PreparedEnd::GivenUp));
        self.metrics.prepared.waiting(self.pool.waiting());
    }
}
