use prometheus::{IntCounter, IntGauge};

use crate::labels::{Label, Pooled, PreparedEnd};
use crate::names::{POOL_QUERIES, PREPARED, PREPARED_BYTES, PREPARED_ENDED, PREPARED_TARGET, PREPARED_WAITING};
use crate::registry::Registry;

/// Prepared sessions of one process: a node's, or those the coordinator knows of at all three.
#[derive(Clone)]
pub struct PreparedMetrics {
    made: IntCounter,
    ended: Vec<IntCounter>,
    waiting: IntGauge,
}

impl PreparedMetrics {
    pub(crate) fn new(registry: &Registry) -> PreparedMetrics {
        let ended = registry.counters(PREPARED_ENDED);
        PreparedMetrics {
            made: registry.counters(PREPARED).with_label_values::<&str>(&[]),
            ended: PreparedEnd::ALL
                .iter()
                .map(|end| ended.with_label_values(&[end.value()]))
                .collect(),
            waiting: registry.gauges(PREPARED_WAITING).with_label_values::<&str>(&[]),
        }
    }

    /// One more was prepared.
    pub fn made(&self) {
        self.made.inc();
    }

    /// One ended; call it once for each that was begun.
    pub fn ended(&self, end: PreparedEnd) {
        self.ended[end.index()].inc();
    }

    /// So many wait now.
    pub fn waiting(&self, sessions: usize) {
        self.waiting.set(sessions as i64);
    }
}

/// Prepared sessions at a node.
#[derive(Clone)]
pub struct NodePoolMetrics {
    /// How many, and what becomes of them.
    pub prepared: PreparedMetrics,
    bytes: IntGauge,
}

impl NodePoolMetrics {
    pub(crate) fn new(registry: &Registry) -> NodePoolMetrics {
        NodePoolMetrics {
            prepared: PreparedMetrics::new(registry),
            bytes: registry.gauges(PREPARED_BYTES).with_label_values::<&str>(&[]),
        }
    }

    /// So many bytes are set aside now.
    pub fn bytes(&self, bytes: u64) {
        self.bytes.set(bytes as i64);
    }
}

/// The pool, as the coordinator fills and uses it.
#[derive(Clone)]
pub struct PoolMetrics {
    /// How many, and what becomes of them.
    pub prepared: PreparedMetrics,
    target: IntGauge,
    queries: Vec<IntCounter>,
}

impl PoolMetrics {
    pub(crate) fn new(registry: &Registry) -> PoolMetrics {
        let queries = registry.counters(POOL_QUERIES);
        PoolMetrics {
            prepared: PreparedMetrics::new(registry),
            target: registry.gauges(PREPARED_TARGET).with_label_values::<&str>(&[]),
            queries: Pooled::ALL
                .iter()
                .map(|pooled| queries.with_label_values(&[pooled.value()]))
                .collect(),
        }
    }

    /// So many are wanted now.
    pub fn target(&self, sessions: usize) {
        self.target.set(sessions as i64);
    }

    /// A query looked for a prepared session.
    pub fn query(&self, pooled: Pooled) {
        self.queries[pooled.index()].inc();
    }
}
