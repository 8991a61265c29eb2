#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| ringlane_protocol::fuzz::requests(input));
