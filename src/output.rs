//! What goes to standard output.

use serde::Serialize;
use serde_json::json;

use crate::arguments::Format;
use crate::exit::{ExitCode, Failure};

/// The result of a command, for people and for machines.
pub trait Report: Serialize {
    /// The text for people.
    fn text(&self) -> String;
}

/// Writes a result.
pub fn present(format: Format, report: &impl Report) -> Result<(), Failure> {
    match format {
        Format::Text => write(&report.text()),
        Format::Json => {
            let text = serde_json::to_string(report).map_err(|reason| Failure::new(ExitCode::Internal, reason))?;
            write(&format!("{text}\n"))
        }
    }
}

/// Writes why there is no result: to standard error in any case, for machines as an object too.
pub fn present_failure(format: Format, failure: &Failure) {
    eprintln!("error: {failure}");
    if format == Format::Json {
        write_failure(failure);
    }
}

/// Writes a failure as an object.
pub fn write_failure(failure: &Failure) {
    let object = json!({ "error": { "code": failure.code as u8, "kind": failure.code, "sentence": failure.sentence } });
    // The sentence is on standard error already.
    let _ = write(&format!("{object}\n"));
}

fn write(text: &str) -> Result<(), Failure> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Whoever read the output has seen enough.
        Err(reason) if reason.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|reason| Failure::machine(format!("cannot write to standard output: {reason}"))),
    }
}
