//! What it was measured on.

use std::fs;
use std::process::Command;
use std::thread::available_parallelism;

/// Processor, cores, kernel and commit, as far as the system says.
pub fn description() -> String {
    let processor = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    let cores = available_parallelism().map_or(0, usize::from);
    let commit = Command::new("git")
        .args(["describe", "--always", "--dirty"])
        .output()
        .ok()
        .filter(|output| output.status.success())
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    format!(
        "Machine: {}, {cores} cores. Commit: {}.",
        processor.as_deref().unwrap_or("unknown processor"),
        commit.as_deref().unwrap_or("unknown")
    )
}
