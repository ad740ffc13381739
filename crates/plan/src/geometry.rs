//! Sizes of sliding windows over `[height, width]`.

use crate::{ConvGeometry, Window};

impl ConvGeometry {
    /// `[height, width]` of the result for an operand and kernels of these sizes; `None` when the window does not fit even
    /// once or a size, stride or dilation is zero.
    pub fn output(&self, operand: [u32; 2], kernel: [u32; 2]) -> Option<[u32; 2]> {
        let along = |axis: usize| {
            let padded = u64::from(operand[axis]) + u64::from(self.pad_before[axis]) + u64::from(self.pad_after[axis]);
            positions(padded, kernel[axis], self.stride[axis], self.dilation[axis])
        };
        Some([along(0)?, along(1)?])
    }
}

impl Window {
    /// `[height, width]` of the result for an operand of this size; `None` when the window does not fit even once or a size,
    /// stride or dilation is zero.
    pub fn output(&self, operand: [u32; 2]) -> Option<[u32; 2]> {
        let along = |axis: usize| {
            let length = u64::from(operand[axis]);
            positions(length, self.size[axis], self.stride[axis], self.dilation[axis])
        };
        Some([along(0)?, along(1)?])
    }

    /// Elements under the window.
    pub fn taps(&self) -> u64 {
        u64::from(self.size[0]) * u64::from(self.size[1])
    }
}

/// How often a window of `size` taps fits into `length`.
fn positions(length: u64, size: u32, stride: u32, dilation: u32) -> Option<u32> {
    if size == 0 || stride == 0 || dilation == 0 {
        return None;
    }
    let extent = u64::from(size - 1) * u64::from(dilation) + 1;
    let free = length.checked_sub(extent)?;
    u32::try_from(free / u64::from(stride) + 1).ok()
}
