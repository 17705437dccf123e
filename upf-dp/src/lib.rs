//! The packet path: pure stages over bursts, and the worker that moves them.
pub mod counters;
mod datapath;
mod held;
mod links;
mod outlet;
mod packet;
mod path;
mod reason;
mod slow;
pub mod testbed;
mod waiting;
mod wire;
mod worker;

pub use counters::{PortCounts, WorkerCells, WorkerCounts};
pub use datapath::{Counters, DataPath, DataPathConfig, DataPathError, Stopped};
pub use held::{Held, HeldLimits, HeldPacket};
pub use links::{Links, OwnAddresses, PortLink};
pub use outlet::Outlet;
pub use packet::{BURST, Batch, Packet, TestPacket};
pub use path::{Fate, Key, Meta, Metas, Path, PathConfig, Punt, Turn};
pub use reason::Reason;
pub use slow::Rates;
pub use worker::Idle;
