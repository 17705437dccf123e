//! How much: volumes, and rates of packets.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    Bits, SubsequentVolumeQuota, SubsequentVolumeThreshold, VolumeMeasurement, VolumeQuota,
    VolumeThreshold,
};
use crate::flags::List;
use crate::wire::{Check, Checked, Parsed, Wire};

layout! {
    /// Numbers of octets: at least one of them is there in an IE.
    Volumes 1 { total: u64 = 1, uplink: u64 = 2, downlink: u64 = 3 }
}

impl Check for Volumes {
    const RULE: &'static str = "a total, an uplink or a downlink volume";

    fn holds(&self) -> bool {
        self.total.is_some() || self.uplink.is_some() || self.downlink.is_some()
    }
    fn least() -> Self {
        Self {
            total: Some(0),
            ..Self::default()
        }
    }
}

layout! {
    /// Numbers of octets and packets: at least one of them is there in an IE.
    MeasuredVolumes 1 {
        total: u64 = 1, uplink: u64 = 2, downlink: u64 = 3,
        total_packets: u64 = 4, uplink_packets: u64 = 5, downlink_packets: u64 = 6,
    }
}

impl Check for MeasuredVolumes {
    const RULE: &'static str = "a number of octets or packets";

    fn holds(&self) -> bool {
        *self != Self::default()
    }
    fn least() -> Self {
        Self {
            total: Some(0),
            ..Self::default()
        }
    }
}

macro_rules! volumes {
    ($($name:ident)*) => {$(
        impl $name {
            /// A total of so many octets alone.
            pub const fn of_total(octets: u64) -> Self {
                Self(Checked::known(Volumes { total: Some(octets), uplink: None, downlink: None }))
            }
        }
    )*};
}
volumes! { VolumeThreshold SubsequentVolumeThreshold VolumeQuota SubsequentVolumeQuota }

impl VolumeMeasurement {
    /// All six numbers: those of octets and of packets, each in total, uplink and downlink.
    pub const fn of_all(octets: [u64; 3], packets: [u64; 3]) -> Self {
        let [total, uplink, downlink] = octets;
        let [total_packets, uplink_packets, downlink_packets] = packets;
        Self(Checked::known(MeasuredVolumes {
            total: Some(total),
            uplink: Some(uplink),
            downlink: Some(downlink),
            total_packets: Some(total_packets),
            uplink_packets: Some(uplink_packets),
            downlink_packets: Some(downlink_packets),
        }))
    }
}

/// Something for uplink packets, for downlink packets, or for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Directions<T> {
    /// For uplink packets alone.
    Uplink(T),
    /// For downlink packets alone.
    Downlink(T),
    /// For either.
    Both {
        /// For uplink packets.
        uplink: T,
        /// For downlink packets.
        downlink: T,
    },
}

impl<T> Directions<T> {
    fn new(uplink: Option<T>, downlink: Option<T>) -> Option<Self> {
        match (uplink, downlink) {
            (None, None) => None,
            (Some(uplink), None) => Some(Self::Uplink(uplink)),
            (None, Some(downlink)) => Some(Self::Downlink(downlink)),
            (Some(uplink), Some(downlink)) => Some(Self::Both { uplink, downlink }),
        }
    }

    /// What there is for uplink packets.
    pub const fn uplink(&self) -> Option<&T> {
        match self {
            Self::Uplink(uplink) | Self::Both { uplink, .. } => Some(uplink),
            Self::Downlink(_) => None,
        }
    }

    /// What there is for downlink packets.
    pub const fn downlink(&self) -> Option<&T> {
        match self {
            Self::Downlink(downlink) | Self::Both { downlink, .. } => Some(downlink),
            Self::Uplink(_) => None,
        }
    }

    fn iter(&self) -> impl Iterator<Item = &T> {
        [self.uplink(), self.downlink()].into_iter().flatten()
    }

    fn map<U>(&self, change: impl Fn(&T) -> U) -> Directions<U> {
        match self {
            Self::Uplink(uplink) => Directions::Uplink(change(uplink)),
            Self::Downlink(downlink) => Directions::Downlink(change(downlink)),
            Self::Both { uplink, downlink } => Directions::Both {
                uplink: change(uplink),
                downlink: change(downlink),
            },
        }
    }
}

/// A limit by direction, and maybe with each what is allowed beyond it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Limits<T> {
    /// Limits alone.
    Plain(Directions<T>),
    /// Each limit, and what is allowed beyond it.
    WithAdditional(Directions<[T; 2]>),
}

const UPLINK: u8 = 1;
const DOWNLINK: u8 = 1 << 1;
const ADDITIONAL: u8 = 1 << 2;

impl<T: Clone> Limits<T> {
    /// The limits themselves.
    pub fn limits(&self) -> Directions<T> {
        match self {
            Self::Plain(limits) => limits.clone(),
            Self::WithAdditional(limits) => limits.map(|[limit, _]| limit.clone()),
        }
    }

    /// What is allowed beyond them.
    pub fn additional(&self) -> Option<Directions<T>> {
        match self {
            Self::Plain(_) => None,
            Self::WithAdditional(limits) => Some(limits.map(|[_, beyond]| beyond.clone())),
        }
    }

    fn bits(&self) -> u8 {
        let additional = match self {
            Self::Plain(_) => 0,
            Self::WithAdditional(_) => ADDITIONAL,
        };
        additional
            | match self.limits() {
                Directions::Uplink(_) => UPLINK,
                Directions::Downlink(_) => DOWNLINK,
                Directions::Both { .. } => UPLINK | DOWNLINK,
            }
    }
}

impl<T: fmt::Display + Clone> Limits<T> {
    fn list(&self, list: &mut List<'_, '_>) {
        let limits = self.limits();
        list.entries("uplink", limits.uplink());
        list.entries("downlink", limits.downlink());
        if let Some(beyond) = self.additional() {
            list.entries("additional uplink", beyond.uplink());
            list.entries("additional downlink", beyond.downlink());
        }
    }
}

/// Reads the values of a direction, all of one after those of the other.
fn each<T: Wire>(input: &[u8], there: [bool; 4]) -> Parsed<'_, [Option<T>; 4]> {
    let mut rest = input;
    let mut values = [None, None, None, None];
    for (value, there) in values.iter_mut().zip(there) {
        (rest, *value) = crate::flags::optional(rest, there)?;
    }
    Ok((rest, values))
}

/// The limits of which these are the parts; `None` if none is there.
fn limits<T>(additional: bool, limit: [Option<T>; 2], beyond: [Option<T>; 2]) -> Option<Limits<T>> {
    let [uplink, downlink] = limit;
    if !additional {
        return Directions::new(uplink, downlink).map(Limits::Plain);
    }
    let [more_uplink, more_downlink] = beyond;
    let pair = |limit: Option<T>, more: Option<T>| Some([limit?, more?]);
    Directions::new(pair(uplink, more_uplink), pair(downlink, more_downlink))
        .map(Limits::WithAdditional)
}

layout! {
    /// A number of packets per unit of time: 0 minute, 1 six minutes, 2 hour, 3 day, 4 week.
    Rate 0 { unit: Bits<3>, packets: u16 }
}

/// What a Packet Rate IE says: the most packets by direction; nothing, if it names no direction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rates {
    /// The most packets, and those allowed beyond.
    pub limits: Option<Limits<Rate>>,
}

impl Wire for Rates {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, flags) = u8::parse(input)?;
        let [up, down, more] = [UPLINK, DOWNLINK, ADDITIONAL].map(|bit| flags & bit != 0);
        let (rest, [uplink, downlink, more_uplink, more_downlink]) =
            each(rest, [up, down, up && more, down && more])?;
        let limits = limits(more, [uplink, downlink], [more_uplink, more_downlink]);
        Ok((rest, Self { limits }))
    }
    fn emit(&self, out: &mut Vec<u8>) {
        out.push(self.limits.as_ref().map_or(0, Limits::bits));
        if let Some(rates) = &self.limits {
            rates.limits().iter().for_each(|rate| rate.emit(out));
            let beyond = rates.additional();
            let beyond = beyond.iter().flat_map(Directions::iter);
            beyond.for_each(|rate| rate.emit(out));
        }
    }
}

impl fmt::Display for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = List::new(f);
        self.limits.iter().for_each(|rates| rates.list(&mut list));
        list.finish()
    }
}

/// How many packets may still be sent, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PacketsLeft {
    /// How many.
    pub packets: Limits<u16>,
    /// Until when, as a 64-bit NTP time stamp.
    pub validity_time: u64,
}

/// What a Packet Rate Status IE says: nothing, if it names no direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RatesLeft {
    /// What is left.
    pub left: Option<PacketsLeft>,
}

impl Wire for RatesLeft {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, flags) = u8::parse(input)?;
        let [up, down, more] = [UPLINK, DOWNLINK, ADDITIONAL].map(|bit| flags & bit != 0);
        let (rest, [uplink, more_uplink, downlink, more_downlink]) =
            each(rest, [up, up && more, down, down && more])?;
        let Some(packets) = limits(more, [uplink, downlink], [more_uplink, more_downlink]) else {
            return Ok((rest, Self { left: None }));
        };
        let (rest, validity_time) = u64::parse(rest)?;
        let left = PacketsLeft {
            packets,
            validity_time,
        };
        Ok((rest, Self { left: Some(left) }))
    }
    fn emit(&self, out: &mut Vec<u8>) {
        out.push(self.left.as_ref().map_or(0, |left| left.packets.bits()));
        if let Some(left) = &self.left {
            match left.packets {
                Limits::Plain(packets) => packets.iter().for_each(|packets| packets.emit(out)),
                Limits::WithAdditional(packets) => {
                    let all = packets.iter().flatten();
                    all.for_each(|packets| packets.emit(out));
                }
            }
            left.validity_time.emit(out);
        }
    }
}

impl fmt::Display for RatesLeft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = List::new(f);
        if let Some(left) = &self.left {
            left.packets.list(&mut list);
            list.entry("until", &format_args!("{:#018x}", left.validity_time));
        }
        list.finish()
    }
}

#[cfg(feature = "generate")]
mod generate {
    use super::{Directions, Limits, PacketsLeft, Rates, RatesLeft};
    use crate::generate::{Generate, Source};

    impl<T: Generate> Generate for Directions<T> {
        fn generate(source: &mut Source<'_>) -> Self {
            match source.octet() % 3 {
                0 => Self::Uplink(T::generate(source)),
                1 => Self::Downlink(T::generate(source)),
                _ => Self::Both {
                    uplink: T::generate(source),
                    downlink: T::generate(source),
                },
            }
        }
    }

    impl<T: Generate> Generate for Limits<T> {
        fn generate(source: &mut Source<'_>) -> Self {
            if bool::generate(source) {
                Self::WithAdditional(Generate::generate(source))
            } else {
                Self::Plain(Generate::generate(source))
            }
        }
    }

    impl Generate for Rates {
        fn generate(source: &mut Source<'_>) -> Self {
            Self {
                limits: Generate::generate(source),
            }
        }
    }

    impl Generate for RatesLeft {
        fn generate(source: &mut Source<'_>) -> Self {
            let packets = Option::<Limits<u16>>::generate(source);
            Self {
                left: packets.map(|packets| PacketsLeft {
                    packets,
                    validity_time: Generate::generate(source),
                }),
            }
        }
    }
}
