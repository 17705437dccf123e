//! What goes into the node and what comes out: all of it values, so that a run can be recorded and
//! played again.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use pfcp::NodeId;
use serde::{Deserialize, Serialize};
use session::ethernet::{Station, Tags};
use session::report::{Command, Report};
use session::{Epoch, FarId, PdrId, Qfi, SessionIndex, Teid, UrrId, WorkerId};

/// The time, as the shell reads it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Now {
    /// Milliseconds since some start; never runs backwards.
    pub elapsed_ms: u64,
    /// Wall clock: seconds since 1900, modulo 2³² (TS 29.244, 8.2.65).
    pub ntp_s: u32,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// A datagram came.
    Datagram {
        /// From whom.
        from: SocketAddr,
        /// Its payload.
        octets: Vec<u8>,
    },
    /// A deadline passed (see [`Node::deadline_ms`](crate::Node::deadline_ms)), or just time.
    Tick,
    /// A worker told something.
    Report {
        /// Which worker.
        worker: u8,
        /// What.
        report: WorkerReport,
    },
    /// The operator wants something.
    Operator(Operator),
}

/// What an operator can ask for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Operator {
    /// Start: associate with the configured SMFs.
    Start,
    /// Forget a peer and all its sessions.
    Drop(NodeId),
    /// Ask a peer to release its association, with reports of what its sessions used where it can
    /// take them; what is not released in time is forgotten.
    Release(NodeId),
    /// End all sessions and associations, before the process ends. Peers that can take them get
    /// last usage reports first: see [`Node::is_ended`](crate::Node::is_ended).
    Shutdown,
}

/// [`session::report::Report`] in a form that can be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of `Report`")]
pub enum WorkerReport {
    /// See [`Report::DownlinkData`].
    DownlinkData {
        session: u32,
        pdr: u16,
        far: u32,
        qfi: Option<u8>,
        tos: u8,
    },
    /// See [`Report::Usage`].
    Usage { session: u32, urr: u32 },
    /// See [`Report::Station`].
    Station {
        session: u32,
        vlan: u16,
        mac: [u8; 6],
        s_tag: Option<u16>,
        c_tag: Option<u16>,
        outside: bool,
    },
    /// See [`Report::ErrorIndication`].
    ErrorIndication {
        peer: IpAddr,
        teid: u32,
        sender: IpAddr,
    },
    /// See [`Report::EchoSent`].
    EchoSent {
        peer: IpAddr,
        sequence: u16,
        at: u64,
    },
    /// See [`Report::EchoAnswered`].
    EchoAnswered {
        peer: IpAddr,
        sequence: u16,
        at: u64,
    },
}

impl From<Report> for WorkerReport {
    fn from(report: Report) -> Self {
        match report {
            Report::DownlinkData {
                session,
                pdr,
                far,
                qfi,
                tos,
            } => Self::DownlinkData {
                session: session.0,
                pdr: pdr.0,
                far: far.0,
                qfi: qfi.map(Qfi::get),
                tos,
            },
            Report::Usage { session, urr } => Self::Usage {
                session: session.0,
                urr: urr.0,
            },
            Report::Station {
                session,
                station,
                tags,
                outside,
            } => Self::Station {
                session: session.0,
                vlan: station.vlan(),
                mac: station.mac(),
                s_tag: tags.s_tag,
                c_tag: tags.c_tag,
                outside,
            },
            Report::ErrorIndication { peer, teid, sender } => Self::ErrorIndication {
                peer,
                teid: teid.0,
                sender,
            },
            Report::EchoSent { peer, sequence, at } => Self::EchoSent { peer, sequence, at },
            Report::EchoAnswered { peer, sequence, at } => {
                Self::EchoAnswered { peer, sequence, at }
            }
        }
    }
}

impl From<WorkerReport> for Report {
    fn from(report: WorkerReport) -> Self {
        match report {
            WorkerReport::DownlinkData {
                session,
                pdr,
                far,
                qfi,
                tos,
            } => Self::DownlinkData {
                session: SessionIndex(session),
                pdr: PdrId(pdr),
                far: FarId(far),
                qfi: qfi.and_then(Qfi::new),
                tos,
            },
            WorkerReport::Usage { session, urr } => Self::Usage {
                session: SessionIndex(session),
                urr: UrrId(urr),
            },
            WorkerReport::Station {
                session,
                vlan,
                mac,
                s_tag,
                c_tag,
                outside,
            } => Self::Station {
                session: SessionIndex(session),
                station: Station::new(vlan, mac),
                tags: Tags { s_tag, c_tag },
                outside,
            },
            WorkerReport::ErrorIndication { peer, teid, sender } => Self::ErrorIndication {
                peer,
                teid: Teid(teid),
                sender,
            },
            WorkerReport::EchoSent { peer, sequence, at } => Self::EchoSent { peer, sequence, at },
            WorkerReport::EchoAnswered { peer, sequence, at } => {
                Self::EchoAnswered { peer, sequence, at }
            }
        }
    }
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a datagram.
    Send {
        /// To whom.
        to: SocketAddr,
        /// Its payload.
        octets: Arc<[u8]>,
        /// Not before all workers have seen this epoch: an answer says that rules are in force.
        after: Option<Epoch>,
    },
    /// Tell a worker.
    Worker {
        /// Which one.
        worker: WorkerId,
        /// What to do.
        command: Command,
    },
}
