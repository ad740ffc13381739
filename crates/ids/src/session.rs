use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! opaque_id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub struct $name(pub [u8; $bytes]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
    };
}

opaque_id!(
    /// One run of a plan by the three parties. A retry is a new session.
    SessionId,
    16
);
opaque_id!(
    /// One question of a client; the client picks it at random.
    QueryId,
    16
);
opaque_id!(
    /// What one party contributes to the freshness of a session's keys. Drawn from the operating system, used once.
    Nonce,
    32
);
