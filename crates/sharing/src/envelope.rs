//! Envelopes: what only their recipient can open, and only as what it was sealed for.
//!
//! HPKE (RFC 9180, base mode) with X25519-HKDF-SHA256, HKDF-SHA256 and AES-128-GCM, one message a key. The associated data
//! says what the envelope is for, so that it can't be passed off as another one.

use hpke::aead::AesGcm128;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable, single_shot_open, single_shot_seal_with_rng};
use rand::CryptoRng;
use tercet_ids::{PartyId, PlanDigest, QueryId};
use zeroize::Zeroizing;

use crate::sealing_key::{SEALING_KEY_BYTES, SealingKeyPair, SealingPublicKey};

const INFO: &[u8] = b"tercet 2026 envelope";

/// The version of envelopes and their contents.
const VERSION: u16 = 1;

/// Bytes that sealing adds: the encapsulated key and the tag.
pub const ENVELOPE_OVERHEAD_BYTES: usize = SEALING_KEY_BYTES + 16;

/// What an envelope carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// A party's share of a query's input.
    Query,
    /// A party's share of the output, for the client.
    Result,
    /// A party's share of a model's parameters.
    Model,
}

/// What an envelope is for. Sealer and opener must agree on all of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EnvelopeContext {
    /// What it carries.
    pub purpose: Purpose,
    /// The query, or the deployment.
    pub query: QueryId,
    /// The plan it belongs to.
    pub digest: PlanDigest,
    /// The party whose share it carries.
    pub party: PartyId,
}

/// An envelope that can't be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// It does not open.
    #[error(
        "it is sealed to another key, or for another query, model or party, or was altered on the way; \
         check that the pinned sealing keys are those of the parties, and seal it again"
    )]
    Unopenable,
    /// The recipient's key is no point of the curve that can be sealed to.
    #[error("the sealing key {0} can't be sealed to; ask its owner for the right one")]
    UnusableKey(SealingPublicKey),
    /// What was inside is not what the purpose calls for.
    #[error("what is inside is no {0}; run the same release of tercet on all machines")]
    Malformed(&'static str),
}

impl EnvelopeContext {
    /// The associated data: every field at a fixed place.
    fn bytes(&self) -> Vec<u8> {
        let purpose = match self.purpose {
            Purpose::Query => 1,
            Purpose::Result => 2,
            Purpose::Model => 3,
        };
        let mut bytes = VERSION.to_le_bytes().to_vec();
        bytes.push(purpose);
        bytes.extend(self.query.0);
        bytes.extend(self.digest.0);
        bytes.push(self.party.index() as u8);
        bytes
    }
}

/// Seals `plaintext` so that only the owner of `to` can open it, and only under the same context.
///
/// # Errors
/// [`EnvelopeError::UnusableKey`].
pub fn seal(
    to: &SealingPublicKey,
    context: &EnvelopeContext,
    plaintext: &[u8],
    rng: &mut impl CryptoRng,
) -> Result<Vec<u8>, EnvelopeError> {
    let unusable = |_| EnvelopeError::UnusableKey(*to);
    let recipient = Deserializable::from_bytes(&to.0).map_err(unusable)?;
    let (key, ciphertext) = single_shot_seal_with_rng::<AesGcm128, HkdfSha256, X25519HkdfSha256>(
        &OpModeS::Base,
        &recipient,
        INFO,
        plaintext,
        &context.bytes(),
        rng,
    )
    .map_err(unusable)?;
    let mut envelope = Vec::with_capacity(SEALING_KEY_BYTES + ciphertext.len());
    envelope.extend_from_slice(&key.to_bytes());
    envelope.extend_from_slice(&ciphertext);
    Ok(envelope)
}

/// Opens an envelope. What comes out is wiped when dropped.
///
/// # Errors
/// [`EnvelopeError::Unopenable`], whatever the reason: the cipher tells no more.
pub fn open(
    key: &SealingKeyPair,
    context: &EnvelopeContext,
    envelope: &[u8],
) -> Result<Zeroizing<Vec<u8>>, EnvelopeError> {
    let unopenable = |_| EnvelopeError::Unopenable;
    let (encapsulated, ciphertext) = envelope
        .split_at_checked(SEALING_KEY_BYTES)
        .ok_or(EnvelopeError::Unopenable)?;
    let encapsulated = <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(encapsulated).map_err(unopenable)?;
    let plaintext = single_shot_open::<AesGcm128, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        key.private(),
        &encapsulated,
        INFO,
        ciphertext,
        &context.bytes(),
    );
    plaintext.map(Zeroizing::new).map_err(unopenable)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    fn context() -> EnvelopeContext {
        EnvelopeContext {
            purpose: Purpose::Query,
            query: QueryId([1; 16]),
            digest: PlanDigest([2; 32]),
            party: PartyId::Cloud,
        }
    }

    #[test]
    fn only_the_recipient_opens_it_and_only_for_what_it_was_sealed_for() {
        let mut rng = StdRng::seed_from_u64(1);
        let key = SealingKeyPair::generate(&mut rng);
        let other = SealingKeyPair::generate(&mut rng);
        let sealed = seal(&key.public(), &context(), b"shares", &mut rng).expect("sealed");
        assert_eq!(sealed.len(), b"shares".len() + ENVELOPE_OVERHEAD_BYTES);
        assert_eq!(open(&key, &context(), &sealed).expect("opened").as_slice(), b"shares");

        let unopenable = Err(EnvelopeError::Unopenable);
        assert_eq!(open(&other, &context(), &sealed), unopenable);
        let changes: [fn(&mut EnvelopeContext); 5] = [
            |context| context.purpose = Purpose::Model,
            |context| context.purpose = Purpose::Result,
            |context| context.query.0[15] ^= 1,
            |context| context.digest.0[0] ^= 1,
            |context| context.party = PartyId::Auditor,
        ];
        for change in changes {
            let mut changed = context();
            change(&mut changed);
            assert_eq!(open(&key, &changed, &sealed), unopenable, "{changed:?}");
        }
    }

    #[test]
    fn an_altered_or_cut_envelope_does_not_open() {
        let mut rng = StdRng::seed_from_u64(2);
        let key = SealingKeyPair::generate(&mut rng);
        let sealed = seal(&key.public(), &context(), b"shares", &mut rng).expect("sealed");
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert_eq!(
                open(&key, &context(), &altered),
                Err(EnvelopeError::Unopenable),
                "byte {at}"
            );
            assert_eq!(
                open(&key, &context(), &sealed[..at]),
                Err(EnvelopeError::Unopenable),
                "cut at {at}"
            );
        }
    }

    #[test]
    fn the_same_content_never_looks_the_same() {
        let mut rng = StdRng::seed_from_u64(3);
        let key = SealingKeyPair::generate(&mut rng);
        let one = seal(&key.public(), &context(), b"shares", &mut rng).expect("sealed");
        let two = seal(&key.public(), &context(), b"shares", &mut rng).expect("sealed");
        assert_ne!(one, two);
    }

    /// Models lie on disk as sealed, so a later release has to open what this one sealed.
    #[test]
    fn an_envelope_sealed_in_the_past_opens() {
        const KEY: &str = "c8233614ed38a4a7cf61008e96623b42f5de59091248b21416eb7b817e1c3e7d";
        const SEALED: &str = concat!(
            "308009d5d2f59cfa67a58ba1775f3048e029f1d0fdbca4fe38368c7448bf2579",
            "5c3c0180ecae86713a3b1036dcaec718803b694e5f37"
        );
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("sealing.key");
        std::fs::write(&path, KEY).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("changed");
        let key = SealingKeyPair::load(&path).expect("a key");
        let sealed = hex::decode(SEALED).expect("hex");
        assert_eq!(open(&key, &context(), &sealed).expect("opened").as_slice(), b"shares");
    }

    #[test]
    fn a_key_of_low_order_is_refused() {
        let mut rng = StdRng::seed_from_u64(4);
        let zero = SealingPublicKey([0; 32]);
        let refused = seal(&zero, &context(), b"shares", &mut rng);
        assert_eq!(refused, Err(EnvelopeError::UnusableKey(zero)));
    }
}
