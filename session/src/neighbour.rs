//! Next hops: which Ethernet address a neighbour has. The control side names next hops when it
//! compiles a tunnel, workers when they route; the slow path resolves them.
//!
//! A bounded table that only grows: entries are claimed by compare-and-swap and never move, so a
//! [`NextHopId`] stays good for the life of the process.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use Ordering::{Acquire, Relaxed, Release};

use crate::id::{InterfaceId, NextHopId};

/// How many next hops there can be.
pub const NEXT_HOPS_MAX: usize = 4096;

/// How often a neighbour is asked in vain before it is known no longer.
pub const UNANSWERED_MAX: u8 = 3;

/// Marks an Ethernet address as known.
const KNOWN: u8 = 1;
/// Marks an Ethernet address as one that stays.
const FIXED: u8 = 2;

/// A neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NextHop {
    /// The interface it is on.
    pub interface: InterfaceId,
    /// Its IP address.
    pub address: IpAddr,
}

#[derive(Debug, Default)]
struct Slot {
    hop: OnceLock<NextHop>,
    /// In memory the octets of the Ethernet address, how often it was doubted, and [`KNOWN`] or
    /// [`FIXED`]; or nothing but 0.
    ethernet: AtomicU64,
}

/// All next hops that were ever named.
#[derive(Debug)]
pub struct Neighbours {
    slots: Box<[Slot]>,
}

impl Default for Neighbours {
    fn default() -> Self {
        Self {
            slots: (0..NEXT_HOPS_MAX).map(|_| Slot::default()).collect(),
        }
    }
}

impl Clone for Neighbours {
    /// Neighbours of the same ids, as they are known now.
    fn clone(&self) -> Self {
        let copy = |slot: &Slot| Slot {
            hop: slot.hop.clone(),
            ethernet: AtomicU64::new(slot.ethernet.load(Acquire)),
        };
        Self {
            slots: self.slots.iter().map(copy).collect(),
        }
    }
}

impl Neighbours {
    /// The id of a next hop, made on first use; `None` when the table is full.
    pub fn id(&self, hop: NextHop) -> Option<NextHopId> {
        self.probe(hop)
            .find_map(|(id, slot)| (*slot.hop.get_or_init(|| hop) == hop).then_some(id))
    }

    /// The id of a next hop that has been named before. Reads only.
    #[inline]
    pub fn find(&self, hop: NextHop) -> Option<NextHopId> {
        for (id, slot) in self.probe(hop) {
            match slot.hop.get() {
                Some(found) if *found == hop => return Some(id),
                Some(_) => {}
                None => return None,
            }
        }
        None
    }

    /// Which neighbour an id stands for.
    pub fn hop(&self, id: NextHopId) -> Option<NextHop> {
        self.slots.get(usize::from(id.0))?.hop.get().copied()
    }

    /// The neighbour's Ethernet address, once it is known.
    #[inline]
    pub fn ethernet(&self, id: NextHopId) -> Option<[u8; 6]> {
        let word = self.slots.get(usize::from(id.0))?.ethernet.load(Acquire);
        let [address @ .., _, _] = word.to_ne_bytes();
        (word != 0).then_some(address)
    }

    /// Remembers a neighbour's Ethernet address, as it says itself, if anybody asked for that
    /// neighbour and its address is not [fixed](Self::fix).
    pub fn learn(&self, hop: NextHop, ethernet: [u8; 6]) {
        let heard = |old| (!is_fixed(old)).then(|| word(ethernet, KNOWN));
        self.change(self.find(hop), heard);
    }

    /// Gives a neighbour that was named an Ethernet address that stays, whatever it says or does not.
    pub fn fix(&self, hop: NextHop, ethernet: [u8; 6]) {
        self.change(self.find(hop), |_| Some(word(ethernet, FIXED)));
    }

    /// Notes that a neighbour is asked whether it is still there. One that was asked
    /// [so often](UNANSWERED_MAX) and was not heard since is known no longer.
    pub fn doubt(&self, id: NextHopId) {
        self.change(Some(id), |old| {
            let [a, b, c, d, e, f, doubts, mark] = old.to_ne_bytes();
            match mark {
                KNOWN if doubts >= UNANSWERED_MAX => Some(0),
                KNOWN => Some(u64::from_ne_bytes([a, b, c, d, e, f, doubts + 1, mark])),
                _ => None,
            }
        });
    }

    /// Whether a neighbour that is known was asked, and not heard since.
    pub fn is_doubted(&self, id: NextHopId) -> bool {
        let slot = self.slots.get(usize::from(id.0));
        let word = slot.map_or(0, |slot| slot.ethernet.load(Relaxed));
        let [.., doubts, _] = word.to_ne_bytes();
        doubts > 0
    }

    /// What is known of a neighbour becomes what `new` makes of it, if anything.
    fn change(&self, id: Option<NextHopId>, new: impl Fn(u64) -> Option<u64>) {
        let slot = id.and_then(|id| self.slots.get(usize::from(id.0)));
        // Nothing new is no fault.
        let _ = slot.map(|slot| slot.ethernet.fetch_update(Release, Relaxed, new));
    }

    /// Every next hop there is.
    pub fn all(&self) -> impl Iterator<Item = (NextHopId, NextHop)> + '_ {
        let ids = (0..).map(NextHopId);
        ids.zip(&self.slots)
            .filter_map(|(id, slot)| Some((id, *slot.hop.get()?)))
    }

    fn probe(&self, hop: NextHop) -> impl Iterator<Item = (NextHopId, &Slot)> {
        let bits = match hop.address {
            IpAddr::V4(address) => u64::from(Ipv4Addr::to_bits(address)),
            IpAddr::V6(address) => {
                let bits = Ipv6Addr::to_bits(address);
                let fold = (bits >> 64) ^ bits;
                u64::try_from(fold & u128::from(u64::MAX)).unwrap_or_default()
            }
        };
        let hash = (bits ^ u64::from(hop.interface.0) << 56).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let home = usize::try_from(hash >> 52).unwrap_or_default();
        (0..self.slots.len()).filter_map(move |step| {
            let at = (home + step) % self.slots.len();
            Some((NextHopId(u16::try_from(at).ok()?), self.slots.get(at)?))
        })
    }
}

/// What is known of a neighbour that is not doubted.
const fn word([a, b, c, d, e, f]: [u8; 6], mark: u8) -> u64 {
    u64::from_ne_bytes([a, b, c, d, e, f, 0, mark])
}

const fn is_fixed(word: u64) -> bool {
    let [.., mark] = word.to_ne_bytes();
    mark == FIXED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_stay_and_addresses_are_learnt() {
        let neighbours = Neighbours::default();
        let hop = |n: u32| NextHop {
            interface: InterfaceId(1),
            address: IpAddr::V4(Ipv4Addr::from_bits(n)),
        };
        let ids: Vec<_> = (0..4096).map(|n| neighbours.id(hop(n)).unwrap()).collect();
        assert_eq!(neighbours.id(hop(4096)), None);
        for (n, id) in (0..4096).zip(&ids) {
            assert_eq!(
                (neighbours.find(hop(n)), neighbours.hop(*id)),
                (Some(*id), Some(hop(n)))
            );
        }
        assert_eq!(neighbours.ethernet(ids[5]), None);
        neighbours.learn(hop(5), [1, 2, 3, 4, 5, 6]);
        neighbours.learn(hop(9999), [0; 6]);
        assert_eq!(neighbours.ethernet(ids[5]), Some([1, 2, 3, 4, 5, 6]));
        let copy = neighbours.clone();
        copy.learn(hop(6), [9; 6]);
        assert_eq!(copy.find(hop(77)), neighbours.find(hop(77)));
        assert_eq!(copy.ethernet(ids[5]), neighbours.ethernet(ids[5]));
        assert_eq!(
            (copy.ethernet(ids[6]), neighbours.ethernet(ids[6])),
            (Some([9; 6]), None)
        );
    }

    #[test]
    fn a_neighbour_that_does_not_answer_is_known_no_longer() {
        let neighbours = Neighbours::default();
        let [hop, fixed] = [1, 2].map(|last| NextHop {
            interface: InterfaceId(1),
            address: IpAddr::from([10, 0, 6, last]),
        });
        let (id, fixed_id) = (neighbours.id(hop).unwrap(), neighbours.id(fixed).unwrap());
        neighbours.doubt(id);
        assert!(!neighbours.is_doubted(id), "nothing is known of it");
        neighbours.learn(hop, [1; 6]);
        neighbours.fix(fixed, [2; 6]);
        for answers in [true, false] {
            for _ in 0..UNANSWERED_MAX {
                assert_eq!(neighbours.ethernet(id), Some([1; 6]));
                neighbours.doubt(id);
                neighbours.doubt(fixed_id);
                assert!(neighbours.is_doubted(id));
            }
            if answers {
                neighbours.learn(hop, [1; 6]);
                assert!(!neighbours.is_doubted(id));
            }
        }
        neighbours.doubt(id);
        assert_eq!(
            (neighbours.ethernet(id), neighbours.is_doubted(id)),
            (None, false)
        );
        neighbours.doubt(fixed_id);
        neighbours.learn(fixed, [9; 6]);
        assert_eq!(neighbours.ethernet(fixed_id), Some([2; 6]));
        assert!(!neighbours.is_doubted(fixed_id));
    }
}
