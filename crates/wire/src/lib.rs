//! Messages between client, coordinator and nodes.
