//! What tests of real processes share: the program with bounded waits, its files, and a deployment of it on loopback.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::{NamedTempFile, TempDir};
use tercet::deployment::{Deployment, Settings};
use tercet::npy;
use tercet_plan::Array;

/// The executable under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_tercet");
/// Longest run of one command. They take seconds; a machine under load may need more.
pub const COMMAND_WITHIN: Duration = Duration::from_secs(120);
/// Longest wait for metrics.
const SCRAPE_WITHIN: Duration = Duration::from_secs(5);
/// Between two looks at something that is to happen.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What a command gave.
#[derive(Debug)]
pub struct Outcome {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Outcome {
    /// The one object on standard output of a command that succeeds.
    pub fn json(&self) -> Value {
        assert_eq!(self.code, Some(0), "{}", self.err);
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }

    /// The one sentence of a command that fails with `code`: the last line of standard error, with nothing on standard output.
    pub fn sentence(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        assert_eq!(self.out, "", "standard output holds results alone");
        let last = self.err.trim_end().lines().last().unwrap_or_default();
        let sentence = last.strip_prefix("error: ");
        sentence.unwrap_or_else(|| panic!("no error at the end of: {}", self.err))
    }

    /// The same of a command that speaks to machines: its object on standard output says what standard error says.
    pub fn failed_json(&self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        let object: Value = serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out));
        assert_eq!(object["error"]["code"], code);
        let sentence = object["error"]["sentence"].as_str().expect("a sentence").to_owned();
        assert!(self.err.ends_with(&format!("error: {sentence}\n")), "{}", self.err);
        sentence
    }
}

/// A command that runs.
pub struct Running {
    wait: thread::JoinHandle<Outcome>,
}

impl Running {
    /// Its outcome.
    pub fn outcome(self) -> Outcome {
        self.wait.join().expect("the command ends in time")
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.wait.is_finished()
    }
}

/// Starts the program.
pub fn start(arguments: &[impl AsRef<OsStr>]) -> Running {
    let shown = format!("{:?}", arguments.iter().map(AsRef::as_ref).collect::<Vec<_>>());
    let mut child = Command::new(PROGRAM)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let out = drain(child.stdout.take().expect("piped"));
    let err = drain(child.stderr.take().expect("piped"));
    let wait = thread::spawn(move || {
        let deadline = Instant::now() + COMMAND_WITHIN;
        let status = loop {
            match child.try_wait().expect("a child of this process") {
                Some(status) => break status,
                None if Instant::now() > deadline => {
                    let _ = child.kill();
                    panic!("{shown} did not end within {COMMAND_WITHIN:?}");
                }
                None => thread::sleep(LOOK_EVERY),
            }
        };
        Outcome {
            code: status.code(),
            out: out.join().expect("a reader"),
            err: err.join().expect("a reader"),
        }
    });
    Running { wait }
}

/// Runs the program to its end.
pub fn tercet(arguments: &[impl AsRef<OsStr>]) -> Outcome {
    start(arguments).outcome()
}

fn drain(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read until the pipe broke is all there is.
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Waits until `happened` gives something, for `within` at most.
pub fn wait_for<T>(what: &str, within: Duration, mut happened: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = happened() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {within:?} for {what}");
        thread::sleep(LOOK_EVERY);
    }
}

/// A file of one of the models for tests.
pub fn model_file(model: &str, file: &str) -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("integration-tests/models");
    directory.join(model).join(file).display().to_string()
}

/// The model itself.
pub fn model(model: &str) -> String {
    model_file(model, "model.onnx")
}

/// Its samples.
pub fn samples(model: &str) -> String {
    model_file(model, "input_0.npy")
}

/// A deployment of real processes in a directory of its own; both are gone when it is dropped.
pub struct Local {
    /// The processes.
    pub deployment: Deployment,
    _directory: TempDir,
}

impl Local {
    /// Starts three nodes and a coordinator.
    pub fn start() -> Local {
        Local::start_with(&Settings::default())
    }

    /// The same with other settings than a user's without wishes.
    pub fn start_with(settings: &Settings) -> Local {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let started = Deployment::start_program(Path::new(PROGRAM), &directory.path().join("deployment"), settings);
        Local {
            deployment: started.unwrap_or_else(|failure| panic!("{failure}")),
            _directory: directory,
        }
    }

    /// The client's configuration.
    pub fn client(&self) -> String {
        self.deployment.client_config_path().display().to_string()
    }

    /// Shares a model under its own name, or another one.
    pub fn deploy(&self, folder: &str, name: &str) {
        let (onnx, calibration, client) = (model(folder), samples(folder), self.client());
        let shared = tercet(&[
            "deploy",
            &onnx,
            "--calibration",
            &calibration,
            "--config",
            &client,
            "--name",
            name,
            "--format",
            "json",
        ]);
        shared.json();
    }

    /// Starts a query.
    pub fn start_query(&self, name: &str, input: &str) -> Running {
        let client = self.client();
        start(&[
            "infer", "--config", &client, "--model", name, "--input", input, "--format", "json",
        ])
    }

    /// Asks, and gives the report.
    pub fn infer(&self, name: &str, input: &str) -> Value {
        self.start_query(name, input).outcome().json()
    }

    /// Asks until there is an answer: the processes may still be finding out who was lost, and find each other again.
    pub fn infer_within(&self, within: Duration, name: &str, input: &str) {
        wait_for("a query that succeeds", within, || {
            (self.start_query(name, input).outcome().code == Some(0)).then_some(())
        });
    }

    /// The numbers of all processes: the parties' in order, then the coordinator's.
    pub fn process_ids(&mut self) -> [u32; 4] {
        let [a, b, c] = tercet_ids::PartyId::ALL.map(Some);
        [a, b, c, None].map(|party| self.deployment.process(party).id())
    }
}

/// A file with the first `count` of a model's samples, repeated where there are fewer.
pub fn first_samples(folder: &str, count: usize) -> NamedTempFile {
    let all = npy::read(Path::new(&samples(folder))).unwrap_or_else(|failure| panic!("{failure}"));
    let width = all.data().len() / all.shape()[0];
    let data = all.data().iter().copied().cycle().take(count * width).collect();
    let mut shape = all.shape().to_vec();
    shape[0] = count;
    array_file(&Array::new(shape, data).expect("a whole number of samples"))
}

/// A file with an array.
pub fn array_file(array: &Array) -> NamedTempFile {
    let file = NamedTempFile::with_suffix(".npy").expect("a temporary file");
    npy::write(file.path(), array).unwrap_or_else(|failure| panic!("{failure}"));
    file
}

/// What a process serves to Prometheus.
pub struct Scrape(pub String);

/// Reads a process's metrics; `None` if it doesn't answer.
pub fn scrape(address: SocketAddr) -> Option<Scrape> {
    let mut stream = TcpStream::connect_timeout(&address, SCRAPE_WITHIN).ok()?;
    stream.set_read_timeout(Some(SCRAPE_WITHIN)).ok()?;
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok()?;
    let answer = String::from_utf8(bytes).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.1 200").then(|| Scrape(body.to_owned()))
}

impl Scrape {
    /// The series of a name with their values, the labels as written.
    pub fn series<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        let lines = self.0.lines().filter(|line| !line.starts_with('#'));
        lines.filter_map(move |line| {
            let (series, value) = line.rsplit_once(' ')?;
            let labels = series.strip_prefix(name)?;
            (labels.is_empty() || labels.starts_with('{')).then(|| (labels, value.parse().expect("a number")))
        })
    }

    /// The sum over the series of a name that have all of `labels`, each written `name="value"`.
    pub fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let series = self
            .series(name)
            .filter(|(found, _)| labels.iter().all(|label| found.contains(label)));
        series.map(|(_, value)| value).sum()
    }

    /// The value of a name without labels of its own.
    pub fn value(&self, name: &str) -> Option<f64> {
        self.series(name).next().map(|(_, value)| value)
    }
}
