use std::collections::HashMap;

use prometheus::core::Collector;
use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry as Collectors, TextEncoder,
};
use tercet_ids::PartyId;

use crate::names::{self, BUILD_INFO, Kind, Metric, label};
use crate::process::ProcessCollector;

/// Which process reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Process {
    /// A party's node.
    Node(PartyId),
    /// The coordinator.
    Coordinator,
}

impl Process {
    fn name(self) -> &'static str {
        match self {
            Process::Node(party) => party.name(),
            Process::Coordinator => "coordinator",
        }
    }
}

/// What runs.
#[derive(Clone, Copy, Debug)]
pub struct BuildInfo {
    /// Version of the program.
    pub version: &'static str,
    /// Version of the messages between programs.
    pub protocol: u16,
}

/// The metrics of one process.
#[derive(Clone)]
pub struct Registry {
    collectors: Collectors,
}

impl Registry {
    /// The registry of a process, with what every process has: build info, CPU time and memory.
    pub fn new(process: Process, build: BuildInfo) -> Registry {
        let labels = HashMap::from([(label::PARTY.to_owned(), process.name().to_owned())]);
        let collectors = Collectors::new_custom(None, Some(labels)).expect("the prefix is not empty, there is none");
        let registry = Registry { collectors };
        registry
            .gauges(BUILD_INFO)
            .with_label_values(&[build.version, &build.protocol.to_string()])
            .set(1);
        registry.add(ProcessCollector::new());
        registry
    }

    /// The exposition in Prometheus' text format.
    pub fn text(&self) -> String {
        let mut bytes = Vec::new();
        TextEncoder::new()
            .encode(&self.collectors.gather(), &mut bytes)
            .expect("writing to memory succeeds");
        String::from_utf8(bytes).expect("names, labels and help are UTF-8")
    }

    pub(crate) fn counters(&self, metric: Metric) -> IntCounterVec {
        expect_kind(metric, Kind::Counter);
        self.add(IntCounterVec::new(options(metric), metric.labels).expect(VALID))
    }

    pub(crate) fn gauges(&self, metric: Metric) -> IntGaugeVec {
        expect_kind(metric, Kind::Gauge);
        self.add(IntGaugeVec::new(options(metric), metric.labels).expect(VALID))
    }

    pub(crate) fn histograms(&self, metric: Metric, buckets: &[f64]) -> HistogramVec {
        expect_kind(metric, Kind::Histogram);
        let options = HistogramOpts::from(options(metric)).buckets(buckets.to_vec());
        self.add(HistogramVec::new(options, metric.labels).expect(VALID))
    }

    pub(crate) fn latencies(&self, metric: Metric) -> HistogramVec {
        self.histograms(metric, names::LATENCY_BUCKETS)
    }

    fn add<C: Collector + Clone + 'static>(&self, collector: C) -> C {
        self.collectors
            .register(Box::new(collector.clone()))
            .expect("each metric is registered once");
        collector
    }
}

const VALID: &str = "names and labels are constants that the tests check";

fn expect_kind(metric: Metric, kind: Kind) {
    assert_eq!(
        metric.kind, kind,
        "{} is registered as another kind than it is declared",
        metric.name
    );
}

fn options(metric: Metric) -> Opts {
    Opts::new(metric.name, metric.help)
}
