//! (forecast)
