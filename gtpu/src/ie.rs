//! Information elements of signalling messages (TS 29.281, clause 8).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nom::combinator::map;
use nom::multi::length_data;
use nom::number::complete::{be_u8, be_u16, be_u32};
use nom::{IResult, Parser};

use crate::{ExtensionType, TooLong};

/// Types of information elements (table 8.1-1).
pub(crate) mod kind {
    pub(crate) const RECOVERY: u8 = 14;
    pub(crate) const TEID_DATA_I: u8 = 16;
    pub(crate) const PEER_ADDRESS: u8 = 133;
    pub(crate) const EXTENSION_HEADER_TYPE_LIST: u8 = 141;
    pub(crate) const TUNNEL_STATUS_INFORMATION: u8 = 230;
    pub(crate) const RECOVERY_TIME_STAMP: u8 = 231;
    pub(crate) const PRIVATE_EXTENSION: u8 = 255;
    /// From here on elements carry their length.
    pub(crate) const FIRST_TLV: u8 = 128;
}

/// Private Extension (8.6): what a vendor adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateExtension {
    /// The vendor's number in IANA's list of enterprises.
    pub enterprise: u16,
    /// The vendor's octets.
    pub value: Vec<u8>,
}

/// One element, as far as it is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ie<'a> {
    Recovery(u8),
    TeidDataI(u32),
    PeerAddress(IpAddr),
    ExtensionHeaderTypes(&'a [u8]),
    TunnelStatus(u8),
    RecoveryTimeStamp(u32),
    PrivateExtension {
        enterprise: u16,
        value: &'a [u8],
    },
    /// Unknown, or of a length that it cannot have: skipped.
    Skipped,
}

/// The elements of a message up to its end, or up to one whose length cannot be known.
#[derive(Clone, Debug)]
pub(crate) struct Ies<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Ies<'a> {
    type Item = Ie<'a>;

    fn next(&mut self) -> Option<Ie<'a>> {
        let (rest, element) = element(self.0).ok()?;
        self.0 = rest;
        Some(element)
    }
}

fn element(input: &[u8]) -> IResult<&[u8], Ie<'_>> {
    let (input, kind) = be_u8(input)?;
    match kind {
        kind::RECOVERY => map(be_u8, Ie::Recovery).parse(input),
        kind::TEID_DATA_I => map(be_u32, Ie::TeidDataI).parse(input),
        kind::EXTENSION_HEADER_TYPE_LIST => {
            map(length_data(be_u8), Ie::ExtensionHeaderTypes).parse(input)
        }
        kind::FIRST_TLV.. => {
            map(length_data(be_u16), |value| with_length(kind, value)).parse(input)
        }
        // The length of an unknown TV element is unknown, too.
        _ => Err(nom::Err::Error(nom::error::Error::new(
            input,
            nom::error::ErrorKind::Switch,
        ))),
    }
}

fn with_length(kind: u8, value: &[u8]) -> Ie<'_> {
    match kind {
        kind::PEER_ADDRESS => address(value).map_or(Ie::Skipped, Ie::PeerAddress),
        kind::TUNNEL_STATUS_INFORMATION => value
            .first()
            .map_or(Ie::Skipped, |&flags| Ie::TunnelStatus(flags)),
        kind::RECOVERY_TIME_STAMP => match value.first_chunk() {
            Some(&seconds) => Ie::RecoveryTimeStamp(u32::from_be_bytes(seconds)),
            None => Ie::Skipped,
        },
        kind::PRIVATE_EXTENSION => match value.split_first_chunk() {
            Some((&enterprise, value)) => Ie::PrivateExtension {
                enterprise: u16::from_be_bytes(enterprise),
                value,
            },
            None => Ie::Skipped,
        },
        _ => Ie::Skipped,
    }
}

fn address(value: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(value) {
        return Some(Ipv4Addr::from(octets).into());
    }
    <[u8; 16]>::try_from(value)
        .ok()
        .map(|octets| Ipv6Addr::from(octets).into())
}

// ===== writing =====

pub(crate) fn write_recovery(out: &mut Vec<u8>, counter: u8) {
    out.extend([kind::RECOVERY, counter]);
}

pub(crate) fn write_teid(out: &mut Vec<u8>, teid: u32) {
    out.push(kind::TEID_DATA_I);
    out.extend(teid.to_be_bytes());
}

pub(crate) fn write_address(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            out.extend([kind::PEER_ADDRESS, 0, 4]);
            out.extend(address.octets());
        }
        IpAddr::V6(address) => {
            out.extend([kind::PEER_ADDRESS, 0, 16]);
            out.extend(address.octets());
        }
    }
}

pub(crate) fn write_types(out: &mut Vec<u8>, types: &[ExtensionType]) -> Result<(), TooLong> {
    let count = u8::try_from(types.len()).map_err(|_| TooLong)?;
    out.extend([kind::EXTENSION_HEADER_TYPE_LIST, count]);
    out.extend(types.iter().map(|kind| kind.0));
    Ok(())
}

pub(crate) fn write_tunnel_status(out: &mut Vec<u8>, flags: u8) {
    out.extend([kind::TUNNEL_STATUS_INFORMATION, 0, 1, flags]);
}

pub(crate) fn write_recovery_time_stamp(out: &mut Vec<u8>, seconds: Option<u32>) {
    if let Some(seconds) = seconds {
        out.extend([kind::RECOVERY_TIME_STAMP, 0, 4]);
        out.extend(seconds.to_be_bytes());
    }
}

pub(crate) fn write_private(
    out: &mut Vec<u8>,
    extensions: &[PrivateExtension],
) -> Result<(), TooLong> {
    for PrivateExtension { enterprise, value } in extensions {
        let length = u16::try_from(value.len() + 2).map_err(|_| TooLong)?;
        out.push(kind::PRIVATE_EXTENSION);
        out.extend(length.to_be_bytes());
        out.extend(enterprise.to_be_bytes());
        out.extend(value);
    }
    Ok(())
}
