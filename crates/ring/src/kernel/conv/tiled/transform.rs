//! The sums before and after the products, of [`LANES`] channels at a time.

use crate::Ring;

/// Channels worked on together. Channels are filled up to a multiple of it.
pub(super) const LANES: usize = 16;

/// Results of a tile along one axis.
pub(super) const TILE: usize = 3;

/// Elements of the input that a tile reads along one axis.
pub(super) const REACH: usize = 5;

/// Products along one axis.
const AXIS_POINTS: usize = 6;

/// Products of a tile.
pub(super) const POINTS: usize = AXIS_POINTS * AXIS_POINTS;

/// Neighbouring channels of one pixel.
pub(super) type Lanes<R> = [R; LANES];

/// The lanes at a place of a slice.
#[inline(always)]
pub(super) fn take<R: Ring>(elements: &[R], place: usize) -> Lanes<R> {
    *elements[place..].first_chunk().expect("the slice has all lanes")
}

/// Puts lanes in place.
#[inline(always)]
pub(super) fn put<R: Ring>(elements: &mut [R], place: usize, lanes: Lanes<R>) {
    *elements[place..].first_chunk_mut().expect("the slice has all lanes") = lanes;
}

/// Writes what the kernels' points are multiplied with, `stride` elements from one point to the next. `pixel` gives the lanes of a pixel of
/// the window.
#[inline(always)]
pub(super) fn input_points<R: Ring>(pixel: impl Fn(usize, usize) -> Lanes<R>, to: &mut [R], stride: usize) {
    let mut by_column = [[[R::ZERO; LANES]; AXIS_POINTS]; REACH];
    for (column, points) in by_column.iter_mut().enumerate() {
        let (d0, d1, d2) = (pixel(0, column), pixel(1, column), pixel(2, column));
        let (d3, d4) = (pixel(3, column), pixel(4, column));
        points[0] = minus(d0, plus(d1, d2));
        points[1] = minus(d2, plus(d1, d3));
        points[2] = minus(d4, plus(d2, d3));
        points[3] = d1;
        points[4] = d2;
        points[5] = d3;
    }
    for row in 0..AXIS_POINTS {
        let (d0, d1, d2) = (by_column[0][row], by_column[1][row], by_column[2][row]);
        let (d3, d4) = (by_column[3][row], by_column[4][row]);
        let to = &mut to[row * AXIS_POINTS * stride..];
        put(to, 0, minus(d0, plus(d1, d2)));
        put(to, stride, minus(d2, plus(d1, d3)));
        put(to, 2 * stride, minus(d4, plus(d2, d3)));
        put(to, 3 * stride, d1);
        put(to, 4 * stride, d2);
        put(to, 5 * stride, d3);
    }
}

/// The points of a kernel of 3 x 3 taps.
pub(super) fn kernel_points<R: Ring>(taps: &[R]) -> [R; POINTS] {
    let axis = |[g0, g1, g2]: [R; TILE]| [g0, g1, g2, g0.plus(g1), g0.plus(g2), g1.plus(g2)];
    let columns = [0, 1, 2].map(|column| axis([0, 1, 2].map(|row| taps[TILE * row + column])));
    std::array::from_fn(|point| {
        let (row, column) = (point / AXIS_POINTS, point % AXIS_POINTS);
        axis(columns.map(|points| points[row]))[column]
    })
}

/// Writes the results of a tile, row by row, `to_stride` elements from one to the next, from its products, `stride` elements from one to the next.
#[inline(always)]
pub(super) fn results_of_tile<R: Ring>(products: &[R], stride: usize, to: &mut [R], to_stride: usize) {
    let mut by_row = [[[R::ZERO; LANES]; TILE]; AXIS_POINTS];
    for (row, results) in by_row.iter_mut().enumerate() {
        let products = &products[row * AXIS_POINTS * stride..];
        let (p01, p02, p12) = (
            take(products, 3 * stride),
            take(products, 4 * stride),
            take(products, 5 * stride),
        );
        results[0] = plus(take(products, 0), plus(p01, p02));
        results[1] = plus(take(products, stride), plus(p01, p12));
        results[2] = plus(take(products, 2 * stride), plus(p02, p12));
    }
    for column in 0..TILE {
        let to = &mut to[column * to_stride..];
        let (p01, p02, p12) = (by_row[3][column], by_row[4][column], by_row[5][column]);
        put(to, 0, plus(by_row[0][column], plus(p01, p02)));
        put(to, TILE * to_stride, plus(by_row[1][column], plus(p01, p12)));
        put(to, 2 * TILE * to_stride, plus(by_row[2][column], plus(p02, p12)));
    }
}

#[inline(always)]
fn plus<R: Ring>(mut x: Lanes<R>, y: Lanes<R>) -> Lanes<R> {
    for lane in 0..LANES {
        x[lane] = x[lane].plus(y[lane]);
    }
    x
}

#[inline(always)]
fn minus<R: Ring>(mut x: Lanes<R>, y: Lanes<R>) -> Lanes<R> {
    for lane in 0..LANES {
        x[lane] = x[lane].minus(y[lane]);
    }
    x
}
