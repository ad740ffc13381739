//! The format of messages: pinned bytes, and what is refused.

use std::time::Duration;

use proptest::prelude::*;
use tercet_ids::{Nonce, PartyId, PlanDigest, QueryId, Roles, SessionId};
use tercet_wire::{
    Answer, Binding, CONTROL_MESSAGE_BYTES_MAX, ClientReply, ClientRequest, Deploy, Done, Failure, Fault, Hello, Infer,
    Message, Model, ModelName, NodeReply, NodeRequest, Opaque, PROTOCOL_VERSION, PartyReport, Phase, Prepare,
    QUERIES_MAX, QUERY_BYTES_MAX, QueryPart, Report, Run, SENTENCE_BYTES_MAX, Standing, WireError, decode, encode,
};

fn name() -> ModelName {
    "lenet".parse().expect("a plain name")
}

fn model() -> Model {
    Model {
        name: name(),
        digest: PlanDigest([0xd1; 32]),
        deployment: QueryId([0xde; 16]),
    }
}

fn roles() -> Roles {
    Roles::new(PartyId::Auditor, PartyId::Cloud).expect("two parties")
}

fn infer() -> ClientRequest {
    ClientRequest::Infer(Infer {
        query: QueryId([7; 16]),
        model: name(),
        digest: PlanDigest([0xd1; 32]),
        batch: 300,
        deadline_ms: 10_000,
        envelopes: [b"one".to_vec(), vec![], b"three".to_vec()].map(Opaque::from),
    })
}

fn run() -> NodeRequest {
    NodeRequest::Run(Run {
        session: SessionId([5; 16]),
        model: model(),
        roles: roles(),
        deadline_ms: 9_999,
        queries: vec![QueryPart {
            query: QueryId([7; 16]),
            batch: 1,
            envelope: Opaque::from(b"sealed".to_vec()),
        }],
    })
}

fn prepare() -> NodeRequest {
    NodeRequest::Prepare(Prepare {
        session: SessionId([5; 16]),
        model: model(),
        batch: 4,
        roles: roles(),
        deadline_ms: 9_999,
        keep_ms: 600_000,
    })
}

fn hello() -> Hello {
    Hello {
        session: SessionId([5; 16]),
        digest: PlanDigest([0xd1; 32]),
        deployment: QueryId([0xde; 16]),
        roles: roles(),
        queries: vec![
            Standing {
                query: QueryId([7; 16]),
                batch: 1,
                binding: Some(Binding([0xb1; 32])),
            },
            Standing {
                query: QueryId([8; 16]),
                batch: 300,
                binding: None,
            },
        ],
        prepared: None,
        nonce: Nonce([0x4e; 32]),
    }
}

fn answer() -> ClientReply {
    ClientReply::Answer(Box::new(Answer {
        session: SessionId([5; 16]),
        roles: roles(),
        results: [b"a".to_vec(), b"b".to_vec(), b"c".to_vec()].map(Opaque::from),
        report: Report {
            parties: [PartyReport {
                rounds: 15,
                online_bytes_sent: 100_000,
                ..PartyReport::default()
            }; 3],
            queue: Duration::from_micros(2),
            total: Duration::from_millis(12),
            is_prepared: false,
        },
    }))
}

fn done() -> NodeReply {
    let NodeReply::Failed(failure) = failure() else {
        unreachable!("it is one")
    };
    NodeReply::Done(Done {
        results: vec![Ok(Opaque::from(b"sealed".to_vec())), Err(failure)],
        report: PartyReport::default(),
    })
}

fn failure() -> NodeReply {
    NodeReply::Failed(Failure::new(
        Fault::Peer,
        Some(PartyId::Cloud),
        Phase::Compute,
        "cloud is lost",
    ))
}

/// Bytes of version 1. A change here is a new protocol version.
#[test]
fn the_format_is_pinned() {
    let golden =
        |actual: Vec<u8>, expected: &str| assert_eq!(hex::encode(actual), expected.replace(['_', '\n', ' '], ""));
    golden(encode(&ClientRequest::ListModels), "0100_01");
    golden(
        encode(&ClientRequest::Describe { model: name() }),
        "0100_00_05_6c656e6574",
    );
    golden(
        encode(&infer()),
        &format!(
            "0100_02_{}_05_6c656e6574_{}_ac02_904e_03_6f6e65_00_05_7468726565",
            "07".repeat(16),
            "d1".repeat(32)
        ),
    );
    golden(
        encode(&run()),
        &format!(
            "0100_05_{}_05_6c656e6574_{}_{}_02_00_01_8f4e_01_{}_01_06_7365616c6564",
            "05".repeat(16),
            "d1".repeat(32),
            "de".repeat(16),
            "07".repeat(16)
        ),
    );
    golden(
        encode(&prepare()),
        &format!(
            "0100_07_{}_05_6c656e6574_{}_{}_04_02_00_01_8f4e_c0cf24",
            "05".repeat(16),
            "d1".repeat(32),
            "de".repeat(16)
        ),
    );
    golden(encode(&NodeReply::Prepared { bytes: 300 }), "0100_08_ac02");
    golden(
        encode(&hello()),
        &format!(
            "0100_{}_{}_{}_02_00_01_02_{}_01_01_{}_{}_ac02_00_00_{}",
            "05".repeat(16),
            "d1".repeat(32),
            "de".repeat(16),
            "07".repeat(16),
            "b1".repeat(32),
            "08".repeat(16),
            "4e".repeat(32)
        ),
    );
    golden(encode(&failure()), "0100_07_02_01_01_04_0d_636c6f7564206973206c6f7374");
}

fn comes_back<M: Message + PartialEq + std::fmt::Debug>(message: M) {
    let bytes = encode(&message);
    assert_eq!(decode::<M>(&bytes), Ok(message));

    for length in 0..bytes.len() {
        assert_eq!(
            decode::<M>(&bytes[..length]),
            Err(WireError::Malformed { expected: M::NAME }),
            "cut at {length}"
        );
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert_eq!(decode::<M>(&longer), Err(WireError::Malformed { expected: M::NAME }));

    let mut newer = bytes;
    newer[0] += 1;
    let refused = decode::<M>(&newer).expect_err("another version");
    assert_eq!(
        refused,
        WireError::Version {
            ours: PROTOCOL_VERSION,
            theirs: PROTOCOL_VERSION + 1
        }
    );
    assert!(
        refused.to_string().contains("version 2") && refused.to_string().contains("speaks 1"),
        "{refused}"
    );
}

#[test]
fn messages_come_back_whole_or_not_at_all() {
    comes_back(infer());
    comes_back(ClientRequest::Deploy(Deploy {
        deployment: QueryId([1; 16]),
        name: name(),
        plan: Opaque::from(vec![1; 300]),
        envelopes: [vec![], vec![2; 3], vec![3]].map(Opaque::from),
    }));
    comes_back(answer());
    comes_back(run());
    comes_back(prepare());
    comes_back(hello());
    comes_back(failure());
    comes_back(done());
}

#[test]
fn a_name_that_is_no_file_name_is_refused() {
    for bad in ["", ".hidden", "..", "a/b", "a b", "é", &"x".repeat(65)] {
        assert!(bad.parse::<ModelName>().is_err(), "{bad:?}");
        let mut bytes = vec![1, 0, 0, bad.len() as u8];
        bytes.extend(bad.as_bytes());
        assert!(decode::<ClientRequest>(&bytes).is_err(), "{bad:?}");
    }
    assert!("ppocr_v3-cls.0".parse::<ModelName>().is_ok());
}

#[test]
fn roles_that_are_no_permutation_are_refused() {
    let mut bytes = encode(&hello());
    let roles_at = 2 + 16 + 32 + 16;
    assert_eq!(bytes[roles_at..roles_at + 3], [2, 0, 1]);
    bytes[roles_at] = 1;
    assert!(decode::<Hello>(&bytes).is_err());
}

/// What a receiver allows beside envelopes and results is enough for as many queries as there may be.
#[test]
fn the_largest_session_fits_its_messages() {
    let standing = Standing {
        query: QueryId([7; 16]),
        batch: u32::MAX,
        binding: Some(Binding([0xb1; 32])),
    };
    let greeting = Hello {
        queries: vec![standing; QUERIES_MAX],
        ..hello()
    };
    assert!(encode(&greeting).len() <= CONTROL_MESSAGE_BYTES_MAX);

    let sentence = "x".repeat(SENTENCE_BYTES_MAX);
    let refused = Failure::new(Fault::Client, Some(PartyId::Cloud), Phase::Start, sentence);
    let done = NodeReply::Done(Done {
        results: vec![Err(refused); QUERIES_MAX],
        report: PartyReport::default(),
    });
    assert!(encode(&done).len() <= CONTROL_MESSAGE_BYTES_MAX + QUERIES_MAX * QUERY_BYTES_MAX);

    let NodeRequest::Run(mut run) = run() else {
        unreachable!("it is one")
    };
    run.queries[0].envelope = Opaque::from(vec![0; 1 << 20]);
    run.queries = vec![run.queries.remove(0); QUERIES_MAX];
    let bytes = encode(&NodeRequest::Run(run)).len();
    assert!(bytes <= CONTROL_MESSAGE_BYTES_MAX + QUERIES_MAX * (QUERY_BYTES_MAX + (1 << 20)));
}

#[test]
fn a_sentence_is_cut_at_a_character() {
    let failure = Failure::new(Fault::Own, None, Phase::Start, "é".repeat(SENTENCE_BYTES_MAX));
    assert_eq!(failure.sentence.len(), SENTENCE_BYTES_MAX);
    let odd = Failure::new(
        Fault::Own,
        None,
        Phase::Start,
        format!("x{}", "é".repeat(SENTENCE_BYTES_MAX)),
    );
    assert_eq!(odd.sentence.len(), SENTENCE_BYTES_MAX - 1);
}

#[test]
fn a_query_bears_its_part_of_the_bytes_and_all_rounds() {
    let session = PartyReport {
        rounds: 15,
        online_bytes_sent: 1_001,
        dealt_bytes_sent: u64::MAX,
        run: Duration::from_millis(9),
        ..PartyReport::default()
    };
    assert_eq!(session.share(4, 4), session, "alone it bears everything");
    let part = session.share(1, 4);
    assert_eq!((part.online_bytes_sent, part.dealt_bytes_sent), (251, 1 << 62));
    assert_eq!((part.rounds, part.run), (session.rounds, session.run));
}

proptest! {
    #[test]
    fn random_bytes_never_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let bytes = [&PROTOCOL_VERSION.to_le_bytes(), body.as_slice()].concat();
        let _ = decode::<ClientRequest>(&bytes);
        let _ = decode::<ClientReply>(&bytes);
        let _ = decode::<NodeRequest>(&bytes);
        let _ = decode::<NodeReply>(&bytes);
        let _ = decode::<Hello>(&bytes);
    }
}
