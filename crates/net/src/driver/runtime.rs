use std::future::Future;
use std::io;
use std::net::UdpSocket;
use std::pin::Pin;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

use quinn::{AsyncTimer, AsyncUdpSocket, Runtime};
use tokio::runtime::Handle;

use super::socket::{GatedSocket, Lead};
use super::task::Task;

/// The runtime of one endpoint.
#[derive(Debug)]
pub(crate) struct NetworkRuntime {
    /// The network thread's.
    runtime: Handle,
    /// The runtime keeps neither open: connections outlive their endpoint, and with them the runtime.
    socket: OnceLock<Weak<GatedSocket>>,
    /// The endpoint's task, which takes packets from the socket.
    endpoint: OnceLock<Weak<Task>>,
}

impl NetworkRuntime {
    /// One whose network thread is that of the current runtime.
    pub fn current() -> Arc<NetworkRuntime> {
        Arc::new(NetworkRuntime {
            runtime: Handle::current(),
            socket: OnceLock::new(),
            endpoint: OnceLock::new(),
        })
    }

    /// The right to wait for packets; `None` if another thread does.
    pub fn lead(&self) -> Option<Lead> {
        Lead::take(self.socket.get()?.upgrade()?)
    }

    /// Takes the packets that wait, on this thread.
    pub fn take_packets(&self) {
        if let Some(endpoint) = self.endpoint.get().and_then(Weak::upgrade) {
            endpoint.run();
        }
    }
}

impl Runtime for NetworkRuntime {
    fn new_timer(&self, at: Instant) -> Pin<Box<dyn AsyncTimer>> {
        let _within = self.runtime.enter();
        quinn::TokioRuntime.new_timer(at)
    }

    fn spawn(&self, work: Pin<Box<dyn Future<Output = ()> + Send>>) {
        let task = Task::new(work);
        // An endpoint spawns its own task before those of its connections.
        self.endpoint.get_or_init(|| Arc::downgrade(&task));
        self.runtime.spawn(task.on_network_thread());
    }

    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let socket = Arc::new(GatedSocket::new(socket, self.runtime.clone())?);
        self.socket.get_or_init(|| Arc::downgrade(&socket));
        Ok(socket)
    }
}
