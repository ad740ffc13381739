//! What a query takes that finds its session prepared, beside one that does not.

use anyhow::Result;

use super::Setting;
use crate::markdown::{Table, milliseconds};

/// Models and what they are called.
const MODELS: [(&str, &str); 3] = [
    ("credit, 26-64-32-1", "credit_mlp"),
    ("MNIST LeNet", "mnist_lenet"),
    ("Fashion-MNIST ResNet-20", "fashion_resnet20_folded"),
];
const OPTIONS: &str = "--batch 1 --seconds 2";

pub(super) fn section(setting: &Setting<'_>) -> Result<String> {
    let mut table = Table::new(&[
        "model",
        "total",
        "total, prepared",
        "session",
        "session, prepared",
        "found one",
    ]);
    for (title, name) in MODELS {
        let alone = setting.program.bench(&setting.models.small(name, OPTIONS))?;
        let pooled = setting
            .program
            .bench(&setting.models.small(name, &format!("{OPTIONS} --pool")))?;
        let found = 100.0 * pooled.number("prepared_queries")? / pooled.number("queries")?;
        let median = |path| Ok::<_, anyhow::Error>([alone.number(path)?, pooled.number(path)?].map(milliseconds));
        let cells = [title.to_owned()].into_iter();
        let cells = cells
            .chain(median("total_ms.median")?)
            .chain(median("session_ms.median")?);
        table.row(cells.chain([format!("{found:.0} %")]));
    }
    Ok(table.text()
        + "\nA prepared session has been dealt, and its part that does not depend on the input computed, before the query came; the coordinator keeps some while all is quiet.\n")
}
