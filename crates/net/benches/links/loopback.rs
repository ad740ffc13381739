use std::time::Duration;

use crate::measure::{Times, bulk, exchanges, round_trips};
use crate::pair::{dial, start_other};

const ROUND_TRIPS: [usize; 2] = [64, 4096];
const EXCHANGES: [usize; 5] = [64, 4 << 10, 16 << 10, 64 << 10, 256 << 10];
const REPEATS: usize = 1000;
const WARM_UP: usize = 200;
const BULK_FRAMES: usize = 500;

/// Prints what a round costs between two processes of this machine.
pub fn measure(mtus: &[&str]) {
    for mtu in mtus {
        let directory = tempfile::tempdir().expect("a directory");
        let (mut other, address) = start_other(directory.path(), mtu);
        let mut link = dial(directory.path().to_str().expect("plain"), &address.to_string(), mtu);
        println!("loopback, MTU {mtu}");
        let print = |what: &str, bytes: usize, times: Times| {
            println!(
                "  {what} of {bytes:>6} bytes: {:>5} us median, {:>5} us p99",
                times.median().as_micros(),
                times.percentile(99).as_micros()
            );
        };
        for bytes in ROUND_TRIPS {
            round_trips(&mut link, bytes, WARM_UP, Duration::ZERO);
            print(
                "round trip",
                bytes,
                round_trips(&mut link, bytes, REPEATS, Duration::ZERO),
            );
        }
        for bytes in EXCHANGES {
            exchanges(&mut link, bytes, WARM_UP);
            print("exchange", bytes, exchanges(&mut link, bytes, REPEATS));
        }
        let (rate, cpu) = bulk(&mut link, BULK_FRAMES);
        println!(
            "  bulk of {BULK_FRAMES} MiB: {:.2} GB/s, {cpu:.2} CPU-seconds of both ends per GB",
            rate / 1e9
        );
        drop(link);
        other.wait().expect("ends");
    }
}
