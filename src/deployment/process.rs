use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tercet_telemetry::process::ProcessUsage;

use crate::exit::{ExitCode, Failure};

/// Between two looks whether a process is ready.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Longest wait for an answer on loopback.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// How long a process may take to leave by itself.
const LEAVE_WITHIN: Duration = Duration::from_secs(3);
/// So much of a log is shown when its process has ended.
const LOG_TAIL_LINES: usize = 5;

/// What a process is started with.
pub struct Launch {
    /// The party, or `coordinator`.
    pub name: &'static str,
    /// The executable.
    pub program: PathBuf,
    /// Its command.
    pub command: &'static str,
    /// Its configuration.
    pub config: PathBuf,
    /// Where its standard error goes.
    pub log: PathBuf,
    /// Where it serves metrics and readiness.
    pub metrics: SocketAddr,
}

/// A process of the deployment; it ends when this is dropped, or when this program ends however that happens, since its standard input
/// closes then.
pub struct Process {
    launch: Launch,
    child: Child,
}

impl Process {
    /// Starts it.
    pub fn start(launch: Launch) -> Result<Process, Failure> {
        let child = spawn(&launch)?;
        Ok(Process { launch, child })
    }

    /// Starts it again with the same files and addresses, once it has ended.
    pub fn start_again(&mut self) -> Result<(), Failure> {
        self.child = spawn(&self.launch)?;
        Ok(())
    }

    /// Ends it at once, as a crash does.
    pub fn kill(&mut self) -> Result<(), Failure> {
        let name = self.launch.name;
        let ended = self.child.kill().and_then(|()| self.child.wait());
        ended.map_err(|reason| Failure::machine(format!("cannot end the process {name}: {reason}")))?;
        Ok(())
    }

    /// The operating system's number of it.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended; `None` while it runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// The party, or `coordinator`.
    pub fn name(&self) -> &'static str {
        self.launch.name
    }

    /// Where it serves metrics.
    pub fn metrics(&self) -> SocketAddr {
        self.launch.metrics
    }

    /// What it has used so far.
    pub fn usage(&self) -> Option<ProcessUsage> {
        ProcessUsage::of(self.child.id())
    }

    /// An error if it has ended.
    pub fn check_running(&mut self) -> Result<(), Failure> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(Failure::new(
                ExitCode::Party,
                format!("the process {} ended ({status}){}", self.launch.name, self.log_tail()),
            )),
            Err(reason) => Err(Failure::machine(format!(
                "cannot watch the process {}: {reason}",
                self.launch.name
            ))),
        }
    }

    /// Waits until it can do its work.
    pub fn wait_until_ready(&mut self, deadline: Instant) -> Result<(), Failure> {
        let mut reason = "it does not listen yet".to_owned();
        while Instant::now() < deadline {
            self.check_running()?;
            match readiness(self.launch.metrics) {
                Some((true, _)) => return Ok(()),
                Some((false, said)) => reason = said,
                None => {}
            }
            std::thread::sleep(LOOK_EVERY);
        }
        let name = self.launch.name;
        Err(Failure::new(
            ExitCode::Party,
            format!("the process {name} did not become ready: {reason}{}", self.log_tail()),
        ))
    }

    fn log_tail(&self) -> String {
        let text = fs::read_to_string(&self.launch.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let tail = &lines[lines.len().saturating_sub(LOG_TAIL_LINES)..];
        format!(
            "; its log {} ends with: {}",
            self.launch.log.display(),
            tail.join(" | ")
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let deadline = Instant::now() + LEAVE_WITHIN;
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(LOOK_EVERY);
        }
        // Nothing more can be done about a process that can't be killed.
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}

fn spawn(launch: &Launch) -> Result<Child, Failure> {
    let failed =
        |reason: std::io::Error| Failure::machine(format!("cannot start the process {}: {reason}", launch.name));
    let log = File::options()
        .create(true)
        .append(true)
        .open(&launch.log)
        .map_err(failed)?;
    let mut command = Command::new(&launch.program);
    command
        .arg(launch.command)
        .arg("--config")
        .arg(&launch.config)
        .arg("--until-stdin-closes");
    // Overrides meant for one program would hit all four; their files say all there is to say.
    for (variable, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TERCET__")) {
        command.env_remove(variable);
    }
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .map_err(failed)
}

/// Whether a process says it is ready, and what it says; `None` while it doesn't answer.
fn readiness(address: SocketAddr) -> Option<(bool, String)> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_WITHIN).ok()?;
    stream.set_read_timeout(Some(ANSWER_WITHIN)).ok()?;
    stream
        .write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .ok()?;
    let mut answer = String::new();
    stream.take(64 << 10).read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.starts_with("HTTP/1.1 200"), body.trim().to_owned()))
}
