//! What the node tells of itself: for the REST API and for operators.

use std::net::IpAddr;

use pfcp::{CpFunctionFeatures, NodeId};
use session::{Publisher, Rules, Seid, SessionIndex, WorkerId};

use crate::counters::Counters;
use crate::node::Node;
use crate::paths::RoundTrip;

/// An associated peer.
#[derive(Clone, Debug)]
pub struct PeerStatus {
    /// Who it is.
    pub node_id: NodeId,
    /// Where it is.
    pub address: IpAddr,
    /// Whether it answered the last heartbeat.
    pub reachable: bool,
    /// What it can do.
    pub features: CpFunctionFeatures,
    /// How many sessions it has here.
    pub sessions: usize,
    /// Session reports that it has not answered yet.
    pub outstanding_reports: usize,
    /// Session reports that wait for fewer to be outstanding.
    pub waiting_reports: usize,
}

/// The path to a GTP-U peer that is supervised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PathStatus {
    /// The peer.
    pub peer: IpAddr,
    /// Whether it has stopped to answer.
    pub failed: bool,
    /// Echo Requests that it did not answer in time.
    pub lost: u64,
    /// How long its answers took.
    pub round_trip: RoundTrip,
}

/// A session.
#[derive(Clone, Debug)]
pub struct SessionStatus {
    /// Our SEID.
    pub seid: Seid,
    /// Its place in the tables.
    pub index: SessionIndex,
    /// The worker that owns it.
    pub worker: WorkerId,
    /// The SEID of the CP function.
    pub cp_seid: u64,
    /// Where its reports go.
    pub cp_address: IpAddr,
    /// The peer it belongs to.
    pub peer: Option<NodeId>,
    /// Its rules.
    pub rules: Rules,
}

impl Node {
    /// The counters.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }
    /// The publisher, for what it counts.
    pub const fn publisher(&self) -> &Publisher {
        &self.publisher
    }
    /// How many sessions there are.
    pub const fn session_count(&self) -> usize {
        self.sessions.len()
    }
    /// Every session: its place in the tables and its rules.
    pub fn sessions(&self) -> impl Iterator<Item = (SessionIndex, &Rules)> {
        self.sessions
            .iter()
            .map(|session| (session.index, &session.installed.rules))
    }
    /// The rules of a session, by our SEID.
    pub fn rules(&self, seid: Seid) -> Option<&Rules> {
        self.sessions
            .by_seid(seid)
            .map(|session| &session.installed.rules)
    }
    /// Requests of ours that wait for an answer, and answers that are kept: both are bounded.
    pub fn transactions(&self) -> (usize, usize) {
        (self.outgoing.len(), self.incoming.len())
    }

    /// All peers.
    pub fn peer_statuses(&self) -> Vec<PeerStatus> {
        let status = |(_, peer): (_, &crate::association::Association)| PeerStatus {
            node_id: peer.node_id.clone(),
            address: peer.address,
            reachable: peer.silent_since_ms.is_none(),
            features: peer.features,
            sessions: peer.sessions.len(),
            outstanding_reports: peer.outstanding,
            waiting_reports: peer.waiting.len(),
        };
        self.peers.iter().map(status).collect()
    }

    /// All supervised paths, in the order of their addresses.
    pub fn path_statuses(&self) -> Vec<PathStatus> {
        let status = |(peer, path): (IpAddr, &crate::paths::GtpuPath)| PathStatus {
            peer,
            failed: path.is_failed(),
            lost: path.lost(),
            round_trip: path.round_trip(),
        };
        self.paths.iter().map(status).collect()
    }

    /// All sessions.
    pub fn session_statuses(&self) -> Vec<SessionStatus> {
        let status = |session: &crate::sessions::Session| SessionStatus {
            seid: session.seid,
            index: session.index,
            worker: session.worker,
            cp_seid: session.cp.seid,
            cp_address: session.cp.address,
            peer: self
                .peers
                .get(session.peer)
                .map(|peer| peer.node_id.clone()),
            rules: session.installed.rules.clone(),
        };
        self.sessions.iter().map(status).collect()
    }
}
