//! Who is told of packets: the network thread's runtime, or a thread that waits on the socket itself.
//!
//! The runtime watches an epoll instance in which the socket is the only entry, and a thread that leads takes the entry's
//! interest out for as long.

use std::io;
use std::net::UdpSocket;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use rustix::event::epoll;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

const SOCKET: epoll::EventData = epoll::EventData::new_u64(0);

/// Tells the runtime of packets on a socket while nobody leads.
#[derive(Debug)]
pub(crate) struct Gate {
    socket: Arc<UdpSocket>,
    watched: AsyncFd<OwnedFd>,
    led: AtomicBool,
}

impl Gate {
    /// Has to be made within the runtime.
    pub fn new(socket: Arc<UdpSocket>) -> io::Result<Gate> {
        let entry = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&entry, &socket, SOCKET, epoll::EventFlags::IN)?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe for types that may not own what they name; this one does"
        )]
        let watched = AsyncFd::with_interest(entry, Interest::READABLE)?;
        Ok(Gate {
            socket,
            watched,
            led: AtomicBool::new(false),
        })
    }

    /// Closes the gate: from now on the caller waits for packets itself. Says whether it may; another thread may already.
    pub fn close(&self) -> bool {
        let closed = !self.led.swap(true, Ordering::SeqCst);
        if closed {
            self.watch(epoll::EventFlags::empty());
        }
        closed
    }

    /// Opens it again. The runtime is told of packets that wait already.
    pub fn open(&self) {
        self.watch(epoll::EventFlags::IN);
        self.led.store(false, Ordering::SeqCst);
    }

    fn watch(&self, events: epoll::EventFlags) {
        // It cannot fail on an entry that exists.
        let _ = epoll::modify(self.watched.get_ref(), &self.socket, SOCKET, events);
    }

    /// Has the runtime run `context`'s task when there are packets, unless `attempt` finds some now.
    pub fn poll_packets(
        &self,
        context: &mut Context<'_>,
        mut attempt: impl FnMut() -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            match attempt() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => return Poll::Ready(outcome),
            }
            // Old news; waits are over once the socket was found empty after the last of them.
            ready!(self.watched.poll_read_ready(context))?.clear_ready();
        }
    }
}
