use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

use quinn::crypto::{CryptoError, HmacKey};
use quinn::{ClientConfig, ConnectError, ConnectionError, Incoming, ServerConfig, TransportConfig};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use crate::connection::{GREETING, NAMELESS_SERVER};
use crate::driver::NetworkRuntime;
use crate::handshake::{client_config, server_config};
use crate::{
    ACCEPTED_MAX, CONNECTIONS_MAX, CloseReason, Connection, Fingerprint, HANDSHAKE_TIME_MAX, HANDSHAKES_MAX, Identity,
    LossReason, NetError, Peer, SOCKET_BUFFER_BYTES, TransportSettings, TrustedPeers,
};

/// A UDP socket with an identity, from which peers are dialled. A clone is another handle to the same one.
///
/// It has to be made within a tokio runtime, whose thread then drives every connection. Give it a runtime thread that
/// never computes: a thread that is busy for long stops the acknowledgements of all its peers.
#[derive(Clone, Debug)]
pub struct Endpoint {
    inner: quinn::Endpoint,
    runtime: Arc<NetworkRuntime>,
    identity: Identity,
    settings: Arc<TransportSettings>,
    transport: Arc<TransportConfig>,
}

/// Where accepted connections come out. Dropping it stops accepting; open connections live on.
#[derive(Debug)]
pub struct Listener {
    accepted: mpsc::Receiver<Connection>,
}

impl Listener {
    /// The next caller that has proved to be one of the trusted peers; `None` once the endpoint is closed.
    pub async fn accept(&mut self) -> Option<Connection> {
        self.accepted.recv().await
    }
}

impl Endpoint {
    /// Listens on `address` for `trusted` peers.
    ///
    /// # Errors
    /// [`NetError::Bind`], [`NetError::Transport`].
    pub fn bind(
        address: SocketAddr,
        identity: Identity,
        trusted: TrustedPeers,
        settings: TransportSettings,
    ) -> Result<(Endpoint, Listener), NetError> {
        let endpoint = Endpoint::open(address, identity, settings)?;
        let crypto = server_config(&endpoint.identity, trusted.clone()).map_err(|error| NetError::Bind {
            address,
            reason: error.to_string(),
        })?;
        let mut server = ServerConfig::with_crypto(crypto);
        server
            .transport_config(endpoint.transport.clone())
            .max_incoming(HANDSHAKES_MAX);
        endpoint.inner.set_server_config(Some(server));
        let (sender, accepted) = mpsc::channel(ACCEPTED_MAX);
        tokio::spawn(accept_callers(endpoint.clone(), trusted, sender));
        Ok((endpoint, Listener { accepted }))
    }

    /// An endpoint that only dials, from any free port, towards addresses of `remote`'s family.
    ///
    /// # Errors
    /// [`NetError::Bind`], [`NetError::Transport`].
    pub fn dial_only(
        remote: SocketAddr,
        identity: Identity,
        settings: TransportSettings,
    ) -> Result<Endpoint, NetError> {
        let local = match remote.ip() {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        Endpoint::open(SocketAddr::new(local, 0), identity, settings)
    }

    fn open(address: SocketAddr, identity: Identity, settings: TransportSettings) -> Result<Endpoint, NetError> {
        settings.validate()?;
        let failed = |error: std::io::Error| NetError::Bind {
            address,
            reason: error.to_string(),
        };
        let socket = UdpSocket::bind(address).map_err(failed)?;
        // A dealer's burst must not overflow the socket while its reader waits for a core. The kernel's own limit may be
        // lower, and a smaller buffer works too, so a refusal is no error.
        let buffers = socket2::SockRef::from(&socket);
        let _ = buffers.set_recv_buffer_size(SOCKET_BUFFER_BYTES);
        let _ = buffers.set_send_buffer_size(SOCKET_BUFFER_BYTES);
        let reset_key = Arc::new(ResetKey(identity.derive_key("tercet 2026 stateless reset")));
        let config = TransportSettings::endpoint_config(reset_key);
        let runtime = NetworkRuntime::current();
        let inner = quinn::Endpoint::new(config, None, socket, runtime.clone()).map_err(failed)?;
        Ok(Endpoint {
            inner,
            runtime,
            identity,
            transport: settings.transport_config(),
            settings: Arc::new(settings),
        })
    }

    /// The address that peers dial.
    ///
    /// # Errors
    /// [`NetError::Bind`] if the operating system does not tell.
    pub fn local_address(&self) -> Result<SocketAddr, NetError> {
        self.inner.local_addr().map_err(|error| NetError::Bind {
            address: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
            reason: error.to_string(),
        })
    }

    /// This end's own certificate fingerprint.
    pub fn fingerprint(&self) -> Fingerprint {
        self.identity.fingerprint()
    }

    /// Dials `peer` and returns when both ends have accepted each other.
    ///
    /// Takes one round trip of TLS and half a one for the acceptor's greeting: in TLS 1.3 the dialling side finishes first
    /// and would otherwise learn only later that it was refused.
    ///
    /// # Errors
    /// [`NetError::Unreachable`], [`NetError::WrongIdentity`], [`NetError::Refused`], [`NetError::Closed`].
    pub async fn connect(&self, address: SocketAddr, peer: &Peer) -> Result<Connection, NetError> {
        let unreachable = || NetError::Unreachable {
            peer: peer.name.clone(),
            address,
        };
        let (crypto, verifier) =
            client_config(&self.identity, peer.fingerprint).map_err(|error| NetError::PeerLost {
                peer: peer.name.clone(),
                reason: LossReason::Transport(error.to_string()),
            })?;
        let mut config = ClientConfig::new(crypto);
        config.transport_config(self.transport.clone());
        let connecting = self
            .inner
            .connect_with(config, address, NAMELESS_SERVER)
            .map_err(|error| match error {
                ConnectError::EndpointStopping => NetError::Closed {
                    peer: peer.name.clone(),
                },
                _ => unreachable(),
            })?;
        let handshake = async {
            let connection = connecting.await?;
            let mut greeting = connection.accept_uni().await?;
            match greeting.read_to_end(GREETING.len()).await {
                Ok(bytes) if bytes == GREETING => Ok(connection),
                // The stream ends early only if the connection does.
                _ => Err(connection.close_reason().unwrap_or(ConnectionError::VersionMismatch)),
            }
        };
        let outcome = timeout(HANDSHAKE_TIME_MAX, handshake)
            .await
            .map_err(|_| unreachable())?;
        let connection = outcome.map_err(|error| {
            if let Some(presented) = verifier.refused() {
                return NetError::WrongIdentity {
                    peer: peer.name.clone(),
                    address,
                    presented,
                    expected: peer.fingerprint,
                };
            }
            match error {
                ConnectionError::TimedOut => unreachable(),
                ConnectionError::LocallyClosed => NetError::Closed {
                    peer: peer.name.clone(),
                },
                error => NetError::Refused {
                    peer: peer.name.clone(),
                    address,
                    reason: error.to_string(),
                },
            }
        })?;
        Ok(self.connection(connection, peer.clone()))
    }

    fn connection(&self, inner: quinn::Connection, peer: Peer) -> Connection {
        Connection::new(inner, peer, self.settings.idle, self.runtime.clone())
    }

    /// Closes every connection, telling the peers why, and accepts no more.
    pub fn close(&self, reason: CloseReason) {
        self.inner.close(reason.code(), reason.to_string().as_bytes());
    }

    /// Waits until the peers have been told of the closing.
    pub async fn wait_idle(&self) {
        self.inner.wait_idle().await;
    }
}

/// Takes handshakes in hand, so that a slow caller holds up nobody else.
async fn accept_callers(endpoint: Endpoint, trusted: TrustedPeers, accepted: mpsc::Sender<Connection>) {
    let permits = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    loop {
        let incoming = tokio::select! {
            incoming = endpoint.inner.accept() => match incoming {
                Some(incoming) => incoming,
                None => return,
            },
            () = accepted.closed() => {
                endpoint.inner.set_server_config(None);
                return;
            }
        };
        let permit = permits.clone().try_acquire_owned();
        let (Ok(permit), true) = (permit, endpoint.inner.open_connections() < CONNECTIONS_MAX) else {
            incoming.refuse();
            continue;
        };
        let (endpoint, trusted, accepted) = (endpoint.clone(), trusted.clone(), accepted.clone());
        tokio::spawn(async move {
            let address = incoming.remote_address();
            match timeout(HANDSHAKE_TIME_MAX, greet(&endpoint, &trusted, incoming)).await {
                // A full queue means the owner does not accept; the permit is held meanwhile, so callers are refused.
                Ok(Ok(connection)) => drop(accepted.send(connection).await),
                Ok(Err(error)) => tracing::warn!(%address, %error, "a caller's handshake failed"),
                Err(_) => tracing::warn!(%address, "a caller's handshake took too long"),
            }
            drop(permit);
        });
    }
}

async fn greet(endpoint: &Endpoint, trusted: &TrustedPeers, incoming: Incoming) -> Result<Connection, ConnectionError> {
    let connection = incoming.accept()?.await?;
    let certificate = connection
        .peer_identity()
        .and_then(|identity| {
            identity
                .downcast::<Vec<rustls::pki_types::CertificateDer<'static>>>()
                .ok()
        })
        .and_then(|chain| {
            chain
                .first()
                .map(|certificate| Fingerprint::of_certificate(certificate))
        });
    // The handshake has verified it; a caller without a name could only come from a fault of this end.
    let Some(peer) = certificate.and_then(|fingerprint| trusted.peer(fingerprint)) else {
        connection.close(CloseReason::Misbehaved.code(), b"no identity");
        return Err(ConnectionError::LocallyClosed);
    };
    let mut greeting = connection.open_uni().await?;
    if greeting.write_all(GREETING).await.is_ok() {
        // Finishing fails only on a stream that was reset, which the caller will see as a refusal.
        let _ = greeting.finish();
    }
    Ok(endpoint.connection(connection, peer))
}

/// Signs stateless resets: after a restart an endpoint can tell its former peers at once that their connections are
/// dead, in place of leaving them to the idle time.
struct ResetKey([u8; 32]);

impl ResetKey {
    const SIGNATURE_BYTES: usize = 32;
}

impl HmacKey for ResetKey {
    fn sign(&self, data: &[u8], signature_out: &mut [u8]) {
        signature_out.copy_from_slice(blake3::keyed_hash(&self.0, data).as_bytes());
    }

    fn signature_len(&self) -> usize {
        Self::SIGNATURE_BYTES
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        // `blake3::Hash` compares in constant time.
        let signature: [u8; Self::SIGNATURE_BYTES] = signature.try_into().map_err(|_| CryptoError)?;
        (blake3::keyed_hash(&self.0, data) == blake3::Hash::from_bytes(signature))
            .then_some(())
            .ok_or(CryptoError)
    }
}
