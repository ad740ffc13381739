use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;

use tercet_config::{Address, ClientConfig, TransportConfig};
use tercet_ids::PlanDigest;
use tercet_net::{Fingerprint, Identity, IdentityError, TransportSettings};
use tercet_sharing::SealingPublicKey;

/// What a client has to know of a deployment. None of it can be asked of the coordinator: it is what the client relies on.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// Where the coordinator listens.
    pub coordinator_address: SocketAddr,
    /// The coordinator's certificate.
    pub coordinator: Fingerprint,
    /// Who this client is.
    pub identity: Identity,
    /// The keys that the parties' envelopes are sealed to, by party index.
    pub sealing_keys: [SealingPublicKey; 3],
    /// Plans that models must have; a model without one is taken as the coordinator describes it.
    pub pinned: BTreeMap<String, PlanDigest>,
    /// How QUIC behaves.
    pub transport: TransportSettings,
}

/// Why a client's file gives no settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The coordinator's name has no address.
    #[error("cannot find the coordinator at {address}: {reason}; check coordinator.address")]
    Resolve {
        /// As the file says.
        address: Address,
        /// What the operating system says.
        reason: io::Error,
    },
    /// The identity can't be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

impl ClientSettings {
    /// What a checked file says, with its identity read and its coordinator's address looked up.
    ///
    /// # Errors
    /// One of the two fails.
    pub fn from_config(config: &ClientConfig) -> Result<ClientSettings, SettingsError> {
        let coordinator = &config.coordinator;
        let coordinator_address = coordinator.address.resolve().map_err(|reason| SettingsError::Resolve {
            address: coordinator.address.clone(),
            reason,
        })?;
        let TransportConfig {
            mtu,
            window_bytes,
            idle,
            keep_alive,
        } = config.transport;
        Ok(ClientSettings {
            coordinator_address,
            coordinator: Fingerprint(coordinator.certificate_sha256.0),
            identity: Identity::load(&config.identity.certificate, &config.identity.private_key)?,
            sealing_keys: config.sealing_keys.map(|key| SealingPublicKey(key.0)),
            pinned: config.pinned.clone(),
            transport: TransportSettings {
                mtu,
                stream_window_bytes: window_bytes,
                idle,
                keep_alive,
                ..TransportSettings::default()
            },
        })
    }
}
