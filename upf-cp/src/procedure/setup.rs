//! Association set-up (TS 29.244, 6.2.6), begun by either side.

use std::net::IpAddr;

use pfcp::{
    AssociationSetupRequest, AssociationSetupResponse, Cause, CpFunctionFeatures, NodeId,
    RecoveryTimeStamp, SessionRetentionInformation,
};
use session::Epoch;

use crate::association::{Association, PeerId};
use crate::config::Move;
use crate::counters::Limit;
use crate::node::{Asked, Node};
use crate::timer::Timer;
use crate::transaction::{Bucket, Purpose};
use crate::work::{Fate, Job, Keep, Members, Owed, OwedAnswer};

impl Node {
    pub(crate) fn association_setup(&mut self, asked: Asked, request: &AssociationSetupRequest) {
        let from = asked.from.ip();
        let cause = self.accept_peer(from, &request.node_id);
        let mut answer = self.setup_answer(cause);
        let features = request.cp_function_features.unwrap_or_default();
        answer.up_function_features = Some(self.features_for(features));
        if !cause.is_accepted() {
            if self.may_log() {
                tracing::warn!(peer = %request.node_id, %from, %cause, "association refused");
            }
            self.answer(&asked, None, cause, &answer, None);
            return;
        }
        // A new beginning: numbers of requests start again.
        self.incoming.clear(from);
        tracing::info!(peer = %request.node_id, %from, "associated");
        let owed = Owed {
            asked,
            answer: OwedAnswer::Setup(Box::new(answer)),
        };
        self.begin_anew(request, from, owed);
    }

    /// "Set-up from a Node ID that already has an association: replace it whatever the time stamp
    /// says." The answer leaves when all that has to end has ended: what the peer establishes next
    /// finds its addresses free.
    fn begin_anew(&mut self, request: &AssociationSetupRequest, from: IpAddr, owed: Owed) {
        let node = &request.node_id;
        let old = self.peers.by_node(node);
        let gone = old.and_then(|old| Some((old, self.peers.remove(old)?)));
        let id = self.add_peer(node.clone(), from, request.cp_function_features);
        let wish = request.session_retention_information.clone();
        let keep = wish.map(|wish| Keep { peer: id, wish });
        // What associations before the last one had may still be on its way out.
        self.work.begin_anew(node, keep.as_ref());
        if let Some((old, gone)) = gone {
            self.part_with(old, gone, keep, Some(owed));
        } else if let Some(owed) = self.work.answer_last(node, owed)
            && let OwedAnswer::Setup(answer) = owed.answer
        {
            self.answer_setup(&owed.asked, *answer, false, None);
        }
    }

    /// Ends what belongs to an association that was taken out, except what a new one keeps.
    pub(crate) fn part_with(
        &mut self,
        old: PeerId,
        gone: Association,
        keep: Option<Keep>,
        owed: Option<Owed>,
    ) {
        if let Some(new) = keep.as_ref().map(|keep| keep.peer) {
            self.outgoing.hand_over(old, new);
            let outstanding = gone.outstanding.saturating_sub(self.settling.ending(old));
            if let Some(peer) = self.peers.get_mut(new) {
                peer.outstanding = outstanding;
                peer.waiting = gone.waiting;
                peer.parked = gone.parked;
            }
        }
        self.outgoing.retain(|purpose| !concerns(purpose, old));
        self.begin(Job {
            peer: Some(old),
            node_id: Some(gone.node_id),
            sessions: Members::of_peer(&gone.sessions, self.sessions.places()),
            only: None,
            fate: Fate::End { keep, kept: 0 },
            owed,
            last: None,
        });
    }

    pub(crate) fn answer_setup(
        &mut self,
        asked: &Asked,
        mut answer: AssociationSetupResponse,
        retained: bool,
        after: Option<Epoch>,
    ) {
        answer.flags = retained.then_some(pfcp::PfcpAsRspFlags::PSREI);
        self.answer(asked, None, answer.cause, &answer, after);
    }

    pub(crate) fn setup_answer(&self, cause: Cause) -> AssociationSetupResponse {
        AssociationSetupResponse {
            node_id: self.config.node_id.clone(),
            cause,
            recovery_time_stamp: Some(RecoveryTimeStamp(self.recovery_time_stamp)),
            up_function_features: Some(self.features_for(CpFunctionFeatures::empty())),
            // Who is refused learns little, and sends no long answers to anybody by our hand.
            ue_ip_address_pool_informations: if cause.is_accepted() {
                self.ue_pools.information()
            } else {
                Vec::new()
            },
            ..Default::default()
        }
    }

    /// Whether that node may associate from there.
    fn accept_peer(&mut self, from: IpAddr, node: &NodeId) -> Cause {
        if self.ending || !self.config.allows(from) || !self.config.allows_node(node) {
            return Cause::REQUEST_REJECTED;
        }
        match self.peers.by_node(node) {
            Some(_) if self.may_move(from, node) => match self.may_wait(self.work.waiting(node)) {
                Ok(()) => Cause::REQUEST_ACCEPTED,
                Err(refusal) => refusal.cause,
            },
            Some(_) => {
                self.counters.takeovers_refused += 1;
                Cause::REQUEST_REJECTED
            }
            None if self.peers.len() >= self.config.limits.peers && !self.give_one_up() => {
                self.counters.count_limit(Limit::Peers);
                Cause::NO_RESOURCES_AVAILABLE
            }
            None => Cause::REQUEST_ACCEPTED,
        }
    }

    /// Gives up the peer that has been silent for longest, to make room for another; whether any is.
    fn give_one_up(&mut self) -> bool {
        let silent = self
            .peers
            .iter()
            .filter_map(|(id, peer)| Some((peer.silent_since_ms?, id)));
        let longest = silent.min();
        if let Some((_, id)) = longest {
            self.give_up_peer(id);
        }
        longest.is_some()
    }

    /// Whether a node that has an association may begin anew from there: "a Node ID is bound to its
    /// addresses", except where the operator says otherwise. An address is its own proof.
    fn may_move(&self, from: IpAddr, node: &NodeId) -> bool {
        if self.peers.of(node, from).is_some() || *node == NodeId::from(from) {
            return true;
        }
        let peer = self.peers.by_node(node).and_then(|id| self.peers.get(id));
        match self.config.moves {
            Move::Never => false,
            Move::WhenSilent => peer.is_none_or(|peer| peer.silent_since_ms.is_some()),
            Move::Always => true,
        }
    }

    fn add_peer(
        &mut self,
        node_id: NodeId,
        address: IpAddr,
        features: Option<CpFunctionFeatures>,
    ) -> PeerId {
        let rate = self.config.limits.messages_per_second_per_peer;
        let bucket = Bucket::new(rate, self.now.elapsed_ms);
        let features = features.unwrap_or_default();
        let peer = Association::new(node_id, address, features, bucket);
        let id = self.peers.insert(peer);
        self.heartbeat_later(id);
        id
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
        if self.ending || under_way || !self.peers.at(to.ip()).is_empty() {
            return;
        }
        let request = AssociationSetupRequest {
            node_id: self.config.node_id.clone(),
            recovery_time_stamp: RecoveryTimeStamp(self.recovery_time_stamp),
            up_function_features: Some(self.features_for(CpFunctionFeatures::empty())),
            ue_ip_address_pool_informations: self.ue_pools.information(),
            ..Default::default()
        };
        self.request(to, None, &request, Purpose::Associate(place));
    }

    /// Each try that fails doubles the pause before the next.
    pub(crate) fn associate_later(&mut self, place: usize) {
        let failed = self.failed_associations.entry(place).or_default();
        let doubled = self
            .config
            .associate_again_ms
            .saturating_mul(1 << (*failed).min(16));
        *failed += 1;
        let pause = doubled.min(self.config.associate_again_most_ms);
        let at = self.now.elapsed_ms + pause;
        self.timers.set(at, Timer::Associate(place));
    }

    /// Tries anew to associate with a configured SMF whose association has ended.
    pub(crate) fn associate_anew(&mut self, address: IpAddr) {
        let places = self.config.smf.iter();
        if let Some(place) = { places }.position(|smf| smf.ip() == address) {
            self.failed_associations.remove(&place);
            self.associate_later(place);
        }
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
            return;
        }
        self.failed_associations.remove(&place);
        // Otherwise the SMF was quicker, and the association is there already.
        if self.peers.by_node(&answer.node_id).is_none() {
            let cause = self.accept_peer(from, &answer.node_id);
            if !cause.is_accepted() {
                if self.may_log() {
                    tracing::warn!(peer = %answer.node_id, %from, %cause, "not associated");
                }
                self.associate_later(place);
                return;
            }
            self.add_peer(answer.node_id.clone(), from, answer.cp_function_features);
            tracing::info!(peer = %answer.node_id, %from, "associated");
        }
    }

    /// free5GC and SD-Core answer under the number 1, whatever the request had, and take no notice
    /// of the association: it is for them to begin. There is no use in asking on at once.
    pub(crate) fn answered_under_another_number(&mut self, from: IpAddr) {
        let places = self.config.smf.iter();
        let Some(place) = { places }.position(|smf| smf.ip() == from) else {
            return;
        };
        if self.outgoing.cancel(Purpose::Associate(place)) {
            if self.may_log() {
                tracing::info!(smf = %from, "the SMF has to begin the association itself");
            }
            self.associate_later(place);
        }
    }
}

impl Keep {
    /// Whether a session whose CP function is there is kept: all are, or those of the CP entities
    /// that are named.
    pub(crate) fn wants(&self, cp: IpAddr) -> bool {
        let SessionRetentionInformation {
            cp_pfcp_entity_ip_addresses: named,
            ..
        } = &self.wish;
        named.is_empty()
            || named.iter().any(|entity| {
                entity.ipv4.map(IpAddr::V4) == Some(cp) || entity.ipv6.map(IpAddr::V6) == Some(cp)
            })
    }
}

fn concerns(purpose: &Purpose, peer: PeerId) -> bool {
    match purpose {
        Purpose::Heartbeat(id) | Purpose::Update(id, _) | Purpose::NodeReport(id) => *id == peer,
        Purpose::Report(about) => about.peer == peer,
        Purpose::Associate(_) => false,
    }
}
