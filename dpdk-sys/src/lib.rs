//! Bindings of libdpdk, found by pkg-config.
//!
//! Unsafe and as C has it; the crate `dpdk` is the one that gives these calls rules. Made by
//! bindgen from `c/wrapper.h`. What C offers only as a macro, a bit-field or an inline function,
//! and whatever differs between releases of DPDK (22.11 and later), is behind the `shim_*`
//! functions of `c/shim.c`: the one place to look when a release changes something.
//!
//! # Linking
//! Shared by default: the binary needs the libraries named in `build.rs`, and the EAL loads every
//! driver in the directory that DPDK was built for (Debian: `/usr/lib/<arch>/dpdk/pmds-<version>`)
//! by itself, so a driver is there once its package is. With the feature `static` the libraries and
//! a list of drivers become part of the binary, and no directory is looked at.
//!
//! The headers of 22.11 (Debian 12), 23.11, 24.11, 25.11 and 26.07 all bind; the tests run against
//! 22.11. `LIBCLANG_PATH` and `CLANG_PATH` must name the same clang.
#![allow(unsafe_code, reason = "bindings of a C library")]

mod bindings;
mod mbuf;

pub use bindings::*;
pub use mbuf::rte_mbuf;
