//! Values made from octets (feature `generate`): for property tests and fuzzers.
//!
//! A [`Source`] that has run dry yields zeros, which make the smallest value; so whoever shrinks
//! the octets shrinks the value.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::non_empty::NonEmpty;
use crate::rules::Ruled;
use crate::slot::Update;
use crate::wire::{Check, Checked, Kbps, Long, Mac, Octets, Short};

/// The octets to make values from.
#[derive(Debug)]
pub struct Source<'a>(&'a [u8]);

impl<'a> Source<'a> {
    /// Starts at the front of `octets`.
    pub const fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    /// The next octet, or zero.
    pub fn octet(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    /// True once in four.
    fn chance(&mut self) -> bool {
        self.octet() >= 0xc0
    }
}

/// A value that can be made from octets, so that every valid one can come out.
pub trait Generate: Sized {
    /// Makes one.
    fn generate(source: &mut Source<'_>) -> Self;
}

macro_rules! numbers {
    ($($ty:ty)*) => {$(
        impl Generate for $ty {
            fn generate(source: &mut Source<'_>) -> Self {
                Self::from_be_bytes(std::array::from_fn(|_| source.octet()))
            }
        }
    )*};
}
numbers! { u8 u16 u32 u64 u128 i32 i64 }

impl Generate for bool {
    fn generate(source: &mut Source<'_>) -> Self {
        source.octet() & 1 != 0
    }
}

impl<T: Generate, const N: usize> Generate for [T; N] {
    fn generate(source: &mut Source<'_>) -> Self {
        std::array::from_fn(|_| T::generate(source))
    }
}

impl Generate for Ipv4Addr {
    fn generate(source: &mut Source<'_>) -> Self {
        u32::generate(source).into()
    }
}

impl Generate for Ipv6Addr {
    fn generate(source: &mut Source<'_>) -> Self {
        u128::generate(source).into()
    }
}

impl Generate for Mac {
    fn generate(source: &mut Source<'_>) -> Self {
        Self(Generate::generate(source))
    }
}

impl Generate for Kbps {
    fn generate(source: &mut Source<'_>) -> Self {
        Self::saturating(u64::generate(source) >> 24)
    }
}

impl Generate for Octets {
    fn generate(source: &mut Source<'_>) -> Self {
        // Mostly short; sometimes as long as an octet can count, and one longer.
        let length = match source.octet() {
            255 => 256,
            254 => 255,
            octet => usize::from(octet % 40),
        };
        let octets: Vec<u8> = (0..length).map(|_| source.octet()).collect();
        octets.as_slice().into()
    }
}

impl Generate for Short {
    fn generate(source: &mut Source<'_>) -> Self {
        Self::new(Octets::generate(source)).unwrap_or_default()
    }
}

impl Generate for Long {
    fn generate(source: &mut Source<'_>) -> Self {
        Self::new(Octets::generate(source)).unwrap_or_default()
    }
}

impl<T: Generate + Check> Generate for Checked<T> {
    fn generate(source: &mut Source<'_>) -> Self {
        Self::new(T::generate(source)).unwrap_or_default()
    }
}

impl<T: Generate> Generate for Box<T> {
    fn generate(source: &mut Source<'_>) -> Self {
        Self::new(T::generate(source))
    }
}

impl<T: Generate> Generate for Option<T> {
    fn generate(source: &mut Source<'_>) -> Self {
        source.chance().then(|| T::generate(source))
    }
}

impl<T: Generate> Generate for Vec<T> {
    fn generate(source: &mut Source<'_>) -> Self {
        let length = if source.chance() {
            1 + source.octet() % 3
        } else {
            0
        };
        (0..length).map(|_| T::generate(source)).collect()
    }
}

impl<T: Generate> Generate for NonEmpty<T> {
    fn generate(source: &mut Source<'_>) -> Self {
        let mut all = Self::from([T::generate(source)]);
        all.extend(Vec::generate(source));
        all
    }
}

/// What can be set; what cannot be told from "removed" is "removed".
trait Settable {
    fn says_something(&self) -> bool;
}

impl<T: Ruled> Settable for T {
    fn says_something(&self) -> bool {
        !self.is_silent()
    }
}

impl<T: Ruled> Settable for NonEmpty<T> {
    fn says_something(&self) -> bool {
        self.iter().all(Settable::says_something)
    }
}

#[allow(private_bounds, reason = "a bound of this module's own")]
impl<T: Generate + Settable> Generate for Update<T> {
    fn generate(source: &mut Source<'_>) -> Self {
        match source.octet() {
            0..0xa0 => Self::Keep,
            0xa0..0xc0 => Self::Remove,
            _ => {
                let value = T::generate(source);
                if value.says_something() {
                    Self::Set(value)
                } else {
                    Self::Remove
                }
            }
        }
    }
}

/// `proptest` strategies for everything that can be generated.
#[cfg(feature = "proptest")]
mod strategy {
    use proptest::collection::vec;
    use proptest::strategy::{BoxedStrategy, Strategy as _};

    use super::{Generate, Source};

    /// Values of `T`.
    pub fn generated<T: Generate + std::fmt::Debug + 'static>() -> BoxedStrategy<T> {
        let octets = vec(proptest::num::u8::ANY, 0..1024);
        octets
            .prop_map(|octets| T::generate(&mut Source::new(&octets)))
            .boxed()
    }
}

#[cfg(feature = "proptest")]
pub use strategy::generated;
