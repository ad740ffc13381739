use std::collections::HashSet;

use tercet_ring::kernel::aes_ctr::AesCtr;
use tercet_ring::{BitPlanes, Ring, Secret};

use crate::keys::SessionKey;

/// The slot of the mask of a step's result. Protocols number the slots of everything else they draw from zero.
pub const RESULT_MASK: u32 = u32::MAX;

/// The pseudorandom function that a pair has in common in one session: AES-128 in counter mode.
///
/// A draw is addressed by a step of the plan and a slot within the step; its counter blocks are step (32 bits), slot (32 bits), block (64
/// bits). Two draws at one address would hide two values under the same mask, whose difference would then be plain.
pub(crate) struct Prf {
    cipher: AesCtr,
    drawn: HashSet<(u32, u32)>,
}

impl Prf {
    pub(crate) fn new(key: &SessionKey) -> Self {
        Prf {
            cipher: AesCtr::new(key.bytes()),
            drawn: HashSet::new(),
        }
    }

    /// `len` uniform elements.
    pub(crate) fn elements<R: Ring>(&mut self, step: u32, slot: u32, len: usize) -> Secret<R> {
        let prefix = self.claim(step, slot);
        let mut elements = Secret::zeros(len);
        self.cipher.fill(prefix, 0, &mut elements);
        elements
    }

    /// Uniform bits.
    pub(crate) fn bits(&mut self, step: u32, slot: u32, planes: usize, lanes: usize) -> BitPlanes {
        let prefix = self.claim(step, slot);
        let mut bits = BitPlanes::zeros(planes, lanes);
        self.cipher.fill(prefix, 0, bits.words_mut());
        bits
    }

    /// Gives an address out, once.
    ///
    /// # Panics
    /// When the address was given out before. Steps and slots come from the program alone, never from a peer, so this is a defect of the
    /// program, and no later use of the session could be trusted.
    fn claim(&mut self, step: u32, slot: u32) -> u64 {
        assert!(
            self.drawn.insert((step, slot)),
            "the mask of step {step}, slot {slot} was drawn twice"
        );
        u64::from(step) | u64::from(slot) << 32
    }
}

#[cfg(test)]
mod tests {
    use tercet_ids::{Nonce, PlanDigest, Roles, SessionId};

    use super::*;
    use crate::keys::{KeyBinding, PairSecret};

    fn prf(nonce: u8) -> Prf {
        let binding = KeyBinding {
            session: SessionId([1; 16]),
            digest: PlanDigest([2; 32]),
            batch: 1,
            roles: Roles::all().next().unwrap(),
            nonces: [Nonce([nonce; 32]); 3],
        };
        Prf::new(&SessionKey::derive(&PairSecret::new([3; 32]), &binding))
    }

    #[test]
    fn both_ends_draw_the_same_and_other_addresses_differ() {
        let (mut one, mut other) = (prf(1), prf(1));
        let first = one.elements::<u64>(7, 1, 100);
        assert!(first[..] == other.elements::<u64>(7, 1, 100)[..]);
        for (step, slot) in [(7, 2), (8, 1), (1, 7)] {
            assert!(first[..] != one.elements::<u64>(step, slot, 100)[..]);
        }
        assert!(first[..] != prf(2).elements::<u64>(7, 1, 100)[..]);
        let bits = one.bits(9, 9, 3, 65);
        assert!(bits.words() == &other.elements::<u64>(9, 9, 6)[..]);
    }

    #[test]
    #[should_panic(expected = "the mask of step 4, slot 2 was drawn twice")]
    fn a_second_draw_at_an_address_is_refused() {
        let mut prf = prf(1);
        prf.elements::<u32>(4, 2, 1);
        prf.elements::<u32>(2, 4, 1);
        prf.bits(4, 2, 1, 1);
    }
}
