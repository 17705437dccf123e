//! Layouts of a few octets that depend on their values.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use super::{Bits, Bits16, Several, Within};
use crate::flags::{List, optional};
use crate::wire::{Parsed, Wire, emit_all};

/// Additional Usage Reports Information (TS 29.244, 8.2.91).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AdditionalUsageReportsInformation {
    /// More reports follow, and it is not known how many (the AURI flag).
    Some,
    /// This many follow.
    Number(Bits16<15>),
}

impl Default for AdditionalUsageReportsInformation {
    fn default() -> Self {
        Self::Number(Bits16::default())
    }
}

impl Wire for AdditionalUsageReportsInformation {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, value) = u16::parse(input)?;
        Ok((
            rest,
            // With AURI set the number says nothing.
            Bits16::new(value).map_or(Self::Some, Self::Number),
        ))
    }
    fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Self::Some => 0x8000_u16,
            Self::Number(number) => number.get(),
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

/// Reporting Suggestion Info (TS 29.244, 8.2.229): how urgent a report is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ReportingSuggestionInfo {
    /// It may wait.
    DelayTolerant {
        /// How long, in seconds.
        reporting_time_s: u32,
    },
    /// It may not: 1, or a value of a later release.
    Urgent(Within<1, 15>),
}

impl Default for ReportingSuggestionInfo {
    fn default() -> Self {
        Self::Urgent(Within::default())
    }
}

impl Wire for ReportingSuggestionInfo {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, urgency) = Bits::<4>::parse(input)?;
        if let Some(urgency) = Within::new(urgency.get()) {
            return Ok((rest, Self::Urgent(urgency)));
        }
        let (rest, reporting_time_s) = u32::parse(rest)?;
        Ok((rest, Self::DelayTolerant { reporting_time_s }))
    }
    fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Self::DelayTolerant { reporting_time_s } => {
                out.push(0);
                reporting_time_s.emit(out);
            }
            Self::Urgent(urgency) => out.push(urgency.get()),
        }
    }
}

impl fmt::Display for ReportingSuggestionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DelayTolerant { reporting_time_s } => {
                write!(f, "delay tolerant, {reporting_time_s} s")
            }
            Self::Urgent(urgency) => write!(f, "urgency {}", urgency.get()),
        }
    }
}

/// On-path N6 Connection Information (TS 29.244, 8.2.261).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OnPathN6ConnectionInformation {
    /// The signalling method: 0 unspecified, 1 Connect-UDP.
    pub signalling_method: Bits<3>,
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
                signalling_method: Bits::of_lower(flags),
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
        out.push(flags << 3 | self.signalling_method.get());
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
#[serde(deny_unknown_fields)]
pub struct DscpToPpiMappingInformation {
    /// The paging policy indicator.
    pub ppi: Bits<3>,
    /// The DSCPs.
    pub dscps: Several<Bits<6>, 1, 63>,
}

impl Wire for DscpToPpiMappingInformation {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, ppi) = Bits::parse(input)?;
        let (rest, dscps) = Several::parse(rest, rest.len())?;
        Ok((rest, Self { ppi, dscps }))
    }
    fn emit(&self, out: &mut Vec<u8>) {
        self.ppi.emit(out);
        emit_all(self.dscps.iter(), out);
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
        DscpToPpiMappingInformation, OnPathN6ConnectionInformation, ReportingSuggestionInfo,
    };
    use crate::generate::{Generate, Source};
    use crate::ie::Bits16;

    impl Generate for AdditionalUsageReportsInformation {
        fn generate(source: &mut Source<'_>) -> Self {
            Bits16::new(u16::generate(source)).map_or(Self::Some, Self::Number)
        }
    }

    impl Generate for DlBufferingSuggestedPacketCount {
        fn generate(source: &mut Source<'_>) -> Self {
            Self(Generate::generate(source))
        }
    }

    impl Generate for ReportingSuggestionInfo {
        fn generate(source: &mut Source<'_>) -> Self {
            if bool::generate(source) {
                Self::Urgent(Generate::generate(source))
            } else {
                let reporting_time_s = Generate::generate(source);
                Self::DelayTolerant { reporting_time_s }
            }
        }
    }

    impl Generate for OnPathN6ConnectionInformation {
        fn generate(source: &mut Source<'_>) -> Self {
            Self {
                signalling_method: Generate::generate(source),
                ipv4: Generate::generate(source),
                ipv6: Generate::generate(source),
                port: Generate::generate(source),
            }
        }
    }

    impl Generate for DscpToPpiMappingInformation {
        fn generate(source: &mut Source<'_>) -> Self {
            Self {
                ppi: Generate::generate(source),
                dscps: Generate::generate(source),
            }
        }
    }
}
