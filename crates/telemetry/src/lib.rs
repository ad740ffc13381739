//! Metric names, the Prometheus endpoint and logging.
//!
//! Nothing here takes a value that depends on a share: names, sizes, counts and durations only. Label values come from
//! enums or from the bounded set of deployed models, so a process has a bounded number of series.

mod coordinator;
mod endpoint;
mod labels;
pub mod logging;
mod models;
pub mod names;
mod node;
mod peers;
mod pool;
pub mod process;
mod queue;
mod registry;

pub use coordinator::CoordinatorMetrics;
pub use endpoint::{MetricsServer, Readiness, TelemetryError, serve};
pub use labels::{Label, Outcome, Part, Phase, Pooled, PreparedEnd, StallCause, Traffic};
pub use models::{ModelMetrics, Models, PlanFacts};
pub use node::NodeMetrics;
pub use peers::PeerMetrics;
pub use pool::{NodePoolMetrics, PoolMetrics, PreparedMetrics};
pub use queue::QueueMetrics;
pub use registry::{BuildInfo, Process, Registry};
