//! Three parties in one process, for tests: links in memory, faults on the wire, and a seeded world that runs protocols and plans.

mod cases;
mod interceptor;
mod memory_link;
mod session_run;
mod world;

pub use cases::{Case, cases};
pub use interceptor::{Fault, Interceptor, Transcript, tap};
pub use memory_link::MemoryLink;
pub use session_run::SessionRun;
pub use world::{ProtocolRun, World};
