//! (overcommit)
