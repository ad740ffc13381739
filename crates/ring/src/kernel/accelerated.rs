use super::bits::{self, LANES};
use super::gemm::tile::{self, Tile};
use super::tier::Tier;

/// What a word of a ring must bring along: the operations whose code differs between 32 and 64 bits.
///
/// Not nameable outside this crate, which seals [`crate::Ring`].
pub trait Accelerated: Sized {
    /// Writes elements, little-endian, into as many bytes.
    fn write_little_endian(elements: &[Self], bytes: &mut [u8]);
    /// Reads elements from as many little-endian bytes.
    fn read_little_endian(bytes: &[u8], elements: &mut [Self]);
    /// The memory of `elements` as bytes.
    fn as_bytes_mut(elements: &mut [Self]) -> &mut [u8];
    /// Turns bytes that were filled in little-endian order into elements of this machine.
    fn fix_byte_order(elements: &mut [Self]);
    /// Bit `first + p` of each element goes to word `p * stride` of `words`, for `p` below `count`.
    #[allow(private_interfaces)]
    fn slice_block(tier: Tier, lanes: &[Self; LANES], first: u32, count: u32, words: &mut [u64], stride: usize);
    /// Adds the product of a panel of rows and a panel of columns to a tile of the result.
    ///
    /// # Safety
    /// As [`tile::multiply_add`].
    #[allow(private_interfaces)]
    unsafe fn tile(tier: Tier, tile: &Tile<Self>);
}

macro_rules! accelerated {
    ($word:ty, $tiles:ident, $slice_block:ident) => {
        impl Accelerated for $word {
            fn write_little_endian(elements: &[Self], bytes: &mut [u8]) {
                for (bytes, element) in bytes.chunks_exact_mut(size_of::<$word>()).zip(elements) {
                    bytes.copy_from_slice(&element.to_le_bytes());
                }
            }

            fn read_little_endian(bytes: &[u8], elements: &mut [Self]) {
                for (bytes, element) in bytes.chunks_exact(size_of::<$word>()).zip(elements) {
                    *element = <$word>::from_le_bytes(bytes.try_into().expect("chunks have the size of a word"));
                }
            }

            fn as_bytes_mut(elements: &mut [Self]) -> &mut [u8] {
                let len = size_of_val(elements);
                // SAFETY: integers have no padding, every byte is a valid one, and the borrow moves into the result.
                unsafe { std::slice::from_raw_parts_mut(elements.as_mut_ptr().cast(), len) }
            }

            fn fix_byte_order(elements: &mut [Self]) {
                if cfg!(target_endian = "big") {
                    elements
                        .iter_mut()
                        .for_each(|element| *element = element.swap_bytes());
                }
            }

            #[allow(private_interfaces)]
            fn slice_block(
                tier: Tier,
                lanes: &[Self; LANES],
                first: u32,
                count: u32,
                words: &mut [u64],
                stride: usize,
            ) {
                bits::$slice_block(tier, lanes, first, count, words, stride);
            }

            #[allow(private_interfaces)]
            unsafe fn tile(tier: Tier, tile: &Tile<Self>) {
                // SAFETY: the caller's promise.
                unsafe { tile::$tiles(tier, tile) }
            }
        }
    };
}

accelerated!(u32, multiply_add_u32, slice_block_u32);
accelerated!(u64, multiply_add_u64, slice_block_u64);
