use std::arch::x86_64::*;

use super::{LANES, Window};

/// Words of a plane written together: a whole vector, so that planes far apart in memory are each touched once.
pub(super) const BLOCKS: usize = 8;

macro_rules! slice {
    ($name:ident, $word:ty, $words:ident) => {
        /// Bit `first + p` of each of eight blocks' elements less `minus` goes to the eight words of `words` from `p * stride` on.
        #[target_feature(enable = "avx512f,avx512bw,avx512vbmi,gfni")]
        pub(super) fn $name(
            blocks: &[[$word; LANES]; BLOCKS],
            window: Window<$word>,
            words: &mut [u64],
            stride: usize,
        ) {
            let count = window.count as usize;
            for first in (0..count).step_by(8) {
                let first_bit = window.first + first as u32;
                let bits = blocks
                    .each_ref()
                    .map(|lanes| bits_of_bytes($words(lanes, window.minus, first_bit)));
                let planes = words[first * stride..].chunks_mut(stride);
                for (to, plane) in planes.zip(transpose(bits)).take(count - first) {
                    // SAFETY: the slice has eight words, and the store needs no alignment.
                    unsafe { _mm512_storeu_si512(to[..BLOCKS].as_mut_ptr().cast(), plane) };
                }
            }
        }
    };
}

slice!(slice_u32, u32, words_u32);
slice!(slice_u64, u64, words_u64);

/// 64 elements less `minus` from bit `first` on, in words whose lowest byte is theirs.
#[inline]
#[target_feature(enable = "avx512f")]
fn words_u32(lanes: &[u32; LANES], minus: u32, first: u32) -> [__m512i; 4] {
    let (minus, first) = (_mm512_set1_epi32(minus as i32), _mm_cvtsi32_si128(first as i32));
    std::array::from_fn(|vector| {
        // SAFETY: the lanes are four vectors, and the load needs no alignment.
        let words = unsafe { _mm512_loadu_si512(lanes[vector * 16..(vector + 1) * 16].as_ptr().cast()) };
        _mm512_srl_epi32(_mm512_sub_epi32(words, minus), first)
    })
}

/// As [`words_u32`], the elements' low halves.
#[inline]
#[target_feature(enable = "avx512f")]
fn words_u64(lanes: &[u64; LANES], minus: u64, first: u32) -> [__m512i; 4] {
    let (minus, first) = (_mm512_set1_epi64(minus as i64), _mm_cvtsi32_si128(first as i32));
    let low_halves = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    std::array::from_fn(|pair| {
        let [lower, upper] = [0, 8].map(|lane| {
            // SAFETY: the lanes are four pairs of vectors, and the load needs no alignment.
            let words = unsafe { _mm512_loadu_si512(lanes[pair * 16 + lane..][..8].as_ptr().cast()) };
            _mm512_srl_epi64(_mm512_sub_epi64(words, minus), first)
        });
        _mm512_permutex2var_epi32(lower, low_halves, upper)
    })
}

/// The eight bits of the lowest byte of 64 words, as eight words.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,gfni")]
fn bits_of_bytes(words: [__m512i; 4]) -> __m512i {
    // The bytes of 32 lanes, eight lanes in reverse each: the affine map takes the rows of its matrix from the top.
    const REVERSED: [u8; 64] = {
        let mut places = [0; 64];
        let mut to = 0;
        while to < 64 {
            places[to] = 4 * ((8 * (to / 8) + 7 - to % 8) % 32) as u8;
            to += 1;
        }
        places
    };
    const TRANSPOSED: [u8; 64] = {
        let mut places = [0; 64];
        let mut to = 0;
        while to < 64 {
            places[to] = (8 * (to % 8) + to / 8) as u8;
            to += 1;
        }
        places
    };
    // SAFETY: both tables are a vector long, and the load needs no alignment.
    let [reversed, transposed] =
        [&REVERSED, &TRANSPOSED].map(|table| unsafe { _mm512_loadu_si512(table.as_ptr().cast()) });
    let low = _mm512_permutex2var_epi8(words[0], reversed, words[1]);
    let high = _mm512_permutex2var_epi8(words[2], reversed, words[3]);
    let bytes = _mm512_mask_blend_epi64(0xf0, low, high);
    // The product of the matrix with the unit vectors is its transpose: byte j has bit j of eight lanes.
    let units = _mm512_set1_epi64(0x8040_2010_0804_0201u64 as i64);
    let bits = _mm512_gf2p8affine_epi64_epi8::<0>(units, bytes);
    _mm512_permutexvar_epi8(transposed, bits)
}

/// Transposes an 8 x 8 matrix of words.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose(rows: [__m512i; 8]) -> [__m512i; 8] {
    let pairs: [__m512i; 8] = std::array::from_fn(|i| {
        let (upper, lower) = (rows[i & !1], rows[i | 1]);
        if i % 2 == 0 {
            _mm512_unpacklo_epi64(upper, lower)
        } else {
            _mm512_unpackhi_epi64(upper, lower)
        }
    });
    // pairs[2 i + c] has columns c, c + 2, c + 4, c + 6 of rows 2 i and 2 i + 1.
    let fours: [__m512i; 8] = std::array::from_fn(|i| {
        let (upper, lower) = (pairs[i & 4 | i & 1], pairs[i & 4 | 2 | i & 1]);
        if i & 2 == 0 {
            _mm512_shuffle_i64x2::<0b10_00_10_00>(upper, lower)
        } else {
            _mm512_shuffle_i64x2::<0b11_01_11_01>(upper, lower)
        }
    });
    // fours[4 r + c] has columns c and c + 4 of rows 4 r to 4 r + 3, in the order column, pair of rows.
    std::array::from_fn(|column| {
        let (upper, lower) = (fours[column & 3], fours[4 | column & 3]);
        if column < 4 {
            _mm512_shuffle_i64x2::<0b10_00_10_00>(upper, lower)
        } else {
            _mm512_shuffle_i64x2::<0b11_01_11_01>(upper, lower)
        }
    })
}
