//! Where the network's work is done: on the network thread, unless a compute thread waits for its outcome.
//!
//! QUIC's state machines run as tasks. By itself each message would wake three threads: the sender's network thread, the
//! receiver's, and the receiver's compute thread, and on one machine those wake-ups are most of a round. So a compute
//! thread that sends runs the tasks it has woken itself ([`task`]), and one that waits blocks on the socket itself and
//! runs what arrives, for all connections ([`gate`]); the network thread sleeps meanwhile. Whenever no compute thread
//! waits, the network thread does everything.

mod gate;
mod runtime;
mod sleeper;
mod socket;
mod task;

pub(crate) use runtime::NetworkRuntime;
pub(crate) use sleeper::Sleeper;
pub(crate) use task::TaskQueue;
