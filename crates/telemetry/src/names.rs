//! Every metric and every label, once. Dashboards are tested against this list.

/// What kind of metric it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Only grows; restarts at 0.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations by size: `_bucket`, `_sum` and `_count`.
    Histogram,
}

/// One metric.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Metric {
    /// The name in the exposition.
    pub name: &'static str,
    /// What kind it is.
    pub kind: Kind,
    /// Its labels besides [`label::PARTY`], which every series has.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

/// Names of labels.
pub mod label {
    /// The process: a party's name or `coordinator`. On every series.
    pub const PARTY: &str = "party";
    /// The party at the other end of a link.
    pub const PEER: &str = "peer";
    /// A deployed model, or `other` beyond the bound.
    pub const MODEL: &str = "model";
    /// `dealer` or `evaluator`.
    pub const PART: &str = "part";
    /// How a session or query ended.
    pub const OUTCOME: &str = "outcome";
    /// Where time goes.
    pub const PHASE: &str = "phase";
    /// `transport` or `peer`.
    pub const CAUSE: &str = "cause";
    /// `online` or `dealt`.
    pub const KIND: &str = "kind";
    /// What became of a prepared session.
    pub const END: &str = "end";
    /// `hit` or `miss`.
    pub const POOL: &str = "pool";
    /// Version of the program.
    pub const VERSION: &str = "version";
    /// Version of the messages between programs.
    pub const PROTOCOL: &str = "protocol";
    /// Digest of a plan, 64 hex digits.
    pub const DIGEST: &str = "digest";
    /// Bits of the ring of a plan.
    pub const RING_BITS: &str = "ring_bits";
}

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric {
        name,
        kind: Kind::Counter,
        labels,
        help,
    }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric {
        name,
        kind: Kind::Gauge,
        labels,
        help,
    }
}

const fn histogram(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric {
        name,
        kind: Kind::Histogram,
        labels,
        help,
    }
}

/// Sessions of a node.
pub const SESSIONS: Metric = counter(
    "tercet_sessions_total",
    &[label::MODEL, label::PART, label::OUTCOME],
    "Sessions that ended at this node, each once.",
);
/// Queries at the coordinator.
pub const QUERIES: Metric = counter(
    "tercet_queries_total",
    &[label::MODEL, label::OUTCOME],
    "Queries the coordinator answered, each once.",
);
/// Latency of queries at the coordinator.
pub const QUERY_DURATION: Metric = histogram(
    "tercet_query_duration_seconds",
    &[label::MODEL],
    "From the arrival of a query at the coordinator to its answer.",
);
/// Queries that run together.
pub const SESSION_QUERIES: Metric = histogram(
    "tercet_session_queries",
    &[label::MODEL],
    "Queries of a session that the coordinator began.",
);
/// Where the time of a session goes.
pub const PHASE_DURATION: Metric = histogram(
    "tercet_phase_duration_seconds",
    &[label::MODEL, label::PHASE],
    "Time of a session by phase.",
);
/// Rounds of evaluators.
pub const ROUNDS: Metric = counter(
    "tercet_rounds_total",
    &[label::MODEL],
    "Rounds this node took part in as evaluator.",
);
/// Samples computed.
pub const SAMPLES: Metric = counter(
    "tercet_samples_total",
    &[label::MODEL, label::PART],
    "Samples of sessions that ended well.",
);
/// Payload sent to a peer.
pub const SENT_BYTES: Metric = counter(
    "tercet_peer_sent_bytes_total",
    &[label::PEER, label::KIND],
    "Payload bytes sent to a party.",
);
/// Payload received from a peer.
pub const RECEIVED_BYTES: Metric = counter(
    "tercet_peer_received_bytes_total",
    &[label::PEER, label::KIND],
    "Payload bytes received from a party.",
);
/// Work that waits.
pub const QUEUE_DEPTH: Metric = gauge("tercet_queue_depth", &[], "Sessions or queries that wait for a place.");
/// The bound of the queue.
pub const QUEUE_CAPACITY: Metric = gauge("tercet_queue_capacity", &[], "Sessions or queries that may wait.");
/// Work under way.
pub const ACTIVE: Metric = gauge("tercet_sessions_active", &[], "Sessions under way.");
/// Sessions prepared.
pub const PREPARED: Metric = counter(
    "tercet_prepared_total",
    &[],
    "Sessions that were prepared before their query.",
);
/// What became of them.
pub const PREPARED_ENDED: Metric = counter(
    "tercet_prepared_ended_total",
    &[label::END],
    "Sessions to prepare that ended: used by a query, or discarded and why. Each once.",
);
/// Those that wait.
pub const PREPARED_WAITING: Metric = gauge(
    "tercet_prepared_sessions",
    &[],
    "Sessions that are prepared or being prepared, and wait for a query.",
);
/// Memory of those that wait.
pub const PREPARED_BYTES: Metric = gauge(
    "tercet_prepared_bytes",
    &[],
    "Memory set aside for sessions that wait for a query.",
);
/// How many are wanted.
pub const PREPARED_TARGET: Metric = gauge(
    "tercet_prepared_target",
    &[],
    "Sessions that the coordinator wants to be prepared, of all models.",
);
/// Queries by whether the pool served them.
pub const POOL_QUERIES: Metric = counter(
    "tercet_pool_queries_total",
    &[label::POOL],
    "Queries by whether they found a prepared session, while the pool is on.",
);
/// Connection state.
pub const PEER_UP: Metric = gauge(
    "tercet_peer_up",
    &[label::PEER],
    "1 while an authenticated connection to the party stands.",
);
/// Round trips.
pub const PEER_ROUND_TRIP: Metric = histogram(
    "tercet_peer_round_trip_seconds",
    &[label::PEER],
    "Samples of the smoothed round-trip time to a party.",
);
/// Waits that the path does not explain.
pub const PEER_STALLS: Metric = counter(
    "tercet_peer_stalls_total",
    &[label::PEER, label::CAUSE],
    "Frames of a party that came over 5 ms later than half a round trip (cause peer), or paused for over 5 ms half-way (cause transport).",
);
/// Connections made.
pub const PEER_CONNECTS: Metric = counter(
    "tercet_peer_connects_total",
    &[label::PEER],
    "Connections made with a party; more than one means one was lost.",
);
/// Which plan a model is.
pub const PLAN_INFO: Metric = gauge(
    "tercet_plan_info",
    &[label::MODEL, label::DIGEST, label::RING_BITS],
    "1 for the plan each model has.",
);
/// Declared rounds.
pub const PLAN_ROUNDS: Metric = gauge(
    "tercet_plan_rounds",
    &[label::MODEL],
    "Rounds a session of the model declares.",
);
/// Declared online bytes.
pub const PLAN_ONLINE_BYTES: Metric = gauge(
    "tercet_plan_online_bytes",
    &[label::MODEL],
    "Online payload bytes a session of one sample declares, both directions.",
);
/// Declared dealt bytes.
pub const PLAN_DEALT_BYTES: Metric = gauge(
    "tercet_plan_dealt_bytes",
    &[label::MODEL],
    "Dealt payload bytes a session of one sample declares.",
);
/// Versions.
pub const BUILD_INFO: Metric = gauge(
    "tercet_build_info",
    &[label::VERSION, label::PROTOCOL],
    "1; the labels say what runs.",
);
/// CPU time.
pub const PROCESS_CPU: Metric = counter(
    "process_cpu_seconds_total",
    &[],
    "User and system CPU time of the process.",
);
/// Memory.
pub const PROCESS_MEMORY: Metric = gauge(
    "process_resident_memory_bytes",
    &[],
    "Memory of the process that is in RAM.",
);
/// Highest memory.
pub const PROCESS_MEMORY_PEAK: Metric = gauge(
    "process_resident_memory_peak_bytes",
    &[],
    "The most memory of the process that ever was in RAM.",
);

/// All metrics of nodes and coordinator.
pub const ALL: &[Metric] = &[
    SESSIONS,
    QUERIES,
    QUERY_DURATION,
    SESSION_QUERIES,
    PHASE_DURATION,
    ROUNDS,
    SAMPLES,
    SENT_BYTES,
    RECEIVED_BYTES,
    QUEUE_DEPTH,
    QUEUE_CAPACITY,
    ACTIVE,
    PREPARED,
    PREPARED_ENDED,
    PREPARED_WAITING,
    PREPARED_BYTES,
    PREPARED_TARGET,
    POOL_QUERIES,
    PEER_UP,
    PEER_ROUND_TRIP,
    PEER_STALLS,
    PEER_CONNECTS,
    PLAN_INFO,
    PLAN_ROUNDS,
    PLAN_ONLINE_BYTES,
    PLAN_DEALT_BYTES,
    BUILD_INFO,
    PROCESS_CPU,
    PROCESS_MEMORY,
    PROCESS_MEMORY_PEAK,
];

/// Bounds of latency buckets, in seconds: 100 microseconds to 60 seconds, about 2.2 apart, since a phase may take any of them.
pub const LATENCY_BUCKETS: &[f64] = &[
    0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0,
];

/// Bounds of round-trip buckets, in seconds: loopback to another continent.
pub const ROUND_TRIP_BUCKETS: &[f64] = &[
    0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0,
];

/// Bounds of buckets of counts: powers of two, up to what one session may hold.
pub const COUNT_BUCKETS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];

/// Models with a label of their own; further ones count as [`OTHER_MODEL`], so that deployments can't grow the series without bound.
pub const MODELS_MAX: usize = 64;

/// The label of models beyond the bound, and of queries for models that don't exist.
pub const OTHER_MODEL: &str = "other";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_conventions_of_prometheus() {
        let mut seen = std::collections::HashSet::new();
        for metric in ALL {
            assert!(seen.insert(metric.name), "{} is defined twice", metric.name);
            assert!(metric.name.starts_with("tercet_") || metric.name.starts_with("process_"));
            assert_eq!(
                metric.name.ends_with("_total"),
                metric.kind == Kind::Counter,
                "{}",
                metric.name
            );
            assert!(metric.help.ends_with('.'));
            if metric.kind == Kind::Histogram {
                assert!(metric.name.ends_with("_seconds") || metric == &SESSION_QUERIES);
            }
        }
    }

    #[test]
    fn buckets_ascend() {
        for buckets in [LATENCY_BUCKETS, ROUND_TRIP_BUCKETS, COUNT_BUCKETS] {
            assert!(buckets.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }
}
