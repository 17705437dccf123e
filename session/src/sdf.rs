//! SDF filters (TS 29.244, 8.2.5) and the flow descriptions inside them (TS 29.212, 5.4.2).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use smallvec::SmallVec;

/// The most ranges that one port list may hold.
pub const PORT_RANGES_MAX: usize = 64;

/// The longest flow description that is read, in octets.
pub const FLOW_DESCRIPTION_LENGTH_MAX: usize = 1024;

/// SDF Filter (TS 29.244, 8.2.5). All fields that are present are ANDed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SdfFilter {
    /// Addresses, protocol and ports, written for downlink.
    pub flow: Option<FlowDescription>,
    /// ToS or traffic class, and its mask.
    pub tos: Option<(u8, u8)>,
    /// Security parameter index of ESP or AH.
    pub spi: Option<u32>,
    /// IPv6 flow label, 20 bits.
    pub flow_label: Option<u32>,
}

impl From<FlowDescription> for SdfFilter {
    fn from(flow: FlowDescription) -> Self {
        Self {
            flow: Some(flow),
            ..Self::default()
        }
    }
}

/// An IPFilterRule of the subset that TS 29.212 allows: `permit out PROTO from A [ports] to B [ports]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FlowDescription {
    /// The protocol number; `None` for `ip`.
    pub protocol: Option<u8>,
    /// The remote end (the source of downlink packets).
    pub from: Endpoint,
    /// The UE's end.
    pub to: Endpoint,
}

/// One side of a flow description.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// The address or addresses.
    pub address: Address,
    /// Ports, any of which match; empty matches all.
    pub ports: SmallVec<[PortRange; 1]>,
}

/// Ports from the first to the last, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PortRange {
    /// The lowest.
    pub first: u16,
    /// The highest.
    pub last: u16,
}

impl PortRange {
    /// As a range.
    pub const fn range(self) -> RangeInclusive<u16> {
        self.first..=self.last
    }
}

/// An address in a flow description.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Address {
    /// `any`.
    #[default]
    Any,
    /// `assigned`: the UE's own address.
    Assigned,
    /// A network, or a single address as a network of full length.
    Net(IpNet),
}

/// Why a flow description was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlowDescriptionError {
    /// It does not begin with `permit out`.
    #[error("a flow description begins with `permit out`")]
    Action,
    /// The protocol is neither `ip` nor 0 … 255.
    #[error("the protocol is `ip` or a number from 0 to 255")]
    Protocol,
    /// `from` or `to` is missing or misplaced.
    #[error("`from ADDRESS` and `to ADDRESS` are needed, in this order")]
    Keyword,
    /// An address or prefix length cannot be read.
    #[error("an address is `any`, `assigned`, or IPv4 or IPv6 with an optional prefix length")]
    Address,
    /// A port list cannot be read, or its ranges run backwards.
    #[error("ports are numbers or ranges, separated by commas")]
    Ports,
    /// The two addresses are of different families.
    #[error("both addresses are of one family")]
    Family,
    /// There is text behind the end.
    #[error("nothing may follow the destination")]
    Trailing,
    /// It is longer than [`FLOW_DESCRIPTION_LENGTH_MAX`] or holds too many port ranges.
    #[error("too long")]
    Length,
}

impl FlowDescription {
    /// Reads the text of a flow description.
    ///
    /// # Errors
    /// When it is not of the grammar above, entirely: a filter that was read in part would match
    /// more than its author meant.
    pub fn parse(text: &str) -> Result<Self, FlowDescriptionError> {
        use FlowDescriptionError as E;
        if text.len() > FLOW_DESCRIPTION_LENGTH_MAX {
            return Err(E::Length);
        }
        let mut words = text
            .split([' ', '\t'])
            .filter(|word| !word.is_empty())
            .peekable();
        if words.next() != Some("permit") || words.next() != Some("out") {
            return Err(E::Action);
        }
        let protocol = match words.next() {
            Some("ip") => None,
            Some(number) => Some(decimal(number).ok_or(E::Protocol)?),
            None => return Err(E::Protocol),
        };
        if words.next() != Some("from") {
            return Err(E::Keyword);
        }
        let from_address = address(words.next().ok_or(E::Address)?)?;
        let from_ports = match words.peek() {
            Some(&"to") | None => SmallVec::new(),
            Some(_) => ports(words.next().unwrap_or_default())?,
        };
        if words.next() != Some("to") {
            return Err(E::Keyword);
        }
        let to_address = address(words.next().ok_or(E::Address)?)?;
        let to_ports = words.next().map(ports).transpose()?.unwrap_or_default();
        if words.next().is_some() {
            return Err(E::Trailing);
        }
        if let (Address::Net(from), Address::Net(to)) = (from_address, to_address)
            && from.addr().is_ipv4() != to.addr().is_ipv4()
        {
            return Err(E::Family);
        }
        Ok(Self {
            protocol,
            from: Endpoint {
                address: from_address,
                ports: from_ports,
            },
            to: Endpoint {
                address: to_address,
                ports: to_ports,
            },
        })
    }
}

fn address(word: &str) -> Result<Address, FlowDescriptionError> {
    let bad = FlowDescriptionError::Address;
    match word {
        "any" => return Ok(Address::Any),
        "assigned" => return Ok(Address::Assigned),
        _ => {}
    }
    let (address, length) = match word.split_once('/') {
        Some((address, length)) => (address, Some(decimal::<u8>(length).ok_or(bad)?)),
        None => (word, None),
    };
    // "Bits of the address past the mask are ignored", hence the truncation.
    let net = match address.parse::<IpAddr>().map_err(|_| bad)? {
        IpAddr::V4(address) => IpNet::V4(
            Ipv4Net::new(address, length.unwrap_or(32))
                .map_err(|_| bad)?
                .trunc(),
        ),
        IpAddr::V6(address) => IpNet::V6(
            Ipv6Net::new(address, length.unwrap_or(128))
                .map_err(|_| bad)?
                .trunc(),
        ),
    };
    // `0.0.0.0/0` speaks of IPv4 alone, `any` of both families: kept apart.
    Ok(Address::Net(net))
}

fn ports(word: &str) -> Result<SmallVec<[PortRange; 1]>, FlowDescriptionError> {
    let bad = FlowDescriptionError::Ports;
    let mut ranges = SmallVec::new();
    for item in word.split(',') {
        let (first, last) = item.split_once('-').unwrap_or((item, item));
        let (first, last) = (decimal(first).ok_or(bad)?, decimal(last).ok_or(bad)?);
        if first > last {
            return Err(bad);
        }
        if ranges.len() == PORT_RANGES_MAX {
            return Err(FlowDescriptionError::Length);
        }
        ranges.push(PortRange { first, last });
    }
    Ok(ranges)
}

/// A plain decimal number: no sign, no blank.
fn decimal<T: std::str::FromStr>(text: &str) -> Option<T> {
    if text.is_empty() || !text.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

impl fmt::Display for FlowDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("permit out ")?;
        match self.protocol {
            None => f.write_str("ip")?,
            Some(number) => write!(f, "{number}")?,
        }
        write!(f, " from {} to {}", self.from, self.to)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Address::Any => f.write_str("any")?,
            Address::Assigned => f.write_str("assigned")?,
            Address::Net(net) if net.prefix_len() == net.max_prefix_len() => {
                write!(f, "{}", net.addr())?;
            }
            Address::Net(net) => write!(f, "{net}")?,
        }
        for (position, range) in self.ports.iter().enumerate() {
            f.write_str(if position == 0 { " " } else { "," })?;
            if range.first == range.last {
                write!(f, "{}", range.first)?;
            } else {
                write!(f, "{}-{}", range.first, range.last)?;
            }
        }
        Ok(())
    }
}

/// An address of either family as 128 bits, IPv4 in the IPv4-mapped range, so that one comparison
/// serves both and the families never meet.
pub(crate) fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => bits_v4(address),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// [`bits`] of an IPv4 address.
pub(crate) fn bits_v4(address: Ipv4Addr) -> u128 {
    0xffff_0000_0000_u128 | u128::from(address.to_bits())
}

/// A network as value and mask over [`bits`].
pub(crate) fn value_and_mask(net: IpNet) -> (u128, u128) {
    match net {
        IpNet::V4(net) => {
            let mask = u128::MAX << (32 - u32::from(net.prefix_len()));
            (bits_v4(net.network()), mask)
        }
        IpNet::V6(net) => {
            let mask = u128::MAX
                .checked_shl(128 - u32::from(net.prefix_len()))
                .unwrap_or(0);
            (Ipv6Addr::to_bits(net.network()), mask)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for text in [
            "permit out ip from any to assigned",
            "permit out 17 from 10.0.0.0/8 53,1000-2000 to assigned",
            "permit out 58 from ff02::2 to assigned",
            "permit out 6 from 2001:db8::/32 to any 80",
            "permit out ip from 0.0.0.0/0 to assigned",
        ] {
            assert_eq!(FlowDescription::parse(text).unwrap().to_string(), text);
        }
        // Host bits and full lengths have a shorter way to be written.
        assert_eq!(
            FlowDescription::parse("permit out ip from 10.1.2.3/8 to 10.0.0.1/32")
                .unwrap()
                .to_string(),
            "permit out ip from 10.0.0.0/8 to 10.0.0.1"
        );
    }

    #[test]
    fn what_is_not_understood_is_refused_whole() {
        use FlowDescriptionError as E;
        for (text, error) in [
            ("", E::Action),
            (" ", E::Action),
            ("xxx", E::Action),
            ("permit", E::Action),
            ("permit in ip from any to any", E::Action),
            ("deny out ip from any to any", E::Action),
            ("permit out", E::Protocol),
            ("permit out 999 from any to any", E::Protocol),
            ("permit out -1 from any to any", E::Protocol),
            ("permit out tcp from any to any", E::Protocol),
            ("permit out ip any to any", E::Keyword),
            ("permit out ip from any", E::Keyword),
            ("permit out ip from any to", E::Address),
            ("permit out ip from 1.2.3 to any", E::Address),
            ("permit out ip from 1.2.3.4/99 to any", E::Address),
            ("permit out ip from 2001:db8::/200 to any", E::Address),
            ("permit out ip from !1.2.3.4 to any", E::Address),
            ("permit out 17 from any 99999-1 to any", E::Ports),
            ("permit out 17 from any 9-1 to any", E::Ports),
            ("permit out 17 from any 1,,2 to any", E::Ports),
            ("permit out 17 from any 1- to any", E::Ports),
            ("permit out ip from 10.0.0.1 to 2001:db8::1", E::Family),
            ("permit out ip from any to any 80 established", E::Trailing),
            ("%s%n", E::Action),
        ] {
            assert_eq!(FlowDescription::parse(text), Err(error), "{text}");
        }
        let long = format!("permit out ip from any to any{}", " ".repeat(2000));
        assert_eq!(FlowDescription::parse(&long), Err(E::Length));
        let many = format!("permit out 17 from any {} to any", vec!["1"; 65].join(","));
        assert_eq!(FlowDescription::parse(&many), Err(E::Length));
    }
}
