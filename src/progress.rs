//! Progress of long steps on standard error: a spinner on a terminal, else a line at the start and every five seconds.

use std::io::IsTerminal;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

const LINE_EVERY: Duration = Duration::from_secs(5);
const SPIN_EVERY: Duration = Duration::from_millis(100);

/// One step that is under way; it ends when this is dropped.
pub struct Progress {
    name: String,
    start: Instant,
    shown: Shown,
}

enum Shown {
    Spinner(ProgressBar),
    Lines(Option<(Sender<()>, JoinHandle<()>)>),
}

impl Progress {
    /// Starts a step.
    pub fn start(name: impl Into<String>) -> Progress {
        let name = name.into();
        let start = Instant::now();
        let shown = if std::io::stderr().is_terminal() {
            let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}").expect("the template is valid");
            let spinner = ProgressBar::new_spinner().with_style(style).with_message(name.clone());
            spinner.enable_steady_tick(SPIN_EVERY);
            Shown::Spinner(spinner)
        } else {
            Shown::Lines(Some(lines(name.clone(), start)))
        };
        Progress { name, start, shown }
    }
}

/// A thread that writes a line every five seconds until the sender is dropped.
fn lines(name: String, start: Instant) -> (Sender<()>, JoinHandle<()>) {
    let (stop, stopped) = mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        while stopped.recv_timeout(LINE_EVERY) == Err(RecvTimeoutError::Timeout) {
            eprintln!("{name} ... {} s", start.elapsed().as_secs());
        }
    });
    (stop, thread)
}

impl Drop for Progress {
    fn drop(&mut self) {
        match &mut self.shown {
            Shown::Spinner(spinner) => spinner.finish_and_clear(),
            Shown::Lines(running) => {
                if let Some((stop, thread)) = running.take() {
                    drop(stop);
                    // The thread only prints; if that failed there is nothing to clean up.
                    let _ = thread.join();
                }
            }
        }
        eprintln!("{}  {:.1} s", self.name, self.start.elapsed().as_secs_f64());
    }
}
