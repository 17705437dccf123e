//! Ethernet networks: where their frames leave, and which stations are heard in them.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use session::InterfaceId;
use session::ethernet::Station;
use session::topology::{EthernetNetwork, Topology, UeToUe};
use session::usage::Moment;

use super::InterfaceLink;

/// How many stations of the data network are remembered. Two that share a place push each other out.
const OUTSIDE: usize = 1 << 13;

/// An Ethernet network. A clone knows what it knew, and hears for itself.
#[derive(Clone, Debug)]
pub(crate) struct Bridge {
    pub(crate) way: Way,
    pub(crate) copies_per_second: u32,
    aging: u32,
    move_after: u32,
    outside: Box<[Outside]>,
}

/// Where its frames leave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    pub(crate) port: u16,
    pub(crate) vlan: Option<u16>,
    /// The largest payload of a frame.
    pub(crate) mtu: u16,
    /// Whether stations behind UEs reach each other inside the UPF.
    pub(crate) ue_to_ue: UeToUe,
}

/// A station of the data network, and when it was heard. All workers write these: whichever writes
/// last is as right as the others.
#[derive(Debug, Default)]
struct Outside {
    station: AtomicU64,
    heard: AtomicU32,
}

impl Clone for Outside {
    fn clone(&self) -> Self {
        Self {
            station: AtomicU64::new(self.station.load(Relaxed)),
            heard: AtomicU32::new(self.heard.load(Relaxed)),
        }
    }
}

/// How many tenths of a second, as a [`Moment`] counts, have passed between two moments.
const fn between(then: Moment, now: Moment) -> u32 {
    let passed = now.0.wrapping_sub(then.0);
    // Another worker may see the time a little before this one.
    if passed > u32::MAX / 2 { 0 } else { passed }
}

impl Bridge {
    /// Those of a topology, each with its interface.
    pub(super) fn all(
        topology: &Topology,
        interfaces: &[InterfaceLink],
    ) -> Box<[(InterfaceId, Self)]> {
        let bridges = topology.networks.iter().filter_map(|network| {
            let link = interfaces.get(usize::from(network.interface.0))?;
            let way = Way {
                port: link.port,
                vlan: link.ethernet.vlan,
                mtu: link.mtu,
                ue_to_ue: network.ue_to_ue,
            };
            let bridge = Self::new(way, network.ethernet.as_ref()?);
            Some((network.interface, bridge))
        });
        bridges.collect()
    }

    fn new(way: Way, network: &EthernetNetwork) -> Self {
        Self {
            way,
            copies_per_second: network.copies_per_second,
            aging: network.aging_s.saturating_mul(10),
            move_after: network.move_after_s.saturating_mul(10),
            outside: (0..OUTSIDE).map(|_| Outside::default()).collect(),
        }
    }

    /// Whether a station that was heard then may be heard elsewhere now.
    pub(crate) const fn may_move(&self, heard: Moment, now: Moment) -> bool {
        between(heard, now) >= self.move_after
    }

    fn place(&self, station: Station) -> Option<&Outside> {
        let hash = station.bits().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let place = usize::try_from(hash).ok()?.checked_rem(OUTSIDE)?;
        self.outside.get(place)
    }

    /// A station is heard in the data network.
    pub(crate) fn hear(&self, station: Station, now: Moment) {
        let Some(place) = self.place(station) else {
            return;
        };
        // All workers read it: it is written when it changes alone.
        if place.heard.load(Relaxed) != now.0 {
            place.heard.store(now.0, Relaxed);
        }
        if place.station.load(Relaxed) != station.bits() {
            place.station.store(station.bits(), Relaxed);
        }
    }

    /// When a station was heard in the data network last, unless it has been forgotten.
    pub(crate) fn heard_outside(&self, station: Station, now: Moment) -> Option<Moment> {
        let place = self.place(station)?;
        let heard = Moment(place.heard.load(Relaxed));
        let is_known = place.station.load(Relaxed) == station.bits();
        (is_known && between(heard, now) < self.aging).then_some(heard)
    }
}
