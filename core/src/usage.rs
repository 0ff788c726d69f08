//! (usage)
