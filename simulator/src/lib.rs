//! SMF, gNB, UE and data network, for demonstrations and tests.
//!
//! * [`Smf`] speaks PFCP over a real socket, with the habits of a [`Flavour`]: [`Smf::associate`],
//!   [`Smf::establish`], [`Smf::activate`], [`Smf::idle`], [`Smf::path_switch`], [`Smf::delete`];
//!   [`Smf::run`] has many in flight. It keeps the [`Sessions`]: SEIDs, tunnels, UE addresses.
//! * [`Gnb`] and [`DataNetwork`] make the frames of both directions and check, octet by octet,
//!   what the UPF makes of them. They have no sockets: frames in, frames out.
//! * [`Tally`] counts what was sent, came, came twice, came late, came wrong; [`Summary`] puts
//!   that and the [`Timings`] of the SMF together.
//! * [`capture`] reads pcap and pcapng and writes pcapng with comments.
//!
//! A packet carries a [`Tag`], from which its inner packet can be built again, so that nothing has
//! to be remembered of what was sent.
//!
//! Nothing here shares code with the packet path: it would share its mistakes.
#![forbid(unsafe_code)]

pub mod capture;
mod flavour;
mod gnb;
pub mod gtp;
mod mismatch;
pub mod net;
mod network;
mod session;
mod smf;
mod station;
mod summary;
mod tag;
mod tally;

/// The requests of each [`Flavour`], for those who bring their own socket and clock, or none.
pub mod requests {
    pub use crate::flavour::{
        activation, deletion, establishment, idle, modification, path_switch,
    };
}

pub use flavour::{Flavour, Outline, Sender, SessionSpec};
pub use gnb::{FromUpf as N3, Gnb};
pub use mismatch::{Mismatch, compare};
pub use network::{DataNetwork, FromUpf as N6};
pub use session::{Session, Sessions, Tunnel, UplinkTunnel};
pub use smf::{AnswerFault, Done, Event, Job, PORT, Smf, SmfConfig, SmfError, Trace, Way};
pub use station::{Station, echo_reply, echo_request};
pub use summary::{Procedure, ProcedureSummary, Summary, Timings, TrafficSummary};
pub use tag::{Direction, Ports, Tag};
pub use tally::{Counts, Tally};
