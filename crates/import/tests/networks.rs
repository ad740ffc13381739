//! Random networks: whatever the layers and their order, the plan computes what the front end does.

mod support;

use proptest::prelude::*;
use support::sketch::Sketch;
use support::{Onnx, check_on, float, int, ints, samples};
use tercet_import::RingChoice;

/// One layer of a network on images.
#[derive(Clone, Copy, Debug)]
enum Layer {
    Conv {
        channels: i64,
        kernel: i64,
        pad: i64,
        stride: i64,
        bias: bool,
    },
    Depthwise,
    Normalize,
    Relu,
    Clip,
    Leaky,
    HardSwish,
    MaxPool {
        pad: i64,
    },
    AveragePool {
        include: bool,
    },
    Residual,
    Excite,
    Scale,
    Square,
    TransposeTwice,
    SplitAndJoin,
}

fn layer() -> impl Strategy<Value = Layer> {
    prop_oneof![
        3 => (1..6_i64, 1..4_i64, 0..2_i64, 1..3_i64, any::<bool>())
            .prop_map(|(channels, kernel, pad, stride, bias)| Layer::Conv { channels, kernel, pad, stride, bias }),
        1 => Just(Layer::Depthwise),
        2 => Just(Layer::Normalize),
        2 => Just(Layer::Relu),
        1 => Just(Layer::Clip),
        1 => Just(Layer::Leaky),
        1 => Just(Layer::HardSwish),
        1 => (0..2_i64).prop_map(|pad| Layer::MaxPool { pad }),
        1 => any::<bool>().prop_map(|include| Layer::AveragePool { include }),
        1 => Just(Layer::Residual),
        1 => Just(Layer::Excite),
        1 => Just(Layer::Scale),
        1 => Just(Layer::Square),
        1 => Just(Layer::TransposeTwice),
        1 => Just(Layer::SplitAndJoin),
    ]
}

/// A network under construction, with the shape of its last value.
struct Network {
    sketch: Sketch,
    last: String,
    channels: i64,
    size: i64,
}

impl Network {
    /// Small weights, so that values stay of the same size through many layers.
    fn weight(&mut self, shape: &[i64], size: f32) -> String {
        self.sketch.constant(shape, -size, size)
    }

    fn positive(&mut self, shape: &[i64]) -> String {
        self.sketch.constant(shape, 0.5, 2.0)
    }

    fn add(&mut self, layer: Layer) {
        let last = self.last.clone();
        let x = last.as_str();
        let channels = self.channels;
        self.last = match layer {
            Layer::Conv {
                channels: outputs,
                kernel,
                pad,
                stride,
                bias,
            } => {
                if self.size + 2 * pad < kernel {
                    return;
                }
                let weight = self.weight(&[outputs, channels, kernel, kernel], 1.0 / (channels * kernel) as f32);
                let bias = bias.then(|| self.weight(&[outputs], 0.5));
                self.channels = outputs;
                self.size = (self.size + 2 * pad - kernel) / stride + 1;
                let operands: Vec<&str> = [x, &weight].into_iter().chain(bias.as_deref()).collect();
                self.sketch.node(
                    "Conv",
                    &operands,
                    &[ints("pads", &[pad; 4]), ints("strides", &[stride; 2])],
                )
            }
            Layer::Depthwise => {
                let weight = self.weight(&[channels, 1, 3, 3], 0.4);
                self.sketch
                    .node("Conv", &[x, &weight], &[ints("pads", &[1; 4]), int("group", channels)])
            }
            Layer::Normalize => {
                let constants = [
                    self.positive(&[channels]),
                    self.weight(&[channels], 0.5),
                    self.weight(&[channels], 0.5),
                    self.positive(&[channels]),
                ];
                let [scale, shift, mean, variance] = constants.each_ref().map(String::as_str);
                self.sketch
                    .node("BatchNormalization", &[x, scale, shift, mean, variance], &[])
            }
            Layer::Relu => self.sketch.node("Relu", &[x], &[]),
            Layer::Clip => {
                let (low, high) = (self.sketch.fresh(), self.sketch.fresh());
                self.sketch.onnx = self
                    .sketch
                    .onnx
                    .clone()
                    .constant(&low, &[], &[-0.5])
                    .constant(&high, &[], &[1.5]);
                self.sketch.node("Clip", &[x, &low, &high], &[])
            }
            Layer::Leaky => self.sketch.node("LeakyRelu", &[x], &[float("alpha", 0.1)]),
            Layer::HardSwish => self.sketch.node("HardSwish", &[x], &[]),
            Layer::MaxPool { pad } => {
                if self.size < 2 {
                    return;
                }
                self.size = (self.size + 2 * pad - 2) / 2 + 1;
                let attributes = [
                    ints("kernel_shape", &[2; 2]),
                    ints("strides", &[2; 2]),
                    ints("pads", &[pad; 4]),
                ];
                self.sketch.node("MaxPool", &[x], &attributes)
            }
            Layer::AveragePool { include } => {
                let attributes = [
                    ints("kernel_shape", &[3; 2]),
                    ints("pads", &[1; 4]),
                    int("count_include_pad", i64::from(include)),
                ];
                self.sketch.node("AveragePool", &[x], &attributes)
            }
            Layer::Residual => {
                let weight = self.weight(&[channels, channels, 1, 1], 0.5 / channels as f32);
                let branch = self.sketch.node("Conv", &[x, &weight], &[]);
                self.sketch.node("Add", &[x, &branch], &[])
            }
            Layer::Excite => {
                let mean = self.sketch.node("GlobalAveragePool", &[x], &[]);
                let weight = self.weight(&[channels, channels, 1, 1], 1.0);
                let score = self.sketch.node("Conv", &[&mean, &weight], &[]);
                let gate = self.sketch.node("HardSigmoid", &[&score], &[]);
                self.sketch.node("Mul", &[x, &gate], &[])
            }
            Layer::Scale => {
                let weight = self.positive(&[channels, 1, 1]);
                self.sketch.node("Mul", &[x, &weight], &[])
            }
            Layer::Square => {
                let (low, high) = (self.sketch.fresh(), self.sketch.fresh());
                self.sketch.onnx = self
                    .sketch
                    .onnx
                    .clone()
                    .constant(&low, &[], &[-1.5])
                    .constant(&high, &[], &[1.5]);
                let bounded = self.sketch.node("Clip", &[x, &low, &high], &[]);
                self.sketch.node("Mul", &[&bounded, &bounded], &[])
            }
            Layer::TransposeTwice => {
                let there = self.sketch.node("Transpose", &[x], &[ints("perm", &[0, 2, 3, 1])]);
                let relu = self.sketch.node("Relu", &[&there], &[]);
                self.sketch.node("Transpose", &[&relu], &[ints("perm", &[0, 3, 1, 2])])
            }
            Layer::SplitAndJoin => {
                let relu = self.sketch.node("Relu", &[x], &[]);
                self.channels *= 2;
                self.sketch.node("Concat", &[x, &relu], &[int("axis", 1)])
            }
        };
        if self.channels > 16 {
            // Joins must not let the network grow without end.
            let weight = self.weight(&[4, self.channels, 1, 1], 0.2);
            let last = self.last.clone();
            self.last = self.sketch.node("Conv", &[&last, &weight], &[]);
            self.channels = 4;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn random_networks_compute_what_the_front_end_does(layers in proptest::collection::vec(layer(), 1..9), dense in any::<bool>()) {
        let mut network = Network {
            sketch: Sketch::new(Onnx::new(&[-1, 3, 8, 8]).opset(14)),
            last: "x".into(),
            channels: 3,
            size: 8,
        };
        for layer in layers {
            network.add(layer);
        }
        let last = network.last.clone();
        if dense || network.sketch.is_empty() {
            let flat = network.sketch.node("Flatten", &[&last], &[]);
            let elements = network.channels * network.size * network.size;
            let weight = network.weight(&[elements, 4], 1.0 / (elements as f32).sqrt());
            network.sketch.node("MatMul", &[&flat, &weight], &[]);
        }
        let inputs = [samples(&[3, 3, 8, 8], -1.0, 1.0)];
        check_on(&network.sketch.onnx.model(), &inputs, RingChoice::Wide, 1e-2);
        // Whether the narrow ring is precise enough depends on the network; if it is taken, it is.
        check_on(&network.sketch.onnx.model(), &inputs, RingChoice::Auto, 0.2);
    }
}
