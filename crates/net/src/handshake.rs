//! TLS 1.3 in which each end accepts exactly the certificates it has pinned.
//!
//! Names, dates and issuers of certificates play no part; that the other end holds the certificate's private key does,
//! and is proved by its signature over the handshake. Sessions are not resumed: every connection proves both identities
//! anew and so has secrets of its own.

use std::sync::{Arc, OnceLock};

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::SingleCertAndKey;
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerIncompatible, SignatureScheme};

use crate::{ALPN, Fingerprint, Identity, TrustedPeers};

fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(ring::default_provider())).clone()
}

/// The dialling side of a handshake, which accepts one certificate.
pub(crate) fn client_config(
    identity: &Identity,
    expected: Fingerprint,
) -> Result<(Arc<QuicClientConfig>, Arc<PinnedServer>), Error> {
    let verifier = Arc::new(PinnedServer {
        expected,
        refused: OnceLock::new(),
    });
    let mut config = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier.clone())
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified_key()?)));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    let config = QuicClientConfig::try_from(config).map_err(|error| Error::General(error.to_string()))?;
    Ok((Arc::new(config), verifier))
}

/// The accepting side of handshakes.
pub(crate) fn server_config(identity: &Identity, trusted: TrustedPeers) -> Result<Arc<QuicServerConfig>, Error> {
    let mut config = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(PinnedClients { trusted }))
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified_key()?)));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    let config = QuicServerConfig::try_from(config).map_err(|error| Error::General(error.to_string()))?;
    Ok(Arc::new(config))
}

/// Accepts one server.
#[derive(Debug)]
pub(crate) struct PinnedServer {
    expected: Fingerprint,
    /// The certificate that was refused, for the error message.
    refused: OnceLock<Fingerprint>,
}

impl PinnedServer {
    /// The certificate that was presented instead of the expected one.
    pub(crate) fn refused(&self) -> Option<Fingerprint> {
        self.refused.get().copied()
    }
}

impl ServerCertVerifier for PinnedServer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let presented = Fingerprint::of_certificate(end_entity);
        if presented == self.expected {
            return Ok(ServerCertVerified::assertion());
        }
        self.refused.get_or_init(|| presented);
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &provider().signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Accepts the trusted callers.
#[derive(Debug)]
struct PinnedClients {
    trusted: TrustedPeers,
}

impl ClientCertVerifier for PinnedClients {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let presented = Fingerprint::of_certificate(end_entity);
        if self.trusted.peer(presented).is_some() {
            return Ok(ClientCertVerified::assertion());
        }
        tracing::warn!(certificate = %presented, "refused a caller whose certificate is not pinned here");
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &provider().signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use tercet_ids::PartyId;

    use crate::{Endpoint, Identity, NetError, Peer, PeerName, TransportSettings, TrustedPeers};

    fn identity(name: &str) -> Identity {
        Identity::generate(name).expect("randomness")
    }

    async fn outcome(
        listening: Identity,
        pinned: &Identity,
        dialling: Identity,
        trusted: &Identity,
    ) -> Option<NetError> {
        let peer = |party, identity: &Identity| Peer {
            name: PeerName::Party(party),
            fingerprint: identity.fingerprint(),
        };
        let trusted = TrustedPeers::new([peer(PartyId::Cloud, trusted)]).expect("one");
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let settings = TransportSettings::loopback();
        let (endpoint, _listener) = Endpoint::bind(any, listening, trusted, settings.clone()).expect("binds");
        let address = endpoint.local_address().expect("bound");
        let dialler = Endpoint::dial_only(address, dialling, settings).expect("binds");
        dialler.connect(address, &peer(PartyId::Auditor, pinned)).await.err()
    }

    #[tokio::test]
    async fn a_pinned_certificate_without_its_key_is_refused_on_either_side() {
        let (auditor, cloud, thief) = (identity("auditor"), identity("cloud"), identity("thief"));
        assert_eq!(outcome(auditor.clone(), &auditor, cloud.clone(), &cloud).await, None);
        let forged_cloud = cloud.clone().with_key_of(&thief);
        let refused = outcome(auditor.clone(), &auditor, forged_cloud, &cloud).await;
        assert!(matches!(refused, Some(NetError::Refused { .. })), "{refused:?}");
        let forged_auditor = auditor.clone().with_key_of(&thief);
        let refused = outcome(forged_auditor, &auditor, cloud.clone(), &cloud).await;
        assert!(matches!(refused, Some(NetError::Refused { .. })), "{refused:?}");
    }
}
