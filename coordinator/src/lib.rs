//! Routes queries to the three parties.
