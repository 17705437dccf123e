//! Node procedures (TS 29.244, 6.2): heartbeat, association set-up, update and release.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use pfcp::{
    AssociationReleaseRequest, AssociationReleaseResponse, AssociationSetupRequest,
    AssociationSetupResponse, AssociationUpdateRequest, AssociationUpdateResponse, Cause,
    CpFunctionFeatures, HeartbeatRequest, HeartbeatResponse, NodeId, RecoveryTimeStamp,
    SessionRetentionInformation,
};
use rustc_hash::FxHashSet;
use session::SessionIndex;

use crate::association::{Association, PeerId, RestartWatch};
use crate::features::up_function_features;
use crate::node::{Asked, Node};
use crate::refusal::Refusal;
use crate::timer::Timer;
use crate::transaction::{Bucket, Purpose};

/// The pause before the next try to associate with an SMF that does not answer or refuses.
const ASSOCIATE_AGAIN_MS: u64 = 10_000;

impl Node {
    // ===== heartbeat (6.2.2) =====

    /// "Answer always, also strangers."
    pub(crate) fn heartbeat(&mut self, asked: Asked, request: &HeartbeatRequest) {
        let answer = HeartbeatResponse {
            recovery_time_stamp: RecoveryTimeStamp(self.recovery_time_stamp),
            ..Default::default()
        };
        self.send_node(asked.from, asked.header.sequence, &answer);
        let stamp = request.recovery_time_stamp.0;
        if let Some(id) = self.peers.at(asked.from.ip()).first().copied()
            && let Some(peer) = self.peers.get_mut(id)
            && peer.requests.restarted(asked.header.sequence, stamp)
        {
            self.peer_restarted(id);
        }
    }

    pub(crate) fn send_heartbeat(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get(id) else {
            return;
        };
        let to = SocketAddr::new(peer.address, self.config.peer_port);
        let request = HeartbeatRequest {
            recovery_time_stamp: RecoveryTimeStamp(self.recovery_time_stamp),
            ..Default::default()
        };
        self.request(to, None, &request, Purpose::Heartbeat(id));
    }

    pub(crate) fn heartbeat_answered(
        &mut self,
        id: PeerId,
        sequence: u32,
        answer: &HeartbeatResponse,
    ) {
        let Some(peer) = self.peers.get_mut(id) else {
            return;
        };
        peer.reachable = true;
        if peer
            .responses
            .restarted(sequence, answer.recovery_time_stamp.0)
        {
            self.peer_restarted(id);
        } else {
            self.heartbeat_later(id);
        }
    }

    /// What becomes of the sessions of a silent peer is the operator's to say: they stay.
    pub(crate) fn heartbeat_unanswered(&mut self, id: PeerId) {
        if let Some(peer) = self.peers.get_mut(id) {
            let was = std::mem::replace(&mut peer.reachable, false);
            let node = peer.node_id.clone();
            if was && self.may_log() {
                tracing::warn!(peer = %node, "heartbeats are not answered");
            }
        }
        self.heartbeat_later(id);
    }

    fn heartbeat_later(&mut self, id: PeerId) {
        if self.config.heartbeat_interval_ms > 0 {
            let at = self.now.elapsed_ms + self.config.heartbeat_interval_ms;
            self.timers.set(at, Timer::Heartbeat(id));
        }
    }

    /// "Peer CP restarted (time stamp up): delete its sessions" (TS 23.527, 4). It has forgotten
    /// the association too.
    fn peer_restarted(&mut self, id: PeerId) {
        self.counters.peer_restarts += 1;
        let Some(peer) = self.peers.get(id) else {
            return;
        };
        tracing::warn!(peer = %peer.node_id, sessions = peer.sessions.len(), "peer restarted");
        self.incoming.clear(peer.address);
        self.forget_peer(id);
    }

    // ===== set-up (6.2.6) =====

    pub(crate) fn association_setup(&mut self, asked: Asked, request: &AssociationSetupRequest) {
        let from = asked.from.ip();
        let cause = self.accept_peer(from, &request.node_id);
        let mut retained = false;
        if cause == Cause::REQUEST_ACCEPTED {
            // A new beginning: numbers of requests start again.
            self.incoming.clear(from);
            let kept = self.sessions_to_retain(request);
            retained = !kept.is_empty();
            if let Some(old) = self.peers.by_node(&request.node_id) {
                self.end_sessions_but(old, &kept);
                self.replace_peer(old, from, request.cp_function_features, kept);
            } else {
                self.add_peer(request.node_id.clone(), from, request.cp_function_features);
            }
            tracing::info!(peer = %request.node_id, %from, "associated");
        } else if self.may_log() {
            tracing::warn!(peer = %request.node_id, %from, %cause, "association refused");
        }
        let mut answer = self.setup_answer(cause);
        answer.flags = retained.then_some(pfcp::PfcpAsRspFlags::PSREI);
        self.answer(&asked, None, cause, &answer, None);
    }

    pub(crate) fn setup_answer(&self, cause: Cause) -> AssociationSetupResponse {
        AssociationSetupResponse {
            node_id: self.config.node_id.clone(),
            cause,
            recovery_time_stamp: Some(RecoveryTimeStamp(self.recovery_time_stamp)),
            up_function_features: Some(up_function_features()),
            ..Default::default()
        }
    }

    /// Whether that node may associate from there.
    fn accept_peer(&self, from: IpAddr, node: &NodeId) -> Cause {
        if !self.config.allows(from) {
            Cause::REQUEST_REJECTED
        } else if self.peers.by_node(node).is_none() && self.peers.len() >= self.config.limits.peers
        {
            Cause::NO_RESOURCES_AVAILABLE
        } else {
            Cause::REQUEST_ACCEPTED
        }
    }

    /// Sessions that the peer asks to keep over a new association (Session Retention Information):
    /// all, or those of the CP entities it names.
    fn sessions_to_retain(&self, request: &AssociationSetupRequest) -> FxHashSet<SessionIndex> {
        let (Some(wish), Some(peer)) = (
            &request.session_retention_information,
            self.peers.by_node(&request.node_id),
        ) else {
            return FxHashSet::default();
        };
        let sessions = self.peers.get(peer).map(|peer| &peer.sessions);
        let sessions = sessions
            .into_iter()
            .flatten()
            .filter_map(|index| self.sessions.get(*index));
        sessions
            .filter(|s| is_retained(wish, s.cp.address))
            .map(|s| s.index)
            .collect()
    }

    fn add_peer(&mut self, node_id: NodeId, address: IpAddr, features: Option<CpFunctionFeatures>) {
        let rate = self.config.limits.messages_per_second_per_peer;
        let id = self.peers.insert(Association {
            node_id,
            address,
            others: smallvec::SmallVec::new(),
            features: features.unwrap_or_default(),
            sessions: FxHashSet::default(),
            reachable: true,
            responses: RestartWatch::default(),
            requests: RestartWatch::default(),
            bucket: Bucket::new(rate, self.now.elapsed_ms),
            outstanding: 0,
            waiting: VecDeque::new(),
        });
        self.heartbeat_later(id);
    }

    /// "Set-up from a Node ID that already has an association: replace it whatever the time stamp
    /// says." The sessions that stay go over to the new one.
    fn replace_peer(
        &mut self,
        old: PeerId,
        from: IpAddr,
        features: Option<CpFunctionFeatures>,
        kept: FxHashSet<SessionIndex>,
    ) {
        let Some(gone) = self.peers.remove(old) else {
            return;
        };
        self.outgoing.retain(|purpose| !concerns(purpose, old));
        self.add_peer(gone.node_id.clone(), from, features);
        let Some(new) = self.peers.by_node(&gone.node_id) else {
            return;
        };
        for index in &kept {
            let cp = self.sessions.change(*index, |session| {
                session.peer = new;
                session.cp.address
            });
            if let Some(address) = cp {
                self.peers.also_at(new, address);
            }
        }
        if let Some(peer) = self.peers.get_mut(new) {
            peer.sessions = kept;
        }
    }

    // ===== set-up that we start =====

    pub(crate) fn associate(&mut self, place: usize) {
        let Some(to) = self.config.smf.get(place).copied() else {
            return;
        };
        let under_way = self
            .outgoing
            .purposes()
            .any(|purpose| *purpose == Purpose::Associate(place));
        if under_way || !self.peers.at(to.ip()).is_empty() {
            return;
        }
        let request = AssociationSetupRequest {
            node_id: self.config.node_id.clone(),
            recovery_time_stamp: RecoveryTimeStamp(self.recovery_time_stamp),
            up_function_features: Some(up_function_features()),
            ..Default::default()
        };
        self.request(to, None, &request, Purpose::Associate(place));
    }

    pub(crate) fn associate_later(&mut self, place: usize) {
        self.timers.set(
            self.now.elapsed_ms + ASSOCIATE_AGAIN_MS,
            Timer::Associate(place),
        );
    }

    pub(crate) fn association_answered(
        &mut self,
        place: usize,
        from: IpAddr,
        answer: &AssociationSetupResponse,
    ) {
        if !answer.cause.is_accepted() {
            if self.may_log() {
                tracing::warn!(%from, cause = %answer.cause, "the SMF refused the association");
            }
            self.associate_later(place);
        } else if self.peers.by_node(&answer.node_id).is_none() {
            // Otherwise the SMF was quicker, and the association is there already.
            self.add_peer(answer.node_id.clone(), from, answer.cp_function_features);
            tracing::info!(peer = %answer.node_id, %from, "associated");
        }
    }

    // ===== update and release (6.2.7, 6.2.8) =====

    pub(crate) fn association_update(&mut self, asked: Asked, request: &AssociationUpdateRequest) {
        let known = self.peers.of(&request.node_id, asked.from.ip());
        let Some(peer) = known.and_then(|id| self.peers.get_mut(id)) else {
            let refusal = Refusal::new(Cause::NO_ESTABLISHED_ASSOCIATION);
            self.refuse(&asked, &request.clone().into(), refusal);
            return;
        };
        if let Some(features) = request.cp_function_features {
            peer.features = features;
        }
        let answer = AssociationUpdateResponse {
            node_id: self.config.node_id.clone(),
            cause: Cause::REQUEST_ACCEPTED,
            up_function_features: Some(up_function_features()),
            ..Default::default()
        };
        self.answer(&asked, None, answer.cause, &answer, None);
    }

    pub(crate) fn association_release(
        &mut self,
        asked: Asked,
        request: &AssociationReleaseRequest,
    ) {
        let Some(peer) = self.peers.of(&request.node_id, asked.from.ip()) else {
            let refusal = Refusal::new(Cause::NO_ESTABLISHED_ASSOCIATION);
            self.refuse(&asked, &request.clone().into(), refusal);
            return;
        };
        let answer = AssociationReleaseResponse {
            node_id: self.config.node_id.clone(),
            cause: Cause::REQUEST_ACCEPTED,
            ..Default::default()
        };
        tracing::info!(peer = %request.node_id, "association released");
        // Held for a repeated request while the peer is still known.
        self.answer(&asked, None, answer.cause, &answer, None);
        self.forget_peer(peer);
    }

    /// Ends an association and all its sessions. An SMF that we associate with is asked anew.
    pub(crate) fn forget_peer(&mut self, id: PeerId) {
        self.end_sessions_but(id, &FxHashSet::default());
        let Some(gone) = self.peers.remove(id) else {
            return;
        };
        self.outgoing.retain(|purpose| !concerns(purpose, id));
        let places = self.config.smf.iter().enumerate();
        let place = places
            .filter(|(_, smf)| smf.ip() == gone.address)
            .map(|(place, _)| place)
            .next();
        if let Some(place) = place {
            self.associate_later(place);
        }
    }

    fn end_sessions_but(&mut self, id: PeerId, kept: &FxHashSet<SessionIndex>) {
        let Some(peer) = self.peers.get(id) else {
            return;
        };
        let gone: Vec<SessionIndex> = peer.sessions.difference(kept).copied().collect();
        for index in gone {
            self.end_session(index);
        }
    }
}

fn is_retained(wish: &SessionRetentionInformation, cp: IpAddr) -> bool {
    let named = &wish.cp_pfcp_entity_ip_addresses;
    named.is_empty()
        || named.iter().any(|entity| {
            entity.ipv4.map(IpAddr::V4) == Some(cp) || entity.ipv6.map(IpAddr::V6) == Some(cp)
        })
}

fn concerns(purpose: &Purpose, peer: PeerId) -> bool {
    match purpose {
        Purpose::Heartbeat(id) | Purpose::NodeReport(id) | Purpose::Report { peer: id, .. } => {
            *id == peer
        }
        Purpose::Associate(_) => false,
    }
}
