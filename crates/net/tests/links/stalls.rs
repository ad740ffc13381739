//! Waits that the path does not explain.

use std::thread;
use std::time::{Duration, Instant};

use tercet_ids::PartyId;
use tercet_net::{Cancellation, FRAME_BYTES_MAX, SessionStream, Stalls};
use tercet_relay::{Path, Relay, Route};

use crate::common::{any_port, identity, listen, peer};

/// Runs `work` on both ends of a session over `path`, and gives the stalls that the second one saw.
fn stalls(
    path: Path,
    send: impl FnOnce(&mut SessionStream) + Send + 'static,
    receive: impl FnOnce(&mut SessionStream) + Send + 'static,
) -> Stalls {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let (cloud, auditor) = (identity("cloud"), identity("auditor"));
        let (cloud_peer, auditor_peer) = (peer(PartyId::Cloud, &cloud), peer(PartyId::Auditor, &auditor));
        let (cloud_end, _) = listen(&cloud, std::slice::from_ref(&auditor_peer));
        let (auditor_end, mut listener) = listen(&auditor, std::slice::from_ref(&cloud_peer));
        let route = Route {
            from: "cloud".to_owned(),
            to: "auditor".to_owned(),
            listen: any_port(),
            target: auditor_end.local_address().expect("bound"),
        };
        let relay = Relay::start(path, &[route]).expect("starts");
        let dialled = cloud_end
            .connect(relay.addresses()[0], &auditor_peer)
            .await
            .expect("trusted");
        let accepted = listener.accept().await.expect("open");
        let mut here = dialled.open_stream().await.expect("up");
        here.writer.write_message(vec![0], 1).await.expect("one byte");
        let mut there = accepted.accept_stream().await.expect("up");
        there.reader.read_message(1).await.expect("one byte");
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut here = here.into_session(FRAME_BYTES_MAX, deadline, Cancellation::new());
        let mut there = there.into_session(FRAME_BYTES_MAX, deadline, Cancellation::new());
        let sending = thread::spawn(move || {
            send(&mut here);
            here
        });
        let receiving = thread::spawn(move || {
            receive(&mut there);
            there
        });
        let (here, there) = tokio::task::spawn_blocking(|| (sending.join(), receiving.join()))
            .await
            .expect("no panic");
        drop((here.expect("no panic"), there.expect("no panic")));
        accepted.take_stalls()
    })
}

const ROUND_TRIP: Duration = Duration::from_millis(40);

#[test]
fn a_frame_that_pauses_half_way_is_the_transports() {
    // A packet of 1200 bytes each 19 ms.
    let slow = Path {
        round_trip: Duration::ZERO,
        bits_per_second: Some(500_000),
    };
    let frames = 3;
    let send = move |link: &mut SessionStream| {
        for sequence in 0..frames {
            link.send(0, sequence, vec![1; 10_000]).expect("up");
        }
    };
    let receive = move |link: &mut SessionStream| {
        for _ in 0..frames {
            link.receive().expect("sent");
        }
    };
    assert_eq!(stalls(slow, send, receive).transport, 3);
}

#[test]
fn a_frame_that_is_sent_late_is_the_peers() {
    let path = Path {
        round_trip: ROUND_TRIP,
        bits_per_second: None,
    };
    let send = |link: &mut SessionStream| {
        link.send(0, 0, vec![1; 10]).expect("up");
        link.receive().expect("sent");
        thread::sleep(Duration::from_millis(60));
        link.send(0, 1, vec![1; 10]).expect("up");
    };
    let receive = |link: &mut SessionStream| {
        thread::sleep(Duration::from_millis(60));
        // It is there already.
        link.receive().expect("sent");
        link.send(0, 0, vec![1; 10]).expect("up");
        link.receive().expect("sent");
    };
    assert_eq!(stalls(path, send, receive), Stalls { transport: 0, peer: 1 });
}
