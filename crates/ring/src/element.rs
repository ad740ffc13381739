use std::fmt;

use zeroize::Zeroize;

use crate::kernel::Accelerated;

/// Which of the two rings a plan computes in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RingKind {
    /// Z_2^32.
    Z32,
    /// Z_2^64.
    Z64,
}

impl RingKind {
    /// Bits of an element.
    pub fn bits(self) -> u32 {
        match self {
            RingKind::Z32 => 32,
            RingKind::Z64 => 64,
        }
    }

    /// Bytes of an element on the wire.
    pub fn bytes(self) -> usize {
        self.bits() as usize / 8
    }
}

impl fmt::Display for RingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Z_2^{}", self.bits())
    }
}

/// An element of Z_2^32 or Z_2^64, stored as `u32` or `u64`. All arithmetic wraps.
///
/// Sealed: there is a kernel for each of the two words, and no other word can be a ring.
pub trait Ring: Copy + Default + Send + Sync + Zeroize + Accelerated + 'static {
    /// The ring this type stands for.
    const KIND: RingKind;
    /// Bits of an element, `l` in the protocol's formulas.
    const BITS: u32;
    /// Bytes of an element on the wire, little-endian.
    const BYTES: usize;
    /// The additive identity.
    const ZERO: Self;
    /// The multiplicative identity.
    const ONE: Self;

    /// The sum.
    fn plus(self, other: Self) -> Self;
    /// The difference.
    fn minus(self, other: Self) -> Self;
    /// The product.
    fn times(self, other: Self) -> Self;
    /// The additive inverse.
    fn negated(self) -> Self;
    /// Logical shift right by `bits` < [`Ring::BITS`].
    fn shifted_right(self, bits: u32) -> Self;
    /// Shift left; zero when `bits` >= [`Ring::BITS`].
    fn shifted_left(self, bits: u32) -> Self;
    /// Bitwise and.
    fn and(self, other: Self) -> Self;
    /// Bitwise exclusive or.
    fn xor(self, other: Self) -> Self;
    /// The residue of a signed integer.
    fn from_i64(value: i64) -> Self;
    /// The representative in [-2^(l-1), 2^(l-1)).
    fn to_i64(self) -> i64;
    /// The low [`Ring::BITS`] bits of `word`.
    fn from_u64(word: u64) -> Self;
    /// The representative in [0, 2^l).
    fn to_u64(self) -> u64;
}

macro_rules! ring {
    ($word:ty, $signed:ty, $kind:expr) => {
        impl Ring for $word {
            const KIND: RingKind = $kind;
            const BITS: u32 = <$word>::BITS;
            const BYTES: usize = <$word>::BITS as usize / 8;
            const ZERO: Self = 0;
            const ONE: Self = 1;

            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }
            #[inline(always)]
            fn times(self, other: Self) -> Self {
                self.wrapping_mul(other)
            }
            #[inline(always)]
            fn negated(self) -> Self {
                self.wrapping_neg()
            }
            #[inline(always)]
            fn shifted_right(self, bits: u32) -> Self {
                self >> bits
            }
            #[inline(always)]
            fn shifted_left(self, bits: u32) -> Self {
                self.checked_shl(bits).unwrap_or(0)
            }
            #[inline(always)]
            fn and(self, other: Self) -> Self {
                self & other
            }
            #[inline(always)]
            fn xor(self, other: Self) -> Self {
                self ^ other
            }
            #[inline(always)]
            fn from_i64(value: i64) -> Self {
                value as $word
            }
            #[inline(always)]
            fn to_i64(self) -> i64 {
                i64::from(self as $signed)
            }
            #[inline(always)]
            fn from_u64(word: u64) -> Self {
                word as $word
            }
            #[inline(always)]
            fn to_u64(self) -> u64 {
                u64::from(self)
            }
        }
    };
}

ring!(u32, i32, RingKind::Z32);
ring!(u64, i64, RingKind::Z64);
