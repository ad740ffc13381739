use std::time::{Duration, Instant};

use tercet_net::FRAME_BYTES_MAX;

use crate::pair::{Link, Task};

/// Times in ascending order.
pub struct Times(Vec<Duration>);

impl Times {
    pub fn of(count: usize, once: impl FnMut() -> Duration) -> Times {
        let mut times: Vec<Duration> = std::iter::repeat_with(once).take(count).collect();
        times.sort();
        Times(times)
    }

    pub fn median(&self) -> Duration {
        self.0[self.0.len() / 2]
    }

    /// Of rounds in lockstep: the ends take turns in finding a frame that is there already.
    pub fn mean(&self) -> Duration {
        self.0.iter().sum::<Duration>() / self.0.len() as u32
    }

    pub fn percentile(&self, percent: usize) -> Duration {
        self.0[(self.0.len() * percent / 100).min(self.0.len() - 1)]
    }
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// A frame there and back.
pub fn round_trips(link: &mut Link, bytes: usize, count: usize, pause: Duration) -> Times {
    link.tell(Task::Echo, count);
    Times::of(count, || {
        std::thread::sleep(pause);
        timed(|| {
            link.send(bytes);
            link.receive();
        })
    })
}

/// A frame each way at once: one round of a protocol.
pub fn exchanges(link: &mut Link, bytes: usize, count: usize) -> Times {
    link.tell(Task::Exchange(bytes), count);
    Times::of(count, || {
        timed(|| {
            link.send(bytes);
            link.receive();
        })
    })
}

/// Full frames one way. Gives the bytes per second, and the CPU seconds of both processes per gigabyte.
pub fn bulk(link: &mut Link, frames: usize) -> (f64, f64) {
    let before = link.cpu_time();
    link.tell(Task::Take, frames);
    let took = timed(|| {
        for _ in 0..frames {
            link.send(FRAME_BYTES_MAX);
        }
        link.receive();
    });
    let cpu = link.cpu_time() - before;
    let bytes = (frames * FRAME_BYTES_MAX) as f64;
    (bytes / took.as_secs_f64(), cpu.as_secs_f64() / bytes * 1e9)
}
