//! What happens to a packet that a PDR matched.

use std::sync::Arc;

use super::Encapsulation;
use crate::id::{FarId, InterfaceId, NextHopId, PdrId, Qfi, Teid, UrrId};
use crate::ledger::Ledger;
use crate::meter::{Meter, Rate};
use crate::publish::prefetch;
use crate::rule::{Direction, OuterHeaderRemoval};
use crate::usage::Usage;

/// What is checked, counted and done, with the outer header ready to be copied in front. Two cache
/// lines; what goes out on N6 needs the first alone.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Step {
    meter: Option<Arc<Ledger>>,
    rate: Rate,
    usage: Option<Arc<Ledger>>,
    more: Option<Box<More>>,
    /// What to do.
    pub act: Act,
    /// The FAR, for buffering and explanations.
    pub far: FarId,
    urr: UrrId,
    /// The PDR.
    pub pdr: PdrId,
    /// Uplink or downlink, for gates, rates and volumes.
    pub direction: Direction,
    /// The source address has to be the UE's.
    pub check_source: bool,
    /// The QFI its QERs mark with.
    pub qfi: Option<Qfi>,
    /// The outer header to take off.
    pub removal: Option<OuterHeaderRemoval>,
    /// The outer header to put in front, for [`Act::Tunnel`].
    pub encapsulation: Encapsulation,
}

const _: () = assert!(size_of::<Step>() == 128);
const _: () = assert!(std::mem::offset_of!(Step, encapsulation) < 64);

/// A QER's rate in the direction of the step, and where its policer is.
pub(super) type Metered = (Rate, Arc<Ledger>);

/// Policers and counters beyond the first of each.
#[derive(Debug)]
struct More {
    meters: Box<[Metered]>,
    usages: Box<[(UrrId, Arc<Ledger>)]>,
}

/// Apply Action and destination in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Into a tunnel: put [`Step::encapsulation`] in front and send it to the next hop.
    Tunnel {
        /// Where the Ethernet frame goes.
        next_hop: NextHopId,
        /// Our interface towards the next hop.
        interface: InterfaceId,
    },
    /// Out on N6, routed in this VRF.
    Route {
        /// The VRF.
        vrf: InterfaceId,
    },
    /// The FAR says DROP.
    Drop,
    /// A QER's gate is closed.
    GateClosed,
    /// The FAR forwards to Access but has no outer header to create yet.
    NoTunnel,
    /// No route leads to the tunnel's peer.
    NoRoute,
    /// Hold the packet.
    Buffer {
        /// Tell the control side of the first one held.
        notify: bool,
    },
}

impl Step {
    /// A step that drops, for rules to be filled in.
    pub(super) fn new(pdr: PdrId, far: FarId) -> Self {
        Self {
            meter: None,
            rate: Rate::default(),
            usage: None,
            more: None,
            act: Act::Drop,
            far,
            urr: UrrId(0),
            pdr,
            direction: Direction::Uplink,
            check_source: false,
            qfi: None,
            removal: None,
            encapsulation: Encapsulation::default(),
        }
    }

    /// With these policers and counters.
    pub(super) fn with(
        self,
        meters: impl IntoIterator<Item = Metered>,
        usages: impl IntoIterator<Item = (UrrId, Arc<Ledger>)>,
    ) -> Self {
        let (mut meters, mut usages) = (meters.into_iter(), usages.into_iter());
        let (meter, first) = (meters.next(), usages.next());
        let more = More {
            meters: meters.collect(),
            usages: usages.collect(),
        };
        let (rate, meter) = meter.unzip();
        Self {
            meter,
            rate: rate.unwrap_or_default(),
            urr: first.as_ref().map_or(UrrId(0), |(urr, _)| *urr),
            usage: first.map(|(_, usage)| usage),
            more: (!more.meters.is_empty() || !more.usages.is_empty()).then(|| Box::new(more)),
            ..self
        }
    }

    /// The first policer.
    #[inline]
    pub fn meter(&self) -> Option<Meter<'_>> {
        let ledger = self.meter.as_ref()?;
        Some(Meter::new(self.rate, ledger.arrivals(), self.direction))
    }

    /// The first counter.
    #[inline]
    pub fn usage(&self) -> Option<&Usage> {
        self.usage.as_deref().map(Ledger::usage)
    }

    /// Whether there are policers or counters beyond the first of each.
    #[inline]
    pub const fn has_more(&self) -> bool {
        self.more.is_some()
    }

    /// The policers of its QERs: all have to agree.
    pub fn meters(&self) -> impl Iterator<Item = Meter<'_>> {
        let more = self.more.iter().flat_map(|more| &more.meters);
        let more = more.map(|(rate, ledger)| Meter::new(*rate, ledger.arrivals(), self.direction));
        self.meter().into_iter().chain(more)
    }

    /// The counters of its URRs.
    pub fn usages(&self) -> impl Iterator<Item = (UrrId, &Usage)> {
        self.ledgers().map(|(urr, ledger)| (urr, ledger.usage()))
    }

    /// Where the counters of its URRs are.
    pub fn ledgers(&self) -> impl Iterator<Item = (UrrId, &Arc<Ledger>)> {
        let first = self.usage.iter().map(|ledger| (self.urr, ledger));
        let more = self.more.iter().flat_map(|more| &more.usages);
        first.chain(more.map(|(urr, ledger)| (*urr, ledger)))
    }

    /// Starts loading it; all of it for packets that get an outer header.
    #[inline]
    pub(super) fn prefetch(&self, with_header: bool) {
        prefetch(self);
        if with_header {
            prefetch(self.encapsulation.last());
        }
    }

    /// Starts loading what policing and counting will touch.
    #[inline]
    pub(super) fn prefetch_counters(&self) {
        if let Some(ledger) = &self.meter {
            prefetch(&**ledger);
        }
        if let Some(ledger) = &self.usage {
            prefetch(&**ledger);
        }
    }

    /// The peer's TEID and address of [`Act::Tunnel`], for end markers and explanations.
    pub const fn tunnel(&self) -> Option<(Teid, std::net::IpAddr)> {
        self.encapsulation.peer()
    }
}
