use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec};
use tercet_ids::PartyId;

use crate::labels::{Label, Outcome, Phase};
use crate::names::{COUNT_BUCKETS, MODELS_MAX, OTHER_MODEL, PHASE_DURATION, QUERIES, QUERY_DURATION, SESSION_QUERIES};
use crate::peers::PeerMetrics;
use crate::pool::PoolMetrics;
use crate::queue::QueueMetrics;
use crate::registry::Registry;

/// All the coordinator reports. Every series exists from the start, at 0.
#[derive(Clone)]
pub struct CoordinatorMetrics {
    /// What waits and what runs.
    pub queue: QueueMetrics,
    /// Sessions that are prepared ahead.
    pub pool: PoolMetrics,
    /// Connections to the nodes.
    pub nodes: PeerMetrics,
    queries: IntCounterVec,
    durations: HistogramVec,
    phases: HistogramVec,
    session_queries: HistogramVec,
    known: Arc<Mutex<HashMap<String, Handles>>>,
}

#[derive(Clone)]
struct Handles {
    queries: Vec<IntCounter>,
    duration: Histogram,
    queue: Histogram,
    session_queries: Histogram,
}

impl CoordinatorMetrics {
    /// Registers the metrics of a coordinator whose queue holds `capacity` queries. Once a registry.
    pub fn new(registry: &Registry, capacity: usize) -> CoordinatorMetrics {
        let metrics = CoordinatorMetrics {
            queue: QueueMetrics::new(registry, capacity),
            pool: PoolMetrics::new(registry),
            nodes: PeerMetrics::new(registry, &PartyId::ALL),
            queries: registry.counters(QUERIES),
            durations: registry.latencies(QUERY_DURATION),
            phases: registry.latencies(PHASE_DURATION),
            session_queries: registry.histograms(SESSION_QUERIES, COUNT_BUCKETS),
            known: Arc::default(),
        };
        metrics.handles(OTHER_MODEL);
        metrics
    }

    /// Makes a deployed model's series.
    pub fn deployed(&self, model: &str) {
        self.handles(model);
    }

    /// A query left the queue after this time. `model` is `None` if no such model is deployed.
    pub fn dequeued(&self, model: Option<&str>, waited: Duration) {
        self.handles(model.unwrap_or(OTHER_MODEL))
            .queue
            .observe(waited.as_secs_f64());
    }

    /// A session of so many queries began.
    pub fn session_began(&self, model: &str, queries: usize) {
        self.handles(model).session_queries.observe(queries as f64);
    }

    /// A query was answered, well or not; call it once for each. `model` is `None` if no such model is deployed.
    pub fn answered(&self, model: Option<&str>, outcome: Outcome, time: Duration) {
        let handles = self.handles(model.unwrap_or(OTHER_MODEL));
        handles.queries[outcome.index()].inc();
        handles.duration.observe(time.as_secs_f64());
    }

    fn handles(&self, model: &str) -> Handles {
        // The map holds handles only; a panic elsewhere can't have left it half written.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let model = if known.contains_key(model) || known.len() <= MODELS_MAX {
            model
        } else {
            OTHER_MODEL
        };
        let make = || Handles {
            queries: Outcome::ALL
                .iter()
                .map(|outcome| self.queries.with_label_values(&[model, outcome.value()]))
                .collect(),
            duration: self.durations.with_label_values(&[model]),
            queue: self.phases.with_label_values(&[model, Phase::Queue.value()]),
            session_queries: self.session_queries.with_label_values(&[model]),
        };
        known.entry(model.to_owned()).or_insert_with(make).clone()
    }
}
