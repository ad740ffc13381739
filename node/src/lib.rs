//! One party: serves its share of every session.
