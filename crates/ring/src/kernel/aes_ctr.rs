//! The stream of AES-128 in counter mode with little-endian counter blocks.
//!
//! Block `index` of the stream with prefix `prefix` is the encryption of `prefix || index`, two 64-bit words, little-endian. Nothing is
//! kept from call to call: whoever names the prefix and the index decides, and answers for, what is drawn twice.
//! Source of the construction: counter mode, NIST SP 800-38A, section 6.5.

use std::fmt;

use aes::Aes128;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};

use crate::Ring;

/// Bytes of a block.
const BLOCK: usize = 16;

/// Blocks encrypted together: enough for the library to fill its pipelines, few enough to stay in the first-level cache.
const BATCH: usize = 64;

/// A key, expanded. Wiped when dropped.
pub struct AesCtr(Aes128);

impl AesCtr {
    /// Expands a key.
    pub fn new(key: &[u8; 16]) -> Self {
        AesCtr(Aes128::new(&Array(*key)))
    }

    /// Overwrites `elements` with the stream's bytes from block `index` on, read as little-endian elements.
    pub fn fill<R: Ring>(&self, prefix: u64, index: u64, elements: &mut [R]) {
        self.fill_bytes(prefix, index, R::as_bytes_mut(elements));
        R::fix_byte_order(elements);
    }

    /// Overwrites `bytes` with the stream from block `index` on.
    ///
    /// # Panics
    /// When the stream would pass block 2^64 - 1, after which it would repeat.
    pub fn fill_bytes(&self, prefix: u64, index: u64, bytes: &mut [u8]) {
        let blocks = blocks_for(bytes.len());
        assert!(
            index.checked_add(blocks).is_some(),
            "a stream has 2^64 - 1 blocks at most"
        );
        let mut next = index;
        for batch in bytes.chunks_mut(BATCH * BLOCK) {
            let mut blocks = [Array([0; BLOCK]); BATCH];
            let blocks = &mut blocks[..batch.len().div_ceil(BLOCK)];
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
    }
}

/// Blocks that `bytes` bytes of the stream take.
pub fn blocks_for(bytes: usize) -> u64 {
    bytes.div_ceil(BLOCK) as u64
}

impl fmt::Debug for AesCtr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AesCtr(..)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The stream by its definition, one block at a time.
    fn naive(key: &[u8; 16], prefix: u64, index: u64, len: usize) -> Vec<u8> {
        let cipher = Aes128::new(&Array(*key));
        let mut stream = Vec::new();
        for i in 0..len.div_ceil(BLOCK) as u64 {
            let mut block = Array([0; BLOCK]);
            block[..8].copy_from_slice(&prefix.to_le_bytes());
            block[8..].copy_from_slice(&(index + i).to_le_bytes());
            cipher.encrypt_block(&mut block);
            stream.extend_from_slice(&block);
        }
        stream.truncate(len);
        stream
    }

    proptest! {
        #[test]
        fn equals_the_definition(
            key in any::<[u8; 16]>(),
            prefix in any::<u64>(),
            index in prop_oneof![0..u64::from(u32::MAX), any::<u64>().prop_map(|i| i.min(u64::MAX - 200))],
            len in 0usize..3000,
        ) {
            let expected = naive(&key, prefix, index, len);
            let mut bytes = vec![0xaa; len];
            AesCtr::new(&key).fill_bytes(prefix, index, &mut bytes);
            prop_assert_eq!(&bytes, &expected);

            let mut words = vec![1u32; len / 4];
            AesCtr::new(&key).fill(prefix, index, &mut words);
            prop_assert_eq!(crate::to_bytes(&words), &expected[..len / 4 * 4]);
            let mut words = vec![1u64; len / 8];
            AesCtr::new(&key).fill(prefix, index, &mut words);
            prop_assert_eq!(crate::to_bytes(&words), &expected[..len / 8 * 8]);
        }
    }

    #[test]
    fn the_cipher_is_aes_128() {
        // FIPS 197, appendix C.1.
        let key = std::array::from_fn(|i| i as u8);
        let plain: [u8; 16] = std::array::from_fn(|i| (i * 0x11) as u8);
        let (prefix, index) = plain.split_at(8);
        let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap());
        let mut block = [0; 16];
        AesCtr::new(&key).fill_bytes(word(prefix), word(index), &mut block);
        assert_eq!(
            block,
            [
                0x69, 0xc4, 0xe0, 0xd8, 0x6a, 0x7b, 0x04, 0x30, 0xd8, 0xcd, 0xb7, 0x80, 0x70, 0xb4, 0xc5, 0x5a
            ]
        );
    }

    #[test]
    #[should_panic(expected = "2^64 - 1 blocks at most")]
    fn a_stream_never_repeats() {
        AesCtr::new(&[0; 16]).fill_bytes(0, u64::MAX, &mut [0; 16]);
    }
}
