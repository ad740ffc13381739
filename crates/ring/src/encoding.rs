//! Ring elements as bytes: whole elements little-endian, and integers of fewer bits packed without gaps.

use zeroize::Zeroize;

use crate::{Ring, Secret};

/// Bytes that should hold a known number of values have another length. The sender is at fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{actual} bytes where {expected} are due")]
pub struct WrongLength {
    /// Bytes due.
    pub expected: usize,
    /// Bytes found.
    pub actual: usize,
}

impl WrongLength {
    pub(crate) fn check(expected: usize, actual: usize) -> Result<(), WrongLength> {
        if expected == actual {
            Ok(())
        } else {
            Err(WrongLength { expected, actual })
        }
    }
}

/// The elements, little-endian, [`Ring::BYTES`] each.
pub fn to_bytes<R: Ring>(elements: &[R]) -> Vec<u8> {
    let mut bytes = vec![0; elements.len() * R::BYTES];
    R::write_little_endian(elements, &mut bytes);
    bytes
}

/// `len` elements from their little-endian bytes.
///
/// # Errors
/// When `bytes` is not exactly `len` elements long.
pub fn from_bytes<R: Ring>(bytes: &[u8], len: usize) -> Result<Secret<R>, WrongLength> {
    WrongLength::check(len * R::BYTES, bytes.len())?;
    let mut elements = Secret::zeros(len);
    R::read_little_endian(bytes, &mut elements);
    Ok(elements)
}

/// Bytes of `len` integers of `bits` bits packed without gaps.
pub fn narrow_len(bits: u32, len: usize) -> usize {
    (len * bits as usize).div_ceil(8)
}

/// The low `bits` bits of each element, one after the other, the first in the lowest bits of the first byte.
///
/// Takes [`narrow_len`] bytes; bits left over in the last byte are zero. `bits` is in 1..=[`Ring::BITS`].
pub fn pack_narrow<R: Ring>(bits: u32, elements: &[R]) -> Vec<u8> {
    assert!(
        (1..=R::BITS).contains(&bits),
        "a packed integer has 1 to {} bits",
        R::BITS
    );
    let mut bytes = Vec::with_capacity(narrow_len(bits, elements.len()) + 8);
    let mask = low_mask(bits);
    let (mut word, mut filled) = (0u64, 0);
    for element in elements {
        let value = element.to_u64() & mask;
        word |= value << filled;
        filled += bits;
        if filled >= 64 {
            bytes.extend_from_slice(&word.to_le_bytes());
            filled -= 64;
            // What did not fit: the top `filled` bits of the value.
            word = if filled == 0 { 0 } else { value >> (bits - filled) };
        }
    }
    bytes.extend_from_slice(&word.to_le_bytes()[..(filled as usize).div_ceil(8)]);
    word.zeroize();
    bytes
}

/// Reads what [`pack_narrow`] wrote: `len` integers in [0, 2^bits).
///
/// # Errors
/// When `bytes` is not exactly [`narrow_len`] long.
pub fn unpack_narrow<R: Ring>(bits: u32, bytes: &[u8], len: usize) -> Result<Secret<R>, WrongLength> {
    assert!(
        (1..=R::BITS).contains(&bits),
        "a packed integer has 1 to {} bits",
        R::BITS
    );
    WrongLength::check(narrow_len(bits, len), bytes.len())?;
    let mask = low_mask(bits);
    let mut elements = Secret::zeros(len);
    for (i, element) in elements.iter_mut().enumerate() {
        let first = i * bits as usize;
        let (byte, shift) = (first / 8, first % 8);
        let low = match bytes.get(byte..byte + 8) {
            Some(window) => u64::from_le_bytes(window.try_into().expect("the window is eight bytes")),
            None => little_endian_tail(&bytes[byte..]),
        };
        let mut value = low >> shift;
        if shift + bits as usize > 64 {
            value |= u64::from(bytes[byte + 8]) << (64 - shift);
        }
        *element = R::from_u64(value & mask);
    }
    Ok(elements)
}

fn low_mask(bits: u32) -> u64 {
    u64::MAX >> (64 - bits)
}

/// Up to seven bytes as a word, the missing ones zero.
fn little_endian_tail(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check_whole<R: Ring>(words: &[u64]) {
        let elements: Vec<R> = words.iter().map(|&w| R::from_u64(w)).collect();
        let bytes = to_bytes(&elements);
        let expected: Vec<u8> = words
            .iter()
            .flat_map(|w| w.to_le_bytes()[..R::BYTES].to_vec())
            .collect();
        assert_eq!(bytes, expected);
        let back = from_bytes::<R>(&bytes, words.len()).unwrap();
        assert!(back.iter().zip(&elements).all(|(x, y)| x.to_u64() == y.to_u64()));
    }

    fn check_narrow<R: Ring>(bits: u32, words: &[u64]) {
        let elements: Vec<R> = words.iter().map(|&w| R::from_u64(w)).collect();
        let bytes = pack_narrow(bits, &elements);
        assert_eq!(bytes.len(), narrow_len(bits, words.len()));
        for (i, element) in elements.iter().enumerate() {
            for bit in 0..bits as usize {
                let at = i * bits as usize + bit;
                assert_eq!(
                    u64::from(bytes[at / 8] >> (at % 8) & 1),
                    element.to_u64() >> bit & 1,
                    "value {i}, bit {bit}"
                );
            }
        }
        let back = unpack_narrow::<R>(bits, &bytes, words.len()).unwrap();
        for (value, element) in back.iter().zip(&elements) {
            assert_eq!(value.to_u64(), element.to_u64() & low_mask(bits));
        }
    }

    proptest! {
        #[test]
        fn whole_elements_are_little_endian(words in prop::collection::vec(any::<u64>(), 0..100)) {
            check_whole::<u32>(&words);
            check_whole::<u64>(&words);
        }

        #[test]
        fn narrow_integers_have_no_gaps(bits in 1u32..=64, words in prop::collection::vec(any::<u64>(), 0..150)) {
            check_narrow::<u64>(bits, &words);
            check_narrow::<u32>(bits.min(32), &words);
        }
    }

    #[test]
    fn other_lengths_are_refused() {
        assert_eq!(
            from_bytes::<u32>(&[0; 7], 2).unwrap_err(),
            WrongLength { expected: 8, actual: 7 }
        );
        assert_eq!(
            from_bytes::<u64>(&[0; 8], 2).unwrap_err(),
            WrongLength {
                expected: 16,
                actual: 8
            }
        );
        assert_eq!(
            unpack_narrow::<u32>(5, &[0; 3], 3).unwrap_err(),
            WrongLength { expected: 2, actual: 3 }
        );
    }
}
