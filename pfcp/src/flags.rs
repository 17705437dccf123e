//! Helpers that the macros of the table share.

use std::fmt;

use serde::{Deserialize as _, Deserializer, de};

use crate::wire::{Parsed, Wire};

/// Writes the names of flags.
pub(crate) fn show(
    f: &mut fmt::Formatter<'_>,
    names: impl Iterator<Item = &'static str>,
) -> fmt::Result {
    let mut none = true;
    for name in names {
        write!(f, "{}{name}", if none { "" } else { " " })?;
        none = false;
    }
    if none { f.write_str("none") } else { Ok(()) }
}

/// Reads flags from the list of their names.
pub(crate) fn from_names<'de, D: Deserializer<'de>, T: Copy + Default>(
    deserializer: D,
    flags: &'static [(T, &'static str)],
    union: fn(T, T) -> T,
) -> Result<T, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    names.iter().try_fold(T::default(), |all, name| {
        let found = flags.iter().find(|(_, known)| known == name);
        let (flag, _) = found.ok_or_else(|| {
            de::Error::invalid_value(de::Unexpected::Str(name), &"the name of a flag")
        })?;
        Ok(union(all, *flag))
    })
}

/// Without the zero octets at the end, but at least `least` and grown by pairs, as the octets of
/// function features were added.
pub(crate) fn trim(octets: &[u8], least: usize) -> &[u8] {
    let used = octets
        .iter()
        .rposition(|octet| *octet != 0)
        .map_or(0, |at| at + 1)
        .max(least);
    let even = used + (used - least) % 2;
    octets.get(..even).unwrap_or(octets)
}

/// A value that is there if its flag is set.
#[inline]
pub(crate) fn optional<T: Wire>(input: &[u8], there: bool) -> Parsed<'_, Option<T>> {
    if there {
        let (rest, value) = T::parse(input)?;
        Ok((rest, Some(value)))
    } else {
        Ok((input, None))
    }
}

/// Writes `name value, name value`.
pub(crate) struct List<'a, 'f> {
    f: &'a mut fmt::Formatter<'f>,
    result: fmt::Result,
    empty: bool,
}

impl<'a, 'f> List<'a, 'f> {
    pub(crate) fn new(f: &'a mut fmt::Formatter<'f>) -> Self {
        Self {
            f,
            result: Ok(()),
            empty: true,
        }
    }

    pub(crate) fn name(&mut self, name: &str) {
        let comma = if self.empty { "" } else { ", " };
        self.empty = false;
        self.result = self.result.and_then(|()| write!(self.f, "{comma}{name}"));
    }

    pub(crate) fn entry(&mut self, name: &str, value: &impl fmt::Display) {
        self.name(name);
        self.result = self.result.and_then(|()| write!(self.f, " {value}"));
    }

    pub(crate) fn entries<'v, T: fmt::Display + 'v>(
        &mut self,
        name: &str,
        values: impl IntoIterator<Item = &'v T>,
    ) {
        for value in values {
            self.entry(name, value);
        }
    }

    pub(crate) fn finish(self) -> fmt::Result {
        if self.empty {
            self.result.and_then(|()| self.f.write_str("none"))
        } else {
            self.result
        }
    }
}
