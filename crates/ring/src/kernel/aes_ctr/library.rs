use aes::Aes128;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use zeroize::Zeroize;

use super::BLOCK;
use crate::Ring;

/// Blocks encrypted together: enough for the library to fill its pipelines, few enough to stay in the first-level cache.
const BATCH: usize = 64;

/// The library's cipher, which itself picks between the processor's AES instructions and constant-time portable code.
pub(super) struct Library(Aes128);

impl Library {
    pub(super) fn new(key: &[u8; 16]) -> Self {
        Library(Aes128::new(&Array(*key)))
    }

    pub(super) fn fill(&self, prefix: u64, index: u64, bytes: &mut [u8]) {
        let mut next = index;
        let mut scratch = [Array([0; BLOCK]); BATCH];
        for batch in bytes.chunks_mut(BATCH * BLOCK) {
            let blocks = &mut scratch[..batch.len().div_ceil(BLOCK)];
            for block in blocks.iter_mut() {
                block[..8].copy_from_slice(&prefix.to_le_bytes());
                block[8..].copy_from_slice(&next.to_le_bytes());
                next += 1;
            }
            self.0.encrypt_blocks(blocks);
            for (to, block) in batch.chunks_mut(BLOCK).zip(blocks) {
                to.copy_from_slice(&block[..to.len()]);
            }
        }
        scratch.iter_mut().for_each(|block| block.0.zeroize());
    }

    /// Combines the stream, read as elements, with `elements`.
    pub(super) fn combine<R: Ring>(&self, prefix: u64, index: u64, elements: &mut [R], combined: impl Fn(R, R) -> R) {
        let mut next = index;
        let mut scratch = [R::ZERO; BATCH * BLOCK / 4];
        for elements in elements.chunks_mut(BATCH * BLOCK / R::BYTES) {
            let stream = &mut scratch[..elements.len()];
            self.fill(prefix, next, R::as_bytes_mut(stream));
            R::fix_byte_order(stream);
            next += BATCH as u64;
            for (element, stream) in elements.iter_mut().zip(stream) {
                *element = combined(*element, *stream);
            }
        }
        scratch.zeroize();
    }
}
