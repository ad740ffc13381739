//! Ring elements as bytes: whole elements little-endian, and integers of fewer bits packed without gaps.

use crate::kernel::narrow;
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
    write_bytes(elements, &mut bytes);
    bytes
}

/// As [`to_bytes`], into exactly as many bytes as the elements take.
pub fn write_bytes<R: Ring>(elements: &[R], bytes: &mut [u8]) {
    assert_eq!(
        bytes.len(),
        size_of_val(elements),
        "the bytes are as many as the elements take"
    );
    R::write_little_endian(elements, bytes);
}

/// `len` elements from their little-endian bytes.
///
/// # Errors
/// When `bytes` is not exactly `len` elements long.
pub fn from_bytes<R: Ring>(bytes: &[u8], len: usize) -> Result<Secret<R>, WrongLength> {
    let mut elements = Secret::zeros(len);
    read_bytes(bytes, &mut elements)?;
    Ok(elements)
}

/// As [`from_bytes`], over `elements`.
///
/// # Errors
/// When `bytes` is not exactly as long as the elements.
pub fn read_bytes<R: Ring>(bytes: &[u8], elements: &mut [R]) -> Result<(), WrongLength> {
    WrongLength::check(size_of_val(elements), bytes.len())?;
    R::read_little_endian(bytes, elements);
    Ok(())
}

/// `elements[i] +=` the elements that `bytes` hold, little-endian.
///
/// # Errors
/// As [`read_bytes`].
pub fn add_bytes<R: Ring>(bytes: &[u8], elements: &mut [R]) -> Result<(), WrongLength> {
    WrongLength::check(size_of_val(elements), bytes.len())?;
    R::add_little_endian(bytes, elements);
    Ok(())
}

/// Bytes of `len` integers of `bits` bits packed without gaps.
pub fn narrow_len(bits: u32, len: usize) -> usize {
    (len * bits as usize).div_ceil(8)
}

/// The low `bits` bits of each element, one after the other, the first in the lowest bits of the first byte.
///
/// Takes [`narrow_len`] bytes; bits left over in the last byte are zero. `bits` is in 1..=[`Ring::BITS`].
pub fn pack_narrow<R: Ring>(bits: u32, elements: &[R]) -> Vec<u8> {
    let mut bytes = vec![0; narrow_len(bits, elements.len())];
    write_narrow(bits, elements, &mut bytes);
    bytes
}

/// As [`pack_narrow`], into exactly as many bytes as it takes.
pub fn write_narrow<R: Ring>(bits: u32, elements: &[R], bytes: &mut [u8]) {
    check_width::<R>(bits);
    let len = narrow_len(bits, elements.len());
    assert_eq!(bytes.len(), len, "the bytes are as many as the integers take");
    narrow::pack(bits, elements, bytes);
}

/// Reads what [`pack_narrow`] wrote: `len` integers in [0, 2^bits).
///
/// # Errors
/// When `bytes` is not exactly [`narrow_len`] long.
pub fn unpack_narrow<R: Ring>(bits: u32, bytes: &[u8], len: usize) -> Result<Secret<R>, WrongLength> {
    let mut elements = Secret::zeros(len);
    read_narrow(bits, bytes, &mut elements)?;
    Ok(elements)
}

/// As [`unpack_narrow`], over `elements`.
///
/// # Errors
/// When `bytes` is not exactly as long as the integers take.
pub fn read_narrow<R: Ring>(bits: u32, bytes: &[u8], elements: &mut [R]) -> Result<(), WrongLength> {
    check_width::<R>(bits);
    WrongLength::check(narrow_len(bits, elements.len()), bytes.len())?;
    narrow::unpack(bits, bytes, elements);
    Ok(())
}

fn check_width<R: Ring>(bits: u32) {
    assert!(
        (1..=R::BITS).contains(&bits),
        "a packed integer has 1 to {} bits",
        R::BITS
    );
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
        let mut sums = elements.clone();
        add_bytes(&bytes, &mut sums).unwrap();
        assert!(
            sums.iter()
                .zip(&elements)
                .all(|(sum, x)| sum.to_u64() == x.plus(*x).to_u64())
        );
    }

    proptest! {
        #[test]
        fn whole_elements_are_little_endian(words in prop::collection::vec(any::<u64>(), 0..100)) {
            check_whole::<u32>(&words);
            check_whole::<u64>(&words);
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
            add_bytes::<u32>(&[0; 3], &mut [0]).unwrap_err(),
            WrongLength { expected: 4, actual: 3 }
        );
        assert_eq!(
            unpack_narrow::<u32>(5, &[0; 3], 3).unwrap_err(),
            WrongLength { expected: 2, actual: 3 }
        );
    }
}
