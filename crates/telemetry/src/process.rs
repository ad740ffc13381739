//! CPU time and memory of processes, from `/proc`. On systems without it there are no figures.

use std::path::PathBuf;
use std::time::Duration;

use prometheus::Counter;
use prometheus::Gauge;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;

use crate::names::{Metric, PROCESS_CPU, PROCESS_MEMORY, PROCESS_MEMORY_PEAK};

/// Linux reports CPU time in these, on every architecture.
const TICKS_PER_SECOND: u64 = 100;

/// What a process has used so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ProcessUsage {
    /// User and system CPU time of all its threads.
    pub cpu: Duration,
    /// Memory in RAM now.
    pub memory_bytes: u64,
    /// The most memory that ever was in RAM.
    pub memory_peak_bytes: u64,
}

impl ProcessUsage {
    /// The figures of this process; `None` where there is no `/proc`.
    pub fn of_this_process() -> Option<ProcessUsage> {
        ProcessUsage::read("/proc/self".into())
    }

    /// The figures of a running process; `None` if there is no such process or no `/proc`.
    pub fn of(process_id: u32) -> Option<ProcessUsage> {
        ProcessUsage::read(format!("/proc/{process_id}").into())
    }

    /// CPU time of those threads of this process that have this name (of at most 15 bytes); `None` where there is no `/proc`.
    pub fn cpu_of_threads(name: &str) -> Option<Duration> {
        let threads = std::fs::read_dir("/proc/self/task").ok()?.flatten();
        let named = threads.filter(|thread| {
            // A thread may end between the two looks.
            let found = std::fs::read_to_string(thread.path().join("comm"));
            found.is_ok_and(|found| found.trim_end() == name)
        });
        let cpu = named.filter_map(|thread| cpu_time(&std::fs::read_to_string(thread.path().join("stat")).ok()?));
        Some(cpu.sum())
    }

    fn read(directory: PathBuf) -> Option<ProcessUsage> {
        let stat = std::fs::read_to_string(directory.join("stat")).ok()?;
        let status = std::fs::read_to_string(directory.join("status")).ok()?;
        Some(ProcessUsage {
            cpu: cpu_time(&stat)?,
            memory_bytes: kibibytes(&status, "VmRSS:")? * 1024,
            memory_peak_bytes: kibibytes(&status, "VmHWM:")? * 1024,
        })
    }
}

/// The fields after the command, which stands in parentheses and may itself hold spaces and parentheses: user and system
/// time are the 12th and 13th of them.
fn cpu_time(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_ascii_whitespace().skip(11);
    let user: u64 = times.next()?.parse().ok()?;
    let system: u64 = times.next()?.parse().ok()?;
    Some(Duration::from_millis((user + system) * 1000 / TICKS_PER_SECOND))
}

fn kibibytes(status: &str, key: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// Reports the figures of this process.
#[derive(Clone)]
pub(crate) struct ProcessCollector {
    cpu: Counter,
    memory: Gauge,
    memory_peak: Gauge,
}

impl ProcessCollector {
    pub(crate) fn new() -> Self {
        let gauge = |metric: Metric| Gauge::new(metric.name, metric.help).expect("names are valid");
        ProcessCollector {
            cpu: Counter::new(PROCESS_CPU.name, PROCESS_CPU.help).expect("names are valid"),
            memory: gauge(PROCESS_MEMORY),
            memory_peak: gauge(PROCESS_MEMORY_PEAK),
        }
    }

    fn gauges(&self) -> [&Gauge; 2] {
        [&self.memory, &self.memory_peak]
    }
}

impl Collector for ProcessCollector {
    fn desc(&self) -> Vec<&Desc> {
        let gauges = self.gauges().into_iter().flat_map(Collector::desc);
        self.cpu.desc().into_iter().chain(gauges).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let Some(usage) = ProcessUsage::of_this_process() else {
            return Vec::new();
        };
        self.cpu.inc_by((usage.cpu.as_secs_f64() - self.cpu.get()).max(0.0));
        self.memory.set(usage.memory_bytes as f64);
        self.memory_peak.set(usage.memory_peak_bytes as f64);
        let gauges = self.gauges().into_iter().flat_map(Collector::collect);
        self.cpu.collect().into_iter().chain(gauges).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 1 0 100 1 1";
        assert_eq!(cpu_time(stat), Some(Duration::from_secs(3)));
        assert_eq!(cpu_time("nonsense"), None);
    }

    #[test]
    fn memory_is_read_in_bytes() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(kibibytes(status, "VmRSS:"), Some(1024));
        assert_eq!(kibibytes(status, "VmHWM:"), Some(2048));
        assert_eq!(kibibytes(status, "VmSwap:"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_uses_memory() {
        let usage = ProcessUsage::of_this_process().unwrap();
        assert!(usage.memory_bytes > 0 && usage.memory_peak_bytes >= usage.memory_bytes);
        assert!(ProcessUsage::of(std::process::id()).is_some());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn threads_are_told_apart_by_name() {
        let busy = || {
            let start = std::time::Instant::now();
            while start.elapsed() < Duration::from_millis(200) {}
            ProcessUsage::cpu_of_threads("busy").unwrap()
        };
        let thread = std::thread::Builder::new().name("busy".to_owned()).spawn(busy).unwrap();
        assert!(thread.join().unwrap() > Duration::ZERO);
        assert_eq!(ProcessUsage::cpu_of_threads("no such").unwrap(), Duration::ZERO);
    }
}
