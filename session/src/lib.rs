//! The contract between the control side and the packet path.
//!
//! The control side turns PFCP into [`Rules`], compiles them into a [`Plan`] and publishes it; the
//! packet path looks sessions up in the [`Tables`], follows the plan, counts into [`Usage`] and
//! tells the control side what happened through [`report`]. No PFCP, no DPDK and no tokio here.
//!
//! | module | what it holds |
//! |---|---|
//! | [`id`] | newtypes for every number with a meaning |
//! | [`rule`] | PDR, FAR, QER, URR, BAR as the packet path needs them (TS 29.244, 5.2) |
//! | [`sdf`] | flow descriptions and SDF filters |
//! | [`ethernet`](mod@ethernet) | frames of Ethernet sessions, their filters, stations behind UEs |
//! | [`plan`] | rules compiled for one packet: flat, index-linked, immutable |
//! | [`tables`] | look-up by F-TEID and UE address, RCU-style publication |
//! | [`meter`], [`usage`], [`ledger`] | state that outlives a plan: token buckets, counters, where they lie |
//! | [`report`] | what the packet path tells the control side, and what it is told to do |
//! | [`topology`], [`neighbour`] | interfaces, networks, routes, next hops |
//! | [`reference`](mod@reference) | the naive model that the plan is held against |

pub mod ethernet;
pub mod id;
pub mod inner;
pub mod ledger;
pub mod limit;
pub mod meter;
pub mod neighbour;
pub mod plan;
mod publish;
pub mod reference;
pub mod report;
pub mod rule;
pub mod sdf;
mod table;
pub mod tables;
mod teid;
pub mod topology;
pub mod usage;
mod zeroed;

pub use id::{
    BarId, FarId, InterfaceId, NextHopId, PdrId, Precedence, QerId, Qfi, Seid, SessionIndex, Teid,
    UrrId, WorkerId, repeated,
};
pub use ledger::Ledger;
pub use plan::{CompileError, Context, Plan};
pub use rule::{Bar, Far, Pdi, Pdr, Qer, Rules, Urr};
pub use tables::{
    Epoch, Key, KeyChange, PublishError, Publisher, Reader, Sizes, Snapshot, Sought, Tables,
};
pub use usage::Usage;
