//! The stream of AES-128 in counter mode with little-endian counter blocks.
//!
//! Block `index` of the stream with prefix `prefix` is the encryption of `prefix || index`, two 64-bit words, little-endian. Nothing is
//! kept from call to call: whoever names the prefix and the index decides, and answers for, what is drawn twice.
//! Source of the construction: counter mode, NIST SP 800-38A, section 6.5.

mod library;
#[cfg(target_arch = "x86_64")]
mod vaes;

use std::fmt;

use crate::Ring;
use library::Library;

/// Bytes of a block.
const BLOCK: usize = 16;

/// A key, expanded. Wiped when dropped.
pub struct AesCtr(Cipher);

enum Cipher {
    #[cfg(target_arch = "x86_64")]
    Vaes(vaes::Vaes),
    Library(Library),
}

impl AesCtr {
    /// Expands a key.
    pub fn new(key: &[u8; 16]) -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(vaes) = vaes::Vaes::new(key) {
            return AesCtr(Cipher::Vaes(vaes));
        }
        AesCtr(Cipher::Library(Library::new(key)))
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
        assert!(
            index.checked_add(blocks_for(bytes.len())).is_some(),
            "a stream has 2^64 - 1 blocks at most"
        );
        match &self.0 {
            #[cfg(target_arch = "x86_64")]
            Cipher::Vaes(cipher) => cipher.fill(prefix, index, bytes),
            Cipher::Library(cipher) => cipher.fill(prefix, index, bytes),
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
    use aes::Aes128;
    use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
    use proptest::prelude::*;

    use super::*;

    /// Every form of the cipher this processor can run.
    fn forms(key: &[u8; 16]) -> Vec<AesCtr> {
        vec![AesCtr::new(key), AesCtr(Cipher::Library(Library::new(key)))]
    }

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
            for cipher in forms(&key) {
                let mut bytes = vec![0xaa; len];
                cipher.fill_bytes(prefix, index, &mut bytes);
                prop_assert_eq!(&bytes, &expected);
                let mut words = vec![1u32; len / 4];
                cipher.fill(prefix, index, &mut words);
                prop_assert_eq!(crate::to_bytes(&words), &expected[..len / 4 * 4]);
                let mut words = vec![1u64; len / 8];
                cipher.fill(prefix, index, &mut words);
                prop_assert_eq!(crate::to_bytes(&words), &expected[..len / 8 * 8]);
            }
        }
    }

    #[test]
    fn the_cipher_is_aes_128() {
        // FIPS 197, appendix C.1.
        let key = std::array::from_fn(|i| i as u8);
        let plain: [u8; 16] = std::array::from_fn(|i| (i * 0x11) as u8);
        let (prefix, index) = plain.split_at(8);
        let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap());
        for cipher in forms(&key) {
            let mut block = [0; 16];
            cipher.fill_bytes(word(prefix), word(index), &mut block);
            let expected = [
                0x69, 0xc4, 0xe0, 0xd8, 0x6a, 0x7b, 0x04, 0x30, 0xd8, 0xcd, 0xb7, 0x80, 0x70, 0xb4, 0xc5, 0x5a,
            ];
            assert_eq!(block, expected);
        }
    }

    #[test]
    #[should_panic(expected = "2^64 - 1 blocks at most")]
    fn a_stream_never_repeats() {
        AesCtr::new(&[0; 16]).fill_bytes(0, u64::MAX, &mut [0; 16]);
    }
}
