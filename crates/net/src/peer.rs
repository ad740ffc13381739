use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use tercet_ids::PartyId;

use crate::Fingerprint;

/// Who a pinned certificate belongs to.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum PeerName {
    /// One of the three parties.
    Party(PartyId),
    /// The coordinator.
    Coordinator,
    /// A client, by the name the coordinator's configuration gives it.
    Client(Arc<str>),
}

impl PeerName {
    /// The party, if it is one.
    pub fn party(&self) -> Option<PartyId> {
        match self {
            PeerName::Party(party) => Some(*party),
            _ => None,
        }
    }
}

impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeerName::Party(party) => party.fmt(f),
            PeerName::Coordinator => f.write_str("the coordinator"),
            PeerName::Client(name) => write!(f, "client {name}"),
        }
    }
}

/// A name and the certificate that proves it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Peer {
    /// Who it is.
    pub name: PeerName,
    /// The certificate it must present.
    pub fingerprint: Fingerprint,
}

/// The peers that may connect. Everybody else is refused in the handshake.
#[derive(Clone, Default, Debug)]
pub struct TrustedPeers {
    names: BTreeMap<Fingerprint, PeerName>,
}

/// Two peers with one certificate: their connections could not be told apart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{first} and {second} are pinned to the same certificate {fingerprint}; give each its own")]
pub struct RepeatedFingerprint {
    /// The peer named first.
    pub first: PeerName,
    /// The peer named second.
    pub second: PeerName,
    /// The certificate.
    pub fingerprint: Fingerprint,
}

impl TrustedPeers {
    /// Trusts `peers` and nobody else.
    ///
    /// # Errors
    /// Two peers with the same certificate.
    pub fn new(peers: impl IntoIterator<Item = Peer>) -> Result<TrustedPeers, RepeatedFingerprint> {
        let mut names = BTreeMap::new();
        for Peer { name, fingerprint } in peers {
            if let Some(first) = names.insert(fingerprint, name.clone()) {
                let second = name;
                return Err(RepeatedFingerprint {
                    first,
                    second,
                    fingerprint,
                });
            }
        }
        Ok(TrustedPeers { names })
    }

    /// The peer that a certificate belongs to.
    pub fn peer(&self, fingerprint: Fingerprint) -> Option<Peer> {
        let name = self.names.get(&fingerprint)?.clone();
        Some(Peer { name, fingerprint })
    }
}
