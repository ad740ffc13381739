//! The blocks of well-known image networks at a reduced size: what they compute, and how few openings they take.

mod support;

use support::sketch::Sketch;
use support::{Onnx, check_on, float, int, ints, samples};
use tercet_import::{Compiled, FloatReference, RingChoice};
use tercet_plan::Op;

/// How far results may be off on the wide and on the narrow ring, by the size of the largest.
const EXACT: [f32; 2] = [2e-3, 4e-2];
/// The same where curves stand for SiLU and the sigmoid.
const CURVED: [f32; 2] = [2e-2, 6e-2];

/// A network under construction; weights have the size that keeps values as large as they are.
struct Network {
    sketch: Sketch,
}

impl Network {
    fn new(size: i64) -> Network {
        Network {
            sketch: Sketch::new(Onnx::new(&[-1, 3, size, size]).opset(14)),
        }
    }

    /// Convolution and normalisation.
    fn conv(&mut self, of: &str, [inputs, outputs, kernel, stride]: [i64; 4], groups: i64) -> String {
        let inner = inputs / groups;
        let size = (6.0 / (inner * kernel * kernel) as f32).sqrt();
        let weight = self.sketch.constant(&[outputs, inner, kernel, kernel], -size, size);
        let attributes = [
            ints("pads", &[kernel / 2; 4]),
            ints("strides", &[stride; 2]),
            int("group", groups),
        ];
        let conv = self.sketch.node("Conv", &[of, &weight], &attributes);
        let statistics = [(0.5, 1.5), (-0.2, 0.2), (-0.2, 0.2), (0.5, 1.5)];
        let statistics = statistics.map(|(low, high)| self.sketch.constant(&[outputs], low, high));
        let [scale, shift, mean, variance] = statistics.each_ref().map(String::as_str);
        self.sketch
            .node("BatchNormalization", &[&conv, scale, shift, mean, variance], &[])
    }

    fn dense(&mut self, of: &str, inputs: i64, outputs: i64) -> String {
        let size = (3.0 / inputs as f32).sqrt();
        let weight = self.sketch.constant(&[inputs, outputs], -size, size);
        self.sketch.node("MatMul", &[of, &weight], &[])
    }

    fn pooled(&mut self, of: &str) -> String {
        let pooled = self.sketch.node("GlobalAveragePool", &[of], &[]);
        self.sketch.node("Flatten", &[&pooled], &[])
    }

    fn silu(&mut self, of: &str) -> String {
        let gate = self.sketch.node("Sigmoid", &[of], &[]);
        self.sketch.node("Mul", &[of, &gate], &[])
    }

    /// Compiles on both rings, each compared with the front end.
    fn check(&self, size: usize, tolerances: [f32; 2]) -> [Compiled; 2] {
        let inputs = [samples(&[4, 3, size, size], -2.0, 2.0)];
        let model = self.sketch.onnx.model();
        let reference = FloatReference::new(&model, &inputs).expect("the front end runs it");
        let outputs = reference.run(&inputs).expect("the front end runs it");
        let largest = outputs[0].data().iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        let [wide, narrow] = tolerances.map(|tolerance| tolerance * largest);
        [(RingChoice::Wide, wide), (RingChoice::Narrow, narrow)]
            .map(|(ring, tolerance)| check_on(&model, &inputs, ring, tolerance))
    }
}

fn openings(compiled: &Compiled) -> usize {
    let steps = compiled.plan.steps.iter();
    steps.filter(|step| matches!(step.op, Op::Linear(_))).count()
}

/// A bottleneck of ResNet-50: three convolutions and a shortcut, which has one of its own where shapes change.
fn bottleneck(network: &mut Network, of: &str, [inputs, inner, outputs, stride]: [i64; 4]) -> String {
    let first = network.conv(of, [inputs, inner, 1, 1], 1);
    let first = network.sketch.node("Relu", &[&first], &[]);
    let second = network.conv(&first, [inner, inner, 3, stride], 1);
    let second = network.sketch.node("Relu", &[&second], &[]);
    let third = network.conv(&second, [inner, outputs, 1, 1], 1);
    let shortcut = if inputs == outputs && stride == 1 {
        of.to_owned()
    } else {
        network.conv(of, [inputs, outputs, 1, stride], 1)
    };
    let sum = network.sketch.node("Add", &[&third, &shortcut], &[]);
    network.sketch.node("Relu", &[&sum], &[])
}

#[test]
fn resnet_50_opens_a_shortcut_with_the_layer_it_joins() {
    let mut network = Network::new(32);
    let stem = network.conv("x", [3, 8, 7, 2], 1);
    let stem = network.sketch.node("Relu", &[&stem], &[]);
    let pool = [
        ints("kernel_shape", &[3; 2]),
        ints("strides", &[2; 2]),
        ints("pads", &[1; 4]),
    ];
    let mut last = network.sketch.node("MaxPool", &[&stem], &pool);
    for shape in [[8, 8, 32, 1], [32, 8, 32, 1], [32, 16, 64, 2], [64, 16, 64, 1]] {
        last = bottleneck(&mut network, &last, shape);
    }
    let pooled = network.pooled(&last);
    network.dense(&pooled, 64, 10);
    for compiled in network.check(32, EXACT) {
        // The stem, three layers in each of four blocks, the classifier; shortcuts cost nothing.
        assert_eq!(openings(&compiled), 1 + 4 * 3 + 1);
        let rectified = compiled
            .plan
            .steps
            .iter()
            .filter(|step| matches!(step.op, Op::Piecewise { .. }));
        assert_eq!(rectified.count(), 4 * 3, "the first ReLU is the pool's");
        let cut = compiled
            .plan
            .steps
            .iter()
            .filter(|step| matches!(step.op, Op::Truncate { .. }));
        assert_eq!(cut.count(), 0, "comparisons cut off what is too fine");
    }
}

#[test]
fn vgg_16_takes_one_opening_a_layer() {
    let mut network = Network::new(16);
    let mut last = "x".to_owned();
    for [inputs, outputs] in [[3, 8], [8, 8], [8, 16], [16, 16]] {
        let conv = network.conv(&last, [inputs, outputs, 3, 1], 1);
        last = network.sketch.node("Relu", &[&conv], &[]);
        if inputs == outputs {
            let pool = [ints("kernel_shape", &[2; 2]), ints("strides", &[2; 2])];
            last = network.sketch.node("MaxPool", &[&last], &pool);
        }
    }
    let flat = network.sketch.node("Flatten", &[&last], &[]);
    let hidden = network.dense(&flat, 16 * 4 * 4, 32);
    let hidden = network.sketch.node("Relu", &[&hidden], &[]);
    network.dense(&hidden, 32, 10);
    for compiled in network.check(16, EXACT) {
        assert_eq!(openings(&compiled), 6);
    }
}

/// A block of EfficientNet: expansion, a convolution of each channel, squeeze and excitation, projection, shortcut.
fn inverted(network: &mut Network, of: &str, channels: i64, gated: bool) -> String {
    let wide = 4 * channels;
    let activate = |network: &mut Network, of: &str| {
        if gated {
            network.silu(of)
        } else {
            let bounds = [(0.0, 0.0), (6.0, 6.0)].map(|(low, high)| network.sketch.constant(&[], low, high));
            network.sketch.node("Clip", &[of, &bounds[0], &bounds[1]], &[])
        }
    };
    let expanded = network.conv(of, [channels, wide, 1, 1], 1);
    let expanded = activate(network, &expanded);
    let depthwise = network.conv(&expanded, [wide, wide, 3, 1], wide);
    let mut value = activate(network, &depthwise);
    if gated {
        let mean = network.sketch.node("GlobalAveragePool", &[&value], &[]);
        let squeezed = network.conv(&mean, [wide, channels, 1, 1], 1);
        let squeezed = network.silu(&squeezed);
        let excited = network.conv(&squeezed, [channels, wide, 1, 1], 1);
        let gate = network.sketch.node("Sigmoid", &[&excited], &[]);
        value = network.sketch.node("Mul", &[&value, &gate], &[]);
    }
    let projected = network.conv(&value, [wide, channels, 1, 1], 1);
    network.sketch.node("Add", &[&projected, of], &[])
}

#[test]
fn efficientnet_and_mobilenet_blocks() {
    for gated in [true, false] {
        let mut network = Network::new(12);
        let mut last = network.conv("x", [3, 8, 3, 2], 1);
        for _ in 0..2 {
            last = inverted(&mut network, &last, 8, gated);
        }
        let last = network.sketch.node("LeakyRelu", &[&last], &[float("alpha", 0.125)]);
        let pooled = network.pooled(&last);
        network.dense(&pooled, 8, 10);
        for compiled in network.check(12, if gated { CURVED } else { EXACT }) {
            let products = if gated { 3 } else { 0 };
            assert_eq!(openings(&compiled), 1 + 2 * (3 + products) + 1);
        }
    }
}
