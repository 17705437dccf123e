//! Any octets as the seed of a message, which then goes there and back.
#![no_main]

mod pfcp_check;

libfuzzer_sys::fuzz_target!(|seed: &[u8]| pfcp_check::generated(seed));
