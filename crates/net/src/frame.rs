use crate::{NetError, PeerName};

/// Bytes of a frame header on the wire.
pub const HEADER_BYTES: usize = 12;

/// What precedes the payload of a session frame: three 32-bit words, little-endian.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameHeader {
    /// The step of the plan that the payload belongs to.
    pub step: u32,
    /// The frame's number within the step and direction.
    pub sequence: u32,
    /// Payload bytes.
    pub length: u32,
}

impl FrameHeader {
    /// The header as sent.
    pub fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..4].copy_from_slice(&self.step.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[8..].copy_from_slice(&self.length.to_le_bytes());
        bytes
    }

    /// Reads a header that `peer` sent.
    ///
    /// # Errors
    /// [`NetError::TooLarge`] if it announces more than `limit` payload bytes.
    pub fn parse(bytes: [u8; HEADER_BYTES], limit: usize, peer: &PeerName) -> Result<FrameHeader, NetError> {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let header = FrameHeader {
            step: word(0),
            sequence: word(4),
            length: word(8),
        };
        if header.length as usize > limit {
            return Err(NetError::TooLarge {
                peer: peer.clone(),
                bytes: u64::from(header.length),
                limit: limit as u64,
            });
        }
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_pinned() {
        let header = FrameHeader {
            step: 1,
            sequence: 0x0203,
            length: 0x0405_0607,
        };
        let bytes = header.to_bytes();
        assert_eq!(bytes, [1, 0, 0, 0, 3, 2, 0, 0, 7, 6, 5, 4]);
        assert_eq!(
            FrameHeader::parse(bytes, usize::MAX, &PeerName::Coordinator),
            Ok(header)
        );
    }

    #[test]
    fn an_oversized_frame_is_refused_by_its_header() {
        let header = FrameHeader {
            step: 0,
            sequence: 0,
            length: 17,
        };
        assert_eq!(
            FrameHeader::parse(header.to_bytes(), 16, &PeerName::Coordinator),
            Err(NetError::TooLarge {
                peer: PeerName::Coordinator,
                bytes: 17,
                limit: 16
            })
        );
    }
}
