//! QUIC links between pinned identities.
