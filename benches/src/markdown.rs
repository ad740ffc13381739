//! Tables and figures in Markdown.

/// A table, the first column aligned left, the others right.
pub struct Table {
    lines: Vec<String>,
}

impl Table {
    /// A table with these headings.
    pub fn new(headings: &[&str]) -> Table {
        let rule = (0..headings.len()).map(|column| if column == 0 { "---" } else { "--:" });
        let rule = rule.collect::<Vec<_>>().join("|");
        Table {
            lines: vec![format!("| {} |", headings.join(" | ")), format!("|{rule}|")],
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells = cells.into_iter().map(|cell| cell.replace('|', "\\|"));
        self.lines
            .push(format!("| {} |", cells.collect::<Vec<_>>().join(" | ")));
    }

    /// The text, each line ended.
    pub fn text(&self) -> String {
        self.lines.join("\n") + "\n"
    }
}

/// Milliseconds with the digits that matter.
pub fn milliseconds(value: f64) -> String {
    match value {
        value if value < 0.1 => format!("{value:.3} ms"),
        value if value < 10.0 => format!("{value:.2} ms"),
        value if value < 1000.0 => format!("{value:.0} ms"),
        value => format!("{:.2} s", value / 1e3),
    }
}

/// Bytes with the digits that matter.
pub fn bytes(count: f64) -> String {
    match count {
        count if count < 1e3 => format!("{count:.0} B"),
        count if count < 1e6 => format!("{:.1} kB", count / 1e3),
        count if count < 1e9 => format!("{:.2} MB", count / 1e6),
        count => format!("{:.2} GB", count / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_rule_and_keeps_its_columns() {
        let mut table = Table::new(&["case", "online"]);
        table.row(["a|b".to_owned(), milliseconds(1234.0)]);
        assert_eq!(table.text(), "| case | online |\n|---|--:|\n| a\\|b | 1.23 s |\n");
    }

    #[test]
    fn figures_keep_the_digits_that_matter() {
        let shown = [0.012, 1.234, 56.7, 1500.0].map(milliseconds);
        assert_eq!(shown, ["0.012 ms", "1.23 ms", "57 ms", "1.50 s"]);
        assert_eq!(
            [999.0, 1500.0, 2.5e6, 3e9].map(bytes),
            ["999 B", "1.5 kB", "2.50 MB", "3.00 GB"]
        );
    }
}
