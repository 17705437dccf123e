//! Fields that several IEs share. None of them is an IE by itself.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::error::Fault;
use crate::wire::{Mac, Octets, Parsed, Short, Wire, emit_all, refuse};

/// The lower `N` bits of an octet; the upper ones are spare.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Bits<const N: u32>(pub u8);

impl<const N: u32> Bits<N> {
    const MASK: u8 = ((1_u16 << N) - 1).to_be_bytes()[1];
}

impl<const N: u32> Wire for Bits<N> {
    #[inline]
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, octet) = u8::parse(input)?;
        Ok((rest, Self(octet & Self::MASK)))
    }
    #[inline]
    fn emit(&self, out: &mut Vec<u8>) {
        out.push(self.0 & Self::MASK);
    }
}

impl<const N: u32> fmt::Display for Bits<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A number of three octets.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct U24(pub u32);

impl Wire for U24 {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, [a, b, c]) = <[u8; 3]>::parse(input)?;
        Ok((rest, Self(u32::from_be_bytes([0, a, b, c]))))
    }
    fn emit(&self, out: &mut Vec<u8>) {
        let [_, octets @ ..] = self.0.to_be_bytes();
        out.extend_from_slice(&octets);
    }
}

impl fmt::Display for U24 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#08x}", self.0)
    }
}

/// `N` octets that the codec does not look into. In JSON: hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes<const N: usize>(pub [u8; N]);

impl<const N: usize> Default for Bytes<N> {
    fn default() -> Self {
        Self([0; N])
    }
}

impl<const N: usize> Wire for Bytes<N> {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, octets) = <[u8; N]>::parse(input)?;
        Ok((rest, Self(octets)))
    }
    fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

impl<const N: usize> fmt::Display for Bytes<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl<const N: usize> fmt::Debug for Bytes<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl<const N: usize> Serialize for Bytes<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Bytes<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let digits = String::deserialize(deserializer)?;
        let octets = crate::octets::from_hex(&digits);
        let array = octets.and_then(|octets| <[u8; N]>::try_from(&*octets).ok());
        array.map(Self).ok_or_else(|| {
            de::Error::invalid_value(de::Unexpected::Str(&digits), &"hexadecimal digits")
        })
    }
}

/// An address whose family the length of the IE tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Address(pub IpAddr);

impl Default for Address {
    fn default() -> Self {
        Self(Ipv4Addr::UNSPECIFIED.into())
    }
}

impl Wire for Address {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        if input.len() < 16 {
            let (rest, address) = Ipv4Addr::parse(input)?;
            return Ok((rest, Self(address.into())));
        }
        let (rest, address) = Ipv6Addr::parse(input)?;
        Ok((rest, Self(address.into())))
    }
    fn emit(&self, out: &mut Vec<u8>) {
        match self.0 {
            IpAddr::V4(address) => address.emit(out),
            IpAddr::V6(address) => address.emit(out),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Address4(pub Ipv4Addr);

impl Default for Address4 {
    fn default() -> Self {
        Self(Ipv4Addr::UNSPECIFIED)
    }
}

impl Wire for Address4 {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, address) = Ipv4Addr::parse(input)?;
        Ok((rest, Self(address)))
    }
    fn emit(&self, out: &mut Vec<u8>) {
        self.0.emit(out);
    }
}

impl fmt::Display for Address4 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An address behind an octet that tells family (2 bits) and length (6 bits), as TS 29.274 has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TypedAddress(pub Address);

impl Wire for TypedAddress {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, head) = u8::parse(input)?;
        match head {
            4 => {
                let (rest, address) = Ipv4Addr::parse(rest)?;
                Ok((rest, Self(Address(address.into()))))
            }
            0x50 => {
                let (rest, address) = Ipv6Addr::parse(rest)?;
                Ok((rest, Self(Address(address.into()))))
            }
            _ => refuse(),
        }
    }
    fn emit(&self, out: &mut Vec<u8>) {
        out.push(if self.0.0.is_ipv4() { 4 } else { 0x50 });
        self.0.emit(out);
    }
}

impl fmt::Display for TypedAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

layout! {
    /// A source-specific multicast address.
    SsmAddress 0 { distribution: TypedAddress, source: TypedAddress }
}

layout! {
    /// What the UE gave an L2TP access concentrator to authenticate it by (RFC 2661, 4.4.5).
    ProxyAuthentication 1 { name: Short = 1, challenge: Short = 2, response: Short = 3, id: u8 = 4 }
}

layout! {
    /// Jitter measured on N6, in milliseconds.
    N6Jitter 0 { periodicity: u32, lower: u32, higher: u32 }
}

/// A period in one octet: a unit in the upper three bits, a count in the lower five.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TimerValue(pub u8);

impl TimerValue {
    /// Without end.
    pub const INFINITE: Self = Self(0xe0);

    /// The period in seconds; `None` for one without end. Zero means stopped.
    pub const fn seconds(self) -> Option<u32> {
        let unit = match self.0 >> 5 {
            0 => 2,
            2 => 600,
            3 => 3_600,
            4 => 36_000,
            7 => return None,
            _ => 60,
        };
        let [_, count] = (u16::from_be_bytes([0, self.0]) & 0x1f).to_be_bytes();
        Some(unit * u32::from_be_bytes([0, 0, 0, count]))
    }

    /// The shortest period that is not shorter than `seconds` and can be said; at most 310 hours.
    pub fn from_seconds(seconds: u32) -> Self {
        let units: [(u8, u32); 5] = [(0, 2), (1, 60), (2, 600), (3, 3_600), (4, 36_000)];
        let fits = units.iter().find_map(|(code, unit)| {
            let count = u8::try_from(seconds.div_ceil(*unit))
                .ok()
                .filter(|count| *count < 32)?;
            Some(Self(code << 5 | count))
        });
        fits.unwrap_or(Self(0x9f))
    }
}

impl Wire for TimerValue {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, octet) = u8::parse(input)?;
        Ok((rest, Self(octet)))
    }
    fn emit(&self, out: &mut Vec<u8>) {
        out.push(self.0);
    }
}

impl fmt::Display for TimerValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.seconds() {
            Some(seconds) => write!(f, "{seconds} s"),
            None => f.write_str("infinite"),
        }
    }
}

/// A VLAN tag of which only the given parts are meant. The bits stand in another order than on
/// the link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct VlanTag {
    /// Priority code point, 3 bits.
    pub pcp: Option<u8>,
    /// Drop eligible indicator.
    pub dei: Option<bool>,
    /// VLAN identifier, 12 bits.
    pub vid: Option<u16>,
}

impl Wire for VlanTag {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, [flags, high, low]) = <[u8; 3]>::parse(input)?;
        let tag = Self {
            pcp: (flags & 1 != 0).then_some(high & 0x07),
            dei: (flags & 2 != 0).then_some(high & 0x08 != 0),
            vid: (flags & 4 != 0).then(|| u16::from_be_bytes([high >> 4, low])),
        };
        Ok((rest, tag))
    }
    fn emit(&self, out: &mut Vec<u8>) {
        let flags = u8::from(self.pcp.is_some())
            | u8::from(self.dei.is_some()) << 1
            | u8::from(self.vid.is_some()) << 2;
        let [vid_high, vid_low] = self.vid.unwrap_or(0).to_be_bytes();
        let dei = u8::from(self.dei.unwrap_or(false)) << 3;
        let high = vid_high << 4 | dei | self.pcp.unwrap_or(0) & 0x07;
        out.extend_from_slice(&[flags, high, vid_low]);
    }
}

impl fmt::Display for VlanTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = crate::flags::List::new(f);
        if let Some(vid) = &self.vid {
            list.entry("vid", vid);
        }
        if let Some(pcp) = &self.pcp {
            list.entry("pcp", pcp);
        }
        if let Some(dei) = &self.dei {
            list.entry("dei", dei);
        }
        list.finish()
    }
}

/// MAC addresses behind one pair of VLAN tags.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MacList {
    /// The addresses, up to 255.
    pub addresses: Vec<Mac>,
    /// The C-TAG of their frames.
    pub c_tag: Option<VlanTag>,
    /// The S-TAG of their frames.
    pub s_tag: Option<VlanTag>,
}

impl Wire for MacList {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (mut rest, count) = u8::parse(input)?;
        // What the octets cannot hold is not reserved.
        let room = rest.len() / 6;
        if usize::from(count) > room {
            return Err(nom::Err::Error(Fault::Length));
        }
        let mut addresses = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            let (after, address) = Mac::parse(rest)?;
            addresses.push(address);
            rest = after;
        }
        let (rest, c_tag) = optional_tag(rest)?;
        let (rest, s_tag) = optional_tag(rest)?;
        Ok((
            rest,
            Self {
                addresses,
                c_tag,
                s_tag,
            },
        ))
    }
    fn emit(&self, out: &mut Vec<u8>) {
        let count = u8::try_from(self.addresses.len()).unwrap_or(u8::MAX);
        out.push(count);
        self.addresses
            .iter()
            .take(usize::from(count))
            .for_each(|address| address.emit(out));
        for tag in [&self.c_tag, &self.s_tag] {
            out.push(if tag.is_some() { 3 } else { 0 });
            emit_all(tag.iter(), out);
        }
    }
}

/// A tag behind its length. Releases before the tags were added end before the length.
fn optional_tag(input: &[u8]) -> Parsed<'_, Option<VlanTag>> {
    if input.is_empty() {
        return Ok((input, None));
    }
    let (rest, octets) = Short::parse(input)?;
    if octets.0.is_empty() {
        return Ok((rest, None));
    }
    match VlanTag::parse(&octets.0) {
        Ok((_, tag)) => Ok((rest, Some(tag))),
        Err(_) => Err(nom::Err::Error(Fault::Length)),
    }
}

impl fmt::Display for MacList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = crate::flags::List::new(f);
        list.entries("address", self.addresses.iter());
        list.entries("C-TAG", self.c_tag.iter());
        list.entries("S-TAG", self.s_tag.iter());
        list.finish()
    }
}

/// A name as DNS labels, without the zero octet at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Labels(pub Octets);

impl Labels {
    /// Whether every label has 1 to 63 octets and all of them at most 255.
    pub fn is_valid(&self) -> bool {
        let mut rest: &[u8] = &self.0;
        while let Some((length, after)) = rest.split_first() {
            let Some((_, after)) = after.split_at_checked(usize::from(*length)) else {
                return false;
            };
            if *length > 63 || (*length == 0 && !after.is_empty()) {
                return false;
            }
            rest = after;
        }
        (2..=255).contains(&self.0.len())
    }
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.from_labels() {
            Some(name) => f.write_str(&name),
            None => write!(f, "0x{}", self.0.hex()),
        }
    }
}

#[cfg(feature = "generate")]
mod generate {
    use super::{
        Address, Address4, Bits, Bytes, Labels, MacList, TimerValue, TypedAddress, U24, VlanTag,
    };
    use crate::generate::{Generate, Source};
    use crate::wire::Octets;

    impl<const N: u32> Generate for Bits<N> {
        fn generate(source: &mut Source<'_>) -> Self {
            Self(source.octet() & Self::MASK)
        }
    }

    impl Generate for U24 {
        fn generate(source: &mut Source<'_>) -> Self {
            Self(u32::generate(source) >> 8)
        }
    }

    impl<const N: usize> Generate for Bytes<N> {
        fn generate(source: &mut Source<'_>) -> Self {
            Self(Generate::generate(source))
        }
    }

    impl Generate for Address {
        fn generate(source: &mut Source<'_>) -> Self {
            if bool::generate(source) {
                Self(std::net::Ipv6Addr::generate(source).into())
            } else {
                Self(std::net::Ipv4Addr::generate(source).into())
            }
        }
    }

    impl Generate for Address4 {
        fn generate(source: &mut Source<'_>) -> Self {
            Self(Generate::generate(source))
        }
    }

    impl Generate for TypedAddress {
        fn generate(source: &mut Source<'_>) -> Self {
            Self(Generate::generate(source))
        }
    }

    impl Generate for TimerValue {
        fn generate(source: &mut Source<'_>) -> Self {
            Self(source.octet())
        }
    }

    impl Generate for VlanTag {
        fn generate(source: &mut Source<'_>) -> Self {
            Self {
                pcp: Option::<Bits<3>>::generate(source).map(|bits| bits.0),
                dei: Generate::generate(source),
                vid: Option::<u16>::generate(source).map(|vid| vid & 0x0fff),
            }
        }
    }

    impl Generate for MacList {
        fn generate(source: &mut Source<'_>) -> Self {
            Self {
                addresses: Generate::generate(source),
                c_tag: Generate::generate(source),
                s_tag: Generate::generate(source),
            }
        }
    }

    impl Generate for Labels {
        fn generate(source: &mut Source<'_>) -> Self {
            let length = 1 + source.octet() % 63;
            let label: Vec<u8> = (0..length).map(|_| source.octet()).collect();
            Self(Octets::from(
                [&[length], label.as_slice()].concat().as_slice(),
            ))
        }
    }
}
