//! Any octets as a datagram on N4.
#![no_main]

mod pfcp_check;

libfuzzer_sys::fuzz_target!(|datagram: &[u8]| pfcp_check::datagram(datagram));
