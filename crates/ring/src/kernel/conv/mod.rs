//! Two-dimensional cross-correlation over a ring: `out += kernels * input`, over `[batch, channels, height, width]`.
//!
//! The kernels are the left operand of a matrix product, packed once, see [`PackedKernels`]. The right operand has a column for every
//! pixel of the result (of all images, one after the other) and a row for every tap of a kernel; it is gathered from the input one
//! panel of columns at a time and never exists as a whole. That keeps the result in its natural order and lets small images of a batch
//! share a panel. Groups of a single channel (depthwise convolution) have too few products for that and are added up row by row.

mod depthwise;
mod gather;
mod geometry;
mod packed;
mod tiled;

pub use geometry::ConvGeometry;
pub use packed::PackedKernels;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Ring;
    use crate::kernel::tier::Tier;

    fn noise<R: Ring>(len: usize, seed: u64) -> Vec<R> {
        (0..len as u64)
            .map(|i| R::from_u64((i + 1).wrapping_mul(seed | 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 3))
            .collect()
    }

    fn naive<R: Ring>(geometry: &ConvGeometry, batch: usize, kernels: &[R], input: &[R], out: &mut [R]) {
        let g = geometry;
        let [rows, columns] = g.output_size();
        let (channels, outputs) = (g.channels / g.groups, g.outputs / g.groups);
        let mut at = 0;
        for image in 0..batch {
            for output in 0..g.outputs {
                for y in 0..rows {
                    for x in 0..columns {
                        for channel in 0..channels {
                            for ky in 0..g.kernel[0] {
                                for kx in 0..g.kernel[1] {
                                    let iy = (y * g.stride[0] + ky * g.dilation[0]).wrapping_sub(g.pad_before[0]);
                                    let ix = (x * g.stride[1] + kx * g.dilation[1]).wrapping_sub(g.pad_before[1]);
                                    if iy >= g.input[0] || ix >= g.input[1] {
                                        continue;
                                    }
                                    let plane = image * g.channels + output / outputs * channels + channel;
                                    let tap = input[(plane * g.input[0] + iy) * g.input[1] + ix];
                                    let kernel = (output * channels + channel) * g.kernel[0] * g.kernel[1];
                                    out[at] = out[at].plus(tap.times(kernels[kernel + ky * g.kernel[1] + kx]));
                                }
                            }
                        }
                        at += 1;
                    }
                }
            }
        }
    }

    fn check<R: Ring>(geometry: ConvGeometry, batch: usize, seed: u64) {
        let kernels = noise::<R>(geometry.kernels_len(), seed);
        let input = noise::<R>(batch * geometry.input_len(), seed + 1);
        let start = noise::<R>(batch * geometry.output_len(), seed + 2);
        let mut expected = start.clone();
        naive(&geometry, batch, &kernels, &input, &mut expected);
        let words = |elements: &[R]| elements.iter().map(|x| x.to_u64()).collect::<Vec<_>>();
        for &tier in Tier::available() {
            let mut out = start.clone();
            PackedKernels::new(geometry, &kernels).multiply_add_on(tier, batch, &input, &mut out);
            assert_eq!(words(&out), words(&expected), "{geometry:?}, batch {batch} on {tier:?}");
        }
    }

    fn geometry() -> impl Strategy<Value = ConvGeometry> {
        let pair = |from: usize, to: usize| prop::array::uniform2(from..to);
        let channels = (1usize..4, 1usize..4, 1usize..9);
        (
            channels,
            pair(1, 14),
            pair(1, 5),
            pair(1, 4),
            pair(1, 3),
            pair(0, 4),
            pair(0, 4),
        )
            .prop_map(
                |((groups, channels, outputs), input, kernel, stride, dilation, pad_before, pad_after)| {
                    let fits = |i: usize| {
                        let reach = dilation[i] * (kernel[i] - 1) + 1;
                        (input[i] + pad_before[i] + pad_after[i]).max(reach) - pad_before[i] - pad_after[i]
                    };
                    ConvGeometry {
                        channels: groups * channels,
                        input: [fits(0), fits(1)],
                        outputs: groups * outputs,
                        kernel,
                        stride,
                        dilation,
                        pad_before,
                        pad_after,
                        groups,
                    }
                },
            )
    }

    proptest! {
        #[test]
        fn equals_the_definition(geometry in geometry(), batch in 0usize..4, seed in any::<u32>()) {
            check::<u32>(geometry, batch, seed.into());
            check::<u64>(geometry, batch, seed.into());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn tiles_equal_the_definition(
            channels in 32usize..50,
            outputs in 32usize..50,
            input in prop::array::uniform2(4usize..14),
            pad_before in prop::array::uniform2(0usize..4),
            pad_after in prop::array::uniform2(0usize..4),
            batch in 0usize..4,
            seed in any::<u32>(),
        ) {
            let geometry = ConvGeometry { input, pad_before, pad_after, ..square(channels, 0, outputs, 3, 0) };
            prop_assume!(tiled::suits(&geometry));
            check::<u32>(geometry, batch, seed.into());
            check::<u64>(geometry, batch, seed.into());
        }
    }

    #[test]
    fn bands_of_tiles_meet() {
        // Several bands of an image, several images in a band, and on three threads more bands than threads.
        let tall = ConvGeometry {
            input: [40, 5],
            ..square(32, 0, 32, 3, 1)
        };
        assert!(tiled::suits(&tall));
        check::<u64>(tall, 2, 6);
        check::<u32>(square(33, 8, 32, 3, 1), 9, 7);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        pool.install(|| check::<u32>(square(34, 38, 40, 3, 1), 2, 8));
    }

    fn square(channels: usize, size: usize, outputs: usize, kernel: usize, pad: usize) -> ConvGeometry {
        ConvGeometry {
            channels,
            input: [size; 2],
            outputs,
            kernel: [kernel; 2],
            stride: [1; 2],
            dilation: [1; 2],
            pad_before: [pad; 2],
            pad_after: [pad; 2],
            groups: 1,
        }
    }

    #[test]
    fn many_taps_and_small_images() {
        check::<u32>(square(40, 5, 13, 3, 1), 5, 1);
        check::<u64>(square(70, 2, 7, 3, 1), 3, 2);
    }

    #[test]
    fn large_convolutions_are_spread_over_threads() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        pool.install(|| {
            check::<u32>(square(16, 30, 33, 3, 1), 1, 3);
            check::<u64>(square(8, 20, 16, 5, 2), 4, 4);
            check::<u64>(
                ConvGeometry {
                    groups: 64,
                    ..square(64, 60, 64, 5, 2)
                },
                1,
                5,
            );
        });
    }
}
