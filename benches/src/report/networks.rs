//! All models of the repository, one sample each.

use anyhow::Result;

use super::Setting;
use crate::markdown::{Table, bytes, milliseconds};
use crate::measure::{Case, Measured};

/// Models of the repository, and the rings they are run on; `auto` where one does not fit all labels.
const SMALL: [(&str, &str, &str); 9] = [
    ("credit, 26-64-32-1", "credit_mlp", "auto"),
    ("breast cancer, 30-32-16-1", "breast_cancer_mlp", "auto"),
    ("MNIST LeNet", "mnist_lenet", "32"),
    ("MNIST LeNet", "mnist_lenet", "64"),
    ("MNIST, square activations", "mnist_cryptonets_square", "32"),
    ("MNIST, square activations", "mnist_cryptonets_square", "64"),
    ("Fashion-MNIST ResNet-20", "fashion_resnet20_folded", "32"),
    ("Fashion-MNIST ResNet-20", "fashion_resnet20_folded", "64"),
    (
        "text-line orientation, MobileNetV3",
        "ppocr_textline_cls_mobilenetv3",
        "auto",
    ),
];
/// Networks that are made for the benches.
const LARGE: [(&str, &str); 3] = [
    ("ResNet-50, 224x224", "resnet50"),
    ("VGG-16, 224x224", "vgg16"),
    ("EfficientNet-B0, 224x224", "efficientnet_b0"),
];

pub(super) fn section(setting: &Setting<'_>) -> Result<String> {
    let mut table = Table::new(&[
        "model",
        "ring",
        "rounds",
        "online each way",
        "dealt",
        "online",
        "session",
        "total",
        "tract",
        "ONNX Runtime",
        "memory of a party",
        "largest error",
        "labels agree",
    ]);
    let mut unmeasured = String::new();
    let small = SMALL.map(|(title, name, ring)| {
        let options = format!("--batch 1 --seconds 2 --ring {ring}");
        (title, Ok(setting.models.small(name, &options)))
    });
    let large = LARGE.map(|(title, name)| (title, setting.models.large(name, "--batch 1 --seconds 2")));
    for (title, case) in small.into_iter().chain(large) {
        match case.and_then(|case: Case| row(title, &setting.program.bench(&case)?)) {
            Ok(row) => table.row(row),
            Err(reason) => unmeasured.push_str(&format!("\n{title} is not measured: {reason:#}.\n")),
        }
    }
    Ok(table.text() + &unmeasured)
}

fn row(title: &str, measured: &Measured) -> Result<Vec<String>> {
    let ms = |path| Ok::<_, anyhow::Error>(milliseconds(measured.number(path)?));
    let size = |path| Ok::<_, anyhow::Error>(bytes(measured.number(path)?));
    let plain = |engine| measured.plain_ms(engine).map_or("-".to_owned(), milliseconds);
    Ok(vec![
        title.to_owned(),
        measured.number("ring_bits")?.to_string(),
        measured.number("rounds")?.to_string(),
        size("online_bytes.e0_to_e1")?,
        size("dealt_bytes")?,
        ms("online_ms.median")?,
        ms("session_ms.median")?,
        ms("total_ms.median")?,
        plain("tract"),
        plain("onnxruntime"),
        bytes(measured.party_memory()?),
        measured
            .number("max_abs_error")
            .map_or("-".to_owned(), |error| format!("{error:.1e}")),
        format!("{:.0} %", measured.number("argmax_agreement")? * 100.0),
    ])
}
