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

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const MOMENT: Duration = Duration::from_millis(50);

    fn socket() -> (Arc<GatedSocket>, UdpSocket) {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
        let sender = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
        sender.connect(socket.local_addr().expect("bound")).expect("an address");
        let socket = GatedSocket::new(socket, Handle::current()).expect("watched");
        (Arc::new(socket), sender)
    }

    async fn receive(socket: &GatedSocket) -> usize {
        let mut bytes = vec![0; TRAIN_BYTES_MAX];
        let mut meta = [RecvMeta::default()];
        let received = poll_fn(|context| {
            let mut buffers = [IoSliceMut::new(&mut bytes)];
            socket.poll_recv(context, &mut buffers, &mut meta)
        });
        received.await.expect("no error");
        meta[0].len
    }

    #[tokio::test]
    async fn the_runtime_is_told_of_packets_unless_a_thread_leads() {
        let (socket, sender) = socket();
        assert!(timeout(MOMENT, receive(&socket)).await.is_err(), "there are none");
        sender.send(&[1; 3]).expect("sent");
        assert_eq!(timeout(MOMENT, receive(&socket)).await, Ok(3));
        // Late packets wake a task that waits already, too.
        let waiting = tokio::spawn({
            let socket = socket.clone();
            async move { receive(&socket).await }
        });
        tokio::time::sleep(MOMENT / 5).await;
        let lead = Lead::take(socket.clone()).expect("nobody leads");
        assert!(Lead::take(socket.clone()).is_none());
        sender.send(&[1; 4]).expect("sent");
        tokio::time::sleep(MOMENT).await;
        assert!(!waiting.is_finished(), "the leader is to take it");
        drop(lead);
        assert_eq!(timeout(MOMENT * 20, waiting).await.expect("told").expect("no panic"), 4);
        assert!(Lead::take(socket).is_some());
    }

    #[tokio::test]
    async fn a_sender_waits_for_room_only_after_there_was_none() {
        let (socket, _sender) = socket();
        let mut room = socket.clone().create_io_poller();
        let mut waits = async || timeout(MOMENT * 20, poll_fn(|context| room.as_mut().poll_writable(context))).await;
        waits().await.expect("room").expect("no error");
        socket.full.store(true, Ordering::SeqCst);
        waits().await.expect("room again").expect("no error");
        assert!(!socket.full.load(Ordering::SeqCst));
    }
}
