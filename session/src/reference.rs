//! The naive model: TS 29.244, 5.2.1 and 5.2.3 read aloud, one rule at a time, nothing compiled.
//! It is slow and plain on purpose; tests hold [`Plan`](crate::Plan) against it.

use std::net::IpAddr;

use crate::ethernet::{EthernetFilter, Frame, Mac, MacRange, TagFilter};
use crate::id::InterfaceId;
use crate::id::{NextHopId, PdrId, Precedence, Qfi};
use crate::inner::{Inner, Transport};
use crate::plan::{Arrival, FrameArrival};
use crate::rule::{
    Action, DestinationInterface, Gate, LocalFTeid, Pdn, Pdr, Rules, SourceInterface,
};
use crate::sdf::{Address, Endpoint, SdfFilter};

/// Where a packet came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ingress {
    /// Out of this tunnel.
    Tunnel(LocalFTeid),
    /// From the core side, found by its UE address.
    Core,
}

/// What becomes of a packet, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No PDR matches.
    NoPdr,
    /// The source is not the UE's.
    Spoofed(PdrId),
    /// A gate is closed.
    GateClosed(PdrId),
    /// The FAR drops it.
    Drop(PdrId),
    /// The FAR has nowhere to send it to.
    NoTunnel(PdrId),
    /// No route leads to the tunnel's peer.
    NoRoute(PdrId),
    /// It is held.
    Buffer(PdrId),
    /// It goes into a tunnel.
    Tunnel(PdrId, NextHopId),
    /// It is routed on N6.
    Route(PdrId, InterfaceId),
    /// It leaves on N6 as a frame.
    Bridge(PdrId, InterfaceId),
}

/// A PDR that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// The PDR.
    pub pdr: PdrId,
    /// Its part.
    pub part: u8,
    /// When it is tried: lowest first.
    pub precedence: Precedence,
    /// Why it does not match; `None`: it does.
    pub mismatch: Option<Mismatch>,
}

/// Why a PDR does not match: the first of its fields that does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// It is asleep: before its Activation Time, or after its Deactivation Time.
    Dormant,
    /// The UE IP Address, and the networks behind the UE.
    Ue,
    /// The QFIs.
    Qfi,
    /// All its SDF filters: what of each, in their order.
    Sdf(Vec<FilterPart>),
}

/// A part of an SDF filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterPart {
    /// The protocol.
    Protocol,
    /// Address and ports of the remote end.
    From,
    /// Address and ports of the UE's end.
    To,
    /// ToS or traffic class.
    Tos,
    /// The SPI.
    Spi,
    /// The flow label.
    FlowLabel,
}

/// What `rules` do with a packet.
pub fn verdict(rules: &Rules, from: Ingress, arrival: &Arrival<'_>) -> Verdict {
    let is_ue = rules.is_ue(arrival.inner.source());
    decide(rules, from, |pdr| matches(pdr, rules, arrival), is_ue)
}

/// What the `rules` of an Ethernet session do with a frame.
pub fn frame_verdict(rules: &Rules, from: Ingress, arrival: &FrameArrival<'_>) -> Verdict {
    decide(rules, from, |pdr| frame_matches(pdr, rules, arrival), true)
}

fn decide(rules: &Rules, from: Ingress, matches: impl Fn(&Pdr) -> bool, is_ue: bool) -> Verdict {
    let mut candidates: Vec<&Pdr> = rules
        .pdrs
        .iter()
        .filter(|pdr| !pdr.dormant && came_in_by(pdr, from))
        .collect();
    candidates.sort_by_key(|pdr| (pdr.precedence, pdr.id, pdr.part));
    let Some(pdr) = candidates.into_iter().find(|pdr| matches(pdr)) else {
        return Verdict::NoPdr;
    };
    let Some(far) = rules.fars.iter().find(|far| far.id == pdr.far) else {
        return Verdict::NoPdr;
    };
    let to_access = far
        .forwarding
        .is_some_and(|to| to.destination == DestinationInterface::Access);
    let uplink = pdr.pdi.source_interface == SourceInterface::Access && !to_access;
    let to_core = far.forwarding.is_none_or(|to| {
        matches!(
            to.destination,
            DestinationInterface::Core | DestinationInterface::SgiLan
        )
    });
    if pdr.pdi.source_interface == SourceInterface::Access
        && to_core
        && (!rules.ue.is_empty() || rules.framed().next().is_some())
        && !is_ue
    {
        return Verdict::Spoofed(pdr.id);
    }
    let closed = rules
        .qers
        .iter()
        .filter(|qer| pdr.qers.contains(&qer.id))
        .any(|qer| {
            (if uplink {
                qer.uplink_gate
            } else {
                qer.downlink_gate
            }) == Gate::Closed
        });
    if closed {
        return Verdict::GateClosed(pdr.id);
    }
    match (far.action, far.forwarding) {
        (Action::Drop, _) => Verdict::Drop(pdr.id),
        (Action::Buffer { .. }, _) => Verdict::Buffer(pdr.id),
        (Action::Forward, Some(to)) => match (to.outer_header_creation, to.policy.or(to.vrf)) {
            (Some(creation), _) => creation
                .next_hop
                .map_or(Verdict::NoRoute(pdr.id), |hop| Verdict::Tunnel(pdr.id, hop)),
            (None, Some(vrf)) if to_core => match rules.pdn {
                Pdn::Ip => Verdict::Route(pdr.id, vrf),
                Pdn::Ethernet(_) => Verdict::Bridge(pdr.id, vrf),
            },
            _ => Verdict::NoTunnel(pdr.id),
        },
        (Action::Forward, None) => Verdict::NoTunnel(pdr.id),
    }
}

fn came_in_by(pdr: &Pdr, from: Ingress) -> bool {
    match from {
        Ingress::Tunnel(tunnel) => pdr.pdi.local_f_teid == Some(tunnel),
        Ingress::Core => pdr.pdi.local_f_teid.is_none(),
    }
}

/// The PDRs by which a packet may go, in the order in which they are tried, up to the one that
/// matches; and those that are asleep, which match nothing.
pub fn trials(rules: &Rules, from: Ingress, arrival: &Arrival<'_>) -> Vec<Trial> {
    let own = |pdr: &&Pdr| came_in_by(pdr, from);
    let mut candidates: Vec<&Pdr> = rules.pdrs.iter().filter(own).collect();
    candidates.sort_by_key(|pdr| (pdr.precedence, pdr.id, pdr.part));
    let mut trials = Vec::new();
    for pdr in candidates {
        let mismatch = if pdr.dormant {
            Some(Mismatch::Dormant)
        } else {
            mismatch(pdr, rules, arrival)
        };
        let is_last = mismatch.is_none();
        trials.push(Trial {
            pdr: pdr.id,
            part: pdr.part,
            precedence: pdr.precedence,
            mismatch,
        });
        if is_last {
            break;
        }
    }
    trials
}

fn matches(pdr: &Pdr, rules: &Rules, arrival: &Arrival<'_>) -> bool {
    mismatch(pdr, rules, arrival).is_none()
}

/// Why a PDR does not match a packet, if so.
fn mismatch(pdr: &Pdr, rules: &Rules, arrival: &Arrival<'_>) -> Option<Mismatch> {
    let inner = &arrival.inner;
    let ours = if pdr.pdi.source_interface == SourceInterface::Access {
        inner.source()
    } else {
        inner.destination()
    };
    let ue = pdr.pdi.ue.filter(|ue| !ue.is_empty());
    let framed = pdr.pdi.framed.as_deref();
    // "UE IP Address and Framed-Route are ORed with each other", and an absent address matches all:
    // Open5GS' uplink PDR has routes, and no address.
    let ue =
        ue.is_none_or(|ue| ue.contains(ours)) || framed.is_some_and(|framed| framed.contains(ours));
    let qfi = takes_flow(pdr, arrival.qfi);
    let uplink = pdr.pdi.source_interface == SourceInterface::Access;
    if !ue {
        return Some(Mismatch::Ue);
    }
    if !qfi {
        return Some(Mismatch::Qfi);
    }
    let filters = pdr.pdi.sdf_filters.iter();
    // One that matches is enough: then there is no list.
    let missed: Option<Vec<_>> = filters
        .map(|filter| filter_mismatch(filter, rules, inner, uplink))
        .collect();
    missed
        .filter(|missed| !missed.is_empty())
        .map(Mismatch::Sdf)
}

fn takes_flow(pdr: &Pdr, qfi: Option<Qfi>) -> bool {
    pdr.pdi.qfis.is_empty() || qfi.is_some_and(|qfi| pdr.pdi.qfis.contains(&qfi))
}

fn frame_matches(pdr: &Pdr, rules: &Rules, arrival: &FrameArrival<'_>) -> bool {
    let uplink = pdr.pdi.source_interface == SourceInterface::Access;
    let filters = pdr.pdi.ethernet_filters();
    let mut each = filters.iter();
    takes_flow(pdr, arrival.qfi)
        && (filters.is_empty()
            || each.any(|filter| ethernet_matches(filter, rules, &arrival.frame, uplink)))
}

fn ethernet_matches(
    filter: &EthernetFilter,
    rules: &Rules,
    frame: &Frame<'_>,
    uplink: bool,
) -> bool {
    // Written for downlink: `source` is in the data network, `destination` behind the UE.
    let (far_end, near_end) = if uplink {
        (frame.destination(), frame.source())
    } else {
        (frame.source(), frame.destination())
    };
    let range = |range: Option<MacRange>, mac: Mac| {
        range.is_none_or(|range| (range.first..=range.last).contains(&mac))
    };
    let tag = |wanted: Option<TagFilter>, tag: Option<u16>| {
        let Some(wanted) = wanted else { return true };
        let Some(tag) = tag else { return false };
        wanted.pcp.is_none_or(|pcp| u16::from(pcp) == tag >> 13)
            && wanted.dei.is_none_or(|dei| dei == (tag & 0x1000 != 0))
            && wanted.vid.is_none_or(|vid| vid == tag & 0xfff)
    };
    let sdf = || {
        let inner = frame.ip();
        let matches = |inner: Inner<'_>| {
            let mut all = filter.sdf_filters.iter();
            all.any(|sdf| filter_mismatch(sdf, rules, &inner, uplink).is_none())
        };
        inner.is_some_and(matches)
    };
    let macs = || {
        let mut all = filter.macs.iter();
        all.any(|mac| range(mac.source, far_end) && range(mac.destination, near_end))
    };
    (filter.macs.is_empty() || macs())
        && filter
            .ether_type
            .is_none_or(|own| own == frame.ether_type())
        && tag(filter.c_tag, frame.tags().c_tag)
        && tag(filter.s_tag, frame.tags().s_tag)
        && (filter.sdf_filters.is_empty() || sdf())
}

/// What of a filter a packet does not have, if anything.
fn filter_mismatch(
    filter: &SdfFilter,
    rules: &Rules,
    inner: &Inner<'_>,
    uplink: bool,
) -> Option<FilterPart> {
    let transport: Transport = inner.transport();
    if let Some(flow) = &filter.flow {
        // Written for downlink: `from` is the far end, `to` the UE's.
        let (source, destination) = (inner.source(), inner.destination());
        let (far_end, near_end) = if uplink {
            (destination, source)
        } else {
            (source, destination)
        };
        let ports = transport
            .ports
            .map(|(a, b)| if uplink { (b, a) } else { (a, b) });
        let is_other = |protocol| protocol != transport.protocol;
        if flow.protocol.is_some_and(is_other) {
            return Some(FilterPart::Protocol);
        }
        if !end_matches(&flow.from, rules, far_end, ports.map(|p| p.0)) {
            return Some(FilterPart::From);
        }
        if !end_matches(&flow.to, rules, near_end, ports.map(|p| p.1)) {
            return Some(FilterPart::To);
        }
    }
    let is_other = |(tos, mask): (u8, u8)| inner.tos() & mask != tos & mask;
    if filter.tos.is_some_and(is_other) {
        return Some(FilterPart::Tos);
    }
    if filter.spi.is_some_and(|spi| transport.spi != Some(spi)) {
        return Some(FilterPart::Spi);
    }
    let label = filter.flow_label;
    let is_other = label.is_some_and(|label| inner.flow_label() != Some(label));
    is_other.then_some(FilterPart::FlowLabel)
}

fn end_matches(end: &Endpoint, rules: &Rules, address: IpAddr, port: Option<u16>) -> bool {
    let address = match end.address {
        Address::Any => true,
        // The UE's link-local address is its own, too: Router Solicitations come from it.
        Address::Assigned => {
            let is_link_local = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
            let none = rules.ue.is_empty() && rules.framed().next().is_none();
            none || rules.is_ue(address) || (rules.ue.ipv6.is_some() && is_link_local)
        }
        Address::Net(net) => net.contains(&address),
    };
    address
        && (end.ports.is_empty()
            || port.is_some_and(|port| {
                end.ports
                    .iter()
                    .any(|range| range.first <= port && port <= range.last)
            }))
}
