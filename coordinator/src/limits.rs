//! Every bound of the coordinator that its configuration does not set.

use std::time::Duration;

/// How long a request of a client may take to arrive. The longest is a model: 1.5 GB at 25 MB/s.
pub const REQUEST_TIME_MAX: Duration = Duration::from_secs(60);

/// How often each node is asked how it is.
pub const PING_TIME: Duration = Duration::from_secs(1);

/// How often while the nodes are finding each other: queries wait for that.
pub const UNSETTLED_PING_TIME: Duration = Duration::from_millis(100);

/// How long a query waits for nodes that are finding each other, after a start or a lost connection.
pub const SETTLE_TIME_MAX: Duration = Duration::from_secs(5);

/// How long a node may take to answer that. One that takes longer counts as unreachable until it answers again.
pub const PONG_TIME_MAX: Duration = Duration::from_secs(3);

/// How long a node may take to describe a model.
pub const DESCRIBE_TIME_MAX: Duration = Duration::from_secs(10);

/// How long a node may take to load a model: to receive, open, check and store it.
pub const LOAD_TIME_MAX: Duration = Duration::from_secs(120);

/// How long a node may take to serve or forget what it has loaded.
pub const ACTIVATE_TIME_MAX: Duration = Duration::from_secs(20);

/// How long after a session's deadline its node has to say how it ended, before it counts as lost for this session.
pub const LAST_WORD_TIME_MAX: Duration = Duration::from_secs(5);

/// How long a node may take to acknowledge that a session is to stop.
pub const CANCEL_TIME_MAX: Duration = Duration::from_secs(5);

/// How long the nodes may take to prepare a session ahead of queries.
pub const PREPARE_TIME_MAX: Duration = Duration::from_secs(30);

/// How long all must be quiet before a session is prepared: clients that ask again at once are not to meet it.
pub const QUIET_TIME: Duration = Duration::from_millis(10);

/// How much longer than the coordinator the nodes keep a prepared session, so that no query finds it gone.
pub const KEEP_GRACE: Duration = Duration::from_secs(30);

/// How often the pool is looked through at least: a lost node or another deployment makes prepared sessions useless.
pub const POOL_CHECK_TIME: Duration = Duration::from_secs(1);

/// Streams beside those of queries that an end may have open: pings, descriptions, deployments, cancellations.
pub const CONTROL_STREAMS_MAX: usize = 64;

/// Bytes of a serialised plan, and of everything that is neither plan nor envelope, in one message.
pub const PLAN_AND_FRAME_BYTES_MAX: usize =
    tercet_plan::limits::PLAN_BYTES_MAX + tercet_wire::CONTROL_MESSAGE_BYTES_MAX;

/// Deployments under way at once: each holds three sealed models in memory.
pub const DEPLOYMENTS_MAX: usize = 1;

/// Messages that wait for one actor. Senders wait for room, so this bounds memory and not work.
pub const MAILBOX_MAX: usize = 1024;

/// How long queries under way may go on after the coordinator was told to stop.
pub const SHUTDOWN_TIME_MAX: Duration = Duration::from_secs(10);
