//! Session frames between two processes on loopback: round trips, exchanges and bulk.
//!
//! `cargo bench -p tercet-net [-- MTU]`. Each process has one thread that drives the network and one that blocks on frames,
//! as a node has. A round trip is a frame there and one back; an exchange is a frame each way at once, one round of a
//! protocol.

use std::env;
use std::io::{self, BufRead, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use tercet_ids::PartyId;
use tercet_net::{
    Cancellation, Endpoint, FRAME_BYTES_MAX, Identity, Peer, PeerName, SessionStream, TransportSettings, TrustedPeers,
};

const ROUND_TRIPS: [usize; 2] = [64, 4096];
const EXCHANGES: [usize; 5] = [64, 4 << 10, 16 << 10, 64 << 10, 256 << 10];
const REPEATS: usize = 1000;
const WARM_UP: usize = 200;
const BULK_FRAMES: usize = 500;
const DEADLINE: Duration = Duration::from_secs(120);

fn main() {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.as_slice() {
        [mode, mtu, directory, address] if mode == "dial" => dial(settings(mtu), directory, address),
        [mtu] => listen(settings(mtu), mtu),
        _ => {
            for mtu in ["1452", "6500"] {
                listen(settings(mtu), mtu);
            }
        }
    }
}

fn settings(mtu: &str) -> TransportSettings {
    TransportSettings {
        mtu: mtu.parse().expect("the MTU is a number"),
        ..TransportSettings::default()
    }
}

fn peer(party: PartyId, identity: &Identity) -> Peer {
    Peer {
        name: PeerName::Party(party),
        fingerprint: identity.fingerprint(),
    }
}

/// Runs `connect` on a network thread and gives its session to the calling thread.
fn session<F>(connect: impl FnOnce() -> F + Send + 'static) -> SessionStream
where
    F: Future<Output = (Endpoint, tercet_net::Stream)>,
{
    let (sender, session) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let (_endpoint, stream) = connect().await;
            let deadline = Instant::now() + DEADLINE;
            let session = stream.into_session(FRAME_BYTES_MAX, deadline, Cancellation::new());
            sender.send(session).expect("awaited");
            std::future::pending::<()>().await;
        });
    });
    session.recv().expect("the network thread connects")
}

/// The side that answers; the one whose process was started by the other.
fn dial(settings: TransportSettings, directory: &str, address: &str) {
    let directory = std::path::Path::new(directory);
    let load = |name: &str| {
        Identity::load(
            &directory.join(format!("{name}.crt")),
            &directory.join(format!("{name}.key")),
        )
        .expect("saved")
    };
    let (mine, other) = (load("dialler"), load("listener"));
    let address: SocketAddr = address.parse().expect("an address");
    let mut link = session(move || async move {
        let endpoint = Endpoint::dial_only(address, mine, settings).expect("binds");
        let connection = endpoint
            .connect(address, &peer(PartyId::Cloud, &other))
            .await
            .expect("trusted");
        let mut stream = connection.open_stream().await.expect("up");
        stream.writer.write_message(vec![0], 1).await.expect("up");
        (endpoint, stream)
    });
    for _ in ROUND_TRIPS {
        for _ in 0..WARM_UP + REPEATS {
            let (header, payload) = link.receive().expect("sent");
            link.send(header.step, header.sequence, payload).expect("up");
        }
    }
    for bytes in EXCHANGES {
        for _ in 0..WARM_UP + REPEATS {
            link.send(0, 0, vec![1; bytes]).expect("up");
            link.receive().expect("sent");
        }
    }
    for _ in 0..BULK_FRAMES {
        link.receive().expect("sent");
    }
    link.send(0, 0, Vec::new()).expect("up");
    // Ends when the starter closes its end of the pipe, after it has read the last frame.
    let _ = io::stdin().lock().lines().count();
}

fn listen(settings: TransportSettings, mtu: &str) {
    let directory = tempfile::tempdir().expect("a directory");
    let make = |name: &str| {
        let identity = Identity::generate(name).expect("randomness");
        let path = |kind: &str| directory.path().join(format!("{name}.{kind}"));
        identity.save(&path("crt"), &path("key")).expect("saved");
        identity
    };
    let (mine, other) = (make("listener"), make("dialler"));
    let (told, address) = mpsc::channel();
    let accepting = thread::spawn(move || {
        session(move || async move {
            let trusted = TrustedPeers::new([peer(PartyId::Auditor, &other)]).expect("one");
            let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            let (endpoint, mut listener) = Endpoint::bind(any, mine, trusted, settings).expect("binds");
            told.send(endpoint.local_address().expect("bound")).expect("awaited");
            let connection = listener.accept().await.expect("the child dials");
            let mut stream = connection.accept_stream().await.expect("up");
            stream.reader.read_message(1).await.expect("up");
            (endpoint, stream)
        })
    });
    let address = address.recv().expect("bound").to_string();
    let mut child = Command::new(env::current_exe().expect("this program"))
        .args(["dial", mtu, directory.path().to_str().expect("plain"), &address])
        .stdin(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut link = accepting.join().expect("connects");

    println!("MTU {mtu}");
    for bytes in ROUND_TRIPS {
        measure("round trip", bytes, || {
            link.send(0, 0, vec![1; bytes]).expect("up");
            link.receive().expect("sent");
        });
    }
    for bytes in EXCHANGES {
        measure("exchange", bytes, || {
            link.send(0, 0, vec![1; bytes]).expect("up");
            link.receive().expect("sent");
        });
    }
    let start = Instant::now();
    for _ in 0..BULK_FRAMES {
        link.send(0, 0, vec![1; FRAME_BYTES_MAX]).expect("up");
    }
    link.receive().expect("sent");
    let rate = (BULK_FRAMES * FRAME_BYTES_MAX) as f64 / start.elapsed().as_secs_f64();
    println!("  bulk of {BULK_FRAMES} MiB frames: {:.2} GB/s", rate / 1e9);
    drop(child.stdin.take());
    child.wait().expect("ends");
    io::stdout().flush().expect("a terminal or a file");
}

fn measure(what: &str, bytes: usize, mut once: impl FnMut()) {
    (0..WARM_UP).for_each(|_| once());
    let mut times: Vec<Duration> = (0..REPEATS)
        .map(|_| {
            let start = Instant::now();
            once();
            start.elapsed()
        })
        .collect();
    times.sort();
    let micros = |at: usize| times[at].as_micros();
    println!(
        "  {what} of {bytes:>6} bytes: {:>5} us median, {:>5} us p99",
        micros(REPEATS / 2),
        micros(REPEATS * 99 / 100)
    );
}
