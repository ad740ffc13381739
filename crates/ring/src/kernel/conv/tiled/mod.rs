//! Kernels of 3 x 3 taps at stride 1: tiles of 3 x 3 results with 36 products for each pair of channels, where the definition takes 81.
//!
//! Along one axis three results `y_i = g_0 d_i + g_1 d_{i+1} + g_2 d_{i+2}` take six products:
//!
//! ```text
//! y_0 = g_0 (d_0 - d_1 - d_2) + (g_0 + g_1) d_1 + (g_0 + g_2) d_2
//! y_1 = g_1 (d_2 - d_1 - d_3) + (g_0 + g_1) d_1 + (g_1 + g_2) d_3
//! y_2 = g_2 (d_4 - d_2 - d_3) + (g_0 + g_2) d_2 + (g_1 + g_2) d_3
//! ```
//!
//! Nested over both axes that is 4 products a result instead of 9, as many as Winograd's F(2x2, 3x3) takes. That one divides by 4 in the end,
//! which is impossible over Z_2^l; this one only adds, so it is exact. Each of the 36 points is a matrix product, tiles x channels times
//! channels x outputs. The price: kernels take four times their memory.
//!
//! Sources: Mou and Duhamel, "Short-length FIR filters and their use in fast nonrecursive filtering", IEEE Transactions on Signal
//! Processing 39(6), 1991, for the six products; Lavin and Gray, "Fast algorithms for convolutional neural networks", CVPR 2016, for the nesting and
//! the matrix products.

mod pixels;
mod transform;

use std::ops::Range;

use rayon::prelude::*;

use self::pixels::Pixels;
use self::transform::{LANES, POINTS, TILE, input_points, kernel_points, results_of_tile};
use super::ConvGeometry;
use crate::kernel::gemm::PackedMatrix;
use crate::kernel::gemm::tile::PANEL_ROWS;
use crate::kernel::tier::Tier;
use crate::{Ring, Secret, vectorize};

/// Tiles worked on together: each element of the kernels' points is read once for so many. Few enough that their points and products stay in
/// the second-level cache where channels are few.
const TILES: usize = 4 * PANEL_ROWS;

/// As [`TILES`], where the kernels' points come from memory.
const TILES_OF_LARGE: usize = 10 * PANEL_ROWS;

/// Bytes from which on the kernels' points don't stay in a cache.
const LARGE: usize = 8 << 20;

/// Fewest rows of tiles in a band, unless the image has fewer: two lines of pixels are needed again by the next band.
const BAND_ROWS_MIN: usize = 2;

/// Fewest channels and outputs for which the products outweigh the sums around them.
const CHANNELS_MIN: usize = 32;

/// Results of a tile.
const RESULTS: usize = TILE * TILE;

/// The kernels' points.
pub(super) struct TiledKernels<R: Ring> {
    points: Vec<PackedMatrix<R>>,
}

/// Whether tiles compute this convolution, and faster than the definition.
pub(super) fn suits(geometry: &ConvGeometry) -> bool {
    let covered = tiles(geometry).map(|tiles| tiles * TILE);
    geometry.kernel == [3, 3]
        && geometry.stride == [1, 1]
        && geometry.dilation == [1, 1]
        && geometry.groups == 1
        && geometry.channels >= CHANNELS_MIN
        && geometry.outputs >= CHANNELS_MIN
        // Results past the border are computed for nothing.
        && covered[0] * covered[1] * 4 <= geometry.pixels() * 6
}

/// Rows and columns of tiles.
fn tiles(geometry: &ConvGeometry) -> [usize; 2] {
    geometry.output_size().map(|size| size.div_ceil(TILE))
}

impl<R: Ring> TiledKernels<R> {
    pub(super) fn new(geometry: &ConvGeometry, kernels: &[R]) -> Self {
        let [channels, outputs] = [geometry.channels, geometry.outputs].map(|count| count.next_multiple_of(LANES));
        let mut matrices: Vec<Secret<R>> = (0..POINTS).map(|_| Secret::zeros(channels * outputs)).collect();
        for (index, taps) in kernels
            .chunks_exact(geometry.kernel[0] * geometry.kernel[1])
            .enumerate()
        {
            let (output, channel) = (index / geometry.channels, index % geometry.channels);
            for (matrix, point) in matrices.iter_mut().zip(kernel_points(taps)) {
                matrix[channel * outputs + output] = point;
            }
        }
        let pack = |matrix: Secret<R>| PackedMatrix::new(channels, outputs, &matrix);
        TiledKernels {
            points: matrices.into_iter().map(pack).collect(),
        }
    }

    /// `out += kernels * input`, on the threads of rayon's current pool if `spread`.
    pub(super) fn multiply_add(&self, tier: Tier, geometry: &ConvGeometry, spread: bool, input: &[R], out: &mut [R]) {
        let threads = if spread { rayon::current_num_threads() } else { 1 };
        let images = input.len() / geometry.input_len();
        if images == 0 {
            return;
        }
        let largest = self.largest_band(geometry, images.div_ceil(threads));
        let bands = largest.all(images, tiles(geometry)[0]);
        let mut scratch: Vec<Scratch<R>> = (0..threads.min(bands.len()))
            .map(|_| Scratch::new(self, geometry, &largest))
            .collect();
        for bands in bands.chunks(threads) {
            let compute =
                |(scratch, band): (&mut Scratch<R>, &Band)| self.compute(tier, geometry, band, input, scratch);
            if spread {
                scratch.par_iter_mut().zip(bands).for_each(compute);
            } else {
                scratch.iter_mut().zip(bands).for_each(compute);
            }
            for (scratch, band) in scratch.iter().zip(bands) {
                let images = &mut out[band.images.start * geometry.output_len()..];
                let images = images.chunks_exact_mut(geometry.output_len()).take(band.images.len());
                let by_image = scratch
                    .results
                    .chunks_exact(band.rows.len() * self.results_of_row(geometry));
                for (out, results) in images.zip(by_image) {
                    let add = |(block, planes): (usize, &mut [R])| {
                        vectorize!(tier, self.add_planes(geometry, band, results, block * LANES, planes));
                    };
                    let block = LANES * geometry.pixels();
                    if spread {
                        out.par_chunks_mut(block).enumerate().for_each(add);
                    } else {
                        out.chunks_mut(block).enumerate().for_each(add);
                    }
                }
            }
        }
    }

    /// As many whole images as fill a part, or some rows of tiles of one.
    fn largest_band(&self, geometry: &ConvGeometry, images: usize) -> Band {
        let [rows, columns] = tiles(geometry);
        let wanted = self.tiles_of_part().div_ceil(columns).max(BAND_ROWS_MIN);
        let images = if wanted < rows {
            1
        } else {
            (wanted / rows).clamp(1, images)
        };
        Band {
            images: 0..images,
            rows: 0..rows.min(wanted),
        }
    }

    fn tiles_of_part(&self) -> usize {
        match POINTS * self.channels() * self.outputs() * R::BYTES {
            ..LARGE => TILES,
            _ => TILES_OF_LARGE,
        }
    }

    /// Elements of the results of a row of tiles.
    fn results_of_row(&self, geometry: &ConvGeometry) -> usize {
        tiles(geometry)[1] * RESULTS * self.outputs()
    }

    fn channels(&self) -> usize {
        self.points[0].inner()
    }

    fn outputs(&self) -> usize {
        self.points[0].columns()
    }

    /// The results of a band: `[image, tile row, tile column, row, column, output]`.
    fn compute(&self, tier: Tier, geometry: &ConvGeometry, band: &Band, input: &[R], scratch: &mut Scratch<R>) {
        let Scratch {
            pixels,
            inputs,
            products,
            results,
        } = scratch;
        vectorize!(tier, pixels.load(geometry, band, input));
        let tiles = band.images.len() * band.rows.len() * tiles(geometry)[1];
        let results = &mut results[..tiles * RESULTS * self.outputs()];
        let mut first = 0;
        for results in results.chunks_mut(self.tiles_of_part() * RESULTS * self.outputs()) {
            let count = results.len() / (RESULTS * self.outputs());
            let inputs = &mut inputs[..POINTS * count * self.channels()];
            vectorize!(tier, spread(pixels, first, count, inputs));
            let products = &mut products[..POINTS * count * self.outputs()];
            products.fill(R::ZERO);
            let by_point = inputs.chunks_exact(count * self.channels());
            let by_point = by_point.zip(products.chunks_exact_mut(count * self.outputs()));
            for (matrix, (inputs, products)) in self.points.iter().zip(by_point) {
                matrix.multiply_add_here(tier, count, inputs, products);
            }
            vectorize!(tier, gather(count, self.outputs(), products, results));
            first += count;
        }
    }

    /// Adds the results of a band of an image to some planes, from output `first` on.
    #[inline(always)]
    fn add_planes(&self, geometry: &ConvGeometry, band: &Band, results: &[R], first: usize, planes: &mut [R]) {
        let outputs = self.outputs();
        let [height, width] = geometry.output_size();
        let lines = band.rows.start * TILE..height.min(band.rows.end * TILE);
        for (output, plane) in planes.chunks_exact_mut(height * width).enumerate() {
            for y in lines.clone() {
                let row = y / TILE - band.rows.start;
                let start = row * self.results_of_row(geometry) + y % TILE * TILE * outputs + first + output;
                let line = &mut plane[y * width..(y + 1) * width];
                for (tile, line) in line.chunks_mut(TILE).enumerate() {
                    let start = start + tile * RESULTS * outputs;
                    for (x, to) in line.iter_mut().enumerate() {
                        *to = to.plus(results[start + x * outputs]);
                    }
                }
            }
        }
    }
}

/// What a thread works on at a time.
struct Band {
    images: Range<usize>,
    /// Rows of tiles, of each image.
    rows: Range<usize>,
}

impl Band {
    /// Bands no larger than this one that cover some images.
    fn all(&self, images: usize, rows: usize) -> Vec<Band> {
        let cut = |len: usize, step: usize| (0..len).step_by(step).map(move |start| start..len.min(start + step));
        cut(images, self.images.len())
            .flat_map(|images| {
                cut(rows, self.rows.len()).map(move |rows| Band {
                    images: images.clone(),
                    rows,
                })
            })
            .collect()
    }
}

/// A thread's memory, used for band after band.
struct Scratch<R: Ring> {
    pixels: Pixels<R>,
    /// The points of a part's input: `[point, tile, channel]`.
    inputs: Secret<R>,
    /// `[point, tile, output]`.
    products: Secret<R>,
    results: Secret<R>,
}

impl<R: Ring> Scratch<R> {
    fn new(kernels: &TiledKernels<R>, geometry: &ConvGeometry, largest: &Band) -> Self {
        let tiles = largest.images.len() * largest.rows.len() * tiles(geometry)[1];
        let part = tiles.min(kernels.tiles_of_part());
        Scratch {
            pixels: Pixels::new(geometry, largest),
            inputs: Secret::zeros(POINTS * part * kernels.channels()),
            products: Secret::zeros(POINTS * part * kernels.outputs()),
            results: Secret::zeros(tiles * RESULTS * kernels.outputs()),
        }
    }
}

/// The points of the input: `[point, tile, channel]`.
#[inline(always)]
fn spread<R: Ring>(pixels: &Pixels<R>, first: usize, count: usize, inputs: &mut [R]) {
    let channels = pixels.channels();
    for tile in 0..count {
        for channel in (0..channels).step_by(LANES) {
            let window = pixels.window(first + tile, channel);
            let to = &mut inputs[tile * channels + channel..];
            input_points(|row, column| window.pixel(row, column), to, count * channels);
        }
    }
}

/// From products, `[point, tile, output]`, to results, `[tile, row, column, output]`.
#[inline(always)]
fn gather<R: Ring>(count: usize, outputs: usize, products: &[R], results: &mut [R]) {
    for (tile, results) in results.chunks_exact_mut(RESULTS * outputs).enumerate() {
        for output in (0..outputs).step_by(LANES) {
            let products = &products[tile * outputs + output..];
            results_of_tile(products, count * outputs, &mut results[output..], outputs);
        }
    }
}
