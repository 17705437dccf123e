//! The ground everything stands on: how a value reads from and writes to octets.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Deref;

use nom::IResult;
use serde::{Deserialize, Serialize};

use crate::error::{Fault, IeError, Illegal, TooLong};
use crate::in_place::InPlace;
use crate::rules::Ruled;

pub use crate::checked::{Check, Checked};
pub use crate::extended::Extended;
pub use crate::octets::{Hex, Octets};

/// What a parser gives back: the rest of the input, and the value.
pub type Parsed<'a, T> = IResult<&'a [u8], T, Fault>;

/// A value with one encoding in octets.
pub trait Wire: Sized {
    /// Reads one value off the front of `input`.
    ///
    /// # Errors
    /// When `input` does not start with a valid encoding.
    fn parse(input: &[u8]) -> Parsed<'_, Self>;
    /// What follows one value at the front of `input`, without the value.
    ///
    /// # Errors
    /// When `input` does not start with a valid encoding; not each kind of fault is looked for.
    fn skip(input: &[u8]) -> Parsed<'_, ()> {
        let (rest, _) = Self::parse(input)?;
        Ok((rest, ()))
    }
    /// Appends the encoding to `out`.
    fn emit(&self, out: &mut Vec<u8>);
}

/// A value that an IE carries.
#[allow(
    private_bounds,
    reason = "how it is read and checked is this crate's own"
)]
pub trait Ie: Default + InPlace + Ruled {
    /// The IE type (TS 29.244, table 8.1.2-1). The first, where one layout has several.
    const TYPE: u16;
    /// The name the specification gives it.
    const NAME: &'static str;

    /// Reads the value of an IE: what stands behind its length, all of it.
    ///
    /// # Errors
    /// When `octets` is not a valid encoding.
    fn decode(octets: &[u8]) -> Result<Self, IeError> {
        let mut value = Self::blank();
        value.decode_into(octets)?;
        Ok(value)
    }
    /// Appends the value, without type and length.
    fn encode(&self, out: &mut Vec<u8>);
    /// Writes the value as a line of a tree, or as a branch of it.
    ///
    /// # Errors
    /// When `f` does.
    fn show(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result;
}

/// Of its own allocation, where it is large and rare.
impl<T: Ie> Ie for Box<T> {
    const TYPE: u16 = T::TYPE;
    const NAME: &'static str = T::NAME;

    fn encode(&self, out: &mut Vec<u8>) {
        (**self).encode(out);
    }
    fn show(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        (**self).show(f, depth)
    }
}

macro_rules! scalars {
    ($($ty:ty)*) => {$(
        impl Wire for $ty {
            #[inline]
            fn parse(input: &[u8]) -> Parsed<'_, Self> {
                let (rest, octets) = <[u8; size_of::<$ty>()]>::parse(input)?;
                Ok((rest, Self::from_be_bytes(octets)))
            }
            #[inline]
            fn emit(&self, out: &mut Vec<u8>) { out.extend_from_slice(&self.to_be_bytes()); }
        }
    )*};
}
scalars! { u8 u16 u32 u64 i32 i64 }

/// The first `length` octets.
#[inline]
fn take(input: &[u8], length: usize) -> Parsed<'_, &[u8]> {
    match input.split_at_checked(length) {
        Some((octets, rest)) => Ok((rest, octets)),
        None => Err(nom::Err::Error(Fault::Length)),
    }
}

impl Wire for Ipv4Addr {
    #[inline]
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, octets) = <[u8; 4]>::parse(input)?;
        Ok((rest, Self::from(octets)))
    }
    #[inline]
    fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.octets());
    }
}

impl Wire for Ipv6Addr {
    #[inline]
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, octets) = <[u8; 16]>::parse(input)?;
        Ok((rest, Self::from(octets)))
    }
    #[inline]
    fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.octets());
    }
}

impl<const N: usize> Wire for [u8; N] {
    #[inline]
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        match input.split_first_chunk::<N>() {
            Some((octets, rest)) => Ok((rest, *octets)),
            None => Err(nom::Err::Error(Fault::Length)),
        }
    }
    #[inline]
    fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
}

/// All that is left.
impl Wire for Octets {
    #[inline]
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        Ok((&[], Self::from(input)))
    }
    #[inline]
    fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
}

/// Declares octets behind their length.
macro_rules! counted {
    ($(#[$meta:meta])* $name:ident($length:ty): $expected:literal) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "Octets")]
        pub struct $name(Octets);

        impl $name {
            /// The octets, unless there are more than the length can say.
            pub fn new(octets: impl Into<Octets>) -> Option<Self> {
                let octets = octets.into();
                <$length>::try_from(octets.len()).is_ok().then_some(Self(octets))
            }
        }

        impl TryFrom<Octets> for $name {
            type Error = Illegal;
            fn try_from(octets: Octets) -> Result<Self, Illegal> {
                Self::new(octets).ok_or(Illegal($expected))
            }
        }

        impl Deref for $name {
            type Target = Octets;
            fn deref(&self) -> &Octets {
                &self.0
            }
        }

        impl Wire for $name {
            fn parse(input: &[u8]) -> Parsed<'_, Self> {
                let (rest, length) = <$length>::parse(input)?;
                let (rest, octets) = take(rest, length.into())?;
                Ok((rest, Self(octets.into())))
            }
            fn skip(input: &[u8]) -> Parsed<'_, ()> {
                let (rest, length) = <$length>::parse(input)?;
                let (rest, _) = take(rest, length.into())?;
                Ok((rest, ()))
            }
            fn emit(&self, out: &mut Vec<u8>) {
                // Exact: `new` and `parse` take no more.
                <$length>::try_from(self.0.len()).unwrap_or(<$length>::MAX).emit(out);
                out.extend_from_slice(&self.0);
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

counted! {
    /// Octets behind a length of one octet.
    Short(u8): "at most 255 octets"
}

counted! {
    /// Octets behind a length of two octets.
    Long(u16): "at most 65,535 octets"
}

/// A bit rate in kilobit/s (1000 bit), 40 bits.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "u64")]
pub struct Kbps(u64);

impl Kbps {
    /// The highest, about 1.1 Pbit/s.
    pub const MAX: Self = Self((1 << 40) - 1);

    /// The rate of so many kilobit/s, if 40 bits hold it.
    pub const fn new(kbps: u64) -> Option<Self> {
        if kbps <= Self::MAX.0 {
            Some(Self(kbps))
        } else {
            None
        }
    }

    /// The same, or the highest rate where 40 bits do not hold it.
    pub const fn saturating(kbps: u64) -> Self {
        match Self::new(kbps) {
            Some(rate) => rate,
            None => Self::MAX,
        }
    }

    /// Its number of kilobit/s.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl TryFrom<u64> for Kbps {
    type Error = Illegal;
    fn try_from(kbps: u64) -> Result<Self, Illegal> {
        Self::new(kbps).ok_or(Illegal("a bit rate of 40 bits, in kbit/s"))
    }
}

impl Wire for Kbps {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, [a, b, c, d, e]) = <[u8; 5]>::parse(input)?;
        Ok((rest, Self(u64::from_be_bytes([0, 0, 0, a, b, c, d, e]))))
    }
    fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.to_be_bytes().split_at(3).1);
    }
}

/// A MAC address.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mac(pub [u8; 6]);

impl Wire for Mac {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, octets) = <[u8; 6]>::parse(input)?;
        Ok((rest, Self(octets)))
    }
    fn emit(&self, out: &mut Vec<u8>) {
        self.0.emit(out);
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, octet) in self.0.iter().enumerate() {
            write!(f, "{}{octet:02x}", if at == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mac({self})")
    }
}

impl fmt::Display for Kbps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} kbit/s", self.0)
    }
}

/// An IE of a type this crate does not know, or one that it could not read and need not: kept as
/// it came, never interpreted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unknown {
    /// Its type.
    pub r#type: u16,
    /// Its octets. Those of a vendor's IE start with the enterprise number.
    pub value: Octets,
}

impl Unknown {
    /// The IANA enterprise number of a vendor's IE (types from 32768).
    pub fn enterprise(&self) -> Option<u16> {
        let number = self.value.first_chunk::<2>()?;
        (self.r#type >= 0x8000).then(|| u16::from_be_bytes(*number))
    }

    pub(crate) fn emit(&self, out: &mut Vec<u8>) {
        emit_raw(self.r#type, &self.value, out);
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IE {}: {}", self.r#type, self.value.hex())
    }
}

/// One IE off the front: its type, its value, and what follows it.
#[inline]
pub(crate) fn split(input: &[u8]) -> Result<(u16, &[u8], &[u8]), IeError> {
    let Some(([t1, t2, l1, l2], rest)) = input.split_first_chunk() else {
        return Err(Fault::Length.into());
    };
    let r#type = u16::from_be_bytes([*t1, *t2]);
    let length = usize::from(u16::from_be_bytes([*l1, *l2]));
    match rest.split_at_checked(length) {
        Some((value, rest)) => Ok((r#type, value, rest)),
        None => Err(IeError::from(Fault::Length).within(r#type)),
    }
}

/// Writes type, length and value.
#[inline]
pub(crate) fn put<T: Ie>(r#type: u16, value: &T, out: &mut Vec<u8>) {
    r#type.emit(out);
    behind_length(out, |out| value.encode(out));
}

/// The same for one that is not in a message, where the message's own length would tell.
///
/// # Errors
/// When the value is longer than its length can say; then `out` is as before.
pub(crate) fn put_alone(
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>),
) -> Result<(), TooLong> {
    const HEAD: usize = 4;
    let start = out.len();
    write(out);
    let octets = out.len() - start - HEAD;
    if octets > usize::from(u16::MAX) {
        out.truncate(start);
        return Err(TooLong { octets });
    }
    Ok(())
}

/// Writes a length of two octets and what it is the length of; the length is filled in afterwards.
#[inline]
pub(crate) fn behind_length(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&[0, 0]);
    write(out);
    // What does not fit cannot be part of a message that does: `encode` refuses the whole.
    let length = u16::try_from(out.len() - at - 2).unwrap_or(u16::MAX);
    if let Some(slot) = out.get_mut(at..at + 2) {
        slot.copy_from_slice(&length.to_be_bytes());
    }
}

/// The same for an IE of a group: as it came if it came with more octets than are known here, and
/// still says the same.
#[inline]
pub(crate) fn put_member<T: Ie>(
    r#type: u16,
    value: &T,
    index: usize,
    extended: &Extended,
    out: &mut Vec<u8>,
) {
    match extended.get(r#type, index) {
        Some(came) => put_extended(r#type, value, came, out),
        None => put(r#type, value, out),
    }
}

#[cold]
fn put_extended<T: Ie>(r#type: u16, value: &T, came: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    put(r#type, value, out);
    let mut as_known = Vec::new();
    if let Ok(said) = T::decode(came) {
        put(r#type, &said, &mut as_known);
    }
    if out.get(start..) == Some(&*as_known) {
        out.truncate(start);
        emit_raw(r#type, came, out);
    }
}

/// Writes type, length and octets.
fn emit_raw(r#type: u16, value: &[u8], out: &mut Vec<u8>) {
    r#type.emit(out);
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    length.emit(out);
    out.extend(value.iter().take(usize::from(length)));
}

/// Appends values one after the other.
pub(crate) fn emit_all<'a, T: Wire + 'a>(
    values: impl IntoIterator<Item = &'a T>,
    out: &mut Vec<u8>,
) {
    for value in values {
        value.emit(out);
    }
}

/// The fault of a value that the layout allows and the specification does not.
pub(crate) const fn refuse<T>() -> Result<T, nom::Err<Fault>> {
    Err(nom::Err::Failure(Fault::Value))
}

/// Indentation of a line in a tree.
pub(crate) fn indent(f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
    write!(f, "{:1$}", "", 2 * depth)
}
