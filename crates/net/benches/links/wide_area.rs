use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tercet_relay::{Path, Relay, Route};

use crate::measure::{bulk, exchanges, round_trips};
use crate::pair::{Link, WIDE_MTU, dial, start_other};

/// Round-trip milliseconds and megabits per second.
pub const NETWORKS: [(u64, u64); 4] = [(1, 1000), (10, 1000), (40, 100), (100, 100)];

const BULK_FRAMES: usize = 24;
/// Long enough for a connection to count as idle.
const PAUSE: Duration = Duration::from_millis(1500);

/// Prints what rounds and bulk take over emulated networks.
pub fn measure(networks: &[(u64, u64)]) {
    for &(milliseconds, megabits) in networks {
        let directory = tempfile::tempdir().expect("a directory");
        let (mut other, address) = start_other(directory.path(), WIDE_MTU);
        let path = Path {
            round_trip: Duration::from_millis(milliseconds),
            bits_per_second: Some(megabits * 1_000_000),
        };
        let route = Route {
            from: "dialler".to_owned(),
            to: "listener".to_owned(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            target: address,
        };
        let relay = Relay::start(path, &[route]).expect("starts");
        println!("{milliseconds} ms, {megabits} Mbit/s");
        let address = relay.addresses()[0].to_string();
        let mut link = dial(directory.path().to_str().expect("plain"), &address, WIDE_MTU);
        suite(&mut link, &|bytes| path.sending_time(bytes as u64));
        let dropped: u64 = relay.traffic().values().map(|sent| sent.dropped).sum();
        println!("  {dropped} packets dropped");
        drop(link);
        other.wait().expect("ends");
    }
}

/// The measurements of one link. The first ones are of a connection that has carried nothing yet.
pub fn suite(link: &mut Link, sending_time: &dyn Fn(usize) -> Duration) {
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    let round_trip = |link: &mut Link, what: &str, bytes: usize, count: usize, pause: Duration| {
        let times = round_trips(link, bytes, count, pause);
        println!(
            "  {what} of {bytes:>7} bytes: {:>7.1} ms median, {:>7.1} ms worst, of which {:.1} ms on the line",
            milliseconds(times.median()),
            milliseconds(times.percentile(100)),
            milliseconds(2 * sending_time(bytes))
        );
    };
    round_trip(link, "first round trip", 256 << 10, 1, Duration::ZERO);
    round_trip(link, "first round trip", 1 << 20, 1, Duration::ZERO);
    for bytes in [64, 64 << 10, 256 << 10, 1 << 20] {
        round_trip(link, "round trip      ", bytes, 9, Duration::ZERO);
    }
    round_trip(link, "after a pause   ", 1 << 20, 3, PAUSE);
    for bytes in [64, 64 << 10, 256 << 10, 1 << 20] {
        let times = exchanges(link, bytes, 20);
        println!(
            "  exchange         of {bytes:>7} bytes: {:>7.1} ms mean,   {:>7.1} ms worst, of which {:.1} ms on the line",
            milliseconds(times.mean()),
            milliseconds(times.percentile(100)),
            milliseconds(sending_time(bytes))
        );
    }
    let (rate, cpu) = bulk(link, BULK_FRAMES);
    println!(
        "  bulk of {BULK_FRAMES} MiB: {:.0} Mbit/s, {cpu:.2} CPU-seconds of both ends per GB",
        rate * 8.0 / 1e6
    );
}
