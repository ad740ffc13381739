use prometheus::IntGauge;

use crate::names::{ACTIVE, QUEUE_CAPACITY, QUEUE_DEPTH};
use crate::registry::Registry;

/// What waits and what runs.
#[derive(Clone)]
pub struct QueueMetrics {
    depth: IntGauge,
    active: IntGauge,
}

impl QueueMetrics {
    pub(crate) fn new(registry: &Registry, capacity: usize) -> QueueMetrics {
        let gauge = |metric| registry.gauges(metric).with_label_values::<&str>(&[]);
        gauge(QUEUE_CAPACITY).set(capacity as i64);
        QueueMetrics {
            depth: gauge(QUEUE_DEPTH),
            active: gauge(ACTIVE),
        }
    }

    /// So many wait now.
    pub fn waiting(&self, count: usize) {
        self.depth.set(count as i64);
    }

    /// So many are under way now.
    pub fn active(&self, count: usize) {
        self.active.set(count as i64);
    }
}
