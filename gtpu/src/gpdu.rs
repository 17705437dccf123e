//! The packet path's way into a G-PDU.

use crate::container::flow_of;
use crate::{Header, MessageType, ParseError, PduType};

/// The QoS flow that a PDU Session Container names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    /// Who sent it: DL from a UPF, UL from the RAN. A packet from the wrong side must not be
    /// matched by its QFI.
    pub pdu_type: PduType,
    /// QoS Flow Identifier, 0 to 63.
    pub qfi: u8,
    /// Reflective QoS Indicator; in DL only.
    pub rqi: bool,
}

/// A packet of a user, where the packet path needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GPdu {
    /// Tunnel endpoint identifier.
    pub teid: u32,
    /// What the first PDU Session Container says, if it is DL or UL.
    pub flow: Option<Flow>,
    /// Sequence number, if S is set.
    pub sequence_number: Option<u16>,
    /// Where the T-PDU starts, counted from the start of the GTP-U header.
    pub payload_offset: usize,
    /// Octets of the T-PDU. 0 is a "dummy" that carries a container only.
    pub payload_length: usize,
}

/// A header without options.
const PLAIN: u8 = 0b0011_0000;
/// A header with extension headers alone.
const EXTENDED: u8 = 0b0011_0100;
const G_PDU: u8 = MessageType::G_PDU.0;
const CONTAINER: u8 = 0x85;

/// What the first 16 octets tell of a header of the two kinds that make up nearly all traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glance {
    /// Tunnel endpoint identifier.
    pub teid: u32,
    /// The first two octets of the PDU Session Container's content, if there is one.
    content: [u8; 2],
    /// Octets of the header that the Length counts in: 0 or 8.
    pub optional: u16,
    /// The Length: of all after the eighth octet.
    pub length: u16,
}

impl Glance {
    /// What the PDU Session Container says, if there is one and it is DL or UL.
    #[inline]
    pub fn flow(&self) -> Option<Flow> {
        flow_of(self.content).filter(|_| self.optional > 0)
    }
}

/// Looks at a header without any of the optional fields, or with one container of four octets
/// first and last; `None` for every other, and for one whose Length is too short for it.
#[inline(always)]
#[allow(
    clippy::inline_always,
    reason = "for each packet; handing over what it finds would cost more than finding it"
)]
pub fn glance(header: &[u8; 16]) -> Option<Glance> {
    let length = u16::from_be_bytes([header[2], header[3]]);
    let optional = match [header[0], header[1]] {
        [PLAIN, G_PDU] => 0,
        [EXTENDED, G_PDU]
            if [header[11], header[12], header[15]] == [CONTAINER, 1, 0] && length >= 8 =>
        {
            8
        }
        _ => return None,
    };
    Some(Glance {
        teid: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
        content: [header[13], header[14]],
        optional,
        length,
    })
}

/// Finds tunnel, flow and T-PDU in a UDP payload: at a [`glance`] where that is enough.
///
/// # Errors
///
/// Why the packet cannot be taken as user data. [`ParseError::NotGpdu`] is signalling in order,
/// [`ParseError::ExtensionUnknown`] earns a notification; the others are a reason to drop.
#[inline]
pub fn parse_gpdu(datagram: &[u8]) -> Result<GPdu, ParseError> {
    if let Some(header) = datagram.first_chunk()
        && let Some(seen) = glance(header)
        && usize::from(seen.length) <= datagram.len() - 8
    {
        return Ok(GPdu {
            teid: seen.teid,
            flow: seen.flow(),
            sequence_number: None,
            payload_offset: 8 + usize::from(seen.optional),
            payload_length: usize::from(seen.length - seen.optional),
        });
    }
    parse_gpdu_in_general(datagram)
}

/// What [`parse_gpdu`] means, without its shortcuts.
#[cold]
pub(crate) fn parse_gpdu_in_general(datagram: &[u8]) -> Result<GPdu, ParseError> {
    let header = Header::parse(datagram)?;
    if header.message_type() != MessageType::G_PDU {
        return Err(ParseError::NotGpdu);
    }
    if header.unknown_extension().is_some() {
        return Err(ParseError::ExtensionUnknown);
    }
    Ok(GPdu {
        teid: header.teid(),
        flow: header.flow(),
        sequence_number: header.sequence_number(),
        payload_offset: header.payload_offset(),
        payload_length: header.payload().len(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Octets that are a header, or nearly.
    fn nearly_gpdu() -> impl Strategy<Value = Vec<u8>> {
        let flags = prop_oneof![Just(PLAIN), Just(EXTENDED), any::<u8>()];
        let kind = prop_oneof![4 => Just(G_PDU), 1 => any::<u8>()];
        let length = prop_oneof![0_u16..40, any::<u16>()];
        let next = prop_oneof![4 => Just(CONTAINER), 1 => any::<u8>()];
        let units = prop_oneof![4 => Just(1_u8), 1 => 0_u8..4, 1 => any::<u8>()];
        let last = prop_oneof![3 => Just(0_u8), 1 => any::<u8>()];
        let middle = any::<[u8; 7]>();
        let start = (
            flags,
            kind,
            length,
            middle,
            next,
            units,
            any::<[u8; 2]>(),
            last,
        );
        (
            start,
            prop::collection::vec(any::<u8>(), 0..40),
            0_usize..60,
        )
            .prop_map(
                |((flags, kind, length, middle, next, units, content, last), rest, keep)| {
                    let mut octets = vec![flags, kind];
                    octets.extend(length.to_be_bytes());
                    octets.extend(middle);
                    octets.extend([next, units]);
                    octets.extend(content);
                    octets.push(last);
                    octets.extend(rest);
                    octets.truncate(keep);
                    octets
                },
            )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn the_short_way_finds_what_the_long_one_finds(octets in nearly_gpdu()) {
            prop_assert_eq!(parse_gpdu(&octets), parse_gpdu_in_general(&octets));
        }

        #[test]
        fn so_it_does_in_noise(octets in prop::collection::vec(any::<u8>(), 0..64)) {
            prop_assert_eq!(parse_gpdu(&octets), parse_gpdu_in_general(&octets));
        }
    }

    #[test]
    fn a_glance_is_enough_for_the_usual_headers() {
        let plain = [PLAIN, G_PDU, 0, 2, 0, 0, 0, 7, 0xaa, 0xbb, 0xcc];
        let expected = GPdu {
            teid: 7,
            flow: None,
            sequence_number: None,
            payload_offset: 8,
            payload_length: 2,
        };
        assert_eq!(parse_gpdu(&plain), Ok(expected));
        let marked = [
            EXTENDED, G_PDU, 0, 9, 0, 0, 0, 7, 0, 0, 0, CONTAINER, 1, 0x10, 0x09, 0, 0xaa, 0xbb,
        ];
        let flow = Some(Flow {
            pdu_type: PduType::Ul,
            qfi: 9,
            rqi: false,
        });
        let expected = GPdu {
            flow,
            payload_offset: 16,
            payload_length: 1,
            ..expected
        };
        assert_eq!(parse_gpdu(&marked), Ok(expected));
    }
}
