use std::fmt;
use std::io::{self, ErrorKind, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use quinn::udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use quinn::{AsyncUdpSocket, UdpPoller};
use tokio::runtime::Handle;

use super::gate::Gate;
use crate::MTU_MAX;

/// Bytes that one receive returns at most: a UDP datagram's, or those of several that the kernel has joined.
const TRAIN_BYTES_MAX: usize = 64 << 10;

/// A UDP socket that any thread may use, and that the runtime watches only where it has to.
#[derive(Debug)]
pub(crate) struct GatedSocket {
    socket: Arc<UdpSocket>,
    state: UdpSocketState,
    gate: Gate,
    /// Whether the last send found no room.
    full: AtomicBool,
    runtime: Handle,
}

impl GatedSocket {
    pub fn new(socket: UdpSocket, runtime: Handle) -> io::Result<GatedSocket> {
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        let socket = Arc::new(socket);
        let _within = runtime.enter();
        let gate = Gate::new(socket.clone())?;
        Ok(GatedSocket {
            socket,
            state,
            gate,
            full: AtomicBool::new(false),
            runtime: runtime.clone(),
        })
    }
}

/// The right to wait for packets, and the duty to run the endpoint's task when they come. Ends when dropped.
pub(crate) struct Lead(Arc<GatedSocket>);

impl Lead {
    /// `None` if another thread has it.
    pub fn take(socket: Arc<GatedSocket>) -> Option<Lead> {
        socket.gate.close().then(|| Lead(socket))
    }

    /// What to wait on.
    pub fn socket(&self) -> &UdpSocket {
        &self.0.socket
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.0.gate.open();
    }
}

impl AsyncUdpSocket for GatedSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Room {
            socket: self,
            watched: None,
        })
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let sent = self.state.send(UdpSockRef::from(&self.socket), transmit);
        if let Err(error) = &sent
            && error.kind() == ErrorKind::WouldBlock
        {
            self.full.store(true, Ordering::SeqCst);
        }
        sent
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let receive = || self.state.recv(UdpSockRef::from(&self.socket), buffers, meta);
        self.gate.poll_packets(context, receive)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn may_fragment(&self) -> bool {
        self.state.may_fragment()
    }

    fn max_transmit_segments(&self) -> usize {
        self.state.max_gso_segments()
    }

    fn max_receive_segments(&self) -> usize {
        // The kernel joins no more than this holds, and more would only make the endpoint's buffers larger.
        self.state
            .gro_segments()
            .min(TRAIN_BYTES_MAX.div_ceil(usize::from(MTU_MAX)))
    }
}

/// Waits for room to send. The runtime watches for it only while there is none: on loopback every packet that its receiver
/// takes would wake the sender otherwise.
struct Room {
    socket: Arc<GatedSocket>,
    watched: Option<tokio::net::UdpSocket>,
}

impl UdpPoller for Room {
    fn poll_writable(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.watched.is_none() {
            if !self.socket.full.load(Ordering::SeqCst) {
                return Poll::Ready(Ok(()));
            }
            let _within = self.socket.runtime.enter();
            let another = self.socket.socket.try_clone()?;
            self.watched = Some(tokio::net::UdpSocket::from_std(another)?);
        }
        if let Some(watched) = &self.watched {
            ready!(watched.poll_send_ready(context))?;
        }
        self.watched = None;
        self.socket.full.store(false, Ordering::SeqCst);
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Room")
    }
}
