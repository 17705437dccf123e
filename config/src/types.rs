//! The types of single values.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use serde_json::{Value, json};

use crate::Problem;
use crate::json_schema::{name, number, pattern};
use crate::reader::{Environment, Scalar};

pub(crate) fn invalid(found: &str, expected: &str) -> Problem {
    Problem::Invalid {
        found: found.to_owned(),
        expected: expected.to_owned(),
        similar: None,
    }
}

// ===== plain values =====

impl Scalar for u64 {
    const EXPECTED: &'static str = "a number";

    fn shape() -> Value {
        json!({ "type": "integer", "minimum": 0 })
    }

    fn parse(text: &str, _: Environment<'_>) -> Result<Self, Problem> {
        let digits = !text.is_empty() && text.chars().all(|character| character.is_ascii_digit());
        let number = if digits { text.parse().ok() } else { None };
        number.ok_or_else(|| invalid(text, Self::EXPECTED))
    }
}

impl Scalar for bool {
    const EXPECTED: &'static str = "true or false";

    fn shape() -> Value {
        json!({ "type": "boolean" })
    }

    fn parse(text: &str, _: Environment<'_>) -> Result<Self, Problem> {
        match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(Problem::Invalid {
                found: text.to_owned(),
                expected: Self::EXPECTED.to_owned(),
                similar: match text {
                    "yes" | "on" | "True" | "TRUE" | "1" => Some("true".to_owned()),
                    "no" | "off" | "False" | "FALSE" | "0" => Some("false".to_owned()),
                    _ => None,
                },
            }),
        }
    }
}

impl Scalar for IpAddr {
    const EXPECTED: &'static str = "an IPv4 or IPv6 address";

    fn shape() -> Value {
        json!({ "anyOf": [{ "type": "string", "format": "ipv4" }, { "type": "string", "format": "ipv6" }] })
    }

    fn parse(text: &str, _: Environment<'_>) -> Result<Self, Problem> {
        let address: Self = text.parse().map_err(|_| invalid(text, Self::EXPECTED))?;
        usable(address)
    }
}

/// Refuses addresses that no socket or interface can send from.
fn usable(address: IpAddr) -> Result<IpAddr, Problem> {
    let broadcast = address == IpAddr::V4(Ipv4Addr::BROADCAST);
    let what = match address {
        _ if address.is_unspecified() => "wildcard",
        _ if address.is_multicast() => "multicast",
        _ if broadcast => "broadcast",
        _ => return Ok(address),
    };
    Err(Problem::UnusableAddress {
        found: address,
        what,
    })
}

/// A network: an address with a prefix length and no bits after it. A bare address is a network
/// of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix(IpNet);

impl Prefix {
    /// The network.
    pub fn net(self) -> IpNet {
        self.0
    }

    /// Whether it contains the address.
    pub fn contains(self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }

    /// Whether the other is a part of it, or all of it.
    pub fn includes(self, other: Self) -> bool {
        self.0.contains(&other.0)
    }

    /// Whether they share an address.
    pub fn overlaps(self, other: Self) -> bool {
        self.0.contains(&other.0) || other.0.contains(&self.0)
    }
}

impl Scalar for Prefix {
    const EXPECTED: &'static str = "a network such as 10.45.0.0/16 or 2001:db8:cafe::/48";

    fn shape() -> Value {
        pattern("^[0-9A-Fa-f.:]+(/[0-9]{1,3})?$")
    }

    fn parse(text: &str, _: Environment<'_>) -> Result<Self, Problem> {
        let found: IpNet = text
            .parse()
            .or_else(|_| text.parse().map(|address: IpAddr| IpNet::from(address)))
            .map_err(|_| invalid(text, Self::EXPECTED))?;
        let meant = found.trunc();
        if meant == found {
            Ok(Self(found))
        } else {
            Err(Problem::NotANetwork { found, meant })
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The address of an interface, with the length of the subnet's prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceAddress(IpNet);

impl InterfaceAddress {
    /// The address alone.
    pub fn address(self) -> IpAddr {
        self.0.addr()
    }

    /// Address and prefix length.
    pub fn net(self) -> IpNet {
        self.0
    }

    /// The subnet behind the interface.
    pub fn subnet(self) -> Prefix {
        Prefix(self.0.trunc())
    }
}

impl Scalar for InterfaceAddress {
    const EXPECTED: &'static str = "an address with its prefix length, such as 10.10.3.7/24";

    fn shape() -> Value {
        pattern("^[0-9A-Fa-f.:]+/[0-9]{1,3}$")
    }

    fn parse(text: &str, _: Environment<'_>) -> Result<Self, Problem> {
        let found: IpNet = text.parse().map_err(|_| invalid(text, Self::EXPECTED))?;
        usable(found.addr())?;
        if let IpNet::V4(net) = found
            && net.prefix_len() < 31
        {
            let what = match net.addr() {
                address if address == net.network() => "network",
                address if address == net.broadcast() => "broadcast",
                _ => return Ok(Self(found)),
            };
            return Err(Problem::NotAHost { found, what });
        }
        Ok(Self(found))
    }
}

impl fmt::Display for InterfaceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A VLAN identifier, 1 to 4094 (IEEE 802.1Q).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VlanId(u16);

impl VlanId {
    /// The twelve bits of the tag.
    pub fn get(self) -> u16 {
        self.0
    }
}

impl Scalar for VlanId {
    const EXPECTED: &'static str = "a VLAN identifier from 1 to 4094";

    fn shape() -> Value {
        number(1, 4094)
    }

    fn parse(text: &str, environment: Environment<'_>) -> Result<Self, Problem> {
        let number = u64::parse(text, environment).map_err(|_| invalid(text, Self::EXPECTED))?;
        match u16::try_from(number) {
            Ok(id @ 1..=4094) => Ok(Self(id)),
            _ => Err(Problem::OutOfRange {
                found: number,
                min: 1,
                max: 4094,
            }),
        }
    }
}

/// A maximum transmission unit, 576 to 9600 octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mtu(u16);

impl Mtu {
    /// The octets of the largest IP packet.
    pub fn get(self) -> u16 {
        self.0
    }
}

impl Scalar for Mtu {
    const EXPECTED: &'static str = "a number of octets from 576 to 9600";

    fn shape() -> Value {
        number(576, 9600)
    }

    fn parse(text: &str, environment: Environment<'_>) -> Result<Self, Problem> {
        let number = u64::parse(text, environment).map_err(|_| invalid(text, Self::EXPECTED))?;
        match u16::try_from(number) {
            Ok(octets @ 576..=9600) => Ok(Self(octets)),
            _ => Err(Problem::OutOfRange {
                found: number,
                min: 576,
                max: 9600,
            }),
        }
    }
}

// ===== names =====

/// The name of a port or interface in this file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Scalar for Name {
    const EXPECTED: &'static str =
        "a name of 1 to 32 letters, digits, dots, dashes and underscores";

    fn shape() -> Value {
        name("^[A-Za-z0-9._-]{1,32}$")
    }

    fn parse(text: &str, _: Environment<'_>) -> Result<Self, Problem> {
        let good = |character: char| {
            character.is_ascii_alphanumeric() || matches!(character, '.' | '-' | '_')
        };
        if (1..=32).contains(&text.len()) && text.chars().all(good) {
            Ok(Self(text.to_owned()))
        } else {
            Err(invalid(text, Self::EXPECTED))
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(crate) fn is_visible(text: &str) -> bool {
    let good = |character: char| character.is_ascii_graphic();
    (1..=100).contains(&text.len()) && text.chars().all(good)
}

/// A network instance, APN or DNN. `*` stands for every name that no other network has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetworkName(String);

impl NetworkName {
    /// The name as text, without label encoding.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the catch-all `*`.
    pub fn is_any(&self) -> bool {
        self.0 == "*"
    }
}

impl Scalar for NetworkName {
    const EXPECTED: &'static str = "a network instance or DNN of 1 to 100 visible characters";

    fn shape() -> Value {
        name("^[!-~]{1,100}$")
    }

    fn parse(text: &str, _: Environment<'_>) -> Result<Self, Problem> {
        if is_visible(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(invalid(text, Self::EXPECTED))
        }
    }
}

impl fmt::Display for NetworkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A fully qualified domain name (RFC 1035, 2.3.1, digits allowed at the start of a label).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fqdn(String);

impl Fqdn {
    fn parse(text: &str) -> Option<Self> {
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .chars()
                    .all(|character| character.is_ascii_alphanumeric() || character == '-')
        };
        // Four numbers with dots are a mistyped address rather than a name.
        let named = text
            .chars()
            .any(|character| character.is_ascii_alphabetic());
        (text.len() <= 253 && named && text.split('.').all(label)).then(|| Self(text.to_owned()))
    }

    /// The name with dots, without label encoding.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How the UPF names itself on N4 (TS 29.244, 8.2.38).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeId {
    /// By IPv4 address.
    V4(Ipv4Addr),
    /// By IPv6 address.
    V6(Ipv6Addr),
    /// By name.
    Fqdn(Fqdn),
}

impl From<IpAddr> for NodeId {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6(address),
        }
    }
}

impl Scalar for NodeId {
    const EXPECTED: &'static str = "an IPv4 address, an IPv6 address or a domain name";

    fn parse(text: &str, environment: Environment<'_>) -> Result<Self, Problem> {
        if text.parse::<IpAddr>().is_ok() {
            return IpAddr::parse(text, environment).map(Self::from);
        }
        Fqdn::parse(text)
            .map(Self::Fqdn)
            .ok_or_else(|| invalid(text, Self::EXPECTED))
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => address.fmt(f),
            Self::V6(address) => address.fmt(f),
            Self::Fqdn(name) => f.write_str(name.as_str()),
        }
    }
}

/// A host by address or name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// By address.
    Address(IpAddr),
    /// By name, to be resolved.
    Name(Fqdn),
}

/// Where a peer listens for PFCP.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerAddress {
    /// The host.
    pub host: Host,
    /// The UDP port; 8805 when none is written.
    pub port: u16,
}

impl PeerAddress {
    const PORT: u16 = 8805;

    fn split(text: &str) -> Option<(&str, u16)> {
        if text.parse::<Ipv6Addr>().is_ok() {
            return Some((text, Self::PORT));
        }
        if let Some(rest) = text.strip_prefix('[') {
            let (host, port) = rest.split_once(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            return match port.strip_prefix(':') {
                Some(port) => Some((host, port.parse().ok()?)),
                None => port.is_empty().then_some((host, Self::PORT)),
            };
        }
        match text.split_once(':') {
            Some((host, port)) => Some((host, port.parse().ok()?)),
            None => Some((text, Self::PORT)),
        }
    }
}

impl Scalar for PeerAddress {
    const EXPECTED: &'static str =
        "an address or domain name, with a port if it is not 8805: smf.example:8806";

    fn parse(text: &str, environment: Environment<'_>) -> Result<Self, Problem> {
        let wrong = || invalid(text, Self::EXPECTED);
        let (host, port) = Self::split(text)
            .filter(|(_, port)| *port != 0)
            .ok_or_else(wrong)?;
        let host = match host.parse::<IpAddr>() {
            Ok(_) => Host::Address(IpAddr::parse(host, environment)?),
            Err(_) => Host::Name(Fqdn::parse(host).ok_or_else(wrong)?),
        };
        Ok(Self { host, port })
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Address(IpAddr::V4(address)) => write!(f, "{address}:{}", self.port),
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]:{}", self.port),
            Host::Name(name) => write!(f, "{}:{}", name.as_str(), self.port),
        }
    }
}
