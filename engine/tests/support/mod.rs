//! What the test files share: a server of their own on one core, a plain client, content to compare, and gates between
//! the test's thread and handlers.

#![allow(dead_code, unused_imports, reason = "each test file uses its part")]

mod client;
pub mod content;
mod gate;
pub mod process;
pub mod requests;
mod server;
pub mod services;

pub use client::{Answer, Client, Head, LIMIT};
pub use gate::{Count, Gate, OnDrop};
pub use server::{TestServer, allowed_cores};

/// Says that a test did not run, past the test harness, which keeps what macros print to itself.
pub fn skip(reason: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "skipped: {reason}");
}
