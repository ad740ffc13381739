use std::arch::x86_64::*;

use zeroize::Zeroize;

use super::{BLOCK, Onto};
use crate::RingKind;

/// Rounds of AES-128.
const ROUNDS: usize = 10;

/// Bytes of a vector: four blocks.
const VECTOR: usize = 4 * BLOCK;

/// Vectors encrypted together, so that the latency of a round is hidden behind the others'.
const BATCH: usize = 8;

/// The cipher on 512-bit vectors. Holding one proves that the processor has them.
pub(super) struct Vaes([[u8; BLOCK]; ROUNDS + 1]);

impl Vaes {
    /// Expands a key.
    ///
    /// # Safety
    /// The processor has what [`super::Tier::Avx512Plus`] stands for.
    pub(super) unsafe fn new(key: &[u8; 16]) -> Self {
        // SAFETY: the processor has AES instructions.
        Vaes(unsafe { expand(key) })
    }

    pub(super) fn fill(&self, prefix: u64, index: u64, bytes: &mut [u8]) {
        // SAFETY: whoever made the cipher promised the features.
        unsafe { replace(&self.0, prefix, index, bytes) }
    }

    /// Combines the stream with the memory of elements of a ring.
    pub(super) fn combine(&self, onto: Onto, kind: RingKind, prefix: u64, index: u64, bytes: &mut [u8]) {
        let combine = match (onto, kind) {
            (Onto::Replace, _) => replace,
            (Onto::Xor, _) => xor,
            (Onto::Add, RingKind::Z32) => add_u32,
            (Onto::Add, RingKind::Z64) => add_u64,
            (Onto::Subtract, RingKind::Z32) => subtract_u32,
            (Onto::Subtract, RingKind::Z64) => subtract_u64,
        };
        // SAFETY: as above.
        unsafe { combine(&self.0, prefix, index, bytes) }
    }
}

impl Drop for Vaes {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// The key schedule (FIPS 197, section 5.2).
#[target_feature(enable = "aes")]
fn expand(key: &[u8; 16]) -> [[u8; BLOCK]; ROUNDS + 1] {
    #[target_feature(enable = "aes")]
    fn next<const CONSTANT: i32>(key: __m128i) -> __m128i {
        // Each word is the exclusive or of all words up to it, and of the last one rotated, substituted and marked by the round.
        let pairs = _mm_xor_si128(key, _mm_slli_si128::<4>(key));
        let sums = _mm_xor_si128(pairs, _mm_slli_si128::<8>(pairs));
        let last = _mm_shuffle_epi32::<0xff>(_mm_aeskeygenassist_si128::<CONSTANT>(key));
        _mm_xor_si128(sums, last)
    }
    // SAFETY: a key is 16 bytes, as is a vector, and the load needs no alignment.
    let mut round = unsafe { _mm_loadu_si128(key.as_ptr().cast()) };
    let mut keys = [[0; BLOCK]; ROUNDS + 1];
    for (number, to) in keys.iter_mut().enumerate() {
        round = match number {
            0 => round,
            1 => next::<0x01>(round),
            2 => next::<0x02>(round),
            3 => next::<0x04>(round),
            4 => next::<0x08>(round),
            5 => next::<0x10>(round),
            6 => next::<0x20>(round),
            7 => next::<0x40>(round),
            8 => next::<0x80>(round),
            9 => next::<0x1b>(round),
            _ => next::<0x36>(round),
        };
        // SAFETY: a round key is 16 bytes, and the store needs no alignment.
        unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), round) };
    }
    keys
}

/// A pass over bytes that combines what stands there with the stream, a vector at a time.
macro_rules! pass {
    ($name:ident, |$old:ident, $stream:ident| $combined:expr) => {
        #[target_feature(enable = "vaes,avx512f,avx512bw")]
        fn $name(keys: &[[u8; BLOCK]; ROUNDS + 1], prefix: u64, index: u64, bytes: &mut [u8]) {
            // SAFETY: a round key is 16 bytes, and the load needs no alignment.
            let keys = keys.map(|key| _mm512_broadcast_i32x4(unsafe { _mm_loadu_si128(key.as_ptr().cast()) }));
            let word = |i: u64| index.wrapping_add(i) as i64;
            let prefix = prefix as i64;
            let mut counters = _mm512_set_epi64(word(3), prefix, word(2), prefix, word(1), prefix, word(0), prefix);
            let step = _mm512_set_epi64(4, 0, 4, 0, 4, 0, 4, 0);
            let mut batches = bytes.chunks_exact_mut(BATCH * VECTOR);
            for batch in &mut batches {
                let blocks: [__m512i; BATCH] = std::array::from_fn(|_| {
                    let blocks = counters;
                    counters = _mm512_add_epi64(counters, step);
                    blocks
                });
                for (to, $stream) in batch.chunks_exact_mut(VECTOR).zip(encrypt(&keys, blocks)) {
                    // SAFETY: the chunk is a vector long, and neither access needs alignment.
                    unsafe {
                        let $old = _mm512_loadu_si512(to.as_ptr().cast());
                        _mm512_storeu_si512(to.as_mut_ptr().cast(), $combined);
                    }
                }
            }
            for to in batches.into_remainder().chunks_mut(VECTOR) {
                let [$stream] = encrypt(&keys, [counters]);
                counters = _mm512_add_epi64(counters, step);
                let mask = u64::MAX >> (VECTOR - to.len());
                // SAFETY: the mask admits as many bytes as the chunk has.
                unsafe {
                    let $old = _mm512_maskz_loadu_epi8(mask, to.as_ptr().cast());
                    _mm512_mask_storeu_epi8(to.as_mut_ptr().cast(), mask, $combined);
                }
            }
        }
    };
}

pass!(replace, |_old, stream| stream);
pass!(xor, |old, stream| _mm512_xor_si512(old, stream));
pass!(add_u32, |old, stream| _mm512_add_epi32(old, stream));
pass!(add_u64, |old, stream| _mm512_add_epi64(old, stream));
pass!(subtract_u32, |old, stream| _mm512_sub_epi32(old, stream));
pass!(subtract_u64, |old, stream| _mm512_sub_epi64(old, stream));

/// Encrypts `N` vectors of four blocks side by side.
#[inline]
#[target_feature(enable = "vaes,avx512f")]
fn encrypt<const N: usize>(keys: &[__m512i; ROUNDS + 1], blocks: [__m512i; N]) -> [__m512i; N] {
    let mut state = blocks.map(|block| _mm512_xor_si512(block, keys[0]));
    for key in &keys[1..ROUNDS] {
        state = state.map(|block| _mm512_aesenc_epi128(block, *key));
    }
    state.map(|block| _mm512_aesenclast_epi128(block, keys[ROUNDS]))
}
