use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use crate::driver::{NetworkRuntime, Sleeper, TaskQueue};

/// Ends the waits of a session's compute thread from elsewhere. A clone is another handle to the same one.
#[derive(Clone, Default, Debug)]
pub struct Cancellation {
    shared: Arc<Shared>,
}

#[derive(Default, Debug)]
struct Shared {
    cancelled: AtomicBool,
    /// Wakes the thread, set while it waits.
    waiting: Mutex<Option<Waker>>,
}

impl Cancellation {
    /// One that is not cancelled.
    pub fn new() -> Cancellation {
        Cancellation::default()
    }

    /// Ends the current wait and every later one.
    pub fn cancel(&self) {
        self.shared.cancelled.store(true, Ordering::SeqCst);
        let waiting = self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waker) = waiting.as_ref() {
            waker.wake_by_ref();
        }
    }

    /// Whether [`Cancellation::cancel`] was called.
    pub fn is_cancelled(&self) -> bool {
        self.shared.cancelled.load(Ordering::SeqCst)
    }

    fn waiting(&self, waker: Option<Waker>) {
        *self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner) = waker;
    }
}

/// Why a wait ended without a result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Interrupted {
    Cancelled,
    DeadlinePassed,
}

/// Tasks that a waiting thread runs before it looks whether what it waits for is done.
const TASKS_PER_TURN: usize = 16;

/// How many of the tasks that its own work has woken a thread runs once the work is done, so that what it sent leaves
/// without waking the network thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Afterwards {
    /// As many as it takes: the work was small.
    Run,
    /// None, since there is enough to do to be worth doing beside the caller's computation.
    LeaveToNetworkThread,
}

/// Blocks the calling thread until `future` is done, the deadline passes or the wait is cancelled.
///
/// The future is polled on this thread. While it is not done, the thread takes part in the network's work as
/// [`crate::driver`] says.
pub(crate) fn wait<F: Future>(
    future: F,
    network: &NetworkRuntime,
    afterwards: Afterwards,
    deadline: Instant,
    cancellation: &Cancellation,
) -> Result<F::Output, Interrupted> {
    let mut future = pin!(future);
    if cancellation.is_cancelled() {
        return Err(Interrupted::Cancelled);
    }
    let sleeper = Sleeper::of_this_thread();
    let waker = Waker::from(sleeper.clone());
    let mut context = Context::from_waker(&waker);
    let tasks = TaskQueue::open();
    let finished = |tasks: &TaskQueue| {
        if afterwards == Afterwards::Run {
            tasks.run(TASKS_PER_TURN);
        }
    };
    if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
        finished(&tasks);
        return Ok(output);
    }
    // Registered before the flag is looked at again, so that a cancellation either is seen or finds the thread.
    cancellation.waiting(Some(waker.clone()));
    let mut lead = None;
    let result = loop {
        if cancellation.is_cancelled() {
            break Err(Interrupted::Cancelled);
        }
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            finished(&tasks);
            break Ok(output);
        }
        if tasks.run(TASKS_PER_TURN) {
            continue;
        }
        if Instant::now() >= deadline {
            break Err(Interrupted::DeadlinePassed);
        }
        if lead.is_none() {
            lead = network.lead();
        }
        if sleeper.sleep(lead.as_ref(), deadline) {
            network.take_packets();
        }
    };
    cancellation.waiting(None);
    result
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::thread;
    use std::time::Duration;

    use super::*;

    /// A network without a socket, and with it a runtime that nobody runs.
    fn wait<F: Future>(future: F, deadline: Instant, cancellation: &Cancellation) -> Result<F::Output, Interrupted> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        let _within = runtime.enter();
        super::wait(
            future,
            &NetworkRuntime::current(),
            Afterwards::Run,
            deadline,
            cancellation,
        )
    }

    #[test]
    fn a_ready_future_returns_even_after_the_deadline() {
        assert_eq!(wait(async { 7 }, Instant::now(), &Cancellation::new()), Ok(7));
    }

    #[test]
    fn the_deadline_ends_a_wait() {
        let deadline = Instant::now() + Duration::from_millis(20);
        let outcome = wait(pending::<()>(), deadline, &Cancellation::new());
        assert_eq!(outcome, Err(Interrupted::DeadlinePassed));
        assert!(Instant::now() >= deadline);
    }

    #[test]
    fn cancelling_ends_a_wait_and_every_later_one() {
        let cancellation = Cancellation::new();
        let canceller = cancellation.clone();
        let thread = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            canceller.cancel();
        });
        let deadline = Instant::now() + Duration::from_secs(60);
        assert_eq!(
            wait(pending::<()>(), deadline, &cancellation),
            Err(Interrupted::Cancelled)
        );
        assert_eq!(wait(async {}, deadline, &cancellation), Err(Interrupted::Cancelled));
        thread.join().expect("the canceller does not panic");
    }
}
