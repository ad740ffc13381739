use std::fmt;

use zeroize::Zeroize;

/// A plaintext tensor of a client or a model's owner: row-major numbers with a shape.
///
/// Its `Debug` shows the shape only: what it holds is somebody's private data. Wiped when dropped.
#[derive(Clone, PartialEq)]
pub struct Array {
    shape: Vec<usize>,
    data: Vec<f32>,
}

/// A shape that does not multiply to the number of elements.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("an array of shape {shape:?} cannot hold {elements} elements")]
pub struct ShapeMismatch {
    /// The shape.
    pub shape: Vec<usize>,
    /// The elements given.
    pub elements: usize,
}

impl Array {
    /// An array of `shape` over `data`, which has as many elements.
    pub fn new(shape: Vec<usize>, data: Vec<f32>) -> Result<Self, ShapeMismatch> {
        let product = shape
            .iter()
            .try_fold(1_usize, |product, &size| product.checked_mul(size));
        if product == Some(data.len()) {
            Ok(Array { shape, data })
        } else {
            Err(ShapeMismatch {
                shape,
                elements: data.len(),
            })
        }
    }

    /// Sizes of the axes, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The elements.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// Gives the elements away.
    pub fn into_data(mut self) -> Vec<f32> {
        std::mem::take(&mut self.data)
    }
}

impl Drop for Array {
    fn drop(&mut self) {
        self.data.zeroize();
    }
}

impl fmt::Debug for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Array{:?}", self.shape)
    }
}
