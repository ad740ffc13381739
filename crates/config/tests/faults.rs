//! Every fault of a file is reported at once, by key, and says what to write.

use std::path::Path;

use proptest::prelude::*;
use tercet_config::{ClientConfig, ConfigError, CoordinatorConfig, LogLevel, NodeConfig};
use tercet_ids::PartyId;

const NODE: &str = include_str!("../../../configs/loopback/cloud.toml");
const COORDINATOR: &str = include_str!("../../../configs/loopback/coordinator.toml");
const CLIENT: &str = include_str!("../../../configs/loopback/client.toml");

fn node(text: &str, environment: &[(&str, &str)]) -> Result<NodeConfig, ConfigError> {
    NodeConfig::parse(Path::new("/etc/tercet/cloud.toml"), text, environment)
}

fn coordinator(text: &str) -> Result<CoordinatorConfig, ConfigError> {
    CoordinatorConfig::parse(Path::new("coordinator.toml"), text, &[])
}

fn client(text: &str) -> Result<ClientConfig, ConfigError> {
    ClientConfig::parse(Path::new("client.toml"), text, &[])
}

/// The keys at fault and the sentences.
fn faults<T: std::fmt::Debug>(result: Result<T, ConfigError>) -> Vec<(String, String)> {
    match result {
        Err(ConfigError::Faults { faults, .. }) => {
            faults.into_iter().map(|fault| (fault.key, fault.sentence)).collect()
        }
        other => panic!("expected faults, got {other:?}"),
    }
}

fn keys<T: std::fmt::Debug>(result: Result<T, ConfigError>) -> Vec<String> {
    faults(result).into_iter().map(|(key, _)| key).collect()
}

#[test]
fn every_shipped_file_is_a_valid_configuration() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
    for kind in ["loopback", "three-hosts"] {
        let directory = root.join(kind);
        for party in PartyId::ALL {
            let config = NodeConfig::load(&directory.join(format!("{party}.toml"))).unwrap();
            assert_eq!(config.party, party);
            assert_eq!(config.peers.each_ref().map(|peer| peer.party), party.peers());
        }
        let coordinator = CoordinatorConfig::load(&directory.join("coordinator.toml")).unwrap();
        assert_eq!(coordinator.nodes.each_ref().map(|node| node.party), PartyId::ALL);
        ClientConfig::load(&directory.join("client.toml")).unwrap();
    }
}

#[test]
fn relative_paths_start_at_the_file() {
    let config = node(NODE, &[]).unwrap();
    assert_eq!(
        config.identity.certificate,
        Path::new("/etc/tercet/keys/cloud/identity.crt")
    );
    assert_eq!(config.storage_directory, Path::new("/etc/tercet/models/cloud"));
}

#[test]
fn nothing_that_says_who_somebody_is_has_a_default() {
    assert_eq!(
        keys(node("", &[])),
        [
            "coordinator.certificate_sha256",
            "identity.certificate",
            "identity.private_key",
            "identity.sealing_key",
            "listen",
            "metrics_listen",
            "party",
            "storage.directory",
        ]
    );
    assert_eq!(
        keys(coordinator("")),
        [
            "clients",
            "identity.certificate",
            "identity.private_key",
            "listen",
            "metrics_listen",
            "nodes",
            "nodes",
            "nodes",
        ]
    );
    assert_eq!(
        keys(client("")),
        [
            "coordinator.address",
            "coordinator.certificate_sha256",
            "identity.certificate",
            "identity.private_key",
            "parties",
            "parties",
            "parties",
        ]
    );
}

#[test]
fn all_faults_come_at_once_with_key_unit_and_remedy() {
    let text = NODE
        .replace("sessions = 8 ", "sessions = 0 ")
        .replace("batch = 256 ", "batch = \"many\"")
        .replace("level = \"info\"", "level = \"loud\"")
        .replace("address = \"127.0.0.1:7101\"", "address = \"127.0.0.1\"")
        .replace("[storage]", "[storage]\ndirektory = \"x\"");
    let found = faults(node(&text, &[]));
    let expected = [
        ("limits.batch", "write a whole number of samples from 1 to 65536"),
        (
            "limits.sessions",
            "0 is out of range; write a number of sessions from 1 to 256",
        ),
        ("log.level", "`loud` is not a log level"),
        ("peers.client_proxy.address", "`127.0.0.1` is not `host:port`"),
        ("storage.direktory", "there is no such key; known here are directory"),
    ];
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for ((key, sentence), (expected_key, part)) in found.iter().zip(expected) {
        assert_eq!(key, expected_key);
        assert!(sentence.contains(part), "{sentence}");
    }
}

#[test]
fn the_report_names_the_file_and_has_one_line_a_fault() {
    let text = NODE
        .replace("sessions = 8 ", "sessions = 0 ")
        .replace("level = \"info\"", "level = 1");
    let report = node(&text, &[]).unwrap_err().to_string();
    let lines: Vec<&str> = report.lines().collect();
    assert_eq!(lines[0], "/etc/tercet/cloud.toml has 2 faults:");
    assert_eq!(lines.len(), 3);
}

#[test]
fn variables_override_keys_of_every_depth() {
    let environment = [
        ("TERCET__LIMITS__SESSIONS", "3"),
        ("TERCET__LOG__LEVEL", "debug"),
        ("TERCET__PEERS__CLIENT_PROXY__ADDRESS", "proxy.example:9000"),
    ];
    let config = node(NODE, &environment).unwrap();
    assert_eq!(config.limits.sessions, 3);
    assert_eq!(config.log.level, LogLevel::Debug);
    assert_eq!(config.peers[0].address.to_string(), "proxy.example:9000");
}

#[test]
fn a_fault_in_a_variable_names_the_variable() {
    let found = faults(node(
        NODE,
        &[("TERCET__LIMITS__SESSIONS", "-1"), ("TERCET__LIMTS__SESSIONS", "1")],
    ));
    assert_eq!(found[0].0, "limits.sessions");
    assert!(found[0].1.contains("TERCET__LIMITS__SESSIONS"), "{}", found[0].1);
    assert_eq!(found[1].0, "limts");
}

#[test]
fn one_certificate_for_two_names_is_refused() {
    let text = NODE.replace(&"1".repeat(64), &"3".repeat(64));
    let found = faults(node(&text, &[]));
    assert_eq!(found[0].0, "peers");
    assert!(
        found[0].1.contains("auditor") && found[0].1.contains("client-proxy"),
        "{}",
        found[0].1
    );
    let text = CLIENT.replace(&"a1".repeat(32), &"a2".repeat(32));
    assert_eq!(keys(client(&text)), ["parties"]);
    let text = COORDINATOR.replace(&"e".repeat(64), &"d".repeat(64));
    assert_eq!(keys(coordinator(&text)), ["clients"]);
}

#[test]
fn peers_are_exactly_the_other_two_parties() {
    let text = NODE.replace("[peers.auditor]", "[peers.cloud]");
    assert_eq!(keys(node(&text, &[])), ["peers", "peers"]);
    let text = NODE.replace("[peers.auditor]", "[peers.broker]");
    assert!(keys(node(&text, &[])).contains(&"peers.broker".to_owned()));
}

#[test]
fn a_keep_alive_that_can_lose_a_peer_is_refused() {
    let text = NODE.replace("keep_alive_milliseconds = 250", "keep_alive_milliseconds = 1001");
    assert_eq!(keys(node(&text, &[])), ["transport.keep_alive_milliseconds"]);
}

#[test]
fn a_pinned_model_must_be_a_digest() {
    assert_eq!(
        keys(client(&format!("{CLIENT}\n[models.credit]\ndigest = \"abc\"\n"))),
        ["models.credit.digest"]
    );
    let pinned = client(&format!(
        "{CLIENT}\n[models.credit]\ndigest = \"{}\"\n",
        "ab".repeat(32)
    ))
    .unwrap()
    .pinned;
    assert_eq!(pinned["credit"].to_string(), "ab".repeat(32));
}

#[test]
fn what_is_not_toml_or_not_there_is_said() {
    assert!(matches!(node("listen = ", &[]), Err(ConfigError::Syntax { .. })));
    let missing = NodeConfig::load(Path::new("/nowhere/node.toml"));
    assert!(matches!(missing, Err(ConfigError::Unreadable { .. })));
}

#[test]
fn files_are_checked_apart_from_keys() {
    let directory = std::env::temp_dir().join(format!("tercet-config-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let config = NodeConfig::parse(&directory.join("cloud.toml"), NODE, &[]).unwrap();
    let Err(ConfigError::Faults { faults, .. }) = config.check_files() else {
        panic!("no files are there")
    };
    let keys: Vec<&str> = faults.iter().map(|fault| fault.key.as_str()).collect();
    assert_eq!(
        keys,
        ["identity.certificate", "identity.private_key", "identity.sealing_key"]
    );
    std::fs::remove_dir_all(&directory).unwrap();
}

#[cfg(unix)]
#[test]
fn a_private_key_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let directory = std::env::temp_dir().join(format!("tercet-config-mode-{}", std::process::id()));
    let keys = directory.join("keys/client");
    std::fs::create_dir_all(&keys).unwrap();
    for (name, mode) in [("identity.crt", 0o644), ("identity.key", 0o644)] {
        std::fs::write(keys.join(name), "").unwrap();
        std::fs::set_permissions(keys.join(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let config = ClientConfig::parse(&directory.join("client.toml"), CLIENT, &[]).unwrap();
    let report = config.check_files().unwrap_err().to_string();
    assert!(
        report.contains("identity.private_key") && report.contains("chmod 600"),
        "{report}"
    );
    std::fs::set_permissions(keys.join("identity.key"), std::fs::Permissions::from_mode(0o600)).unwrap();
    assert!(config.check_files().is_ok());
    std::fs::remove_dir_all(&directory).unwrap();
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(position in 0..NODE.len(), insert in "[ -~\n]{0,12}") {
        if NODE.is_char_boundary(position) {
            let mut text = NODE.to_owned();
            text.insert_str(position, &insert);
            let _ = node(&text, &[]);
            let _ = coordinator(&text);
            let _ = client(&text);
        }
    }
}

/// A client proxy's file with a section `[gateway]`.
fn with_gateway(section: &str) -> Result<NodeConfig, ConfigError> {
    let proxy = include_str!("../../../configs/loopback/client-proxy.toml");
    NodeConfig::parse(
        Path::new("client-proxy.toml"),
        &format!("{proxy}\n[gateway]\n{section}"),
        &[],
    )
}

const TOKEN: &str = "token_sha256 = \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"";

#[test]
fn a_gateway_is_read_and_there_is_none_without_its_section() {
    assert_eq!(node(NODE, &[]).unwrap().gateway, None);
    let callers = format!("[gateway.callers.desk]\n{TOKEN}\n[gateway.callers.ward]\n{TOKEN}\nmodels = [\"triage\"]\n");
    let section = format!("listen = \"0.0.0.0:8000\"\nclient = \"client.toml\"\n{callers}");
    let gateway = with_gateway(&section).unwrap().gateway.unwrap();
    assert_eq!(
        (gateway.listen, gateway.grpc_listen),
        ("0.0.0.0:8000".parse().unwrap(), None)
    );
    let models: Vec<_> = gateway
        .callers
        .iter()
        .map(|caller| (caller.name.as_str(), caller.models.clone()))
        .collect();
    assert_eq!(models, [("desk", None), ("ward", Some(vec!["triage".to_owned()]))]);
}

#[test]
fn a_gateway_that_others_reach_needs_callers() {
    let section = |listen: &str, grpc: &str| {
        format!("listen = \"{listen}\"\ngrpc_listen = \"{grpc}\"\nclient = \"client.toml\"\n")
    };
    assert!(with_gateway(&section("127.0.0.1:8000", "[::1]:8001")).is_ok());
    assert_eq!(
        keys(with_gateway(&section("0.0.0.0:8000", "127.0.0.1:8001"))),
        ["gateway.listen"]
    );
    assert_eq!(
        keys(with_gateway(&section("127.0.0.1:8000", "10.0.0.1:8001"))),
        ["gateway.grpc_listen"]
    );
    assert_eq!(
        keys(with_gateway("port = 1")),
        ["gateway.client", "gateway.listen", "gateway.port"]
    );
}

#[test]
fn plaintext_stays_in_the_clients_network() {
    let section = "\n[gateway]\nlisten = \"127.0.0.1:8000\"\nclient = \"client.toml\"\n";
    assert_eq!(keys(node(&format!("{NODE}{section}"), &[])), ["gateway"]);
}
