//! What packets are told apart by: SDF filters, PFDs; and where they are redirected.

use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Serialize};

use super::{Bits, Bits24, SdfFilter, Several};
use crate::error::{Fault, Illegal};
use crate::flags::{List, optional};
use crate::wire::{Check, Long, Octets, Parsed, Short, Wire, behind_length, emit_all, refuse};

layout! {
    /// A ToS or Traffic Class octet, and which of its bits are meant.
    TosTrafficClass 0 { value: u8, mask: u8 }
}

/// An IPFilterRule of the form `permit out ip from any to assigned`: ASCII, not empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Octets")]
pub struct FlowDescription(Long);

impl FlowDescription {
    /// The description, if it is ASCII, and neither empty nor longer than 65,535.
    pub fn new(text: impl Into<Octets>) -> Option<Self> {
        Long::new(text).and_then(Self::of)
    }

    fn of(text: Long) -> Option<Self> {
        (!text.is_empty() && text.is_ascii()).then_some(Self(text))
    }
}

impl Deref for FlowDescription {
    type Target = Octets;
    fn deref(&self) -> &Octets {
        &self.0
    }
}

impl TryFrom<Octets> for FlowDescription {
    type Error = Illegal;
    fn try_from(text: Octets) -> Result<Self, Illegal> {
        Self::new(text).ok_or(Illegal("a flow description of ASCII characters"))
    }
}

impl Wire for FlowDescription {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, text) = Long::parse(input)?;
        Self::of(text).map_or_else(refuse, |text| Ok((rest, text)))
    }
    fn emit(&self, out: &mut Vec<u8>) {
        self.0.emit(out);
    }
}

impl fmt::Display for FlowDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

layout! {
    /// What tells a medium of a multiplexed (S)RTP stream from the others. All fields that are
    /// there must match; what a later release says beyond them is kept as it came.
    MediaFields 1 {
        ssrc: u32 = 1, payload_type: u8 = 2, identification_tag: Short = 3,
        header_extension_id: u8 = 4, rtcp_packet_type: u8 = 5, beyond: Octets,
    }
}

/// (S)RTP Multiplexed Media Identification Information (TS 29.244, 8.2.5; Release 19).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MediaIdentification(pub MediaFields);

impl Wire for MediaIdentification {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, octets) = counted(input)?;
        let (_, fields) = MediaFields::parse(octets)?;
        Ok((rest, Self(fields)))
    }
    fn emit(&self, out: &mut Vec<u8>) {
        behind_length(out, |out| self.0.emit(out));
    }
}

impl fmt::Display for MediaIdentification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({})", self.0)
    }
}

/// The conditions of an [`SdfFilter`]: at least one of them is there in an IE.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SdfConditions {
    /// Addresses, ports and protocol.
    pub flow_description: Option<FlowDescription>,
    /// The ToS or Traffic Class.
    pub tos_traffic_class: Option<TosTrafficClass>,
    /// The security parameter index (IP security).
    pub security_parameter_index: Option<u32>,
    /// The IPv6 flow label.
    pub flow_label: Option<Bits24<20>>,
    /// The identity of a filter that other PDRs of the session refer to.
    pub filter_id: Option<u32>,
    /// The media that an (S)RTP stream multiplexes; one of them must match.
    pub media: Option<Several<MediaIdentification, 1, 255>>,
}

impl Check for SdfConditions {
    const RULE: &'static str =
        "a filter with a condition: without, it would match all that there is";

    fn holds(&self) -> bool {
        *self != Self::default()
    }
    fn least() -> Self {
        Self {
            filter_id: Some(0),
            ..Self::default()
        }
    }
}

impl SdfFilter {
    /// A filter of a flow description alone; `None` if the text is none.
    pub fn flow(description: &str) -> Option<Self> {
        Self::new(SdfConditions {
            flow_description: Some(FlowDescription::new(description)?),
            ..SdfConditions::default()
        })
    }
}

impl Wire for SdfConditions {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, [flags, _spare]) = <[u8; 2]>::parse(input)?;
        let has = |bit: u8| flags & 1 << (bit - 1) != 0;
        let (rest, flow_description) = optional(rest, has(1))?;
        let (rest, tos_traffic_class) = optional(rest, has(2))?;
        let (rest, security_parameter_index) = optional(rest, has(3))?;
        let (rest, flow_label) = optional(rest, has(4))?;
        let (rest, filter_id) = optional(rest, has(5))?;
        let (rest, media) = if has(6) {
            let (rest, count) = u8::parse(rest)?;
            let (rest, media) = Several::parse(rest, count.into())?;
            (rest, Some(media))
        } else {
            (rest, None)
        };
        let conditions = Self {
            flow_description,
            tos_traffic_class,
            security_parameter_index,
            flow_label,
            filter_id,
            media,
        };
        Ok((rest, conditions))
    }
    fn emit(&self, out: &mut Vec<u8>) {
        let there = [
            self.flow_description.is_some(),
            self.tos_traffic_class.is_some(),
            self.security_parameter_index.is_some(),
            self.flow_label.is_some(),
            self.filter_id.is_some(),
            self.media.is_some(),
        ];
        let flags = there
            .iter()
            .rev()
            .fold(0, |flags, there| flags << 1 | u8::from(*there));
        out.extend_from_slice(&[flags, 0]);
        emit_all(self.flow_description.iter(), out);
        emit_all(self.tos_traffic_class.iter(), out);
        emit_all(self.security_parameter_index.iter(), out);
        emit_all(self.flow_label.iter(), out);
        emit_all(self.filter_id.iter(), out);
        if let Some(media) = &self.media {
            out.push(media.count());
            emit_all(media.iter(), out);
        }
    }
}

impl fmt::Display for SdfConditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = List::new(f);
        list.entries("flow", self.flow_description.iter());
        list.entries("ToS", self.tos_traffic_class.iter());
        list.entries("SPI", self.security_parameter_index.iter());
        list.entries("flow label", self.flow_label.iter());
        list.entries("id", self.filter_id.iter());
        let media = self.media.iter().flat_map(|media| media.iter());
        list.entries("media", media);
        list.finish()
    }
}

/// Values of one kind, all behind their length of two octets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Listed<T>(pub Vec<T>);

/// The octets behind a length of two octets, and what follows them.
fn counted(input: &[u8]) -> Parsed<'_, &[u8]> {
    let (rest, length) = u16::parse(input)?;
    match rest.split_at_checked(usize::from(length)) {
        Some((octets, rest)) => Ok((rest, octets)),
        None => Err(nom::Err::Error(Fault::Length)),
    }
}

impl<T: Wire> Wire for Listed<T> {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, mut octets) = counted(input)?;
        // Counted first, so that the list takes one allocation, of what the octets hold.
        let mut count = 0;
        let mut left = octets;
        while !left.is_empty() {
            (left, ()) = T::skip(left)?;
            count += 1;
        }
        let mut all = Vec::with_capacity(count);
        while !octets.is_empty() {
            let (after, one) = T::parse(octets)?;
            all.push(one);
            octets = after;
        }
        Ok((rest, Self(all)))
    }
    fn emit(&self, out: &mut Vec<u8>) {
        behind_length(out, |out| emit_all(&self.0, out));
    }
}

impl<T: fmt::Display> fmt::Display for Listed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = List::new(f);
        self.0.iter().for_each(|one| list.name(&one.to_string()));
        list.finish()
    }
}

layout! {
    /// A domain name and the protocol that it is to be looked for in.
    DomainNameAndProtocol 0 { domain_name: Long, protocol: Long }
}

/// Redirect Information (TS 29.244, 8.2.20): where packets are sent instead. Addresses are text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields say what they are")]
pub enum RedirectInformation {
    /// An IPv4 address.
    Ipv4(Long),
    /// An IPv6 address.
    Ipv6(Long),
    /// A URL.
    Url(Long),
    /// A SIP URI.
    SipUri(Long),
    /// An IPv4 and an IPv6 address.
    Both { ipv4: Long, ipv6: Long },
    /// A port, at the same address.
    Port(u16),
    /// An IPv4 address and a port.
    Ipv4AndPort { ipv4: Long, port: u16 },
    /// An IPv6 address and a port.
    Ipv6AndPort { ipv6: Long, port: u16 },
    /// Two addresses and a port.
    BothAndPort { ipv4: Long, ipv6: Long, port: u16 },
}

impl RedirectInformation {
    /// The address type, and what stands behind it: an address, another one, a port.
    const fn parts(&self) -> (u8, Option<&Long>, Option<&Long>, Option<u16>) {
        match self {
            Self::Ipv4(ipv4) => (0, Some(ipv4), None, None),
            Self::Ipv6(ipv6) => (1, Some(ipv6), None, None),
            Self::Url(url) => (2, Some(url), None, None),
            Self::SipUri(uri) => (3, Some(uri), None, None),
            Self::Both { ipv4, ipv6 } => (4, Some(ipv4), Some(ipv6), None),
            Self::Port(port) => (5, None, None, Some(*port)),
            Self::Ipv4AndPort { ipv4, port } => (6, Some(ipv4), None, Some(*port)),
            Self::Ipv6AndPort { ipv6, port } => (7, Some(ipv6), None, Some(*port)),
            Self::BothAndPort { ipv4, ipv6, port } => (8, Some(ipv4), Some(ipv6), Some(*port)),
        }
    }

    /// What these parts make; `None` if the type is none, or has no address where one is given.
    fn of_parts(r#type: u8, address: Long, other: Long, port: u16) -> Option<Self> {
        Some(match r#type {
            0 => Self::Ipv4(address),
            1 => Self::Ipv6(address),
            2 => Self::Url(address),
            3 => Self::SipUri(address),
            4 => Self::Both {
                ipv4: address,
                ipv6: other,
            },
            5 if address.is_empty() => Self::Port(port),
            6 => Self::Ipv4AndPort {
                ipv4: address,
                port,
            },
            7 => Self::Ipv6AndPort {
                ipv6: address,
                port,
            },
            8 => Self::BothAndPort {
                ipv4: address,
                ipv6: other,
                port,
            },
            _ => return None,
        })
    }
}

impl Default for RedirectInformation {
    fn default() -> Self {
        Self::Ipv4(Long::default())
    }
}

impl Wire for RedirectInformation {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, r#type) = Bits::<4>::parse(input)?;
        let r#type = r#type.get();
        let (rest, address) = Long::parse(rest)?;
        let (rest, other) = optional(rest, matches!(r#type, 4 | 8))?;
        let (rest, port) = optional(rest, matches!(r#type, 5..=8))?;
        let (other, port) = (other.unwrap_or_default(), port.unwrap_or_default());
        let information = Self::of_parts(r#type, address, other, port);
        information.map_or_else(refuse, |information| Ok((rest, information)))
    }
    fn emit(&self, out: &mut Vec<u8>) {
        let (r#type, address, other, port) = self.parts();
        out.push(r#type);
        behind_length(out, |out| {
            if let Some(address) = address {
                out.extend_from_slice(address);
            }
        });
        emit_all(other, out);
        emit_all(port.iter(), out);
    }
}

impl fmt::Display for RedirectInformation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, address, other, port) = self.parts();
        let mut list = List::new(f);
        list.entries("to", address);
        list.entries("or", other);
        list.entries("port", port.iter());
        list.finish()
    }
}

#[cfg(feature = "generate")]
mod generate {
    use super::{FlowDescription, Listed, MediaIdentification, RedirectInformation, SdfConditions};
    use crate::generate::{Generate, Source};
    use crate::wire::Octets;

    impl Generate for FlowDescription {
        fn generate(source: &mut Source<'_>) -> Self {
            let text = Octets::generate(source);
            let mut text: Vec<u8> = text.iter().map(|octet| octet & 0x7f).collect();
            text.push(b' ');
            Self::new(text.as_slice()).unwrap_or_else(|| Self(Generate::generate(source)))
        }
    }

    impl Generate for MediaIdentification {
        fn generate(source: &mut Source<'_>) -> Self {
            Self(Generate::generate(source))
        }
    }

    impl Generate for SdfConditions {
        fn generate(source: &mut Source<'_>) -> Self {
            Self {
                flow_description: Generate::generate(source),
                tos_traffic_class: Generate::generate(source),
                security_parameter_index: Generate::generate(source),
                flow_label: Generate::generate(source),
                filter_id: Generate::generate(source),
                media: Generate::generate(source),
            }
        }
    }

    impl<T: Generate> Generate for Listed<T> {
        fn generate(source: &mut Source<'_>) -> Self {
            Self(Generate::generate(source))
        }
    }

    impl Generate for RedirectInformation {
        fn generate(source: &mut Source<'_>) -> Self {
            let r#type = source.octet() % 9;
            let [address, other] = [Generate::generate(source), Generate::generate(source)];
            let port = Generate::generate(source);
            Self::of_parts(r#type, address, other, port).unwrap_or(Self::Port(port))
        }
    }
}
