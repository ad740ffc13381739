/// Shapes of a convolution and how its windows move; pairs are `[height, width]`.
///
/// Its owner has checked that nothing but `batch` can be zero, that `groups` divides channels and outputs, that the dilated kernel fits
/// into the padded input, and that no product of its numbers overflows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConvGeometry {
    /// Channels of the input.
    pub channels: usize,
    /// Size of the input.
    pub input: [usize; 2],
    /// Channels of the result.
    pub outputs: usize,
    /// Size of a kernel.
    pub kernel: [usize; 2],
    /// Step between windows.
    pub stride: [usize; 2],
    /// Step between the taps of a window.
    pub dilation: [usize; 2],
    /// Zeros before the first row and column.
    pub pad_before: [usize; 2],
    /// Zeros after the last row and column.
    pub pad_after: [usize; 2],
    /// Independent groups of channels.
    pub groups: usize,
}

impl ConvGeometry {
    /// Size of the result.
    pub fn output_size(&self) -> [usize; 2] {
        [0, 1].map(|axis| {
            let padded = self.input[axis] + self.pad_before[axis] + self.pad_after[axis];
            let reach = self.dilation[axis] * (self.kernel[axis] - 1) + 1;
            (padded - reach) / self.stride[axis] + 1
        })
    }

    /// Elements of one image of the input.
    pub fn input_len(&self) -> usize {
        self.channels * self.input[0] * self.input[1]
    }

    /// Elements of one image of the result.
    pub fn output_len(&self) -> usize {
        self.outputs * self.pixels()
    }

    /// Elements of the kernels, `[outputs, channels / groups, kernel height, kernel width]`.
    pub fn kernels_len(&self) -> usize {
        self.outputs * self.taps()
    }

    /// Pixels of one channel of the result.
    pub(super) fn pixels(&self) -> usize {
        let [rows, columns] = self.output_size();
        rows * columns
    }

    /// Products summed into one element of the result.
    pub(super) fn taps(&self) -> usize {
        self.channels / self.groups * self.kernel[0] * self.kernel[1]
    }

    /// For one tap along one axis: the outputs whose input element is not padding.
    pub(super) fn covered(&self, axis: usize, tap: usize) -> std::ops::Range<usize> {
        let offset = tap * self.dilation[axis];
        let (stride, pad) = (self.stride[axis], self.pad_before[axis]);
        let first = pad.saturating_sub(offset).div_ceil(stride);
        let end = (self.input[axis] + pad)
            .saturating_sub(offset)
            .div_ceil(stride)
            .min(self.output_size()[axis]);
        first..end.max(first)
    }
}
