//! Between planes of channels, as convolutions are given, and pixels with all their channels side by side, as tiles are worked on.

use super::Band;
use super::tiles;
use super::transform::{LANES, Lanes, REACH, TILE, take};
use crate::kernel::conv::ConvGeometry;
use crate::{Ring, Secret};

/// What the tiles of a band read of the padded input: `[image, row, column, channel]`.
pub(super) struct Pixels<R: Ring> {
    elements: Secret<R>,
    tile_rows: usize,
    tile_columns: usize,
    channels: usize,
}

impl<R: Ring> Pixels<R> {
    /// Room for a band.
    pub fn new(geometry: &ConvGeometry, largest: &Band) -> Self {
        let mut pixels = Pixels {
            elements: Secret::default(),
            tile_rows: largest.rows.len(),
            tile_columns: tiles(geometry)[1],
            channels: geometry.channels.next_multiple_of(LANES),
        };
        pixels.elements = Secret::zeros(largest.images.len() * pixels.rows() * pixels.row());
        pixels
    }

    /// Loads a band.
    #[inline(always)]
    pub fn load(&mut self, geometry: &ConvGeometry, band: &Band, input: &[R]) {
        self.tile_rows = band.rows.len();
        let (rows, row, channels) = (self.rows(), self.row(), self.channels);
        self.elements[..band.images.len() * rows * row].fill(R::ZERO);
        let [height, width] = geometry.input;
        let [top, left] = geometry.pad_before;
        let first = TILE * band.rows.start;
        let lines = first.saturating_sub(top)..height.min((first + rows).saturating_sub(top));
        let width_read = width.min((row / channels).saturating_sub(left));
        let images = input.chunks_exact(geometry.input_len()).skip(band.images.start);
        for (image, input) in images.take(band.images.len()).enumerate() {
            for (block, planes) in input.chunks(LANES * height * width).enumerate() {
                for y in lines.clone() {
                    let start = (image * rows + y + top - first) * row + left * channels + block * LANES;
                    for (channel, plane) in planes.chunks_exact(height * width).enumerate() {
                        let line = &plane[y * width..][..width_read];
                        self.elements[start + channel..]
                            .iter_mut()
                            .step_by(channels)
                            .zip(line)
                            .for_each(|(to, &element)| *to = element);
                    }
                }
            }
        }
    }

    /// Lines of an image.
    fn rows(&self) -> usize {
        TILE * self.tile_rows + REACH - TILE
    }

    /// Elements of a line.
    fn row(&self) -> usize {
        (TILE * self.tile_columns + REACH - TILE) * self.channels
    }

    /// Elements from a pixel to the next.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// What tile `tile` of the band reads of `LANES` channels from `channel` on.
    #[inline(always)]
    pub fn window(&self, tile: usize, channel: usize) -> Window<'_, R> {
        let (tile_row, tile_column) = (tile / self.tile_columns, tile % self.tile_columns);
        let (image, tile_row) = (tile_row / self.tile_rows, tile_row % self.tile_rows);
        let line = image * self.rows() + TILE * tile_row;
        let first = line * self.row() + TILE * tile_column * self.channels + channel;
        Window {
            elements: &self.elements[first..],
            row: self.row(),
            column: self.channels,
        }
    }
}

/// Some channels of the pixels that a tile reads.
#[derive(Clone, Copy)]
pub(super) struct Window<'a, R> {
    elements: &'a [R],
    row: usize,
    column: usize,
}

impl<R: Ring> Window<'_, R> {
    #[inline(always)]
    pub fn pixel(&self, row: usize, column: usize) -> Lanes<R> {
        take(self.elements, row * self.row + column * self.column)
    }
}
