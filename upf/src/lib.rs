//! The UPF, wired: configuration, DPDK, packet path, N4.
//!
//! [`Instance::start`] brings a configuration to life; `main.rs` is its command line.

mod counts;
mod cpus;
pub mod doctor;
mod instance;
mod kernel;
pub mod logging;
mod node;
mod ports;
mod reload;
mod rules;
mod serve;
pub mod settings;
mod sight;
mod topology;

pub use counts::Counts;
pub use cpus::usable as usable_cpus;
pub use instance::{Ended, Instance};
pub use ports::RING_SIZE;
pub use reload::Reloader;
pub use serve::{gate, serve};
pub use sight::Sight;
pub use topology::topology;
