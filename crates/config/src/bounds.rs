/// What a number in a configuration file may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Smallest value accepted.
    pub least: u64,
    /// Largest value accepted.
    pub most: u64,
    /// Value if the key is absent.
    pub default: u64,
    /// What is counted.
    pub unit: &'static str,
}

pub(crate) mod named {
    use super::Bounds;

    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;

    /// Sessions a node computes at once. Each holds its activations in memory: sessions x batch x largest layer.
    pub const SESSIONS: Bounds = Bounds {
        least: 1,
        most: 256,
        default: 8,
        unit: "sessions",
    };
    /// Sessions that the coordinator gives to the nodes at once. Some fill each other's waits; more of them only makes batches smaller.
    pub const SESSIONS_AT_ONCE: Bounds = Bounds {
        least: 1,
        most: 256,
        default: 3,
        unit: "sessions",
    };
    /// Sessions that wait for a free place in a node.
    pub const QUEUED_SESSIONS: Bounds = Bounds {
        least: 0,
        most: 4096,
        default: 64,
        unit: "sessions",
    };
    /// Threads that compute. The default is the number of cores.
    pub const THREADS: Bounds = Bounds {
        least: 1,
        most: 256,
        default: 1,
        unit: "threads",
    };
    /// Samples of one session.
    pub const BATCH: Bounds = Bounds {
        least: 1,
        most: 65_536,
        default: 256,
        unit: "samples",
    };
    /// Sealed parameters of one model. Messages carry at most 1 GiB.
    pub const MODEL_BYTES: Bounds = Bounds {
        least: 64 * KIB,
        most: 1024 * MIB,
        default: 1024 * MIB,
        unit: "bytes",
    };
    /// One party's sealed share of one query. Messages carry at most 1 GiB.
    pub const ENVELOPE_BYTES: Bounds = Bounds {
        least: 4 * KIB,
        most: 1024 * MIB,
        default: 256 * MIB,
        unit: "bytes",
    };
    /// One frame between parties. Chunks of the protocol are at most 1 MiB, so less can't work.
    pub const FRAME_BYTES: Bounds = Bounds {
        least: MIB,
        most: 16 * MIB,
        default: MIB,
        unit: "bytes",
    };
    /// The longest a session may take, whatever deadline the client asks for.
    pub const SESSION_SECONDS: Bounds = Bounds {
        least: 1,
        most: 3600,
        default: 120,
        unit: "seconds",
    };

    /// Memory of sessions that wait for a query, dealt and prepared.
    pub const PREPARED_BYTES: Bounds = Bounds {
        least: 0,
        most: 1024 * 1024 * MIB,
        default: 256 * MIB,
        unit: "bytes",
    };

    /// Sessions that are prepared ahead, of each model.
    pub const POOL_SESSIONS: Bounds = Bounds {
        least: 0,
        most: 64,
        default: 0,
        unit: "sessions",
    };
    /// Samples that a session is prepared for.
    pub const POOL_BATCH: Bounds = Bounds {
        least: 1,
        most: 65_536,
        default: 1,
        unit: "samples",
    };
    /// How long a prepared session is kept.
    pub const POOL_SECONDS: Bounds = Bounds {
        least: 1,
        most: 86_400,
        default: 600,
        unit: "seconds",
    };
    /// Queries that wait at the coordinator.
    pub const QUEUE_CAPACITY: Bounds = Bounds {
        least: 1,
        most: 65_536,
        default: 256,
        unit: "queries",
    };
    /// The longest deadline a client may ask for.
    pub const DEADLINE_MS_MAX: Bounds = Bounds {
        least: 10,
        most: 3_600_000,
        default: 120_000,
        unit: "milliseconds",
    };
    /// How long a session of several queries may take, by prediction.
    pub const SESSION_MS: Bounds = Bounds {
        least: 1,
        most: 60_000,
        default: 250,
        unit: "milliseconds",
    };
    /// Connections of clients.
    pub const CLIENT_CONNECTIONS: Bounds = Bounds {
        least: 1,
        most: 65_536,
        default: 256,
        unit: "connections",
    };
    /// Queries one client may have waiting or running.
    pub const CLIENT_QUERIES: Bounds = Bounds {
        least: 1,
        most: 65_536,
        default: 64,
        unit: "queries",
    };

    /// How long a client waits for an answer.
    pub const DEADLINE_MS: Bounds = Bounds {
        least: 10,
        most: 3_600_000,
        default: 30_000,
        unit: "milliseconds",
    };

    /// Largest UDP payload that is tried. Above 6500, segmentation offload no longer fits a packet and connections stall.
    pub const MTU: Bounds = Bounds {
        least: 1200,
        most: 6500,
        default: 6500,
        unit: "bytes",
    };
    /// Bytes in flight before the sender waits. A whole frame must fit with room to spare.
    pub const WINDOW_BYTES: Bounds = Bounds {
        least: 1280 * KIB,
        most: 1024 * MIB,
        default: 4 * MIB,
        unit: "bytes",
    };
    /// Silence after which a connection counts as lost.
    pub const IDLE_SECONDS: Bounds = Bounds {
        least: 1,
        most: 600,
        default: 2,
        unit: "seconds",
    };
    /// Silence after which a sign of life is sent.
    pub const KEEP_ALIVE_MILLISECONDS: Bounds = Bounds {
        least: 50,
        most: 300_000,
        default: 250,
        unit: "milliseconds",
    };
}
