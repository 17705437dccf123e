//! Rules compiled for one packet: flat, index-linked, immutable.
//!
//! A packet comes in by an [`Entry`] (the core side, or one of the session's tunnels). The PDRs of
//! an entry lie side by side, best precedence first, as [`Matcher`]s (16 octets each, four to a
//! cache line); the first that matches names the [`Step`]: what is checked, counted and done, with
//! the outer header ready to be copied in front.

mod compile;
mod encapsulation;
mod filter;
mod layout;

use std::sync::Arc;

use smallvec::SmallVec;

pub use compile::{CompileError, Compiled, Context, Installed, ue_of};
pub use encapsulation::Encapsulation;
use filter::Filter;
pub use layout::Layout;

use crate::id::{
    FarId, InterfaceId, NextHopId, PdrId, Qfi, Seid, SessionIndex, Teid, UrrId, WorkerId,
};
use crate::inner::Inner;
use crate::meter::Meter;
use crate::publish::prefetch;
use crate::rule::{Direction, OuterHeaderRemoval};
use crate::tables::EntryId;
use crate::usage::Usage;

/// A session as its worker sees it. The first two cache lines hold all that IPv4 packets need.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Plan {
    steps: Box<[Step]>,
    matchers: Box<[Matcher]>,
    entries: SmallVec<[Entry; 4]>,
    /// Where it is in the tables.
    pub session: SessionIndex,
    /// The worker that owns it.
    pub owner: WorkerId,
    /// The most packets that it may hold while buffering.
    pub buffer_packets: u16,
    /// Our SEID.
    pub seid: Seid,
    /// The UE's IPv4 address as bits in the IPv4-mapped range; 0 for none.
    ue_v4: u128,
    filters: Box<[Filter]>,
    /// What only reports and explanations need.
    urrs: Box<[(UrrId, Arc<Usage>)]>,
    /// The UE's IPv6 prefix, its host bits 0.
    ue_v6: u128,
    /// The mask of the prefix; 0 for none.
    ue_v6_mask: u128,
}

// What comes first is one line, and what follows up to the IPv6 prefix another.
const _: () = assert!(std::mem::offset_of!(Plan, ue_v6) <= 128);
const _: () =
    assert!(std::mem::offset_of!(Step, encapsulation) + size_of::<Encapsulation>() <= 128);

/// A way into the session: the PDRs of one F-TEID, or of the core side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The interface of the F-TEID; `None` for the core side.
    pub interface: Option<InterfaceId>,
    first: u8,
    count: u8,
    /// The first PDR matches whatever comes.
    unconditional: bool,
}

/// What a PDR matches, beyond its entry.
#[derive(Clone, Copy, Debug)]
struct Matcher {
    /// A bit per QFI that matches; all bits when any does, even none.
    qfis: u64,
    first_filter: u16,
    filters: u8,
    /// The PDI's UE IP Address, if it has one.
    ue: Option<UeMatch>,
    any_qfi: bool,
}

/// Which of the UE's addresses the PDI names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct UeMatch {
    /// It is the packet's source: the packet comes from Access.
    is_source: bool,
    /// The IPv4 address.
    v4: bool,
    /// The IPv6 prefix.
    v6: bool,
}

/// What happens to a packet that a PDR matched.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Step {
    /// The policers of its QERs: all have to agree.
    pub meters: SmallVec<[Arc<Meter>; 1]>,
    /// The counters of its URRs.
    pub usages: SmallVec<[Arc<Usage>; 1]>,
    /// What to do.
    pub act: Act,
    /// The PDR.
    pub pdr: PdrId,
    /// Uplink or downlink, for gates, rates and volumes.
    pub direction: Direction,
    /// The source address has to be the UE's.
    pub check_source: bool,
    /// The outer header to take off.
    pub removal: Option<OuterHeaderRemoval>,
    /// The outer header to put in front, for [`Act::Tunnel`].
    pub encapsulation: Encapsulation,
    /// The FAR, for buffering and explanations.
    pub far: FarId,
    /// The QFI its QERs mark with.
    pub qfi: Option<Qfi>,
}

/// Apply Action and destination in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// The FAR says DROP.
    Drop,
    /// A QER's gate is closed.
    GateClosed,
    /// The FAR forwards to Access but has no outer header to create yet.
    NoTunnel,
    /// No route leads to the tunnel's peer.
    NoRoute,
    /// Into a tunnel: put [`Step::encapsulation`] in front and send it to the next hop.
    Tunnel {
        /// Where the Ethernet frame goes.
        next_hop: NextHopId,
    },
    /// Out on N6, routed in this VRF.
    Route {
        /// The VRF.
        vrf: InterfaceId,
    },
    /// Hold the packet.
    Buffer {
        /// Tell the control side of the first one held.
        notify: bool,
    },
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
    /// Starts loading what an IPv4 packet will read of it.
    #[inline]
    pub(crate) fn prefetch_lines(&self) {
        prefetch(self);
        prefetch(&self.ue_v4);
    }

    /// The entrance of that number, if the session (still) has it.
    #[inline]
    pub fn entry(&self, entry: EntryId) -> Option<Entry> {
        self.entries
            .get(usize::from(entry.0))
            .copied()
            .filter(|entry| entry.count > 0)
    }

    /// Starts loading what [`classify`](Self::classify) will read.
    #[inline]
    pub fn prefetch(&self, entry: Entry) {
        let first = usize::from(entry.first);
        if let Some(step) = self.steps.get(first) {
            prefetch(step);
            prefetch(step.encapsulation.last());
        }
        if !entry.unconditional
            && let Some(matcher) = self.matchers.get(first)
        {
            prefetch(matcher);
        }
    }

    /// Starts loading what the likeliest PDR of the entrance polices and counts by; its
    /// [`prefetch`](Self::prefetch) has to have come before.
    #[inline]
    pub fn prefetch_counters(&self, entry: Entry) {
        if let Some(step) = self.steps.get(usize::from(entry.first)) {
            step.prefetch();
        }
    }

    /// The first PDR of the entrance, by precedence, that the packet matches (TS 29.244, 5.2.1).
    #[inline]
    pub fn classify(&self, entry: Entry, arrival: &Arrival<'_>) -> Option<&Step> {
        let first = usize::from(entry.first);
        if entry.unconditional {
            return self.steps.get(first);
        }
        let range = first..first + usize::from(entry.count);
        let position = self
            .matchers
            .get(range)?
            .iter()
            .position(|matcher| self.matches(matcher, arrival))?;
        self.steps.get(first + position)
    }

    fn matches(&self, matcher: &Matcher, arrival: &Arrival<'_>) -> bool {
        let qfi = matcher.any_qfi
            || arrival
                .qfi
                .is_some_and(|qfi| matcher.qfis >> qfi.get() & 1 == 1);
        qfi && matcher.ue.is_none_or(|ue| self.ue_matches(ue, arrival))
            && (matcher.filters == 0 || self.filters_match(matcher, arrival))
    }

    fn ue_matches(&self, ue: UeMatch, arrival: &Arrival<'_>) -> bool {
        let bits = if ue.is_source {
            arrival.inner.source_bits()
        } else {
            arrival.inner.destination_bits()
        };
        if arrival.inner.is_v6() {
            ue.v6 && bits & self.ue_v6_mask == self.ue_v6
        } else {
            ue.v4 && bits == self.ue_v4
        }
    }

    #[inline(never)]
    fn filters_match(&self, matcher: &Matcher, arrival: &Arrival<'_>) -> bool {
        let first = usize::from(matcher.first_filter);
        let filters = self
            .filters
            .get(first..first + usize::from(matcher.filters));
        let transport = arrival.inner.transport();
        filters
            .unwrap_or_default()
            .iter()
            .any(|filter| filter.matches(&arrival.inner, transport))
    }

    /// Whether the packet's source is the UE's own. A session without any UE address (an
    /// intermediate UPF's) has nothing to compare with.
    #[inline]
    pub fn source_is_ue(&self, inner: &Inner<'_>) -> bool {
        let bits = inner.source_bits();
        if inner.is_v6() {
            self.ue_v6_mask != 0 && bits & self.ue_v6_mask == self.ue_v6
        } else {
            bits == self.ue_v4
        }
    }

    /// The steps, for explanations and statistics.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The URR that a counter belongs to.
    pub fn urr_of(&self, usage: &Arc<Usage>) -> Option<UrrId> {
        self.urrs
            .iter()
            .find(|(_, other)| Arc::ptr_eq(usage, other))
            .map(|(urr, _)| *urr)
    }
}

impl Step {
    /// Starts loading what policing and counting will touch.
    #[inline]
    pub fn prefetch(&self) {
        if let Some(meter) = self.meters.first() {
            prefetch(&**meter);
        }
        if let Some(usage) = self.usages.first() {
            prefetch(&**usage);
        }
    }

    /// The peer's TEID and address of [`Act::Tunnel`], for end markers and explanations.
    pub const fn tunnel(&self) -> Option<(Teid, std::net::IpAddr)> {
        self.encapsulation.peer()
    }
}
