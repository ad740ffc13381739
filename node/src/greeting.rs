//! The start of a session between two nodes: one stream, and a greeting each way.

use actix::Addr;
use rand::TryRng;
use rand::rngs::SysRng;
use tercet_engine::PairSecret;
use tercet_ids::{Nonce, PartyId, SessionId};
use tercet_net::{Connection, NetError, Stream, StreamWriter};
use tercet_wire::{CONTROL_MESSAGE_BYTES_MAX, Hello, Standing, decode, encode};

use crate::agreement::agree;
use crate::failure::SessionError;
use crate::messages::{AwaitStream, Incoming, Reach};
use crate::peers::Peers;

/// What a session and its peers have agreed on.
pub struct Meeting {
    /// One nonce of each party, by party index.
    pub nonces: [Nonce; 3],
    /// The streams to the peers, in index order.
    pub peers: [Met; 2],
}

impl Meeting {
    /// Leaves the peers in good order. What was sent still arrives, as the writers tell.
    pub fn end(self) -> Vec<StreamWriter> {
        let end = |met: Met| {
            let mut writer = met.stream.writer;
            writer.finish();
            writer
        };
        self.peers.into_iter().map(end).collect()
    }
}

/// A peer that runs the same session.
pub struct Met {
    /// Which.
    pub peer: PartyId,
    /// The stream, past the greetings.
    pub stream: Stream,
    /// What the pair has in common in this session's connection.
    pub secret: PairSecret,
    /// How the queries stand with it.
    pub standings: Vec<Standing>,
    nonce: Nonce,
}

/// Separates this use of a connection's secret from any other.
const PAIR_SECRET_CONTEXT: &[u8] = b"session keys";

/// Greets both peers at once. One round-trip; the caller bounds the wait.
///
/// # Errors
/// Names the peer that is missing, can't be understood, or would run something else.
pub async fn greet_both(hello: &Hello, peers: &Addr<Peers>, me: PartyId) -> Result<Meeting, SessionError> {
    let [first, second] = me.peers();
    let (mut from_first, mut from_second) =
        tokio::try_join!(exchange(first, hello, peers, me), exchange(second, hello, peers, me))?;
    // Not before both were greeted, and with an orderly end: a peer that does not hear why would only see a lost session.
    let agreed = agree(first, hello, &from_first.hello).and_then(|()| agree(second, hello, &from_second.hello));
    if let Err(disagreement) = agreed {
        from_first.stream.writer.finish();
        from_second.stream.writer.finish();
        return Err(disagreement.into());
    }
    let (first, second) = (meet(first, from_first)?, meet(second, from_second)?);
    let mut nonces = [hello.nonce; 3];
    for met in [&first, &second] {
        nonces[met.peer.index()] = met.nonce;
    }
    Ok(Meeting {
        nonces,
        peers: [first, second],
    })
}

/// This party's contribution to the freshness of a session's keys.
///
/// # Errors
/// The operating system gives no randomness.
pub fn fresh_nonce(party: PartyId) -> Result<Nonce, SessionError> {
    let mut nonce = Nonce([0; 32]);
    SysRng.try_fill_bytes(&mut nonce.0).map_err(|_| SessionError::Defect {
        party,
        what: "the operating system gives no randomness",
    })?;
    Ok(nonce)
}

/// A peer that runs the same session.
fn meet(peer: PartyId, incoming: Incoming) -> Result<Met, SessionError> {
    let secret = incoming.connection.export_secret(PAIR_SECRET_CONTEXT);
    let secret = secret.map_err(|error| SessionError::Net { peer, error })?;
    Ok(Met {
        peer,
        stream: incoming.stream,
        secret: PairSecret::new(*secret),
        standings: incoming.hello.queries,
        nonce: incoming.hello.nonce,
    })
}

/// Greets a peer, and hears its greeting.
async fn exchange(peer: PartyId, ours: &Hello, peers: &Addr<Peers>, me: PartyId) -> Result<Incoming, SessionError> {
    if me.index() < peer.index() {
        return open(peer, ours, peers, me).await;
    }
    let mut incoming = accept(peer, ours.session, peers, me).await?;
    let sent = send(&mut incoming.stream, ours).await;
    sent.map_err(|error| SessionError::Net { peer, error })?;
    Ok(incoming)
}

async fn open(peer: PartyId, ours: &Hello, peers: &Addr<Peers>, me: PartyId) -> Result<Incoming, SessionError> {
    let net = |error| SessionError::Net { peer, error };
    let connection: Connection = peers
        .send(Reach(peer))
        .await
        .map_err(|_| SessionError::Stopping(me))??;
    let mut stream = connection.open_stream().await.map_err(net)?;
    send(&mut stream, ours).await.map_err(net)?;
    let bytes = match stream.reader.read_message(CONTROL_MESSAGE_BYTES_MAX).await {
        Ok(bytes) => bytes,
        // It closed the stream without a word: it has no such session, or has given it up.
        Err(NetError::Abandoned { .. }) => return Err(SessionError::Absent(peer)),
        Err(error) => return Err(net(error)),
    };
    let hello = decode(&bytes).map_err(|error| SessionError::Greeting { peer, error })?;
    Ok(Incoming {
        stream,
        hello,
        connection,
    })
}

async fn accept(peer: PartyId, session: SessionId, peers: &Addr<Peers>, me: PartyId) -> Result<Incoming, SessionError> {
    let arrives = peers
        .send(AwaitStream { party: peer, session })
        .await
        .map_err(|_| SessionError::Stopping(me))??;
    arrives.await.map_err(|_| SessionError::Absent(peer))
}

async fn send(stream: &mut Stream, hello: &Hello) -> Result<(), NetError> {
    stream
        .writer
        .write_message(encode(hello), CONTROL_MESSAGE_BYTES_MAX)
        .await
}
