//! Cutting an IP packet into fragments (RFC 791, 3.2; RFC 8200, 4.5).

use crate::wire;

/// More fragments follow, in an IPv4 header.
const MORE: u16 = 0x2000;
/// The offset in an IPv4 header, in units of eight octets.
const OFFSET: u16 = 0x1fff;
/// Next header of IPv6: a fragment header.
const FRAGMENT_HEADER: u8 = 44;
/// Octets of an IPv6 header, and of a fragment header.
const HEADER_V6: usize = 40;
const FRAGMENT_V6: usize = 8;

/// A part of a packet's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    at: usize,
    length: usize,
    last: bool,
}

/// A packet that is to be cut.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whole<'p> {
    packet: &'p [u8],
    /// How long its header is: what follows is cut.
    header: usize,
    v6: bool,
}

impl<'p> Whole<'p> {
    /// `packet` ends with the IP packet. `None` when there is nothing to cut in it, or it is a
    /// fragment that reaches further than an IP packet may.
    pub(super) fn new(packet: &'p [u8]) -> Option<Self> {
        let first = *packet.first()?;
        let v6 = first >> 4 == 6;
        let header = if v6 {
            HEADER_V6
        } else {
            usize::from(first & 0xf) * 4
        };
        let last_at = packet.len().checked_sub(header + 1)? / 8;
        let before = if v6 {
            0
        } else {
            wire::u16_at(packet, 6)? & OFFSET
        };
        let fits = usize::from(before) + last_at <= usize::from(OFFSET);
        fits.then_some(Self { packet, header, v6 })
    }

    /// The pieces that fit into `mtu` with their headers; none if nothing does.
    pub(super) fn pieces(self, mtu: u16) -> impl Iterator<Item = Piece> + use<> {
        let front = self.header + if self.v6 { FRAGMENT_V6 } else { 0 };
        let room = usize::from(mtu).saturating_sub(front) & !7;
        let payload = self.packet.len() - self.header;
        (0..payload).step_by(room.max(1)).map_while(move |at| {
            let length = room.min(payload - at);
            let last = at + length == payload;
            (room > 0).then_some(Piece { at, length, last })
        })
    }

    /// How long the fragment with that piece is.
    pub(super) const fn length(self, piece: Piece) -> usize {
        self.header + if self.v6 { FRAGMENT_V6 } else { 0 } + piece.length
    }

    /// Writes the fragment with that piece; `identification` is that of an IPv6 packet.
    pub(super) fn write(self, piece: Piece, identification: u16, out: &mut [u8]) -> Option<()> {
        let (header, payload) = self.packet.split_at_checked(self.header)?;
        let part = payload.get(piece.at..)?.get(..piece.length)?;
        let (front, rest) = out.split_at_mut_checked(out.len().checked_sub(piece.length)?)?;
        rest.copy_from_slice(part);
        let offset = u16::try_from(piece.at / 8).ok()?;
        front.get_mut(..self.header)?.copy_from_slice(header);
        if self.v6 {
            let length = u16::try_from(FRAGMENT_V6 + piece.length).ok()?;
            wire::put(front, 4, length.to_be_bytes())?;
            let [next] = wire::array(header, 6)?;
            wire::put(front, 6, [FRAGMENT_HEADER])?;
            let [high, low] = (offset << 3 | u16::from(!piece.last)).to_be_bytes();
            let [a, b] = identification.to_be_bytes();
            return wire::put(front, HEADER_V6, [next, 0, high, low, 0, 0, a, b]);
        }
        let length = u16::try_from(self.length(piece)).ok()?;
        wire::put(front, 2, length.to_be_bytes())?;
        // A fragment may be cut again.
        let before = wire::u16_at(header, 6)?;
        let more = if piece.last { before & MORE } else { MORE };
        let field = ((before & OFFSET) + offset) | more;
        wire::put(front, 6, field.to_be_bytes())?;
        if piece.at > 0 {
            keep_copied_options(front.get_mut(20..)?);
        }
        wire::set_ipv4_checksum(front);
        Some(())
    }
}

/// Options that only the first fragment has become "no operation" in the others (RFC 791, 3.1).
fn keep_copied_options(mut options: &mut [u8]) {
    while let [kind, ..] = *options {
        let length = match (kind, options.get(1)) {
            (0, _) => return,
            (1, _) | (_, None) => 1,
            (_, Some(length)) => usize::from(*length).clamp(2, options.len()),
        };
        let (option, rest) = options.split_at_mut(length);
        if kind & 0x80 == 0 {
            option.fill(1);
        }
        options = rest;
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::testbed::{HOST, HOST_V6, user_v4, user_v6};

    fn cut(packet: &[u8], mtu: u16) -> Vec<Vec<u8>> {
        let whole = Whole::new(packet).unwrap();
        let fragment = |piece| {
            let mut out = vec![0xa5; whole.length(piece)];
            whole.write(piece, 0x77, &mut out).unwrap();
            out
        };
        whole.pieces(mtu).map(fragment).collect()
    }

    #[test]
    fn the_fragments_of_an_ipv4_packet_make_it_up_again() {
        let mut packet = user_v4(Ipv4Addr::new(10, 45, 0, 2), HOST, 500);
        wire::put(&mut packet, 4, [0x12, 0x34]).unwrap();
        wire::set_ipv4_checksum(&mut packet[..20]);
        let fragments = cut(&packet, 200);
        let mut payload = Vec::new();
        for (number, fragment) in fragments.iter().enumerate() {
            assert!(fragment.len() <= 200);
            assert!(wire::ipv4_header_is_right(
                fragment.first_chunk::<20>().unwrap()
            ));
            assert_eq!(
                wire::u16_at(fragment, 2).map(usize::from),
                Some(fragment.len())
            );
            assert_eq!(fragment[4..6], [0x12, 0x34]);
            let field = wire::u16_at(fragment, 6).unwrap();
            assert_eq!(usize::from(field & OFFSET) * 8, payload.len());
            assert_eq!(field & MORE != 0, number + 1 < fragments.len());
            payload.extend(&fragment[20..]);
        }
        assert_eq!((fragments.len(), &payload[..]), (3, &packet[20..]));
        // A fragment in the middle, cut once more, is none the less in the middle.
        let again = cut(&fragments[1], 100);
        let fields: Vec<_> = again.iter().map(|f| wire::u16_at(f, 6).unwrap()).collect();
        assert_eq!(fields, [MORE + 22, MORE + 32, MORE + 42]);
    }

    #[test]
    fn options_that_are_not_copied_are_blanked() {
        let mut packet = user_v4(Ipv4Addr::new(10, 45, 0, 2), HOST, 100);
        // Record route, and a security option, which is copied.
        packet.splice(20..20, [7, 3, 4, 130, 4, 1, 2, 0]);
        packet[0] = 0x47;
        packet[3] += 8;
        let fragments = cut(&packet, 68);
        assert_eq!(fragments[0][20..28], [7, 3, 4, 130, 4, 1, 2, 0]);
        assert_eq!(fragments[1][20..28], [1, 1, 1, 130, 4, 1, 2, 0]);
    }

    #[test]
    fn the_fragments_of_an_ipv6_packet_have_a_header_for_it() {
        let packet = user_v6("2001:db8:45::2".parse().unwrap(), HOST_V6, 500);
        let fragments = cut(&packet, 200);
        let mut payload = Vec::new();
        for (number, fragment) in fragments.iter().enumerate() {
            assert!(fragment.len() <= 200);
            assert_eq!(
                wire::u16_at(fragment, 4).map(usize::from),
                Some(fragment.len() - 40)
            );
            let last = number + 1 == fragments.len();
            let field = u16::try_from(payload.len()).unwrap() | u16::from(!last);
            let [high, low] = field.to_be_bytes();
            assert_eq!(fragment[40..48], [wire::UDP, 0, high, low, 0, 0, 0, 0x77]);
            assert_eq!((fragment[6], &fragment[8..40]), (44, &packet[8..40]));
            payload.extend(&fragment[48..]);
        }
        assert_eq!((fragments.len(), &payload[..]), (4, &packet[40..]));
    }

    #[test]
    fn nothing_fits_into_nothing() {
        let packet = user_v4(Ipv4Addr::new(10, 45, 0, 2), HOST, 100);
        assert!(cut(&packet, 27).is_empty());
        assert!(Whole::new(&packet[..20]).is_none());
        assert!(Whole::new(&[]).is_none());
    }
}
