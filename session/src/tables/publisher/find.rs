//! Which session a packet, or a key, would find.

use std::net::IpAddr;

use ipnet::Ipv6Net;

use super::super::keys::{Route, ipv4_key, ipv6_key, station_key, tunnel_key};
use super::super::{Key, Sought};
use super::Publisher;
use crate::id::SessionIndex;

impl Publisher {
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
            Sought::Tunnel(tunnel) => return self.owner(Key::Tunnel(tunnel)),
            Sought::Ue(vrf, IpAddr::V4(address)) => {
                let own = tables.ipv4.get(&ipv4_key(vrf, address));
                own.or_else(|| route(vrf, address.into()))
            }
            Sought::Ue(vrf, IpAddr::V6(address)) => {
                let lengths = tables.ipv6_lengths.longest_first();
                let mut prefixes = lengths.filter_map(|length| Ipv6Net::new(address, length).ok());
                let own = prefixes.find_map(|prefix| tables.ipv6.get(&ipv6_key(vrf, prefix)));
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
            Key::Ipv6(vrf, prefix) => tables.ipv6.get(&ipv6_key(vrf, prefix)),
            Key::Route(vrf, net) => tables.routes.get(&Route::new(vrf, net).key()),
            Key::Station(vrf, station) => tables.stations.get(&station_key(vrf, station)),
            Key::Member(_, session) => return Some(session),
        };
        tables.plans.session_of(handle?.get() >> 8)
    }
}
