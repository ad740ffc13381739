//! Two endpoints on loopback that know each other as the cloud and the auditor.

use std::net::{Ipv4Addr, SocketAddr};

use tercet_ids::PartyId;
use tercet_net::{Connection, Endpoint, Identity, Listener, Peer, PeerName, Stream, TransportSettings, TrustedPeers};

pub fn any_port() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

pub fn peer(party: PartyId, identity: &Identity) -> Peer {
    Peer {
        name: PeerName::Party(party),
        fingerprint: identity.fingerprint(),
    }
}

pub fn identity(name: &str) -> Identity {
    Identity::generate(name).expect("the system has randomness")
}

/// An endpoint that trusts `trusted`.
pub fn listen(identity: &Identity, trusted: &[Peer]) -> (Endpoint, Listener) {
    let trusted = TrustedPeers::new(trusted.iter().cloned()).expect("distinct certificates");
    Endpoint::bind(any_port(), identity.clone(), trusted, TransportSettings::loopback()).expect("loopback binds")
}

/// A connection from the cloud to the auditor, with the endpoints that keep it alive.
pub struct Pair {
    pub cloud: Connection,
    pub auditor: Connection,
    pub endpoints: [Endpoint; 2],
}

impl Pair {
    pub async fn connect() -> Pair {
        let (cloud, auditor) = (identity("cloud"), identity("auditor"));
        let cloud_peer = peer(PartyId::Cloud, &cloud);
        let auditor_peer = peer(PartyId::Auditor, &auditor);
        let (cloud_end, _) = listen(&cloud, std::slice::from_ref(&auditor_peer));
        let (auditor_end, mut auditor_listener) = listen(&auditor, std::slice::from_ref(&cloud_peer));
        let address = auditor_end.local_address().expect("bound");
        let dialled = cloud_end.connect(address, &auditor_peer).await.expect("trusted");
        let accepted = auditor_listener.accept().await.expect("the endpoint is open");
        assert_eq!(accepted.peer(), &cloud_peer);
        Pair {
            cloud: dialled,
            auditor: accepted,
            endpoints: [cloud_end, auditor_end],
        }
    }

    /// A stream seen from both ends. The dialler's `hello` makes it visible to the acceptor.
    pub async fn stream(&self) -> (Stream, Stream) {
        let mut here = self.cloud.open_stream().await.expect("the connection is up");
        here.writer.write_message(vec![0], 1).await.expect("one byte");
        let mut there = self.auditor.accept_stream().await.expect("the connection is up");
        assert_eq!(there.reader.read_message(1).await, Ok(vec![0]));
        (here, there)
    }
}
