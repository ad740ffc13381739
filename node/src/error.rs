use tercet_gateway::StartError;
use tercet_net::{IdentityError, NetError, RepeatedFingerprint};
use tercet_telemetry::TelemetryError;

use crate::storage::StorageError;

/// Why a node can't run. All but the last are for its operator to put right.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The certificate or its key.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The key that opens envelopes.
    #[error(transparent)]
    SealingKey(#[from] tercet_sharing::SealingKeyError),
    /// Two peers with one certificate.
    #[error(transparent)]
    Peers(#[from] RepeatedFingerprint),
    /// The address or the transport settings.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The directory of models.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The endpoint of metrics.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// What ordinary inference clients ask.
    #[error(transparent)]
    Gateway(#[from] StartError),
    /// The operating system refuses threads or signals.
    #[error("the operating system refuses what a node needs ({0}): raise its limits for this process")]
    System(#[from] std::io::Error),
    /// A thread of this program ended by itself.
    #[error("this is a defect of the program, please report it: {0}")]
    Defect(&'static str),
}
