use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};

use quinn_udp::{BATCH_SIZE, EcnCodepoint, RecvMeta, Transmit, UdpSockRef, UdpSocketState};

/// Size asked for a socket's buffers; the kernel may grant less. What overflows them is lost before the emulated path
/// begins, so they have to outlast the relay's wait for a core.
const SOCKET_BUFFER_BYTES: usize = 4 << 20;

/// Largest datagram, or train of datagrams, that one receive returns.
const TRAIN_BYTES_MAX: usize = 64 << 10;

/// A UDP socket that sends and receives trains of equally long datagrams in one call.
pub(crate) struct Socket {
    inner: UdpSocket,
    state: UdpSocketState,
}

/// One received datagram.
pub(crate) struct Datagram<'a> {
    pub from: SocketAddr,
    pub congestion: Option<EcnCodepoint>,
    pub payload: &'a [u8],
}

impl Socket {
    pub fn bind(address: SocketAddr) -> io::Result<Socket> {
        let inner = UdpSocket::bind(address)?;
        let state = UdpSocketState::new(UdpSockRef::from(&inner))?;
        let buffers = socket2::SockRef::from(&inner);
        // A smaller buffer works too, so a refusal is no error.
        let _ = buffers.set_recv_buffer_size(SOCKET_BUFFER_BYTES);
        let _ = buffers.set_send_buffer_size(SOCKET_BUFFER_BYTES);
        Ok(Socket { inner, state })
    }

    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    /// What the operating system watches.
    pub fn descriptor(&self) -> &UdpSocket {
        &self.inner
    }

    /// Datagrams that one send takes at most.
    pub fn train_length_max(&self) -> usize {
        self.state.max_gso_segments()
    }

    /// Sends a train: datagrams of `length` bytes one after another, of which only the last may be shorter. A train that
    /// the socket does not take is lost, as packets may be.
    pub fn send(&self, to: SocketAddr, congestion: Option<EcnCodepoint>, train: &[u8], length: usize) {
        let transmit = Transmit {
            destination: to,
            ecn: congestion,
            contents: train,
            segment_size: (train.len() > length).then_some(length),
            src_ip: None,
        };
        let _ = self.state.send(UdpSockRef::from(&self.inner), &transmit);
    }

    /// Gives `take` what has come, at most [`BATCH_SIZE`] trains, so that other sockets have their turn.
    pub fn receive(&self, buffers: &mut ReceiveBuffers, mut take: impl FnMut(Datagram<'_>)) {
        let mut slices: Vec<IoSliceMut<'_>> = buffers.trains.iter_mut().map(|train| IoSliceMut::new(train)).collect();
        let socket = UdpSockRef::from(&self.inner);
        // An error means that nothing is there, or is news of an earlier packet that found nobody.
        let count = self.state.recv(socket, &mut slices, &mut buffers.meta).unwrap_or(0);
        for (train, meta) in buffers.trains.iter().zip(&buffers.meta).take(count) {
            for payload in train[..meta.len].chunks(meta.stride.max(1)) {
                take(Datagram {
                    from: meta.addr,
                    congestion: meta.ecn,
                    payload,
                });
            }
        }
    }
}

/// Where trains are received into.
pub(crate) struct ReceiveBuffers {
    trains: Vec<Box<[u8]>>,
    meta: Vec<RecvMeta>,
}

impl ReceiveBuffers {
    pub fn new() -> ReceiveBuffers {
        let train = || vec![0; TRAIN_BYTES_MAX].into_boxed_slice();
        ReceiveBuffers {
            trains: (0..BATCH_SIZE).map(|_| train()).collect(),
            meta: vec![RecvMeta::default(); BATCH_SIZE],
        }
    }
}
