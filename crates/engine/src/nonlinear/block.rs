//! The local work of a comparison, on 64 lanes a word: products of the dealer's bits, and the blocks' polynomials in public bits.
//!
//! A product of public bits and secret bits, `(p_0 ^ s_0) ... (p_{n-1} ^ s_{n-1})`, is linear in the products of the secret bits
//! alone. An evaluator holds exclusive-or shares of those, in a table whose entry T is the product of the s_i with bit i of T set, and
//! *folds* the public bits in one after the other, from the top: `table[T] = p_i table[T] ^ table[T with i]`, which halves the table.

use tercet_plan::Layout;
use tercet_ring::{BitPlanes, vectorize};

/// Words worked on at once, so that the compiler can use its widest vectors.
const CHUNK: usize = 8;

/// One chunk of a plane.
type Chunk = [u64; CHUNK];

const ZEROS: Chunk = [0; CHUNK];
const ONES: Chunk = [u64::MAX; CHUNK];

/// Shares of what the nodes of one level yield: for node n plane n of `less` tells "less", plane n of `equal` "equal". The lowest node has no "equal":
/// its plane is zero.
pub(super) struct Nodes {
    pub less: BitPlanes,
    pub equal: BitPlanes,
}

/// Which opened plane each child's bits are in, for one block of a level.
pub(super) struct Block {
    /// The block's first child among the nodes of the level below.
    pub first_child: usize,
    /// Planes of the children's "less", without the last child's.
    pub less: Vec<usize>,
    /// Planes of the children's "equal". When one is missing it is that of the lowest child.
    pub equal: Vec<usize>,
}

impl Block {
    /// The blocks of a level, and their planes in the order they are opened.
    pub fn of_level(children: &[u32]) -> Vec<Block> {
        let (mut blocks, mut plane, mut first_child) = (Vec::new(), 0, 0);
        for &children in children {
            let mut block = Block {
                first_child,
                less: Vec::new(),
                equal: Vec::new(),
            };
            for child in 0..children as usize {
                if child + 1 < children as usize {
                    block.less.push(plane);
                    plane += 1;
                }
                if first_child + child > 0 {
                    block.equal.push(plane);
                    plane += 1;
                }
            }
            first_child += children as usize;
            blocks.push(block);
        }
        blocks
    }

    /// The planes of "equal" of the children above child `child`.
    fn equal_above(&self, child: usize) -> &[usize] {
        &self.equal[self.equal.len() - (self.less.len() - child)..]
    }

    /// Whether the block itself yields an "equal".
    fn yields_equal(&self) -> bool {
        self.equal.len() > self.less.len()
    }
}

/// The nodes' planes that are opened before a level, in the order of [`Block::of_level`].
pub(super) fn openings(blocks: &[Block], nodes: &Nodes) -> BitPlanes {
    let count = blocks.iter().map(|block| block.less.len() + block.equal.len()).sum();
    let mut planes = BitPlanes::zeros(count, nodes.less.lanes());
    for block in blocks {
        for (child, &plane) in block.less.iter().enumerate() {
            planes
                .plane_mut(plane)
                .copy_from_slice(nodes.less.plane(block.first_child + child));
        }
        let without_equal = block.less.len() + 1 - block.equal.len();
        for (child, &plane) in block.equal.iter().enumerate() {
            planes
                .plane_mut(plane)
                .copy_from_slice(nodes.equal.plane(block.first_child + without_equal + child));
        }
    }
    planes
}

/// Calls a function with the entries of a table over a number of bits as its generic argument, so that its loops have fixed lengths.
macro_rules! with_entries {
    ($bits:expr, $function:ident($($argument:expr),*)) => {
        match $bits {
            0 => vectorize!($function::<1>($($argument),*)),
            1 => vectorize!($function::<2>($($argument),*)),
            2 => vectorize!($function::<4>($($argument),*)),
            3 => vectorize!($function::<8>($($argument),*)),
            4 => vectorize!($function::<16>($($argument),*)),
            5 => vectorize!($function::<32>($($argument),*)),
            6 => vectorize!($function::<64>($($argument),*)),
            7 => vectorize!($function::<128>($($argument),*)),
            8 => vectorize!($function::<256>($($argument),*)),
            _ => unreachable!("leaves, blocks and groups have at most eight bits"),
        }
    };
}

/// The first factor of all products of a table.
#[derive(Clone, Copy)]
pub(super) enum Base<'a> {
    /// One. The share of it is one at evaluator 0 and zero at evaluator 1.
    One(bool),
    /// A plane of secret bits, or shares of them.
    Plane(&'a [u64]),
}

/// Bits of one table: planes of `masks`, and where the products of [`Base`] and subsets of them stand among dealt planes: from `first_product` on, subsets in
/// ascending order.
#[derive(Clone, Copy)]
pub(super) struct Factors<'a> {
    pub base: Base<'a>,
    pub planes: &'a [usize],
    pub first_product: usize,
}

impl Factors<'_> {
    /// Whether the product of `base` and this subset is dealt. The others are known: those of one and a single bit.
    fn is_dealt(&self, subset: usize) -> bool {
        match self.base {
            Base::One(_) => !subset.is_power_of_two(),
            Base::Plane(_) => true,
        }
    }

    /// The plane after the last product.
    pub fn next_product(&self) -> usize {
        let subsets = (1usize << self.planes.len()) - 1;
        match self.base {
            Base::One(_) => self.first_product + subsets - self.planes.len(),
            Base::Plane(_) => self.first_product + subsets,
        }
    }
}

/// The dealer: all products of the bits of `r` within each leaf, subsets in ascending order. Plane i of `r` is the leaves' i-th bit.
pub(super) fn leaf_products(layout: &Layout, r: &BitPlanes) -> BitPlanes {
    let mut products = BitPlanes::zeros(layout.leaf_products() as usize, r.lanes());
    let (mut bit, mut plane) = (0, 0);
    for &size in layout.leaves() {
        with_entries!(size, store_leaf_products(r, bit, &mut products, plane));
        bit += size as usize;
        plane += (1 << size) - 1;
    }
    products
}

/// An evaluator: shares of the leaves' bits, from the public bits `m` and its share of the products.
pub(super) fn leaf_nodes(layout: &Layout, m: &BitPlanes, products: &BitPlanes, is_first: bool) -> Nodes {
    let count = layout.leaves().len();
    let mut nodes = Nodes {
        less: BitPlanes::zeros(count, m.lanes()),
        equal: BitPlanes::zeros(count, m.lanes()),
    };
    let (mut bit, mut plane) = (0, 0);
    for (leaf, &size) in layout.leaves().iter().enumerate() {
        let (less, equal) = (nodes.less.plane_mut(leaf), nodes.equal.plane_mut(leaf));
        with_entries!(size, evaluate_leaf(m, bit, products, plane, is_first, less, equal));
        bit += size as usize;
        plane += (1 << size) - 1;
    }
    nodes
}

/// The dealer: the products of masks that a level's blocks need. `masks` are those of [`openings`].
pub(super) fn block_products(blocks: &[Block], masks: &BitPlanes, count: usize) -> BitPlanes {
    let mut products = BitPlanes::zeros(count, masks.lanes());
    let mut first_product = 0;
    for block in blocks {
        let equal = Factors {
            base: Base::One(true),
            planes: &block.equal,
            first_product,
        };
        first_product = store_products(masks, equal, &mut products);
        for (child, &less) in block.less.iter().enumerate() {
            let base = Base::Plane(masks.plane(less));
            let factors = Factors {
                base,
                planes: block.equal_above(child),
                first_product,
            };
            first_product = store_products(masks, factors, &mut products);
        }
    }
    products
}

/// The dealer: stores the products of a table that are to be dealt. Gives the plane after them.
pub(super) fn store_products(masks: &BitPlanes, factors: Factors<'_>, products: &mut BitPlanes) -> usize {
    with_entries!(factors.planes.len(), store_table(masks, factors, products));
    factors.next_product()
}

/// An evaluator: shares of the blocks' bits, from the opened bits of their children, its halves of the masks, its share of the
/// products, and for the last child of each block its share of "less".
pub(super) fn block_nodes(
    blocks: &[Block],
    opened: &BitPlanes,
    masks: &BitPlanes,
    products: &BitPlanes,
    children: &Nodes,
    is_first: bool,
) -> Nodes {
    let (count, lanes) = (blocks.len(), opened.lanes());
    let mut nodes = Nodes {
        less: BitPlanes::zeros(count, lanes),
        equal: BitPlanes::zeros(count, lanes),
    };
    let shared = Shared {
        opened,
        masks,
        products,
    };
    let mut first_product = 0;
    for (index, block) in blocks.iter().enumerate() {
        let (less, equal) = (nodes.less.plane_mut(index), nodes.equal.plane_mut(index));
        less.copy_from_slice(children.less.plane(block.first_child + block.less.len()));
        let factors = Factors {
            base: Base::One(is_first),
            planes: &block.equal,
            first_product,
        };
        with_entries!(block.equal.len(), evaluate_block(shared, factors, block, less, equal));
        first_product = factors.next_product();
        for (child, &plane) in block.less.iter().enumerate() {
            let base = Base::Plane(masks.plane(plane));
            let factors = Factors {
                base,
                planes: block.equal_above(child),
                first_product,
            };
            first_product = add_product(shared, factors, &[], less);
        }
    }
    nodes
}

/// An evaluator: adds a share of the product of `base` and all the table's bits, of which those in `negated` count as negated. Gives the plane after the
/// table's products.
pub(super) fn add_product(shared: Shared<'_>, factors: Factors<'_>, negated: &[bool], to: &mut [u64]) -> usize {
    with_entries!(factors.planes.len(), evaluate_product(shared, factors, negated, to));
    factors.next_product()
}

/// What an evaluator knows of masked bits: the opened ones, its halves of their masks, and its share of the masks' products.
#[derive(Clone, Copy)]
pub(super) struct Shared<'a> {
    pub opened: &'a BitPlanes,
    pub masks: &'a BitPlanes,
    pub products: &'a BitPlanes,
}

impl Shared<'_> {
    /// The table of shares of `base` times each subset of the masks.
    #[inline(always)]
    fn table<const ENTRIES: usize>(&self, factors: Factors<'_>, start: usize) -> [Chunk; ENTRIES] {
        let mut table = [ZEROS; ENTRIES];
        table[0] = factors.base.load(start);
        let mut plane = factors.first_product;
        for (subset, entry) in table.iter_mut().enumerate().skip(1) {
            *entry = if factors.is_dealt(subset) {
                plane += 1;
                load(self.products.plane(plane - 1), start)
            } else {
                load(
                    self.masks.plane(factors.planes[subset.trailing_zeros() as usize]),
                    start,
                )
            };
        }
        table
    }
}

impl Base<'_> {
    #[inline(always)]
    fn load(&self, start: usize) -> Chunk {
        match self {
            Base::One(is_first) => constant(*is_first),
            Base::Plane(plane) => load(plane, start),
        }
    }
}

#[inline(always)]
fn store_leaf_products<const ENTRIES: usize>(r: &BitPlanes, bit: usize, products: &mut BitPlanes, plane: usize) {
    for start in chunks(r) {
        let mut table = [ONES; ENTRIES];
        for factor in 0..ENTRIES.trailing_zeros() as usize {
            multiply(&mut table, factor, load(r.plane(bit + factor), start));
        }
        for (product, entry) in table.iter().skip(1).enumerate() {
            store(products.plane_mut(plane + product), start, *entry);
        }
    }
}

#[inline(always)]
fn evaluate_leaf<const ENTRIES: usize>(
    m: &BitPlanes,
    bit: usize,
    products: &BitPlanes,
    plane: usize,
    is_first: bool,
    less: &mut [u64],
    equal: &mut [u64],
) {
    for start in chunks(m) {
        let mut table = [constant(is_first); ENTRIES];
        for (product, entry) in table.iter_mut().skip(1).enumerate() {
            *entry = load(products.plane(plane + product), start);
        }
        // Bit j decides when all above it are equal, m has 0 there and r has 1.
        let mut sum = ZEROS;
        for j in (0..ENTRIES.trailing_zeros() as usize).rev() {
            let is_zero = not(load(m.plane(bit + j), start));
            sum = xor(sum, and(is_zero, table[1 << j]));
            fold(&mut table, j, is_zero);
        }
        store(less, start, sum);
        store(equal, start, table[0]);
    }
}

#[inline(always)]
fn store_table<const ENTRIES: usize>(masks: &BitPlanes, factors: Factors<'_>, products: &mut BitPlanes) {
    for start in chunks(masks) {
        let mut table = [factors.base.load(start); ENTRIES];
        for (bit, &factor) in factors.planes.iter().enumerate() {
            multiply(&mut table, bit, load(masks.plane(factor), start));
        }
        let mut plane = factors.first_product;
        for (subset, entry) in table.iter().enumerate().skip(1) {
            if factors.is_dealt(subset) {
                store(products.plane_mut(plane), start, *entry);
                plane += 1;
            }
        }
    }
}

#[inline(always)]
fn evaluate_block<const ENTRIES: usize>(
    shared: Shared<'_>,
    factors: Factors<'_>,
    block: &Block,
    less: &mut [u64],
    equal: &mut [u64],
) {
    for start in chunks(shared.opened) {
        let mut table = shared.table::<ENTRIES>(factors, start);
        let mut sum = load(less, start);
        let lowest = block.less.len() + 1 - factors.planes.len();
        for (bit, &plane) in factors.planes.iter().enumerate().rev() {
            fold(&mut table, bit, load(shared.opened.plane(plane), start));
            // The table is now the product of the "equal" of all children from this one on: the next one below decides.
            if let Some(below) = (bit + lowest).checked_sub(1) {
                let opened = load(shared.opened.plane(block.less[below]), start);
                sum = xor(sum, and(opened, table[0]));
            }
        }
        store(less, start, sum);
        if block.yields_equal() {
            store(equal, start, table[0]);
        }
    }
}

#[inline(always)]
fn evaluate_product<const ENTRIES: usize>(shared: Shared<'_>, factors: Factors<'_>, negated: &[bool], to: &mut [u64]) {
    for start in chunks(shared.opened) {
        let mut table = shared.table::<ENTRIES>(factors, start);
        for (bit, &plane) in factors.planes.iter().enumerate().rev() {
            let negated = negated.get(bit).copied().unwrap_or(false);
            fold(
                &mut table,
                bit,
                xor(load(shared.opened.plane(plane), start), constant(negated)),
            );
        }
        let sum = xor(load(to, start), table[0]);
        store(to, start, sum);
    }
}

/// Multiplies the factor of a table's bit into the upper half of the entries it has so far.
#[inline(always)]
fn multiply<const ENTRIES: usize>(table: &mut [Chunk; ENTRIES], bit: usize, factor: Chunk) {
    for subset in 0..1 << bit {
        table[subset | 1 << bit] = and(table[subset], factor);
    }
}

/// Folds the public value of the table's highest bit in.
#[inline(always)]
fn fold<const ENTRIES: usize>(table: &mut [Chunk; ENTRIES], bit: usize, public: Chunk) {
    for subset in 0..1 << bit {
        table[subset] = xor(and(public, table[subset]), table[subset | 1 << bit]);
    }
}

/// Where the chunks of each plane start.
#[inline(always)]
fn chunks(planes: &BitPlanes) -> impl Iterator<Item = usize> + use<> {
    (0..planes.words_per_plane()).step_by(CHUNK)
}

/// The chunk of a plane from word `start` on, filled up with zeros.
#[inline(always)]
fn load(plane: &[u64], start: usize) -> Chunk {
    let words = &plane[start..];
    match words.first_chunk::<CHUNK>() {
        Some(chunk) => *chunk,
        None => {
            let mut chunk = ZEROS;
            chunk[..words.len()].copy_from_slice(words);
            chunk
        }
    }
}

#[inline(always)]
fn store(plane: &mut [u64], start: usize, chunk: Chunk) {
    let words = &mut plane[start..];
    match words.first_chunk_mut::<CHUNK>() {
        Some(to) => *to = chunk,
        None => {
            let len = words.len();
            words.copy_from_slice(&chunk[..len]);
        }
    }
}

#[inline(always)]
fn xor(x: Chunk, y: Chunk) -> Chunk {
    std::array::from_fn(|i| x[i] ^ y[i])
}

#[inline(always)]
fn and(x: Chunk, y: Chunk) -> Chunk {
    std::array::from_fn(|i| x[i] & y[i])
}

#[inline(always)]
fn not(x: Chunk) -> Chunk {
    std::array::from_fn(|i| !x[i])
}

/// A public bit, the same in every lane.
#[inline(always)]
fn constant(bit: bool) -> Chunk {
    if bit { ONES } else { ZEROS }
}
