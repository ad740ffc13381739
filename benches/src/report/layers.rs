//! What every layer sends, as `tercet plan` predicts it; the engine's tests hold the parties to it byte by byte.

use anyhow::Result;
use serde_json::Value;

use super::Setting;
use crate::markdown::{Table, bytes};

/// Models and the rings they are shown on.
const MODELS: [(&str, &str, &str); 2] = [
    ("MNIST LeNet", "mnist_lenet", "32"),
    ("Fashion-MNIST ResNet-20", "fashion_resnet20_folded", "32"),
];

pub(super) fn section(setting: &Setting<'_>) -> Result<String> {
    let mut text =
        String::from("One sample, payload bytes, as `tercet plan` says. Steps that cost nothing are left out.\n");
    for (title, name, ring) in MODELS {
        let case = setting.models.small(name, "");
        let plan = setting.program.plan(&case.model, &case.inputs[0], ring)?;
        let mut table = Table::new(&["layer", "operation", "rounds", "online each way", "dealt"]);
        for layer in plan.layers() {
            let number = |value: &Value| value.as_f64().unwrap_or(0.0);
            let (rounds, dealt) = (number(&layer["rounds"]), number(&layer["dealt_bytes"]));
            let online = number(&layer["online_bytes"]["e0_to_e1"]).max(number(&layer["online_bytes"]["e1_to_e0"]));
            if rounds + dealt + online == 0.0 {
                continue;
            }
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            table.row([
                text(&layer["source"]),
                text(&layer["operation"]),
                rounds.to_string(),
                bytes(online),
                bytes(dealt),
            ]);
        }
        text.push_str(&format!("\n### {title}, ring Z_2^{ring}\n\n{}", table.text()));
    }
    Ok(text)
}
