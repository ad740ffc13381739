use std::fmt;
use std::str::FromStr;

/// Text that is not 64 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found} is not 64 hex digits")]
pub struct MalformedHex {
    /// What was found: its length, never its text, since a key may have been pasted by mistake.
    pub found: String,
}

fn bytes_of_hex(text: &str) -> Result<[u8; 32], MalformedHex> {
    // `openssl x509 -fingerprint` prints colons between the bytes.
    let digits: String = text.chars().filter(|&digit| digit != ':').collect();
    let mut bytes = [0; 32];
    hex::decode_to_slice(&digits, &mut bytes).map_err(|_| MalformedHex {
        found: format!("a text of {} characters", text.chars().count()),
    })?;
    Ok(bytes)
}

macro_rules! hex_bytes {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub [u8; 32]);

        impl FromStr for $name {
            type Err = MalformedHex;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                bytes_of_hex(text).map($name)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), hex::encode(&self.0[..4]))
            }
        }
    };
}

hex_bytes!(
    /// SHA-256 of a certificate in DER: who a peer is. Written as 64 hex digits, with or without colons.
    CertificateDigest
);
hex_bytes!(
    /// A party's public sealing key (X25519): what clients seal that party's share to. Written as 64 hex digits.
    SealingKeyBytes
);
hex_bytes!(
    /// SHA-256 of a bearer token: what is kept instead of the token. Written as 64 hex digits.
    TokenDigestBytes
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_read_with_and_without_colons() {
        let bytes: [u8; 32] = std::array::from_fn(|i| i as u8 * 7);
        let plain = hex::encode(bytes);
        let colons = bytes.map(|byte| format!("{byte:02X}")).join(":");
        assert_eq!(plain.parse(), Ok(CertificateDigest(bytes)));
        assert_eq!(colons.parse(), Ok(CertificateDigest(bytes)));
        assert_eq!(CertificateDigest(bytes).to_string(), plain);
    }

    #[test]
    fn a_wrong_text_is_described_by_length_only() {
        let fault = "secret".parse::<SealingKeyBytes>().unwrap_err();
        assert_eq!(fault.to_string(), "a text of 6 characters is not 64 hex digits");
    }
}
