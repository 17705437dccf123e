//! Bindings of libdpdk, found by pkg-config.
//!
//! Unsafe and as C has it; the crate `dpdk` is the one that gives these calls rules. Made by
//! bindgen from `c/wrapper.h`. What C offers only as a macro, a bit-field or an inline function,
//! and whatever differs between releases of DPDK (22.11 and later), is behind the `shim_*`
//! functions of `c/shim.c`: the one place to look when a release changes something.
#![allow(unsafe_code, reason = "bindings of a C library")]

mod bindings;
mod mbuf;

pub use bindings::*;
pub use mbuf::rte_mbuf;
