//! The UPF, wired: configuration, DPDK, packet path, N4.
//!
//! [`Instance::start`] brings a configuration to life; `main.rs` is its command line.

mod counts;
mod cpus;
pub mod doctor;
mod instance;
mod kernel;
mod ports;
mod rules;
pub mod settings;
mod topology;

pub use counts::Counts;
pub use instance::{Ended, Instance};
pub use ports::RING_SIZE;
pub use topology::topology;
