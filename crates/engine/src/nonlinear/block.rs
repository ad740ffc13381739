//! The local work of a comparison, on 64 lanes a word: products of the dealer's bits, and the blocks' polynomials in public bits.
//!
//! A product of public bits and secret bits, `(p_0 ^ s_0) ... (p_{n-1} ^ s_{n-1})`, is linear in the products of the secret bits
//! alone. An evaluator holds exclusive-or shares of those, in a table whose entry T is the product of the s_i with bit i of T set, and
//! *folds* the public bits in one after the other, from the top: `table[T] = p_i table[T] ^ table[T with i]`, which halves the table.

use tercet_plan::Layout;
use tercet_ring::BitPlanes;
use tercet_ring::kernel::vectorize;

/// Words worked on at once, so that the compiler can use its widest vectors.
const CHUNK: usize = 8;

/// One chunk of a plane.
type Chunk = [u64; CHUNK];

/// Entries of the largest table: one for each subset of six bits.
const TABLE: usize = 64;

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

/// The dealer: all products of the bits of `r` within each leaf, subsets in ascending order. Plane i of `r` is the leaves' i-th bit.
pub(super) fn leaf_products(layout: &Layout, r: &BitPlanes) -> BitPlanes {
    let mut products = BitPlanes::zeros(layout.leaf_products() as usize, r.lanes());
    let (mut bit, mut plane) = (0, 0);
    for &size in layout.leaves() {
        let bits: Vec<usize> = (bit..bit + size as usize).collect();
        vectorize(|| {
            each_chunk(r.words_per_plane(), |start| {
                let table = subset_products(ONES, r, &bits, start);
                store_subsets(&mut products, plane, &table, bits.len(), 1, start);
            })
        });
        bit += size as usize;
        plane += (1 << size) - 1;
    }
    products
}

/// An evaluator: shares of the leaves' bits, from the public bits `m` and its share of the products.
pub(super) fn leaf_nodes(layout: &Layout, m: &BitPlanes, products: &BitPlanes, is_first: bool) -> Nodes {
    let count = layout.leaves().len();
    let mut less = BitPlanes::zeros(count, m.lanes());
    let mut equal = BitPlanes::zeros(count, m.lanes());
    let (mut bit, mut plane) = (0, 0);
    for (leaf, &size) in layout.leaves().iter().enumerate() {
        vectorize(|| {
            each_chunk(m.words_per_plane(), |start| {
                let mut table = [ZEROS; TABLE];
                table[0] = constant(is_first);
                for subset in 1..1 << size {
                    table[subset] = load(products.plane(plane + subset - 1), start);
                }
                // Bit j decides when all above it are equal, m has 0 there and r has 1.
                let mut sum = ZEROS;
                for j in (0..size as usize).rev() {
                    let differs = not(load(m.plane(bit + j), start));
                    sum = xor(sum, and(differs, table[1 << j]));
                    fold(&mut table, j, differs);
                }
                store(less.plane_mut(leaf), start, sum);
                if leaf > 0 {
                    store(equal.plane_mut(leaf), start, table[0]);
                }
            })
        });
        bit += size as usize;
        plane += (1 << size) - 1;
    }
    Nodes { less, equal }
}

/// The dealer: the products of two or more masks that a level's blocks need. `masks` are those of [`openings`].
pub(super) fn block_products(blocks: &[Block], masks: &BitPlanes, count: usize) -> BitPlanes {
    let mut products = BitPlanes::zeros(count, masks.lanes());
    let mut plane = 0;
    for block in blocks {
        let size = block.equal.len();
        vectorize(|| {
            each_chunk(masks.words_per_plane(), |start| {
                let table = subset_products(ONES, masks, &block.equal, start);
                store_subsets(&mut products, plane, &table, size, 2, start);
            })
        });
        plane += (1 << size) - 1 - size;
        for (child, &less) in block.less.iter().enumerate() {
            let above = block.equal_above(child);
            vectorize(|| {
                each_chunk(masks.words_per_plane(), |start| {
                    let table = subset_products(load(masks.plane(less), start), masks, above, start);
                    store_subsets(&mut products, plane, &table, above.len(), 1, start);
                })
            });
            plane += (1 << above.len()) - 1;
        }
    }
    products
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
    let mut less = BitPlanes::zeros(blocks.len(), opened.lanes());
    let mut equal = BitPlanes::zeros(blocks.len(), opened.lanes());
    let mut plane = 0;
    for (index, block) in blocks.iter().enumerate() {
        let size = block.equal.len();
        let last = block.first_child + block.less.len();
        vectorize(|| {
            each_chunk(opened.words_per_plane(), |start| {
                let mut table = [ZEROS; TABLE];
                load_subsets(
                    &mut table,
                    constant(is_first),
                    masks,
                    &block.equal,
                    products,
                    plane,
                    start,
                );
                let mut next = plane + (1 << size) - 1 - size;
                // Planes of the products of each child's "less" mask stand from the lowest child on; the table is folded from the highest.
                let mut sum = load(children.less.plane(last), start);
                for (child, &less) in block.less.iter().enumerate() {
                    let above = block.equal_above(child);
                    let mut with_less = [ZEROS; TABLE];
                    with_less[0] = load(masks.plane(less), start);
                    for subset in 1..1 << above.len() {
                        with_less[subset] = load(products.plane(next + subset - 1), start);
                    }
                    next += (1 << above.len()) - 1;
                    for (bit, &above) in above.iter().enumerate().rev() {
                        fold(&mut with_less, bit, load(opened.plane(above), start));
                    }
                    sum = xor(sum, with_less[0]);
                }
                for bit in (0..size).rev() {
                    fold(&mut table, bit, load(opened.plane(block.equal[bit]), start));
                    // The table is now the product of the "equal" of all children from this one on.
                    let child = bit + block.less.len() + 1 - size;
                    if child > 0 {
                        sum = xor(sum, and(load(opened.plane(block.less[child - 1]), start), table[0]));
                    }
                }
                store(less.plane_mut(index), start, sum);
                if block.yields_equal() {
                    store(equal.plane_mut(index), start, table[0]);
                }
            })
        });
        plane += (1 << size) - 1 - size;
        plane += (0..block.less.len())
            .map(|child| (1 << block.equal_above(child).len()) - 1)
            .sum::<usize>();
    }
    Nodes { less, equal }
}

/// The dealer: all products of two or more of the masks in planes `factors`, subsets in ascending order, from plane `plane` on. Gives the plane
/// after them.
pub(super) fn product_terms(masks: &BitPlanes, factors: &[usize], products: &mut BitPlanes, plane: usize) -> usize {
    vectorize(|| {
        each_chunk(masks.words_per_plane(), |start| {
            let table = subset_products(ONES, masks, factors, start);
            store_subsets(products, plane, &table, factors.len(), 2, start);
        })
    });
    plane + (1 << factors.len()) - 1 - factors.len()
}

/// An evaluator: adds a share of the product of the `factors`' bits. A factor is a plane of `opened` and `masks`, and whether it is negated;
/// the products stand from plane `plane` on. Gives the plane after them.
pub(super) fn add_product(
    factors: &[(usize, bool)],
    opened: &BitPlanes,
    masks: &BitPlanes,
    products: &BitPlanes,
    plane: usize,
    is_first: bool,
    to: &mut [u64],
) -> usize {
    let planes: Vec<usize> = factors.iter().map(|factor| factor.0).collect();
    vectorize(|| {
        each_chunk(opened.words_per_plane(), |start| {
            let mut table = [ZEROS; TABLE];
            load_subsets(&mut table, constant(is_first), masks, &planes, products, plane, start);
            for (bit, &(factor, negated)) in factors.iter().enumerate().rev() {
                fold(
                    &mut table,
                    bit,
                    xor(load(opened.plane(factor), start), constant(negated)),
                );
            }
            let sum = xor(load(to, start), table[0]);
            store(to, start, sum);
        })
    });
    plane + (1 << factors.len()) - 1 - factors.len()
}

/// The products of `base` and each subset of the planes `factors`.
#[inline(always)]
fn subset_products(base: Chunk, planes: &BitPlanes, factors: &[usize], start: usize) -> [Chunk; TABLE] {
    let mut table = [ZEROS; TABLE];
    table[0] = base;
    for (bit, &factor) in factors.iter().enumerate() {
        let factor = load(planes.plane(factor), start);
        for subset in 0..1 << bit {
            table[subset | 1 << bit] = and(table[subset], factor);
        }
    }
    table
}

/// Stores the entries of subsets of `least` or more factors in planes from `plane` on.
#[inline(always)]
fn store_subsets(to: &mut BitPlanes, plane: usize, table: &[Chunk; TABLE], factors: usize, least: u32, start: usize) {
    let mut plane = plane;
    for (subset, product) in table.iter().enumerate().take(1 << factors) {
        if subset.count_ones() >= least {
            store(to.plane_mut(plane), start, *product);
            plane += 1;
        }
    }
}

/// The table of shares of the products of the planes `factors` of `masks`: single masks are shared as their halves, the others as dealt.
#[inline(always)]
fn load_subsets(
    table: &mut [Chunk; TABLE],
    base: Chunk,
    masks: &BitPlanes,
    factors: &[usize],
    products: &BitPlanes,
    plane: usize,
    start: usize,
) {
    table[0] = base;
    let mut plane = plane;
    for subset in 1usize..1 << factors.len() {
        table[subset] = if subset.is_power_of_two() {
            load(masks.plane(factors[subset.trailing_zeros() as usize]), start)
        } else {
            plane += 1;
            load(products.plane(plane - 1), start)
        };
    }
}

/// Folds the public value of the table's highest bit in.
#[inline(always)]
fn fold(table: &mut [Chunk; TABLE], bit: usize, public: Chunk) {
    for subset in 0..1 << bit {
        table[subset] = xor(and(public, table[subset]), table[subset | 1 << bit]);
    }
}

#[inline(always)]
fn each_chunk(words: usize, mut body: impl FnMut(usize)) {
    for start in (0..words).step_by(CHUNK) {
        body(start);
    }
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
