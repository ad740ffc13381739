//! CPU time and memory of a deployment's processes.

use std::collections::BTreeMap;

use tercet_telemetry::process::ProcessUsage;

use crate::deployment::Deployment;
use crate::report::QueryReport;

/// What every process has used at some moment.
pub struct Usage {
    processes: BTreeMap<&'static str, ProcessUsage>,
}

impl Usage {
    /// Now.
    pub fn of(deployment: &Deployment) -> Usage {
        Usage {
            processes: deployment.usage().into_iter().collect(),
        }
    }

    /// Adds to a report what was used since `before`.
    pub fn since(&self, before: &Usage, report: &mut QueryReport) {
        for (&name, now) in &self.processes {
            let start = before.processes.get(name).copied().unwrap_or_default();
            report
                .cpu_seconds
                .insert(name, now.cpu.saturating_sub(start.cpu).as_secs_f64());
            report.peak_rss_bytes.insert(name, now.memory_peak_bytes);
        }
    }
}
