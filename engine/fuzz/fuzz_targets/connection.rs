//! The lives of some connections: see `ringlane::fuzz`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| ringlane::fuzz::connection(input));
