//! What a core counts: with the feature `metrics` in memory that other threads can read, without it nothing and in no time.
//!
//! Both have the same methods, so that nobody who counts needs to know.

#[cfg(feature = "metrics")]
mod counting;
#[cfg(feature = "metrics")]
mod histogram;
#[cfg(not(feature = "metrics"))]
mod nothing;

#[cfg(feature = "metrics")]
pub(crate) use counting::{Began, Counters, REFUSALS, Tally};
#[cfg(feature = "metrics")]
pub(crate) use histogram::{BOUNDS, Histogram};
#[cfg(not(feature = "metrics"))]
pub(crate) use nothing::{Began, Counters, Tally};
