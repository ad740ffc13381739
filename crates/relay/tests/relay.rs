//! The relay between real sockets.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use tercet_relay::{HEADER_BYTES, PAYLOAD_BYTES_MAX, Path, Relay, Route, Traffic};

fn any_port() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind(any_port()).expect("a port is free");
    socket.set_read_timeout(Some(Duration::from_secs(5))).expect("settable");
    socket
}

fn route(from: &str, to: &str, target: &UdpSocket) -> Route {
    Route {
        from: from.to_owned(),
        to: to.to_owned(),
        listen: any_port(),
        target: target.local_addr().expect("bound"),
    }
}

fn milliseconds(time: u64) -> Duration {
    Duration::from_millis(time)
}

/// Answers every packet with itself, until one has a single byte.
fn echo(socket: UdpSocket) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut buffer = [0; 2000];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).expect("asked");
            socket.send_to(&buffer[..length], from).expect("sent");
            if length == 1 {
                return;
            }
        }
    })
}

#[test]
fn a_round_trip_takes_the_time_set() {
    let server = socket();
    let path = Path {
        round_trip: milliseconds(20),
        bits_per_second: Some(100_000_000),
    };
    let relay = Relay::start(path, &[route("client", "server", &server)]).expect("starts");
    let echo = echo(server);
    let client = socket();
    let mut buffer = [0; 100];
    let mut ping = |payload: &[u8]| {
        let start = Instant::now();
        client.send_to(payload, relay.addresses()[0]).expect("sent");
        let (length, from) = client.recv_from(&mut buffer).expect("answered");
        assert_eq!(&buffer[..length], payload);
        assert_eq!(from, relay.addresses()[0]);
        start.elapsed()
    };
    let mut times: Vec<Duration> = (0..51).map(|number| ping(&[number; 64])).collect();
    times.sort();
    println!("round trips of 20 ms: {:?} to {:?}", times[0], times[25]);
    assert!(times[0] >= milliseconds(20), "{:?}", times[0]);
    // The fastest: others may keep both cores busy.
    assert!(times[0] < milliseconds(21), "{:?}", times[0]);
    ping(&[0]);
    echo.join().expect("no panic");
    let sent = Traffic {
        packets: 52,
        bytes: 51 * 64 + 1,
        dropped: 0,
    };
    assert_eq!(relay.traffic()["client"], sent);
    assert_eq!(relay.traffic()["server"], sent);
}

#[test]
fn all_that_a_host_sends_shares_its_line() {
    const PACKETS: usize = 400;
    let (one, other) = (socket(), socket());
    let path = Path {
        round_trip: Duration::ZERO,
        bits_per_second: Some(50_000_000),
    };
    let routes = [route("host", "one", &one), route("host", "other", &other)];
    let relay = Relay::start(path, &routes).expect("starts");
    let client = socket();
    let start = Instant::now();
    for _ in 0..PACKETS {
        for address in relay.addresses() {
            client.send_to(&[1; PAYLOAD_BYTES_MAX], address).expect("sent");
        }
    }
    let mut buffer = [0; 2000];
    for _ in 0..PACKETS {
        for server in [&one, &other] {
            assert_eq!(server.recv(&mut buffer).expect("arrives"), PAYLOAD_BYTES_MAX);
        }
    }
    let expected = path.sending_time((2 * PACKETS * (PAYLOAD_BYTES_MAX + HEADER_BYTES)) as u64);
    let took = start.elapsed();
    println!("{} packets at 50 Mbit/s: {took:?} of {expected:?}", 2 * PACKETS);
    // Two lines would take half of it; a busy machine takes a little more.
    assert!(
        took >= expected && took < expected.mul_f64(1.5),
        "{took:?}, not {expected:?}"
    );
}

#[test]
fn what_the_path_does_not_take_is_dropped_and_counted() {
    let server = socket();
    let path = Path {
        round_trip: Duration::ZERO,
        bits_per_second: Some(10_000_000),
    };
    let relay = Relay::start(path, &[route("client", "server", &server)]).expect("starts");
    let client = socket();
    client
        .send_to(&[0; PAYLOAD_BYTES_MAX + 1], relay.addresses()[0])
        .expect("sent");
    // The queue takes 2796 packets.
    for number in 0..3000 {
        client
            .send_to(&[0; PAYLOAD_BYTES_MAX], relay.addresses()[0])
            .expect("sent");
        if number % 50 == 0 {
            thread::sleep(milliseconds(1));
        }
    }
    let deadline = Instant::now() + milliseconds(5000);
    let sent = loop {
        let sent = relay.traffic()["client"];
        if sent.packets + sent.dropped == 3000 || Instant::now() > deadline {
            break sent;
        }
        thread::sleep(milliseconds(5));
    };
    assert!(sent.dropped > 0 && sent.dropped < 205, "{sent:?}");
    assert_eq!(sent.packets + sent.dropped, 3000, "the one that is too large vanishes");
}

#[test]
fn a_stopped_relay_frees_its_port() {
    let server = socket();
    let relay = Relay::start(Path::default(), &[route("client", "server", &server)]).expect("starts");
    let address = relay.addresses()[0];
    assert!(UdpSocket::bind(address).is_err());
    drop(relay);
    let taken = UdpSocket::bind(address).expect("free again");
    let mut second = route("client", "server", &server);
    second.listen = taken.local_addr().expect("bound");
    assert!(Relay::start(Path::default(), &[second]).is_err());
}
