//! Any octets as a datagram on N3.
#![no_main]

mod gtpu_check;

libfuzzer_sys::fuzz_target!(|datagram: &[u8]| gtpu_check::datagram(datagram));
