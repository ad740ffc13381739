//! How exact the relay is, and what it costs: `cargo bench -p tercet-relay`.
//!
//! Lateness is what a round trip of a lone packet takes beyond the time set. Throughput is of packets that are sent one by one,
//! the dearest way, as fast as the line takes them.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use tercet_relay::{HEADER_BYTES, PAYLOAD_BYTES_MAX, Path, Relay, Route};

const PINGS: usize = 300;
const PACKETS: usize = 200_000;

fn main() {
    for round_trip in [0, 1, 10, 40] {
        lateness(Duration::from_millis(round_trip));
    }
    for megabits in [100, 1000, 2000] {
        throughput(megabits);
    }
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a port is free");
    let timeout = Some(Duration::from_secs(1));
    socket.set_read_timeout(timeout).expect("settable");
    socket2::SockRef::from(&socket)
        .set_recv_buffer_size(4 << 20)
        .expect("settable");
    socket
}

fn start(path: Path, target: &UdpSocket) -> Relay {
    let route = Route {
        from: "client".to_owned(),
        to: "server".to_owned(),
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        target: target.local_addr().expect("bound"),
    };
    Relay::start(path, &[route]).expect("starts")
}

fn lateness(round_trip: Duration) {
    let server = socket();
    let path = Path {
        round_trip,
        bits_per_second: None,
    };
    let relay = start(path, &server);
    let echo = thread::spawn(move || {
        let mut buffer = [0; 100];
        for _ in 0..PINGS {
            let (length, from) = server.recv_from(&mut buffer).expect("asked");
            server.send_to(&buffer[..length], from).expect("sent");
        }
    });
    let client = socket();
    let mut buffer = [0; 100];
    let mut late: Vec<Duration> = (0..PINGS)
        .map(|_| {
            let start = Instant::now();
            client.send_to(&[0; 64], relay.addresses()[0]).expect("sent");
            client.recv(&mut buffer).expect("answered");
            start.elapsed() - round_trip
        })
        .collect();
    late.sort();
    echo.join().expect("no panic");
    let micros = |at: usize| late[at].as_micros();
    println!(
        "round trip of {:>2} ms: {:>4} us late in the median, {:>4} us p99",
        round_trip.as_millis(),
        micros(PINGS / 2),
        micros(PINGS * 99 / 100)
    );
}

fn throughput(megabits: u64) {
    let server = socket();
    let path = Path {
        round_trip: Duration::from_millis(10),
        bits_per_second: Some(megabits * 1_000_000),
    };
    let relay = start(path, &server);
    let packets = PACKETS.min(megabits as usize * 200);
    let receiving = thread::spawn(move || {
        let mut buffer = [0; 2000];
        let (mut received, mut first, mut last) = (0, None, Instant::now());
        while received < packets {
            if server.recv(&mut buffer).is_err() {
                break;
            }
            last = Instant::now();
            first = first.or(Some(last));
            received += 1;
        }
        (received, last - first.expect("some arrive"))
    });
    let client = socket();
    let begin = Instant::now();
    for number in 0..packets {
        // A little below the line's rate, so that nothing is dropped.
        let due = path
            .sending_time((number * (PAYLOAD_BYTES_MAX + HEADER_BYTES)) as u64)
            .mul_f64(1.01);
        if let Some(wait) = due
            .checked_sub(begin.elapsed())
            .filter(|wait| *wait > Duration::from_micros(200))
        {
            thread::sleep(wait);
        }
        client
            .send_to(&[0; PAYLOAD_BYTES_MAX], relay.addresses()[0])
            .expect("sent");
    }
    let busy = busy_time();
    let (received, took) = receiving.join().expect("no panic");
    let bits = (received * (PAYLOAD_BYTES_MAX + HEADER_BYTES) * 8) as f64;
    println!(
        "line of {megabits:>4} Mbit/s: {:>4.0} Mbit/s, {} of {packets} packets lost, {:.0}% of a core, {:.1} us a packet",
        bits / took.as_secs_f64() / 1e6,
        packets - received,
        busy.as_secs_f64() / begin.elapsed().as_secs_f64() * 100.0,
        busy.as_secs_f64() * 1e6 / received as f64
    );
}

/// CPU time of the relay's thread.
fn busy_time() -> Duration {
    let tasks = fs::read_dir("/proc/self/task").expect("this bench runs on Linux");
    let of_relay = tasks
        .flatten()
        .find(|task| fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.trim() == "relay"));
    let statistics = fs::read_to_string(of_relay.expect("it runs").path().join("schedstat")).expect("readable");
    let nanoseconds = statistics.split_whitespace().next().expect("three numbers");
    Duration::from_nanos(nanoseconds.parse().expect("a number"))
}
