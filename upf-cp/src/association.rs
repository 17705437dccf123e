//! Associations: which peers there are, and what is known of each.

use std::collections::VecDeque;
use std::net::IpAddr;

use pfcp::{CpFunctionFeatures, NodeId, SessionReportRequest};
use rustc_hash::{FxHashMap, FxHashSet};
use session::{Seid, SessionIndex};
use smallvec::SmallVec;

use crate::transaction::Bucket;

/// The most addresses that are learnt of one peer.
const ADDRESSES_MAX: usize = 16;

/// An association, by its place; never used again for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PeerId(u64);

/// An association with a CP function (TS 29.244, 6.2.6).
#[derive(Debug)]
pub(crate) struct Association {
    pub(crate) node_id: NodeId,
    /// The lowest number that no other association has: what its sessions hold counts by it.
    pub(crate) number: u16,
    /// Where its node messages come from, and ours go to.
    pub(crate) address: IpAddr,
    /// Where else its session messages may come from: the addresses of its F-SEIDs.
    pub(crate) others: SmallVec<[IpAddr; 2]>,
    pub(crate) features: CpFunctionFeatures,
    pub(crate) sessions: FxHashSet<SessionIndex>,
    /// Since when heartbeats are not answered; `None`: the last one was.
    pub(crate) silent_since_ms: Option<u64>,
    /// Recovery time stamps in its answers to our heartbeats …
    pub(crate) responses: RestartWatch,
    /// … and in heartbeats of its own.
    pub(crate) requests: RestartWatch,
    pub(crate) bucket: Bucket,
    /// Session reports that are not answered yet.
    pub(crate) outstanding: usize,
    /// Session reports that wait for fewer to be outstanding.
    pub(crate) waiting: VecDeque<Waiting>,
    /// Sessions whose usage is to be reported when there is room.
    pub(crate) postponed: VecDeque<(SessionIndex, Seid)>,
    /// Sessions that hold packets of which the peer has not been told after all.
    pub(crate) untold: VecDeque<(SessionIndex, Seid)>,
    /// Usage reports that nobody answered, by their sequence numbers: sent again once the peer is
    /// heard of.
    pub(crate) parked: VecDeque<u32>,
    /// How far its release is.
    pub(crate) releasing: Releasing,
    /// The number of the load that it was told of last …
    pub(crate) told_load: Option<u32>,
    /// … and of the overload.
    pub(crate) told_overload: Option<u32>,
}

/// How far the release of an association is (TS 29.244, 5.18 and 6.2.8).
#[derive(Debug, Default)]
pub(crate) enum Releasing {
    /// Nobody wants it.
    #[default]
    No,
    /// We have asked for it, and wait for the peer to do it.
    Asked,
    /// We report what these sessions have used, and end them (EPFAR).
    Reporting(Vec<SessionIndex>),
}

impl Association {
    pub(crate) fn new(
        node_id: NodeId,
        address: IpAddr,
        features: CpFunctionFeatures,
        bucket: Bucket,
    ) -> Self {
        Self {
            node_id,
            number: 0,
            address,
            others: SmallVec::new(),
            features,
            sessions: FxHashSet::default(),
            silent_since_ms: None,
            responses: RestartWatch::default(),
            requests: RestartWatch::default(),
            bucket,
            outstanding: 0,
            waiting: VecDeque::new(),
            postponed: VecDeque::new(),
            untold: VecDeque::new(),
            parked: VecDeque::new(),
            releasing: Releasing::No,
            told_load: None,
            told_overload: None,
        }
    }
}

/// A session report that waits for its turn.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) session: SessionIndex,
    pub(crate) seid: Seid,
    pub(crate) report: Box<SessionReportRequest>,
}

/// Tells a peer's restart from its recovery time stamps in heartbeats.
///
/// SMFs disagree on what the stamp is: for Open5GS and free5GC it is the time of their start, for
/// OAI the time of each heartbeat, in seconds. So a higher stamp says something only of a peer whose
/// stamp has stood still before, for several heartbeats and while time went on. (Association set-up
/// does not depend on this: it always replaces what was.)
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RestartWatch {
    stamp: Option<u32>,
    /// How many different heartbeats had this stamp.
    seen: u32,
    /// When the first of them came.
    since_ms: u64,
    /// How long after it the last one came.
    stood_ms: u64,
    sequence: u32,
}

impl RestartWatch {
    /// So many heartbeats …
    const STEADY: u32 = 3;
    /// … over so long a time, delays on the way included, have one stamp: then it is not the time
    /// of each.
    const STEADY_MS: u64 = 10_000;

    /// Whether the peer has restarted, by the stamp in the heartbeat of that sequence number.
    pub(crate) fn restarted(&mut self, now_ms: u64, sequence: u32, stamp: u32) -> bool {
        if self.stamp == Some(stamp) {
            // A retransmission says nothing new, nor does what was overtaken on the way.
            let ahead = sequence.wrapping_sub(self.sequence) & 0x00ff_ffff;
            if ahead != 0 && ahead < 1 << 23 {
                self.seen += 1;
                self.stood_ms = now_ms.saturating_sub(self.since_ms);
                self.sequence = sequence;
            }
            return false;
        }
        let steady = self.seen >= Self::STEADY && self.stood_ms >= Self::STEADY_MS;
        let old = self.stamp;
        *self = Self {
            stamp: Some(stamp),
            seen: 1,
            since_ms: now_ms,
            stood_ms: 0,
            sequence,
        };
        steady && old.is_some_and(|old| is_newer(stamp, old))
    }
}

/// Whether a time stamp is later than another, modulo 2³² (era 0 of NTP ends in 2036).
pub(crate) fn is_newer(stamp: u32, than: u32) -> bool {
    let ahead = stamp.wrapping_sub(than);
    ahead != 0 && ahead < 1 << 31
}

/// All associations.
#[derive(Debug, Default)]
pub(crate) struct Associations {
    last: u64,
    peers: FxHashMap<PeerId, Association>,
    by_node: FxHashMap<NodeId, PeerId>,
    by_address: FxHashMap<IpAddr, SmallVec<[PeerId; 1]>>,
}

impl Associations {
    pub(crate) fn len(&self) -> usize {
        self.peers.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (PeerId, &Association)> {
        self.peers.iter().map(|(id, peer)| (*id, peer))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Association> {
        self.peers.values_mut()
    }

    pub(crate) fn get(&self, id: PeerId) -> Option<&Association> {
        self.peers.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: PeerId) -> Option<&mut Association> {
        self.peers.get_mut(&id)
    }

    pub(crate) fn by_node(&self, node: &NodeId) -> Option<PeerId> {
        self.by_node.get(node).copied()
    }

    /// The associations with peers at that address.
    pub(crate) fn at(&self, address: IpAddr) -> &[PeerId] {
        self.by_address
            .get(&address)
            .map_or(&[], SmallVec::as_slice)
    }

    /// The association with the node whose own address this is, where several are behind one.
    pub(crate) fn named(&self, address: IpAddr, from: IpAddr) -> Option<PeerId> {
        self.of(&NodeId::from(address), from)
    }

    /// The association with that node, if the message comes from where the node is.
    pub(crate) fn of(&self, node: &NodeId, from: IpAddr) -> Option<PeerId> {
        self.by_node(node)
            .filter(|peer| self.at(from).contains(peer))
    }

    /// The lowest number that no association has.
    fn free_number(&self) -> u16 {
        let mut numbers: Vec<u16> = self.peers.values().map(|peer| peer.number).collect();
        numbers.sort_unstable();
        let taken = numbers
            .iter()
            .zip(0..)
            .take_while(|(taken, at)| *taken == at);
        u16::try_from(taken.count()).unwrap_or(u16::MAX)
    }

    pub(crate) fn insert(&mut self, mut association: Association) -> PeerId {
        association.number = self.free_number();
        self.last += 1;
        let id = PeerId(self.last);
        self.by_node.insert(association.node_id.clone(), id);
        // Who only gave this address in an F-SEID has it no longer: it is this one's own.
        let address = association.address;
        let there = self.by_address.entry(address).or_default();
        there.retain(|other| {
            let Some(other) = self.peers.get_mut(other) else {
                return false;
            };
            other.others.retain(|learnt| *learnt != address);
            other.address == address
        });
        there.push(id);
        self.peers.insert(id, association);
        id
    }

    pub(crate) fn remove(&mut self, id: PeerId) -> Option<Association> {
        let gone = self.peers.remove(&id)?;
        self.by_node.remove(&gone.node_id);
        for address in gone.others.iter().chain([&gone.address]) {
            if let Some(there) = self.by_address.get_mut(address) {
                there.retain(|other| *other != id);
                if there.is_empty() {
                    self.by_address.remove(address);
                }
            }
        }
        Some(gone)
    }

    /// A peer gave an address in an F-SEID: its session messages may come from there. "Accept that
    /// it differs from its Node ID and from the address used for set-up" (TS 29.244, 5.8.1).
    pub(crate) fn also_at(&mut self, id: PeerId, address: IpAddr) {
        // An address of another SMF's own stays that one's: what it sends is not this peer's.
        let is_its_own = |other: &PeerId| {
            let other = self.peers.get(other);
            other.is_some_and(|other| other.address == address)
        };
        let anothers = self
            .at(address)
            .iter()
            .any(|other| *other != id && is_its_own(other));
        let Some(peer) = self.peers.get_mut(&id).filter(|_| !anothers) else {
            return;
        };
        let known = peer.address == address || peer.others.contains(&address);
        if !known && peer.others.len() < ADDRESSES_MAX {
            peer.others.push(address);
            self.by_address.entry(address).or_default().push(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_stamps_every_heartbeat_anew_has_not_restarted() {
        let mut watch = RestartWatch::default();
        for (sequence, stamp) in (1..50).zip((1000_u32..).step_by(10)) {
            let now_ms = u64::from(sequence) * 10_000;
            assert!(!watch.restarted(now_ms, sequence, stamp));
            // Sent again, because the answer was lost.
            assert!(!watch.restarted(now_ms + 3_000, sequence, stamp));
        }
    }

    #[test]
    fn heartbeats_that_come_late_and_again_do_not_make_a_steady_peer() {
        let mut watch = RestartWatch::default();
        for (now_ms, sequence) in (0..).step_by(1_000).zip([4, 3, 4, 2, 4]) {
            assert!(!watch.restarted(now_ms, sequence, 1000));
        }
        assert!(!watch.restarted(5_000, 5, 1010));
    }

    #[test]
    fn many_heartbeats_within_a_second_do_not_make_a_steady_peer() {
        let mut watch = RestartWatch::default();
        for sequence in 1..10 {
            assert!(!watch.restarted(u64::from(sequence) * 100, sequence, 1000));
        }
        assert!(!watch.restarted(1_000, 10, 1001));
    }

    /// Heartbeats at intervals of 5 s.
    fn beat(watch: &mut RestartWatch, sequence: u32, stamp: u32) -> bool {
        watch.restarted(u64::from(sequence) * 5_000, sequence, stamp)
    }

    #[test]
    fn a_steady_peer_that_stamps_higher_has_restarted() {
        let mut watch = RestartWatch::default();
        for sequence in 1..4 {
            assert!(!beat(&mut watch, sequence, 1000));
        }
        assert!(watch.restarted(20_000, 1, 1060));
        assert!(!watch.restarted(25_000, 2, 1060));
    }

    #[test]
    fn a_lower_stamp_is_no_restart_but_the_end_of_the_era_is_passed() {
        let mut watch = RestartWatch::default();
        for sequence in 1..5 {
            assert!(!beat(&mut watch, sequence, u32::MAX - 5));
        }
        assert!(beat(&mut watch, 5, 7));
        for sequence in 6..9 {
            assert!(!beat(&mut watch, sequence, 7));
        }
        assert!(!beat(&mut watch, 9, 3));
    }

    #[test]
    fn numbers_of_associations_stay_small_and_their_own() {
        let mut peers = Associations::default();
        let add = |peers: &mut Associations, last| {
            let address = IpAddr::from([10, 0, 0, last]);
            let features = CpFunctionFeatures::default();
            let bucket = Bucket::new(1, 0);
            peers.insert(Association::new(address.into(), address, features, bucket))
        };
        let ids = [1, 2, 3].map(|last| add(&mut peers, last));
        let number = |peers: &Associations, id| peers.get(id).unwrap().number;
        assert_eq!(ids.map(|id| number(&peers, id)), [0, 1, 2]);
        peers.remove(ids[1]);
        let next = [4, 5].map(|last| add(&mut peers, last));
        assert_eq!(next.map(|id| number(&peers, id)), [1, 3]);
    }
}
