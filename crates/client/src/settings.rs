use std::collections::BTreeMap;
use std::net::SocketAddr;

use tercet_ids::PlanDigest;
use tercet_net::{Fingerprint, Identity, TransportSettings};
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
