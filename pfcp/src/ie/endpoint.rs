//! Other ends: FQ-CSID, IP multicast addresses, addresses of performance measurement functions.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use super::address::{addresses, bit};
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
    /// The connection set identifiers, up to 15.
    pub csids: Vec<u16>,
    /// The kind of node; absent in the first releases.
    pub node_type: Option<u8>,
}

impl Default for FqCsid {
    fn default() -> Self {
        Self {
            node: CsidNode::Other(0),
            csids: Vec::new(),
            node_type: None,
        }
    }
}

impl Wire for FqCsid {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, head) = u8::parse(input)?;
        let (mut rest, node) = match head >> 4 {
            0 => Ipv4Addr::parse(rest).map(|(rest, node)| (rest, CsidNode::Ipv4(node)))?,
            1 => Ipv6Addr::parse(rest).map(|(rest, node)| (rest, CsidNode::Ipv6(node)))?,
            2 => u32::parse(rest).map(|(rest, node)| (rest, CsidNode::Other(node)))?,
            _ => return refuse(),
        };
        let count = head & 0x0f;
        let mut csids = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            let (after, csid) = u16::parse(rest)?;
            csids.push(csid);
            rest = after;
        }
        let (rest, node_type) = optional::<u8>(rest, !rest.is_empty())?;
        Ok((
            rest,
            Self {
                node,
                csids,
                node_type: node_type.map(|octet| octet & 0x0f),
            },
        ))
    }
    fn emit(&self, out: &mut Vec<u8>) {
        let count = u8::try_from(self.csids.len()).unwrap_or(u8::MAX).min(0x0f);
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
        self.csids
            .iter()
            .take(usize::from(count))
            .for_each(|csid| csid.emit(out));
        out.extend(self.node_type.map(|octet| octet & 0x0f));
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
pub struct IpMulticastAddress {
    /// Any address; then none of the others counts.
    pub any: bool,
    /// The only address, or the first of a range.
    pub start_ipv4: Option<Ipv4Addr>,
    /// The only address, or the first of a range.
    pub start_ipv6: Option<Ipv6Addr>,
    /// The last of a range. If one family is a range, both are.
    pub end_ipv4: Option<Ipv4Addr>,
    /// The last of a range.
    pub end_ipv6: Option<Ipv6Addr>,
}

impl Wire for IpMulticastAddress {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, flags) = u8::parse(input)?;
        let [has_v6, has_v4, range, any] = [1, 2, 4, 8].map(|bit| flags & bit != 0);
        // Any address: whatever else is said of addresses says nothing.
        if any {
            return Ok((
                rest,
                Self {
                    any,
                    ..Self::default()
                },
            ));
        }
        let (rest, start_ipv4) = optional(rest, has_v4)?;
        let (rest, start_ipv6) = optional(rest, has_v6)?;
        let (rest, end_ipv4) = optional(rest, has_v4 && range)?;
        let (rest, end_ipv6) = optional(rest, has_v6 && range)?;
        Ok((
            rest,
            Self {
                any,
                start_ipv4,
                start_ipv6,
                end_ipv4,
                end_ipv6,
            },
        ))
    }
    fn emit(&self, out: &mut Vec<u8>) {
        if self.any {
            out.push(8);
            return;
        }
        let range = self.end_ipv4.is_some() || self.end_ipv6.is_some();
        out.push(
            bit(self.start_ipv6.is_some(), 1) | bit(self.start_ipv4.is_some(), 2) | bit(range, 4),
        );
        emit_all(self.start_ipv4.iter(), out);
        emit_all(self.start_ipv6.iter(), out);
        if range {
            let end_ipv4 = self.start_ipv4.map(|start| self.end_ipv4.unwrap_or(start));
            let end_ipv6 = self.start_ipv6.map(|start| self.end_ipv6.unwrap_or(start));
            emit_all(end_ipv4.iter(), out);
            emit_all(end_ipv6.iter(), out);
        }
    }
}

impl fmt::Display for IpMulticastAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = List::new(f);
        if self.any {
            list.name("any");
        }
        addresses(&mut list, self.start_ipv4, self.start_ipv6);
        list.entries("to", self.end_ipv4.iter());
        list.entries("to", self.end_ipv6.iter());
        list.finish()
    }
}

layout! {
    /// The MAC addresses of a performance measurement function.
    PmfMacs 0 { access_3gpp: Mac, access_non_3gpp: Mac }
}

/// PMF Address Information (TS 29.244, 8.2.159).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PmfAddressInformation {
    /// The IPv4 address.
    pub ipv4: Option<Ipv4Addr>,
    /// The IPv6 address.
    pub ipv6: Option<Ipv6Addr>,
    /// The UDP port for 3GPP access; there if an address is.
    pub port_3gpp: u16,
    /// The UDP port for non-3GPP access; there if an address is.
    pub port_non_3gpp: u16,
    /// The MAC addresses.
    pub mac_3gpp: Option<Mac>,
    /// The MAC address for non-3GPP access; there if the other one is.
    pub mac_non_3gpp: Option<Mac>,
}

impl Wire for PmfAddressInformation {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, flags) = u8::parse(input)?;
        let [has_v4, has_v6, has_mac] = [1, 2, 4].map(|bit| flags & bit != 0);
        let (rest, ipv4) = optional(rest, has_v4)?;
        let (rest, ipv6) = optional(rest, has_v6)?;
        let (rest, port_3gpp) = optional::<u16>(rest, has_v4 || has_v6)?;
        let (rest, port_non_3gpp) = optional::<u16>(rest, has_v4 || has_v6)?;
        let (rest, macs) = optional::<PmfMacs>(rest, has_mac)?;
        let value = Self {
            ipv4,
            ipv6,
            port_3gpp: port_3gpp.unwrap_or(0),
            port_non_3gpp: port_non_3gpp.unwrap_or(0),
            mac_3gpp: macs.as_ref().map(|macs| macs.access_3gpp),
            mac_non_3gpp: macs.as_ref().map(|macs| macs.access_non_3gpp),
        };
        Ok((rest, value))
    }
    fn emit(&self, out: &mut Vec<u8>) {
        let [has_v4, has_v6] = [self.ipv4.is_some(), self.ipv6.is_some()];
        let has_mac = self.mac_3gpp.is_some() || self.mac_non_3gpp.is_some();
        out.push(bit(has_v4, 1) | bit(has_v6, 2) | bit(has_mac, 4));
        emit_all(self.ipv4.iter(), out);
        emit_all(self.ipv6.iter(), out);
        if has_v4 || has_v6 {
            self.port_3gpp.emit(out);
            self.port_non_3gpp.emit(out);
        }
        if has_mac {
            self.mac_3gpp.unwrap_or_default().emit(out);
            self.mac_non_3gpp.unwrap_or_default().emit(out);
        }
    }
}

impl fmt::Display for PmfAddressInformation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = List::new(f);
        addresses(&mut list, self.ipv4, self.ipv6);
        list.entry("port", &self.port_3gpp);
        list.entry("non-3GPP port", &self.port_non_3gpp);
        list.entries("MAC", self.mac_3gpp.iter());
        list.entries("non-3GPP MAC", self.mac_non_3gpp.iter());
        list.finish()
    }
}

#[cfg(feature = "generate")]
mod generate {
    use super::{CsidNode, FqCsid, IpMulticastAddress, PmfAddressInformation};
    use crate::generate::{Generate, Source};
    use crate::ie::Bits;

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
                node_type: Option::<Bits<4>>::generate(source).map(|bits| bits.0),
            }
        }
    }

    impl Generate for IpMulticastAddress {
        fn generate(source: &mut Source<'_>) -> Self {
            if bool::generate(source) {
                return Self {
                    any: true,
                    ..Self::default()
                };
            }
            let range = bool::generate(source);
            let start_ipv4 = Generate::generate(source);
            let start_ipv6 = Generate::generate(source);
            Self {
                any: false,
                start_ipv4,
                start_ipv6,
                end_ipv4: start_ipv4
                    .filter(|_| range)
                    .map(|_| Generate::generate(source)),
                end_ipv6: start_ipv6
                    .filter(|_| range)
                    .map(|_| Generate::generate(source)),
            }
        }
    }

    impl Generate for PmfAddressInformation {
        fn generate(source: &mut Source<'_>) -> Self {
            let mac_3gpp = Generate::generate(source);
            Self {
                ipv4: Some(Generate::generate(source)),
                ipv6: Generate::generate(source),
                port_3gpp: Generate::generate(source),
                port_non_3gpp: Generate::generate(source),
                mac_3gpp,
                mac_non_3gpp: mac_3gpp.map(|_| Generate::generate(source)),
            }
        }
    }
}
