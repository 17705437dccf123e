//! The packet path: pure stages over bursts, and the worker that moves them.
//!
//! # The way of a packet, in order
//!
//! ```text
//!  port ──► receive ──► parse ──► look up ──► classify ──► gate & police ──► count ──► rewrite ──► settle ──► port
//!              ▲          │          │           │              │                         │            │
//!   ring of another       │ punt     │ not ours  │ no PDR,      │ BUFF                    │ no MAC yet │ Fate
//!   worker, held packets  ▼          ▼           ▼ spoofed …    ▼                         ▼            ▼
//!                     slow path   hand over     drop           hold                     wait        send, drop
//! ```
//!
//! | step | file | what |
//! |---|---|---|
//! | receive | `worker.rs` | a burst of up to 64 from each queue, and from each worker that hands over; one quiescent point and one reading of the time stamp counter for a turn |
//! | parse | `path/parse/` | Ethernet, VLAN, outer IP, UDP, GTP-U; on N6 the IP header is the user's. Everything for the UPF itself is punted |
//! | look up | `path/look_up.rs` | key → session → entrance, all packets of the burst at once, each loop prefetching for the next; sessions of other workers are handed over |
//! | classify | `path/classify.rs`, `path/frames.rs` | the first PDR that matches; source check, our own addresses, martians, hop limit, source routes |
//! | listen | `path/bridge.rs` | where there are Ethernet networks: which station is heard where; and, when settled, which way a frame of a UE goes, and copies of those that are for all |
//! | order | `path/order.rs` | no packet overtakes those that its session still holds |
//! | gate & police | `path/police.rs` | FAR, gates, quotas, rates; BUFF is held |
//! | count | `path/count.rs` | volumes per URR, octets of the user packet, reports when an alarm is reached |
//! | rewrite | `path/rewrite.rs` | old headers off, new ones on, the next hop's Ethernet address |
//! | settle | `path/settle.rs` | every packet goes where its [`Fate`] says, from UE to UE once more through all stages; between bursts commands, held packets, neighbours |
//! | hold | `path/hold.rs` | packets that wait for their UE: bounds, reports, release, expiry |
//! | slow path | `slow/` | ARP, neighbour and router discovery, ICMP echo, GTP-U signalling, Error Indications: answered in the packet's own buffer, bounded per second |
//!
//! # Rules of the path
//!
//! * It never blocks, locks, allocates or formats text; memory is taken at start.
//! * A session belongs to one worker for both directions; others hand its packets over by a ring.
//! * Every drop has a [`Reason`], and every packet is accounted for: see [`counters`].
//! * All stages are generic over [`Packet`], so that they run in tests, under Miri and in the fuzzer
//!   without DPDK: see [`testbed`].

pub mod counters;
mod datapath;
pub mod explain;
mod fuzz;
mod held;
mod idle;
mod links;
mod outlet;
mod packet;
mod path;
mod reason;
mod slow;
pub mod testbed;
mod waiting;
pub mod watch;
mod wire;
mod worker;

pub use counters::{PortCounts, WorkerCells, WorkerCounts};
pub use datapath::{Counters, DataPath, DataPathConfig, DataPathError, HoldConfig, Stopped};
pub use fuzz::fuzz_path;
pub use held::{Bound, Held, HeldLimits, HeldPacket, Holder, WhenFull};
pub use idle::Idle;
pub use links::{Links, OwnAddresses, PortLink};
pub use outlet::Outlet;
pub use packet::{BURST, Batch, Packet, PlainPacket};
pub use path::{Came, Fate, Key, Meta, Metas, Path, PathConfig, Punt, Turn};
pub use reason::Reason;
pub use slow::{Fragmentation, Rates, ReassemblyLimits, SlowConfig};
