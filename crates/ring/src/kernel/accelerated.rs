use super::bits::{self, LANES, Window};
use super::gemm::tile::{self, Tile};
use super::narrow;
use super::tier::Tier;
use crate::vectorize;

/// What a word of a ring must bring along: the operations whose code differs between 32 and 64 bits.
///
/// Not nameable outside this crate, which seals [`crate::Ring`].
pub trait Accelerated: Sized {
    /// Writes elements, little-endian, into as many bytes.
    fn write_little_endian(elements: &[Self], bytes: &mut [u8]);
    /// Reads elements from as many little-endian bytes.
    fn read_little_endian(bytes: &[u8], elements: &mut [Self]);
    /// Adds elements read from as many little-endian bytes.
    fn add_little_endian(bytes: &[u8], elements: &mut [Self]);
    /// The memory of `elements` as bytes.
    fn as_bytes_mut(elements: &mut [Self]) -> &mut [u8];
    /// Turns bytes that were filled in little-endian order into elements of this machine.
    fn fix_byte_order(elements: &mut [Self]);
    /// Word `p * stride + i` of `words` gets bit `p` of the window of the elements of block `i`.
    #[allow(private_interfaces)]
    fn slice_blocks(tier: Tier, blocks: &[[Self; LANES]], window: Window<Self>, words: &mut [u64], stride: usize);
    /// Packs the low `bits` bits of some of the first groups of eight; gives the number of groups.
    fn pack_groups(tier: Tier, bits: u32, groups: &[[Self; 8]], bytes: &mut [u8]) -> usize;
    /// Unpacks some of the first groups of eight; gives their number.
    fn unpack_groups(tier: Tier, bits: u32, bytes: &[u8], groups: &mut [[Self; 8]]) -> usize;
    /// Adds the product of a panel of rows and a panel of columns to a tile of the result.
    ///
    /// # Safety
    /// As [`tile::multiply_add`].
    #[allow(private_interfaces)]
    unsafe fn tile(tier: Tier, tile: &Tile<Self>);
}

macro_rules! accelerated {
    ($word:ty, $tiles:ident, $slice_blocks:ident, $pack_groups:ident, $unpack_groups:ident) => {
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

            fn add_little_endian(bytes: &[u8], elements: &mut [Self]) {
                vectorize!(add_loop(
                    bytes,
                    elements,
                    <$word>::from_le_bytes,
                    <$word>::wrapping_add
                ));
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
            fn slice_blocks(
                tier: Tier,
                blocks: &[[Self; LANES]],
                window: Window<Self>,
                words: &mut [u64],
                stride: usize,
            ) {
                bits::$slice_blocks(tier, blocks, window, words, stride);
            }

            fn pack_groups(tier: Tier, bits: u32, groups: &[[Self; 8]], bytes: &mut [u8]) -> usize {
                narrow::$pack_groups(tier, bits, groups, bytes)
            }

            fn unpack_groups(tier: Tier, bits: u32, bytes: &[u8], groups: &mut [[Self; 8]]) -> usize {
                narrow::$unpack_groups(tier, bits, bytes, groups)
            }

            #[allow(private_interfaces)]
            unsafe fn tile(tier: Tier, tile: &Tile<Self>) {
                // SAFETY: the caller's promise.
                unsafe { tile::$tiles(tier, tile) }
            }
        }
    };
}

accelerated!(
    u32,
    multiply_add_u32,
    slice_blocks_u32,
    pack_groups_u32,
    unpack_groups_u32
);
accelerated!(
    u64,
    multiply_add_u64,
    slice_blocks_u64,
    pack_groups_u64,
    unpack_groups_u64
);

#[inline(always)]
fn add_loop<W: Copy, const BYTES: usize>(
    bytes: &[u8],
    elements: &mut [W],
    read: impl Fn([u8; BYTES]) -> W,
    add: impl Fn(W, W) -> W,
) {
    for (element, bytes) in elements.iter_mut().zip(bytes.as_chunks().0) {
        *element = add(*element, read(*bytes));
    }
}
