//! What the packet path tells the control side, and what it is told to do: bounded single-producer
//! queues, one pair per worker. A full report queue drops the report and counts it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use std::net::IpAddr;

use crate::ethernet::{Station, Tags};
use crate::id::{FarId, NextHopId, PdrId, Qfi, SessionIndex, Teid, UrrId};
use crate::plan::Encapsulation;

/// From a worker to the control side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// The first packet of an episode was held for this PDR and its FAR wants it told
    /// (NOCP; TS 29.244, 5.2.3.1).
    DownlinkData {
        /// The session.
        session: SessionIndex,
        /// The rule that the packet matched.
        pdr: PdrId,
        /// The FAR that holds it.
        far: FarId,
        /// The QoS flow, if a QER marks one.
        qfi: Option<Qfi>,
        /// ToS octet or traffic class of the packet, for paging policy.
        tos: u8,
    },
    /// An armed counter reached its total.
    Usage {
        /// The session.
        session: SessionIndex,
        /// The rule.
        urr: UrrId,
    },
    /// A station of an Ethernet network is heard where it is not known to be. What comes from it
    /// goes on, or is dropped, until the control side has changed that.
    Station {
        /// The session behind whose UE it is heard; if it is heard in the data network, the one that
        /// has been silent about it.
        session: SessionIndex,
        /// Who.
        station: Station,
        /// The tags of the frame.
        tags: Tags,
        /// It is heard in the data network.
        outside: bool,
    },
    /// A peer says that it does not know a tunnel of ours (TS 29.281, 7.3.1).
    ErrorIndication {
        /// The peer's address, as the Error Indication's Peer Address says.
        peer: IpAddr,
        /// The TEID it does not know.
        teid: Teid,
        /// Who sent it.
        sender: IpAddr,
    },
    /// An Echo Request that [`Command::Echo`] asked for has been sent.
    EchoSent {
        /// To whom.
        peer: IpAddr,
        /// Its sequence number.
        sequence: u16,
        /// When, in time stamp cycles.
        at: u64,
    },
    /// An Echo Response has come, asked for or not.
    EchoAnswered {
        /// From whom.
        peer: IpAddr,
        /// Its sequence number.
        sequence: u16,
        /// When, in time stamp cycles.
        at: u64,
    },
}

/// From the control side to a worker: the one that owns the session, where there is one. Acted on in order, after the plan
/// that was published before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// The plan changed so that held packets may go: process what the session holds again.
    Release {
        /// The session.
        session: SessionIndex,
    },
    /// Drop what the session holds (DROBU, or its end).
    Discard {
        /// The session.
        session: SessionIndex,
    },
    /// Send an End Marker (TS 29.281, 7.3.2) in the old tunnel, behind its last packet.
    EndMarker {
        /// The old tunnel.
        tunnel: Encapsulation,
        /// Where its frames went.
        next_hop: NextHopId,
    },
    /// Tell the UE of its router and prefix, if its network says so (RFC 4861, 4.2).
    Advertise {
        /// The session.
        session: SessionIndex,
    },
    /// Send an Echo Request (TS 29.281, 7.2.1), and tell when.
    Echo {
        /// To whom.
        peer: IpAddr,
        /// From which of our addresses: of the peer's family.
        source: IpAddr,
        /// Where its frame goes.
        next_hop: NextHopId,
        /// Comes back in the response.
        sequence: u16,
    },
}

/// The two ends of one worker's queues: its own, and the control side's.
pub fn queues(capacity: usize) -> (WorkerEnd, ControlEnd) {
    let (report_in, report_out) = rtrb::RingBuffer::new(capacity);
    let (command_in, command_out) = rtrb::RingBuffer::new(capacity);
    let lost = Arc::new(AtomicU64::new(0));
    (
        WorkerEnd {
            reports: report_in,
            commands: command_out,
            lost: Arc::clone(&lost),
        },
        ControlEnd {
            reports: report_out,
            commands: command_in,
            lost,
        },
    )
}

/// A worker's end.
#[derive(Debug)]
pub struct WorkerEnd {
    reports: rtrb::Producer<Report>,
    commands: rtrb::Consumer<Command>,
    lost: Arc<AtomicU64>,
}

impl WorkerEnd {
    /// Tells the control side; `false` when the queue is full (the loss is counted, and the caller
    /// may try again with a later packet).
    #[inline]
    pub fn report(&mut self, report: Report) -> bool {
        let sent = self.reports.push(report).is_ok();
        if !sent {
            self.lost.store(self.lost.load(Relaxed) + 1, Relaxed);
        }
        sent
    }
    /// Whether the next report will find room. It stays so until then: nobody else reports here.
    pub fn has_room(&self) -> bool {
        !self.reports.is_full()
    }
    /// The next thing to do.
    #[inline]
    pub fn command(&mut self) -> Option<Command> {
        self.commands.pop().ok()
    }
}

/// The control side's end.
#[derive(Debug)]
pub struct ControlEnd {
    reports: rtrb::Consumer<Report>,
    commands: rtrb::Producer<Command>,
    lost: Arc<AtomicU64>,
}

impl ControlEnd {
    /// The next report.
    pub fn report(&mut self) -> Option<Report> {
        self.reports.pop().ok()
    }
    /// Tells the worker.
    ///
    /// # Errors
    /// The command, when the queue is full: try again once the worker has gone on.
    pub fn command(&mut self, command: Command) -> Result<(), Command> {
        self.commands
            .push(command)
            .map_err(|rtrb::PushError::Full(command)| command)
    }
    /// Reports that found the queue full.
    pub fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }
}
