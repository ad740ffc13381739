//! Dealer and evaluator programs over a session.
