//! Fields that several IEs share. None of them is an IE by itself.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::error::{Fault, Illegal};
use crate::wire::{Mac, Octets, Parsed, Short, Wire, emit_all, refuse};

/// Declares numbers of `N` bits, in as few octets as hold them; the upper bits are spare.
macro_rules! narrow {
    ($(#[$meta:meta])* $name:ident($repr:ty, $text:literal) as $format:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = $text)]
        pub struct $name<const N: u32>($repr);

        impl<const N: u32> $name<N> {
            /// The greatest.
            pub const MAX: Self = Self(if N == 0 { 0 } else { <$repr>::MAX >> (<$repr>::BITS - N) });

            /// The number, if `N` bits hold it.
            pub const fn new(number: $repr) -> Option<Self> {
                if number <= Self::MAX.0 { Some(Self(number)) } else { None }
            }
            /// The number in the lower `N` bits.
            pub const fn of_lower(number: $repr) -> Self {
                Self(number & Self::MAX.0)
            }
            /// Its number.
            pub const fn get(self) -> $repr {
                self.0
            }
        }

        impl<const N: u32> TryFrom<$repr> for $name<N> {
            type Error = Illegal;
            fn try_from(number: $repr) -> Result<Self, Illegal> {
                Self::new(number).ok_or(Illegal("a number of fewer bits"))
            }
        }

        impl<const N: u32> fmt::Display for $name<N> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, $format, self.0)
            }
        }

        #[cfg(feature = "generate")]
        impl<const N: u32> crate::generate::Generate for $name<N> {
            fn generate(source: &mut crate::generate::Source<'_>) -> Self {
                Self::of_lower(crate::generate::Generate::generate(source))
            }
        }
    };
}

narrow! {
    /// A number of `N` bits in one octet.
    Bits(u8, "u8") as "{}"
}

narrow! {
    /// A number of `N` bits, up to 16.
    Bits16(u16, "u16") as "{}"
}

narrow! {
    /// A number of `N` bits, up to 24, in three octets.
    Bits24(u32, "u32") as "{:#08x}"
}

/// A number of three octets.
pub type U24 = Bits24<24>;

impl<const N: u32> Wire for Bits<N> {
    #[inline]
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, octet) = u8::parse(input)?;
        Ok((rest, Self::of_lower(octet)))
    }
    #[inline]
    fn emit(&self, out: &mut Vec<u8>) {
        out.push(self.0);
    }
}

impl<const N: u32> Wire for Bits24<N> {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, [a, b, c]) = <[u8; 3]>::parse(input)?;
        Ok((rest, Self::of_lower(u32::from_be_bytes([0, a, b, c]))))
    }
    fn emit(&self, out: &mut Vec<u8>) {
        let [_, octets @ ..] = self.0.to_be_bytes();
        out.extend_from_slice(&octets);
    }
}

/// A number from `LEAST` to `MOST`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8")]
pub struct Within<const LEAST: u8, const MOST: u8>(pub(super) u8);

impl<const LEAST: u8, const MOST: u8> Within<LEAST, MOST> {
    /// The number, if it is one of those.
    pub const fn new(number: u8) -> Option<Self> {
        if LEAST <= number && number <= MOST {
            Some(Self(number))
        } else {
            None
        }
    }

    /// Its number.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl<const LEAST: u8, const MOST: u8> Default for Within<LEAST, MOST> {
    fn default() -> Self {
        Self(LEAST)
    }
}

impl<const LEAST: u8, const MOST: u8> TryFrom<u8> for Within<LEAST, MOST> {
    type Error = Illegal;
    fn try_from(number: u8) -> Result<Self, Illegal> {
        Self::new(number).ok_or(Illegal("a number that has a meaning here"))
    }
}

/// A list of `LEAST` to `MOST` values.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<T>")]
pub struct Several<T, const LEAST: usize, const MOST: usize>(Vec<T>);

impl<T, const LEAST: usize, const MOST: usize> Several<T, LEAST, MOST> {
    /// The values, if they are neither too few nor too many.
    pub fn new(values: Vec<T>) -> Option<Self> {
        (LEAST..=MOST)
            .contains(&values.len())
            .then_some(Self(values))
    }
}

impl<T: Wire, const LEAST: usize, const MOST: usize> Several<T, LEAST, MOST> {
    /// Reads so many values.
    pub(super) fn parse(input: &[u8], count: usize) -> Parsed<'_, Self> {
        // What the octets cannot hold is not reserved.
        if count > input.len() {
            return Err(nom::Err::Error(Fault::Length));
        }
        let mut values = Vec::with_capacity(count);
        let mut rest = input;
        for _ in 0..count {
            let (after, value) = T::parse(rest)?;
            values.push(value);
            rest = after;
        }
        Self::new(values).map_or_else(refuse, |values| Ok((rest, values)))
    }

    /// Writes how many there are, as an octet.
    pub(super) fn count(&self) -> u8 {
        u8::try_from(self.0.len()).unwrap_or(u8::MAX)
    }
}

impl<T: Default, const LEAST: usize, const MOST: usize> Default for Several<T, LEAST, MOST> {
    fn default() -> Self {
        Self(std::iter::repeat_with(T::default).take(LEAST).collect())
    }
}

impl<T, const LEAST: usize, const MOST: usize> TryFrom<Vec<T>> for Several<T, LEAST, MOST> {
    type Error = Illegal;
    fn try_from(values: Vec<T>) -> Result<Self, Illegal> {
        Self::new(values).ok_or(Illegal("another number of values"))
    }
}

impl<T, const LEAST: usize, const MOST: usize> Deref for Several<T, LEAST, MOST> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
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
#[serde(default, deny_unknown_fields)]
pub struct VlanTag {
    /// Priority code point.
    pub pcp: Option<Bits<3>>,
    /// Drop eligible indicator.
    pub dei: Option<bool>,
    /// VLAN identifier.
    pub vid: Option<Bits16<12>>,
}

impl Wire for VlanTag {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, [flags, high, low]) = <[u8; 3]>::parse(input)?;
        let tag = Self {
            pcp: (flags & 1 != 0).then_some(Bits::of_lower(high)),
            dei: (flags & 2 != 0).then_some(high & 0x08 != 0),
            vid: (flags & 4 != 0).then_some(Bits16::of_lower(u16::from_be_bytes([high >> 4, low]))),
        };
        Ok((rest, tag))
    }
    fn emit(&self, out: &mut Vec<u8>) {
        let flags = u8::from(self.pcp.is_some())
            | u8::from(self.dei.is_some()) << 1
            | u8::from(self.vid.is_some()) << 2;
        let [vid_high, vid_low] = self.vid.map_or(0, Bits16::get).to_be_bytes();
        let dei = u8::from(self.dei.unwrap_or(false)) << 3;
        let high = vid_high << 4 | dei | self.pcp.map_or(0, Bits::get);
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
#[serde(default, deny_unknown_fields)]
pub struct MacList {
    /// The addresses.
    pub addresses: Several<Mac, 0, 255>,
    /// The C-TAG of their frames.
    pub c_tag: Option<VlanTag>,
    /// The S-TAG of their frames.
    pub s_tag: Option<VlanTag>,
}

impl Wire for MacList {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, count) = u8::parse(input)?;
        let (rest, addresses) = Several::parse(rest, count.into())?;
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
        out.push(self.addresses.count());
        emit_all(self.addresses.iter(), out);
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
    if octets.is_empty() {
        return Ok((rest, None));
    }
    match VlanTag::parse(&octets) {
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
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Octets")]
pub struct Labels(Octets);

impl Labels {
    /// The octets, if every label has 1 to 63 of them and all together at most 255.
    pub fn new(octets: Octets) -> Option<Self> {
        let mut rest: &[u8] = &octets;
        while let Some((length, after)) = rest.split_first() {
            let (_, after) = after.split_at_checked(usize::from(*length))?;
            if *length > 63 || (*length == 0 && !after.is_empty()) {
                return None;
            }
            rest = after;
        }
        (2..=255).contains(&octets.len()).then_some(Self(octets))
    }
}

impl TryFrom<Octets> for Labels {
    type Error = Illegal;
    fn try_from(octets: Octets) -> Result<Self, Illegal> {
        Self::new(octets).ok_or(Illegal("a name as DNS labels"))
    }
}

impl Deref for Labels {
    type Target = Octets;
    fn deref(&self) -> &Octets {
        &self.0
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
        Address, Address4, Bytes, Labels, MacList, Several, TimerValue, TypedAddress, VlanTag,
        Within,
    };
    use crate::generate::{Generate, Source};
    use crate::wire::Octets;

    impl<const LEAST: u8, const MOST: u8> Generate for Within<LEAST, MOST> {
        fn generate(source: &mut Source<'_>) -> Self {
            let many = u16::from(MOST - LEAST) + 1;
            let [_, beyond] = (u16::from(source.octet()) % many).to_be_bytes();
            Self(LEAST + beyond)
        }
    }

    impl<T: Generate, const LEAST: usize, const MOST: usize> Generate for Several<T, LEAST, MOST> {
        fn generate(source: &mut Source<'_>) -> Self {
            // Mostly few; sometimes as many as there may be.
            let more = match source.octet() {
                255 => MOST,
                octet => usize::from(octet % 4),
            };
            let count = (LEAST + more).min(MOST);
            Self((0..count).map(|_| T::generate(source)).collect())
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
                pcp: Generate::generate(source),
                dei: Generate::generate(source),
                vid: Generate::generate(source),
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
