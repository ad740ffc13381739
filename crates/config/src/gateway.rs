use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use crate::check::Check;
use crate::digest::TokenDigestBytes;
use crate::field::{Field, UnknownKeys};

/// `[gateway]` of the client proxy's node: ordinary inference clients send plaintext to it. Without the section there is none.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct GatewayFile {
    /// Address and TCP port for callers inside the client's own network. No default. One that other machines reach needs callers.
    pub listen: Field<String>,
    /// Address and TCP port for callers over gRPC. Default: none. What holds for `listen` holds for it.
    pub grpc_listen: Field<String>,
    /// A client's file: how the gateway asks the coordinator. No default.
    pub client: Field<String>,
    /// Who may ask, each under a name: `[gateway.callers.NAME]`. Without any, everybody on this machine may, and nobody else.
    pub callers: Field<BTreeMap<String, Field<CallerFile>>>,
    #[serde(flatten)]
    unknown: UnknownKeys,
}

/// `[gateway.callers.NAME]`: one who may ask.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct CallerFile {
    /// SHA-256 of the caller's bearer token, 64 hex digits. No default. The token itself is kept nowhere.
    pub token_sha256: Field<String>,
    /// Models the caller may ask. Default: all.
    pub models: Field<Vec<String>>,
    #[serde(flatten)]
    unknown: UnknownKeys,
}

/// The gateway of the client proxy's node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayConfig {
    /// TCP address for callers over HTTP.
    pub listen: SocketAddr,
    /// TCP address for callers over gRPC, if there are any.
    pub grpc_listen: Option<SocketAddr>,
    /// The client's file.
    pub client: PathBuf,
    /// Who may ask; nobody in particular where it is empty.
    pub callers: Vec<CallerEntry>,
}

/// One who may ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerEntry {
    /// The name it has in logs.
    pub name: String,
    /// The SHA-256 of its token.
    pub token_sha256: TokenDigestBytes,
    /// The models it may ask; `None` is all.
    pub models: Option<Vec<String>>,
}

impl GatewayConfig {
    pub(crate) fn read(check: &mut Check, file: GatewayFile) -> Option<GatewayConfig> {
        check.unknown(&file.unknown, &["listen", "grpc_listen", "client", "callers"]);
        let listen: Option<SocketAddr> = check.parsed("listen", file.listen, "listen = \"127.0.0.1:8000\"");
        let grpc_listen = match file.grpc_listen {
            Field::Absent => Some(None),
            given => check
                .parsed("grpc_listen", given, "grpc_listen = \"127.0.0.1:8001\"")
                .map(Some),
        };
        let client = check.path("client", file.client, "client = \"client.toml\"");
        let callers = check.table("callers", file.callers, |check, name, file: CallerFile| {
            check.unknown(&file.unknown, &["token_sha256", "models"]);
            let write = "token_sha256 = \"<64 hex digits, printed by `printf %s TOKEN | sha256sum`>\"";
            let token_sha256 = check.parsed("token_sha256", file.token_sha256, write);
            let models = match file.models {
                Field::Absent => None,
                given => Some(check.required("models", given, "models = [\"credit\"]")?),
            };
            Some(CallerEntry {
                name: name.to_owned(),
                token_sha256: token_sha256?,
                models,
            })
        });
        let (listen, grpc_listen, callers) = (listen?, grpc_listen?, callers?);
        let addresses = [("listen", Some(listen)), ("grpc_listen", grpc_listen)];
        for (key, address) in addresses.into_iter().filter_map(|(key, address)| Some((key, address?))) {
            if !callers.is_empty() || address.ip().is_loopback() {
                continue;
            }
            check.fault(
                key,
                format!("{address} is reached by other machines; name the callers under [gateway.callers.NAME], or listen on 127.0.0.1"),
            );
        }
        Some(GatewayConfig {
            listen,
            grpc_listen,
            client: client?,
            callers,
        })
    }
}
