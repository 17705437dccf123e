//! Other ends: FQ-CSID, IP multicast addresses, addresses of performance measurement functions.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use super::address::{Addresses, bit};
use super::{Bits, Several};
use crate::flags::{List, optional};
use crate::wire::{Mac, Parsed, Wire, emit_all, refuse};

/// The node of an FQ-CSID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CsidNode {
    /// An IPv4 address.
    Ipv4(Ipv4Addr),
    /// An IPv6 address.
    Ipv6(Ipv6Addr),
    /// 20 bits of PLMN (MCC × 1000 + MNC), 12 bits that its operator assigns.
    Other(u32),
}

/// FQ-CSID (TS 29.244, 8.2.43): the sessions of a node that fail together.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FqCsid {
    /// The node.
    pub node: CsidNode,
    /// The connection set identifiers.
    pub csids: Several<u16, 0, 15>,
    /// The kind of node; absent in the first releases.
    pub node_type: Option<Bits<4>>,
}

impl Default for FqCsid {
    fn default() -> Self {
        Self {
            node: CsidNode::Other(0),
            csids: Several::default(),
            node_type: None,
        }
    }
}

impl Wire for FqCsid {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, head) = u8::parse(input)?;
        let (rest, node) = match head >> 4 {
            0 => Ipv4Addr::parse(rest).map(|(rest, node)| (rest, CsidNode::Ipv4(node)))?,
            1 => Ipv6Addr::parse(rest).map(|(rest, node)| (rest, CsidNode::Ipv6(node)))?,
            2 => u32::parse(rest).map(|(rest, node)| (rest, CsidNode::Other(node)))?,
            _ => return refuse(),
        };
        let (rest, csids) = Several::parse(rest, usize::from(head & 0x0f))?;
        let (rest, node_type) = optional(rest, !rest.is_empty())?;
        Ok((
            rest,
            Self {
                node,
                csids,
                node_type,
            },
        ))
    }
    fn emit(&self, out: &mut Vec<u8>) {
        let count = self.csids.count();
        match self.node {
            CsidNode::Ipv4(node) => {
                out.push(count);
                node.emit(out);
            }
            CsidNode::Ipv6(node) => {
                out.push(1 << 4 | count);
                node.emit(out);
            }
            CsidNode::Other(node) => {
                out.push(2 << 4 | count);
                node.emit(out);
            }
        }
        emit_all(self.csids.iter(), out);
        emit_all(self.node_type.iter(), out);
    }
}

impl fmt::Display for FqCsid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = List::new(f);
        match &self.node {
            CsidNode::Ipv4(node) => list.entry("node", node),
            CsidNode::Ipv6(node) => list.entry("node", node),
            CsidNode::Other(node) => list.entry("node", &format_args!("{node:#010x}")),
        }
        list.entries("CSID", self.csids.iter());
        list.entries("type", self.node_type.iter());
        list.finish()
    }
}

/// IP Multicast Address (TS 29.244, 8.2.137): one group, a range of them, or any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum IpMulticastAddress {
    /// Any address.
    #[default]
    Any,
    /// One, or one of each family.
    One(Addresses),
    /// A range, or one of each family.
    Range(AddressRange),
}

/// Addresses from a first to a last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AddressRange {
    /// IPv4 addresses.
    Ipv4([Ipv4Addr; 2]),
    /// IPv6 addresses.
    Ipv6([Ipv6Addr; 2]),
    /// A range of each.
    Both([Ipv4Addr; 2], [Ipv6Addr; 2]),
}

impl AddressRange {
    /// The first ones, and the last ones.
    const fn ends(self) -> [Addresses; 2] {
        match self {
            Self::Ipv4([first, last]) => [Addresses::Ipv4(first), Addresses::Ipv4(last)],
            Self::Ipv6([first, last]) => [Addresses::Ipv6(first), Addresses::Ipv6(last)],
            Self::Both([first4, last4], [first6, last6]) => [
                Addresses::Both(first4, first6),
                Addresses::Both(last4, last6),
            ],
        }
    }

    /// A range of these ends; `None` if they are not of the same families.
    const fn between(ends: [Addresses; 2]) -> Option<Self> {
        match ends {
            [Addresses::Ipv4(first), Addresses::Ipv4(last)] => Some(Self::Ipv4([first, last])),
            [Addresses::Ipv6(first), Addresses::Ipv6(last)] => Some(Self::Ipv6([first, last])),
            [
                Addresses::Both(first4, first6),
                Addresses::Both(last4, last6),
            ] => Some(Self::Both([first4, last4], [first6, last6])),
            _ => None,
        }
    }
}

impl Wire for IpMulticastAddress {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, flags) = u8::parse(input)?;
        let [has_v6, has_v4, range, any] = [1, 2, 4, 8].map(|bit| flags & bit != 0);
        // Any address: whatever else is said of addresses says nothing.
        if any {
            return Ok((rest, Self::Any));
        }
        let (rest, first) = Addresses::parse(rest, has_v4, has_v6)?;
        if !range {
            return Ok((rest, Self::One(first)));
        }
        let (rest, last) = Addresses::parse(rest, has_v4, has_v6)?;
        let range = AddressRange::between([first, last]);
        range.map_or_else(refuse, |range| Ok((rest, Self::Range(range))))
    }
    fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Self::Any => out.push(8),
            Self::One(addresses) => {
                out.push(addresses.bits(2, 1));
                addresses.emit(out);
            }
            Self::Range(range) => {
                let [first, last] = range.ends();
                out.push(first.bits(2, 1) | 4);
                first.emit(out);
                last.emit(out);
            }
        }
    }
}

impl fmt::Display for IpMulticastAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = List::new(f);
        match self {
            Self::Any => list.name("any"),
            Self::One(addresses) => addresses.list(&mut list),
            Self::Range(range) => {
                let [first, last] = range.ends();
                first.list(&mut list);
                list.name("to");
                last.list(&mut list);
            }
        }
        list.finish()
    }
}

/// Where a performance measurement function is in an IP session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PmfIp {
    /// Its addresses.
    pub addresses: Addresses,
    /// The UDP port for 3GPP access.
    pub port_3gpp: u16,
    /// The UDP port for non-3GPP access.
    pub port_non_3gpp: u16,
}

layout! {
    /// The MAC addresses of a performance measurement function.
    PmfMacs 0 { access_3gpp: Mac, access_non_3gpp: Mac }
}

/// PMF Address Information (TS 29.244, 8.2.159).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PmfAddressInformation {
    /// For an IP session.
    pub ip: Option<PmfIp>,
    /// For an Ethernet session.
    pub macs: Option<PmfMacs>,
}

impl Wire for PmfAddressInformation {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, flags) = u8::parse(input)?;
        let [has_v4, has_v6, has_mac] = [1, 2, 4].map(|bit| flags & bit != 0);
        let (rest, ip) = if has_v4 || has_v6 {
            let (rest, addresses) = Addresses::parse(rest, has_v4, has_v6)?;
            let (rest, port_3gpp) = u16::parse(rest)?;
            let (rest, port_non_3gpp) = u16::parse(rest)?;
            let ip = PmfIp {
                addresses,
                port_3gpp,
                port_non_3gpp,
            };
            (rest, Some(ip))
        } else {
            (rest, None)
        };
        let (rest, macs) = optional(rest, has_mac)?;
        Ok((rest, Self { ip, macs }))
    }
    fn emit(&self, out: &mut Vec<u8>) {
        let families = self.ip.map_or(0, |ip| ip.addresses.bits(1, 2));
        out.push(families | bit(self.macs.is_some(), 4));
        if let Some(ip) = &self.ip {
            ip.addresses.emit(out);
            ip.port_3gpp.emit(out);
            ip.port_non_3gpp.emit(out);
        }
        emit_all(self.macs.iter(), out);
    }
}

impl fmt::Display for PmfAddressInformation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = List::new(f);
        if let Some(ip) = &self.ip {
            ip.addresses.list(&mut list);
            list.entry("port", &ip.port_3gpp);
            list.entry("non-3GPP port", &ip.port_non_3gpp);
        }
        if let Some(macs) = &self.macs {
            list.entry("MAC", &macs.access_3gpp);
            list.entry("non-3GPP MAC", &macs.access_non_3gpp);
        }
        list.finish()
    }
}

#[cfg(feature = "generate")]
mod generate {
    use super::{AddressRange, CsidNode, FqCsid, IpMulticastAddress, PmfAddressInformation, PmfIp};
    use crate::generate::{Generate, Source};

    impl Generate for FqCsid {
        fn generate(source: &mut Source<'_>) -> Self {
            let node = match source.octet() % 3 {
                0 => CsidNode::Ipv4(Generate::generate(source)),
                1 => CsidNode::Ipv6(Generate::generate(source)),
                _ => CsidNode::Other(Generate::generate(source)),
            };
            Self {
                node,
                csids: Generate::generate(source),
                node_type: Generate::generate(source),
            }
        }
    }

    impl Generate for AddressRange {
        fn generate(source: &mut Source<'_>) -> Self {
            let first = Generate::generate(source);
            let last = Generate::generate(source);
            Self::between([first, last]).unwrap_or(Self::Ipv4(Generate::generate(source)))
        }
    }

    impl Generate for IpMulticastAddress {
        fn generate(source: &mut Source<'_>) -> Self {
            match source.octet() % 3 {
                0 => Self::Any,
                1 => Self::One(Generate::generate(source)),
                _ => Self::Range(Generate::generate(source)),
            }
        }
    }

    impl Generate for PmfIp {
        fn generate(source: &mut Source<'_>) -> Self {
            Self {
                addresses: Generate::generate(source),
                port_3gpp: Generate::generate(source),
                port_non_3gpp: Generate::generate(source),
            }
        }
    }

    impl Generate for PmfAddressInformation {
        fn generate(source: &mut Source<'_>) -> Self {
            Self {
                ip: Generate::generate(source),
                macs: Generate::generate(source),
            }
        }
    }
}
