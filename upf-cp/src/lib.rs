//! N4: associations, sessions, reports. A core without I/O and a thin tokio shell.
//!
//! # A session's way through the files
//!
//! ```text
//! shell.rs            socket, clock, workers' queues            (the only I/O)
//!   | Input                                             ^ Output: datagrams, commands to workers
//!   v                                                   |
//! node.rs             time, operators, work in slices                          work.rs
//! receive.rs          admit, decode, find a repeated request, dispatch
//! send.rs             encode, keep the answer, repeat the request       answers.rs transaction.rs
//!                     load control, bundling                            load.rs bundle.rs
//! reconfigure.rs      another configuration, while all goes on
//!   v
//! procedure/
//!   heartbeat.rs      who is alive, who restarted, who is gone
//!   setup.rs          who may speak, from where; what a new beginning ends     association.rs
//!   update.rs, release.rs  features; an orderly end, with last reports
//!   pfd.rs            what applications look like                       applications.rs
//!   sets.rs           what happens to many sessions at once                      sets.rs
//!   establishment.rs  a new session: reserve, draft, compile, publish          sessions.rs
//!   modification.rs   a delta onto a copy; queries; deletion
//!   report.rs         what workers and timers tell, to the SMF                 usage/
//!   usage.rs          what is due; last reports, once workers have passed   settling.rs
//!   refuse.rs         Cause, Offending IE, Failed Rule ID                      refusal.rs
//!   v
//! translate/          pfcp::CreatePdr, … to session::Pdr, …: what cannot be carried out is refused
//!                     UE addresses that are left to us                 ue_pool/
//!   v
//! session crate       Installed::compile -> Publisher::publish -> Epoch
//! ```
//!
//! A request is all or nothing: it is translated into a [draft](translate::Draft), compiled and
//! published in one go; whatever fails on the way gives back what the draft took. The answer
//! carries the [`Epoch`](session::Epoch) of the publication and leaves when all workers are past
//! it. Everything is deterministic in seed and inputs.
//!
//! [`Node`] owns the [`Publisher`](session::Publisher); nothing else writes the tables.

mod answers;
mod applications;
mod asker;
mod association;
mod bundle;
mod clock;
mod config;
mod counters;
mod event;
mod features;
mod gtpu_peers;
mod inactivity;
mod index;
mod labels;
mod limiting;
mod load;
mod next_hops;
mod node;
mod paths;
mod procedure;
mod receive;
mod reconfigure;
mod refusal;
mod send;
mod sessions;
mod sets;
mod settling;
mod shell;
mod status;
mod strangers;
mod timer;
mod transaction;
mod translate;
mod ue_pool;
mod usage;
mod work;

pub use asker::{Asker, Ended};
pub use config::{
    Application, Echo, ExtendedMost, Identities, Limits, Move, NetworkLimits, NodeConfig,
    PFCP_PORT, PredefinedAction, PredefinedFar, PredefinedQer, PredefinedRule, PredefinedRules,
    PredefinedUrr, Slice, SliceLimits, UeBounds, UePool,
};
pub use counters::{Counters, Dropped, Limit};
pub use event::{Input, Now, Operator, Output, WorkerReport};
pub use labels::Labels;
pub use node::Node;
pub use paths::RoundTrip;
pub use shell::{Handle, Parts, Shell};
pub use status::{
    PathStatus, PeerStatus, SessionFilter, SessionSlice, SessionStatus, SessionSummary,
    UePoolStatus,
};
