//! Whose keys are.

use std::net::IpAddr;

use ipnet::Ipv6Net;

use super::super::{Key, PublishError, Route, Sought, Tables, ipv4_key, station_key, tunnel_key};
use super::{NewKey, Publisher};
use crate::id::SessionIndex;

impl Publisher {
    /// Whether keys belong to any session but `old`, in whose place they are to come.
    ///
    /// # Errors
    /// The first that does.
    pub fn check(&self, old: SessionIndex, add: &[NewKey]) -> Result<(), PublishError> {
        let foreign = |new: &&NewKey| match new.key {
            Key::Route(vrf, net) => self.overlaps_another(Route::new(vrf, net), old),
            key => self.owner(key).is_some_and(|owner| owner != old),
        };
        let first = add.iter().find(foreign);
        first.map_or(Ok(()), |new| Err(PublishError::Taken(new.key)))
    }

    /// The session that a packet would find. Of a tunnel the caller has to compare the interface
    /// with that of the session's.
    pub fn session_of(&self, sought: Sought) -> Option<SessionIndex> {
        let tables = &self.tables;
        let route = |vrf, address| {
            let mut lengths = tables.route_lengths.longest_first();
            lengths.find_map(|length| {
                tables
                    .routes
                    .get(&Route::around(vrf, address, length).key())
            })
        };
        let handle = match sought {
            Sought::Tunnel(tunnel) => {
                let chosen = tables.chosen.get(tunnel.teid);
                chosen.or_else(|| tables.given.get(&tunnel_key(tunnel)))
            }
            Sought::Ue(vrf, IpAddr::V4(address)) => {
                let own = tables.ipv4.get(&ipv4_key(vrf, address));
                own.or_else(|| route(vrf, address.into()))
            }
            Sought::Ue(vrf, IpAddr::V6(address)) => {
                let lengths = tables.ipv6_lengths.longest_first();
                let mut prefixes = lengths.filter_map(|length| Ipv6Net::new(address, length).ok());
                let own =
                    prefixes.find_map(|prefix| tables.ipv6.get(&Tables::ipv6_key(vrf, prefix)));
                own.or_else(|| route(vrf, address.into()))
            }
        };
        tables.plans.session_of(handle?.get() >> 8)
    }

    /// The session that a key leads to.
    pub fn owner(&self, key: Key) -> Option<SessionIndex> {
        let tables = &self.tables;
        let handle = match key {
            Key::Tunnel(tunnel) => {
                let chosen = tables.chosen.get(tunnel.teid);
                chosen.or_else(|| tables.given.get(&tunnel_key(tunnel)))
            }
            Key::Ipv4(vrf, address) => tables.ipv4.get(&ipv4_key(vrf, address)),
            Key::Ipv6(vrf, prefix) => tables.ipv6.get(&Tables::ipv6_key(vrf, prefix)),
            Key::Route(vrf, net) => tables.routes.get(&Route::new(vrf, net).key()),
            Key::Station(vrf, station) => tables.stations.get(&station_key(vrf, station)),
            Key::Member(_, session) => return Some(session),
        };
        tables.plans.session_of(handle?.get() >> 8)
    }

    /// Whether another session has a route within this one, or around it: "PDRs of different
    /// sessions must not overlap" (TS 29.244, 5.2.1). A UE's own address is no route, and is found
    /// before any.
    pub(super) fn overlaps_another(&self, route: Route, session: SessionIndex) -> bool {
        let mask = u128::MAX.checked_shr(route.length.into()).unwrap_or(0);
        let last = Route {
            first: route.first | mask,
            length: u8::MAX,
            ..route
        };
        let first = Route { length: 0, ..route };
        let mut within = self.routes.range(first..=last);
        let around = || {
            let lengths = self.tables.route_lengths.longest_first();
            let shorter = lengths.filter(|length| *length < route.length);
            let shorter = shorter.map(|length| Route {
                first: route.first & !u128::MAX.checked_shr(length.into()).unwrap_or(0),
                length,
                ..route
            });
            shorter.filter_map(|shorter| self.routes.get(&shorter))
        };
        within.any(|(_, owner)| *owner != session) || around().any(|owner| *owner != session)
    }
}
