//! What can be wrong with a configuration, and what to do about it.

use std::fmt;

use ipnet::IpNet;
use thiserror::Error;

use crate::device::DeviceProblem;
use crate::{Origin, Prefix};

/// One mistake in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where it stands. For a missing key: where the section starts that lacks it.
    pub origin: Origin,
    /// Dotted path of the key, as `--set` takes it; empty for the document as a whole.
    pub key: String,
    /// What is wrong.
    pub problem: Problem,
}

impl Mistake {
    /// Line and column in the file, if it is there that the mistake stands.
    pub fn line_and_column(&self) -> Option<(u64, u64)> {
        match self.origin {
            Origin::File { line, column } => Some((line, column)),
            _ => None,
        }
    }

    /// The mistake with the line it stands on, as a person wants to see it.
    pub fn render(&self, file_name: &str, text: &str) -> String {
        let Some((line, column)) = self.line_and_column() else {
            return self.to_string();
        };
        let mut out = format!("{file_name}:{line}:{column}: {}", self.explanation());
        let index = usize::try_from(line)
            .unwrap_or(usize::MAX)
            .saturating_sub(1);
        if let Some(source) = text.lines().nth(index) {
            let indent = usize::try_from(column).unwrap_or(1).saturating_sub(1);
            let indent = indent.min(source.chars().count());
            out = format!("{out}\n    {source}\n    {:indent$}^", "");
        }
        out
    }

    fn explanation(&self) -> String {
        let mut out = String::new();
        if !self.key.is_empty() {
            out.push_str(&self.key);
            out.push_str(": ");
        }
        out.push_str(&self.problem.to_string());
        if let Some(advice) = self.problem.advice() {
            out.push_str("; ");
            out.push_str(&advice);
        }
        out
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.explanation())
    }
}

impl std::error::Error for Mistake {}

/// The shape of a value, where another was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing, or `~`.
    Nothing,
    /// Text or a number.
    Value,
    /// A list.
    List,
    /// Keys with values.
    Section,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "nothing",
            Self::Value => "a single value",
            Self::List => "a list",
            Self::Section => "a section of keys",
        })
    }
}

/// What is wrong. The message says what was found and expected; [`Problem::advice`] what to do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Problem {
    /// The text is not YAML.
    #[error("this is not valid YAML: {detail}")]
    Syntax {
        /// What the YAML parser says.
        detail: String,
    },
    /// A key that the schema does not have.
    #[error("there is no such key, expected one of {}", list(.known))]
    UnknownKey {
        /// The key that was probably meant.
        similar: Option<String>,
        /// All keys of the section.
        known: Vec<String>,
    },
    /// The same key twice in a section.
    #[error("the key is given twice, first at {first}")]
    RepeatedKey {
        /// Where it stands first.
        first: Origin,
    },
    /// A key without which nothing works.
    #[error("the key is missing, expected {expected}")]
    Missing {
        /// What its value would be.
        expected: String,
    },
    /// A list where a value was expected, or the like.
    #[error("found {found}, expected {expected}")]
    WrongShape {
        /// What is there.
        found: Found,
        /// What should be.
        expected: String,
    },
    /// A value that cannot be read.
    #[error("found \"{found}\", expected {expected}")]
    Invalid {
        /// The value.
        found: String,
        /// What should be there.
        expected: String,
        /// What was probably meant.
        similar: Option<String>,
    },
    /// A number outside its range.
    #[error("found {found}, expected a number from {min} to {max}")]
    OutOfRange {
        /// The number.
        found: u64,
        /// The least.
        min: u64,
        /// The greatest.
        max: u64,
    },
    /// A device that cannot be read.
    #[error("found \"{found}\": {problem}")]
    Device {
        /// The value.
        found: String,
        /// What is wrong with it.
        problem: DeviceProblem,
    },
    /// The address of a network where that of a host belongs.
    #[error("{found} is the {what} address of its network, expected the address of a host")]
    NotAHost {
        /// The address.
        found: IpNet,
        /// "network" or "broadcast".
        what: &'static str,
    },
    /// An address that no interface can have.
    #[error("{found} is a {what} address, expected the address of a host")]
    UnusableAddress {
        /// The address.
        found: std::net::IpAddr,
        /// Which kind it is.
        what: &'static str,
    },
    /// The address of a host where that of a network belongs.
    #[error("{found} has bits set after its prefix, expected the network {meant}")]
    NotANetwork {
        /// The value.
        found: IpNet,
        /// The network it lies in.
        meant: IpNet,
    },
    /// A list that needs at least one element.
    #[error("the list is empty, expected at least one {expected}")]
    Empty {
        /// Of what.
        expected: &'static str,
    },
    /// A predefined rule with flow descriptions and an application.
    #[error("there are flow descriptions and an application, expected one of them")]
    FlowsAndApplication,
    /// More flow descriptions than a packet detection rule holds.
    #[error("there are {found} flow descriptions, expected no more than {max}")]
    TooManyFlows {
        /// How many there are.
        found: u64,
        /// How many there may be.
        max: u64,
    },
    /// A name that nothing has.
    #[error("there is no {what} named \"{name}\", expected one of {}", list(.known))]
    NoSuch {
        /// "port", "interface".
        what: &'static str,
        /// The name.
        name: String,
        /// What was probably meant.
        similar: Option<String>,
        /// The names that exist.
        known: Vec<String>,
    },
    /// Two things of one name.
    #[error("another {what} is already named \"{name}\": {first}")]
    RepeatedName {
        /// "port", "interface", "network".
        what: &'static str,
        /// The name.
        name: String,
        /// Key of the first.
        first: String,
    },
    /// The same device twice.
    #[error("the device {device} is already used by {first}")]
    RepeatedDevice {
        /// The device.
        device: String,
        /// Key of the first.
        first: String,
    },
    /// A list names the same thing twice.
    #[error("{value} stands in the list twice")]
    RepeatedValue {
        /// The value.
        value: String,
    },
    /// A network that does not lie behind N6.
    #[error("interface \"{name}\" has the role {role}, expected one with the role n6")]
    NotN6 {
        /// The interface.
        name: String,
        /// Its role.
        role: &'static str,
    },
    /// Which packets go from UE to UE is told by the pools.
    #[error("`{0}` needs to know which addresses are those of UEs, found no ue_pools")]
    UeToUeWithoutPools(&'static str),
    /// A key of a network of packets, in one of frames.
    #[error("the key is about IP packets, and the network carries Ethernet frames")]
    AboutPackets,
    /// An Ethernet network takes all frames of its wire.
    #[error(
        "an Ethernet network has its interface to itself, and {0} has addresses, routes, other networks, or other interfaces in the same VLAN or behind tags of any"
    )]
    EthernetNotAlone(String),
    /// The kernel routes what goes to it.
    #[error("the interface {interface} leads to the kernel, which chooses the gateway itself")]
    ViaKernel {
        /// The interface.
        interface: String,
    },
    /// More interfaces, and policies with gateways, than there are numbers for.
    #[error("found {found} interfaces and policies with gateways, expected 255 at most")]
    TooManyInterfaces {
        /// How many there are.
        found: usize,
    },
    /// A name server that a Router Advertisement cannot tell of.
    #[error("expected up to 8 name servers with IPv6 addresses, found {0} as well")]
    NameServer(std::net::IpAddr),
    /// No interface on which a tunnel could end.
    #[error("no interface has the role n3 or n9, expected at least one")]
    NoAccess,
    /// An interface with the role N3 or N9 and no address.
    #[error("an interface with the role {role} has no address, expected at least one")]
    NoAddress {
        /// Its role.
        role: &'static str,
    },
    /// One address, twice.
    #[error("the address {address} is already used by {first}")]
    RepeatedAddress {
        /// The address.
        address: std::net::IpAddr,
        /// Key of the first.
        first: String,
    },
    /// Two pools that share addresses.
    #[error("the pool {pool} overlaps {other} of {first}")]
    OverlappingPools {
        /// The later pool.
        pool: Prefix,
        /// The earlier pool.
        other: Prefix,
        /// Key of the earlier pool.
        first: String,
    },
    /// Addresses to be given that are not the network's.
    #[error("{range} does not lie in the network's ue_pools")]
    OutsidePools {
        /// The addresses.
        range: Prefix,
    },
    /// IPv6 addresses of which no UE can have a /64.
    #[error("{range} is smaller than a /64")]
    NoRoomForPrefix {
        /// The addresses.
        range: Prefix,
    },
    /// Addresses that would be given twice.
    #[error("{range} overlaps {other} of {first}")]
    AllocatedTwice {
        /// The later addresses.
        range: Prefix,
        /// The earlier addresses.
        other: Prefix,
        /// Key of the earlier addresses.
        first: String,
    },
    /// An address of the UPF itself that a UE could be given.
    #[error("the address {address} lies in the UE pool {pool} of {first}")]
    AddressInPool {
        /// The address.
        address: std::net::IpAddr,
        /// The pool.
        pool: Prefix,
        /// Key of the pool.
        first: String,
    },
    /// Addresses for the kernel on a port that has no kernel side.
    #[error("port \"{port}\" is {device}, expected a tap: device")]
    KernelNeedsTap {
        /// The port.
        port: String,
        /// Its device.
        device: String,
    },
    /// A next hop that no subnet of the interface contains.
    #[error("the next hop {via} lies in no subnet of the interface")]
    UnreachableNextHop {
        /// The next hop.
        via: std::net::IpAddr,
    },
    /// An IPv4 route with an IPv6 next hop, or the reverse.
    #[error("the next hop {via} is not of the address family of {to}")]
    MixedFamilies {
        /// The destination.
        to: Prefix,
        /// The next hop.
        via: std::net::IpAddr,
    },
    /// A network that promises larger packets than its port can carry.
    #[error("the MTU {mtu} is larger than the {port_mtu} of port \"{port}\"")]
    MtuTooLarge {
        /// Of the network.
        mtu: u16,
        /// Of the port.
        port_mtu: u16,
        /// The port.
        port: String,
    },
    /// More kept packets than buffers.
    #[error(
        "found {found}, expected at least {needed}: queues {queues}, held packets {held}, bursts {bursts}"
    )]
    TooFewBuffers {
        /// What is configured.
        found: u64,
        /// What is needed.
        needed: u64,
        /// Buffers that wait in the queues of the ports.
        queues: u64,
        /// Buffers that hold packets of idle UEs.
        held: u64,
        /// Buffers in the hands of workers.
        bursts: u64,
    },
    /// A limit that can never be reached.
    #[error("found {found}, expected at most the {limit} of {key}")]
    Exceeds {
        /// The value.
        found: u64,
        /// The value of the other key.
        limit: u64,
        /// The other key.
        key: &'static str,
    },
    /// An API that everybody on the network may ask.
    #[error("{address} can be reached from other hosts, expected `api.tokens` beside it")]
    ApiWithoutTokens {
        /// Where it listens.
        address: std::net::SocketAddr,
    },
    /// Tokens that everybody on the way can read.
    #[error("tokens would go to {address} unencrypted, expected `api.tls` beside it")]
    ApiWithoutTls {
        /// Where it listens.
        address: std::net::SocketAddr,
    },
    /// An override without `=`.
    #[error("found \"{found}\", expected key=value")]
    OverrideSyntax {
        /// The flag.
        found: String,
    },
    /// An override below a value that has no keys.
    #[error("\"{segment}\" cannot be set there, expected {expected}")]
    OverridePath {
        /// The part of the path that does not fit.
        segment: String,
        /// What would.
        expected: String,
    },
}

impl Problem {
    /// What to do, where the message alone does not say it.
    pub fn advice(&self) -> Option<String> {
        if let Self::UnknownKey { similar, .. }
        | Self::Invalid { similar, .. }
        | Self::NoSuch { similar, .. } = self
        {
            return similar
                .as_ref()
                .map(|similar| format!("did you mean \"{similar}\"?"));
        }
        if let Self::Device { problem, .. } = self {
            return problem.advice().map(str::to_owned);
        }
        self.fixed_advice().map(str::to_owned)
    }

    fn fixed_advice(&self) -> Option<&'static str> {
        Some(match self {
            Self::Syntax { .. } => "check indentation, quotes and brackets around this place",
            Self::RepeatedKey { .. } | Self::RepeatedValue { .. } => "remove one of the two",
            Self::Missing { .. } => "add it",
            Self::NotAHost { .. } => "give the interface's own address with the prefix length",
            Self::UnusableAddress { .. } => "give an address of this host",
            Self::NotANetwork { .. } => "write the network, or a longer prefix",
            Self::RepeatedName { .. } => "rename one of the two",
            Self::RepeatedDevice { .. } => {
                "give each port its own device; several interfaces may share one port"
            }
            Self::NotN6 { .. } => {
                "name an interface with `role: n6`, or change the role of this one"
            }
            Self::FlowsAndApplication => "remove one of them, or make two rules of one group",
            Self::TooManyFlows { .. } => "make several of it, or write wider ones",
            Self::Empty { .. } => "add one, or remove the whole",
            Self::UeToUeWithoutPools(_) => "list the network's UE addresses in ue_pools",
            Self::AboutPackets => "leave it out",
            Self::EthernetNotAlone(_) => "give it a VLAN or port of its own, without addresses",
            Self::ViaKernel { .. } => "leave `via` out, and add a route to the kernel's table",
            Self::TooManyInterfaces { .. } => "let policies share an interface's routes",
            Self::NameServer(_) => {
                "leave it out: UEs learn of IPv4 name servers from the SMF, in the PDU session's options"
            }
            Self::NoAccess => "add an interface with `role: n3` and an address",
            Self::NoAddress { .. } => "add the address that gNBs or other UPFs send to",
            Self::RepeatedAddress { .. } => {
                "give each interface its own address: the UPF tells N3, N9 and N6 apart by it"
            }
            Self::OverlappingPools { .. } => {
                "make the pools disjoint, or put the networks behind different N6 interfaces"
            }
            Self::OutsidePools { .. } => "list parts of `ue_pools`, or add them to `ue_pools`",
            Self::NoRoomForPrefix { .. } => "give a /64 or a larger network",
            Self::AllocatedTwice { .. } => "list each address once",
            Self::AddressInPool { .. } => "move the address out of the pool, or shrink the pool",
            Self::KernelNeedsTap { .. } => "remove `kernel`, or make the port's device `tap:NAME`",
            Self::UnreachableNextHop { .. } => {
                "add an address of the next hop's subnet to the interface, or correct the next hop"
            }
            Self::MixedFamilies { .. } => "give a next hop of the same family",
            Self::MtuTooLarge { .. } => "lower it, or raise `mtu` of the port",
            Self::TooFewBuffers { .. } => {
                "set `memory.buffers: auto` or raise it, or lower `buffering.packets_total`, queues or descriptors"
            }
            Self::ApiWithoutTokens { .. } => {
                "name a file of tokens in `api.tokens`, or listen on 127.0.0.1"
            }
            Self::ApiWithoutTls { .. } => {
                "name a certificate in `api.tls`, listen on 127.0.0.1, or, where the network itself is trusted, set `api.plaintext`"
            }
            Self::Exceeds { .. } => "lower this value or raise the other",
            Self::OverrideSyntax { .. } => "write for example `pfcp.address=10.10.4.7`",
            _ => return None,
        })
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        "none (there are none)".to_owned()
    } else {
        names.join(", ")
    }
}
