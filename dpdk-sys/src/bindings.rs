//! What bindgen made of `c/wrapper.h`.
#![allow(
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unreachable_pub,
    unnameable_types,
    unused_qualifications,
    missing_debug_implementations,
    clippy::all,
    clippy::pedantic,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::undocumented_unsafe_blocks,
    clippy::multiple_unsafe_ops_per_block,
    clippy::allow_attributes_without_reason,
    reason = "generated, with the names of C"
)]
include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
