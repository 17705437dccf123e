//! Addresses of UEs: given, or to be chosen.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::flags::{List, optional};
use crate::wire::{Parsed, Wire, refuse};

/// Something given, or the wish that the UP function choose it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Wanted<T> {
    /// The UP function is asked to choose.
    Choose,
    /// Given.
    Given(T),
}

impl<T: Copy> Wanted<T> {
    /// What is given.
    pub const fn given(self) -> Option<T> {
        match self {
            Self::Choose => None,
            Self::Given(value) => Some(value),
        }
    }

    /// Whether the UP function is asked to choose.
    pub const fn is_choose(self) -> bool {
        matches!(self, Self::Choose)
    }
}

impl<T: Wire + Copy> Wanted<T> {
    /// Reads what two flags say: something given, something to be chosen, not both.
    fn parse(input: &[u8], given: bool, choose: bool) -> Parsed<'_, Option<Self>> {
        if given && choose {
            return refuse();
        }
        let (rest, value) = optional(input, given)?;
        let chosen = choose.then_some(Self::Choose);
        Ok((rest, value.map(Self::Given).or(chosen)))
    }

    /// The flags that say it.
    const fn bits(self, given: u8, choose: u8) -> u8 {
        match self {
            Self::Choose => choose,
            Self::Given(_) => given,
        }
    }

    fn emit(self, out: &mut Vec<u8>) {
        if let Self::Given(value) = self {
            value.emit(out);
        }
    }
}

impl<T: fmt::Display> fmt::Display for Wanted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Choose => f.write_str("choose"),
            Self::Given(value) => value.fmt(f),
        }
    }
}

/// How much of an IPv6 address is the UE's prefix. Without a word on it: 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Prefix {
    /// So many bits (`IP6PL`); 128 is a single address, zero leaves it to the UP function.
    Length(u8),
    /// So many bits less than 64 (`IPv6D`); zero leaves it to the UP function.
    Delegation(u8),
}

/// UE IP Address (TS 29.244, 8.2.62).
///
/// ```text
/// octet 5    spare | IP6PL | CHV6 | CHV4 | IPv6D | S/D | V4 | V6
/// then       IPv4, IPv6, prefix delegation bits or prefix length: each if its flag is set
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UeIpAddress {
    /// In a PDI: the destination is meant, not the source.
    pub destination: bool,
    /// The IPv4 address.
    pub ipv4: Option<Wanted<Ipv4Addr>>,
    /// The IPv6 address.
    pub ipv6: Option<Wanted<Ipv6Addr>>,
    /// How much of the IPv6 address counts.
    pub prefix: Option<Prefix>,
}

impl UeIpAddress {
    /// One address, as the source of packets.
    pub const fn source(address: IpAddr) -> Self {
        let (ipv4, ipv6) = match address {
            IpAddr::V4(address) => (Some(Wanted::Given(address)), None),
            IpAddr::V6(address) => (None, Some(Wanted::Given(address))),
        };
        Self {
            destination: false,
            ipv4,
            ipv6,
            prefix: None,
        }
    }

    /// One address, as the destination of packets.
    pub const fn destination(address: IpAddr) -> Self {
        Self {
            destination: true,
            ..Self::source(address)
        }
    }

    /// The IPv4 address, if it is given.
    pub fn given_ipv4(&self) -> Option<Ipv4Addr> {
        self.ipv4.and_then(Wanted::given)
    }

    /// The IPv6 address, if it is given.
    pub fn given_ipv6(&self) -> Option<Ipv6Addr> {
        self.ipv6.and_then(Wanted::given)
    }

    /// The addresses that are given.
    pub fn given(&self) -> impl Iterator<Item = IpAddr> + use<> {
        let ipv4 = self.given_ipv4().map(IpAddr::V4);
        ipv4.into_iter().chain(self.given_ipv6().map(IpAddr::V6))
    }

    /// Whether the UP function is asked to choose an address of either family.
    pub fn is_choose(&self) -> bool {
        self.ipv4.is_some_and(Wanted::is_choose) || self.ipv6.is_some_and(Wanted::is_choose)
    }
}

const V6: u8 = 1;
const V4: u8 = 1 << 1;
const DESTINATION: u8 = 1 << 2;
const DELEGATION: u8 = 1 << 3;
const CHOOSE_V4: u8 = 1 << 4;
const CHOOSE_V6: u8 = 1 << 5;
const LENGTH: u8 = 1 << 6;

impl Wire for UeIpAddress {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, flags) = u8::parse(input)?;
        let has = |bit: u8| flags & bit != 0;
        let (rest, ipv4) = Wanted::parse(rest, has(V4), has(CHOOSE_V4))?;
        let (rest, ipv6) = Wanted::parse(rest, has(V6), has(CHOOSE_V6))?;
        let (rest, delegation) = optional(rest, has(DELEGATION))?;
        let (rest, length) = optional(rest, has(LENGTH))?;
        let prefix = match (delegation, length) {
            (None, None) => None,
            (Some(bits), None) => Some(Prefix::Delegation(bits)),
            (None, Some(bits)) => Some(Prefix::Length(bits)),
            (Some(_), Some(_)) => return refuse(),
        };
        let address = Self {
            destination: has(DESTINATION),
            ipv4,
            ipv6,
            prefix,
        };
        Ok((rest, address))
    }
    fn emit(&self, out: &mut Vec<u8>) {
        let mut flags = if self.destination { DESTINATION } else { 0 };
        flags |= self.ipv4.map_or(0, |ipv4| ipv4.bits(V4, CHOOSE_V4));
        flags |= self.ipv6.map_or(0, |ipv6| ipv6.bits(V6, CHOOSE_V6));
        let (flag, bits) = match self.prefix {
            None => (0, None),
            Some(Prefix::Delegation(bits)) => (DELEGATION, Some(bits)),
            Some(Prefix::Length(bits)) => (LENGTH, Some(bits)),
        };
        out.push(flags | flag);
        self.ipv4.into_iter().for_each(|ipv4| ipv4.emit(out));
        self.ipv6.into_iter().for_each(|ipv6| ipv6.emit(out));
        out.extend(bits);
    }
}

impl fmt::Display for UeIpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = List::new(f);
        if self.destination {
            list.name("destination");
        }
        list.entries("IPv4", self.ipv4.iter());
        list.entries("IPv6", self.ipv6.iter());
        match &self.prefix {
            None => {}
            Some(Prefix::Length(bits)) => list.entry("prefix length", bits),
            Some(Prefix::Delegation(bits)) => list.entry("prefix delegation bits", bits),
        }
        list.finish()
    }
}

/// Mapped N6 IP Address (TS 29.244, 8.2.242): an address on N6 that stands for that of the UE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MappedN6IpAddress(pub Wanted<Ipv4Addr>);

impl Default for MappedN6IpAddress {
    fn default() -> Self {
        Self(Wanted::Choose)
    }
}

impl Wire for MappedN6IpAddress {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, flags) = u8::parse(input)?;
        let (rest, address) = Wanted::parse(rest, flags & 2 != 0, flags & 1 != 0)?;
        address.map_or_else(refuse, |address| Ok((rest, Self(address))))
    }
    fn emit(&self, out: &mut Vec<u8>) {
        out.push(self.0.bits(2, 1));
        self.0.emit(out);
    }
}

impl fmt::Display for MappedN6IpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(feature = "generate")]
mod generate {
    use super::{MappedN6IpAddress, Prefix, UeIpAddress, Wanted};
    use crate::generate::{Generate, Source};

    impl<T: Generate> Generate for Wanted<T> {
        fn generate(source: &mut Source<'_>) -> Self {
            if bool::generate(source) {
                Self::Given(T::generate(source))
            } else {
                Self::Choose
            }
        }
    }

    impl Generate for Prefix {
        fn generate(source: &mut Source<'_>) -> Self {
            if bool::generate(source) {
                Self::Delegation(Generate::generate(source))
            } else {
                Self::Length(Generate::generate(source))
            }
        }
    }

    impl Generate for UeIpAddress {
        fn generate(source: &mut Source<'_>) -> Self {
            Self {
                destination: Generate::generate(source),
                ipv4: Generate::generate(source),
                ipv6: Generate::generate(source),
                prefix: Generate::generate(source),
            }
        }
    }

    impl Generate for MappedN6IpAddress {
        fn generate(source: &mut Source<'_>) -> Self {
            Self(Generate::generate(source))
        }
    }
}
