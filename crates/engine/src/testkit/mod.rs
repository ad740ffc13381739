//! Three parties in one process, for tests: links in memory, faults on the wire, and a seeded world that runs protocols and plans.

mod interceptor;
mod memory_link;
mod world;

pub use interceptor::{Fault, Interceptor, Transcript, tap};
pub use memory_link::MemoryLink;
pub use world::{ProtocolRun, World};
