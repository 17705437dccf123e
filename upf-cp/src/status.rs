//! What the node tells of itself: for the REST API and for operators.

use std::net::IpAddr;

use pfcp::{CpFunctionFeatures, NodeId};
use session::{Rules, Seid, SessionIndex, WorkerId};

use crate::node::Node;

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
    /// All peers.
    pub fn peer_statuses(&self) -> Vec<PeerStatus> {
        let status = |(_, peer): (_, &crate::association::Association)| PeerStatus {
            node_id: peer.node_id.clone(),
            address: peer.address,
            reachable: peer.reachable,
            features: peer.features,
            sessions: peer.sessions.len(),
            outstanding_reports: peer.outstanding,
            waiting_reports: peer.waiting.len(),
        };
        self.peers.iter().map(status).collect()
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
