use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use tercet_ids::{PartyId, PlanDigest};

use crate::address::Address;
use crate::bounds::named;
use crate::check::{Check, FileCheck};
use crate::digest::{CertificateDigest, SealingKeyBytes};
use crate::error::ConfigError;
use crate::field::{Field, UnknownKeys};
use crate::identity::{ClientIdentity, IdentityFile};
use crate::node::{PeerFile, certificate, expect_parties, party_of_section};
use crate::source::Source;
use crate::transport::{TransportConfig, TransportFile};

/// A client's file, as written.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ClientFile {
    /// The coordinator that is asked.
    pub coordinator: Field<PeerFile>,
    /// Who the client is.
    pub identity: Field<IdentityFile>,
    /// The three parties, each under its name with an underscore: `[parties.client_proxy]`.
    pub parties: Field<BTreeMap<String, Field<PartyFile>>>,
    /// Milliseconds to wait for an answer. Default 30000. The deadline travels with the query, so all parties give up together.
    pub deadline_ms: Field<u64>,
    /// Models whose plan is pinned: `[models.NAME]`. Without a pin the client trusts the plan the coordinator shows, whose shapes and
    /// ranges it prints; with one a replaced model is refused.
    pub models: Field<BTreeMap<String, Field<ModelFile>>>,
    /// How QUIC behaves.
    pub transport: Field<TransportFile>,
    #[serde(flatten)]
    unknown: UnknownKeys,
}

/// `[parties.NAME]`: what is sealed to a party.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct PartyFile {
    /// The party's public sealing key, 64 hex digits. No default. Two parties' keys in one hand would open the input, so read each
    /// over a second channel.
    pub sealing_key: Field<String>,
    #[serde(flatten)]
    unknown: UnknownKeys,
}

/// `[models.NAME]`: the plan a model must have.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ModelFile {
    /// The plan's digest, 64 hex digits, printed by `tercet plan` and `tercet deploy`.
    pub digest: Field<String>,
    #[serde(flatten)]
    unknown: UnknownKeys,
}

/// All a client needs to know, checked as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientConfig {
    /// The file it was read from, for messages.
    pub path: PathBuf,
    /// The coordinator that is asked.
    pub coordinator: CoordinatorAddress,
    /// Who the client is.
    pub identity: ClientIdentity,
    /// Public sealing keys, by party index.
    pub sealing_keys: [SealingKeyBytes; 3],
    /// How long to wait for an answer.
    pub deadline: Duration,
    /// Models whose plan is pinned.
    pub pinned: BTreeMap<String, PlanDigest>,
    /// How QUIC behaves.
    pub transport: TransportConfig,
}

/// Where the coordinator listens and who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoordinatorAddress {
    /// Where it listens.
    pub address: Address,
    /// Its certificate.
    pub certificate_sha256: CertificateDigest,
}

impl ClientConfig {
    /// Reads and checks a client's file.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn load(path: &Path) -> Result<ClientConfig, ConfigError> {
        Self::from_source(&Source::read(path)?)
    }

    /// Checks a text as if it stood in the file `path`, with `environment` as the variables.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn parse(path: &Path, text: &str, environment: &[(&str, &str)]) -> Result<ClientConfig, ConfigError> {
        let environment = environment
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()));
        Self::from_source(&Source::new(path, text.to_owned(), environment))
    }

    fn from_source(source: &Source) -> Result<ClientConfig, ConfigError> {
        let file = source.merged::<ClientFile>()?;
        let mut check = Check::new(source);
        let built = read(&mut check, file, &source.path);
        check.finish(built)
    }

    /// Looks whether the files it names can be used.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn check_files(&self) -> Result<(), ConfigError> {
        let mut files = FileCheck::new();
        self.identity.check_files(&mut files);
        files.finish(&self.path)
    }
}

fn read(check: &mut Check, file: ClientFile, path: &Path) -> Option<ClientConfig> {
    check.unknown(
        &file.unknown,
        &[
            "coordinator",
            "identity",
            "parties",
            "deadline_ms",
            "models",
            "transport",
        ],
    );
    let coordinator = check.section("coordinator", file.coordinator, |check, file: PeerFile| {
        check.unknown(file.unknown(), &["address", "certificate_sha256"]);
        let address = check.parsed("address", file.address, "address = \"host:7100\"");
        let certificate_sha256 = certificate(check, file.certificate_sha256);
        Some(CoordinatorAddress {
            address: address?,
            certificate_sha256: certificate_sha256?,
        })
    });
    let identity = check.section("identity", file.identity, ClientIdentity::read);
    let parties = check.table("parties", file.parties, |check, name, file: PartyFile| {
        check.unknown(&file.unknown, &["sealing_key"]);
        let party = party_of_section(check, name);
        let write = "sealing_key = \"<64 hex digits, printed by `tercet keys`>\"";
        let key: Option<SealingKeyBytes> = check.parsed("sealing_key", file.sealing_key, write);
        Some((party?, key?))
    });
    let deadline = check.number("deadline_ms", file.deadline_ms, named::DEADLINE_MS);
    let pinned = check.table("models", file.models, |check, name, file: ModelFile| {
        check.unknown(&file.unknown, &["digest"]);
        let digest: Option<PlanDigest> = check.parsed(
            "digest",
            file.digest,
            "digest = \"<64 hex digits, printed by `tercet plan`>\"",
        );
        Some((name.to_owned(), digest?))
    });
    let transport = check.section("transport", file.transport, TransportConfig::read);

    let parties = expect_parties(check, "parties", parties?, &PartyId::ALL, |&(party, _)| party)?;
    let keys: Vec<SealingKeyBytes> = parties.iter().map(|&(_, key)| key).collect();
    for (i, j) in [(0, 1), (0, 2), (1, 2)] {
        if keys[i] == keys[j] {
            let (first, second) = (parties[i].0, parties[j].0);
            check.fault(
                "parties",
                format!("{first} and {second} have the same sealing key; one of them could open the input"),
            );
        }
    }
    Some(ClientConfig {
        path: path.to_owned(),
        coordinator: coordinator?,
        identity: identity?,
        sealing_keys: keys.try_into().ok()?,
        deadline: Duration::from_millis(deadline?),
        pinned: pinned?.into_iter().collect(),
        transport: transport?,
    })
}
