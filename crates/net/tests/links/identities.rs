//! Who may connect, and how identities are kept.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::common::{Pair, any_port, identity, listen, peer};
use tercet_ids::PartyId;
use tercet_net::{
    CloseReason, Dialer, Endpoint, Identity, IdentityError, LossReason, NetError, PeerName, TransportSettings,
    TrustedPeers,
};

#[tokio::test]
async fn pinned_peers_connect_and_share_a_secret() {
    let pair = Pair::connect().await;
    let secret = pair.cloud.export_secret(b"a").expect("established");
    assert_eq!(secret, pair.auditor.export_secret(b"a").expect("established"));
    assert_ne!(secret, pair.cloud.export_secret(b"b").expect("established"));
    let other = Pair::connect().await;
    assert_ne!(secret, other.cloud.export_secret(b"a").expect("established"));
    assert!(pair.cloud.round_trip() > Duration::ZERO);
}

#[tokio::test]
async fn a_caller_that_is_not_pinned_is_refused() {
    let (cloud, auditor, stranger) = (identity("cloud"), identity("auditor"), identity("stranger"));
    let (auditor_end, mut listener) = listen(&auditor, &[peer(PartyId::Cloud, &cloud)]);
    let address = auditor_end.local_address().expect("bound");
    let (stranger_end, _listener) = listen(&stranger, &[]);
    let outcome = stranger_end.connect(address, &peer(PartyId::Auditor, &auditor)).await;
    match outcome.expect_err("a stranger gets in") {
        NetError::Refused { peer, .. } => assert_eq!(peer, PeerName::Party(PartyId::Auditor)),
        other => panic!("{other:?}"),
    }
    let accepted = tokio::time::timeout(Duration::from_millis(100), listener.accept()).await;
    assert!(accepted.is_err(), "a stranger came out of the listener");
}

#[tokio::test]
async fn an_answerer_that_is_not_the_pinned_one_is_refused() {
    let (cloud, auditor, impostor) = (identity("cloud"), identity("auditor"), identity("impostor"));
    let (impostor_end, _listener) = listen(&impostor, &[peer(PartyId::Cloud, &cloud)]);
    let address = impostor_end.local_address().expect("bound");
    let (cloud_end, _listener) = listen(&cloud, &[]);
    let outcome = cloud_end.connect(address, &peer(PartyId::Auditor, &auditor)).await;
    assert_eq!(
        outcome.expect_err("an impostor is believed"),
        NetError::WrongIdentity {
            peer: PeerName::Party(PartyId::Auditor),
            address,
            presented: impostor.fingerprint(),
            expected: auditor.fingerprint(),
        }
    );
}

#[test]
fn a_certificate_with_another_ones_key_does_not_load() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| directory.path().join(name);
    identity("auditor")
        .save(&path("auditor.crt"), &path("auditor.key"))
        .expect("saved");
    identity("thief")
        .save(&path("thief.crt"), &path("thief.key"))
        .expect("saved");
    assert!(matches!(
        Identity::load(&path("auditor.crt"), &path("thief.key")),
        Err(IdentityError::Mismatch { .. })
    ));
}

#[tokio::test]
async fn nobody_at_the_address_is_unreachable_and_a_late_start_is_found() {
    let (cloud, auditor) = (identity("cloud"), identity("auditor"));
    let auditor_peer = peer(PartyId::Auditor, &auditor);
    let address = std::net::UdpSocket::bind(any_port())
        .and_then(|socket| socket.local_addr())
        .expect("bound");
    let cloud_end = Endpoint::dial_only(address, cloud.clone(), TransportSettings::loopback()).expect("binds");
    let mut dialer = Dialer::new(cloud_end, auditor_peer.clone(), move || Ok(address));
    assert_eq!(
        dialer.attempt().await.expect_err("nobody is there"),
        NetError::Unreachable {
            peer: auditor_peer.name.clone(),
            address
        }
    );
    let trusted = TrustedPeers::new([peer(PartyId::Cloud, &cloud)]).expect("one certificate");
    let (_end, mut listener) =
        Endpoint::bind(address, auditor, trusted, TransportSettings::loopback()).expect("the port is free again");
    let (dialled, accepted) = tokio::join!(dialer.attempt(), listener.accept());
    assert_eq!(dialled.expect("it runs now").peer(), &auditor_peer);
    assert!(accepted.is_some());
}

#[tokio::test]
async fn closing_tells_the_peer_why() {
    let pair = Pair::connect().await;
    pair.endpoints[0].close(CloseReason::Shutdown);
    assert_eq!(
        pair.auditor.closed().await,
        NetError::ClosedByPeer {
            peer: PeerName::Party(PartyId::Cloud),
            reason: CloseReason::Shutdown
        }
    );
    assert_eq!(
        pair.cloud.close_reason(),
        Some(NetError::Closed {
            peer: PeerName::Party(PartyId::Auditor)
        })
    );
}

#[tokio::test]
async fn a_reset_key_survives_a_restart() {
    // Another endpoint of the same identity on the same port knows nothing of the connection and says so.
    let (cloud, auditor) = (identity("cloud"), identity("auditor"));
    let (cloud_peer, auditor_peer) = (peer(PartyId::Cloud, &cloud), peer(PartyId::Auditor, &auditor));
    let address = std::net::UdpSocket::bind(any_port())
        .and_then(|socket| socket.local_addr())
        .expect("bound");
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime")
    };
    let start = move |auditor: Identity, cloud_peer| {
        let trusted = TrustedPeers::new([cloud_peer]).expect("one certificate");
        Endpoint::bind(address, auditor, trusted, TransportSettings::loopback()).expect("the port is free")
    };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let first = {
        let (auditor, cloud_peer) = (auditor.clone(), cloud_peer.clone());
        std::thread::spawn(move || {
            let runtime = runtime();
            let ends = runtime.block_on(async {
                let (end, mut listener) = start(auditor, cloud_peer);
                let connection = listener.accept().await;
                let _ = stopped.await;
                (end, listener, connection)
            });
            // The tasks go first, so that dropping the ends can send nothing, as in a killed process.
            drop(runtime);
            drop(ends);
        })
    };
    let (end, _listener) = listen(&cloud, &[]);
    let connection = end.connect(address, &auditor_peer).await.expect("trusted");
    stop.send(()).expect("running");
    tokio::task::spawn_blocking(move || first.join())
        .await
        .expect("joins")
        .expect("no panic");
    if let Some(reason) = connection.close_reason() {
        panic!("the peer said goodbye, so this tests nothing: {reason:?}");
    }
    let (_second, _listener) = start(auditor, cloud_peer);
    let since = Instant::now();
    assert_eq!(
        connection.closed().await,
        NetError::PeerLost {
            peer: auditor_peer.name,
            reason: LossReason::Restarted
        }
    );
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
}

#[test]
fn identities_are_kept_for_the_owner_alone_and_come_back_the_same() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (certificate, key) = (
        directory.path().join("identity.crt"),
        directory.path().join("identity.key"),
    );
    let made = identity("cloud");
    made.save(&certificate, &key).expect("saved");
    assert_eq!(fs::metadata(&key).expect("there").permissions().mode() & 0o777, 0o600);
    let loaded = Identity::load(&certificate, &key).expect("loads");
    assert_eq!(loaded.fingerprint(), made.fingerprint());
    assert!(
        matches!(made.save(&certificate, &key), Err(IdentityError::Write { .. })),
        "overwritten"
    );
    if let Ok(output) = Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
        .arg(&certificate)
        .output()
    {
        let text = String::from_utf8(output.stdout).expect("text");
        let printed = text.trim().split_once('=').expect("a fingerprint").1;
        assert_eq!(printed.parse(), Ok(made.fingerprint()));
    }
    assert!(!format!("{made:?}").contains("PrivateKey"));
}

#[test]
fn faulty_identity_files_say_which_and_what_to_do() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| directory.path().join(name);
    identity("cloud").save(&path("a.crt"), &path("a.key")).expect("saved");
    let load = |certificate: &str, key: &str| {
        Identity::load(&path(certificate), &path(key))
            .expect_err("faulty")
            .to_string()
    };
    assert!(load("missing.crt", "a.key").contains("missing.crt"));
    fs::write(path("empty.crt"), "").expect("written");
    assert!(load("empty.crt", "a.key").contains("holds no certificate"));
    fs::write(path("junk.key"), "junk").expect("written");
    fs::set_permissions(path("junk.key"), fs::Permissions::from_mode(0o600)).expect("changed");
    assert!(load("a.crt", "junk.key").contains("holds no private key"));
    fs::set_permissions(path("a.key"), fs::Permissions::from_mode(0o644)).expect("changed");
    assert!(load("a.crt", "a.key").contains("chmod 600"));
}

#[test]
fn two_peers_cannot_share_a_certificate() {
    let cloud = identity("cloud");
    let peers = [peer(PartyId::Cloud, &cloud), peer(PartyId::Auditor, &cloud)];
    let error = TrustedPeers::new(peers).expect_err("ambiguous").to_string();
    assert!(error.contains("cloud") && error.contains("auditor"), "{error}");
}
