//! The stream of AES-128 in counter mode with little-endian counter blocks.
//!
//! Block `index` of the stream with prefix `prefix` is the encryption of `prefix || index`, two 64-bit words, little-endian. Nothing is
//! kept from call to call: whoever names the prefix and the index decides, and answers for, what is drawn twice.
//! Source of the construction: counter mode, NIST SP 800-38A, section 6.5.
//!
//! Masks are mostly added to something, so the stream can be combined with what stands in memory as it is made.

mod library;
#[cfg(target_arch = "x86_64")]
mod vaes;

use std::fmt;

use super::tier::Tier;
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

/// What becomes of an element where the stream goes.
#[derive(Clone, Copy)]
enum Onto {
    Replace,
    Add,
    Subtract,
    Xor,
}

impl AesCtr {
    /// Expands a key.
    pub fn new(key: &[u8; 16]) -> Self {
        AesCtr::on(Tier::current(), key)
    }

    fn on(tier: Tier, key: &[u8; 16]) -> Self {
        match tier {
            // SAFETY: the tier is in use only where the processor has it.
            #[cfg(target_arch = "x86_64")]
            Tier::Avx512Plus => AesCtr(Cipher::Vaes(unsafe { vaes::Vaes::new(key) })),
            _ => AesCtr(Cipher::Library(Library::new(key))),
        }
    }

    /// `elements[i] = F[i]`, where F is the stream from block `index` on, read as little-endian elements.
    ///
    /// # Panics
    /// As all draws: when the stream would pass block 2^64 - 1, after which it would repeat.
    pub fn fill<R: Ring>(&self, prefix: u64, index: u64, elements: &mut [R]) {
        self.combine(Onto::Replace, prefix, index, elements);
    }

    /// `elements[i] += F[i]`.
    pub fn add_to<R: Ring>(&self, prefix: u64, index: u64, elements: &mut [R]) {
        self.combine(Onto::Add, prefix, index, elements);
    }

    /// `elements[i] -= F[i]`.
    pub fn subtract_from<R: Ring>(&self, prefix: u64, index: u64, elements: &mut [R]) {
        self.combine(Onto::Subtract, prefix, index, elements);
    }

    /// `words[i] ^= F[i]`.
    pub fn xor_into(&self, prefix: u64, index: u64, words: &mut [u64]) {
        self.combine(Onto::Xor, prefix, index, words);
    }

    /// Overwrites `bytes` with the stream from block `index` on.
    pub fn fill_bytes(&self, prefix: u64, index: u64, bytes: &mut [u8]) {
        check_end(index, bytes.len());
        match &self.0 {
            #[cfg(target_arch = "x86_64")]
            Cipher::Vaes(cipher) => cipher.fill(prefix, index, bytes),
            Cipher::Library(cipher) => cipher.fill(prefix, index, bytes),
        }
    }

    fn combine<R: Ring>(&self, onto: Onto, prefix: u64, index: u64, elements: &mut [R]) {
        check_end(index, size_of_val(elements));
        match &self.0 {
            // Its processors are little-endian.
            #[cfg(target_arch = "x86_64")]
            Cipher::Vaes(cipher) => cipher.combine(onto, R::KIND, prefix, index, R::as_bytes_mut(elements)),
            Cipher::Library(cipher) => match onto {
                Onto::Replace => cipher.combine(prefix, index, elements, |_, stream| stream),
                Onto::Add => cipher.combine(prefix, index, elements, |element: R, stream| element.plus(stream)),
                Onto::Subtract => cipher.combine(prefix, index, elements, |element: R, stream| element.minus(stream)),
                Onto::Xor => cipher.combine(prefix, index, elements, |element: R, stream| element.xor(stream)),
            },
        }
    }
}

fn check_end(index: u64, bytes: usize) {
    assert!(
        index.checked_add(blocks_for(bytes)).is_some(),
        "a stream has 2^64 - 1 blocks at most"
    );
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
        Tier::available().iter().map(|&tier| AesCtr::on(tier, key)).collect()
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

    fn check_elements<R: Ring>(cipher: &AesCtr, prefix: u64, index: u64, stream: &[u8]) {
        let len = stream.len() / R::BYTES;
        let stream = crate::from_bytes::<R>(&stream[..len * R::BYTES], len).unwrap();
        let start: Vec<R> = (0..len as u64)
            .map(|i| R::from_u64(i.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
            .collect();
        let check = |draw: &dyn Fn(&mut [R]), expected: &dyn Fn(R, R) -> R| {
            let mut drawn = start.clone();
            draw(&mut drawn);
            for ((drawn, &start), &stream) in drawn.iter().zip(&start).zip(stream.iter()) {
                assert_eq!(drawn.to_u64(), expected(start, stream).to_u64());
            }
        };
        check(&|to| cipher.fill(prefix, index, to), &|_, stream| stream);
        check(&|to| cipher.add_to(prefix, index, to), &|x, stream| x.plus(stream));
        check(&|to| cipher.subtract_from(prefix, index, to), &|x, stream| {
            x.minus(stream)
        });
        check(&|to| cipher.combine(Onto::Xor, prefix, index, to), &|x, stream| {
            R::from_u64(x.to_u64() ^ stream.to_u64())
        });
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
                check_elements::<u32>(&cipher, prefix, index, &expected);
                check_elements::<u64>(&cipher, prefix, index, &expected);
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
