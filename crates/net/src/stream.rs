use std::time::{Duration, Instant};

use bytes::Bytes;
use quinn::{ReadError, ReadExactError, RecvStream, SendStream, VarInt, WriteError};

use crate::connection::Origin;
use crate::{Cancellation, Connection, MESSAGE_RESERVE_BYTES, NetError, PeerName, SessionStream};

/// Bytes of the length before a message.
const LENGTH_BYTES: usize = 4;

/// Error code with which an end gives a stream up.
const ABANDONED: VarInt = VarInt::from_u32(1);

/// A two-way stream of messages. Dropping it unfinished tells the peer that it was given up.
#[derive(Debug)]
pub struct Stream {
    /// Towards the peer.
    pub writer: StreamWriter,
    /// From the peer.
    pub reader: StreamReader,
    pub(crate) connection: Connection,
}

/// The sending half of a stream.
#[derive(Debug)]
pub struct StreamWriter {
    inner: SendStream,
    /// Whether the end was announced; giving up after it would take back data under way.
    finished: bool,
    origin: Origin,
}

/// The receiving half of a stream.
#[derive(Debug)]
pub struct StreamReader {
    inner: RecvStream,
    origin: Origin,
}

impl Stream {
    pub(crate) fn new(send: SendStream, receive: RecvStream, connection: Connection) -> Stream {
        let origin = connection.origin();
        Stream {
            writer: StreamWriter {
                inner: send,
                finished: false,
                origin: origin.clone(),
            },
            reader: StreamReader { inner: receive, origin },
            connection,
        }
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &PeerName {
        &self.writer.origin.peer
    }

    /// Turns the stream, after the messages that opened the session, into the frame link of a compute thread. Both ends
    /// do so after the same message.
    ///
    /// Frames larger than `frame_bytes_max` are refused; waits end at `deadline` or with `cancellation`.
    pub fn into_session(self, frame_bytes_max: usize, deadline: Instant, cancellation: Cancellation) -> SessionStream {
        SessionStream::new(self, frame_bytes_max, deadline, cancellation)
    }
}

impl StreamWriter {
    /// Sends a message: its length, four bytes little-endian, then its bytes, which are not copied.
    ///
    /// Waits while the peer's window is full; the caller bounds the wait.
    ///
    /// # Errors
    /// [`NetError::OwnTooLarge`] before anything is sent; else the peer gave the stream up or the connection is gone.
    pub async fn write_message(&mut self, message: Vec<u8>, limit: usize) -> Result<(), NetError> {
        let length = message.len();
        let prefix = u32::try_from(length).ok().filter(|_| length <= limit);
        let prefix = prefix.ok_or_else(|| NetError::OwnTooLarge {
            peer: self.origin.peer.clone(),
            bytes: length as u64,
            limit: limit as u64,
        })?;
        let prefix = Bytes::copy_from_slice(&prefix.to_le_bytes());
        self.write_chunks(&mut [prefix, Bytes::from(message)]).await
    }

    /// Waits until the peer reads no further, be it that it has everything, gave the stream up, or is gone.
    pub async fn stopped(&self) {
        // Whichever it is, there is nothing left to send.
        let _ = self.inner.stopped().await;
    }

    /// Sends buffers one after another without copying them.
    pub(crate) async fn write_chunks(&mut self, chunks: &mut [Bytes]) -> Result<(), NetError> {
        let written = self.inner.write_all_chunks(chunks).await;
        written.map_err(|error| self.error(error))
    }

    /// Says that nothing more follows. What was written still arrives.
    pub fn finish(&mut self) {
        self.finished = true;
        // Fails only if the stream was given up: then there is nothing to say.
        let _ = self.inner.finish();
    }

    /// Tells the peer that the rest will not come. Without effect on a finished stream.
    pub fn abandon(&mut self) {
        if !self.finished {
            // Fails only if the stream was already given up.
            let _ = self.inner.reset(ABANDONED);
        }
    }

    fn error(&self, error: WriteError) -> NetError {
        match error {
            WriteError::ConnectionLost(error) => self.origin.connection_error(error),
            WriteError::Stopped(_) | WriteError::ClosedStream | WriteError::ZeroRttRejected => NetError::Abandoned {
                peer: self.origin.peer.clone(),
            },
        }
    }
}

impl StreamReader {
    /// Receives a message of at most `limit` bytes; `None` if the peer finished the stream instead.
    ///
    /// The caller bounds the wait. It must not read on after it gave up waiting: part of the message is lost then.
    ///
    /// # Errors
    /// [`NetError::TooLarge`] before anything is allocated, [`NetError::Abandoned`] if the stream ends within it; else the
    /// connection is gone.
    pub async fn next_message(&mut self, limit: usize) -> Result<Option<Vec<u8>>, NetError> {
        let mut prefix = [0; LENGTH_BYTES];
        match self.inner.read_exact(&mut prefix).await {
            Ok(()) => {}
            Err(ReadExactError::FinishedEarly(0)) => return Ok(None),
            Err(error) => return Err(self.exact_error(error)),
        }
        let length = u32::from_le_bytes(prefix) as usize;
        if length > limit {
            return Err(NetError::TooLarge {
                peer: self.origin.peer.clone(),
                bytes: length as u64,
                limit: limit as u64,
            });
        }
        let mut message = Vec::with_capacity(length.min(MESSAGE_RESERVE_BYTES));
        self.read_into(&mut message, length).await?;
        Ok(Some(message))
    }

    /// Like [`StreamReader::next_message`] where the peer owes one.
    ///
    /// # Errors
    /// As there, and [`NetError::Abandoned`] if the peer finished the stream.
    pub async fn read_message(&mut self, limit: usize) -> Result<Vec<u8>, NetError> {
        self.next_message(limit).await?.ok_or_else(|| NetError::Abandoned {
            peer: self.origin.peer.clone(),
        })
    }

    pub(crate) async fn read_exact(&mut self, buffer: &mut [u8]) -> Result<(), NetError> {
        let read = self.inner.read_exact(buffer).await;
        read.map_err(|error| self.exact_error(error))
    }

    /// Appends the next `length` bytes, copying each once from the packet it came in. Gives the longest time that one of
    /// their parts was waited for.
    pub(crate) async fn read_into(&mut self, buffer: &mut Vec<u8>, length: usize) -> Result<Duration, NetError> {
        let end = buffer.len() + length;
        let mut longest = Duration::ZERO;
        let mut since = Instant::now();
        while buffer.len() < end {
            match self.inner.read_chunk(end - buffer.len(), true).await {
                Ok(Some(chunk)) => {
                    let now = Instant::now();
                    longest = longest.max(now - since);
                    since = now;
                    buffer.extend_from_slice(&chunk.bytes);
                }
                Ok(None) => {
                    return Err(NetError::Abandoned {
                        peer: self.origin.peer.clone(),
                    });
                }
                Err(error) => return Err(self.error(error)),
            }
        }
        Ok(longest)
    }

    /// Tells the peer that nothing more will be read.
    pub fn abandon(&mut self) {
        // Fails only if the stream has already ended.
        let _ = self.inner.stop(ABANDONED);
    }

    fn exact_error(&self, error: ReadExactError) -> NetError {
        match error {
            ReadExactError::FinishedEarly(_) => NetError::Abandoned {
                peer: self.origin.peer.clone(),
            },
            ReadExactError::ReadError(error) => self.error(error),
        }
    }

    fn error(&self, error: ReadError) -> NetError {
        match error {
            ReadError::ConnectionLost(error) => self.origin.connection_error(error),
            _ => NetError::Abandoned {
                peer: self.origin.peer.clone(),
            },
        }
    }
}

impl Drop for StreamWriter {
    fn drop(&mut self) {
        // Without this an unfinished stream would end as if all had been said.
        self.abandon();
    }
}
