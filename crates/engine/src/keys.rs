use tercet_ids::{Nonce, PartyId, PlanDigest, Roles, SessionId};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Derivation context of session keys; a change of anything below needs another one.
const SESSION_KEY_CONTEXT: &str = "tercet 2026 session key of a pair";

/// What two parties have in common and the third has not: the exporter value of their connection. Wiped when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct PairSecret([u8; 32]);

impl PairSecret {
    /// Takes over a secret.
    pub fn new(bytes: [u8; 32]) -> Self {
        PairSecret(bytes)
    }
}

/// What makes a session's keys its own: all three parties have to agree on every field.
#[derive(Clone, Copy)]
pub struct KeyBinding {
    /// The session.
    pub session: SessionId,
    /// The plan it runs.
    pub digest: PlanDigest,
    /// Samples it runs on.
    pub batch: u32,
    /// Who deals and who evaluates.
    pub roles: Roles,
    /// One fresh nonce of each party, in the parties' order. The key is fresh when any of the two users' nonces is.
    pub nonces: [Nonce; 3],
}

/// The key of one pair in one session. Wiped when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SessionKey([u8; 16]);

impl SessionKey {
    /// Derives the key: BLAKE3 over the pair's secret and everything in the binding, each field of fixed length.
    pub fn derive(secret: &PairSecret, binding: &KeyBinding) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(SESSION_KEY_CONTEXT);
        hasher.update(&secret.0);
        hasher.update(&binding.session.0);
        hasher.update(&binding.digest.0);
        hasher.update(&binding.batch.to_le_bytes());
        hasher.update(&<[PartyId; 3]>::from(binding.roles).map(|party| party.index() as u8));
        for nonce in &binding.nonces {
            hasher.update(&nonce.0);
        }
        let mut key = SessionKey([0; 16]);
        let mut stream = hasher.finalize_xof();
        stream.fill(&mut key.0);
        stream.zeroize();
        hasher.zeroize();
        key
    }

    /// The bytes, for the cipher.
    pub(crate) fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding() -> KeyBinding {
        KeyBinding {
            session: SessionId([1; 16]),
            digest: PlanDigest([2; 32]),
            batch: 3,
            roles: Roles::all().next().unwrap(),
            nonces: [Nonce([4; 32]), Nonce([5; 32]), Nonce([6; 32])],
        }
    }

    #[test]
    fn both_ends_of_a_pair_derive_the_same_key() {
        let secret = PairSecret::new([9; 32]);
        assert!(SessionKey::derive(&secret, &binding()).0 == SessionKey::derive(&secret.clone(), &binding()).0);
    }

    #[test]
    fn a_difference_in_any_field_gives_another_key() {
        let mut keys = Vec::new();
        let secret = PairSecret::new([9; 32]);
        keys.push(SessionKey::derive(&secret, &binding()).0);
        keys.push(SessionKey::derive(&PairSecret::new([8; 32]), &binding()).0);
        let changed = |change: &dyn Fn(&mut KeyBinding)| {
            let mut binding = binding();
            change(&mut binding);
            SessionKey::derive(&secret, &binding).0
        };
        keys.push(changed(&|binding| binding.session.0[15] ^= 1));
        keys.push(changed(&|binding| binding.digest.0[31] ^= 1));
        keys.push(changed(&|binding| binding.batch += 1));
        for party in 0..3 {
            keys.push(changed(&|binding| binding.nonces[party].0[31] ^= 1));
        }
        keys.push(changed(&|binding| binding.nonces.swap(0, 1)));
        keys.extend(
            Roles::all()
                .skip(1)
                .map(|roles| changed(&|binding| binding.roles = roles)),
        );
        for (i, key) in keys.iter().enumerate() {
            assert!(!keys[..i].contains(key), "key {i} repeats an earlier one");
        }
    }
}
