//! Messages and frames over real connections, whole and broken.

use std::thread;
use std::time::{Duration, Instant};

use crate::common::Pair;
use tercet_ids::PartyId;
use tercet_net::{Cancellation, CloseReason, FRAME_BYTES_MAX, FrameHeader, NetError, PeerName, SessionStream};

const CLOUD: PeerName = PeerName::Party(PartyId::Cloud);
const AUDITOR: PeerName = PeerName::Party(PartyId::Auditor);

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

#[tokio::test]
async fn messages_arrive_whole_and_in_order() {
    let pair = Pair::connect().await;
    let (mut here, mut there) = pair.stream().await;
    let messages: Vec<Vec<u8>> = (0..50).map(|number| vec![number as u8; number * 5000]).collect();
    let sent = messages.clone();
    let sending = async move {
        for message in sent {
            here.writer.write_message(message, 1 << 20).await.expect("sent");
        }
        here.writer.finish();
        here
    };
    let receiving = async {
        for message in &messages {
            assert_eq!(there.reader.read_message(1 << 20).await.as_ref(), Ok(message));
        }
        assert_eq!(there.reader.next_message(1 << 20).await, Ok(None));
    };
    let _ = tokio::join!(sending, receiving);
}

#[tokio::test]
async fn what_does_not_fit_is_refused_on_both_ends() {
    let pair = Pair::connect().await;
    let (mut here, mut there) = pair.stream().await;
    let own = here.writer.write_message(vec![0; 101], 100).await;
    let expected = NetError::OwnTooLarge {
        peer: AUDITOR,
        bytes: 101,
        limit: 100,
    };
    assert_eq!(own, Err(expected));
    here.writer.write_message(vec![0; 101], 101).await.expect("sent");
    let expected = NetError::TooLarge {
        peer: CLOUD,
        bytes: 101,
        limit: 100,
    };
    assert_eq!(there.reader.read_message(100).await, Err(expected));
}

#[tokio::test]
async fn a_message_cut_short_is_refused() {
    let pair = Pair::connect().await;
    let (mut here, mut there) = pair.stream().await;
    here.writer.write_message(vec![1; 500], 500).await.expect("sent");
    here.writer.abandon();
    let outcome = match there.reader.read_message(500).await {
        // It came before the reset did.
        Ok(message) => {
            assert_eq!(message, [1; 500]);
            there.reader.read_message(500).await
        }
        refused => refused,
    };
    assert_eq!(outcome, Err(NetError::Abandoned { peer: CLOUD }));
}

#[tokio::test]
async fn a_writer_hears_when_the_reader_leaves() {
    let pair = Pair::connect().await;
    let (here, there) = pair.stream().await;
    drop(there);
    let stopped = tokio::time::timeout(Duration::from_secs(5), here.writer.stopped());
    assert!(stopped.await.is_ok());
}

/// A session between two threads over a connection driven by a third.
fn sessions(limit: usize, deadline: Instant) -> Sessions {
    unequal_sessions([limit; 2], deadline)
}

/// The same with a frame limit for each end.
fn unequal_sessions(limits: [usize; 2], deadline: Instant) -> Sessions {
    let (sender, receiver) = std::sync::mpsc::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel::<Option<CloseReason>>();
    let cancellation = Cancellation::new();
    let shared = cancellation.clone();
    let network = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let pair = Pair::connect().await;
            let (here, there) = pair.stream().await;
            let here = here.into_session(limits[0], deadline, shared);
            let there = there.into_session(limits[1], deadline, Cancellation::new());
            sender.send((here, there)).expect("awaited");
            if let Ok(Some(reason)) = stopped.await {
                pair.auditor.close(reason);
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
    });
    let (here, there) = receiver.recv().expect("the network thread lives");
    Sessions {
        here,
        there,
        cancellation,
        stop,
        network,
    }
}

struct Sessions {
    here: SessionStream,
    there: SessionStream,
    cancellation: Cancellation,
    stop: tokio::sync::oneshot::Sender<Option<CloseReason>>,
    network: thread::JoinHandle<()>,
}

#[test]
fn full_frames_in_both_directions_at_once_do_not_deadlock() {
    let Sessions {
        mut here,
        mut there,
        stop,
        network,
        cancellation: _,
    } = sessions(FRAME_BYTES_MAX, soon());
    let exchange = |link: &mut SessionStream, fill: u8| {
        for sequence in 0..20 {
            link.send(7, sequence, vec![fill; FRAME_BYTES_MAX]).expect("sent");
            let (header, payload) = link.receive().expect("received");
            let expected = FrameHeader {
                step: 7,
                sequence,
                length: FRAME_BYTES_MAX as u32,
            };
            assert_eq!(header, expected);
            assert!(payload.iter().all(|&byte| byte == !fill));
        }
    };
    let other = thread::spawn(move || {
        exchange(&mut there, 0x0F);
        there
    });
    exchange(&mut here, 0xF0);
    let there = other.join().expect("no panic");
    here.finish();
    there.finish();
    stop.send(None).expect("running");
    network.join().expect("no panic");
}

#[test]
fn both_send_a_full_frame_before_either_reads() {
    let mut both = sessions(FRAME_BYTES_MAX, soon());
    // One thread sends in both directions first, so neither send may wait for a read.
    for sequence in 0..10 {
        both.here.send(0, sequence, vec![1; FRAME_BYTES_MAX]).expect("sent");
        both.there.send(0, sequence, vec![2; FRAME_BYTES_MAX]).expect("sent");
        assert_eq!(both.there.receive().expect("received").1, vec![1; FRAME_BYTES_MAX]);
        assert_eq!(both.here.receive().expect("received").1, vec![2; FRAME_BYTES_MAX]);
    }
}

#[test]
fn a_sender_that_runs_ahead_waits_for_its_reader() {
    let deadline = Instant::now() + Duration::from_millis(700);
    let mut both = sessions(FRAME_BYTES_MAX, deadline);
    let mut sent = 0;
    let outcome = loop {
        match both.here.send(0, sent, vec![0; FRAME_BYTES_MAX]) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(outcome, NetError::Timeout { peer: AUDITOR });
    assert!((1..=4).contains(&sent), "{sent} MiB were buffered");
}

#[test]
fn an_oversized_frame_is_refused_by_both_ends() {
    let mut both = sessions(1000, soon());
    let expected = NetError::OwnTooLarge {
        peer: AUDITOR,
        bytes: 1001,
        limit: 1000,
    };
    assert_eq!(both.here.send(0, 0, vec![0; 1001]), Err(expected));
    let mut both = unequal_sessions([2000, 1000], soon());
    both.here.send(0, 0, vec![0; 1001]).expect("sent");
    let expected = NetError::TooLarge {
        peer: CLOUD,
        bytes: 1001,
        limit: 1000,
    };
    assert_eq!(both.there.receive(), Err(expected));
}

#[test]
fn waiting_ends_by_cancellation_deadline_abandonment_and_loss() {
    let mut both = sessions(1000, soon());
    let cancellation = both.cancellation.clone();
    let canceller = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        cancellation.cancel();
    });
    let start = Instant::now();
    assert_eq!(both.here.receive(), Err(NetError::Cancelled { peer: AUDITOR }));
    assert!(start.elapsed() < Duration::from_secs(5));
    canceller.join().expect("no panic");
    drop(both.here);
    assert_eq!(both.there.receive(), Err(NetError::Abandoned { peer: CLOUD }));

    let mut both = sessions(1000, Instant::now() + Duration::from_millis(500));
    assert_eq!(both.here.receive(), Err(NetError::Timeout { peer: AUDITOR }));

    let mut both = sessions(1000, soon());
    let start = Instant::now();
    both.stop.send(Some(CloseReason::Shutdown)).expect("running");
    let expected = NetError::ClosedByPeer {
        peer: AUDITOR,
        reason: CloseReason::Shutdown,
    };
    assert_eq!(both.here.receive(), Err(expected));
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(both.here.send(0, 0, vec![0]).is_err());
}

#[test]
fn a_finished_session_delivers_its_last_frames() {
    let mut both = sessions(FRAME_BYTES_MAX, soon());
    both.here.send(1, 2, vec![9; 300_000]).expect("sent");
    both.here.finish();
    let (header, payload) = both.there.receive().expect("received");
    assert_eq!((header.step, header.sequence), (1, 2));
    assert_eq!(payload, vec![9; 300_000]);
    assert_eq!(both.there.receive(), Err(NetError::Abandoned { peer: CLOUD }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn random_bytes_in_place_of_frames_end_in_an_error_and_nothing_else() {
    let pair = Pair::connect().await;
    for round in 0..100 {
        let (mut here, there) = pair.stream().await;
        let mut noise: Vec<u8> = (0..round * 7).map(|_| rand::random()).collect();
        // The message's own length stands for the step, so these are the high bytes of the frame's length: half of the
        // frames announce little enough to be believed.
        if let Some(high) = noise.get_mut(5..8).filter(|_| round % 2 == 0) {
            high.fill(0);
        }
        here.writer.write_message(noise, usize::MAX).await.expect("sent");
        here.writer.finish();
        let mut session = there.into_session(1000, soon(), Cancellation::new());
        let outcome = tokio::task::spawn_blocking(move || {
            loop {
                if let Err(error) = session.receive() {
                    return error;
                }
            }
        });
        let error = outcome.await.expect("no panic");
        assert!(
            matches!(error, NetError::TooLarge { .. } | NetError::Abandoned { peer: CLOUD }),
            "{error:?}"
        );
    }
    assert_eq!(pair.auditor.close_reason(), None);
}

#[tokio::test]
async fn datagrams_from_strangers_disturb_nobody() {
    let pair = Pair::connect().await;
    let (mut here, mut there) = pair.stream().await;
    let target = pair.endpoints[1].local_address().expect("bound");
    let stranger = std::net::UdpSocket::bind(crate::common::any_port()).expect("bound");
    for length in 0..1500 {
        let noise: Vec<u8> = (0..length).map(|_| rand::random()).collect();
        stranger.send_to(&noise, target).expect("sent");
    }
    here.writer.write_message(vec![7; 1000], 1000).await.expect("sent");
    let message = tokio::time::timeout(Duration::from_secs(5), there.reader.read_message(1000)).await;
    assert_eq!(message, Ok(Ok(vec![7; 1000])));
}

#[test]
fn a_hundred_megabytes_pass() {
    let Sessions {
        mut here,
        mut there,
        stop,
        ..
    } = sessions(FRAME_BYTES_MAX, soon());
    let sender = thread::spawn(move || {
        for sequence in 0..100 {
            here.send(0, sequence, vec![sequence as u8; 1_000_000]).expect("sent");
        }
        here.finish();
    });
    let start = Instant::now();
    for sequence in 0..100 {
        let (header, payload) = there.receive().expect("received");
        assert_eq!((header.sequence, header.length), (sequence, 1_000_000));
        assert!(payload.iter().all(|&byte| byte == sequence as u8));
    }
    println!("100 MB in {:?}", start.elapsed());
    sender.join().expect("no panic");
    drop(stop);
}
