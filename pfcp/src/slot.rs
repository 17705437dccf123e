//! How often an IE may stand in a group, as types.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Breach, Fault, IeError, Illegal};
use crate::non_empty::NonEmpty;
use crate::rules::Ruled;
use crate::wire::{Extended, Ie, Unknown, put_member};

/// What an updating message says of something optional.
///
/// TS 29.244, 5.6.3: an absent IE leaves things as they are; one of length zero removes. For a
/// list (`Update<NonEmpty<T>>`) one instance of length zero removes them all.
/// In JSON: absent, `null`, or the value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Update<T> {
    /// Not mentioned: as before.
    #[default]
    Keep,
    /// Removed.
    Remove,
    /// Replaced by this.
    Set(T),
}

impl<T> Update<T> {
    /// The new value, if there is one.
    pub const fn set(&self) -> Option<&T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Keep | Self::Remove => None,
        }
    }

    /// Whether nothing is said.
    pub const fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }

    /// Does to `target` what the message says.
    pub fn apply(self, target: &mut Option<T>) {
        match self {
            Self::Keep => {}
            Self::Remove => *target = None,
            Self::Set(value) => *target = Some(value),
        }
    }
}

impl<T> From<T> for Update<T> {
    fn from(value: T) -> Self {
        Self::Set(value)
    }
}

impl<T: Serialize> Serialize for Update<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.set().serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Update<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Remove, Self::Set))
    }
}

/// One IE as it comes: what a [`Slot`] takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raw<'a> {
    pub(crate) r#type: u16,
    pub(crate) value: &'a [u8],
    /// What follows it in its group.
    pub(crate) rest: &'a [u8],
}

impl Raw<'_> {
    /// Reads the value; it is the `index`th of its type in the group.
    #[inline]
    pub(crate) fn decode<'a>(
        &'a self,
        index: usize,
        extended: &mut Extended,
        decode: impl FnOnce(&'a [u8]) -> Result<&'a [u8], IeError>,
    ) -> Result<(), IeError> {
        let tail = decode(self.value).map_err(|error| error.within(self.r#type))?;
        if !tail.is_empty() {
            extended.insert(self.r#type, index, self.value);
        }
        Ok(())
    }

    /// How many of the IEs that follow are of the same type, of so many as are looked at: a list
    /// takes one allocation, and a peer cannot make us reserve or search much by sending little.
    fn more(&self) -> usize {
        const LOOK_AHEAD: usize = 512;
        let mut rest = self.rest;
        let mut count = 0;
        for _ in 0..LOOK_AHEAD {
            let Ok((r#type, _, after)) = crate::wire::split(rest) else {
                break;
            };
            count += usize::from(r#type == self.r#type);
            rest = after;
        }
        count
    }
}

/// A place that gathers IEs of one type while a group is read.
pub(crate) trait Slot<T> {
    /// Whether no more are taken.
    fn is_full(&self) -> bool;
    /// Takes one.
    fn fill(&mut self, raw: Raw<'_>, extended: &mut Extended) -> Result<(), IeError>;
}

/// The first counts, "the rest are skipped" (TS 29.244, 7.6.7).
impl<T: Ie> Slot<T> for Option<T> {
    #[inline]
    fn is_full(&self) -> bool {
        self.is_some()
    }
    #[inline]
    fn fill(&mut self, raw: Raw<'_>, extended: &mut Extended) -> Result<(), IeError> {
        if self.is_full() {
            return Ok(());
        }
        let result = raw.decode(0, extended, |octets| {
            self.insert(T::blank()).decode_into(octets)
        });
        if result.is_err() {
            *self = None;
        }
        result
    }
}

impl<T: Ie> Slot<T> for Vec<T> {
    #[inline]
    fn is_full(&self) -> bool {
        false
    }
    #[inline]
    fn fill(&mut self, raw: Raw<'_>, extended: &mut Extended) -> Result<(), IeError> {
        // Once: who sends many that cannot be read must not have us search for each.
        if self.capacity() == 0 {
            *self = Self::with_capacity(1 + raw.more());
        }
        raw.decode(self.len(), extended, |octets| T::decode_onto(self, octets))
    }
}

impl<T: Ie> Slot<T> for NonEmpty<T> {
    #[inline]
    fn is_full(&self) -> bool {
        false
    }
    #[inline]
    fn fill(&mut self, raw: Raw<'_>, extended: &mut Extended) -> Result<(), IeError> {
        self.inner().fill(raw, extended)
    }
}

impl<T: Ie> Slot<T> for Update<T> {
    #[inline]
    fn is_full(&self) -> bool {
        !self.is_keep()
    }
    #[inline]
    fn fill(&mut self, raw: Raw<'_>, extended: &mut Extended) -> Result<(), IeError> {
        if !self.is_full() {
            *self = if raw.value.is_empty() {
                Self::Remove
            } else {
                let mut value = T::blank();
                raw.decode(0, extended, |octets| value.decode_into(octets))?;
                Self::Set(value)
            };
        }
        Ok(())
    }
}

/// An instance of length zero beside others says nothing: the others are the whole new list.
impl<T: Ie> Slot<T> for Update<NonEmpty<T>> {
    #[inline]
    fn is_full(&self) -> bool {
        false
    }
    #[inline]
    fn fill(&mut self, raw: Raw<'_>, extended: &mut Extended) -> Result<(), IeError> {
        if let Self::Set(list) = self {
            return if raw.value.is_empty() {
                Ok(())
            } else {
                list.fill(raw, extended)
            };
        }
        if raw.value.is_empty() {
            *self = Self::Remove;
            return Ok(());
        }
        let mut list = NonEmpty::blank();
        list.fill(raw, extended)?;
        *self = Self::Set(list);
        Ok(())
    }
}

/// Puts an IE in its place; one that cannot be read and need not is kept as unknown, wherever it
/// stands among others of its type.
pub(crate) fn fill_lenient<T: Ie>(
    slot: &mut impl Slot<T>,
    raw: Raw<'_>,
    unknown: &mut Vec<Unknown>,
    extended: &mut Extended,
) {
    let result = if slot.is_full() {
        T::decode(raw.value).map(drop)
    } else {
        slot.fill(raw, extended)
    };
    if result.is_err() {
        unknown.push(Unknown {
            r#type: raw.r#type,
            value: raw.value.into(),
        });
    }
}

/// A field of a group: what it writes and shows, and whether it may.
pub(crate) trait Field<T: Ruled> {
    /// Whether it is to keep any rules.
    const HAS_RULES: bool = T::HAS_RULES;
    /// Its values.
    fn values(&self) -> &[T];
    /// The same.
    #[cfg(feature = "generate")]
    fn values_mut(&mut self) -> &mut [T];
    /// Whether it keeps them.
    ///
    /// # Errors
    /// The first that it breaks.
    #[inline]
    fn check(&self, r#type: u16) -> Result<(), Breach> {
        let mut values = self.values().iter();
        values.try_for_each(|value| value.check().map_err(|breach| breach.within(r#type)))
    }
    /// Makes its values keep their rules.
    #[cfg(feature = "generate")]
    fn mend(&mut self) {
        self.values_mut().iter_mut().for_each(Ruled::mend);
    }
    /// Whether there is nothing to write.
    fn is_absent(&self) -> bool;
    /// Appends its IEs, each with type and length.
    fn emit(&self, r#type: u16, extended: &Extended, out: &mut Vec<u8>);
    /// Writes its IEs as lines of a tree.
    fn show(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result;
}

impl<T: Ie> Field<T> for T {
    #[inline]
    fn values(&self) -> &[T] {
        std::slice::from_ref(self)
    }
    #[cfg(feature = "generate")]
    fn values_mut(&mut self) -> &mut [T] {
        std::slice::from_mut(self)
    }
    #[inline]
    fn is_absent(&self) -> bool {
        false
    }
    #[inline]
    fn emit(&self, r#type: u16, extended: &Extended, out: &mut Vec<u8>) {
        put_member(r#type, self, 0, extended, out);
    }
    fn show(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        Ie::show(self, f, depth)
    }
}

impl<T: Ie> Field<T> for Option<T> {
    #[inline]
    fn values(&self) -> &[T] {
        self.as_slice()
    }
    #[cfg(feature = "generate")]
    fn values_mut(&mut self) -> &mut [T] {
        self.as_mut_slice()
    }
    #[inline]
    fn is_absent(&self) -> bool {
        self.is_none()
    }
    #[inline]
    fn emit(&self, r#type: u16, extended: &Extended, out: &mut Vec<u8>) {
        if let Some(ie) = self {
            put_member(r#type, ie, 0, extended, out);
        }
    }
    fn show(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        self.iter().try_for_each(|ie| ie.show(f, depth))
    }
}

impl<T: Ie> Field<T> for NonEmpty<T> {
    #[inline]
    fn values(&self) -> &[T] {
        self
    }
    #[cfg(feature = "generate")]
    fn values_mut(&mut self) -> &mut [T] {
        self
    }
    #[inline]
    fn is_absent(&self) -> bool {
        false
    }
    #[inline]
    fn emit(&self, r#type: u16, extended: &Extended, out: &mut Vec<u8>) {
        for (index, ie) in self.iter().enumerate() {
            put_member(r#type, ie, index, extended, out);
        }
    }
    fn show(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        self.iter().try_for_each(|ie| ie.show(f, depth))
    }
}

impl<T: Ie> Field<T> for Vec<T> {
    #[inline]
    fn values(&self) -> &[T] {
        self
    }
    #[cfg(feature = "generate")]
    fn values_mut(&mut self) -> &mut [T] {
        self
    }
    #[inline]
    fn is_absent(&self) -> bool {
        self.is_empty()
    }
    #[inline]
    fn emit(&self, r#type: u16, extended: &Extended, out: &mut Vec<u8>) {
        for (index, ie) in self.iter().enumerate() {
            put_member(r#type, ie, index, extended, out);
        }
    }
    fn show(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        self.iter().try_for_each(|ie| ie.show(f, depth))
    }
}

impl<T: Ie, F: Field<T>> Field<T> for Update<F> {
    const HAS_RULES: bool = T::HAS_RULES || T::MAY_BE_SILENT;
    #[inline]
    fn values(&self) -> &[T] {
        self.set().map_or(&[], Field::values)
    }
    #[cfg(feature = "generate")]
    fn values_mut(&mut self) -> &mut [T] {
        match self {
            Self::Keep | Self::Remove => &mut [],
            Self::Set(field) => field.values_mut(),
        }
    }
    #[inline]
    fn check(&self, r#type: u16) -> Result<(), Breach> {
        for value in self.values() {
            // Without octets it would be read as `Remove`, or in a list as nothing.
            let says_something = if value.is_silent() {
                Err(Illegal("a value of some octets, or its removal").into())
            } else {
                value.check()
            };
            says_something.map_err(|breach: Breach| breach.within(r#type))?;
        }
        Ok(())
    }
    #[inline]
    fn is_absent(&self) -> bool {
        self.is_keep()
    }
    #[inline]
    fn emit(&self, r#type: u16, extended: &Extended, out: &mut Vec<u8>) {
        match self {
            Self::Keep => {}
            Self::Remove => {
                out.extend_from_slice(&r#type.to_be_bytes());
                out.extend_from_slice(&[0, 0]);
            }
            Self::Set(field) => field.emit(r#type, extended, out),
        }
    }
    fn show(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        match self {
            Self::Keep => Ok(()),
            Self::Remove => {
                crate::wire::indent(f, depth)?;
                writeln!(f, "{}: removed", T::NAME)
            }
            Self::Set(field) => field.show(f, depth),
        }
    }
}

/// The value of a mandatory field.
#[inline]
pub(crate) fn one<T: Ie>(slot: Option<T>, r#type: u16) -> Result<T, IeError> {
    slot.ok_or_else(|| Fault::Missing(r#type).into())
}

/// The values of a mandatory field that may repeat.
#[inline]
pub(crate) fn some<T: Ie>(slot: Vec<T>, r#type: u16) -> Result<NonEmpty<T>, IeError> {
    NonEmpty::new(slot).ok_or_else(|| Fault::Missing(r#type).into())
}
