//! Integers of a few bits, packed without gaps, and back.

#[cfg(target_arch = "x86_64")]
mod avx512plus;
mod portable;

use super::tier::Tier;
use crate::Ring;

/// Elements that always fill whole bytes.
const GROUP: usize = 8;

/// Packs the low `bits` bits of each element into exactly as many bytes as they take.
pub(crate) fn pack<R: Ring>(bits: u32, elements: &[R], bytes: &mut [u8]) {
    pack_on(Tier::current(), bits, elements, bytes);
}

/// Reads what [`pack`] wrote.
pub(crate) fn unpack<R: Ring>(bits: u32, bytes: &[u8], elements: &mut [R]) {
    unpack_on(Tier::current(), bits, bytes, elements);
}

fn pack_on<R: Ring>(tier: Tier, bits: u32, elements: &[R], bytes: &mut [u8]) {
    let groups = R::pack_groups(tier, bits, elements.as_chunks().0, bytes);
    portable::pack(bits, &elements[groups * GROUP..], &mut bytes[groups * bits as usize..]);
}

fn unpack_on<R: Ring>(tier: Tier, bits: u32, bytes: &[u8], elements: &mut [R]) {
    let groups = R::unpack_groups(tier, bits, bytes, elements.as_chunks_mut().0);
    portable::unpack(bits, &bytes[groups * bits as usize..], &mut elements[groups * GROUP..]);
}

macro_rules! groups {
    ($pack:ident, $unpack:ident, $word:ty, $pack_wide:ident, $unpack_wide:ident) => {
        /// Packs some of the first groups; gives their number.
        #[cfg_attr(
            not(target_arch = "x86_64"),
            allow(unused_variables, reason = "no tier packs groups")
        )]
        pub(super) fn $pack(tier: Tier, bits: u32, groups: &[[$word; GROUP]], bytes: &mut [u8]) -> usize {
            match tier {
                #[cfg(target_arch = "x86_64")]
                Tier::Avx512Plus
                    if avx512plus::PACKED_BITS.contains(&bits) && groups.len() >= avx512plus::GROUPS_MIN =>
                {
                    // SAFETY: the tier is in use only where the processor has it.
                    unsafe { avx512plus::$pack_wide(bits, groups, bytes) };
                    groups.len()
                }
                _ => 0,
            }
        }

        /// Unpacks some of the first groups; gives their number.
        #[cfg_attr(
            not(target_arch = "x86_64"),
            allow(unused_variables, reason = "no tier packs groups")
        )]
        pub(super) fn $unpack(tier: Tier, bits: u32, bytes: &[u8], groups: &mut [[$word; GROUP]]) -> usize {
            match tier {
                #[cfg(target_arch = "x86_64")]
                Tier::Avx512Plus
                    if avx512plus::UNPACKED_BITS.contains(&bits) && groups.len() >= avx512plus::GROUPS_MIN =>
                {
                    // SAFETY: as above.
                    unsafe { avx512plus::$unpack_wide(bits, bytes, groups) };
                    groups.len()
                }
                _ => 0,
            }
        }
    };
}

groups!(pack_groups_u32, unpack_groups_u32, u32, pack_u32, unpack_u32);
groups!(pack_groups_u64, unpack_groups_u64, u64, pack_u64, unpack_u64);

/// The low bits of a word set.
fn low_mask(bits: u32) -> u64 {
    u64::MAX >> (64 - bits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check<R: Ring>(bits: u32, words: &[u64]) {
        let elements: Vec<R> = words.iter().map(|&w| R::from_u64(w)).collect();
        for &tier in Tier::available() {
            let mut bytes = vec![0xa5; (words.len() * bits as usize).div_ceil(8)];
            pack_on(tier, bits, &elements, &mut bytes);
            for (i, element) in elements.iter().enumerate() {
                for bit in 0..bits as usize {
                    let at = i * bits as usize + bit;
                    let packed = u64::from(bytes[at / 8] >> (at % 8) & 1);
                    assert_eq!(packed, element.to_u64() >> bit & 1, "{tier:?}, value {i}, bit {bit}");
                }
            }
            let used = words.len() * bits as usize % 8;
            assert!(used == 0 || bytes[bytes.len() - 1] >> used == 0, "{tier:?}");
            let mut back = vec![R::ONE; words.len()];
            unpack_on(tier, bits, &bytes, &mut back);
            for (value, element) in back.iter().zip(&elements) {
                assert_eq!(value.to_u64(), element.to_u64() & low_mask(bits), "{tier:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn every_tier_packs_without_gaps(bits in 1u32..=64, words in prop::collection::vec(any::<u64>(), 0..300)) {
            check::<u64>(bits, &words);
            check::<u32>(bits.min(32), &words);
        }
    }
}
