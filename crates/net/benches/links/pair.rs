//! Two processes with a session between them: one measures, the other does what it is told.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs};

use tercet_ids::PartyId;
use tercet_net::{
    Cancellation, Endpoint, FRAME_BYTES_MAX, FrameHeader, Identity, Peer, PeerName, SessionStream, TransportSettings,
    TrustedPeers,
};

/// UDP payload bytes that pass any network.
pub const WIDE_MTU: &str = "1452";

const DEADLINE: Duration = Duration::from_secs(300);

/// What the other end is told to do, so many times; the number is the step of the frame that says so.
#[derive(Clone, Copy)]
pub enum Task {
    /// Receive a frame and send it back.
    Echo,
    /// Send a frame of so many bytes, then receive one.
    Exchange(usize),
    /// Receive frames, then send an empty one.
    Take,
    /// Say how much CPU time the process has used.
    Report,
}

/// The measuring end.
pub struct Link {
    session: SessionStream,
}

impl Link {
    /// Tells the other end what to do.
    pub fn tell(&mut self, task: Task, times: usize) {
        let (step, bytes) = match task {
            Task::Echo => (0, 0),
            Task::Exchange(bytes) => (1, bytes),
            Task::Take => (2, 0),
            Task::Report => (3, 0),
        };
        let bytes = (bytes as u64).to_le_bytes().to_vec();
        self.session.send(step, times as u32, bytes).expect("up");
    }

    pub fn send(&mut self, bytes: usize) {
        self.session.send(0, 0, vec![1; bytes]).expect("up");
    }

    pub fn receive(&mut self) -> Vec<u8> {
        self.session.receive().expect("sent").1
    }

    /// CPU time that both processes have used so far.
    pub fn cpu_time(&mut self) -> Duration {
        self.tell(Task::Report, 1);
        let bytes = self.receive().try_into().expect("eight bytes");
        cpu_time() + Duration::from_nanos(u64::from_le_bytes(bytes))
    }
}

fn obey(session: &mut SessionStream) {
    while let Ok((FrameHeader { step, sequence, .. }, payload)) = session.receive() {
        let bytes = u64::from_le_bytes(payload.try_into().expect("eight bytes")) as usize;
        for _ in 0..sequence {
            match step {
                0 => {
                    let (_, payload) = session.receive().expect("sent");
                    session.send(0, 0, payload).expect("up");
                }
                1 => {
                    session.send(0, 0, vec![1; bytes]).expect("up");
                    session.receive().expect("sent");
                }
                2 => drop(session.receive().expect("sent")),
                _ => session
                    .send(0, 0, (cpu_time().as_nanos() as u64).to_le_bytes().to_vec())
                    .expect("up"),
            }
        }
        if step == 2 {
            session.send(0, 0, Vec::new()).expect("up");
        }
    }
}

/// CPU time of this process's threads.
fn cpu_time() -> Duration {
    let tasks = fs::read_dir("/proc/self/task").expect("this bench runs on Linux");
    let nanoseconds = |task: fs::DirEntry| -> Option<u64> {
        let statistics = fs::read_to_string(task.path().join("schedstat")).ok()?;
        statistics.split_whitespace().next()?.parse().ok()
    };
    Duration::from_nanos(tasks.flatten().filter_map(nanoseconds).sum())
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

/// Makes both ends' identities in `directory`.
pub fn make_identities(directory: &Path) {
    for name in ["dialler", "listener"] {
        let path = |kind: &str| directory.join(format!("{name}.{kind}"));
        let identity = Identity::generate(name).expect("randomness");
        identity.save(&path("crt"), &path("key")).expect("a new directory");
    }
}

fn load(directory: &str, name: &str) -> Identity {
    let path = |kind: &str| Path::new(directory).join(format!("{name}.{kind}"));
    Identity::load(&path("crt"), &path("key")).expect("saved")
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

/// The obeying process: waits at `address` for the measuring one, makes the identities if they are missing, and ends when
/// the other does.
pub fn answer(directory: &str, address: &str, mtu: &str) {
    if !Path::new(directory).join("listener.key").exists() {
        make_identities(Path::new(directory));
    }
    let (mine, other) = (load(directory, "listener"), load(directory, "dialler"));
    let address: SocketAddr = address.parse().expect("an address");
    let settings = settings(mtu);
    let mut session = session(move || async move {
        let trusted = TrustedPeers::new([peer(PartyId::Auditor, &other)]).expect("one");
        let (endpoint, mut listener) = Endpoint::bind(address, mine, trusted, settings).expect("binds");
        let connection = listener.accept().await.expect("the other dials");
        let mut stream = connection.accept_stream().await.expect("up");
        stream.reader.read_message(1).await.expect("up");
        (endpoint, stream)
    });
    obey(&mut session);
}

/// The measuring process's end, once the other listens at `address`.
pub fn dial(directory: &str, address: &str, mtu: &str) -> Link {
    let (mine, other) = (load(directory, "dialler"), load(directory, "listener"));
    let address: SocketAddr = address.parse().expect("an address");
    let settings = settings(mtu);
    let session = session(move || async move {
        let endpoint = Endpoint::dial_only(address, mine, settings).expect("binds");
        let listener = peer(PartyId::Cloud, &other);
        let connection = loop {
            match endpoint.connect(address, &listener).await {
                Ok(connection) => break connection,
                Err(error) => eprintln!("{error}; trying on"),
            }
        };
        let mut stream = connection.open_stream().await.expect("up");
        stream.writer.write_message(vec![0], 1).await.expect("up");
        (endpoint, stream)
    });
    Link { session }
}

/// The other process on this machine, and where it listens. Ends with the session.
pub fn start_other(directory: &Path, mtu: &str) -> (Child, SocketAddr) {
    make_identities(directory);
    let socket = std::net::UdpSocket::bind((IpAddr::V4(Ipv4Addr::LOCALHOST), 0)).expect("a port is free");
    let address = socket.local_addr().expect("bound");
    drop(socket);
    let child = Command::new(env::current_exe().expect("this program"))
        .args(["answer", directory.to_str().expect("plain"), &address.to_string(), mtu])
        .stdin(Stdio::null())
        .spawn()
        .expect("starts");
    (child, address)
}
