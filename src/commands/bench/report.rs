//! What `tercet bench` says, under the names that machines rely on.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use tercet_ids::Role;
use tercet_plan::Plan;
use tercet_relay::Path;

use super::Measured;
use super::plaintext::Plain;
use crate::compare::Comparison;
use crate::exit::{ExitCode, Failure};
use crate::output::Report;
use crate::query::{Cost, Times};
use crate::report::{OnlineBytes, agreement_text};
use crate::statistics::Spread;
use crate::table::Table;
use crate::units::{bytes, milliseconds};

/// What is measured.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Setting {
    /// Samples of a query.
    pub batch: usize,
    /// Threads that compute, of every node and of ONNX Runtime.
    pub threads: usize,
    /// Queries in flight at any time.
    pub concurrency: usize,
    /// Whether each query waits for a prepared session before it is asked.
    pub pool: bool,
    /// The emulated network.
    #[serde(skip)]
    pub path: Option<Path>,
}

/// The emulated network between the nodes and the coordinator.
#[derive(Debug, Serialize)]
struct Network {
    rtt_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    bandwidth_mbit: Option<f64>,
    /// Packets that passed it, warming up included.
    packets: u64,
    /// Packets that found its queue full.
    dropped: u64,
}

/// What was measured. Bytes and times are of one query of the whole batch; `rounds` are those of one session.
#[derive(Debug, Serialize)]
pub struct BenchReport {
    /// The model.
    model: String,
    /// The plan it ran.
    digest: String,
    /// Bits of the ring.
    ring_bits: u8,
    #[serde(flatten)]
    setting: Setting,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<Network>,
    /// Queries before the measured ones.
    warm_up_queries: usize,
    /// Measured queries.
    queries: usize,
    /// Of them those that found their sessions prepared. What it takes to prepare is in the CPU time and the throughput, and in no latency.
    prepared_queries: usize,
    /// Sessions of a query.
    sessions: usize,
    /// How often each party dealt.
    dealt_by: BTreeMap<&'static str, usize>,
    /// Rounds of a session.
    rounds: u32,
    /// Between the evaluators.
    online_bytes: OnlineBytes,
    /// From the dealer.
    dealt_bytes: u64,
    /// From the shares being there to the output shares: the slower evaluator's arithmetic and waiting.
    online_ms: Spread,
    /// Dealing and evaluating: from the session's keys to the output shares.
    session_ms: Spread,
    /// From the client's arrays to the client's result.
    total_ms: Spread,
    /// Where a query's time goes.
    phases_ms: Phases,
    /// Answers a second, of all queries in flight.
    queries_per_second: f64,
    /// Samples answered a second.
    samples_per_second: f64,
    /// CPU time of a query by process.
    cpu_ms_per_query: BTreeMap<&'static str, f64>,
    /// CPU time of a query by role, where one query ran at a time.
    cpu_ms_by_role: BTreeMap<&'static str, f64>,
    /// CPU time of the measured queries by process.
    cpu_seconds: BTreeMap<&'static str, f64>,
    /// The most memory each process had.
    peak_rss_bytes: BTreeMap<&'static str, u64>,
    /// The private result against the plain one.
    #[serde(flatten)]
    comparison: Comparison,
    /// The same model in the clear.
    plaintext: Vec<Plain>,
    /// How many times longer it takes privately, by the runtime of the plain run.
    ratio: BTreeMap<&'static str, Ratio>,
}

/// Medians.
#[derive(Debug, Serialize)]
struct Phases {
    client: f64,
    queue: f64,
    start: f64,
    deal: f64,
    prepare: f64,
    online: f64,
}

/// How many times longer it takes privately.
#[derive(Debug, Serialize)]
struct Ratio {
    online: f64,
    total: f64,
    /// CPU time of an evaluator, the mean of the two, over that of the plain run.
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_of_evaluator: Option<f64>,
}

impl BenchReport {
    /// Puts together what was measured.
    pub fn new(
        plan: &Plan,
        setting: Setting,
        measured: Measured,
        comparison: Comparison,
        plaintext: Vec<Plain>,
    ) -> Result<BenchReport, Failure> {
        let costs = &measured.costs;
        let nothing = || {
            Failure::new(
                ExitCode::Internal,
                "no query was measured; this is a fault of the program",
            )
        };
        let spread = |time: fn(&Times) -> Duration| spread(costs, time).ok_or_else(nothing);
        let median = |time| spread(time).map(|spread| spread.median);
        let last = costs.last().ok_or_else(nothing)?;
        let [before, after] = &measured.usage;
        let cpu_seconds = after.cpu_seconds_since(before);
        let per_query = |(&name, &seconds): (&&'static str, &f64)| (name, seconds * 1e3 / costs.len() as f64);
        let cpu_ms_per_query: BTreeMap<_, _> = cpu_seconds.iter().map(per_query).collect();
        let queries_per_second = costs.len() as f64 / measured.time.as_secs_f64();
        let mut dealt_by = BTreeMap::new();
        for cost in costs {
            *dealt_by.entry(cost.roles.party(Role::Dealer).name()).or_default() += 1;
        }
        let mut report = BenchReport {
            model: plan.name.clone(),
            digest: plan.digest().to_string(),
            ring_bits: plan.ring_bits,
            setting,
            network: setting.path.zip(measured.traffic).map(|(path, traffic)| Network {
                rtt_ms: path.round_trip.as_secs_f64() * 1e3,
                bandwidth_mbit: path.bits_per_second.map(|rate| rate as f64 / 1e6),
                packets: traffic.packets,
                dropped: traffic.dropped,
            }),
            warm_up_queries: measured.warm_up_queries,
            queries: costs.len(),
            prepared_queries: costs.iter().filter(|cost| cost.is_prepared).count(),
            sessions: last.sessions,
            rounds: last.rounds,
            online_bytes: last.online_bytes,
            dealt_bytes: last.dealt_bytes,
            online_ms: spread(|times| times.online)?,
            session_ms: spread(|times| times.session)?,
            total_ms: spread(|times| times.total)?,
            phases_ms: Phases {
                client: median(|times| times.client)?,
                queue: median(|times| times.queue)?,
                start: median(|times| times.start)?,
                deal: median(|times| times.deal)?,
                prepare: median(|times| times.prepare)?,
                online: median(|times| times.online)?,
            },
            queries_per_second,
            samples_per_second: queries_per_second * setting.batch as f64,
            cpu_ms_per_query,
            cpu_ms_by_role: measured.role_times.ms_per_query(),
            cpu_seconds,
            peak_rss_bytes: after.peak_rss_bytes(),
            comparison,
            ratio: BTreeMap::new(),
            plaintext,
            dealt_by,
        };
        report.ratio = report
            .plaintext
            .iter()
            .filter_map(|plain| report.ratio_to(plain))
            .collect();
        Ok(report)
    }

    fn ratio_to(&self, plain: &Plain) -> Option<(&'static str, Ratio)> {
        let ms = plain.ms?.median;
        let evaluators = [Role::Evaluator0, Role::Evaluator1].map(|role| self.cpu_ms_by_role.get(role.name()));
        let cpu = evaluators[0]
            .zip(evaluators[1])
            .map(|(first, second)| (first + second) / 2.0);
        let ratio = Ratio {
            online: self.online_ms.median / ms,
            total: self.total_ms.median / ms,
            cpu_of_evaluator: cpu
                .zip(plain.cpu_ms.filter(|&plain| plain > 0.0))
                .map(|(cpu, plain)| cpu / plain),
        };
        Some((plain.engine, ratio))
    }
}

impl Report for BenchReport {
    fn text(&self) -> String {
        let Setting {
            batch,
            threads,
            concurrency,
            ..
        } = self.setting;
        let mut lines = vec![
            format!(
                "{}: batch {batch}, ring Z_2^{}, {threads} threads a node, {concurrency} queries in flight",
                self.model, self.ring_bits
            ),
            format!(
                "{} queries measured after {} to warm up; {}",
                self.queries,
                self.warm_up_queries,
                agreement_text(&self.comparison)
            ),
            format!(
                "{} rounds in each of {} sessions a query, online {} E0 to E1 and {} E1 to E0, dealt {}",
                self.rounds,
                self.sessions,
                bytes(self.online_bytes.e0_to_e1),
                bytes(self.online_bytes.e1_to_e0),
                bytes(self.dealt_bytes)
            ),
            format!(
                "{:.1} queries a second, {:.1} samples a second",
                self.queries_per_second, self.samples_per_second
            ),
        ];
        lines.extend(
            self.setting
                .pool
                .then(|| format!("{} queries found their sessions prepared", self.prepared_queries)),
        );
        lines.extend(self.network.as_ref().map(|network| {
            let rate = network
                .bandwidth_mbit
                .map_or("no limit".to_owned(), |rate| format!("{rate} Mbit/s"));
            format!(
                "emulated network: {} round trip, {rate}; {} of {} packets dropped",
                milliseconds(network.rtt_ms),
                network.dropped,
                network.dropped + network.packets
            )
        }));
        lines.push(String::new());
        lines.extend(self.latency().text().lines().map(str::to_owned));
        let phases = &self.phases_ms;
        let phases = [
            ("client", phases.client),
            ("queue", phases.queue),
            ("start", phases.start),
            ("deal", phases.deal),
            ("prepare", phases.prepare),
            ("online", phases.online),
        ];
        let phases = phases.map(|(name, ms)| format!("{name} {}", milliseconds(ms)));
        lines.extend([
            String::new(),
            format!("where it goes: {}", phases.join(", ")),
            String::new(),
        ]);
        lines.extend(self.resources().text().lines().map(str::to_owned));
        let unavailable = self.plaintext.iter().filter_map(|plain| {
            let reason = plain.unavailable.as_ref()?;
            Some(format!("\n{} is not measured: {reason}", plain.engine))
        });
        lines.extend(unavailable);
        lines.join("\n") + "\n"
    }
}

impl BenchReport {
    fn latency(&self) -> Table {
        let mut table = Table::new(&["latency", "median", "min", "p10", "p90", "p99", "private is"]);
        let cells = |name: &str, spread: Spread| {
            let figures = [spread.median, spread.min, spread.p10, spread.p90, spread.p99].map(milliseconds);
            [name.to_owned()].into_iter().chain(figures)
        };
        table.row(cells("online", self.online_ms));
        table.row(cells("session", self.session_ms));
        table.row(cells("total", self.total_ms));
        for plain in &self.plaintext {
            if let (Some(ms), Some(ratio)) = (plain.ms, self.ratio.get(plain.engine)) {
                let ratio = format!("{:.0}x online, {:.0}x in total", ratio.online, ratio.total);
                table.row(cells(&format!("{}, threads: {}", plain.engine, plain.threads), ms).chain([ratio]));
            }
        }
        table
    }

    fn resources(&self) -> Table {
        let mut table = Table::new(&["process or role", "CPU a query", "peak memory", "dealt"]);
        for (name, &cpu) in &self.cpu_ms_per_query {
            let memory = self.peak_rss_bytes.get(name).copied().unwrap_or(0);
            let dealt = self.dealt_by.get(name).map(usize::to_string).unwrap_or_default();
            table.row([(*name).to_owned(), milliseconds(cpu), bytes(memory), dealt]);
        }
        for (role, &cpu) in &self.cpu_ms_by_role {
            table.row([role.to_string(), milliseconds(cpu)]);
        }
        table
    }
}

fn spread(costs: &[Cost], time: fn(&Times) -> Duration) -> Option<Spread> {
    Spread::of(costs.iter().map(|cost| time(&cost.times).as_secs_f64() * 1e3))
}
