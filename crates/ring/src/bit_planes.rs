use std::fmt;

use zeroize::Zeroize;

use crate::{Ring, Secret, WrongLength, kernel, vectorize};

/// Secret bits, bit-sliced: several planes, each with one bit for every lane.
///
/// Lane `i` of a plane is bit `i % 64` of the plane's word `i / 64`, so that one word operation works on 64 lanes at once. Words past the
/// last lane's are absent; bits of the last word past the last lane mean nothing, are free to hold anything, and are zero on the wire.
/// Like [`Secret`], planes cannot be compared, serialised unawares or printed, and they are wiped when dropped.
#[derive(Clone)]
pub struct BitPlanes {
    planes: usize,
    lanes: usize,
    words: Vec<u64>,
}

impl BitPlanes {
    /// `planes` planes of `lanes` zeros.
    pub fn zeros(planes: usize, lanes: usize) -> Self {
        BitPlanes {
            planes,
            lanes,
            words: vec![0; planes * words_of(lanes)],
        }
    }

    /// Takes over words: one plane after the other, each of [`BitPlanes::words_per_plane`] words.
    pub fn from_words(planes: usize, lanes: usize, words: Vec<u64>) -> Self {
        assert_eq!(
            words.len(),
            planes * words_of(lanes),
            "planes take a whole number of words"
        );
        BitPlanes { planes, lanes, words }
    }

    /// Number of planes.
    pub fn planes(&self) -> usize {
        self.planes
    }

    /// Bits of a plane.
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// Words of a plane.
    pub fn words_per_plane(&self) -> usize {
        words_of(self.lanes)
    }

    /// All planes' words.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// All planes' words.
    pub fn words_mut(&mut self) -> &mut [u64] {
        &mut self.words
    }

    /// The words of one plane.
    pub fn plane(&self, index: usize) -> &[u64] {
        let width = self.words_per_plane();
        &self.words[index * width..(index + 1) * width]
    }

    /// The words of one plane.
    pub fn plane_mut(&mut self, index: usize) -> &mut [u64] {
        let width = self.words_per_plane();
        &mut self.words[index * width..(index + 1) * width]
    }

    /// Exclusive or with planes of the same form.
    pub fn xor_assign(&mut self, other: &BitPlanes) {
        self.check_form(other);
        let (words, others) = (&mut self.words, &other.words);
        vectorize!(combine(words, others, |x, y| x ^ y));
    }

    /// And with planes of the same form.
    pub fn and_assign(&mut self, other: &BitPlanes) {
        self.check_form(other);
        let (words, others) = (&mut self.words, &other.words);
        vectorize!(combine(words, others, |x, y| x & y));
    }

    /// The planes of all parts, in order. All have the same lanes.
    pub fn concat(parts: &[BitPlanes]) -> Self {
        let lanes = parts.first().map_or(0, |part| part.lanes);
        assert!(
            parts.iter().all(|part| part.lanes == lanes),
            "joined planes have the same lanes"
        );
        let mut words = Vec::with_capacity(parts.iter().map(|part| part.words.len()).sum());
        parts.iter().for_each(|part| words.extend_from_slice(&part.words));
        BitPlanes {
            planes: parts.iter().map(|part| part.planes).sum(),
            lanes,
            words,
        }
    }

    /// The first `planes` planes, and the others.
    pub fn split_at(mut self, planes: usize) -> (Self, Self) {
        let tail = self.words[planes * self.words_per_plane()..].to_vec();
        let rest = BitPlanes {
            planes: self.planes - planes,
            lanes: self.lanes,
            words: tail,
        };
        let cut = planes * self.words_per_plane();
        self.words[cut..].zeroize();
        self.words.truncate(cut);
        self.planes = planes;
        (self, rest)
    }

    /// Bytes of `planes` planes of `lanes` lanes on the wire: whole words.
    pub fn byte_len(planes: usize, lanes: usize) -> usize {
        planes * words_of(lanes) * 8
    }

    /// The words, little-endian, with zeros past the last lane.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; size_of_val(&self.words[..])];
        self.write_bytes(&mut bytes);
        bytes
    }

    /// As [`BitPlanes::to_bytes`], into exactly as many bytes as it takes.
    pub fn write_bytes(&self, bytes: &mut [u8]) {
        crate::write_bytes(&self.words, bytes);
        self.clear_unused(bytes);
    }

    /// Reads what [`BitPlanes::to_bytes`] wrote; what stands past the last lane is dropped.
    ///
    /// # Errors
    /// When `bytes` is not exactly [`BitPlanes::byte_len`] long.
    pub fn from_bytes(planes: usize, lanes: usize, bytes: &[u8]) -> Result<Self, WrongLength> {
        let mut words = crate::from_bytes::<u64>(bytes, planes * words_of(lanes))?.into_vec();
        if let Some(mask) = last_word_mask(lanes) {
            words
                .iter_mut()
                .skip(words_of(lanes) - 1)
                .step_by(words_of(lanes))
                .for_each(|word| *word &= mask);
        }
        Ok(BitPlanes { planes, lanes, words })
    }

    fn clear_unused(&self, bytes: &mut [u8]) {
        let Some(mask) = last_word_mask(self.lanes) else { return };
        for plane in bytes.chunks_exact_mut(self.words_per_plane() * 8) {
            let last = plane.len() - 8;
            plane[last..]
                .iter_mut()
                .zip(mask.to_le_bytes())
                .for_each(|(byte, mask)| *byte &= mask);
        }
    }

    fn check_form(&self, other: &BitPlanes) {
        assert_eq!(
            (self.planes, self.lanes),
            (other.planes, other.lanes),
            "operands have the same planes and lanes"
        );
    }
}

impl Drop for BitPlanes {
    fn drop(&mut self) {
        self.words.zeroize();
    }
}

impl fmt::Debug for BitPlanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BitPlanes({} planes of {} lanes)", self.planes, self.lanes)
    }
}

#[inline(always)]
fn combine(words: &mut [u64], others: &[u64], f: impl Fn(u64, u64) -> u64) {
    words
        .iter_mut()
        .zip(others)
        .for_each(|(word, &other)| *word = f(*word, other));
}

fn words_of(lanes: usize) -> usize {
    lanes.div_ceil(64)
}

/// The used bits of a plane's last word, when some are not.
fn last_word_mask(lanes: usize) -> Option<u64> {
    (!lanes.is_multiple_of(64)).then(|| u64::MAX >> (64 - lanes % 64))
}

/// Bits `first_bit..first_bit + count` of every element: plane `p` holds bit `first_bit + p`, one lane an element.
pub fn slice_bits<R: Ring>(elements: &[R], first_bit: u32, count: u32) -> BitPlanes {
    let mut planes = BitPlanes::zeros(count as usize, elements.len());
    slice_difference(elements, R::ZERO, first_bit, count, &mut planes.words);
    planes
}

/// Bits `first_bit..first_bit + count` of every `elements[i] - minus`, into the words of `count` planes, one after the other.
pub fn slice_difference<R: Ring>(elements: &[R], minus: R, first_bit: u32, count: u32, words: &mut [u64]) {
    assert!(first_bit + count <= R::BITS, "an element has {} bits", R::BITS);
    let first = first_bit;
    kernel::slice_bits(elements, kernel::Window { minus, first, count }, words);
}

/// The bits of one plane as elements 0 and 1.
pub fn unslice<R: Ring>(plane: &[u64], lanes: usize) -> Secret<R> {
    assert_eq!(plane.len(), words_of(lanes), "a plane has a word for every 64 lanes");
    let mut elements = Secret::zeros(lanes);
    kernel::unslice(plane, &mut elements);
    elements
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check_slice<R: Ring>(words: &[u64], first_bit: u32, count: u32) {
        let elements: Vec<R> = words.iter().map(|&w| R::from_u64(w)).collect();
        let planes = slice_bits(&elements, first_bit, count);
        assert_eq!((planes.planes(), planes.lanes()), (count as usize, words.len()));
        for p in 0..count as usize {
            for (i, element) in elements.iter().enumerate() {
                let bit = planes.plane(p)[i / 64] >> (i % 64) & 1;
                assert_eq!(
                    bit,
                    element.to_u64() >> (first_bit as usize + p) & 1,
                    "plane {p}, lane {i}"
                );
            }
            for (i, bit) in unslice::<R>(planes.plane(p), words.len()).iter().enumerate() {
                assert_eq!(bit.to_u64(), planes.plane(p)[i / 64] >> (i % 64) & 1);
            }
        }
    }

    proptest! {
        #[test]
        fn a_plane_holds_one_bit_of_every_element(
            words in prop::collection::vec(any::<u64>(), 0..300),
            first in 0u32..64,
            count in 0u32..=64,
        ) {
            check_slice::<u64>(&words, first, count.min(64 - first));
            check_slice::<u32>(&words, first % 32, count.min(32 - first % 32));
        }

        #[test]
        fn bytes_are_the_words_without_unused_lanes(planes in 0usize..5, lanes in 0usize..200, fill in any::<u64>()) {
            let words = (0..planes * words_of(lanes)).map(|i| fill.rotate_left(i as u32)).collect();
            let sliced = BitPlanes::from_words(planes, lanes, words);
            let bytes = sliced.to_bytes();
            assert_eq!(bytes.len(), BitPlanes::byte_len(planes, lanes));
            let back = BitPlanes::from_bytes(planes, lanes, &bytes).unwrap();
            for p in 0..planes {
                for lane in 0..words_of(lanes) * 64 {
                    let bit = |planes: &BitPlanes| planes.plane(p)[lane / 64] >> (lane % 64) & 1;
                    let wire = u64::from(bytes[(p * words_of(lanes) + lane / 64) * 8 + lane % 64 / 8] >> (lane % 8) & 1);
                    assert_eq!(wire, if lane < lanes { bit(&sliced) } else { 0 });
                    assert_eq!(wire, bit(&back));
                }
            }
        }
    }

    #[test]
    fn unused_lanes_are_dropped_on_receipt_too() {
        let planes = BitPlanes::from_bytes(2, 3, &[0xff; 16]).unwrap();
        assert_eq!(planes.words(), [7, 7]);
        assert_eq!(
            BitPlanes::from_bytes(2, 3, &[0; 15]).unwrap_err(),
            WrongLength {
                expected: 16,
                actual: 15
            }
        );
    }

    #[test]
    fn joining_and_splitting_keep_the_order() {
        let of = |words: &[u64]| BitPlanes::from_words(words.len(), 64, words.to_vec());
        let joined = BitPlanes::concat(&[of(&[1, 2]), of(&[]), of(&[3])]);
        assert_eq!((joined.planes(), joined.words()), (3, &[1, 2, 3][..]));
        let (head, tail) = joined.split_at(1);
        assert_eq!(
            (head.planes(), head.words(), tail.planes(), tail.words()),
            (1, &[1][..], 2, &[2, 3][..])
        );
    }

    #[test]
    fn word_operations() {
        let mut x = BitPlanes::from_words(2, 64, vec![0b1100, 0b1010]);
        let y = BitPlanes::from_words(2, 64, vec![0b1010, 0b0110]);
        x.xor_assign(&y);
        assert_eq!(x.words(), [0b0110, 0b1100]);
        x.and_assign(&y);
        assert_eq!(x.words(), [0b0010, 0b0100]);
        assert_eq!(format!("{x:?}"), "BitPlanes(2 planes of 64 lanes)");
    }
}
