use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Wake;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::socket::Lead;

const AWAKE: u8 = 0;
const ASLEEP: u8 = 1;
const WOKEN: u8 = 2;

/// How often a thread looks by itself if the process has no file descriptors left for its bell.
const WITHOUT_BELL: Duration = Duration::from_millis(1);

/// A thread that waits for its future to be woken and, at the same time, for packets.
///
/// Its waker costs a system call only if the thread sleeps.
pub(crate) struct Sleeper {
    state: AtomicU8,
    /// What a waker writes to, and what the thread watches.
    bell: Option<(UnixStream, UnixStream)>,
}

thread_local! {
    /// Made when a thread first waits; it waits for one thing at a time.
    static OWN: Arc<Sleeper> = Arc::new(Sleeper::new());
}

impl Sleeper {
    /// This thread's.
    pub fn of_this_thread() -> Arc<Sleeper> {
        OWN.with(Arc::clone)
    }

    fn new() -> Sleeper {
        let quiet = |end: &UnixStream| end.set_nonblocking(true).is_ok();
        Sleeper {
            state: AtomicU8::new(AWAKE),
            bell: UnixStream::pair()
                .ok()
                .filter(|(one, other)| quiet(one) && quiet(other)),
        }
    }

    /// Sleeps until it is woken, packets wait on the socket that it leads, or the deadline passes. Returns at once if it was
    /// woken since the last time. Says whether packets wait.
    pub fn sleep(&self, lead: Option<&Lead>, deadline: Instant) -> bool {
        if self
            .state
            .compare_exchange(AWAKE, ASLEEP, Ordering::SeqCst, Ordering::SeqCst)
            != Ok(AWAKE)
        {
            self.state.store(AWAKE, Ordering::SeqCst);
            return false;
        }
        let mut watched = Vec::with_capacity(2);
        watched.extend(lead.map(|lead| PollFd::new(lead.socket(), PollFlags::IN)));
        let mut left = deadline.saturating_duration_since(Instant::now());
        match &self.bell {
            Some((_, ear)) => watched.push(PollFd::new(ear, PollFlags::IN)),
            None => left = left.min(WITHOUT_BELL),
        }
        // A time too long for the kernel is one without end; an interrupted wait ends early, and the caller looks again.
        let polled = poll(&mut watched, Timespec::try_from(left).ok().as_ref());
        let packets = polled.is_ok() && lead.is_some() && !watched[0].revents().is_empty();
        if self.state.swap(AWAKE, Ordering::SeqCst) == WOKEN
            && let Some((_, ear)) = &self.bell
        {
            // Nothing to read only means that the bell is about to ring, which then ends the next sleep early.
            let _ = (&mut &*ear).read(&mut [0; 16]);
        }
        packets
    }
}

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.swap(WOKEN, Ordering::SeqCst) == ASLEEP
            && let Some((bell, _)) = &self.bell
        {
            // Full means that it rings already.
            let _ = (&mut &*bell).write(&[1]);
        }
    }
}
