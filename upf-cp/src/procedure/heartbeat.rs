//! Heartbeats (TS 29.244, 6.2.2): who is alive, who has restarted, who has been gone for too long.

use std::net::{IpAddr, SocketAddr};

use pfcp::{HeartbeatRequest, HeartbeatResponse, RecoveryTimeStamp, SourceIpAddress};

use crate::association::PeerId;
use crate::node::{Asked, Node};
use crate::timer::Timer;
use crate::transaction::Purpose;

impl Node {
    /// "Answer always, also strangers."
    pub(crate) fn heartbeat(&mut self, asked: Asked, request: &HeartbeatRequest) {
        let answer = HeartbeatResponse {
            recovery_time_stamp: RecoveryTimeStamp(self.recovery_time_stamp),
            ..Default::default()
        };
        self.send_node(asked.from, asked.header.sequence.get(), &answer);
        let stamp = request.recovery_time_stamp.0;
        let from = asked.from.ip();
        // Behind a NAT, several peers may come from one address: then they say which they are.
        let source = request.source_ip_address.as_ref();
        let source = source.and_then(|source| {
            let ipv4 = source.ipv4.map(IpAddr::V4);
            ipv4.or(source.ipv6.map(IpAddr::V6))
        });
        let named = source.and_then(|source| self.peers.named(source, from));
        let Some(id) = named.or_else(|| self.peers.at(from).first().copied()) else {
            return;
        };
        let (now_ms, sequence) = (self.now.elapsed_ms, asked.header.sequence.get());
        let peer = self.peers.get_mut(id);
        let restarted = peer.is_some_and(|peer| peer.requests.restarted(now_ms, sequence, stamp));
        if restarted {
            self.peer_restarted(id);
        } else {
            self.heard_of(id);
        }
    }

    pub(crate) fn send_heartbeat(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get(id) else {
            return;
        };
        let to = SocketAddr::new(peer.address, self.config.peer_port);
        let request = HeartbeatRequest {
            recovery_time_stamp: RecoveryTimeStamp(self.recovery_time_stamp),
            source_ip_address: self.source_behind_nat(),
            ..Default::default()
        };
        self.request(to, None, &request, Purpose::Heartbeat(id));
    }

    /// Our own address, where peers know us by another (TS 29.244, 6.2.2).
    fn source_behind_nat(&self) -> Option<SourceIpAddress> {
        let own = self.config.address;
        let source = match own {
            IpAddr::V4(address) => SourceIpAddress {
                ipv4: Some(address),
                ..Default::default()
            },
            IpAddr::V6(address) => SourceIpAddress {
                ipv6: Some(address),
                ..Default::default()
            },
        };
        (own != self.config.advertise).then_some(source)
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
        let stamp = answer.recovery_time_stamp.0;
        if peer
            .responses
            .restarted(self.now.elapsed_ms, sequence, stamp)
        {
            self.peer_restarted(id);
        } else {
            self.heard_of(id);
            self.heartbeat_later(id);
        }
    }

    /// The peer is alive: what it did not answer before, it may now.
    pub(crate) fn heard_of(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(id) else {
            return;
        };
        let was_silent = peer.silent_since_ms.take().is_some();
        let node = was_silent.then(|| peer.node_id.clone());
        if let Some(node) = node
            && self.may_log()
        {
            tracing::info!(peer = %node, "heartbeats are answered again");
        }
        self.unpark_reports(id);
    }

    /// What becomes of the sessions of a silent peer is the operator's to say.
    pub(crate) fn heartbeat_unanswered(&mut self, id: PeerId) {
        let now_ms = self.now.elapsed_ms;
        if let Some(peer) = self.peers.get_mut(id)
            && peer.silent_since_ms.is_none()
        {
            peer.silent_since_ms = Some(now_ms);
            let node = peer.node_id.clone();
            if self.config.delete_silent_after_ms > 0 {
                let at = now_ms + self.config.delete_silent_after_ms;
                self.timers.set(at, Timer::Silence(id));
            }
            if self.may_log() {
                tracing::warn!(peer = %node, "heartbeats are not answered");
            }
        }
        self.heartbeat_later(id);
    }

    /// A peer may have been silent for as long as its sessions may outlast it.
    pub(crate) fn silence_due(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get(id) else {
            return;
        };
        let Some(since_ms) = peer.silent_since_ms else {
            return;
        };
        // It was heard of meanwhile, and is silent again: another deadline is set for that.
        if since_ms + self.config.delete_silent_after_ms > self.now.elapsed_ms {
            return;
        }
        self.give_up_peer(id);
    }

    /// Ends the sessions of a peer that has been silent for too long.
    pub(super) fn give_up_peer(&mut self, id: PeerId) {
        if let Some(peer) = self.peers.get(id) {
            let (node, sessions) = (&peer.node_id, peer.sessions.len());
            tracing::warn!(peer = %node, sessions, "silent for too long: its sessions end");
        }
        self.counters.peers_given_up += 1;
        self.forget_peer(id);
    }

    pub(crate) fn heartbeat_later(&mut self, id: PeerId) {
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
}
