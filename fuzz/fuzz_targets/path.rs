//! Octets to frames through the whole packet path; the packets that come in are all accounted for.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| upf_dp::fuzz_path(data));
