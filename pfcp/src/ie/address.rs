//! Who and where: Node ID, F-TEID and their kin.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use super::Labels;
use crate::flags::{List, optional};
use crate::wire::{Octets, Parsed, Wire, emit_all, refuse};

/// An IPv4 address, an IPv6 address, or one of each: never none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Families", into = "Families")]
pub enum Addresses {
    /// An IPv4 address alone.
    Ipv4(Ipv4Addr),
    /// An IPv6 address alone.
    Ipv6(Ipv6Addr),
    /// Both; whoever sends there may take either.
    Both(Ipv4Addr, Ipv6Addr),
}

/// [`Addresses`] as JSON has them.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Families {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ipv4: Option<Ipv4Addr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ipv6: Option<Ipv6Addr>,
}

impl Addresses {
    /// What there is of the two; `None` if that is nothing.
    pub const fn new(ipv4: Option<Ipv4Addr>, ipv6: Option<Ipv6Addr>) -> Option<Self> {
        match (ipv4, ipv6) {
            (Some(ipv4), None) => Some(Self::Ipv4(ipv4)),
            (None, Some(ipv6)) => Some(Self::Ipv6(ipv6)),
            (Some(ipv4), Some(ipv6)) => Some(Self::Both(ipv4, ipv6)),
            (None, None) => None,
        }
    }

    /// A single one.
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::Ipv4(address),
            IpAddr::V6(address) => Self::Ipv6(address),
        }
    }

    /// The IPv4 address.
    pub const fn ipv4(self) -> Option<Ipv4Addr> {
        match self {
            Self::Ipv4(ipv4) | Self::Both(ipv4, _) => Some(ipv4),
            Self::Ipv6(_) => None,
        }
    }

    /// The IPv6 address.
    pub const fn ipv6(self) -> Option<Ipv6Addr> {
        match self {
            Self::Ipv6(ipv6) | Self::Both(_, ipv6) => Some(ipv6),
            Self::Ipv4(_) => None,
        }
    }

    /// The address of that family.
    pub const fn of_family(self, ipv4: bool) -> Option<IpAddr> {
        match self {
            Self::Ipv4(address) | Self::Both(address, _) if ipv4 => Some(IpAddr::V4(address)),
            Self::Ipv6(address) | Self::Both(_, address) if !ipv4 => Some(IpAddr::V6(address)),
            _ => None,
        }
    }

    /// All of them, IPv4 first.
    pub fn iter(self) -> impl Iterator<Item = IpAddr> {
        [true, false]
            .into_iter()
            .filter_map(move |ipv4| self.of_family(ipv4))
    }

    /// Reads the families that are said to be there.
    pub(super) fn parse(input: &[u8], ipv4: bool, ipv6: bool) -> Parsed<'_, Self> {
        let (rest, ipv4) = optional(input, ipv4)?;
        let (rest, ipv6) = optional(rest, ipv6)?;
        Self::new(ipv4, ipv6).map_or_else(refuse, |addresses| Ok((rest, addresses)))
    }

    pub(super) fn emit(self, out: &mut Vec<u8>) {
        emit_all(self.ipv4().iter(), out);
        emit_all(self.ipv6().iter(), out);
    }

    /// The bits that say which families there are.
    pub(super) const fn bits(self, ipv4: u8, ipv6: u8) -> u8 {
        match self {
            Self::Ipv4(_) => ipv4,
            Self::Ipv6(_) => ipv6,
            Self::Both(..) => ipv4 | ipv6,
        }
    }

    pub(super) fn list(self, list: &mut List<'_, '_>) {
        addresses(list, self.ipv4(), self.ipv6());
    }
}

impl Default for Addresses {
    fn default() -> Self {
        Self::Ipv4(Ipv4Addr::UNSPECIFIED)
    }
}

impl From<IpAddr> for Addresses {
    fn from(address: IpAddr) -> Self {
        Self::of(address)
    }
}

impl From<Addresses> for Families {
    fn from(addresses: Addresses) -> Self {
        Self {
            ipv4: addresses.ipv4(),
            ipv6: addresses.ipv6(),
        }
    }
}

impl TryFrom<Families> for Addresses {
    type Error = &'static str;

    fn try_from(families: Families) -> Result<Self, Self::Error> {
        Self::new(families.ipv4, families.ipv6).ok_or("neither an IPv4 nor an IPv6 address")
    }
}

/// Node ID (TS 29.244, 8.2.38): the name of a CP or UP function in all node messages.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum NodeId {
    /// An IPv4 address.
    Ipv4(Ipv4Addr),
    /// An IPv6 address.
    Ipv6(Ipv6Addr),
    /// A domain name.
    Fqdn(Labels),
}

impl NodeId {
    /// A domain name from its text; `None` if it is none.
    pub fn fqdn(name: &str) -> Option<Self> {
        Labels::new(Octets::labels(name)).map(Self::Fqdn)
    }
}

impl Default for NodeId {
    fn default() -> Self {
        Self::Ipv4(Ipv4Addr::UNSPECIFIED)
    }
}

impl From<IpAddr> for NodeId {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::Ipv4(address),
            IpAddr::V6(address) => Self::Ipv6(address),
        }
    }
}

impl Wire for NodeId {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, r#type) = u8::parse(input)?;
        match r#type & 0x0f {
            0 => Ipv4Addr::parse(rest).map(|(rest, address)| (rest, Self::Ipv4(address))),
            1 => Ipv6Addr::parse(rest).map(|(rest, address)| (rest, Self::Ipv6(address))),
            2 => {
                let labels = Labels::new(rest.into());
                labels.map_or_else(refuse, |labels| Ok((&[][..], Self::Fqdn(labels))))
            }
            _ => refuse(),
        }
    }
    fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Self::Ipv4(address) => {
                out.push(0);
                address.emit(out);
            }
            Self::Ipv6(address) => {
                out.push(1);
                address.emit(out);
            }
            Self::Fqdn(labels) => {
                out.push(2);
                labels.emit(out);
            }
        }
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipv4(address) => address.fmt(f),
            Self::Ipv6(address) => address.fmt(f),
            Self::Fqdn(labels) => labels.fmt(f),
        }
    }
}

/// F-SEID (TS 29.244, 8.2.37): where a session ends.
///
/// ```text
/// octet 5    spare | V4 | V6
/// octet 6-13 SEID, then the addresses
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FSeid {
    /// The session endpoint identifier.
    pub seid: u64,
    /// Where it is.
    pub addresses: Addresses,
}

impl FSeid {
    /// An F-SEID with one address.
    pub const fn new(seid: u64, address: IpAddr) -> Self {
        Self {
            seid,
            addresses: Addresses::of(address),
        }
    }
}

impl Wire for FSeid {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, flags) = u8::parse(input)?;
        let (rest, seid) = u64::parse(rest)?;
        let [ipv6, ipv4] = [1, 2].map(|bit| flags & bit != 0);
        let (rest, addresses) = Addresses::parse(rest, ipv4, ipv6)?;
        Ok((rest, Self { seid, addresses }))
    }
    fn emit(&self, out: &mut Vec<u8>) {
        // Unlike in an F-TEID, IPv6 has the first bit.
        out.push(self.addresses.bits(2, 1));
        self.seid.emit(out);
        self.addresses.emit(out);
    }
}

impl fmt::Display for FSeid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = List::new(f);
        list.entry("SEID", &format_args!("{:#x}", self.seid));
        self.addresses.list(&mut list);
        list.finish()
    }
}

/// F-TEID (TS 29.244, 8.2.3): where a tunnel ends, or the wish that the UP function choose it.
///
/// A wish that names no family is not what the specification has, but what CP functions send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FTeid {
    /// The UP function is asked to choose.
    Choose {
        /// An IPv4 address is wanted. With neither, the family is the UP function's choice.
        ipv4: bool,
        /// An IPv6 address is wanted.
        ipv6: bool,
        /// Equal ones of a session share one F-TEID.
        choose_id: Option<u8>,
    },
    /// Given in full.
    Given {
        /// The tunnel endpoint identifier.
        teid: u32,
        /// Where it is.
        addresses: Addresses,
    },
}

impl FTeid {
    /// An F-TEID with an address.
    pub const fn given(teid: u32, address: IpAddr) -> Self {
        Self::Given {
            teid,
            addresses: Addresses::of(address),
        }
    }
}

impl Default for FTeid {
    fn default() -> Self {
        Self::Choose {
            ipv4: false,
            ipv6: false,
            choose_id: None,
        }
    }
}

const V4: u8 = 1;
const V6: u8 = 1 << 1;
const CH: u8 = 1 << 2;
const CHID: u8 = 1 << 3;

pub(super) fn bit(set: bool, bit: u8) -> u8 {
    if set { bit } else { 0 }
}

/// Adds the addresses that are there.
pub(super) fn addresses(list: &mut List<'_, '_>, ipv4: Option<Ipv4Addr>, ipv6: Option<Ipv6Addr>) {
    list.entries("IPv4", ipv4.iter());
    list.entries("IPv6", ipv6.iter());
}

impl Wire for FTeid {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, flags) = u8::parse(input)?;
        let [ipv4, ipv6, choose, has_id] = [V4, V6, CH, CHID].map(|bit| flags & bit != 0);
        if choose {
            let (rest, choose_id) = optional(rest, has_id)?;
            return Ok((
                rest,
                Self::Choose {
                    ipv4,
                    ipv6,
                    choose_id,
                },
            ));
        }
        // "CHID shall be set only if CH is": a CHOOSE ID for what was not to be chosen.
        if has_id {
            return refuse();
        }
        let (rest, teid) = u32::parse(rest)?;
        let (rest, addresses) = Addresses::parse(rest, ipv4, ipv6)?;
        Ok((rest, Self::Given { teid, addresses }))
    }
    fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Self::Choose {
                ipv4,
                ipv6,
                choose_id,
            } => {
                out.push(bit(*ipv4, V4) | bit(*ipv6, V6) | CH | bit(choose_id.is_some(), CHID));
                out.extend(choose_id);
            }
            Self::Given { teid, addresses } => {
                out.push(addresses.bits(V4, V6));
                teid.emit(out);
                addresses.emit(out);
            }
        }
    }
}

impl fmt::Display for FTeid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = List::new(f);
        match self {
            Self::Choose {
                ipv4,
                ipv6,
                choose_id,
            } => {
                list.name("choose");
                [(*ipv4, "IPv4"), (*ipv6, "IPv6")]
                    .iter()
                    .filter(|(wanted, _)| *wanted)
                    .for_each(|(_, name)| list.name(name));
                list.entries("id", choose_id.iter());
            }
            Self::Given { teid, addresses } => {
                list.entry("TEID", &format_args!("{teid:#010x}"));
                addresses.list(&mut list);
            }
        }
        list.finish()
    }
}

/// Local Ingress Tunnel (TS 29.244, 8.2.209): where MBS data arrives, or the wish to choose it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LocalIngressTunnel {
    /// The UP function is asked to choose.
    Choose {
        /// An IPv4 address is wanted.
        ipv4: bool,
        /// An IPv6 address is wanted.
        ipv6: bool,
    },
    /// Given in full.
    Given {
        /// The UDP port.
        port: u16,
        /// Where it is.
        addresses: Addresses,
    },
}

impl Default for LocalIngressTunnel {
    fn default() -> Self {
        Self::Choose {
            ipv4: false,
            ipv6: false,
        }
    }
}

impl Wire for LocalIngressTunnel {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, flags) = u8::parse(input)?;
        let [ipv4, ipv6, choose] = [V4, V6, CH].map(|bit| flags & bit != 0);
        if choose {
            return Ok((rest, Self::Choose { ipv4, ipv6 }));
        }
        let (rest, port) = u16::parse(rest)?;
        let (rest, addresses) = Addresses::parse(rest, ipv4, ipv6)?;
        Ok((rest, Self::Given { port, addresses }))
    }
    fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Self::Choose { ipv4, ipv6 } => out.push(bit(*ipv4, V4) | bit(*ipv6, V6) | CH),
            Self::Given { port, addresses } => {
                out.push(addresses.bits(V4, V6));
                port.emit(out);
                addresses.emit(out);
            }
        }
    }
}

impl fmt::Display for LocalIngressTunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Choose { .. } => f.write_str("choose"),
            Self::Given { port, addresses } => {
                let mut list = List::new(f);
                list.entry("port", port);
                addresses.list(&mut list);
                list.finish()
            }
        }
    }
}

#[cfg(feature = "generate")]
mod generate {
    use super::{Addresses, FSeid, FTeid, LocalIngressTunnel, NodeId};
    use crate::generate::{Generate, Source};

    impl Generate for NodeId {
        fn generate(source: &mut Source<'_>) -> Self {
            match source.octet() % 3 {
                0 => Self::Ipv4(Generate::generate(source)),
                1 => Self::Ipv6(Generate::generate(source)),
                _ => Self::Fqdn(Generate::generate(source)),
            }
        }
    }

    impl Generate for Addresses {
        fn generate(source: &mut Source<'_>) -> Self {
            match source.octet() % 3 {
                0 => Self::Ipv4(Generate::generate(source)),
                1 => Self::Ipv6(Generate::generate(source)),
                _ => Self::Both(Generate::generate(source), Generate::generate(source)),
            }
        }
    }

    impl Generate for FSeid {
        fn generate(source: &mut Source<'_>) -> Self {
            Self {
                seid: Generate::generate(source),
                addresses: Generate::generate(source),
            }
        }
    }

    impl Generate for FTeid {
        fn generate(source: &mut Source<'_>) -> Self {
            if bool::generate(source) {
                return Self::Given {
                    teid: Generate::generate(source),
                    addresses: Generate::generate(source),
                };
            }
            Self::Choose {
                ipv4: Generate::generate(source),
                ipv6: Generate::generate(source),
                choose_id: Generate::generate(source),
            }
        }
    }

    impl Generate for LocalIngressTunnel {
        fn generate(source: &mut Source<'_>) -> Self {
            if bool::generate(source) {
                return Self::Choose {
                    ipv4: Generate::generate(source),
                    ipv6: Generate::generate(source),
                };
            }
            Self::Given {
                port: Generate::generate(source),
                addresses: Generate::generate(source),
            }
        }
    }
}
