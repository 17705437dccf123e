//! SDF filters compiled for one direction.

use std::net::IpAddr;

use smallvec::SmallVec;

use super::Networks;
use crate::inner::{Inner, Transport};
use crate::rule::{FramedRoutes, Rules};
use crate::sdf::{Address, Endpoint, PortRange, SdfFilter, bits, value_and_mask};

/// One SDF filter, source and destination already the right way round.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    source: Side,
    destination: Side,
    pub(super) protocol: Option<u8>,
    tos: Option<(u8, u8)>,
    spi: Option<u32>,
    flow_label: Option<u32>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Side {
    /// Values and masks, any of which match; empty matches all. Two when `assigned` stands for a
    /// UE with an address of each family.
    pub(super) addresses: SmallVec<[(u128, u128); 1]>,
    pub(super) ports: SmallVec<[PortRange; 1]>,
}

impl Filter {
    /// Compiles a filter; `swap` for packets from Access, since filters are written for downlink.
    pub(super) fn new(filter: &SdfFilter, rules: &Rules, swap: bool) -> Self {
        let (from, to, protocol) = filter.flow.as_ref().map_or_else(
            || (Side::default(), Side::default(), None),
            |flow| {
                (
                    Side::new(&flow.from, rules),
                    Side::new(&flow.to, rules),
                    flow.protocol,
                )
            },
        );
        let (source, destination) = if swap { (to, from) } else { (from, to) };
        Self {
            source,
            destination,
            protocol,
            tos: filter.tos,
            spi: filter.spi,
            flow_label: filter.flow_label,
        }
    }

    /// What it wants of the end that packets come from, or go to.
    pub(super) const fn side(&self, source: bool) -> &Side {
        if source {
            &self.source
        } else {
            &self.destination
        }
    }

    /// Whether it wants addresses, ports and a protocol, if anything.
    pub(super) const fn wants_headers_alone(&self) -> bool {
        self.tos.is_none() && self.spi.is_none() && self.flow_label.is_none()
    }

    pub(super) fn matches(&self, inner: &Inner<'_>, transport: Transport) -> bool {
        self.protocol
            .is_none_or(|protocol| protocol == transport.protocol)
            && self
                .source
                .matches(inner.source_bits(), transport.ports.map(|ports| ports.0))
            && self
                .destination
                .matches(inner.destination_bits(), transport.ports.map(|p| p.1))
            && self
                .tos
                .is_none_or(|(tos, mask)| inner.tos() & mask == tos & mask)
            && self.spi.is_none_or(|spi| transport.spi == Some(spi))
            && self
                .flow_label
                .is_none_or(|label| inner.flow_label() == Some(label))
    }
}

impl Side {
    fn new(endpoint: &Endpoint, rules: &Rules) -> Self {
        let ue = &rules.ue;
        let addresses = match endpoint.address {
            Address::Any => SmallVec::new(),
            // Without a UE address in the session, `assigned` can only mean any.
            Address::Assigned => {
                let v4 = ue
                    .ipv4
                    .map(|address| (bits(IpAddr::V4(address)), u128::MAX));
                let v6 = ue.ipv6.map(|prefix| value_and_mask(prefix.into()));
                // The UE's link-local address is its own, too: Router Solicitations come from it.
                let link_local = v6.map(|_| (0xfe80 << 112, 0xffc0 << 112));
                // And so are the networks behind it.
                let framed = rules.framed().map(|route| value_and_mask(*route));
                v4.into_iter()
                    .chain(v6)
                    .chain(link_local)
                    .chain(framed)
                    .collect()
            }
            Address::Net(net) => SmallVec::from_iter([value_and_mask(net)]),
        };
        Self {
            addresses,
            ports: endpoint.ports.clone(),
        }
    }

    fn matches(&self, address: u128, port: Option<u16>) -> bool {
        let any = |(value, mask): &(u128, u128)| address & mask == *value;
        (self.addresses.is_empty() || self.addresses.iter().any(any))
            && (self.ports.is_empty()
                || port.is_some_and(|port| self.ports.iter().any(|r| r.range().contains(&port))))
    }
}

/// The sets of networks behind the UE that PDRs name, each once.
pub(super) fn framed_sets(rules: &Rules) -> Vec<&FramedRoutes> {
    let mut sets = Vec::new();
    for set in rules
        .pdrs
        .iter()
        .filter_map(|pdr| pdr.pdi.framed.as_deref())
    {
        if !sets.contains(&set) {
            sets.push(set);
        }
    }
    sets
}

/// A set as it is matched.
pub(super) fn values_and_masks(set: &FramedRoutes) -> Networks {
    set.0.iter().map(|route| value_and_mask(*route)).collect()
}
