//! Next hops: which Ethernet address a neighbour has. The control side names next hops when it
//! compiles a tunnel, workers when they route; the slow path resolves them.
//!
//! A bounded table in two parts. One only grows: anybody claims its entries by compare-and-swap, and
//! they never move, so that a [`NextHopId`] of it stays good for the life of the process. What is
//! configured and what workers name is there, and has bounds of its own. The other is the control
//! side's, which [names](Neighbours::name) and [unnames](Neighbours::unname) where tunnels lead to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};

use Ordering::{AcqRel, Acquire, Relaxed, Release};

use crate::id::{InterfaceId, NextHopId};

/// How many next hops there can be that stay.
const LASTING: usize = 4096;

/// How many next hops there can be that come and go.
pub const PASSING: u16 = 4096;

/// How many next hops there can be in all.
pub const NEXT_HOPS_MAX: usize = LASTING + 4096;

/// How often a neighbour is asked in vain before it is known no longer.
pub const UNANSWERED_MAX: u8 = 3;

/// Marks an Ethernet address as known.
const KNOWN: u8 = 1;
/// Marks an Ethernet address as one that stays.
const FIXED: u8 = 2;
/// The bits of either mark. Those above count how often the place has changed hands.
const MARK: u8 = 3;

/// A neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NextHop {
    /// The interface it is on.
    pub interface: InterfaceId,
    /// Its IP address.
    pub address: IpAddr,
}

/// A neighbour that comes and goes. One writes; who reads meanwhile finds the one that was there,
/// the one that comes, or none, by the tag before and after.
#[derive(Debug, Default)]
struct Passing {
    /// How often it was written (48 bits), the interface, and the version of IP; that is 0 while
    /// nobody is here.
    tag: AtomicU64,
    /// The IP address.
    high: AtomicU64,
    low: AtomicU64,
}

impl Passing {
    /// Whose place it is from now on; and how often it has changed hands.
    fn set(&self, hop: Option<NextHop>) -> u64 {
        let turn = (self.tag.load(Relaxed) >> 16) + 1;
        self.tag.store(turn << 16, Relaxed);
        // Who sees something of what follows sees that nobody is here, too.
        fence(Release);
        if let Some(hop) = hop {
            let (version, bits) = match hop.address {
                IpAddr::V4(address) => (4, u128::from(Ipv4Addr::to_bits(address))),
                IpAddr::V6(address) => (6, Ipv6Addr::to_bits(address)),
            };
            self.high.store(half(bits >> 64), Relaxed);
            self.low.store(half(bits), Relaxed);
            let tag = turn << 16 | u64::from(hop.interface.0) << 8 | version;
            self.tag.store(tag, Release);
        }
        turn
    }

    fn get(&self) -> Option<NextHop> {
        let tag = self.tag.load(Acquire);
        let [.., interface, version] = tag.to_be_bytes();
        if version == 0 {
            return None;
        }
        let (high, low) = (self.high.load(Relaxed), self.low.load(Relaxed));
        fence(Acquire);
        let address = match version {
            4 => IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(low).unwrap_or_default())),
            _ => IpAddr::V6(Ipv6Addr::from_bits(
                u128::from(high) << 64 | u128::from(low),
            )),
        };
        (self.tag.load(Relaxed) == tag).then_some(NextHop {
            interface: InterfaceId(interface),
            address,
        })
    }
}

/// The lower half.
fn half(bits: u128) -> u64 {
    u64::try_from(bits & u128::from(u64::MAX)).unwrap_or_default()
}

/// All next hops that are named.
#[derive(Debug)]
pub struct Neighbours {
    lasting: Box<[OnceLock<NextHop>]>,
    passing: Box<[Passing]>,
    /// How many of those, from the first on, were ever used.
    used: AtomicUsize,
    /// Of each of both: in memory the octets of the Ethernet address, or 0; how often it was doubted;
    /// and [`KNOWN`], [`FIXED`] or nothing, with how often the place has changed hands.
    ethernet: Box<[AtomicU64]>,
}

impl Default for Neighbours {
    fn default() -> Self {
        Self {
            lasting: (0..LASTING).map(|_| OnceLock::new()).collect(),
            passing: (0..PASSING).map(|_| Passing::default()).collect(),
            used: AtomicUsize::new(0),
            ethernet: (0..NEXT_HOPS_MAX).map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

impl Clone for Neighbours {
    /// Neighbours of the same ids, as they are known now.
    fn clone(&self) -> Self {
        let passing = |there: &Passing| {
            let copy = Passing::default();
            copy.set(there.get());
            copy
        };
        let word = |word: &AtomicU64| AtomicU64::new(word.load(Acquire));
        Self {
            lasting: self.lasting.clone(),
            passing: self.passing.iter().map(passing).collect(),
            used: AtomicUsize::new(self.used.load(Acquire)),
            ethernet: self.ethernet.iter().map(word).collect(),
        }
    }
}

impl Neighbours {
    /// The id of a next hop, made on first use, that stays; `None` when the table is full.
    pub fn id(&self, hop: NextHop) -> Option<NextHopId> {
        self.probe(hop)
            .find_map(|(id, there)| (*there.get_or_init(|| hop) == hop).then_some(id))
    }

    /// The id of a next hop that has been named before to stay. Reads only.
    #[inline]
    pub fn find(&self, hop: NextHop) -> Option<NextHopId> {
        for (id, there) in self.probe(hop) {
            match there.get() {
                Some(found) if *found == hop => return Some(id),
                Some(_) => {}
                None => return None,
            }
        }
        None
    }

    /// Gives one of the [`PASSING`] places to a next hop. For the control side, which alone knows
    /// which are free: those that no plan in force has named since every worker was quiescent.
    pub fn name(&self, place: u16, hop: NextHop) -> Option<NextHopId> {
        let (id, passing) = self.place(place)?;
        self.used.fetch_max(usize::from(place) + 1, Release);
        let turn = passing.set(None);
        let [.., turn] = turn.to_be_bytes();
        let word = u64::from_ne_bytes([0, 0, 0, 0, 0, 0, 0, turn << 2]);
        self.ethernet.get(usize::from(id.0))?.store(word, Release);
        passing.set(Some(hop));
        Some(id)
    }

    /// Takes the place back.
    pub fn unname(&self, place: u16) {
        if let Some((_, passing)) = self.place(place) {
            passing.set(None);
        }
    }

    fn place(&self, place: u16) -> Option<(NextHopId, &Passing)> {
        let id = NextHopId(u16::try_from(LASTING).ok()?.checked_add(place)?);
        Some((id, self.passing.get(usize::from(place))?))
    }

    /// Which neighbour an id stands for.
    pub fn hop(&self, id: NextHopId) -> Option<NextHop> {
        let id = usize::from(id.0);
        match id.checked_sub(LASTING) {
            None => self.lasting.get(id)?.get().copied(),
            Some(place) => self.passing.get(place)?.get(),
        }
    }

    /// The neighbour's Ethernet address, once it is known.
    #[inline]
    pub fn ethernet(&self, id: NextHopId) -> Option<[u8; 6]> {
        let word = self.ethernet.get(usize::from(id.0))?.load(Acquire);
        let [address @ .., _, mark] = word.to_ne_bytes();
        (mark & MARK != 0).then_some(address)
    }

    /// Remembers a neighbour's Ethernet address, as it says itself, if anybody asked for that
    /// neighbour and its address is not [fixed](Self::fix).
    pub fn learn(&self, hop: NextHop, ethernet: [u8; 6]) {
        self.put(hop, |old| !is_fixed(old), (ethernet, KNOWN));
    }

    /// Gives a neighbour that was named an Ethernet address that stays, whatever it says or does not.
    pub fn fix(&self, hop: NextHop, ethernet: [u8; 6]) {
        self.put(hop, |_| true, (ethernet, FIXED));
    }

    fn put(&self, hop: NextHop, may: impl Fn(u64) -> bool, (ethernet, mark): ([u8; 6], u8)) {
        let used = self.passing.iter().zip(0..);
        let used = used.take(self.used.load(Acquire));
        let passing = used.filter(|(there, _)| there.get() == Some(hop));
        let passing = passing.filter_map(|(_, place)| Some(self.place(place)?.0));
        for id in self.find(hop).into_iter().chain(passing) {
            // Another may get the place meanwhile: then the word is not what it was.
            let is_it = |old| may(old) && self.hop(id) == Some(hop);
            self.change(id, |old| is_it(old).then(|| word(ethernet, 0, (mark, old))));
        }
    }

    /// Notes that a neighbour is asked whether it is still there. One that was asked
    /// [so often](UNANSWERED_MAX) and was not heard since is known no longer.
    pub fn doubt(&self, id: NextHopId) {
        self.change(id, |old| {
            let [address @ .., doubts, mark] = old.to_ne_bytes();
            match mark & MARK {
                KNOWN if doubts >= UNANSWERED_MAX => Some(word([0; 6], 0, (0, old))),
                KNOWN => Some(word(address, doubts + 1, (KNOWN, old))),
                _ => None,
            }
        });
    }

    /// Whether a neighbour that is known was asked, and not heard since.
    pub fn is_doubted(&self, id: NextHopId) -> bool {
        let word = self.ethernet.get(usize::from(id.0));
        let word = word.map_or(0, |word| word.load(Relaxed));
        let [.., doubts, _] = word.to_ne_bytes();
        doubts > 0
    }

    /// What is known of a neighbour becomes what `new` makes of it, if anything.
    fn change(&self, id: NextHopId, new: impl Fn(u64) -> Option<u64>) {
        let word = self.ethernet.get(usize::from(id.0));
        // Nothing new is no fault.
        let _ = word.map(|word| word.fetch_update(AcqRel, Acquire, new));
    }

    /// All ids that were ever used are below this.
    #[inline]
    pub fn span(&self) -> usize {
        LASTING + self.used.load(Acquire)
    }

    /// Every next hop there is.
    pub fn all(&self) -> impl Iterator<Item = (NextHopId, NextHop)> + '_ {
        let ids = (0..self.span()).filter_map(|id| u16::try_from(id).ok());
        ids.map(NextHopId)
            .filter_map(|id| Some((id, self.hop(id)?)))
    }

    fn probe(&self, hop: NextHop) -> impl Iterator<Item = (NextHopId, &OnceLock<NextHop>)> {
        let bits = match hop.address {
            IpAddr::V4(address) => u64::from(Ipv4Addr::to_bits(address)),
            IpAddr::V6(address) => {
                let bits = Ipv6Addr::to_bits(address);
                half((bits >> 64) ^ bits)
            }
        };
        let hash = (bits ^ u64::from(hop.interface.0) << 56).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let home = usize::try_from(hash >> 52).unwrap_or_default();
        (0..self.lasting.len()).filter_map(move |step| {
            let at = (home + step) % self.lasting.len();
            Some((NextHopId(u16::try_from(at).ok()?), self.lasting.get(at)?))
        })
    }
}

/// What is known of a neighbour, in a place that has not changed hands since it was `old`.
const fn word([a, b, c, d, e, f]: [u8; 6], doubts: u8, (mark, old): (u8, u64)) -> u64 {
    let [.., turn] = old.to_ne_bytes();
    u64::from_ne_bytes([a, b, c, d, e, f, doubts, mark | turn & !MARK])
}

const fn is_fixed(word: u64) -> bool {
    let [.., mark] = word.to_ne_bytes();
    mark & MARK == FIXED
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

    #[test]
    fn a_place_that_changes_hands_keeps_nothing_of_who_was_there() {
        let neighbours = Neighbours::default();
        let hop = |address: &str| NextHop {
            interface: InterfaceId(3),
            address: address.parse().unwrap(),
        };
        let (old, new) = (hop("10.0.3.9"), hop("2001:db8::9"));
        let id = neighbours.name(7, old).unwrap();
        assert_eq!(neighbours.hop(id), Some(old));
        assert_eq!(neighbours.find(old), None);
        neighbours.learn(old, [1; 6]);
        assert_eq!(neighbours.ethernet(id), Some([1; 6]));
        let copy = neighbours.clone();
        assert_eq!((copy.hop(id), copy.ethernet(id)), (Some(old), Some([1; 6])));

        neighbours.unname(7);
        assert_eq!(neighbours.hop(id), None);
        assert_eq!(neighbours.all().count(), 0);
        assert_eq!(neighbours.name(7, new), Some(id));
        assert_eq!(neighbours.all().collect::<Vec<_>>(), [(id, new)]);
        assert_eq!(neighbours.ethernet(id), None);
        neighbours.learn(old, [2; 6]);
        assert_eq!(neighbours.ethernet(id), None);
        neighbours.learn(new, [3; 6]);
        assert_eq!(neighbours.ethernet(id), Some([3; 6]));
        for _ in 0..=UNANSWERED_MAX {
            neighbours.doubt(id);
        }
        assert_eq!(neighbours.ethernet(id), None);
        neighbours.learn(new, [4; 6]);
        assert_eq!(neighbours.ethernet(id), Some([4; 6]));
        assert_eq!(neighbours.name(PASSING, new), None);
    }

    #[test]
    fn who_reads_while_a_place_changes_hands_sees_one_or_the_other() {
        let neighbours = Neighbours::default();
        let hop = |n: u8| NextHop {
            interface: InterfaceId(n),
            address: IpAddr::V6([u16::from(n); 8].into()),
        };
        let id = neighbours.name(0, hop(1)).unwrap();
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let seen = (0..20_000).filter_map(|_| neighbours.hop(id));
                seen.filter(|seen| *seen != hop(seen.interface.0)).count()
            });
            for n in 0..20_000_u32 {
                neighbours.unname(0);
                neighbours.name(0, hop(n.to_be_bytes()[3]));
            }
            assert_eq!(reader.join().unwrap(), 0);
        });
    }
}
