//! CPU time and memory of a deployment's processes, and of this one, which is its client.

use std::collections::BTreeMap;
use std::time::Duration;

use tercet_telemetry::process::ProcessUsage;

use crate::deployment::Deployment;
use crate::report::QueryReport;

/// The name of this process among those of a deployment.
const CLIENT: &str = "client";
/// The thread of this process that emulates a network between the others; what it takes is nobody's.
const RELAY: &str = "relay";

/// What every process has used at some moment.
pub struct Usage {
    processes: BTreeMap<&'static str, ProcessUsage>,
}

impl Usage {
    /// Now.
    pub fn of(deployment: &Deployment) -> Usage {
        let client = ProcessUsage::of_this_process().map(|usage| {
            let relay = ProcessUsage::cpu_of_threads(RELAY).unwrap_or_default();
            let cpu = usage.cpu.saturating_sub(relay);
            (CLIENT, ProcessUsage { cpu, ..usage })
        });
        Usage {
            processes: deployment.usage().into_iter().chain(client).collect(),
        }
    }

    /// Seconds of CPU time of every process since `before`.
    pub fn cpu_seconds_since(&self, before: &Usage) -> BTreeMap<&'static str, f64> {
        let names = self.processes.keys();
        names
            .map(|&name| (name, self.cpu_since(before, name).as_secs_f64()))
            .collect()
    }

    /// CPU time of one process since `before`.
    pub fn cpu_since(&self, before: &Usage, name: &str) -> Duration {
        let cpu = |usage: &Usage| usage.processes.get(name).copied().unwrap_or_default().cpu;
        cpu(self).saturating_sub(cpu(before))
    }

    /// The most memory every process ever had.
    pub fn peak_rss_bytes(&self) -> BTreeMap<&'static str, u64> {
        let peak = |(&name, usage): (&&'static str, &ProcessUsage)| (name, usage.memory_peak_bytes);
        self.processes.iter().map(peak).collect()
    }

    /// Adds to a report what was used since `before`.
    pub fn since(&self, before: &Usage, report: &mut QueryReport) {
        report.cpu_seconds = self.cpu_seconds_since(before);
        report.peak_rss_bytes = self.peak_rss_bytes();
    }
}
