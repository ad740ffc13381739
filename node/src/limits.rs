//! Every bound of a node that its configuration does not set.

use std::time::Duration;

/// How long a request of the coordinator may take to arrive. The longest is a model: 512 MB at 10 MB/s.
pub const REQUEST_TIME_MAX: Duration = Duration::from_secs(60);

/// How long a peer that opened a stream may take to say which session it is for.
pub const GREETING_TIME_MAX: Duration = Duration::from_secs(5);

/// Connections of the coordinator: one, and a few more while old ones of a restarted coordinator time out.
pub const COORDINATOR_CONNECTIONS_MAX: usize = 4;

/// Streams beside those of sessions that a peer may have open: pings, deployments, cancellations.
pub const CONTROL_STREAMS_MAX: usize = 64;

/// Prepared sessions that wait for a query, whatever their size: each has a stream open to each peer and to the coordinator.
pub const PREPARED_SESSIONS_MAX: usize = 256;

/// Deployments that are loaded and not yet activated. The oldest makes room.
pub const STAGED_MAX: usize = 4;

/// Messages that wait for one actor. Senders wait for room, so this bounds memory and not work.
pub const MAILBOX_MAX: usize = 1024;

/// Blocking threads beside one per session: reading and writing models.
pub const STORAGE_THREADS: usize = 2;

/// How long an idle compute thread stays for the next session: starting one costs more than a round.
pub const THREAD_KEEP_ALIVE: Duration = Duration::from_secs(3600);

/// How long sessions under way may go on after the node was told to stop.
pub const SHUTDOWN_TIME_MAX: Duration = Duration::from_secs(10);

/// Memory that the values of one session may take, as the plan estimates it.
pub const SESSION_MEMORY_BYTES_MAX: u64 = 4 << 30;

/// How often the round-trip times to the peers are sampled for the metrics.
pub const ROUND_TRIP_SAMPLE_TIME: Duration = Duration::from_secs(1);

/// Bytes of a request beside the envelope it carries: a plan, names and numbers.
pub const REQUEST_FRAME_BYTES_MAX: usize = tercet_plan::limits::PLAN_BYTES_MAX + tercet_wire::CONTROL_MESSAGE_BYTES_MAX;

/// How often the node looks whether it is ready.
pub const READINESS_TIME: Duration = Duration::from_millis(200);
