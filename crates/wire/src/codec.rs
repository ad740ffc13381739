use serde::Serialize;
use serde::de::DeserializeOwned;

/// The version of this protocol; a message of any other is refused.
pub const PROTOCOL_VERSION: u16 = 1;

/// Something that may be sent as one message.
pub trait Message: Serialize + DeserializeOwned {
    /// What the message is, for error messages.
    const NAME: &'static str;
}

/// Bytes that are not a message of this version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The other side runs another version of the protocol.
    #[error(
        "the other side speaks protocol version {theirs} and this program speaks {ours}: run the same release of tercet on both"
    )]
    Version {
        /// The version of this program.
        ours: u16,
        /// The version in the message.
        theirs: u16,
    },
    /// The body is cut short, has bytes left over, or breaks the format.
    #[error("the other side sent a malformed {expected}: run the same release of tercet on both sides")]
    Malformed {
        /// The kind of message that was expected.
        expected: &'static str,
    },
}

/// The version (two bytes, little-endian) and the body of `message`.
pub fn encode<M: Message>(message: &M) -> Vec<u8> {
    let version = PROTOCOL_VERSION.to_le_bytes().to_vec();
    postcard::to_extend(message, version)
        .expect("messages hold no sequences of unknown length, the only thing postcard refuses")
}

/// Reads one message that fills `bytes` exactly.
///
/// # Errors
/// Another version, or a body that is not exactly one `M`.
pub fn decode<M: Message>(bytes: &[u8]) -> Result<M, WireError> {
    let malformed = WireError::Malformed { expected: M::NAME };
    let Some((version, body)) = bytes.split_first_chunk() else {
        return Err(malformed);
    };
    let theirs = u16::from_le_bytes(*version);
    if theirs != PROTOCOL_VERSION {
        return Err(WireError::Version {
            ours: PROTOCOL_VERSION,
            theirs,
        });
    }
    match postcard::take_from_bytes(body) {
        Ok((message, [])) => Ok(message),
        Ok(_) | Err(_) => Err(malformed),
    }
}
