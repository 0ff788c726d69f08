//! (fairness)
