//! Secret bits that are never opened: sums of products of masked bits, of which at most one product is one.
//!
//! Of masked bits `b_i = m_i ^ l_i` a product is, in integers, linear in the products of the masks that the dealer knows: since
//! `b_i = m_i + (1 - 2 m_i) l_i`,
//!
//! ```text
//! b_1 ... b_n v = sum over subsets S of  (product of 1 - 2 m_i for i in S) (product of m_i for the others)  (product of l_i for i in S) v
//! ```
//!
//! so with shares of all `l_S v` an evaluator has a share of it without a message. It *folds* the m_i in one after the other, from the
//! top, which halves the table of the l_S v each time. Where v is a truncated value, l_S v is linear in what the dealer deals as in `select.rs`.
//! Source: the products of masks as in ASTRA (CCSW 2019) and ABY2.0 (USENIX Security 2021).

use std::collections::BTreeSet;

use tercet_ring::{BitPlanes, Ring, Secret, vectorize};

use super::select::{Form, Shares, as_elements, unmasked};
use super::slots::{Slot, Slots};
use crate::EvaluatorTile;

/// Lanes worked on at once.
const CHUNK: usize = 16;
/// The most bits of a product.
const FACTORS_MAX: usize = 4;

/// One chunk of a row.
type Chunk<R> = [R; CHUNK];

/// A sum of products of masked bits. Which bits is public.
#[derive(Clone)]
pub(super) struct Polynomial {
    /// Planes of the masked bits, and whether a bit counts as negated.
    bits: Vec<(usize, bool)>,
    /// The bits of each product, as a set of indices into `bits`.
    terms: Vec<usize>,
}

impl Polynomial {
    /// One product of all `bits`: planes, and whether each counts as negated.
    pub fn product(bits: Vec<(usize, bool)>) -> Self {
        let terms = vec![(1 << bits.len()) - 1];
        Polynomial { bits, terms }
    }

    /// "Less" of a block of `children` nodes, whose "less" stand in planes from `plane` on and whose "equal", without the lowest, in those after.
    pub fn block(children: usize, plane: usize) -> Self {
        let bits = (plane..plane + 2 * children - 1).map(|plane| (plane, false)).collect();
        let equal_above = |child: usize| {
            (child + 1..children)
                .map(|above| 1 << (children + above - 1))
                .sum::<usize>()
        };
        let terms = (0..children).map(|child| 1 << child | equal_above(child)).collect();
        Polynomial { bits, terms }
    }

    /// The sets of one or more bits whose masks' product is dealt, ascending.
    fn subsets(&self) -> Vec<usize> {
        let of_term = |&term: &usize| (1..=term).filter(move |subset| subset & !term == 0);
        let all: BTreeSet<usize> = self.terms.iter().flat_map(of_term).collect();
        all.into_iter().collect()
    }

    /// Rows that are dealt.
    pub fn rows(&self) -> usize {
        self.subsets().len()
    }

    /// The dealer: the product of the masks of each set, in order.
    pub fn mask_products(&self, masks: &BitPlanes) -> BitPlanes {
        let subsets = self.subsets();
        let mut products = BitPlanes::zeros(subsets.len(), masks.lanes());
        for (row, &subset) in subsets.iter().enumerate() {
            let rest = subset & (subset - 1);
            let mut product = masks.plane(self.bits[subset.trailing_zeros() as usize].0).to_vec();
            if let Ok(of_rest) = subsets.binary_search(&rest) {
                let pairs = product.iter_mut().zip(products.plane(of_rest));
                pairs.for_each(|(product, rest)| *product &= rest);
            }
            products.plane_mut(row).copy_from_slice(&product);
        }
        products
    }

    /// For each product its bits, and for each subset of them the row of the dealt products. Subsets are numbered as in a table of the product.
    fn tables(&self) -> Vec<Table> {
        let subsets = self.subsets();
        let table = |&term: &usize| {
            let bits: Vec<usize> = (0..self.bits.len()).filter(|bit| term >> bit & 1 == 1).collect();
            let row = |entry: usize| {
                let chosen = bits.iter().enumerate().filter(|(place, _)| entry >> place & 1 == 1);
                let subset = chosen.map(|(_, bit)| 1 << bit).sum();
                subsets.binary_search(&subset).expect("subsets of products are dealt")
            };
            Table {
                rows: (1..1 << bits.len()).map(row).collect(),
                bits: bits.iter().map(|&bit| self.bits[bit]).collect(),
            }
        };
        self.terms.iter().map(table).collect()
    }
}

/// One product: where what it takes stands.
struct Table {
    bits: Vec<(usize, bool)>,
    /// Of each subset but the empty one.
    rows: Vec<usize>,
}

/// The bit that decides whether a polynomial or its opposite is meant, `s` in `b = p ^ s ^ polynomial`: the dealer knows s, evaluators know p.
///
/// What is dealt for the polynomial's products is then times `1 - 2 s`, and s has a row of its own.
#[derive(Clone, Copy)]
pub(super) struct Sign {
    /// The row of s.
    pub row: usize,
    /// The opened plane of p.
    pub plane: usize,
}

/// Bits that are not opened, at an evaluator.
pub(super) struct Unopened<R: Ring> {
    /// The opened planes that the polynomials speak of, as elements.
    opened: Secret<R>,
    /// Shares of the products of masks, in rows.
    products: Secret<R>,
    lanes: usize,
    is_first: bool,
}

impl<R: Ring> Unopened<R> {
    /// Takes `rows` products of masks that were dealt as bits.
    pub fn take(evaluator: &mut EvaluatorTile, slots: Slots, opened: &BitPlanes, rows: usize) -> Self {
        Unopened {
            opened: as_elements(opened),
            products: evaluator.dealt(slots.at(Slot::BitMasks), rows * opened.lanes()),
            lanes: opened.lanes(),
            is_first: evaluator.is_first(),
        }
    }

    /// Elements of all rows.
    pub fn len(&self) -> usize {
        self.products.len()
    }

    /// `sum += b v` for the bit of a polynomial whose products are in rows from `first_row` on.
    pub fn add(
        &self,
        sum: &mut [R],
        polynomial: &Polynomial,
        first_row: usize,
        sign: Option<Sign>,
        selected: Selected<'_, R>,
    ) {
        let tables = polynomial.tables();
        let mut products = Secret::zeros(polynomial.rows() * CHUNK);
        let form = Form::new(selected.shift(), self.is_first);
        vectorize!(self.add_chunks(sum, &tables, &mut products, first_row, sign, selected, form));
    }

    /// As [`Unopened::add`], with memory for a chunk of the polynomial's products.
    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "what the compiler has to see in one function")]
    fn add_chunks(
        &self,
        sum: &mut [R],
        tables: &[Table],
        products: &mut [R],
        first_row: usize,
        sign: Option<Sign>,
        selected: Selected<'_, R>,
        form: Form<R>,
    ) {
        for start in (0..self.lanes).step_by(CHUNK) {
            let value = selected.value(form, self.is_first, start);
            let by_sign = sign.map(|sign| self.product(selected, form, sign.row, start));
            // With a sign, the products are of (1 - 2 s) v.
            let base = match by_sign {
                None => value,
                Some(by_sign) => std::array::from_fn(|i| value[i].minus(by_sign[i]).minus(by_sign[i])),
            };
            for (row, to) in products.chunks_exact_mut(CHUNK).enumerate() {
                to.copy_from_slice(&self.product(selected, form, first_row + row, start));
            }
            let mut bit = by_sign.unwrap_or([R::ZERO; CHUNK]);
            for table in tables {
                let term = self.fold(table, base, products, start);
                bit = std::array::from_fn(|i| bit[i].plus(term[i]));
            }
            if let Some(sign) = sign {
                let opposite = load(self.row(&self.opened, sign.plane), start);
                bit = std::array::from_fn(|i| unmasked(opposite[i], bit[i], value[i]));
            }
            let to = &mut sum[start..self.lanes.min(start + CHUNK)];
            to.iter_mut().zip(bit).for_each(|(to, bit)| *to = to.plus(bit));
        }
    }

    /// A share of the product of row `row` and v.
    #[inline(always)]
    fn product(&self, selected: Selected<'_, R>, form: Form<R>, row: usize, start: usize) -> Chunk<R> {
        let bits = load(self.row(&self.products, row), start);
        match selected {
            Selected::Constant(constant) => bits.map(|bit| constant.times(bit)),
            Selected::Truncated {
                m,
                products,
                factor,
                offset,
                ..
            } => {
                let m = load(m, start);
                let [shifted, wraps] = [&products.shifted, &products.wraps].map(|all| load(self.row(all, row), start));
                std::array::from_fn(|i| {
                    let (public, wrapped) = form.public(m[i]);
                    let t = public.times(bits[i]).plus(form.secret(shifted[i], wraps[i], wrapped));
                    factor.times(t).plus(offset.times(bits[i]))
                })
            }
        }
    }

    /// A share of one product of masked bits times v.
    #[inline(always)]
    fn fold(&self, product: &Table, value: Chunk<R>, products: &[R], start: usize) -> Chunk<R> {
        let mut table = [[R::ZERO; CHUNK]; 1 << FACTORS_MAX];
        table[0] = value;
        for (entry, &row) in product.rows.iter().enumerate() {
            table[entry + 1] = load(products, row * CHUNK);
        }
        for (place, &(plane, negated)) in product.bits.iter().enumerate().rev() {
            let opened = load(self.row(&self.opened, plane), start);
            let opened: Chunk<R> = if negated {
                opened.map(|bit| R::ONE.minus(bit))
            } else {
                opened
            };
            for entry in 0..1 << place {
                let (value, masked) = (table[entry], table[entry | 1 << place]);
                table[entry] = std::array::from_fn(|i| unmasked(opened[i], masked[i], value[i]));
            }
        }
        table[0]
    }

    fn row<'b>(&self, all: &'b [R], row: usize) -> &'b [R] {
        &all[row * self.lanes..(row + 1) * self.lanes]
    }
}

/// What a bit selects, v.
#[derive(Clone, Copy)]
pub(super) enum Selected<'a, R: Ring> {
    /// A public number.
    Constant(R),
    /// `factor t + offset` for a truncated opened value.
    Truncated {
        /// m of the value, one row.
        m: &'a [R],
        /// Bits dropped.
        shift: u32,
        /// Shares of the value, one row each.
        shares: [&'a [R]; 2],
        /// Shares of the products of the value and all rows.
        products: &'a Shares<R>,
        /// A public number.
        factor: R,
        /// A public number.
        offset: R,
    },
}

impl<R: Ring> Selected<'_, R> {
    fn shift(self) -> u32 {
        match self {
            Selected::Constant(_) => 0,
            Selected::Truncated { shift, .. } => shift,
        }
    }

    /// A share of v.
    #[inline(always)]
    fn value(self, form: Form<R>, is_first: bool, start: usize) -> Chunk<R> {
        let own = |constant: R| if is_first { constant } else { R::ZERO };
        match self {
            Selected::Constant(constant) => [own(constant); CHUNK],
            Selected::Truncated {
                m,
                shares,
                factor,
                offset,
                ..
            } => {
                let m = load(m, start);
                let [shifted, wraps] = shares.map(|row| load(row, start));
                std::array::from_fn(|i| {
                    let (public, wrapped) = form.public(m[i]);
                    let t = own(public).plus(form.secret(shifted[i], wraps[i], wrapped));
                    factor.times(t).plus(own(offset))
                })
            }
        }
    }
}

/// The chunk of a row from lane `start` on, filled up with zeros.
#[inline(always)]
fn load<R: Ring>(row: &[R], start: usize) -> Chunk<R> {
    let lanes = &row[start..];
    match lanes.first_chunk::<CHUNK>() {
        Some(chunk) => *chunk,
        None => {
            let mut chunk = [R::ZERO; CHUNK];
            chunk[..lanes.len()].copy_from_slice(lanes);
            chunk
        }
    }
}
