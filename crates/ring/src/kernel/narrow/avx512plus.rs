//! A group's integers stand in the 64-bit lanes of a vector. Shifted left by less than a byte, integer `i` begins at the bit of a byte
//! at which it begins when packed, and whole bytes then only have to be moved.

use std::arch::x86_64::*;
use std::ops::RangeInclusive;

use super::{GROUP, low_mask};

/// Widths that [`pack_u32`] and [`pack_u64`] know: every other integer has bytes of its own, and shifted it still fits a lane.
pub(super) const PACKED_BITS: RangeInclusive<u32> = 8..=57;

/// Widths that [`unpack_u32`] and [`unpack_u64`] know: the eight bytes from the one in which an integer begins hold all of it.
pub(super) const UNPACKED_BITS: RangeInclusive<u32> = 1..=57;

/// Groups from which on it is worth making the tables of a width.
pub(super) const GROUPS_MIN: usize = 16;

/// Bytes of a vector.
const VECTOR: usize = 64;

/// The byte in which integer `index` begins, and the bit of it.
fn place(bits: u32, index: usize) -> (usize, u32) {
    let first = index * bits as usize;
    (first / 8, (first % 8) as u32)
}

/// How far each integer is shifted.
#[target_feature(enable = "avx512f")]
fn shifts(bits: u32) -> __m512i {
    let shifts: [u64; GROUP] = std::array::from_fn(|i| u64::from(place(bits, i).1));
    // SAFETY: the array is a vector long, and the load needs no alignment.
    unsafe { _mm512_loadu_si512(shifts.as_ptr().cast()) }
}

macro_rules! pack {
    ($name:ident, $word:ty, $load:expr) => {
        /// Packs groups into as many times `bits` bytes; does not read past them and leaves what follows as it is.
        #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx512vbmi")]
        pub(super) fn $name(bits: u32, groups: &[[$word; GROUP]], bytes: &mut [u8]) {
            debug_assert!(PACKED_BITS.contains(&bits));
            let width = bits as usize;
            let bytes = &mut bytes[..groups.len() * width];
            // For even and for odd integers: which byte of the vector goes to a byte, and whether one does.
            let (mut places, mut taken) = ([[0u8; VECTOR]; 2], [0u64; 2]);
            for i in 0..GROUP {
                let (byte, shift) = place(bits, i);
                for k in 0..(shift + bits).div_ceil(8) as usize {
                    places[i % 2][byte + k] = (8 * i + k) as u8;
                    taken[i % 2] |= 1 << (byte + k);
                }
            }
            // SAFETY: the arrays are a vector long, and the load needs no alignment.
            let places = places.map(|places| unsafe { _mm512_loadu_si512(places.as_ptr().cast()) });
            let (shifts, mask) = (shifts(bits), _mm512_set1_epi64(low_mask(bits) as i64));
            for (index, group) in groups.iter().enumerate() {
                // SAFETY: a group has eight elements, and the load needs no alignment.
                let integers = unsafe { $load(group.as_ptr()) };
                let shifted = _mm512_sllv_epi64(_mm512_and_si512(integers, mask), shifts);
                let [even, odd] =
                    [0, 1].map(|parity| _mm512_maskz_permutexvar_epi8(taken[parity], places[parity], shifted));
                let packed = _mm512_or_si512(even, odd);
                let to = &mut bytes[index * width..];
                // SAFETY: there is room for a vector, or the mask admits no more than the group's bytes. Neither needs alignment.
                unsafe {
                    if to.len() >= VECTOR {
                        _mm512_storeu_si512(to.as_mut_ptr().cast(), packed);
                    } else {
                        _mm512_mask_storeu_epi8(to.as_mut_ptr().cast(), low_mask(bits), packed);
                    }
                }
            }
        }
    };
}

pack!(pack_u32, u32, |from: *const u32| _mm512_cvtepu32_epi64(
    _mm256_loadu_si256(from.cast())
));
pack!(pack_u64, u64, |from: *const u64| _mm512_loadu_si512(from.cast()));

macro_rules! unpack {
    ($name:ident, $word:ty, $store:expr) => {
        /// Unpacks groups from as many times `bits` bytes.
        #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx512vbmi")]
        pub(super) fn $name(bits: u32, bytes: &[u8], groups: &mut [[$word; GROUP]]) {
            debug_assert!(UNPACKED_BITS.contains(&bits));
            let width = bits as usize;
            let bytes = &bytes[..groups.len() * width];
            let places: [u8; VECTOR] = std::array::from_fn(|to| (place(bits, to / 8).0 + to % 8) as u8);
            // SAFETY: the array is a vector long, and the load needs no alignment.
            let places = unsafe { _mm512_loadu_si512(places.as_ptr().cast()) };
            let (shifts, mask) = (shifts(bits), _mm512_set1_epi64(low_mask(bits) as i64));
            for (index, group) in groups.iter_mut().enumerate() {
                let from = &bytes[index * width..];
                // SAFETY: a vector is there, or the mask admits no more than the group's bytes. Neither needs alignment.
                let packed = unsafe {
                    if from.len() >= VECTOR {
                        _mm512_loadu_si512(from.as_ptr().cast())
                    } else {
                        _mm512_maskz_loadu_epi8(low_mask(bits), from.as_ptr().cast())
                    }
                };
                let windows = _mm512_permutexvar_epi8(places, packed);
                let integers = _mm512_and_si512(_mm512_srlv_epi64(windows, shifts), mask);
                // SAFETY: a group has eight elements, and the store needs no alignment.
                unsafe { $store(group.as_mut_ptr(), integers) };
            }
        }
    };
}

unpack!(unpack_u32, u32, |to: *mut u32, integers| _mm256_storeu_si256(
    to.cast(),
    _mm512_cvtepi64_epi32(integers)
));
unpack!(unpack_u64, u64, |to: *mut u64, integers| _mm512_storeu_si512(
    to.cast(),
    integers
));
