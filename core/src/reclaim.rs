//! (reclaim)
