//! Replay, load and namespace tests that drive a UPF from outside.

fn main() {}
