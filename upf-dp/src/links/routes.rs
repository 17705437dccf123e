//! Where a destination lies: the routes of one interface, most specific first.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use session::neighbour::{Neighbours, NextHop};
use session::topology::{Interface, Topology, UeToUe};
use session::{InterfaceId, NextHopId};

const ALL_V4: IpNet = IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0));
const ALL_V6: IpNet = IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 0));

/// The routes of an interface.
#[derive(Clone, Debug, Default)]
pub(crate) struct Routes {
    v4: Vec<Prefix<u32>>,
    v6: Vec<Prefix<u128>>,
    /// Next hops of prefixes that have several.
    groups: Vec<Vec<NextHopId>>,
}

#[derive(Clone, Copy, Debug)]
struct Prefix<T> {
    value: T,
    mask: T,
    length: u8,
    target: Target,
}

/// Where a destination is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The destination itself is the neighbour.
    OnLink,
    /// By this neighbour.
    Via(NextHopId),
    /// By one of those of that number, each flow by the same.
    AnyOf(u8),
    /// To another UE, inside the UPF.
    Ue,
    /// To another UE, which is not wanted.
    Forbidden,
}

impl Routes {
    /// Those of `interface`; `kernel_mac` is the Ethernet address of the kernel's end of a TAP.
    pub(super) fn new(
        topology: &Topology,
        interface: &Interface,
        kernel_mac: Option<[u8; 6]>,
        neighbours: &Neighbours,
    ) -> Self {
        let mut routes = Self::default();
        match (interface.kernel.as_deref(), kernel_mac) {
            (Some(own), Some(mac)) => {
                routes.all_to_the_kernel(interface.id, own, mac, neighbours);
            }
            _ => routes.as_configured(interface, neighbours),
        }
        for network in &topology.networks {
            let target = match network.ue_to_ue {
                UeToUe::Local => Target::Ue,
                UeToUe::Drop => Target::Forbidden,
                UeToUe::N6 => continue,
            };
            let here = network.interface == interface.id;
            for pool in network.ue_pools.iter().filter(|_| here) {
                routes.add(pool.trunc(), target);
            }
        }
        // Most specific first; of equals the one that was written last.
        let length = std::cmp::Reverse::<u8>;
        routes.v4.reverse();
        routes.v4.sort_by_key(|prefix| length(prefix.length));
        routes.v6.reverse();
        routes.v6.sort_by_key(|prefix| length(prefix.length));
        routes
    }

    fn as_configured(&mut self, interface: &Interface, neighbours: &Neighbours) {
        for net in &interface.addresses {
            self.add(net.trunc(), Target::OnLink);
        }
        for route in &interface.routes {
            let hop = NextHop {
                interface: interface.id,
                address: route.via,
            };
            if let Some(id) = neighbours.id(hop) {
                self.add(route.to.trunc(), Target::Via(id));
            }
        }
        self.v4 = self.grouped(&self.v4.clone());
        self.v6 = self.grouped(&self.v6.clone());
    }

    /// Makes one of several routes by gateways to one prefix.
    fn grouped<T: Copy + PartialEq>(&mut self, routes: &[Prefix<T>]) -> Vec<Prefix<T>> {
        let mut all: Vec<Prefix<T>> = Vec::new();
        for route in routes {
            let same = all
                .iter_mut()
                .find(|other| other.value == route.value && other.length == route.length);
            match (same, route.target) {
                (Some(other), Target::Via(more)) => self.join(&mut other.target, more),
                _ => all.push(*route),
            }
        }
        all
    }

    fn join(&mut self, target: &mut Target, more: NextHopId) {
        match *target {
            Target::Via(first) => {
                if let Ok(number) = u8::try_from(self.groups.len()) {
                    self.groups.push(vec![first, more]);
                    *target = Target::AnyOf(number);
                }
            }
            Target::AnyOf(number) => {
                if let Some(group) = self.groups.get_mut(usize::from(number)) {
                    group.push(more);
                }
            }
            // What is said last of an on-link network counts.
            _ => *target = Target::Via(more),
        }
    }

    /// All next hops that routes lead to.
    pub(crate) fn gateways(&self) -> impl Iterator<Item = NextHopId> {
        let v4 = self.v4.iter().map(|prefix| prefix.target);
        let alone = v4.chain(self.v6.iter().map(|prefix| prefix.target));
        let alone = alone.filter_map(|target| match target {
            Target::Via(next_hop) => Some(next_hop),
            _ => None,
        });
        alone.chain(self.groups.iter().flatten().copied())
    }

    /// The next hops of that number.
    pub(crate) fn group(&self, number: u8) -> &[NextHopId] {
        self.groups
            .get(usize::from(number))
            .map_or(&[], Vec::as_slice)
    }

    /// The other end of the wire is the kernel, whatever the destination. Its own addresses may lie
    /// among those of UEs.
    fn all_to_the_kernel(
        &mut self,
        id: InterfaceId,
        own: &[IpAddr],
        mac: [u8; 6],
        neighbours: &Neighbours,
    ) {
        let hop = NextHop {
            interface: id,
            address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        };
        if let Some(next_hop) = neighbours.id(hop) {
            neighbours.fix(hop, mac);
            let own = own.iter().map(|own| IpNet::from(*own));
            for net in [ALL_V4, ALL_V6].into_iter().chain(own) {
                self.add(net, Target::Via(next_hop));
            }
        }
    }

    fn add(&mut self, net: IpNet, target: Target) {
        let length = net.prefix_len();
        match (net.network(), net.netmask()) {
            (IpAddr::V4(value), IpAddr::V4(mask)) => {
                let (value, mask) = (value.to_bits(), mask.to_bits());
                self.v4.push(Prefix {
                    value,
                    mask,
                    length,
                    target,
                });
            }
            (IpAddr::V6(value), IpAddr::V6(mask)) => {
                let (value, mask) = (value.to_bits(), mask.to_bits());
                self.v6.push(Prefix {
                    value,
                    mask,
                    length,
                    target,
                });
            }
            _ => {}
        }
    }

    /// The most specific route to an IPv4 address.
    #[inline]
    pub(crate) fn v4(&self, to: u32) -> Option<Target> {
        let found = self
            .v4
            .iter()
            .find(|prefix| to & prefix.mask == prefix.value);
        found.map(|prefix| prefix.target)
    }

    /// The most specific route to an IPv6 address.
    #[inline]
    pub(crate) fn v6(&self, to: u128) -> Option<Target> {
        let found = self
            .v6
            .iter()
            .find(|prefix| to & prefix.mask == prefix.value);
        found.map(|prefix| prefix.target)
    }
}
