//! What packets are told apart by: SDF filters, PFDs; and where they are redirected.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::U24;
use crate::flags::{List, optional};
use crate::wire::{Long, Octets, Parsed, Wire, behind_length, emit_all, refuse};

layout! {
    /// A ToS or Traffic Class octet, and which of its bits are meant.
    TosTrafficClass 0 { value: u8, mask: u8 }
}

/// SDF Filter (TS 29.244, 8.2.5). All fields that are there must match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SdfFilter {
    /// An IPFilterRule of the form `permit out ip from any to assigned`: ASCII, not empty.
    pub flow_description: Option<Octets>,
    /// The ToS or Traffic Class.
    pub tos_traffic_class: Option<TosTrafficClass>,
    /// The security parameter index (IP security).
    pub security_parameter_index: Option<u32>,
    /// The IPv6 flow label, 20 bits.
    pub flow_label: Option<u32>,
    /// The identity of a filter that other PDRs of the session refer to.
    pub filter_id: Option<u32>,
    /// The media that an (S)RTP stream multiplexes (Release 19), as they came.
    pub media: Option<Octets>,
}

impl SdfFilter {
    /// A filter of a flow description alone.
    pub fn flow(description: &str) -> Self {
        Self {
            flow_description: Some(description.into()),
            ..Self::default()
        }
    }
}

impl Wire for SdfFilter {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, [flags, _spare]) = <[u8; 2]>::parse(input)?;
        let has = |bit: u8| flags & 1 << (bit - 1) != 0;
        // A filter without a condition would match all that there is.
        if flags.trailing_zeros() > 5 {
            return refuse();
        }
        let (rest, flow_description) = optional::<Long>(rest, has(1))?;
        if let Some(Long(text)) = &flow_description
            && (text.is_empty() || !text.is_ascii())
        {
            return refuse();
        }
        let (rest, tos_traffic_class) = optional(rest, has(2))?;
        let (rest, security_parameter_index) = optional(rest, has(3))?;
        let (rest, flow_label) = optional::<U24>(rest, has(4))?;
        let (rest, filter_id) = optional(rest, has(5))?;
        let (rest, media) = optional(rest, has(6))?;
        let filter = Self {
            flow_description: flow_description.map(|text| text.0),
            tos_traffic_class,
            security_parameter_index,
            flow_label: flow_label.map(|label| label.0 & 0x000f_ffff),
            filter_id,
            media,
        };
        Ok((rest, filter))
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
        if let Some(text) = &self.flow_description {
            let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
            length.emit(out);
            out.extend(text.iter().take(usize::from(length)));
        }
        self.tos_traffic_class
            .iter()
            .for_each(|class| class.emit(out));
        self.security_parameter_index
            .iter()
            .for_each(|index| index.emit(out));
        self.flow_label
            .iter()
            .for_each(|label| U24(label & 0x000f_ffff).emit(out));
        emit_all(self.filter_id.iter(), out);
        emit_all(self.media.iter(), out);
    }
}

impl fmt::Display for SdfFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = List::new(f);
        list.entries("flow", self.flow_description.iter());
        list.entries("ToS", self.tos_traffic_class.iter());
        list.entries("SPI", self.security_parameter_index.iter());
        list.entries("flow label", self.flow_label.iter());
        list.entries("id", self.filter_id.iter());
        list.entries("media", self.media.iter());
        list.finish()
    }
}

/// Values of one kind, all behind their length of two octets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Listed<T>(pub Vec<T>);

impl<T: Wire> Wire for Listed<T> {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, length) = u16::parse(input)?;
        let Some((mut octets, rest)) = rest.split_at_checked(usize::from(length)) else {
            return Err(nom::Err::Error(crate::error::Fault::Length));
        };
        let mut all = Vec::new();
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

/// Redirect Information (TS 29.244, 8.2.20). Addresses are text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RedirectInformation {
    /// What the address is: 0 IPv4, 1 IPv6, 2 URL, 3 SIP URI, 4 IPv4 and IPv6, 5 port, 6 to 8 an
    /// address as in 0, 1 and 4 with a port.
    pub address_type: u8,
    /// The address.
    pub address: Octets,
    /// The IPv6 address of types 4 and 8.
    pub other_address: Option<Octets>,
    /// The port of types 5 to 8.
    pub port: Option<u16>,
}

impl RedirectInformation {
    const fn has_other(address_type: u8) -> bool {
        matches!(address_type, 4 | 8)
    }
    const fn has_port(address_type: u8) -> bool {
        matches!(address_type, 5..=8)
    }
}

impl Wire for RedirectInformation {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, octet) = u8::parse(input)?;
        let address_type = octet & 0x0f;
        if address_type > 8 {
            return refuse();
        }
        let (rest, address) = Long::parse(rest)?;
        let (rest, other) = optional::<Long>(rest, Self::has_other(address_type))?;
        let (rest, port) = optional(rest, Self::has_port(address_type))?;
        let other_address = other.map(|other| other.0);
        Ok((
            rest,
            Self {
                address_type,
                address: address.0,
                other_address,
                port,
            },
        ))
    }
    fn emit(&self, out: &mut Vec<u8>) {
        out.push(self.address_type & 0x0f);
        behind_length(out, |out| self.address.emit(out));
        if Self::has_other(self.address_type) {
            behind_length(out, |out| emit_all(&self.other_address, out));
        }
        if Self::has_port(self.address_type) {
            self.port.unwrap_or(0).emit(out);
        }
    }
}

impl fmt::Display for RedirectInformation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = List::new(f);
        list.entry("to", &self.address);
        list.entries("or", self.other_address.iter());
        list.entries("port", self.port.iter());
        list.finish()
    }
}

#[cfg(feature = "generate")]
mod generate {
    use super::{Listed, RedirectInformation, SdfFilter};
    use crate::generate::{Generate, Source};
    use crate::ie::U24;
    use crate::wire::Octets;

    impl Generate for SdfFilter {
        fn generate(source: &mut Source<'_>) -> Self {
            let text: Vec<u8> = Octets::generate(source)
                .iter()
                .map(|octet| octet & 0x7f)
                .collect();
            let flow_description = (!text.is_empty()).then(|| text.as_slice().into());
            let filter_id = Option::<u32>::generate(source);
            let id_needed = flow_description.is_none() && filter_id.is_none();
            Self {
                flow_description,
                tos_traffic_class: Generate::generate(source),
                security_parameter_index: Generate::generate(source),
                flow_label: Option::<U24>::generate(source).map(|label| label.0 & 0x000f_ffff),
                filter_id: if id_needed { Some(1) } else { filter_id },
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
            let address_type = source.octet() % 9;
            Self {
                address_type,
                address: Generate::generate(source),
                other_address: Self::has_other(address_type).then(|| Generate::generate(source)),
                port: Self::has_port(address_type).then(|| Generate::generate(source)),
            }
        }
    }
}
