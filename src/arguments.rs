//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::units::{Bandwidth, NumberRange, RoundTrip};

/// Private AI inference among three parties.
///
/// A client's input and an owner's model are split among three parties that trust each other with nothing; they compute on the
/// shares, and only the client reads the answer. Exit codes are explained in docs/exit-codes.
#[derive(Parser)]
#[command(name = "tercet", version)]
pub struct Arguments {
    /// What is written to standard output: text for people, or one JSON object for machines. Progress and logs go to standard error.
    #[arg(long, value_enum, default_value = "text", global = true)]
    pub format: Format,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What is written to standard output.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

/// A command.
#[derive(Subcommand)]
pub enum Command {
    /// Show the whole system on this machine: three nodes, a coordinator, two models, real queries.
    Demo(DemoArguments),
    /// Run a model once on a local deployment of real processes.
    Run(RunArguments),
    /// Measure a model on a local deployment of real processes, and in the clear.
    Bench(BenchArguments),
    /// Ask a running deployment.
    Infer(InferArguments),
    /// Share a model with a running deployment.
    Deploy(DeployArguments),
    /// Compile a model and show what it costs, layer by layer.
    Plan(PlanArguments),
    /// Compare float, integer and private results, and show where they part.
    Verify(VerifyArguments),
    /// Make the identity of a node, a coordinator or a client.
    Keys(KeysArguments),
    /// Run one party's node.
    Node(ServeArguments),
    /// Run the coordinator.
    Coordinator(ServeArguments),
}

/// A model and how it is compiled.
#[derive(Args, Clone)]
pub struct CompileArguments {
    /// The model.
    #[arg(value_name = "MODEL.onnx")]
    pub model: PathBuf,
    /// How it is compiled.
    #[command(flatten)]
    pub settings: CompileSettings,
}

/// Ranges, ring and what is revealed.
#[derive(Args, Clone)]
pub struct CompileSettings {
    /// Samples that fix the ranges of the model's values: FILE in the model's order of inputs, or NAME=FILE. Default: the inputs, if given.
    #[arg(long, value_name = "[NAME=]C.npy")]
    pub calibration: Vec<String>,
    /// Smallest and largest number an input may be. Default: what the calibration samples show, widened.
    #[arg(long, value_name = "LOW..HIGH", allow_hyphen_values = true)]
    pub input_range: Option<NumberRange>,
    /// Bits of the ring. `auto` takes 32 where no label of the calibration samples changes.
    #[arg(long, value_enum, default_value = "auto")]
    pub ring: Ring,
    /// What the client learns. Default: what the model gives.
    #[arg(long, value_enum)]
    pub reveal: Option<Reveal>,
    /// Bits of safety above the largest value the calibration samples show.
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u8).range(0..=16))]
    pub margin_bits: Option<u8>,
    /// What the protocols of each layer are chosen for: the shortest predicted time, the fewest rounds, or the fewest bytes.
    #[arg(long, value_enum, default_value = "auto")]
    pub prefer: Prefer,
    /// Choose protocols as if what is dealt were always there before a query, as with a pool of prepared sessions.
    #[arg(long)]
    pub expect_pool: bool,
}

/// What protocols are chosen for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Prefer {
    /// The shortest predicted time on the network between the parties.
    Auto,
    /// The fewest rounds.
    Latency,
    /// The fewest bytes, online and dealt together.
    Traffic,
}

/// Bits of the ring.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Ring {
    /// 32 where it fits without loss, else 64.
    Auto,
    /// Z_2^32.
    #[value(name = "32")]
    Z32,
    /// Z_2^64.
    #[value(name = "64")]
    Z64,
}

/// What the client learns.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Reveal {
    /// The numbers before a last sigmoid or softmax.
    Logits,
    /// Probabilities, also where the model gives the numbers before a softmax.
    Probabilities,
    /// The most likely class alone.
    Label,
}

/// `tercet demo`
#[derive(Args)]
pub struct DemoArguments {
    /// Leave it serving until Ctrl-C.
    #[arg(long)]
    pub keep: bool,
    /// Where to put identities, configurations and logs. Default: a temporary directory, removed at the end.
    #[arg(long, value_name = "D")]
    pub directory: Option<PathBuf>,
}

/// `tercet run`
#[derive(Args)]
pub struct RunArguments {
    /// How the model is compiled.
    #[command(flatten)]
    pub compile: CompileArguments,
    /// A batch of inputs: FILE in the model's order, or NAME=FILE. Once for each input.
    #[arg(long, value_name = "[NAME=]X.npy", required = true)]
    pub input: Vec<String>,
    /// Where to write the outputs: FILE in the model's order, or NAME=FILE.
    #[arg(long, value_name = "[NAME=]Y.npy")]
    pub output: Vec<String>,
    /// What the outputs should be: FILE in the model's order, or NAME=FILE. Default: the plain run of the model.
    #[arg(long, value_name = "[NAME=]E.npy")]
    pub expected: Vec<String>,
}

/// `tercet bench`
#[derive(Args)]
pub struct BenchArguments {
    /// How the model is compiled.
    #[command(flatten)]
    pub compile: CompileArguments,
    /// Samples to ask about: FILE in the model's order, or NAME=FILE. Once for each input.
    #[arg(long, value_name = "[NAME=]X.npy", required = true)]
    pub input: Vec<String>,
    /// Samples of one query: the first ones of the input, and from its start again where it has fewer. Default: all of the input.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub batch: Option<u32>,
    /// Threads that compute, of every node and of ONNX Runtime. Default: as many as the machine has cores.
    #[arg(long, value_name = "T", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub threads: Option<u32>,
    /// Round-trip time of an emulated network between the three nodes and the coordinator. Default: this machine's own, without a relay.
    #[arg(long, value_name = "TIME")]
    pub rtt: Option<RoundTrip>,
    /// What each of them can send over the emulated network. Default: as much as it likes.
    #[arg(long, value_name = "RATE")]
    pub bandwidth: Option<Bandwidth>,
    /// Queries in flight at any time.
    #[arg(long, value_name = "C", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub concurrency: u32,
    /// Prepare sessions ahead, and wait for one before each query: it then pays the online phase alone.
    #[arg(long)]
    pub pool: bool,
    /// Seconds to measure, after warming up. Slow models take longer: a few queries are measured in any case.
    #[arg(long, value_name = "S", default_value = "3", value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub seconds: u32,
}

/// `tercet infer`
#[derive(Args)]
pub struct InferArguments {
    /// The client's configuration.
    #[arg(long, value_name = "CLIENT.toml")]
    pub config: PathBuf,
    /// The deployed model's name.
    #[arg(long, value_name = "NAME")]
    pub model: String,
    /// A batch of inputs: FILE in the model's order, or NAME=FILE. Once for each input.
    #[arg(long, value_name = "[NAME=]X.npy", required = true)]
    pub input: Vec<String>,
    /// Where to write the outputs: FILE in the model's order, or NAME=FILE.
    #[arg(long, value_name = "[NAME=]Y.npy")]
    pub output: Vec<String>,
    /// What the outputs should be: FILE in the model's order, or NAME=FILE.
    #[arg(long, value_name = "[NAME=]E.npy")]
    pub expected: Vec<String>,
    /// Queries to measure, one after another.
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub repeat: u32,
}

/// `tercet deploy`
#[derive(Args)]
pub struct DeployArguments {
    /// How the model is compiled.
    #[command(flatten)]
    pub compile: CompileArguments,
    /// The owner's configuration, whose client may deploy.
    #[arg(long, value_name = "CLIENT.toml")]
    pub config: PathBuf,
    /// The name to serve the model under. Default: the file's name.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Round-trip time between the parties, which protocols are chosen for. Default: what the nodes measure.
    #[arg(long, value_name = "TIME")]
    pub rtt: Option<RoundTrip>,
    /// Bandwidth between the parties, which protocols are chosen for.
    #[arg(long, value_name = "RATE", default_value = "1Gbit")]
    pub bandwidth: Bandwidth,
}

/// `tercet plan`
#[derive(Args)]
pub struct PlanArguments {
    /// How the model is compiled.
    #[command(flatten)]
    pub compile: CompileArguments,
    /// Samples of one query.
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub batch: u32,
    /// Round-trip time between the parties, which protocols are chosen and the latency is predicted for.
    #[arg(long, value_name = "TIME", default_value = "1ms")]
    pub rtt: RoundTrip,
    /// Bandwidth between the parties, which protocols are chosen and the latency is predicted for.
    #[arg(long, value_name = "RATE", default_value = "1Gbit")]
    pub bandwidth: Bandwidth,
}

/// `tercet verify`
#[derive(Args)]
pub struct VerifyArguments {
    /// How the model is compiled.
    #[command(flatten)]
    pub compile: CompileArguments,
    /// A batch of inputs: FILE in the model's order, or NAME=FILE. Once for each input.
    #[arg(long, value_name = "[NAME=]X.npy", required = true)]
    pub input: Vec<String>,
    /// What the outputs should be: FILE in the model's order, or NAME=FILE. Default: the plain run of the model.
    #[arg(long, value_name = "[NAME=]E.npy")]
    pub expected: Vec<String>,
    /// The largest error that counts as agreement, as a part of the largest expected number (of one, if that is larger).
    #[arg(long, value_name = "ERROR", default_value = "0.01")]
    pub tolerance: f64,
}

/// `tercet keys`
#[derive(Args)]
pub struct KeysArguments {
    /// Where to write identity.crt, identity.key and sealing.key. Existing files are never overwritten.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The name in the certificate, for people; peers pin its fingerprint.
    #[arg(long, value_name = "NAME", default_value = "tercet")]
    pub name: String,
}

/// `tercet node` and `tercet coordinator`
#[derive(Args)]
pub struct ServeArguments {
    /// The configuration.
    #[arg(long, value_name = "FILE.toml")]
    pub config: PathBuf,
    /// Check the configuration and the files it names, and start nothing.
    #[arg(long)]
    pub check: bool,
    /// Leave when standard input closes, so that a process that started this one can't leave it behind.
    #[arg(long, hide = true)]
    pub until_stdin_closes: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn inputs_repeat_and_the_format_may_come_last() {
        let line = [
            "tercet",
            "run",
            "m.onnx",
            "--input",
            "a.npy",
            "--input",
            "mask=b.npy",
            "--input-range",
            "-1..1",
            "--format",
            "json",
        ];
        let arguments = Arguments::try_parse_from(line).unwrap();
        assert_eq!(arguments.format, Format::Json);
        let Command::Run(run) = arguments.command else {
            panic!("not run")
        };
        assert_eq!(run.input, ["a.npy", "mask=b.npy"]);
        assert_eq!(
            run.compile.settings.input_range,
            Some(NumberRange { low: -1.0, high: 1.0 })
        );
        assert_eq!(run.compile.settings.ring, Ring::Auto);
    }

    #[test]
    fn what_must_be_given_is_asked_for() {
        assert!(Arguments::try_parse_from(["tercet", "run", "m.onnx"]).is_err());
        assert!(Arguments::try_parse_from(["tercet", "plan"]).is_err());
        assert!(Arguments::try_parse_from(["tercet", "keys"]).is_err());
    }
}
