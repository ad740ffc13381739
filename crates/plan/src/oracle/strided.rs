use tercet_ring::{Ring, Secret};

/// Elements of a shape.
pub fn elements(shape: &[u32]) -> usize {
    shape.iter().map(|&size| size as usize).product()
}

/// Distance between neighbours along each axis of a row-major tensor.
pub fn strides(shape: &[u32]) -> Vec<isize> {
    let mut distance = 1;
    let mut strides: Vec<isize> = shape
        .iter()
        .rev()
        .map(|&size| {
            let stride = distance;
            distance *= size as isize;
            stride
        })
        .collect();
    strides.reverse();
    strides
}

/// The position `base + sum of index * stride` of every index of `shape`, row-major.
pub fn positions(shape: &[u32], base: isize, strides: &[isize]) -> Vec<usize> {
    let mut positions = vec![base];
    for (&size, &stride) in shape.iter().zip(strides) {
        positions = positions
            .iter()
            .flat_map(|&position| (0..size as isize).map(move |index| position + index * stride))
            .collect();
    }
    positions.into_iter().map(|position| position as usize).collect()
}

/// Every sample's elements at `positions`.
pub fn gather<R: Ring>(of: &[R], sample: usize, positions: &[usize]) -> Secret<R> {
    let samples = of.chunks_exact(sample);
    Secret::new(
        samples
            .flat_map(|one| positions.iter().map(|&position| one[position]))
            .collect(),
    )
}
