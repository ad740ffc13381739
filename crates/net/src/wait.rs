use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

/// Ends the waits of a session's compute thread from elsewhere. A clone is another handle to the same one.
#[derive(Clone, Default, Debug)]
pub struct Cancellation {
    shared: Arc<Shared>,
}

#[derive(Default, Debug)]
struct Shared {
    cancelled: AtomicBool,
    /// The thread to wake, set while it waits.
    waiting: Mutex<Option<Thread>>,
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
        if let Some(thread) = waiting.as_ref() {
            thread.unpark();
        }
    }

    /// Whether [`Cancellation::cancel`] was called.
    pub fn is_cancelled(&self) -> bool {
        self.shared.cancelled.load(Ordering::SeqCst)
    }

    fn waiting(&self, thread: Option<Thread>) {
        *self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner) = thread;
    }
}

/// Why a wait ended without a result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Interrupted {
    Cancelled,
    DeadlinePassed,
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

/// Blocks the calling thread until `future` is done, the deadline passes or the wait is cancelled.
///
/// The future is polled on this thread and woken by unparking it, so a result costs the network thread one wake-up and no
/// timer. An unparking between the poll and the parking is not lost: parking then returns at once.
pub(crate) fn wait<F: Future>(
    future: F,
    deadline: Instant,
    cancellation: &Cancellation,
) -> Result<F::Output, Interrupted> {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    if cancellation.is_cancelled() {
        return Err(Interrupted::Cancelled);
    }
    if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
        return Ok(output);
    }
    // Registered before the flag is looked at again, so that a cancellation either is seen or finds the thread.
    cancellation.waiting(Some(thread::current()));
    let result = loop {
        if cancellation.is_cancelled() {
            break Err(Interrupted::Cancelled);
        }
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            break Ok(output);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break Err(Interrupted::DeadlinePassed);
        }
        thread::park_timeout(left);
    };
    cancellation.waiting(None);
    result
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::time::Duration;

    use super::*;

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
