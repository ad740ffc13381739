//! Every operator against the front end's own run of it, on both rings.

mod support;

use support::{Onnx, check, check_on, float, int, ints, samples, text};
use tercet_import::RingChoice;
use tercet_plan::Op;

/// A result of single operators is off by less than that on the 64-bit ring.
const TOLERANCE: f32 = 1e-3;

fn check_vectors(onnx: &Onnx) {
    check(&onnx.model(), &[samples(&[5, 6], -4.0, 4.0)], TOLERANCE);
}

fn check_images(onnx: &Onnx) {
    check(&onnx.model(), &[samples(&[3, 4, 7, 9], -2.0, 2.0)], TOLERANCE);
}

fn vectors() -> Onnx {
    Onnx::new(&[-1, 6])
}

fn images() -> Onnx {
    Onnx::new(&[-1, 4, 7, 9])
}

#[test]
fn gemm() {
    let base = vectors().weight("w", &[6, 3]).weight("wt", &[3, 6]).weight("b", &[3]);
    check_vectors(&base.clone().node("Gemm", &["x", "w"], "y", &[]));
    check_vectors(&base.clone().node(
        "Gemm",
        &["x", "wt", "b"],
        "y",
        &[int("transB", 1), float("alpha", 0.5), float("beta", 2.0)],
    ));
}

#[test]
fn matmul() {
    check_vectors(&vectors().weight("w", &[6, 3]).node("MatMul", &["x", "w"], "y", &[]));
    let rows = Onnx::new(&[-1, 4, 6]);
    let inputs = [samples(&[2, 4, 6], -2.0, 2.0)];
    let shared = rows.clone().weight("w", &[6, 3]).node("MatMul", &["x", "w"], "y", &[]);
    check(&shared.model(), &inputs, TOLERANCE);
    let left = rows.clone().weight("w", &[5, 4]).node("MatMul", &["w", "x"], "y", &[]);
    check(&left.model(), &inputs, TOLERANCE);
    let transposed =
        rows.node("Transpose", &["x"], "t", &[ints("perm", &[0, 2, 1])])
            .node("MatMul", &["x", "t"], "y", &[]);
    check(&transposed.model(), &inputs, 1e-2);
    let grouped = Onnx::new(&[-1, 2, 4, 6])
        .weight("w", &[2, 6, 3])
        .node("MatMul", &["x", "w"], "y", &[]);
    check(&grouped.model(), &[samples(&[2, 2, 4, 6], -2.0, 2.0)], TOLERANCE);
    let heads = Onnx::new(&[-1, 2, 4, 6])
        .node("Transpose", &["x"], "t", &[ints("perm", &[0, 1, 3, 2])])
        .node("MatMul", &["x", "t"], "y", &[]);
    check(&heads.model(), &[samples(&[2, 2, 4, 6], -2.0, 2.0)], 1e-2);
}

#[test]
fn convolution() {
    let base = images().weight("w", &[6, 4, 3, 3]).weight("b", &[6]);
    check_images(&base.clone().node("Conv", &["x", "w", "b"], "y", &[]));
    check_images(&base.clone().node(
        "Conv",
        &["x", "w"],
        "y",
        &[ints("pads", &[1, 0, 2, 1]), ints("strides", &[2, 1])],
    ));
    check_images(&base.clone().node(
        "Conv",
        &["x", "w"],
        "y",
        &[ints("dilations", &[2, 3]), ints("pads", &[2, 3, 2, 3])],
    ));
    check_images(&base.clone().node(
        "Conv",
        &["x", "w"],
        "y",
        &[text("auto_pad", "SAME_UPPER"), ints("strides", &[2, 2])],
    ));
    check_images(
        &images()
            .weight("g", &[6, 2, 3, 3])
            .node("Conv", &["x", "g"], "y", &[int("group", 2)]),
    );
    check_images(
        &images()
            .weight("d", &[4, 1, 3, 3])
            .node("Conv", &["x", "d"], "y", &[int("group", 4)]),
    );
    check_images(&images().weight("p", &[5, 4, 1, 1]).node("Conv", &["x", "p"], "y", &[]));
}

#[test]
fn convolution_over_lines() {
    let line = Onnx::new(&[-1, 3, 12]).weight("w", &[4, 3, 5]).weight("b", &[4]);
    let line = line
        .node(
            "Conv",
            &["x", "w", "b"],
            "c",
            &[ints("pads", &[2, 2]), ints("strides", &[2])],
        )
        .node("Relu", &["c"], "r", &[]);
    let line = line.node(
        "MaxPool",
        &["r"],
        "y",
        &[ints("kernel_shape", &[2]), ints("strides", &[2])],
    );
    check(&line.model(), &[samples(&[3, 3, 12], -2.0, 2.0)], TOLERANCE);
}

#[test]
fn convolution_of_a_fixed_batch() {
    let onnx = Onnx::new(&[2, 4, 7, 9])
        .weight("w", &[3, 4, 3, 3])
        .node("Conv", &["x", "w"], "c", &[])
        .node("Relu", &["c"], "y", &[]);
    let compiled = check(&onnx.model(), &[samples(&[2, 4, 7, 9], -2.0, 2.0)], TOLERANCE);
    assert!(!compiled.plan.inputs[0].batched);
}

#[test]
fn activations() {
    for (operator, attributes) in [
        ("Relu", vec![]),
        ("LeakyRelu", vec![]),
        ("LeakyRelu", vec![float("alpha", 0.2)]),
        ("LeakyRelu", vec![float("alpha", 0.317)]),
        ("HardSigmoid", vec![]),
        ("HardSigmoid", vec![float("alpha", 0.166_666_67)]),
        ("Abs", vec![]),
        ("Neg", vec![]),
    ] {
        check_vectors(&vectors().node(operator, &["x"], "y", &attributes));
        // The same after a layer, whose opening it then shares.
        let layer = vectors().weight("w", &[6, 6]).node("MatMul", &["x", "w"], "m", &[]);
        check_vectors(&layer.node(operator, &["m"], "y", &attributes));
    }
    check_vectors(&vectors().opset(14).node("HardSwish", &["x"], "y", &[]));
    check_vectors(
        &vectors()
            .opset(6)
            .node("Clip", &["x"], "y", &[float("min", -1.0), float("max", 2.0)]),
    );
    let bounds = vectors().constant("low", &[], &[0.0]).constant("high", &[], &[6.0]);
    check_vectors(&bounds.clone().node("Clip", &["x", "low", "high"], "y", &[]));
    check_vectors(&bounds.clone().node("Clip", &["x", "", "high"], "y", &[]));
    check_vectors(&bounds.node("Max", &["x", "low"], "y", &[]));
}

#[test]
fn smooth_functions_in_mid_network_are_as_close_as_their_curve() {
    for (operator, tolerance) in [("Sigmoid", 0.004), ("Tanh", 0.008)] {
        let onnx = vectors().weight("w", &[6, 4]).node(operator, &["x"], "s", &[]);
        let onnx = onnx.node("MatMul", &["s", "w"], "y", &[]);
        // Each of six errors is weighed by less than one.
        check(&onnx.model(), &[samples(&[5, 6], -4.0, 4.0)], 6.0 * tolerance);
    }
}

#[test]
fn a_value_times_its_sigmoid_is_one_curve() {
    let silu = |onnx: Onnx| {
        onnx.node("Sigmoid", &["x"], "s", &[])
            .node("Mul", &["x", "s"], "z", &[])
    };
    let onnx = silu(vectors())
        .weight("w", &[6, 4])
        .node("MatMul", &["z", "w"], "y", &[]);
    let compiled = check(&onnx.model(), &[samples(&[5, 6], -9.0, 9.0)], 6.0 * 0.0048);
    let steps = compiled.plan.steps.iter();
    assert_eq!(steps.filter(|step| matches!(step.op, Op::Piecewise { .. })).count(), 1);
    let linear = compiled
        .plan
        .steps
        .iter()
        .filter(|step| matches!(step.op, Op::Linear(_)));
    assert_eq!(linear.count(), 1, "nothing but the last layer is opened");
}

#[test]
fn last_sigmoid_and_softmax_are_left_to_the_client() {
    for operator in ["Sigmoid", "Softmax", "LogSoftmax"] {
        let onnx = vectors()
            .weight("w", &[6, 4])
            .node("MatMul", &["x", "w"], "m", &[])
            .node(operator, &["m"], "y", &[]);
        let compiled = check(&onnx.model(), &[samples(&[5, 6], -2.0, 2.0)], TOLERANCE);
        assert_eq!(compiled.plan.cost(1).total().rounds, 1, "{operator}");
    }
    let older = vectors().opset(11).weight("w", &[6, 4]);
    let older = older
        .node("MatMul", &["x", "w"], "m", &[])
        .node("Softmax", &["m"], "y", &[]);
    check_vectors(&older);
    let across = Onnx::new(&[-1, 3, 4])
        .node("Softmax", &["x"], "s", &[int("axis", 1)])
        .node("Flatten", &["s"], "y", &[]);
    // The softmax's axis is lost in the flattened output.
    assert!(support::compiled(&across.model(), &[samples(&[2, 3, 4], -1.0, 1.0)], RingChoice::Wide).is_err());
    let kept = Onnx::new(&[-1, 3, 4]).node("Softmax", &["x"], "y", &[int("axis", 1)]);
    check(&kept.model(), &[samples(&[2, 3, 4], -1.0, 1.0)], TOLERANCE);
}

#[test]
fn max_pool() {
    let window = ints("kernel_shape", &[2, 2]);
    check_images(&images().node("MaxPool", &["x"], "y", &[window.clone(), ints("strides", &[2, 2])]));
    check_images(&images().node(
        "MaxPool",
        &["x"],
        "y",
        &[window.clone(), ints("strides", &[2, 2]), int("ceil_mode", 1)],
    ));
    check_images(&images().node(
        "MaxPool",
        &["x"],
        "y",
        &[
            ints("kernel_shape", &[3, 3]),
            ints("pads", &[1, 1, 1, 1]),
            ints("strides", &[2, 2]),
        ],
    ));
    check_images(&images().node("GlobalMaxPool", &["x"], "y", &[]));
    let relu_after = images()
        .node("MaxPool", &["x"], "m", &[window.clone(), ints("strides", &[2, 2])])
        .node("Relu", &["m"], "y", &[]);
    let relu_before = images().node("Relu", &["x"], "r", &[]).node(
        "MaxPool",
        &["r"],
        "y",
        &[window.clone(), ints("strides", &[2, 2]), ints("pads", &[0, 0, 1, 1])],
    );
    for onnx in [relu_after, relu_before] {
        let compiled = check(&onnx.model(), &[samples(&[3, 4, 7, 9], -2.0, 2.0)], TOLERANCE);
        let comparing = compiled
            .plan
            .steps
            .iter()
            .filter(|step| matches!(step.op, Op::MaxPool { relu: true, .. } | Op::Piecewise { .. }));
        assert_eq!(comparing.count(), 1, "ReLU and maximum are one step");
    }
}

#[test]
fn average_pool() {
    let window = ints("kernel_shape", &[3, 3]);
    let padded = [window.clone(), ints("pads", &[1, 1, 1, 1]), ints("strides", &[2, 2])];
    check_images(&images().node(
        "AveragePool",
        &["x"],
        "y",
        &[ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])],
    ));
    check_images(&images().node("AveragePool", &["x"], "y", &padded));
    check_images(&images().node(
        "AveragePool",
        &["x"],
        "y",
        &[&padded[..], &[int("count_include_pad", 1)]].concat(),
    ));
    check_images(&images().node(
        "AveragePool",
        &["x"],
        "y",
        &[window, ints("strides", &[2, 2]), int("ceil_mode", 1)],
    ));
    check_images(&images().node("GlobalAveragePool", &["x"], "y", &[]));
    let weighed = images()
        .weight("w", &[4, 3])
        .node("GlobalAveragePool", &["x"], "g", &[]);
    let weighed = weighed
        .node("Flatten", &["g"], "f", &[])
        .node("MatMul", &["f", "w"], "y", &[]);
    let compiled = check(&weighed.model(), &[samples(&[3, 4, 7, 9], -2.0, 2.0)], TOLERANCE);
    assert_eq!(
        compiled.plan.cost(1).total().rounds,
        1,
        "the count is part of the weights"
    );
}

#[test]
fn reductions() {
    check_images(&images().node("ReduceMean", &["x"], "y", &[ints("axes", &[2, 3]), int("keepdims", 0)]));
    check_images(&images().node("ReduceMean", &["x"], "y", &[ints("axes", &[-1])]));
    check_images(
        &images()
            .integers("axes", &[1])
            .node("ReduceSum", &["x", "axes"], "y", &[]),
    );
}

#[test]
fn arithmetic_with_constants() {
    let base = vectors()
        .weight("c", &[6])
        .constant("d", &[6], &[0.5, 2.0, -4.0, 3.0, 1.5, 0.3])
        .constant("s", &[], &[0.7]);
    for (operator, operands) in [
        ("Add", ["x", "c"]),
        ("Sub", ["x", "c"]),
        ("Sub", ["c", "x"]),
        ("Mul", ["x", "c"]),
        ("Mul", ["x", "s"]),
        ("Div", ["x", "d"]),
        ("Div", ["x", "s"]),
        ("Add", ["s", "x"]),
    ] {
        check_vectors(&base.clone().node(operator, &operands, "y", &[]));
    }
    check_vectors(
        &vectors()
            .constant("two", &[], &[2.0])
            .node("Pow", &["x", "two"], "y", &[]),
    );
}

#[test]
fn arithmetic_of_values() {
    let base = vectors().weight("w", &[6, 6]).node("MatMul", &["x", "w"], "m", &[]);
    for operator in ["Add", "Sub", "Mul", "Max", "Min"] {
        check_vectors(&base.clone().node(operator, &["x", "m"], "y", &[]));
        check_vectors(&base.clone().node(operator, &["m", "x"], "y", &[]));
    }
    check_vectors(&base.clone().node("Sum", &["x", "m", "x"], "y", &[]));
    check_vectors(&base.clone().node("Mul", &["m", "m"], "y", &[]));
    let residual = base.node("Add", &["x", "m"], "s", &[]).node("Relu", &["s"], "y", &[]);
    let compiled = check(&residual.model(), &[samples(&[5, 6], -4.0, 4.0)], TOLERANCE);
    let openings = compiled
        .plan
        .steps
        .iter()
        .filter(|step| matches!(step.op, Op::Linear(_)));
    assert_eq!(openings.count(), 1, "the residual shares the layer's opening");
}

#[test]
fn squeeze_and_excitation() {
    let onnx = images().weight("a", &[2, 4, 1, 1]).weight("b", &[4, 2, 1, 1]);
    let onnx = onnx
        .node("GlobalAveragePool", &["x"], "g", &[])
        .node("Conv", &["g", "a"], "c", &[]);
    let onnx = onnx
        .node("Relu", &["c"], "r", &[])
        .node("Conv", &["r", "b"], "e", &[])
        .node("HardSigmoid", &["e"], "h", &[]);
    let onnx = onnx.node("Mul", &["x", "h"], "y", &[]);
    check_images(&onnx);
}

#[test]
fn hard_swish_written_out() {
    let onnx = images()
        .weight("w", &[4, 4, 3, 3])
        .constant("three", &[], &[3.0])
        .constant("six", &[], &[6.0])
        .constant("zero", &[], &[0.0]);
    let onnx = onnx
        .node("Conv", &["x", "w"], "c", &[])
        .node("Add", &["c", "three"], "a", &[]);
    let onnx = onnx
        .node("Clip", &["a", "zero", "six"], "k", &[])
        .node("Mul", &["c", "k"], "m", &[]);
    let onnx = onnx
        .node("Div", &["m", "six"], "d", &[])
        .node("Conv", &["d", "w"], "y", &[]);
    check(&onnx.model(), &[samples(&[3, 4, 7, 9], -0.5, 0.5)], 5e-3);
}

#[test]
fn batch_normalization_is_folded() {
    let onnx = images()
        .weight("w", &[5, 4, 3, 3])
        .weight("scale", &[5])
        .weight("shift", &[5])
        .weight("mean", &[5]);
    let onnx = onnx.constant("variance", &[5], &[0.5, 1.0, 2.0, 0.25, 4.0]).node(
        "Conv",
        &["x", "w"],
        "c",
        &[ints("pads", &[1, 1, 1, 1])],
    );
    let onnx = onnx.node(
        "BatchNormalization",
        &["c", "scale", "shift", "mean", "variance"],
        "y",
        &[],
    );
    let compiled = check(&onnx.model(), &[samples(&[3, 4, 7, 9], -2.0, 2.0)], TOLERANCE);
    assert_eq!(compiled.plan.cost(1).total().rounds, 1);
    // Before a convolution with a border the shift is not the same everywhere.
    let before = images()
        .weight("w", &[5, 4, 3, 3])
        .weight("scale", &[4])
        .weight("shift", &[4])
        .weight("mean", &[4]);
    let before = before.constant("variance", &[4], &[0.5, 1.0, 2.0, 0.25]);
    let before = before.node(
        "BatchNormalization",
        &["x", "scale", "shift", "mean", "variance"],
        "n",
        &[],
    );
    let before = before.node("Conv", &["n", "w"], "y", &[ints("pads", &[1, 1, 1, 1])]);
    let compiled = check(&before.model(), &[samples(&[3, 4, 7, 9], -2.0, 2.0)], TOLERANCE);
    assert_eq!(compiled.plan.cost(1).total().rounds, 1);
}

#[test]
fn moves_of_elements() {
    check_images(&images().node("Flatten", &["x"], "y", &[]));
    check_images(
        &images()
            .integers("shape", &[-1, 7, 36])
            .node("Reshape", &["x", "shape"], "y", &[]),
    );
    check_images(
        &images()
            .integers("shape", &[0, 2, 2, 63])
            .node("Reshape", &["x", "shape"], "y", &[]),
    );
    check_images(&images().node("Transpose", &["x"], "y", &[ints("perm", &[0, 2, 3, 1])]));
    check_images(
        &images()
            .integers("axes", &[1])
            .node("Unsqueeze", &["x", "axes"], "u", &[])
            .node("Squeeze", &["u", "axes"], "y", &[]),
    );
    check_images(&images().node("Concat", &["x", "x"], "y", &[int("axis", 1)]));
    let slice = images()
        .integers("start", &[1, -1])
        .integers("end", &[3, -10])
        .integers("axes", &[1, 3])
        .integers("steps", &[1, -2]);
    check_images(&slice.node("Slice", &["x", "start", "end", "axes", "steps"], "y", &[]));
    let split =
        images()
            .integers("sizes", &[1, 3])
            .node_of_many("Split", &["x", "sizes"], &["a", "b"], &[int("axis", 1)]);
    check(
        &split.model_with(&["a", "b"]),
        &[samples(&[3, 4, 7, 9], -2.0, 2.0)],
        TOLERANCE,
    );
    check_images(
        &images()
            .integers("pads", &[0, 0, 1, 2, 0, 1, 0, 3])
            .constant("fill", &[], &[0.5])
            .node("Pad", &["x", "pads", "fill"], "y", &[]),
    );
    for mode in ["reflect", "edge"] {
        let pads = images().integers("pads", &[0, 0, 1, 2, 0, 1, 0, 3]);
        check_images(&pads.node("Pad", &["x", "pads"], "y", &[text("mode", mode)]));
    }
    let tile = images().integers("times", &[1, 2, 1, 3]);
    check_images(&tile.node("Tile", &["x", "times"], "y", &[]));
    check_images(
        &images()
            .node("Identity", &["x"], "i", &[])
            .node("Dropout", &["i"], "y", &[]),
    );
    check_images(&images().node("Cast", &["x"], "y", &[int("to", 1)]));
    check_images(
        &images()
            .constant("i", &[], &[2.0])
            .node("Cast", &["i"], "j", &[int("to", 7)])
            .node("Gather", &["x", "j"], "y", &[int("axis", 1)]),
    );
    let expand = Onnx::new(&[-1, 4, 1, 1])
        .integers("shape", &[1, 4, 3, 2])
        .node("Expand", &["x", "shape"], "y", &[]);
    check(&expand.model(), &[samples(&[2, 4, 1, 1], -2.0, 2.0)], TOLERANCE);
}

#[test]
fn joined_values_of_different_scales() {
    let onnx = images()
        .weight("w", &[2, 4, 1, 1])
        .node("Conv", &["x", "w"], "c", &[])
        .node(
            "AveragePool",
            &["x"],
            "a",
            &[
                ints("kernel_shape", &[3, 3]),
                ints("pads", &[1, 1, 1, 1]),
                int("count_include_pad", 1),
            ],
        );
    let onnx = onnx.node("Concat", &["x", "c", "a"], "y", &[int("axis", 1)]);
    check_images(&onnx);
}

#[test]
fn shape_arithmetic_is_computed_at_import() {
    let onnx = images()
        .integers("zero", &[0])
        .integers("rest", &[-1])
        .node("Shape", &["x"], "s", &[]);
    let onnx = onnx.node("Gather", &["s", "zero"], "n", &[int("axis", 0)]).node(
        "Concat",
        &["n", "rest"],
        "t",
        &[int("axis", 0)],
    );
    check_images(&onnx.node("Reshape", &["x", "t"], "y", &[]));
}

#[test]
fn constants_are_computed_at_import_whatever_operators_make_them() {
    let onnx = vectors().constant("c", &[6], &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]);
    let onnx = onnx
        .node("Exp", &["c"], "e", &[])
        .node("Sqrt", &["e"], "q", &[])
        .node("Mul", &["x", "q"], "y", &[]);
    check_vectors(&onnx);
}

#[test]
fn several_inputs_and_outputs() {
    let onnx = vectors()
        .input("z", &[-1, 4])
        .weight("w", &[4, 6])
        .node("MatMul", &["z", "w"], "m", &[]);
    let onnx = onnx
        .node("Add", &["x", "m"], "sum", &[])
        .node("Mul", &["x", "m"], "product", &[]);
    let inputs = [samples(&[5, 6], -2.0, 2.0), samples(&[5, 4], -1.0, 1.0)];
    let compiled = check(&onnx.model_with(&["product", "sum"]), &inputs, TOLERANCE);
    let names: Vec<&str> = compiled
        .plan
        .outputs
        .iter()
        .map(|output| output.name.as_str())
        .collect();
    assert_eq!(names, ["product", "sum"]);
}

#[test]
fn a_layer_used_twice_is_computed_once() {
    let onnx = vectors()
        .weight("w", &[6, 6])
        .node("MatMul", &["x", "w"], "a", &[])
        .node("MatMul", &["x", "w"], "b", &[]);
    let onnx = onnx
        .node("Relu", &["a"], "ra", &[])
        .node("Relu", &["b"], "rb", &[])
        .node("Mul", &["ra", "rb"], "y", &[]);
    let compiled = check_on(
        &onnx.model(),
        &[samples(&[5, 6], -2.0, 2.0)],
        RingChoice::Wide,
        TOLERANCE,
    );
    let activations = compiled
        .plan
        .steps
        .iter()
        .filter(|step| matches!(step.op, Op::Piecewise { .. }));
    assert_eq!(activations.count(), 1);
}

#[test]
fn slopes_of_chained_activations_stay_exact_and_leave_room() {
    let mut onnx = vectors()
        .opset(14)
        .weight("w", &[6, 6])
        .node("MatMul", &["x", "w"], "v0", &[]);
    for (index, operator) in ["LeakyRelu", "LeakyRelu", "HardSwish", "HardSwish", "LeakyRelu"]
        .iter()
        .enumerate()
    {
        let (from, to) = (format!("v{index}"), format!("v{}", index + 1));
        onnx = onnx.node(operator, &[&from], &to, &[]);
    }
    let inputs = [samples(&[5, 6], -4.0, 4.0)];
    check_on(&onnx.model(), &inputs, RingChoice::Wide, TOLERANCE);
    // Four slopes of 0.1 make one of 0.0001.
    let mut flat = vectors();
    for (index, name) in ["a", "b", "c", "d"].iter().enumerate() {
        let from = ["x", "a", "b", "c"][index];
        flat = flat.node("LeakyRelu", &[from], name, &[float("alpha", 0.1)]);
    }
    check_on(
        &flat.model(),
        &[samples(&[5, 6], -300.0, 300.0)],
        RingChoice::Wide,
        TOLERANCE,
    );
}

#[test]
fn the_place_of_the_largest() {
    for (axis, keep) in [(1, 0), (1, 1), (2, 0)] {
        let onnx = Onnx::new(&[-1, 4, 6]).node("ArgMax", &["x"], "y", &[int("axis", axis), int("keepdims", keep)]);
        check(&onnx.model(), &[samples(&[5, 4, 6], -2.0, 2.0)], 0.0);
    }
}

#[test]
fn gates_and_means() {
    let base = vectors().weight("w", &[6, 6]).node("MatMul", &["x", "w"], "m", &[]);
    check_vectors(&base.clone().node("Mean", &["x", "m", "x"], "y", &[]));
    let swish = base
        .node("Sigmoid", &["m"], "s", &[])
        .node("Mul", &["m", "s"], "y", &[]);
    // The curve's error is weighed by |m|, which is below 12.
    check(&swish.model(), &[samples(&[5, 6], -2.0, 2.0)], 12.0 * 0.004);
    check_images(&images().node("ReduceMax", &["x"], "y", &[ints("axes", &[1, 3])]));
}
