use std::time::Instant;

use bytes::Bytes;

use crate::stall::Arrival;
use crate::wait::{Afterwards, Interrupted, wait};
use crate::{Cancellation, FRAME_BYTES_MAX, FrameHeader, HEADER_BYTES, NetError, PeerName, Stream, StreamWriter};

/// Largest payload that a compute thread encrypts and sends itself. It takes some 20 us; with more, the network thread does it
/// while the compute thread goes on.
const SENT_INLINE_BYTES_MAX: usize = 64 << 10;

/// The frame link of one session with one peer, for a compute thread: sending and receiving block.
///
/// The thread works on the QUIC stream itself, without tasks or queues between: a frame it sends goes into the
/// connection's buffer by reference, and a frame it receives is copied once, from the packets. What is under way is
/// bounded by the stream's window; a sender that runs ahead of its reader waits.
///
/// **No deadlock when both ends send at once.** The parties exchange in turns: each sends one frame, then receives one.
/// When an end starts to send, the peer has read all its earlier frames but for at most the frames of one direction
/// that is never answered (dealing), which only flow from a party that does not wait for the receiver. In an exchange
/// the window is thus empty when a frame is sent, and it holds a whole frame
/// ([`crate::TransportSettings::STREAM_WINDOW_BYTES_MIN`]), so both sends end without either end reading. Streams do not
/// take window from each other, since the connection's window is the sum of theirs.
///
/// Dropping it before [`SessionStream::finish`] tells the peer that the session was given up.
#[derive(Debug)]
pub struct SessionStream {
    stream: Stream,
    frame_bytes_max: usize,
    deadline: Instant,
    cancellation: Cancellation,
}

impl SessionStream {
    pub(crate) fn new(
        stream: Stream,
        frame_bytes_max: usize,
        deadline: Instant,
        cancellation: Cancellation,
    ) -> SessionStream {
        SessionStream {
            stream,
            frame_bytes_max: frame_bytes_max.min(FRAME_BYTES_MAX),
            deadline,
            cancellation,
        }
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &PeerName {
        self.stream.peer()
    }

    /// Waits no longer than `deadline` from now on: that of a session which was begun before its query came.
    pub fn set_deadline(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }

    /// Sends a frame. Returns when the connection has taken it, not when it has arrived.
    ///
    /// # Errors
    /// [`NetError::OwnTooLarge`], [`NetError::Timeout`], [`NetError::Cancelled`], [`NetError::Abandoned`], or the
    /// connection is gone.
    pub fn send(&mut self, step: u32, sequence: u32, payload: Vec<u8>) -> Result<(), NetError> {
        if payload.len() > self.frame_bytes_max {
            return Err(NetError::OwnTooLarge {
                peer: self.stream.peer().clone(),
                bytes: payload.len() as u64,
                limit: self.frame_bytes_max as u64,
            });
        }
        let header = FrameHeader {
            step,
            sequence,
            length: payload.len() as u32,
        };
        let afterwards = if payload.len() <= SENT_INLINE_BYTES_MAX {
            Afterwards::Run
        } else {
            Afterwards::LeaveToNetworkThread
        };
        let mut chunks = [Bytes::copy_from_slice(&header.to_bytes()), Bytes::from(payload)];
        let Self {
            stream,
            deadline,
            cancellation,
            ..
        } = self;
        let peer = stream.peer().clone();
        let network = stream.connection.network();
        let written = wait(
            stream.writer.write_chunks(&mut chunks),
            network,
            afterwards,
            *deadline,
            cancellation,
        );
        outcome(written, peer)
    }

    /// Receives the next frame.
    ///
    /// # Errors
    /// [`NetError::TooLarge`], [`NetError::Timeout`], [`NetError::Cancelled`], [`NetError::Abandoned`], or the connection
    /// is gone. The session cannot go on after any of them.
    pub fn receive(&mut self) -> Result<(FrameHeader, Vec<u8>), NetError> {
        let Self {
            stream,
            frame_bytes_max,
            deadline,
            cancellation,
        } = self;
        let peer = stream.peer().clone();
        let (connection, reader) = (&stream.connection, &mut stream.reader);
        let frame = async {
            let asked = Instant::now();
            let mut header = [0; HEADER_BYTES];
            reader.read_exact(&mut header).await?;
            let waited = asked.elapsed();
            let header = FrameHeader::parse(header, *frame_bytes_max, &peer)?;
            let mut payload = Vec::with_capacity(header.length as usize);
            let pause = reader.read_into(&mut payload, header.length as usize).await?;
            connection.frame_arrived(Arrival { waited, pause });
            Ok((header, payload))
        };
        let received = wait(frame, connection.network(), Afterwards::Run, *deadline, cancellation);
        outcome(received, peer.clone())
    }

    /// Ends the session in good order: what was sent still arrives, for as long as the endpoint is open. The writer tells when it
    /// has ([`StreamWriter::stopped`]).
    pub fn finish(mut self) -> StreamWriter {
        self.stream.writer.finish();
        self.stream.writer
    }
}

fn outcome<T>(waited: Result<Result<T, NetError>, Interrupted>, peer: PeerName) -> Result<T, NetError> {
    match waited {
        Ok(outcome) => outcome,
        Err(Interrupted::Cancelled) => Err(NetError::Cancelled { peer }),
        Err(Interrupted::DeadlinePassed) => Err(NetError::Timeout { peer }),
    }
}
