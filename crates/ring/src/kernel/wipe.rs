use zeroize::Zeroize;

/// Overwrites bytes with zeros that the compiler may not leave out, a word at a time where zeroing a byte slice takes a store for each byte.
pub fn wipe(bytes: &mut [u8]) {
    // SAFETY: every pattern of bits is a value of both u8 and u64, and align_to_mut gives disjoint parts.
    let (head, words, tail) = unsafe { bytes.align_to_mut::<u64>() };
    head.zeroize();
    words.zeroize();
    tail.zeroize();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_wiped_and_no_other() {
        for start in 0..9 {
            for len in 0..40 {
                let mut bytes = [0xa5; 64];
                wipe(&mut bytes[start..start + len]);
                for (place, byte) in bytes.into_iter().enumerate() {
                    assert_eq!(byte == 0, (start..start + len).contains(&place));
                }
            }
        }
    }
}
