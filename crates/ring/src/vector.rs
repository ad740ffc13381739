//! Element-wise arithmetic on vectors of equal length. Every function panics when lengths differ: shapes are the caller's.

use crate::{Ring, vectorize};

/// `to[i] += other[i]`.
pub fn add_assign<R: Ring>(to: &mut [R], other: &[R]) {
    combine(to, other, |x, y| x.plus(y));
}

/// `to[i] -= other[i]`.
pub fn subtract_assign<R: Ring>(to: &mut [R], other: &[R]) {
    combine(to, other, |x, y| x.minus(y));
}

/// `to[i] *= other[i]`.
pub fn multiply_assign<R: Ring>(to: &mut [R], other: &[R]) {
    combine(to, other, |x, y| x.times(y));
}

/// `to[i] += factor * other[i]`.
pub fn add_scaled<R: Ring>(to: &mut [R], factor: R, other: &[R]) {
    combine(to, other, |x, y| x.plus(factor.times(y)));
}

/// `to[i] = -to[i]`.
pub fn negate<R: Ring>(to: &mut [R]) {
    vectorize!(negate_loop(to));
}

/// `to[i] += left[i] * right[i]`.
pub fn add_product<R: Ring>(to: &mut [R], left: &[R], right: &[R]) {
    combine_two(to, left, right, |x, y, z| x.plus(y.times(z)));
}

/// `to[i] -= left[i] * right[i]`.
pub fn subtract_product<R: Ring>(to: &mut [R], left: &[R], right: &[R]) {
    combine_two(to, left, right, |x, y, z| x.minus(y.times(z)));
}

#[inline(always)]
fn combine<R: Ring>(to: &mut [R], other: &[R], f: impl Fn(R, R) -> R) {
    assert_eq!(to.len(), other.len(), "element-wise operands have one length");
    vectorize!(combine_loop(to, other, &f));
}

#[inline(always)]
fn combine_two<R: Ring>(to: &mut [R], left: &[R], right: &[R], f: impl Fn(R, R, R) -> R) {
    assert!(
        to.len() == left.len() && to.len() == right.len(),
        "element-wise operands have one length"
    );
    vectorize!(combine_two_loop(to, left, right, &f));
}

#[inline(always)]
fn negate_loop<R: Ring>(to: &mut [R]) {
    for x in to {
        *x = x.negated();
    }
}

#[inline(always)]
fn combine_loop<R: Ring>(to: &mut [R], other: &[R], f: impl Fn(R, R) -> R) {
    for (x, &y) in to.iter_mut().zip(other) {
        *x = f(*x, y);
    }
}

#[inline(always)]
fn combine_two_loop<R: Ring>(to: &mut [R], left: &[R], right: &[R], f: impl Fn(R, R, R) -> R) {
    for ((x, &y), &z) in to.iter_mut().zip(left).zip(right) {
        *x = f(*x, y, z);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check<R: Ring>(x: &[u64], y: &[u64], z: &[u64], factor: u64) {
        let of = |words: &[u64]| words.iter().map(|&w| R::from_u64(w)).collect::<Vec<R>>();
        let (x, y, z, factor) = (of(x), of(y), of(z), R::from_u64(factor));
        let expect = |got: Vec<R>, f: &dyn Fn(u128, u128, u128) -> u128| {
            for (i, value) in got.iter().enumerate() {
                let operands = (x[i].to_u64().into(), y[i].to_u64().into(), z[i].to_u64().into());
                let exact = f(operands.0, operands.1, operands.2);
                assert_eq!(value.to_u64(), R::from_u64(exact as u64).to_u64(), "element {i}");
            }
        };
        let apply = |f: &dyn Fn(&mut [R])| {
            let mut to = x.clone();
            f(&mut to);
            to
        };
        expect(apply(&|to| add_assign(to, &y)), &|x, y, _| x + y);
        expect(apply(&|to| subtract_assign(to, &y)), &|x, y, _| x.wrapping_sub(y));
        expect(apply(&|to| multiply_assign(to, &y)), &|x, y, _| x * y);
        expect(apply(&|to| negate(to)), &|x, _, _| x.wrapping_neg());
        let c = u128::from(factor.to_u64());
        expect(apply(&|to| add_scaled(to, factor, &y)), &|x, y, _| {
            x.wrapping_add(c * y)
        });
        expect(apply(&|to| add_product(to, &y, &z)), &|x, y, z| x.wrapping_add(y * z));
        expect(apply(&|to| subtract_product(to, &y, &z)), &|x, y, z| {
            x.wrapping_sub(y * z)
        });
    }

    proptest! {
        #[test]
        fn equals_exact_arithmetic(
            rows in prop::collection::vec((any::<u64>(), any::<u64>(), any::<u64>()), 0..150),
            factor in any::<u64>(),
        ) {
            let x: Vec<u64> = rows.iter().map(|r| r.0).collect();
            let y: Vec<u64> = rows.iter().map(|r| r.1).collect();
            let z: Vec<u64> = rows.iter().map(|r| r.2).collect();
            check::<u32>(&x, &y, &z, factor);
            check::<u64>(&x, &y, &z, factor);
        }
    }
}
