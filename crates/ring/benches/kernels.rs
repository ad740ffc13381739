//! Throughput of the kernels. `cargo bench -p tercet-ring`; the item counts are multiply-accumulates, bytes or elements.

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use ndarray::Array2;
use ndarray::linalg::general_mat_mul;
use tercet_ring::kernel::aes_ctr::AesCtr;
use tercet_ring::kernel::conv::{ConvGeometry, PackedKernels};
use tercet_ring::kernel::gemm::{self, PackedMatrix};
use tercet_ring::{
    Ring, add_bytes, narrow_len, pack_narrow, read_narrow, slice_difference, to_bytes, unslice, vector, write_bytes,
    write_narrow,
};

fn main() {
    divan::main();
}

fn noise<R: Ring>(len: usize) -> Vec<R> {
    let mut elements = vec![R::ZERO; len];
    AesCtr::new(&[7; 16]).fill(0, 0, &mut elements);
    elements
}

/// Rows, inner, columns.
const PRODUCTS: &[[usize; 3]] = &[
    [512, 512, 512],
    [128, 784, 128],
    [1, 784, 128],
    [4, 784, 128],
    [1, 4096, 4096],
    [1, 256, 10],
    [16, 800, 500],
    [64, 64, 64],
];

#[divan::bench(types = [u32, u64], args = PRODUCTS)]
fn gemm_packed<R: Ring>(bencher: Bencher, &[rows, inner, columns]: &[usize; 3]) {
    let left = noise::<R>(rows * inner);
    let right = PackedMatrix::new(inner, columns, &noise::<R>(inner * columns));
    let mut out = vec![R::ZERO; rows * columns];
    bencher
        .counter(ItemsCount::new(rows * inner * columns))
        .bench_local(|| right.multiply_add(rows, black_box(&left), black_box(&mut out)));
}

#[divan::bench(types = [u32, u64], args = PRODUCTS)]
fn gemm_unpacked<R: Ring>(bencher: Bencher, &[rows, inner, columns]: &[usize; 3]) {
    let (left, right) = (noise::<R>(rows * inner), noise::<R>(inner * columns));
    let mut out = vec![R::ZERO; rows * columns];
    bencher
        .counter(ItemsCount::new(rows * inner * columns))
        .bench_local(|| {
            gemm::gemm(
                rows,
                inner,
                columns,
                black_box(&left),
                black_box(&right),
                black_box(&mut out),
            )
        });
}

/// What floats can do on this machine, on one thread.
#[divan::bench(args = PRODUCTS)]
fn gemm_float(bencher: Bencher, &[rows, inner, columns]: &[usize; 3]) {
    let left = Array2::from_elem((rows, inner), 1.5f32);
    let right = Array2::from_elem((inner, columns), 0.5f32);
    let mut out = Array2::zeros((rows, columns));
    bencher
        .counter(ItemsCount::new(rows * inner * columns))
        .bench_local(|| general_mat_mul(1.0, black_box(&left), black_box(&right), 0.0, black_box(&mut out)));
}

fn square(channels: usize, size: usize, outputs: usize, kernel: usize, stride: usize, pad: usize) -> ConvGeometry {
    ConvGeometry {
        channels,
        input: [size; 2],
        outputs,
        kernel: [kernel; 2],
        stride: [stride; 2],
        dilation: [1; 2],
        pad_before: [pad; 2],
        pad_after: [pad; 2],
        groups: 1,
    }
}

/// Layers of LeNet, of ResNet-20 on 32 x 32 pixels, of ResNet-50 and VGG16 on 224 x 224, and depthwise ones of MobileNet and EfficientNet.
fn layer(name: &str) -> ConvGeometry {
    let depthwise = |channels, size, kernel, stride, pad| ConvGeometry {
        groups: channels,
        ..square(channels, size, channels, kernel, stride, pad)
    };
    match name {
        "lenet 1" => square(1, 28, 20, 5, 1, 0),
        "lenet 2" => square(20, 12, 50, 5, 1, 0),
        "resnet20 3x3 16" => square(16, 32, 16, 3, 1, 1),
        "resnet20 3x3 32" => square(32, 16, 32, 3, 1, 1),
        "resnet20 3x3 64" => square(64, 8, 64, 3, 1, 1),
        "resnet20 3x3/2 16" => square(16, 32, 32, 3, 2, 1),
        "resnet50 7x7/2 3" => square(3, 224, 64, 7, 2, 3),
        "resnet50 3x3 64" => square(64, 56, 64, 3, 1, 1),
        "resnet50 3x3 128" => square(128, 28, 128, 3, 1, 1),
        "resnet50 3x3 256" => square(256, 14, 256, 3, 1, 1),
        "resnet50 3x3 512" => square(512, 7, 512, 3, 1, 1),
        "resnet50 3x3/2 128" => square(128, 56, 128, 3, 2, 1),
        "resnet50 1x1 64" => square(64, 56, 256, 1, 1, 0),
        "resnet50 1x1 256" => square(256, 56, 64, 1, 1, 0),
        "resnet50 1x1 512" => square(512, 28, 128, 1, 1, 0),
        "resnet50 1x1 1024" => square(1024, 14, 256, 1, 1, 0),
        "resnet50 1x1 2048" => square(2048, 7, 512, 1, 1, 0),
        "resnet50 1x1/2 512" => square(512, 28, 1024, 1, 2, 0),
        "vgg16 3x3 3" => square(3, 224, 64, 3, 1, 1),
        "vgg16 3x3 64" => square(64, 224, 64, 3, 1, 1),
        "vgg16 3x3 256" => square(256, 56, 256, 3, 1, 1),
        "vgg16 3x3 512" => square(512, 28, 512, 3, 1, 1),
        "depthwise 3x3" => depthwise(64, 56, 3, 1, 1),
        "depthwise 3x3/2" => depthwise(64, 112, 3, 2, 1),
        "depthwise 3x3 14" => depthwise(512, 14, 3, 1, 1),
        "depthwise 5x5" => depthwise(480, 14, 5, 1, 2),
        "depthwise 5x5/2" => depthwise(64, 56, 5, 2, 2),
        _ => unreachable!("the names are those below"),
    }
}

#[divan::bench(types = [u32, u64], args = [
    "lenet 1", "lenet 2", "resnet20 3x3 16", "resnet20 3x3 32", "resnet20 3x3 64", "resnet20 3x3/2 16",
    "resnet50 7x7/2 3", "resnet50 3x3 64", "resnet50 3x3 128", "resnet50 3x3 256", "resnet50 3x3 512", "resnet50 3x3/2 128",
    "resnet50 1x1 64", "resnet50 1x1 256", "resnet50 1x1 512", "resnet50 1x1 1024", "resnet50 1x1 2048", "resnet50 1x1/2 512",
    "vgg16 3x3 3", "vgg16 3x3 64", "vgg16 3x3 256", "vgg16 3x3 512",
    "depthwise 3x3", "depthwise 3x3/2", "depthwise 3x3 14", "depthwise 5x5", "depthwise 5x5/2",
])]
fn conv<R: Ring>(bencher: Bencher, name: &str) {
    let geometry = layer(name);
    let kernels = PackedKernels::new(geometry, &noise::<R>(geometry.kernels_len()));
    let input = noise::<R>(geometry.input_len());
    let mut out = vec![R::ZERO; geometry.output_len()];
    let products = geometry.kernels_len() * geometry.output_len() / geometry.outputs;
    bencher
        .counter(ItemsCount::new(products))
        .bench_local(|| kernels.multiply_add(1, black_box(&input), black_box(&mut out)));
}

#[divan::bench(args = [256, 64 << 10, 4 << 20])]
fn aes_ctr(bencher: Bencher, len: usize) {
    let key = AesCtr::new(&[7; 16]);
    let mut bytes = vec![0u8; len];
    bencher
        .counter(BytesCount::new(len))
        .bench_local(|| key.fill_bytes(1, 2, black_box(&mut bytes)));
}

/// Elements that a protocol works on at a time.
const LANES: usize = 1 << 14;

#[divan::bench(types = [u32, u64])]
fn aes_ctr_subtract<R: Ring>(bencher: Bencher) {
    let key = AesCtr::new(&[7; 16]);
    let mut elements = noise::<R>(LANES);
    bencher
        .counter(ItemsCount::new(LANES))
        .bench_local(|| key.subtract_from(1, 2, black_box(&mut elements)));
}

#[divan::bench(types = [u32, u64], args = [1, 21, 32])]
fn bits_slice<R: Ring>(bencher: Bencher, count: u32) {
    let elements = noise::<R>(LANES);
    let mut words = vec![0; count as usize * LANES / 64];
    bencher
        .counter(ItemsCount::new(LANES))
        .bench_local(|| slice_difference(black_box(&elements), R::ONE, 0, count, black_box(&mut words)));
}

#[divan::bench(types = [u32, u64])]
fn bits_unslice<R: Ring>(bencher: Bencher) {
    let plane = noise::<u64>(LANES / 64);
    bencher
        .counter(ItemsCount::new(LANES))
        .bench_local(|| unslice::<R>(black_box(&plane), LANES));
}

#[divan::bench(types = [u32, u64], args = [8, 13, 31])]
fn narrow_pack<R: Ring>(bencher: Bencher, bits: u32) {
    let elements = noise::<R>(LANES);
    let mut bytes = vec![0; narrow_len(bits, LANES)];
    bencher
        .counter(ItemsCount::new(LANES))
        .bench_local(|| write_narrow(bits, black_box(&elements), black_box(&mut bytes)));
}

#[divan::bench(types = [u32, u64], args = [8, 13, 31])]
fn narrow_unpack<R: Ring>(bencher: Bencher, bits: u32) {
    let bytes = pack_narrow(bits, &noise::<R>(LANES));
    let mut elements = vec![R::ZERO; LANES];
    bencher
        .counter(ItemsCount::new(LANES))
        .bench_local(|| read_narrow(bits, black_box(&bytes), black_box(&mut elements)).expect("as many bytes"));
}

#[divan::bench(types = [u32, u64])]
fn bytes_write<R: Ring>(bencher: Bencher) {
    let elements = noise::<R>(LANES);
    let mut bytes = vec![0; LANES * R::BYTES];
    bencher
        .counter(ItemsCount::new(LANES))
        .bench_local(|| write_bytes(black_box(&elements), black_box(&mut bytes)));
}

#[divan::bench(types = [u32, u64])]
fn bytes_add<R: Ring>(bencher: Bencher) {
    let mut elements = noise::<R>(LANES);
    let bytes = to_bytes(&elements);
    bencher
        .counter(ItemsCount::new(LANES))
        .bench_local(|| add_bytes(black_box(&bytes), black_box(&mut elements)).expect("as many bytes"));
}

#[divan::bench(types = [u32, u64])]
fn vector_add_product<R: Ring>(bencher: Bencher) {
    let (mut to, left, right) = (noise::<R>(LANES / 8), noise::<R>(LANES / 8), noise::<R>(LANES / 8));
    bencher
        .counter(ItemsCount::new(LANES / 8))
        .bench_local(|| vector::add_product(black_box(&mut to), black_box(&left), black_box(&right)));
}
