//! Values of which something must hold that their fields do not say one by one.

use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Serialize};

use crate::error::Illegal;
use crate::wire::{Parsed, Wire, refuse};

/// What must hold of a value beyond what its fields say one by one.
pub trait Check: Sized {
    /// What is expected, in words.
    const RULE: &'static str;

    /// Whether it holds.
    fn holds(&self) -> bool;
    /// A small value of which it holds.
    fn least() -> Self;
}

/// A value of which its [`Check`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(
    try_from = "Unchecked<T>",
    bound(deserialize = "T: Check + Deserialize<'de>")
)]
pub struct Checked<T>(T);

/// As it comes in JSON.
#[derive(Deserialize)]
struct Unchecked<T>(T);

impl<T: Check> TryFrom<Unchecked<T>> for Checked<T> {
    type Error = Illegal;
    fn try_from(value: Unchecked<T>) -> Result<Self, Illegal> {
        Self::new(value.0).ok_or(Illegal(T::RULE))
    }
}

impl<T: Check> Checked<T> {
    /// The value, if it is legal.
    pub fn new(value: T) -> Option<Self> {
        value.holds().then_some(Self(value))
    }
}

impl<T> Checked<T> {
    /// A value of which the check is known to hold.
    pub(crate) const fn known(value: T) -> Self {
        Self(value)
    }
}

impl<T: Check> Default for Checked<T> {
    fn default() -> Self {
        Self(T::least())
    }
}

impl<T> Deref for Checked<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Check + Wire> Wire for Checked<T> {
    #[inline]
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, value) = T::parse(input)?;
        Self::new(value).map_or_else(refuse, |value| Ok((rest, value)))
    }
    #[inline]
    fn emit(&self, out: &mut Vec<u8>) {
        self.0.emit(out);
    }
}

impl<T: fmt::Display> fmt::Display for Checked<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
