//! Newtypes for the numbers of TS 29.244, so that one cannot be taken for another.

use std::fmt;

use smallvec::SmallVec;

macro_rules! id {
    ($($(#[$meta:meta])* $name:ident($repr:ty) $format:literal;)*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $repr);
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, $format, self.0) }
        }
        impl From<$repr> for $name { fn from(value: $repr) -> Self { Self(value) } }
        impl From<$name> for $repr { fn from(id: $name) -> Self { id.0 } }
    )*};
}

id! {
    /// Tunnel endpoint identifier (TS 29.281, 5.1). Zero is never given out.
    Teid(u32) "{:#010x}";
    /// Session endpoint identifier (TS 29.244, 7.2.2.4.2).
    Seid(u64) "{:#x}";
    /// PDR ID (TS 29.244, 8.2.36), local to its session.
    PdrId(u16) "{}";
    /// FAR ID (TS 29.244, 8.2.74), local to its session.
    FarId(u32) "{}";
    /// QER ID (TS 29.244, 8.2.75), local to its session.
    QerId(u32) "{}";
    /// URR ID (TS 29.244, 8.2.54), local to its session.
    UrrId(u32) "{}";
    /// BAR ID (TS 29.244, 8.2.57), local to its session.
    BarId(u8) "{}";
    /// Precedence (TS 29.244, 8.2.11): the lower number is tried first.
    Precedence(u32) "{}";
    /// Where a session lives in the tables; 1 … capacity. Zero is never used.
    SessionIndex(u32) "{}";
    /// Which worker lcore owns a session.
    WorkerId(u8) "{}";
    /// A 3GPP interface of this UPF: an index into [`Topology::interfaces`]. The id of an N6
    /// interface is also the name of its VRF; the id of an N3 or N9 interface is the name of its
    /// GTP-U entity (within which a TEID is unique).
    ///
    /// [`Topology::interfaces`]: crate::topology::Topology::interfaces
    InterfaceId(u8) "{}";
    /// A next hop: an index into [`Neighbours`](crate::neighbour::Neighbours).
    NextHopId(u16) "{}";
}

/// QoS flow identifier (TS 38.415, 5.5.3.3): 0 … 63.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Qfi(u8);

impl Qfi {
    /// The QFI of that number, if it fits six bits.
    pub const fn new(value: u8) -> Option<Self> {
        if value < 64 { Some(Self(value)) } else { None }
    }
    /// Its number, 0 … 63.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Qfi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An id that comes a second time; the lowest, if there are several.
pub fn repeated<T: Ord + Copy>(mut ids: impl Iterator<Item = T>) -> Option<T> {
    // Most messages and sessions have one or two of a kind.
    let (first, second) = (ids.next()?, ids.next()?);
    let Some(third) = ids.next() else {
        return (first == second).then_some(first);
    };
    let mut ids: SmallVec<[T; 8]> = [first, second, third].into_iter().chain(ids).collect();
    ids.sort_unstable();
    ids.windows(2).find_map(|pair| match pair {
        [a, b] if a == b => Some(*a),
        _ => None,
    })
}

/// `u32` as an index. Lossless on every platform that DPDK runs on.
#[allow(
    clippy::as_conversions,
    reason = "usize has at least 32 bits on every target of DPDK"
)]
pub(crate) const fn index(value: u32) -> usize {
    value as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_id_that_repeats_is_found_among_any_number() {
        let found = |ids: &[u8]| repeated(ids.iter().copied());
        for alone in [&[][..], &[1], &[1, 2], &[2, 1, 3]] {
            assert_eq!(found(alone), None, "{alone:?}");
        }
        for twice in [&[1, 1][..], &[1, 2, 1], &[3, 2, 3, 1, 1], &[1, 1, 1]] {
            assert_eq!(found(twice), Some(1), "{twice:?}");
        }
        let many: Vec<u8> = (0..200).chain([7]).collect();
        assert_eq!(found(&many), Some(7));
    }
}
