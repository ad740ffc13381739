//! Models that no training is needed for: single operations and networks of any size, with random weights and inputs.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tercet_plan::Array;

use crate::onnx::Onnx;

/// Side of the square matrices that are multiplied.
const MATRIX_SIDE: usize = 1000;
/// Elements of the rectified vector.
const RECTIFIED: usize = 1_000_000;
/// Samples of a network's input.
const SAMPLES: usize = 64;

/// A model and its inputs, as files.
pub struct Files {
    /// The model.
    pub model: PathBuf,
    /// In the model's order.
    pub inputs: Vec<PathBuf>,
}

/// The product of two secret matrices, its columns scaled by secret factors afterwards, so that the product has to be truncated.
pub fn matrix_product(directory: &Path) -> Result<Files> {
    let shape = [MATRIX_SIDE, MATRIX_SIDE];
    let onnx = Onnx::default()
        .input("a", &shape)
        .input("b", &shape)
        .constant("factors", &[MATRIX_SIDE], numbers(3, MATRIX_SIDE, 1.0))
        .node("MatMul", &["a", "b"], "product", &[])
        .node("Mul", &["product", "factors"], "scaled", &[]);
    let inputs = [1, 2].map(|seed| (shape.to_vec(), numbers(seed, MATRIX_SIDE * MATRIX_SIDE, 1.0)));
    write(directory, "matrix_product", onnx, "scaled", &inputs)
}

/// ReLU of a long secret vector, each element scaled by a secret factor first, so that the result has to be truncated.
pub fn rectifier(directory: &Path) -> Result<Files> {
    let factors = numbers(1, RECTIFIED, 1.0);
    let onnx = Onnx::default()
        .input("x", &[0, RECTIFIED])
        .constant("factors", &[RECTIFIED], factors)
        .node("Mul", &["x", "factors"], "scaled", &[])
        .node("Relu", &["scaled"], "rectified", &[]);
    let inputs = [(vec![1, RECTIFIED], numbers(2, RECTIFIED, 1.0))];
    write(directory, "rectifier", onnx, "rectified", &inputs)
}

/// A network of fully connected layers of these widths, with ReLU between them.
pub fn perceptron(directory: &Path, widths: &[usize]) -> Result<Files> {
    let name = widths.iter().map(usize::to_string).collect::<Vec<_>>().join("_");
    let name = format!("perceptron_{name}");
    let mut onnx = Onnx::default().input("x", &[0, widths[0]]);
    let mut value = "x".to_owned();
    for (layer, pair) in widths.windows(2).enumerate() {
        let &[fan_in, fan_out] = pair else {
            unreachable!("windows of two")
        };
        // Weights of this size keep the activations' size from layer to layer.
        let weights = numbers(layer as u64 + 1, fan_in * fan_out, (6.0 / fan_in as f32).sqrt());
        let [weight, bias, sum] = ["weight", "bias", "sum"].map(|part| format!("{part}{layer}"));
        onnx = onnx
            .constant(&weight, &[fan_in, fan_out], weights)
            .constant(&bias, &[fan_out], numbers(layer as u64 + 100, fan_out, 0.1))
            .node("Gemm", &[&value, &weight, &bias], &sum, &[]);
        value = sum;
        if layer + 2 < widths.len() {
            let rectified = format!("rectified{layer}");
            onnx = onnx.node("Relu", &[&value], &rectified, &[]);
            value = rectified;
        }
    }
    let inputs = [(vec![SAMPLES, widths[0]], numbers(99, SAMPLES * widths[0], 1.0))];
    write(directory, &name, onnx, &value, &inputs)
}

fn write(directory: &Path, name: &str, onnx: Onnx, output: &str, inputs: &[(Vec<usize>, Vec<f32>)]) -> Result<Files> {
    let directory = directory.join(name);
    fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let model = directory.join("model.onnx");
    fs::write(&model, onnx.bytes(name, output)).with_context(|| format!("cannot write {}", model.display()))?;
    let inputs = inputs.iter().enumerate().map(|(index, (shape, numbers))| {
        let path = directory.join(format!("input_{index}.npy"));
        let array = Array::new(shape.clone(), numbers.clone())?;
        tercet::npy::write(&path, &array).map_err(|failure| anyhow::anyhow!("{failure}"))?;
        Ok(path)
    });
    Ok(Files {
        model,
        inputs: inputs.collect::<Result<_>>()?,
    })
}

/// Reproducible numbers from `-size` to `size`: the linear congruential generator of Knuth's MMIX, upper bits.
fn numbers(seed: u64, count: usize, size: f32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        size * ((state >> 40) as f32 / (1u64 << 23) as f32 - 1.0)
    };
    (0..count).map(|_| next()).collect()
}
