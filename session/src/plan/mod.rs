//! Rules compiled for one packet: flat, index-linked, immutable.
//!
//! A packet comes in by an [`Entrance`] (the core side, or one of the session's tunnels). The PDRs of
//! an entrance lie side by side, best precedence first, as [`Matcher`]s (16 octets each, four to a
//! cache line); the first that matches names the [`Step`]: what is checked, counted and done, with
//! the outer header ready to be copied in front. The first step of an entrance also holds what is
//! asked of every packet that comes in there.

mod compile;
mod encapsulation;
mod enforcement;
mod entrance;
mod error;
mod filter;
mod frames;
mod ids;
mod layout;
mod sieve;
mod step;
mod way;

pub use compile::{Compiled, Context, Installed, ue_of};
pub use encapsulation::Encapsulation;
pub use entrance::Entrance;
use entrance::is_ue_v4;
pub use error::CompileError;
use filter::Filter;
use frames::Frames;
pub use frames::{FrameArrival, Heard};
pub use layout::{Keys, Layout};
use sieve::{LANES, Sieve, Traits, Ue};
use step::Door;
pub use step::{Act, Step};

use std::net::Ipv6Addr;
use std::sync::atomic::AtomicU32;

use ipnet::Ipv6Net;

use crate::id::{FarId, InterfaceId, PdrId, Qfi, Seid, SessionIndex, index};
use crate::inner::{Inner, Transport};
use crate::publish::prefetch;
use crate::rule::UeAddress;
use crate::tables::EntryId;

/// A session as its worker sees it: the first steps of its first entrances, which is all that IPv4
/// packets of a session with a PDR each way need, then the rest.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct Plan {
    steps: Steps,
    /// Where it is in the tables.
    pub session: SessionIndex,
    /// The most packets that it may hold while buffering.
    pub buffer_packets: u16,
    /// How many entries of the tables lead here; the publisher's.
    pub(crate) entries_here: AtomicU32,
    /// The UE's IPv4 address; 0 for none.
    ue_v4: u32,
    /// The first entrances; those that are not there have no PDR.
    entries: [Entry; 4],
    more_entries: Box<[Entry]>,
    matchers: Box<[Matcher]>,
    filters: Box<[Filter]>,
    /// Of the entrances that have more than a few PDRs.
    sieves: Box<[Sieve]>,
    /// Of an Ethernet session, whose matchers look there for their filters.
    frames: Option<Box<Frames>>,
    /// The UE's IPv6 prefix, its host bits 0.
    ue_v6: u128,
    /// The mask of the prefix; 0 for none.
    ue_v6_mask: u128,
    /// Sets of networks behind the UE, as values and masks.
    framed: Box<[Networks]>,
    /// Our SEID.
    pub seid: Seid,
    /// How long packets are held, in seconds; 0 is the usual time.
    pub hold_s: u32,
    /// The number of its SMF, whose sessions have bounds on what they hold together.
    pub smf: u16,
}

const _: () = assert!(size_of::<Matcher>() == 16);
const _: () = assert!(std::mem::offset_of!(Plan, steps) == 0);

/// The steps of all entrances. The first ones of the first two, which is all that most sessions
/// have, lie in the plan itself.
#[derive(Debug)]
#[repr(C)]
struct Steps {
    near: [Step; NEAR],
    far: Box<[Step]>,
}

/// How many entrances have their first step in the plan itself.
const NEAR: usize = 2;

/// Networks, as values and masks.
type Networks = Box<[(u128, u128)]>;

/// Where the PDRs of an entrance are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Entry {
    /// Its first matcher.
    first: u8,
    count: u8,
    /// The second of its steps among the far ones.
    second: u8,
    /// Its first sieve and one more, or 0 for none.
    sieve: u8,
    /// Its sieves look at where packets come from, not at where they go to.
    at_source: bool,
}

/// What decides, at a glance, that the first PDR of an entrance matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FirstMatches {
    /// Nothing has to.
    Always,
    /// The packet's source is the UE's.
    FromUe,
    /// The packet's destination is the UE's.
    ToUe,
    /// Its matcher.
    Asked,
    /// What comes is no IP packet: its own matchers.
    Frames,
    /// There is none.
    Shut,
}

/// What a PDR matches, beyond its entry.
#[derive(Clone, Copy, Debug)]
struct Matcher {
    /// A bit per QFI that matches; all bits when any does, even none.
    qfis: u64,
    first_filter: u16,
    filters: u8,
    /// What the sieve leaves of packets is all that its filters take.
    is_sieved: bool,
    /// The PDI's UE IP Address, if it has one.
    ue: Option<UeMatch>,
    any_qfi: bool,
}

/// Which of the UE's addresses the PDI names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct UeMatch {
    /// It is the packet's source: the packet comes from Access.
    is_source: bool,
    family: UeFamily,
    /// Besides, the set of networks behind the UE at that place of the plan, less one; 0 for none.
    framed: u8,
}

/// The IPv4 address, the IPv6 prefix, or either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UeFamily {
    V4,
    V6,
    Both,
}

impl UeFamily {
    /// Of the addresses that there are; `None` when there are none.
    const fn of(address: &UeAddress) -> Option<Self> {
        match (address.ipv4, address.ipv6) {
            (Some(_), Some(_)) => Some(Self::Both),
            (Some(_), None) => Some(Self::V4),
            (None, Some(_)) => Some(Self::V6),
            (None, None) => None,
        }
    }

    #[inline]
    const fn has_v4(self) -> bool {
        matches!(self, Self::V4 | Self::Both)
    }

    #[inline]
    const fn has_v6(self) -> bool {
        matches!(self, Self::V6 | Self::Both)
    }
}

/// A packet as the plan sees it.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// The user packet.
    pub inner: Inner<'a>,
    /// The QFI of its PDU session container, if it came with one.
    pub qfi: Option<Qfi>,
}

impl Plan {
    /// Starts loading what a packet that comes in by `entry` will likely read of it.
    #[inline]
    pub(crate) fn prefetch_lines(&self, entry: EntryId) {
        match self.steps.near.get(usize::from(entry.0)) {
            // From the core the way leads into a tunnel.
            Some(step) => step.prefetch(entry == EntryId(0)),
            None => prefetch(&self.session),
        }
    }

    /// The entrance of that number, if the session (still) has it, and a PDR for it.
    #[inline]
    pub fn entrance(&self, number: EntryId) -> Option<Entrance<'_>> {
        let first = match self.steps.near.get(usize::from(number.0)) {
            Some(first) => {
                Some(first).filter(|first| first.door.first_matches != FirstMatches::Shut)
            }
            None => self.far_door(number),
        };
        first.map(|first| Entrance { plan: self, first })
    }

    #[inline(never)]
    fn far_door(&self, number: EntryId) -> Option<&Step> {
        let entry = self.entry(number).filter(|entry| entry.count > 0)?;
        self.steps
            .far
            .get(usize::from(entry.second).checked_sub(1)?)
    }

    fn entry(&self, number: EntryId) -> Option<&Entry> {
        let number = usize::from(number.0);
        self.entries.get(number).or_else(|| {
            self.more_entries
                .get(number.checked_sub(self.entries.len())?)
        })
    }

    /// Asks one PDR of an entrance after the other, those alone that a sieve leaves where there is
    /// one. The place of the one that matches.
    #[inline]
    fn search(&self, entry: Entry, arrival: &Arrival<'_>) -> Option<usize> {
        let first = usize::from(entry.first);
        let matchers = self.matchers.get(first..first + usize::from(entry.count))?;
        let transport = arrival.inner.transport();
        let wants = |matcher: &Matcher| {
            matcher.takes(arrival.qfi) && matcher.ue.is_none_or(|ue| self.ue_matches(ue, arrival))
        };
        let filtered = |matcher: &Matcher| self.filters_match(matcher, arrival, transport);
        let Some(sieve) = usize::from(entry.sieve).checked_sub(1) else {
            let asked =
                |matcher: &Matcher| wants(matcher) && (matcher.filters == 0 || filtered(matcher));
            return matchers.iter().position(asked);
        };
        let traits = Traits::of(&arrival.inner, transport, entry.at_source);
        let asked = |matcher: &Matcher| wants(matcher) && (matcher.is_sieved || filtered(matcher));
        let sieves = self.sieves.get(sieve..)?;
        let mut sieves = sieves.get(..matchers.len().div_ceil(LANES))?;
        let mut done = 0;
        while let Some((skipped, mut left)) = Sieve::first_that_leaves(sieves, traits) {
            while left != 0 {
                let place = done + skipped * LANES + index(left.trailing_zeros());
                if matchers.get(place).is_some_and(asked) {
                    return Some(place);
                }
                left &= left - 1;
            }
            done += (skipped + 1) * LANES;
            sieves = sieves.get(skipped + 1..)?;
        }
        None
    }

    fn ue_matches(&self, ue: UeMatch, arrival: &Arrival<'_>) -> bool {
        let inner = &arrival.inner;
        let own = if inner.is_v6() {
            ue.family.has_v6()
        } else {
            ue.family.has_v4()
        };
        let own = own
            && if ue.is_source {
                self.comes_from_ue(inner)
            } else {
                self.goes_to_ue(inner)
            };
        own || (ue.framed != 0 && self.is_framed(ue, inner))
    }

    #[inline(never)]
    fn is_framed(&self, ue: UeMatch, inner: &Inner<'_>) -> bool {
        let bits = if ue.is_source {
            inner.source_bits()
        } else {
            inner.destination_bits()
        };
        let set = self.framed.get(usize::from(ue.framed).wrapping_sub(1));
        set.is_some_and(|set| lies_in(set, bits))
    }

    #[inline(never)]
    fn filters_match(
        &self,
        matcher: &Matcher,
        arrival: &Arrival<'_>,
        transport: Transport,
    ) -> bool {
        let filters = self.filters.get(matcher.filter_range());
        filters
            .unwrap_or_default()
            .iter()
            .any(|filter| filter.matches(&arrival.inner, transport))
    }

    #[inline(never)]
    fn comes_from_behind(&self, inner: &Inner<'_>) -> bool {
        let bits = inner.source_bits();
        self.framed.iter().any(|set| lies_in(set, bits))
    }

    /// Whether the packet's source is the UE's own.
    #[inline]
    fn comes_from_ue(&self, inner: &Inner<'_>) -> bool {
        if inner.is_v6() {
            self.source_is_ue_v6(*inner)
        } else {
            is_ue_v4(self.ue_v4, inner.source_v4())
        }
    }

    /// Whether the packet's destination is the UE's own.
    #[inline]
    fn goes_to_ue(&self, inner: &Inner<'_>) -> bool {
        if inner.is_v6() {
            self.destination_is_ue_v6(*inner)
        } else {
            is_ue_v4(self.ue_v4, inner.destination_v4())
        }
    }

    #[inline(never)]
    fn source_is_ue_v6(&self, inner: Inner<'_>) -> bool {
        self.prefix_has(inner.source_bits())
    }

    #[inline(never)]
    fn destination_is_ue_v6(&self, inner: Inner<'_>) -> bool {
        self.prefix_has(inner.destination_bits())
    }

    #[inline]
    const fn prefix_has(&self, address: u128) -> bool {
        self.ue_v6_mask != 0 && address & self.ue_v6_mask == self.ue_v6
    }

    /// The UE's IPv6 prefix.
    pub const fn ue_prefix(&self) -> Option<Ipv6Net> {
        // Lossless: there are at most 128.
        let [length, ..] = self.ue_v6_mask.leading_ones().to_le_bytes();
        match Ipv6Net::new(Ipv6Addr::from_bits(self.ue_v6), length) {
            Ok(prefix) if length > 0 => Some(prefix),
            _ => None,
        }
    }

    /// The VRF that the UE's packets leave by, of its last rule that has one: those before it may
    /// follow a policy.
    pub fn vrf(&self) -> Option<InterfaceId> {
        let routed = self.steps().filter_map(|step| match step.act {
            Act::Route { vrf } => Some(vrf),
            _ => None,
        });
        routed.last()
    }

    /// The steps, for explanations and statistics: those of an entrance side by side, best
    /// precedence first.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        let count = self.entries.len() + self.more_entries.len();
        let entrances = (0..=u8::MAX).take(count).filter_map(|number| {
            let number = EntryId(number);
            Some((self.entrance(number)?, self.entry(number)?))
        });
        entrances.flat_map(|(entrance, entry)| {
            (0..usize::from(entry.count)).filter_map(move |place| entrance.step(*entry, place))
        })
    }
}

fn lies_in(set: &[(u128, u128)], bits: u128) -> bool {
    set.iter().any(|(value, mask)| bits & mask == *value)
}

impl Matcher {
    /// Whether it takes packets of that QoS flow.
    #[inline]
    fn takes(&self, qfi: Option<Qfi>) -> bool {
        self.any_qfi || qfi.is_some_and(|qfi| self.qfis >> qfi.get() & 1 == 1)
    }

    /// Where its filters are among those of the plan.
    fn filter_range(&self) -> std::ops::Range<usize> {
        let first = usize::from(self.first_filter);
        first..first + usize::from(self.filters)
    }
}

impl Default for Steps {
    fn default() -> Self {
        Self {
            near: std::array::from_fn(|_| Step::new(PdrId(0), FarId(0))),
            far: Box::default(),
        }
    }
}

impl Steps {
    /// Of the steps of all entrances, one entrance after the other. Says in `entries` where they are.
    fn new(steps: impl IntoIterator<Item = Step>, entries: &mut [Entry]) -> Self {
        let Self { mut near, .. } = Self::default();
        let mut far = Vec::new();
        let mut steps = steps.into_iter();
        for (number, entry) in entries.iter_mut().enumerate() {
            let mut own = steps.by_ref().take(entry.count.into());
            match (near.get_mut(number), own.next()) {
                (Some(place), Some(first)) => *place = first,
                (_, first) => far.extend(first),
            }
            // There are no more of them than one octet counts.
            entry.second = u8::try_from(far.len()).unwrap_or(u8::MAX);
            far.extend(own);
        }
        Self {
            near,
            far: far.into(),
        }
    }
}
