//! The keys that envelopes are sealed to: X25519, kept as hex in a file that only its owner can read.

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, Serializable};
use rand::CryptoRng;
use zeroize::{ZeroizeOnDrop, Zeroizing};

/// Bytes of either key.
pub const SEALING_KEY_BYTES: usize = 32;

/// The key that opens what is sealed to its public half. Wiped when dropped.
pub struct SealingKeyPair {
    private: <X25519HkdfSha256 as Kem>::PrivateKey,
    public: SealingPublicKey,
}

/// The key that envelopes for one recipient are sealed to.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SealingPublicKey(pub [u8; SEALING_KEY_BYTES]);

/// A sealing key that can't be read, written or used.
#[derive(Debug, thiserror::Error)]
pub enum SealingKeyError {
    /// The file system refuses to read it.
    #[error("cannot read the sealing key {path}: {source}; correct the path or the permissions")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        source: io::Error,
    },
    /// The file system refuses to write it.
    #[error("cannot write the sealing key {path}: {source}; choose a directory without one that can be written")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        source: io::Error,
    },
    /// Others may read it.
    #[error(
        "other users can read the sealing key {path}: run `chmod 600 {path}` and, if they could have read it, make a new one"
    )]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// The file holds something else.
    #[error("{path} is no sealing key of {SEALING_KEY_BYTES} bytes in hex; make one with `tercet keys`")]
    Malformed {
        /// The file.
        path: PathBuf,
    },
}

/// Text that is not 64 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a public sealing key is 64 hex digits, as `tercet keys` prints it")]
pub struct MalformedSealingKey;

/// What hpke's private key consists of is wiped when dropped, if x25519-dalek is built so.
const _: () = {
    const fn is_wiped<T: ZeroizeOnDrop>() {}
    is_wiped::<x25519_dalek::StaticSecret>();
};

impl SealingKeyPair {
    /// A fresh pair.
    pub fn generate(rng: &mut impl CryptoRng) -> SealingKeyPair {
        let (private, public) = X25519HkdfSha256::gen_keypair_with_rng(rng);
        SealingKeyPair {
            private,
            public: SealingPublicKey(public.to_bytes().into()),
        }
    }

    fn of(private: <X25519HkdfSha256 as Kem>::PrivateKey) -> SealingKeyPair {
        let mut public = SealingPublicKey([0; SEALING_KEY_BYTES]);
        X25519HkdfSha256::sk_to_pk(&private).write_exact(&mut public.0);
        SealingKeyPair { private, public }
    }

    /// The half to seal to.
    pub fn public(&self) -> SealingPublicKey {
        self.public
    }

    pub(crate) fn private(&self) -> &<X25519HkdfSha256 as Kem>::PrivateKey {
        &self.private
    }

    /// Writes the private half to a new file of mode 0600.
    ///
    /// # Errors
    /// The file is there already, or can't be written.
    pub fn save(&self, path: &Path) -> Result<(), SealingKeyError> {
        let mut bytes = Zeroizing::new([0; SEALING_KEY_BYTES]);
        self.private.write_exact(bytes.as_mut_slice());
        let text = Zeroizing::new(hex::encode(bytes.as_slice()));
        let file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path);
        file.and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|source| SealingKeyError::Write {
                path: path.to_owned(),
                source,
            })
    }

    /// Reads what [`SealingKeyPair::save`] wrote.
    ///
    /// # Errors
    /// The file can't be read, can be read by others, or holds no key.
    pub fn load(path: &Path) -> Result<SealingKeyPair, SealingKeyError> {
        let unreadable = |source| SealingKeyError::Read {
            path: path.to_owned(),
            source,
        };
        let text = Zeroizing::new(fs::read_to_string(path).map_err(unreadable)?);
        if fs::metadata(path).map_err(unreadable)?.permissions().mode() & 0o077 != 0 {
            return Err(SealingKeyError::Exposed { path: path.to_owned() });
        }
        let malformed = || SealingKeyError::Malformed { path: path.to_owned() };
        let mut bytes = Zeroizing::new([0; SEALING_KEY_BYTES]);
        hex::decode_to_slice(text.trim(), bytes.as_mut_slice()).map_err(|_| malformed())?;
        let private = Deserializable::from_bytes(bytes.as_slice()).map_err(|_| malformed())?;
        Ok(SealingKeyPair::of(private))
    }
}

impl fmt::Debug for SealingKeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKeyPair({})", self.public)
    }
}

impl fmt::Display for SealingPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for SealingPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingPublicKey({self})")
    }
}

impl FromStr for SealingPublicKey {
    type Err = MalformedSealingKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; SEALING_KEY_BYTES];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| MalformedSealingKey)?;
        Ok(SealingPublicKey(bytes))
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn a_key_is_kept_for_its_owner_alone_and_comes_back_the_same() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("sealing.key");
        let key = SealingKeyPair::generate(&mut StdRng::seed_from_u64(1));
        key.save(&path).expect("written");
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(SealingKeyPair::load(&path).expect("read").public(), key.public());
        assert_eq!(key.public().to_string().parse(), Ok(key.public()));
        assert!(
            matches!(key.save(&path), Err(SealingKeyError::Write { .. })),
            "never overwritten"
        );
    }

    #[test]
    fn files_without_a_key_are_named() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("sealing.key");
        assert!(matches!(SealingKeyPair::load(&path), Err(SealingKeyError::Read { .. })));
        fs::write(&path, "abc").expect("written");
        let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("changed");
        mode(0o640);
        let error = SealingKeyPair::load(&path).expect_err("exposed");
        assert!(matches!(error, SealingKeyError::Exposed { .. }) && error.to_string().contains("chmod 600"));
        mode(0o600);
        let error = SealingKeyPair::load(&path).expect_err("too short");
        assert!(matches!(error, SealingKeyError::Malformed { .. }) && error.to_string().contains("sealing.key"));
        assert_eq!("abc".parse::<SealingPublicKey>(), Err(MalformedSealingKey));
    }
}
