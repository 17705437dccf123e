//! What stands in front of an IP packet, by the link type of a capture.

use super::{ETHERNET, LINUX_SLL, LINUX_SLL2, LOOP, NULL, RAW_IP};

/// Whether packets of this link type can be looked into.
pub(super) const fn is_known(link_type: u16) -> bool {
    Link::of(link_type).is_some()
}

/// The IP packet behind the link header and its tags, and nothing if it is another protocol.
pub(super) fn ip(link_type: u16, packet: &[u8]) -> Option<&[u8]> {
    let Link {
        ethertype_at,
        octets,
    } = Link::of(link_type)?;
    let mut rest = packet.get(octets..)?;
    let Some(at) = ethertype_at else {
        // The first octet of an IP packet is its version.
        return Some(rest).filter(|rest| matches!(rest.first().map(|o| o >> 4), Some(4 | 6)));
    };
    let mut ethertype = *packet.get(at..)?.first_chunk::<2>()?;
    while let [0x81 | 0x91, 0x00] | [0x88, 0xa8] = ethertype {
        let ([_, _, high, low], behind) = rest.split_first_chunk()?;
        ethertype = [*high, *low];
        rest = behind;
    }
    matches!(ethertype, [0x08, 0x00] | [0x86, 0xdd]).then_some(rest)
}

/// What stands in front of an IP packet.
#[derive(Clone, Copy, Debug)]
struct Link {
    /// Where the ethertype stands, if there is one.
    ethertype_at: Option<usize>,
    /// How long it is.
    octets: usize,
}

impl Link {
    const fn of(link_type: u16) -> Option<Self> {
        let (ethertype_at, octets) = match link_type {
            ETHERNET => (Some(12), 14),
            LINUX_SLL => (Some(14), 16),
            LINUX_SLL2 => (Some(0), 20),
            NULL | LOOP => (None, 4),
            // 12 and 14 are what BSDs call RAW_IP; 228 and 229 name the family.
            RAW_IP | 12 | 14 | 228 | 229 => (None, 0),
            _ => return None,
        };
        Some(Self {
            ethertype_at,
            octets,
        })
    }
}
