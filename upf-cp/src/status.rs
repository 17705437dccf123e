//! What the node tells of itself: for the REST API and for operators.

use std::net::IpAddr;

use pfcp::{CpFunctionFeatures, NodeId};
use session::rule::UeAddress;
use session::usage::Volume;
use session::{Publisher, Rules, Seid, SessionIndex, Sought, Teid, UrrId, Usage, WorkerId};

use crate::config::UePool;
use crate::counters::Counters;
use crate::labels::Labels;
use crate::node::Node;
use crate::paths::RoundTrip;
use crate::sessions::Session;

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
    /// Session reports that wait for fewer to be outstanding, and sessions whose usage does.
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

/// A session at a glance.
#[derive(Clone, Debug)]
pub struct SessionSummary {
    /// Our SEID.
    pub seid: Seid,
    /// The worker that owns it.
    pub worker: WorkerId,
    /// The SEID of the CP function.
    pub cp_seid: u64,
    /// Where its reports go.
    pub cp_address: IpAddr,
    /// The peer it belongs to.
    pub peer: Option<NodeId>,
    /// Its data network and subscriber.
    pub labels: Labels,
    /// The UE's addresses.
    pub ue: UeAddress,
}

/// A session with its rules.
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
    /// Its data network and subscriber.
    pub labels: Labels,
    /// Its rules.
    pub rules: Rules,
    /// What each of its URRs has counted since it was made.
    pub usage: Vec<(UrrId, Volume)>,
    /// Those of them whose quota is used up.
    pub exhausted: Vec<UrrId>,
}

/// Which sessions are wanted: those that have all of what is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionFilter {
    /// An address of the UE, or one behind it.
    pub ue: Option<IpAddr>,
    /// The subscriber, with or without the kind of identity in front.
    pub user: Option<String>,
    /// The DNN, regardless of case.
    pub dnn: Option<String>,
    /// The peer: its Node ID or the address of its F-SEID.
    pub peer: Option<String>,
    /// A TEID of ours that a PDR has, or one of a peer's that a FAR has.
    pub teid: Option<Teid>,
}

/// Sessions in the order of their places.
#[derive(Clone, Debug, Default)]
pub struct SessionSlice {
    /// Those that were found.
    pub sessions: Vec<SessionSummary>,
    /// Where to go on; `None` when there are no more places.
    pub next: Option<u32>,
}

/// A pool of UE addresses.
#[derive(Clone, Debug)]
pub struct UePoolStatus {
    /// The pool.
    pub pool: UePool,
    /// IPv4 addresses that are in use, or that no UE is given.
    pub ipv4_in_use: u64,
    /// IPv4 addresses in all.
    pub ipv4_size: u64,
    /// /64s that are in use, or that no UE is given.
    pub ipv6_in_use: u64,
    /// /64s in all.
    pub ipv6_size: u64,
}

/// Places that are looked at for one [`SessionSlice`]: a look takes well below a millisecond.
const SLICE: u32 = 256;

impl SessionStatus {
    /// The same without rules.
    pub fn summary(&self) -> SessionSummary {
        SessionSummary {
            seid: self.seid,
            worker: self.worker,
            cp_seid: self.cp_seid,
            cp_address: self.cp_address,
            peer: self.peer.clone(),
            labels: self.labels.clone(),
            ue: self.rules.ue,
        }
    }
}

impl SessionFilter {
    fn admits(&self, session: &Session, peer: Option<&NodeId>) -> bool {
        let labels = &session.labels;
        let is_user = |wanted: &String| {
            let user = labels.user();
            user.is_some_and(|user| {
                user == *wanted || user.split_once('-').is_some_and(|(_, id)| id == wanted)
            })
        };
        let is_dnn = |wanted: &String| {
            labels
                .dnn()
                .is_some_and(|dnn| dnn.eq_ignore_ascii_case(wanted))
        };
        let is_peer = |wanted: &String| {
            session.cp.address.to_string() == *wanted
                || peer.is_some_and(|peer| peer.to_string() == *wanted)
        };
        self.ue.is_none_or(|ue| session.installed.rules.is_ue(ue))
            && self.user.as_ref().is_none_or(is_user)
            && self.dnn.as_ref().is_none_or(is_dnn)
            && self.peer.as_ref().is_none_or(is_peer)
            && self
                .teid
                .is_none_or(|teid| has_teid(&session.installed.rules, teid))
    }
}

/// Whether a tunnel of the session has that TEID, at either end.
fn has_teid(rules: &Rules, teid: Teid) -> bool {
    let ours = rules.pdrs.iter().filter_map(|pdr| pdr.pdi.local_f_teid);
    let forwardings = rules.fars.iter().filter_map(|far| far.forwarding);
    let theirs = forwardings.filter_map(|forwarding| forwarding.outer_header_creation);
    ours.map(|tunnel| tunnel.teid)
        .chain(theirs.map(|tunnel| tunnel.teid))
        .any(|one| one == teid)
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

    /// How many deadlines are set.
    pub fn deadlines(&self) -> usize {
        self.timers.len()
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
            waiting_reports: peer.waiting.len() + peer.postponed.len(),
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

    /// At most so many sessions that `filter` admits, at as many places as one look reaches.
    pub fn session_slice(&self, filter: &SessionFilter, from: u32, most: usize) -> SessionSlice {
        let end = from.saturating_add(SLICE).min(self.sessions.places());
        let mut slice = SessionSlice::default();
        let mut place = from;
        while place < end && slice.sessions.len() < most {
            let session = self.sessions.get(SessionIndex(place));
            let admitted = session.filter(|session| {
                let peer = self.peers.get(session.peer);
                filter.admits(session, peer.map(|peer| &peer.node_id))
            });
            slice
                .sessions
                .extend(admitted.map(|session| self.summary(session)));
            place += 1;
        }
        slice.next = (place < self.sessions.places()).then_some(place);
        slice
    }

    /// A session, by our SEID.
    pub fn session_status(&self, seid: Seid) -> Option<SessionStatus> {
        self.sessions
            .by_seid(seid)
            .map(|session| self.status(session))
    }

    /// The session that a packet would find.
    pub fn session_of(&self, sought: Sought) -> Option<SessionStatus> {
        let session = self.sessions.get(self.publisher.session_of(sought)?)?;
        let has_it = match sought {
            // Tunnels are told apart by their TEID alone where we choose it.
            Sought::Tunnel(tunnel) => {
                let rules = &session.installed.rules;
                let own = rules.pdrs.iter().filter_map(|pdr| pdr.pdi.local_f_teid);
                let mut all = own.chain(rules.held().iter().copied());
                all.any(|one| one == tunnel)
            }
            Sought::Ue(..) => true,
        };
        has_it.then(|| self.status(session))
    }

    /// All sessions. With many of them this takes long: for tests.
    pub fn session_statuses(&self) -> Vec<SessionStatus> {
        self.sessions
            .iter()
            .map(|session| self.status(session))
            .collect()
    }

    fn status(&self, session: &Session) -> SessionStatus {
        let summary = self.summary(session);
        let rules = &session.installed.rules;
        let volume = |id| Some((id, session.installed.usage(id)?.volume()));
        let is_exhausted = |id: &UrrId| {
            let usage = session.installed.usage(*id);
            usage.is_some_and(Usage::is_exhausted)
        };
        let urrs = || rules.urrs.iter().map(|urr| urr.id);
        SessionStatus {
            seid: summary.seid,
            index: session.index,
            worker: summary.worker,
            cp_seid: summary.cp_seid,
            cp_address: summary.cp_address,
            peer: summary.peer,
            labels: summary.labels,
            usage: urrs().filter_map(volume).collect(),
            exhausted: urrs().filter(is_exhausted).collect(),
            rules: rules.clone(),
        }
    }

    fn summary(&self, session: &Session) -> SessionSummary {
        let peer = self.peers.get(session.peer);
        SessionSummary {
            seid: session.seid,
            worker: session.worker,
            cp_seid: session.cp.seid,
            cp_address: session.cp.address,
            peer: peer.map(|peer| peer.node_id.clone()),
            labels: session.labels.clone(),
            ue: session.installed.rules.ue,
        }
    }

    /// The pools of UE addresses.
    pub fn ue_pool_statuses(&self) -> Vec<UePoolStatus> {
        self.ue_pools.statuses()
    }
}
