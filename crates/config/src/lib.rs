//! Configuration files of nodes, coordinator and clients.
//!
//! A file is TOML; a variable `TERCET__SECTION__KEY` overrides one key of it. What is read (the `*File` types) is separate
//! from what the programs use (the `*Config` types): the second exists only when the whole file is right, and all that is
//! wrong is reported at once. Nothing that says who somebody is (identity, keys, peers, addresses) has a default.
//!
//! This crate opens no sockets and reads no keys; `check_files` only looks whether they are there.

mod address;
mod bounds;
mod check;
mod client;
mod coordinator;
mod digest;
mod error;
mod field;
mod gateway;
mod identity;
mod log;
mod node;
mod source;
mod transport;

pub use address::{Address, MalformedAddress};
pub use bounds::Bounds;
pub use client::{ClientConfig, ClientFile, CoordinatorAddress};
pub use coordinator::{
    ClientEntry, CoordinatorConfig, CoordinatorFile, CoordinatorLimits, NodeEntry, PoolConfig, QueueConfig,
};
pub use digest::{CertificateDigest, MalformedHex, SealingKeyBytes, TokenDigestBytes};
pub use error::{ConfigError, Fault};
pub use field::Field;
pub use gateway::{CallerEntry, GatewayConfig};
pub use identity::{ClientIdentity, NodeIdentity};
pub use log::{LogConfig, LogFormat, LogLevel};
pub use node::{NodeConfig, NodeFile, NodeLimits, PeerEntry};
pub use transport::TransportConfig;

/// Every bound on a number in a configuration file, with its default and unit.
pub mod limits {
    pub use crate::bounds::named::*;
}
