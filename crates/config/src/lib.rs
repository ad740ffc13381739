//! Configuration files of nodes, coordinator and clients.
