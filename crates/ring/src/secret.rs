use std::fmt;
use std::ops::{Deref, DerefMut};

use zeroize::Zeroize;

use crate::Ring;

/// A vector of ring elements that one party must not show: a share, a mask, or a masked value.
///
/// It cannot be compared, serialised or printed (its `Debug` shows the length only), and it is wiped when dropped.
/// Shapes live beside it; the vector is row-major.
#[derive(Clone, Default)]
pub struct Secret<R: Ring>(Vec<R>);

impl<R: Ring> Secret<R> {
    /// Takes over a vector.
    pub fn new(elements: Vec<R>) -> Self {
        Secret(elements)
    }

    /// `len` zeros.
    pub fn zeros(len: usize) -> Self {
        Secret(vec![R::ZERO; len])
    }

    /// Gives the vector away; the caller now has to keep it from leaking.
    pub fn into_vec(mut self) -> Vec<R> {
        std::mem::take(&mut self.0)
    }
}

impl<R: Ring> Deref for Secret<R> {
    type Target = [R];

    fn deref(&self) -> &[R] {
        &self.0
    }
}

impl<R: Ring> DerefMut for Secret<R> {
    fn deref_mut(&mut self) -> &mut [R] {
        &mut self.0
    }
}

impl<R: Ring> Drop for Secret<R> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<R: Ring> fmt::Debug for Secret<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} elements of {})", self.0.len(), R::KIND)
    }
}
