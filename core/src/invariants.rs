//! (invariants)
