//! Who and where: Node ID, F-TEID and their kin.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use super::Labels;
use crate::flags::{List, optional};
use crate::wire::{Octets, Parsed, Wire, emit_all, refuse};

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
        let labels = Labels(Octets::labels(name));
        labels.is_valid().then_some(Self::Fqdn(labels))
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
                let labels = Labels(rest.into());
                if labels.is_valid() {
                    Ok((&[], Self::Fqdn(labels)))
                } else {
                    refuse()
                }
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
                labels.0.emit(out);
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

/// F-TEID (TS 29.244, 8.2.3): where a tunnel ends, or the wish that the UP function choose it.
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
        /// The IPv4 address.
        ipv4: Option<Ipv4Addr>,
        /// The IPv6 address. At least one of the two is there.
        ipv6: Option<Ipv6Addr>,
    },
}

impl FTeid {
    /// An F-TEID with an address.
    pub const fn given(teid: u32, address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::Given {
                teid,
                ipv4: Some(address),
                ipv6: None,
            },
            IpAddr::V6(address) => Self::Given {
                teid,
                ipv4: None,
                ipv6: Some(address),
            },
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
        if has_id || !(ipv4 || ipv6) {
            return refuse();
        }
        let (rest, teid) = u32::parse(rest)?;
        let (rest, ipv4) = optional(rest, ipv4)?;
        let (rest, ipv6) = optional(rest, ipv6)?;
        Ok((rest, Self::Given { teid, ipv4, ipv6 }))
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
            Self::Given { teid, ipv4, ipv6 } => {
                out.push(bit(ipv4.is_some(), V4) | bit(ipv6.is_some(), V6));
                teid.emit(out);
                emit_all(ipv4.iter(), out);
                emit_all(ipv6.iter(), out);
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
            Self::Given { teid, ipv4, ipv6 } => {
                list.entry("TEID", &format_args!("{teid:#010x}"));
                addresses(&mut list, *ipv4, *ipv6);
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
        /// The IPv4 address.
        ipv4: Option<Ipv4Addr>,
        /// The IPv6 address.
        ipv6: Option<Ipv6Addr>,
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
        let (rest, ipv4) = optional(rest, ipv4)?;
        let (rest, ipv6) = optional(rest, ipv6)?;
        Ok((rest, Self::Given { port, ipv4, ipv6 }))
    }
    fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Self::Choose { ipv4, ipv6 } => out.push(bit(*ipv4, V4) | bit(*ipv6, V6) | CH),
            Self::Given { port, ipv4, ipv6 } => {
                out.push(bit(ipv4.is_some(), V4) | bit(ipv6.is_some(), V6));
                port.emit(out);
                emit_all(ipv4.iter(), out);
                emit_all(ipv6.iter(), out);
            }
        }
    }
}

impl fmt::Display for LocalIngressTunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Choose { .. } => f.write_str("choose"),
            Self::Given { port, ipv4, ipv6 } => {
                let mut list = List::new(f);
                list.entry("port", port);
                addresses(&mut list, *ipv4, *ipv6);
                list.finish()
            }
        }
    }
}

#[cfg(feature = "generate")]
mod generate {
    use super::{FTeid, LocalIngressTunnel, NodeId};
    use crate::generate::{Generate, Source};
    use crate::ie::Address;

    impl Generate for NodeId {
        fn generate(source: &mut Source<'_>) -> Self {
            match source.octet() % 3 {
                0 => Self::Ipv4(Generate::generate(source)),
                1 => Self::Ipv6(Generate::generate(source)),
                _ => Self::Fqdn(Generate::generate(source)),
            }
        }
    }

    impl Generate for FTeid {
        fn generate(source: &mut Source<'_>) -> Self {
            if bool::generate(source) {
                let address = Address::generate(source);
                return Self::given(Generate::generate(source), address.0);
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
                ipv4: Generate::generate(source),
                ipv6: Generate::generate(source),
            }
        }
    }
}
