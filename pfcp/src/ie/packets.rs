//! Counts and rates of packets, and other layouts of a few octets.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use super::Bits;
use crate::flags::{List, optional};
use crate::wire::{Parsed, Wire, emit_all, refuse};

layout! {
    /// A number of packets per unit of time: 0 minute, 1 six minutes, 2 hour, 3 day, 4 week.
    Rate 0 { unit: Bits<3>, packets: u16 }
}

/// Packet Rate (TS 29.244, 8.2.63).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PacketRate {
    /// The maximum uplink rate.
    pub uplink: Option<Rate>,
    /// The maximum downlink rate.
    pub downlink: Option<Rate>,
    /// What may be sent beyond it; there if `uplink` is and one of the two additional rates is.
    pub additional_uplink: Option<Rate>,
    /// What may be sent beyond it, likewise.
    pub additional_downlink: Option<Rate>,
}

impl Wire for PacketRate {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, flags) = u8::parse(input)?;
        let [has_uplink, has_downlink, additional] = [1, 2, 4].map(|bit| flags & bit != 0);
        let (rest, uplink) = optional(rest, has_uplink)?;
        let (rest, downlink) = optional(rest, has_downlink)?;
        let (rest, additional_uplink) = optional(rest, has_uplink && additional)?;
        let (rest, additional_downlink) = optional(rest, has_downlink && additional)?;
        Ok((
            rest,
            Self {
                uplink,
                downlink,
                additional_uplink,
                additional_downlink,
            },
        ))
    }
    fn emit(&self, out: &mut Vec<u8>) {
        let additional = self.additional_uplink.is_some() || self.additional_downlink.is_some();
        let [has_uplink, has_downlink] = [self.uplink.is_some(), self.downlink.is_some()];
        out.push(u8::from(has_uplink) | u8::from(has_downlink) << 1 | u8::from(additional) << 2);
        emit_all(self.uplink.iter(), out);
        emit_all(self.downlink.iter(), out);
        if additional && has_uplink {
            self.additional_uplink.clone().unwrap_or_default().emit(out);
        }
        if additional && has_downlink {
            self.additional_downlink
                .clone()
                .unwrap_or_default()
                .emit(out);
        }
    }
}

impl fmt::Display for PacketRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = List::new(f);
        list.entries("uplink", self.uplink.iter());
        list.entries("downlink", self.downlink.iter());
        list.entries("additional uplink", self.additional_uplink.iter());
        list.entries("additional downlink", self.additional_downlink.iter());
        list.finish()
    }
}

/// Packet Rate Status (TS 29.244, 8.2.139): how many packets may still be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PacketRateStatus {
    /// Uplink packets left.
    pub uplink: Option<u16>,
    /// Additional uplink packets left; there if `uplink` is and one of the two additional is.
    pub additional_uplink: Option<u16>,
    /// Downlink packets left.
    pub downlink: Option<u16>,
    /// Additional downlink packets left, likewise.
    pub additional_downlink: Option<u16>,
    /// Until when, as a 64-bit NTP time stamp; there if any number is.
    pub validity_time: u64,
}

impl Wire for PacketRateStatus {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, flags) = u8::parse(input)?;
        let [has_uplink, has_downlink, additional] = [1, 2, 4].map(|bit| flags & bit != 0);
        let (rest, uplink) = optional(rest, has_uplink)?;
        let (rest, additional_uplink) = optional(rest, has_uplink && additional)?;
        let (rest, downlink) = optional(rest, has_downlink)?;
        let (rest, additional_downlink) = optional(rest, has_downlink && additional)?;
        let (rest, validity_time) = optional::<u64>(rest, has_uplink || has_downlink)?;
        let validity_time = validity_time.unwrap_or(0);
        let status = Self {
            uplink,
            additional_uplink,
            downlink,
            additional_downlink,
            validity_time,
        };
        Ok((rest, status))
    }
    fn emit(&self, out: &mut Vec<u8>) {
        let additional = self.additional_uplink.is_some() || self.additional_downlink.is_some();
        let [has_uplink, has_downlink] = [self.uplink.is_some(), self.downlink.is_some()];
        out.push(u8::from(has_uplink) | u8::from(has_downlink) << 1 | u8::from(additional) << 2);
        for (number, more) in [
            (self.uplink, self.additional_uplink),
            (self.downlink, self.additional_downlink),
        ] {
            if let Some(number) = number {
                number.emit(out);
                if additional {
                    more.unwrap_or(0).emit(out);
                }
            }
        }
        if has_uplink || has_downlink {
            self.validity_time.emit(out);
        }
    }
}

impl fmt::Display for PacketRateStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = List::new(f);
        list.entries("uplink", self.uplink.iter());
        list.entries("additional uplink", self.additional_uplink.iter());
        list.entries("downlink", self.downlink.iter());
        list.entries("additional downlink", self.additional_downlink.iter());
        list.entry("until", &format_args!("{:#018x}", self.validity_time));
        list.finish()
    }
}

/// Additional Usage Reports Information (TS 29.244, 8.2.91).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AdditionalUsageReportsInformation {
    /// More reports follow, and it is not known how many (the AURI flag).
    Some,
    /// This many follow, 15 bits.
    Number(u16),
}

impl Default for AdditionalUsageReportsInformation {
    fn default() -> Self {
        Self::Number(0)
    }
}

impl Wire for AdditionalUsageReportsInformation {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, value) = u16::parse(input)?;
        Ok((
            rest,
            if value & 0x8000 == 0 {
                Self::Number(value)
            } else {
                Self::Some
            },
        ))
    }
    fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Self::Some => 0x8000_u16,
            Self::Number(number) => (*number).min(0x7fff),
        }
        .emit(out);
    }
}

impl fmt::Display for AdditionalUsageReportsInformation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Some => f.write_str("more"),
            Self::Number(number) => number.fmt(f),
        }
    }
}

/// DL Buffering Suggested Packet Count (TS 29.244, 8.2.30): one octet, or two if it needs them.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct DlBufferingSuggestedPacketCount(pub u16);

impl Wire for DlBufferingSuggestedPacketCount {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        match input {
            [count] => Ok((&[], Self(u16::from(*count)))),
            // An octet that is not needed is not written.
            [0, needless @ ..] if !needless.is_empty() => {
                u16::parse(input).map(|(_, count)| (needless, Self(count)))
            }
            _ => u16::parse(input).map(|(rest, count)| (rest, Self(count))),
        }
    }
    fn emit(&self, out: &mut Vec<u8>) {
        match u8::try_from(self.0) {
            Ok(count) => out.push(count),
            Err(_) => self.0.emit(out),
        }
    }
}

impl fmt::Display for DlBufferingSuggestedPacketCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Reporting Suggestion Info (TS 29.244, 8.2.229).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ReportingSuggestionInfo {
    /// How urgent: 0 delay tolerant, 1 not, 4 bits.
    pub urgency: u8,
    /// How long a report may wait, in seconds; only for urgency 0.
    pub reporting_time: u32,
}

impl Wire for ReportingSuggestionInfo {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, urgency) = Bits::<4>::parse(input)?;
        let (rest, time) = optional::<u32>(rest, urgency.0 == 0)?;
        Ok((
            rest,
            Self {
                urgency: urgency.0,
                reporting_time: time.unwrap_or(0),
            },
        ))
    }
    fn emit(&self, out: &mut Vec<u8>) {
        Bits::<4>(self.urgency).emit(out);
        if self.urgency == 0 {
            self.reporting_time.emit(out);
        }
    }
}

impl fmt::Display for ReportingSuggestionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "urgency {}, {} s", self.urgency, self.reporting_time)
    }
}

/// On-path N6 Connection Information (TS 29.244, 8.2.261).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OnPathN6ConnectionInformation {
    /// The signalling method: 0 unspecified, 1 Connect-UDP, 3 bits.
    pub signalling_method: u8,
    /// The IPv4 address of the other end.
    pub ipv4: Option<Ipv4Addr>,
    /// The IPv6 address of the other end.
    pub ipv6: Option<Ipv6Addr>,
    /// Its port.
    pub port: Option<u16>,
}

impl Wire for OnPathN6ConnectionInformation {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, flags) = u8::parse(input)?;
        let [has_v4, has_v6, has_port] = [0x08, 0x10, 0x20].map(|bit| flags & bit != 0);
        let (rest, ipv4) = optional(rest, has_v4)?;
        let (rest, ipv6) = optional(rest, has_v6)?;
        let (rest, port) = optional(rest, has_port)?;
        Ok((
            rest,
            Self {
                signalling_method: flags & 0x07,
                ipv4,
                ipv6,
                port,
            },
        ))
    }
    fn emit(&self, out: &mut Vec<u8>) {
        let there = [
            self.ipv4.is_some(),
            self.ipv6.is_some(),
            self.port.is_some(),
        ];
        let flags = there
            .iter()
            .rev()
            .fold(0, |flags, there| flags << 1 | u8::from(*there));
        out.push(flags << 3 | self.signalling_method & 0x07);
        emit_all(self.ipv4.iter(), out);
        emit_all(self.ipv6.iter(), out);
        emit_all(self.port.iter(), out);
    }
}

impl fmt::Display for OnPathN6ConnectionInformation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = List::new(f);
        list.entry("method", &self.signalling_method);
        list.entries("IPv4", self.ipv4.iter());
        list.entries("IPv6", self.ipv6.iter());
        list.entries("port", self.port.iter());
        list.finish()
    }
}

/// DSCP to PPI Mapping Information (TS 29.244, 8.2.214): the DSCPs that get a paging policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DscpToPpiMappingInformation {
    /// The paging policy indicator, 3 bits.
    pub ppi: u8,
    /// The DSCPs, 6 bits each.
    pub dscps: Vec<u8>,
}

impl Wire for DscpToPpiMappingInformation {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        match input {
            [ppi, dscps @ ..] if !dscps.is_empty() && dscps.len() < 64 => {
                let dscps = dscps.iter().map(|dscp| dscp & 0x3f).collect();
                Ok((
                    &[],
                    Self {
                        ppi: ppi & 0x07,
                        dscps,
                    },
                ))
            }
            _ => refuse(),
        }
    }
    fn emit(&self, out: &mut Vec<u8>) {
        out.push(self.ppi & 0x07);
        out.extend(self.dscps.iter().take(63).map(|dscp| dscp & 0x3f));
    }
}

impl fmt::Display for DscpToPpiMappingInformation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = List::new(f);
        list.entry("PPI", &self.ppi);
        list.entries("DSCP", self.dscps.iter());
        list.finish()
    }
}

#[cfg(feature = "generate")]
mod generate {
    use super::{
        AdditionalUsageReportsInformation, DlBufferingSuggestedPacketCount,
        DscpToPpiMappingInformation, OnPathN6ConnectionInformation, PacketRate, PacketRateStatus,
        ReportingSuggestionInfo,
    };
    use crate::generate::{Generate, Source, some};
    use crate::ie::Bits;

    impl Generate for PacketRate {
        fn generate(source: &mut Source<'_>) -> Self {
            let additional = bool::generate(source);
            let uplink = Generate::generate(source);
            let downlink = Generate::generate(source);
            Self {
                additional_uplink: Option::as_ref(&uplink)
                    .filter(|_| additional)
                    .map(|_| Generate::generate(source)),
                additional_downlink: Option::as_ref(&downlink)
                    .filter(|_| additional)
                    .map(|_| Generate::generate(source)),
                uplink,
                downlink,
            }
        }
    }

    impl Generate for PacketRateStatus {
        fn generate(source: &mut Source<'_>) -> Self {
            let additional = bool::generate(source);
            Self {
                uplink: Some(Generate::generate(source)),
                additional_uplink: additional.then(|| Generate::generate(source)),
                downlink: None,
                additional_downlink: None,
                validity_time: Generate::generate(source),
            }
        }
    }

    impl Generate for AdditionalUsageReportsInformation {
        fn generate(source: &mut Source<'_>) -> Self {
            let number = u16::generate(source);
            if number & 0x8000 == 0 {
                Self::Number(number)
            } else {
                Self::Some
            }
        }
    }

    impl Generate for DlBufferingSuggestedPacketCount {
        fn generate(source: &mut Source<'_>) -> Self {
            Self(Generate::generate(source))
        }
    }

    impl Generate for ReportingSuggestionInfo {
        fn generate(source: &mut Source<'_>) -> Self {
            let urgency = Bits::<4>::generate(source).0;
            let reporting_time = if urgency == 0 {
                Generate::generate(source)
            } else {
                0
            };
            Self {
                urgency,
                reporting_time,
            }
        }
    }

    impl Generate for OnPathN6ConnectionInformation {
        fn generate(source: &mut Source<'_>) -> Self {
            Self {
                signalling_method: Bits::<3>::generate(source).0,
                ipv4: Generate::generate(source),
                ipv6: Generate::generate(source),
                port: Generate::generate(source),
            }
        }
    }

    impl Generate for DscpToPpiMappingInformation {
        fn generate(source: &mut Source<'_>) -> Self {
            Self {
                ppi: Bits::<3>::generate(source).0,
                dscps: some::<Bits<6>>(source).iter().map(|bits| bits.0).collect(),
            }
        }
    }
}
