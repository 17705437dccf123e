//! Path supervision and node reports (TS 29.244, 6.2.9 and 5.10A): GTP-U peers that stop answering
//! or answer again are told to the CP functions whose sessions send to them.

use std::net::{IpAddr, SocketAddr};

use pfcp::{
    NodeReportRequest, NodeReportResponse, NodeReportType, RemoteGtpUPeer,
    UserPlanePathFailureReport, UserPlanePathRecoveryReport,
};
use rand::Rng as _;
use session::WorkerId;
use session::report::Command;

use crate::association::PeerId;
use crate::node::Node;
use crate::paths::Step;
use crate::timer::Timer;
use crate::transaction::Purpose;

/// The worker that sends Echo Requests.
const ECHO_WORKER: WorkerId = WorkerId(0);

/// What has become of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Failed,
    Recovered,
}

impl Node {
    /// Begins to supervise the peers that tunnels lead to by now, and stops with those that none
    /// leads to any more. A CP function has heartbeats: its ends of tunnels (N4-u) are left alone.
    pub(crate) fn look_for_paths(&mut self) {
        let used = &self.sessions.gtpu_peers;
        if self.config.echo.interval_ms == 0 || !self.paths.is_outdated(used.generation()) {
            return;
        }
        self.paths.retain(|peer| used.contains(peer));
        let is_new = |peer: &IpAddr| !self.paths.contains(*peer) && self.peers.at(*peer).is_empty();
        let mut new: Vec<IpAddr> = used.iter().filter(is_new).collect();
        new.sort_unstable();
        let room = self
            .config
            .limits
            .gtpu_peers
            .saturating_sub(self.paths.len());
        let over = new.len().saturating_sub(room);
        if over > 0 {
            self.counters.paths_unsupervised += u64::try_from(over).unwrap_or(u64::MAX);
            if self.may_log() {
                tracing::warn!(peers = over, "more GTP-U peers than are supervised");
            }
        }
        for peer in new.into_iter().take(room) {
            self.paths.insert(peer, self.now.elapsed_ms);
            self.timers.set(self.now.elapsed_ms, Timer::Path(peer));
        }
    }

    pub(crate) fn path_due(&mut self, peer: IpAddr) {
        let (echo, now_ms) = (self.config.echo, self.now.elapsed_ms);
        if !self.sessions.gtpu_peers.contains(peer) {
            return;
        }
        let [.., high, low] = self.random.next_u32().to_be_bytes();
        let Some(path) = self
            .paths
            .get_mut(peer)
            .filter(|path| path.due_ms <= now_ms)
        else {
            return;
        };
        let step = path.step(echo, now_ms, u16::from_be_bytes([high, low]));
        self.timers.set(path.due_ms, Timer::Path(peer));
        match step {
            Step::Ask(sequence) => self.send_echo(peer, sequence),
            Step::Lost { failed: true } => self.path_changed(peer, Change::Failed),
            Step::Lost { failed: false } => {}
        }
    }

    /// Next hops that nothing leads to any more are not looked after for ever.
    pub(crate) fn let_next_hops_go(&mut self) {
        let (now_ms, epoch) = (self.now.elapsed_ms, self.publisher.epoch());
        let tables = self.publisher.tables();
        let next_hops = &mut self.sessions.gtpu_peers.next_hops;
        next_hops.let_go(now_ms, epoch, |epoch| tables.is_past(epoch));
    }

    /// Without a way to the peer nothing is sent, and nobody answers.
    fn send_echo(&mut self, peer: IpAddr, sequence: u16) {
        let used = &self.sessions.gtpu_peers;
        let next_hop = used.next_hop(peer).and_then(|hop| used.next_hops.find(hop));
        let way = self.topology.towards_peer(peer);
        let source = way.and_then(|(interface, _)| interface.address_towards(peer));
        if let Some((source, next_hop)) = source.zip(next_hop) {
            let command = Command::Echo {
                peer,
                source,
                next_hop,
                sequence,
            };
            self.command(ECHO_WORKER, command);
        }
    }

    pub(crate) fn echo_answered(&mut self, peer: IpAddr, sequence: u16, at: u64) {
        let due_ms = self
            .now
            .elapsed_ms
            .saturating_add(self.config.echo.interval_ms);
        let at = (at, self.config.hz);
        match self.paths.echo_answered(peer, sequence, at, due_ms) {
            None => self.counters.reports_stale += 1,
            Some(recovered) => {
                self.timers.set(due_ms, Timer::Path(peer));
                if recovered {
                    self.path_changed(peer, Change::Recovered);
                }
            }
        }
    }

    /// Tells of a failure who sends there, and of a recovery who was told of the failure.
    fn path_changed(&mut self, peer: IpAddr, change: Change) {
        let owners = match change {
            Change::Failed => self.sessions.gtpu_peers.owners(peer).collect(),
            Change::Recovered => smallvec::SmallVec::new(),
        };
        let Some(path) = self.paths.get_mut(peer) else {
            return;
        };
        let told = std::mem::replace(&mut path.told, owners);
        let to = match change {
            Change::Failed => {
                self.counters.paths_failed += 1;
                path.told.clone()
            }
            Change::Recovered => {
                self.counters.paths_recovered += 1;
                told
            }
        };
        tracing::warn!(%peer, ?change, "the path to a GTP-U peer has changed");
        for owner in to {
            self.report_path(owner, peer, change);
        }
    }

    fn report_path(&mut self, owner: PeerId, gtpu_peer: IpAddr, change: Change) {
        let Some(association) = self.peers.get(owner) else {
            return;
        };
        let to = SocketAddr::new(association.address, self.config.peer_port);
        let remote = match gtpu_peer {
            IpAddr::V4(address) => RemoteGtpUPeer {
                ipv4: Some(address),
                ..Default::default()
            },
            IpAddr::V6(address) => RemoteGtpUPeer {
                ipv6: Some(address),
                ..Default::default()
            },
        };
        let mut request = NodeReportRequest {
            node_id: self.config.node_id.clone(),
            ..Default::default()
        };
        let remote_gtp_u_peers = [remote].into();
        match change {
            Change::Failed => {
                request.node_report_type = NodeReportType::UPFR;
                request.user_plane_path_failure_report = Some(UserPlanePathFailureReport {
                    remote_gtp_u_peers,
                    ..Default::default()
                });
            }
            Change::Recovered => {
                request.node_report_type = NodeReportType::UPRR;
                request.user_plane_path_recovery_report = Some(UserPlanePathRecoveryReport {
                    remote_gtp_u_peers,
                    ..Default::default()
                });
            }
        }
        self.request(to, None, &request, Purpose::NodeReport(owner));
    }

    /// Whatever the peer says of a report, it has it.
    pub(crate) fn node_report_answered(&mut self, owner: PeerId, answer: &NodeReportResponse) {
        if answer.cause.is_accepted() {
            return;
        }
        self.counters.node_reports_refused += 1;
        if let Some(node) = self.peers.get(owner).map(|peer| peer.node_id.clone())
            && self.may_log()
        {
            tracing::warn!(peer = %node, cause = %answer.cause, "a node report was refused");
        }
    }
}
