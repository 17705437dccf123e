//! What a packet asks of a session at the entrance it came in by.

use super::{Act, Arrival, Entry, FirstMatches, Plan, Step};
use crate::id::{InterfaceId, Qfi, WorkerId};
use crate::inner::Inner;
use crate::publish::prefetch;
use crate::rule::Direction;

/// A way into the session: the PDRs of one F-TEID, or of the core side.
#[derive(Clone, Copy, Debug)]
pub struct Entrance<'a> {
    pub(super) plan: &'a Plan,
    pub(super) first: &'a Step,
}

impl<'a> Entrance<'a> {
    /// The session.
    #[inline]
    pub const fn plan(self) -> &'a Plan {
        self.plan
    }

    /// The interface of the F-TEID; `None` for the core side.
    #[inline]
    pub const fn interface(self) -> Option<InterfaceId> {
        self.first.door.interface
    }

    /// The worker that owns the session.
    #[inline]
    pub const fn owner(self) -> WorkerId {
        self.first.door.owner
    }

    /// Whether Ethernet frames come in here, for [`classify_frame`](Self::classify_frame).
    #[inline]
    pub fn takes_frames(self) -> bool {
        self.first.door.first_matches == FirstMatches::Frames
    }

    /// Starts loading what comes after the first step.
    #[inline]
    pub fn prefetch(self) {
        self.first.prefetch_counters();
        if self.first.door.first_matches == FirstMatches::Asked {
            prefetch(&self.plan.session);
        }
    }

    /// The first PDR of the entrance, by precedence, that the packet matches (TS 29.244, 5.2.1).
    #[inline]
    pub fn classify(self, arrival: &Arrival<'_>) -> Option<&'a Step> {
        let matches = match self.first.door.first_matches {
            FirstMatches::Always => true,
            FirstMatches::FromUe => self.comes_from_ue(&arrival.inner),
            FirstMatches::ToUe => self.goes_to_ue(&arrival.inner),
            FirstMatches::Asked | FirstMatches::Frames | FirstMatches::Shut => false,
        };
        if matches {
            return Some(self.first);
        }
        self.search(*arrival)
    }

    #[inline(never)]
    fn search(self, arrival: Arrival<'_>) -> Option<&'a Step> {
        let entry = self.plan.entry(self.first.door.number)?;
        let place = self.plan.search(*entry, &arrival)?;
        self.step(*entry, place)
    }

    /// The rule by which an End Marker that came in here goes on (TS 29.281, 7.3.2): it is about the
    /// tunnel, whatever packets the PDRs want in it. So the first counts that leads on to the UE by
    /// another tunnel, one of the marker's QoS flow if there is one.
    pub fn onwards(self, qfi: Option<Qfi>) -> Option<&'a Step> {
        let entry = *self.plan.entry(self.first.door.number)?;
        let leads_on = |place| {
            let step = self.step(entry, place);
            step.filter(|step| step.direction == Direction::Downlink)
                .filter(|step| matches!(step.act, Act::Tunnel { .. }))
        };
        let of_flow = |place: &usize| {
            let matcher = self.plan.matchers.get(usize::from(entry.first) + place);
            matcher.is_some_and(|matcher| matcher.takes(qfi))
        };
        let all = 0..usize::from(entry.count);
        let flow = all.clone().filter(of_flow).find_map(leads_on);
        flow.or_else(|| all.clone().find_map(leads_on))
    }

    /// The step of the PDR at that place of the entrance.
    #[inline]
    pub(super) fn step(self, entry: Entry, place: usize) -> Option<&'a Step> {
        match place.checked_sub(1) {
            None => Some(self.first),
            Some(beyond) => self.plan.steps.far.get(usize::from(entry.second) + beyond),
        }
    }

    /// Whether the packet's source is the UE's own, or lies behind the UE. A session without any UE
    /// address (an intermediate UPF's) has nothing to compare with.
    #[inline]
    pub fn source_is_ue(self, inner: &Inner<'_>) -> bool {
        self.comes_from_ue(inner)
            || (self.first.door.has_framed && self.plan.comes_from_behind(inner))
    }

    #[inline]
    fn comes_from_ue(self, inner: &Inner<'_>) -> bool {
        if inner.is_v6() {
            self.plan.source_is_ue_v6(*inner)
        } else {
            is_ue_v4(u32::from_ne_bytes(self.first.door.ue_v4), inner.source_v4())
        }
    }

    #[inline]
    fn goes_to_ue(self, inner: &Inner<'_>) -> bool {
        if inner.is_v6() {
            self.plan.destination_is_ue_v6(*inner)
        } else {
            is_ue_v4(
                u32::from_ne_bytes(self.first.door.ue_v4),
                inner.destination_v4(),
            )
        }
    }
}

/// Whether an address is the UE's; 0 is that of none.
#[inline]
pub(super) const fn is_ue_v4(ue: u32, address: u32) -> bool {
    ue == address && ue != 0
}
