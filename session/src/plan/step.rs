//! What happens to a packet that a PDR matched.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{Encapsulation, FirstMatches};
use crate::id::{FarId, InterfaceId, NextHopId, PdrId, Qfi, Teid, UrrId, WorkerId};
use crate::ledger::Ledger;
use crate::limit::Levels;
use crate::meter::{Meter, Rate};
use crate::publish::prefetch;
use crate::rule::{Direction, OuterHeaderRemoval};
use crate::tables::EntryId;
use crate::usage::Usage;

/// What is checked, counted and done, with the outer header ready to be copied in front. Two cache
/// lines; what goes out on N6 needs the first alone.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Step {
    /// Of the first policer, of the first counter, or of both when they share it.
    ledger: Option<Arc<Ledger>>,
    rate: Rate,
    more: Option<Box<More>>,
    /// What to do.
    pub act: Act,
    /// The FAR, for buffering and explanations.
    pub far: FarId,
    urr: UrrId,
    /// The PDR.
    pub pdr: PdrId,
    /// Of the entrance whose first step this is; of no meaning in others.
    pub(super) door: Door,
    is_metered: bool,
    is_counted: bool,
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

/// What a packet asks first at an entrance, so that those whose first PDR matches read of the
/// session no more than that PDR's step.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Door {
    /// The UE's IPv4 address as [`u32::to_ne_bytes`] has it, so that nothing is left empty in the
    /// step; 0 for none.
    pub(super) ue_v4: [u8; 4],
    /// The interface of the F-TEID; `None` for the core side.
    pub(super) interface: Option<InterfaceId>,
    /// The worker that owns the session.
    pub(super) owner: WorkerId,
    pub(super) number: EntryId,
    /// When the first PDR matches.
    pub(super) first_matches: FirstMatches,
    /// There are networks behind the UE.
    pub(super) has_framed: bool,
}

/// A QER's rate in the direction of the step, and where its policer is.
pub(super) type Metered = (Rate, Arc<Ledger>);

/// Where the counters of a URR are.
pub(super) type Counted = (UrrId, Arc<Ledger>);

/// Policers and counters beyond the first of each, and what few rules ask for.
#[derive(Debug)]
struct More {
    meters: Box<[Metered]>,
    usages: Box<[Counted]>,
    levels: Option<Levels>,
    rare: Rare,
}

/// What few rules ask for.
#[derive(Debug, Default)]
pub(super) struct Rare {
    /// Counters of all packets, before QoS enforcement.
    pub(super) before: Box<[Counted]>,
    /// Counters of dropped downlink packets.
    pub(super) dropped: Box<[Counted]>,
    /// What is done once the quota of one of these URRs, and no other, is used up.
    pub(super) spent: Option<(SmallVec<[UrrId; 2]>, Box<Step>)>,
}

impl Rare {
    fn is_empty(&self) -> bool {
        self.before.is_empty() && self.dropped.is_empty() && self.spent.is_none()
    }
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
    /// Out on N6, as an Ethernet frame.
    Bridge {
        /// The N6 interface of the Ethernet network.
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

impl Act {
    /// Whether packets go on.
    #[inline]
    pub const fn forwards(self) -> bool {
        matches!(
            self,
            Self::Tunnel { .. } | Self::Route { .. } | Self::Bridge { .. }
        )
    }
}

impl Door {
    /// Nobody comes in here.
    pub(super) const SHUT: Self = Self {
        ue_v4: [0; 4],
        interface: None,
        owner: WorkerId(0),
        number: EntryId(0),
        first_matches: FirstMatches::Shut,
        has_framed: false,
    };
}

impl Step {
    /// A step that drops, for rules to be filled in.
    pub(super) fn new(pdr: PdrId, far: FarId) -> Self {
        Self {
            ledger: None,
            rate: Rate::default(),
            more: None,
            act: Act::Drop,
            far,
            urr: UrrId(0),
            pdr,
            door: Door::SHUT,
            is_metered: false,
            is_counted: false,
            direction: Direction::Uplink,
            check_source: false,
            qfi: None,
            removal: None,
            encapsulation: Encapsulation::default(),
        }
    }

    /// With these policers and counters, and these levels above the policers.
    pub(super) fn with(
        self,
        meters: impl IntoIterator<Item = Metered>,
        usages: impl IntoIterator<Item = Counted>,
        levels: Option<Levels>,
        rare: Rare,
    ) -> Self {
        let mut meters = meters.into_iter().peekable();
        let mut usages = usages.into_iter().peekable();
        let (rate, mut ledger) = meters.next().unzip();
        let is_metered = ledger.is_some();
        // A counter elsewhere than the policer is one of those beyond the first.
        let first = usages.next_if(|(_, usage)| {
            let policer = ledger.as_ref();
            policer.is_none_or(|policer| Arc::ptr_eq(policer, usage))
        });
        let is_counted = first.is_some();
        let urr = first.as_ref().map_or(UrrId(0), |(urr, _)| *urr);
        ledger = ledger.or_else(|| first.map(|(_, usage)| usage));
        let has_more = meters.peek().is_some()
            || usages.peek().is_some()
            || levels.is_some()
            || !rare.is_empty();
        let more = has_more.then(|| {
            Box::new(More {
                meters: meters.collect(),
                usages: usages.collect(),
                levels,
                rare,
            })
        });
        Self {
            ledger,
            rate: rate.unwrap_or_default(),
            is_metered,
            is_counted,
            urr,
            more,
            ..self
        }
    }

    /// The first policer.
    #[inline]
    pub fn meter(&self) -> Option<Meter<'_>> {
        let ledger = self.ledger.as_ref().filter(|_| self.is_metered)?;
        Some(Meter::new(self.rate, ledger.arrivals(), self.direction))
    }

    /// The first counter, unless it is apart from the policer.
    #[inline]
    pub fn usage(&self) -> Option<&Usage> {
        let ledger = self.ledger.as_deref().filter(|_| self.is_counted)?;
        Some(ledger.usage())
    }

    /// Whether there is more than [`meter`](Self::meter) and [`usage`](Self::usage): policers,
    /// counters, or what few rules ask for.
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

    /// The operator's limits above its QERs.
    pub fn levels(&self) -> Option<&Levels> {
        self.more.as_ref()?.levels.as_ref()
    }

    /// The counters of its URRs.
    pub fn usages(&self) -> impl Iterator<Item = (UrrId, &Usage)> {
        self.ledgers().map(|(urr, ledger)| (urr, ledger.usage()))
    }

    /// Where the counters of its URRs are.
    pub fn ledgers(&self) -> impl Iterator<Item = (UrrId, &Arc<Ledger>)> {
        let counted = self.ledger.iter().filter(|_| self.is_counted);
        let first = counted.map(|ledger| (self.urr, ledger));
        first.chain(self.more_ledgers())
    }

    /// The counters beyond [`usage`](Self::usage).
    pub fn more_usages(&self) -> impl Iterator<Item = &Usage> {
        self.more_ledgers().map(|(_, ledger)| ledger.usage())
    }

    fn more_ledgers(&self) -> impl Iterator<Item = (UrrId, &Arc<Ledger>)> {
        let more = self.more.iter().flat_map(|more| &more.usages);
        more.map(|(urr, ledger)| (*urr, ledger))
    }

    fn rare(&self) -> Option<&Rare> {
        self.more.as_deref().map(|more| &more.rare)
    }

    /// The counters of all packets, before QoS enforcement.
    pub fn before(&self) -> impl Iterator<Item = &Usage> {
        let before = self.rare().into_iter().flat_map(|rare| &rare.before);
        before.map(|(_, ledger)| ledger.usage())
    }

    /// The counters of dropped downlink packets.
    pub fn dropped(&self) -> impl Iterator<Item = (UrrId, &Usage)> {
        let dropped = self.rare().into_iter().flat_map(|rare| &rare.dropped);
        dropped.map(|(urr, ledger)| (*urr, ledger.usage()))
    }

    /// What is done in its place now that a quota is used up; `None`: packets are dropped.
    pub fn spent(&self) -> Option<&Self> {
        let (urrs, instead) = self.rare()?.spent.as_ref()?;
        let mut exhausted = self.usages().filter(|(_, usage)| usage.is_exhausted());
        exhausted
            .all(|(urr, _)| urrs.contains(&urr))
            .then_some(&**instead)
    }

    /// The FAR of [`spent`](Self::spent), while there is quota left.
    pub fn granted(&self) -> Option<FarId> {
        let (_, instead) = self.rare()?.spent.as_ref()?;
        let exhausted = self.usages().any(|(_, usage)| usage.is_exhausted());
        (!exhausted).then_some(instead.far)
    }

    /// Takes back a packet that was counted, and does not leave after all.
    #[cold]
    pub fn void(&self, octets: u16) {
        for (_, usage) in self.usages() {
            usage.void(self.direction, octets);
        }
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
        if let Some(ledger) = &self.ledger {
            prefetch(&**ledger);
        }
    }

    /// The peer's TEID and address of [`Act::Tunnel`], for end markers and explanations.
    pub const fn tunnel(&self) -> Option<(Teid, std::net::IpAddr)> {
        self.encapsulation.peer()
    }
}
