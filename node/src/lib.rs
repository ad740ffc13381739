//! One party: serves its share of every session.

mod agreement;
mod parking;
mod seen;
