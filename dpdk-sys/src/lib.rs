//! Bindings of libdpdk, found by pkg-config.
