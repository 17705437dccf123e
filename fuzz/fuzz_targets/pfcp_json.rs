//! Any text as the JSON of a message.
#![no_main]

mod pfcp_check;

libfuzzer_sys::fuzz_target!(|text: &[u8]| pfcp_check::json(text));
