//! PFCP (TS 29.244): octets to messages and back. No I/O, no clock.
