//! The operations that both benchmarks measure, and the inputs that they are measured with.
//!
//! Every operation takes what it works on and gives it back, so that neither making nor dropping it counts.

pub mod inputs;
pub mod operations;
