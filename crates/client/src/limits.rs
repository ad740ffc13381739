//! Every bound of the client.

use std::time::Duration;

use tercet_plan::limits::PLAN_BYTES_MAX;
use tercet_wire::CONTROL_MESSAGE_BYTES_MAX;

/// How long the coordinator may take to answer anything but a query or a deployment.
pub const REPLY_TIME_MAX: Duration = Duration::from_secs(30);

/// How long a deployment may take, whatever the size of the model.
pub const DEPLOY_TIME_MAX: Duration = Duration::from_secs(300);

/// How long after a query's deadline the coordinator may take to say that it has passed.
pub const LATE_TIME_MAX: Duration = Duration::from_secs(1);

/// Bytes of a reply that carries a plan, the largest but for results.
pub const DESCRIPTION_BYTES_MAX: usize = PLAN_BYTES_MAX + CONTROL_MESSAGE_BYTES_MAX;
