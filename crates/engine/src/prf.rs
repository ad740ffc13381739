use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use tercet_ring::kernel::aes_ctr::{AesCtr, blocks_for};
use tercet_ring::{BitPlanes, Ring, Secret};

use crate::keys::SessionKey;

/// The slot of the mask of a step's result. Protocols number the slots of everything else they draw from zero.
///
/// It is drawn for the whole value at once; the other slots are drawn tile by tile.
pub const RESULT_MASK: u32 = u32::MAX;

/// Counter blocks of one tile: its number stands above this bit of the counter, so no tile's draw may be as long.
const TILE_BLOCK_BITS: u32 = 32;

/// Where something is drawn.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Address {
    /// The step of the plan.
    pub step: u32,
    /// The tile of the step.
    pub tile: u32,
    /// The slot within the tile.
    pub slot: u32,
}

/// The pseudorandom function that a pair has in common in one session: AES-128 in counter mode.
///
/// A draw is addressed by a step of the plan, a tile of the step and a slot within the tile; its counter blocks are step (32 bits), slot (32 bits), block
/// (32 bits), tile (32 bits). Two draws at one address would hide two values under the same mask, whose difference would then be plain.
///
/// Copies share the record of what was drawn.
#[derive(Clone)]
pub(crate) struct Prf {
    cipher: Arc<AesCtr>,
    drawn: Arc<Mutex<HashSet<Address>>>,
}

impl Prf {
    pub(crate) fn new(key: &SessionKey) -> Self {
        Prf {
            cipher: Arc::new(AesCtr::new(key.bytes())),
            drawn: Arc::default(),
        }
    }

    /// `len` uniform elements.
    pub(crate) fn elements<R: Ring>(&self, at: Address, len: usize) -> Secret<R> {
        let (prefix, block) = self.claim(at, len * R::BYTES);
        let mut elements = Secret::zeros(len);
        self.cipher.fill(prefix, block, &mut elements);
        elements
    }

    /// Uniform bits.
    pub(crate) fn bits(&self, at: Address, planes: usize, lanes: usize) -> BitPlanes {
        let mut bits = BitPlanes::zeros(planes, lanes);
        let (prefix, block) = self.claim(at, size_of_val(bits.words()));
        self.cipher.fill(prefix, block, bits.words_mut());
        bits
    }

    /// Adds a draw to `elements`.
    pub(crate) fn add_to<R: Ring>(&self, at: Address, elements: &mut [R]) {
        let (prefix, block) = self.claim(at, size_of_val(elements));
        self.cipher.add_to(prefix, block, elements);
    }

    /// Subtracts a draw from `elements`.
    pub(crate) fn subtract_from<R: Ring>(&self, at: Address, elements: &mut [R]) {
        let (prefix, block) = self.claim(at, size_of_val(elements));
        self.cipher.subtract_from(prefix, block, elements);
    }

    /// The exclusive or with a draw.
    pub(crate) fn xor_into(&self, at: Address, planes: &mut BitPlanes) {
        let (prefix, block) = self.claim(at, size_of_val(planes.words()));
        self.cipher.xor_into(prefix, block, planes.words_mut());
    }

    /// Gives an address out, once: the prefix of its blocks and the number of the first.
    ///
    /// # Panics
    /// When the address was given out before. Steps, tiles and slots come from the program alone, never from a peer, so this is a defect of the
    /// program, and no later use of the session could be trusted.
    fn claim(&self, at: Address, bytes: usize) -> (u64, u64) {
        let Address { step, tile, slot } = at;
        assert!(
            self.drawn.lock().unwrap_or_else(PoisonError::into_inner).insert(at),
            "the mask of step {step}, tile {tile}, slot {slot} was drawn twice"
        );
        assert!(
            blocks_for(bytes) <= 1 << TILE_BLOCK_BITS,
            "a draw does not reach into the next tile's"
        );
        (
            u64::from(step) | u64::from(slot) << 32,
            u64::from(tile) << TILE_BLOCK_BITS,
        )
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

    fn at(step: u32, tile: u32, slot: u32) -> Address {
        Address { step, tile, slot }
    }

    #[test]
    fn both_ends_draw_the_same_and_other_addresses_differ() {
        let (one, other) = (prf(1), prf(1));
        let first = one.elements::<u64>(at(7, 0, 1), 100);
        assert!(first[..] == other.elements::<u64>(at(7, 0, 1), 100)[..]);
        for (step, tile, slot) in [(7, 0, 2), (8, 0, 1), (1, 0, 7), (7, 1, 1)] {
            assert!(first[..] != one.elements::<u64>(at(step, tile, slot), 100)[..]);
        }
        assert!(first[..] != prf(2).elements::<u64>(at(7, 0, 1), 100)[..]);
        let bits = one.bits(at(9, 3, 9), 3, 65);
        assert!(bits.words() == &other.elements::<u64>(at(9, 3, 9), 6)[..]);
    }

    #[test]
    #[should_panic(expected = "the mask of step 4, tile 1, slot 2 was drawn twice")]
    fn a_second_draw_at_an_address_is_refused() {
        let prf = prf(1);
        prf.elements::<u32>(at(4, 1, 2), 1);
        prf.elements::<u32>(at(2, 1, 4), 1);
        prf.elements::<u32>(at(4, 0, 2), 1);
        prf.clone().bits(at(4, 1, 2), 1, 1);
    }
}
