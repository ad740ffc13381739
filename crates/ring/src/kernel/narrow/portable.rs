use zeroize::Zeroize;

use super::low_mask;
use crate::Ring;

pub(super) fn pack<R: Ring>(bits: u32, elements: &[R], bytes: &mut [u8]) {
    let mask = low_mask(bits);
    let (mut word, mut filled, mut at) = (0u64, 0, 0);
    for element in elements {
        let value = element.to_u64() & mask;
        word |= value << filled;
        filled += bits;
        if filled >= 64 {
            bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
            at += 8;
            filled -= 64;
            // What did not fit: the top `filled` bits of the value.
            word = if filled == 0 { 0 } else { value >> (bits - filled) };
        }
    }
    let rest = (filled as usize).div_ceil(8);
    bytes[at..at + rest].copy_from_slice(&word.to_le_bytes()[..rest]);
    word.zeroize();
}

pub(super) fn unpack<R: Ring>(bits: u32, bytes: &[u8], elements: &mut [R]) {
    let mask = low_mask(bits);
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
}

/// Up to seven bytes as a word, the missing ones zero.
fn little_endian_tail(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
}
