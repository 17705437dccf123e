//! Octets of Ethernet and IP headers: reading and writing fields, checksums.

/// EtherType of IPv4.
pub(crate) const IPV4: u16 = 0x0800;
/// EtherType of ARP.
pub(crate) const ARP: u16 = 0x0806;
/// EtherType of a VLAN tag.
pub(crate) const VLAN: u16 = 0x8100;
/// EtherType of IPv6.
pub(crate) const IPV6: u16 = 0x86dd;

/// Protocol number of ICMP.
pub(crate) const ICMP: u8 = 1;
/// Protocol number of UDP.
pub(crate) const UDP: u8 = 17;
/// Protocol number of ICMPv6.
pub(crate) const ICMPV6: u8 = 58;

/// The octets at a place.
#[inline]
pub(crate) fn array<const N: usize>(octets: &[u8], at: usize) -> Option<[u8; N]> {
    octets.get(at..)?.first_chunk().copied()
}

/// The 16-bit number at a place.
#[inline]
pub(crate) fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    array(octets, at).map(u16::from_be_bytes)
}

/// The 32-bit number at a place.
#[inline]
pub(crate) fn u32_at(octets: &[u8], at: usize) -> Option<u32> {
    array(octets, at).map(u32::from_be_bytes)
}

/// Writes octets at a place.
#[inline]
pub(crate) fn put<const N: usize>(octets: &mut [u8], at: usize, value: [u8; N]) -> Option<()> {
    *octets.get_mut(at..)?.first_chunk_mut()? = value;
    Some(())
}

/// Adds 16-bit words; [`fold`] makes a checksum of the sum.
#[inline]
pub(crate) fn sum(octets: &[u8]) -> u64 {
    let mut words = octets.chunks_exact(4);
    let whole: u64 = words
        .by_ref()
        .map(|word| u64::from(u32_at(word, 0).unwrap_or(0)))
        .sum();
    let rest = match *words.remainder() {
        [a] => [a, 0, 0, 0],
        [a, b] => [a, b, 0, 0],
        [a, b, c] => [a, b, c, 0],
        _ => [0; 4],
    };
    whole.wrapping_add(u64::from(u32::from_be_bytes(rest)))
}

/// Ones' complement sum of 16 bits.
#[inline]
pub(crate) fn fold(sum: u64) -> u16 {
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    u16::try_from(sum & 0xffff).unwrap_or(0)
}

/// Ones' complement sum of 16 bits of a few words.
#[inline]
pub(crate) fn fold_few(sum: u32) -> u16 {
    let sum = (sum & 0xffff) + (sum >> 16);
    let [_, _, high, low] = (sum + (sum >> 16)).to_be_bytes();
    u16::from_be_bytes([high, low])
}

/// The VLAN of a frame that begins with a tag. VLAN 0 is none: it is a priority tag on an untagged
/// frame.
pub(crate) fn vlan(frame: &[u8]) -> Option<u16> {
    let [high, low] = array(frame, 14).filter(|_| u16_at(frame, 12) == Some(VLAN))?;
    Some(u16::from_be_bytes([high & 0xf, low])).filter(|vlan| *vlan != 0)
}

/// An Ethernet address as a number.
pub(crate) const fn mac_bits([a, b, c, d, e, f]: [u8; 6]) -> u64 {
    u64::from_be_bytes([0, 0, a, b, c, d, e, f])
}

/// Whether an IPv4 header's checksum is right.
#[inline]
pub(crate) fn ipv4_header_is_right(header: &[u8; 20]) -> bool {
    // The sum of all words, and with it whether it is 0xffff, is the same in any order of octets
    // (RFC 1071, 2); so it is by twos of words, and as the remainder of a division by 0xffff.
    let (words, _) = header.as_chunks();
    let words = words
        .iter()
        .map(|word| u64::from(u32::from_ne_bytes(*word)));
    let sum: u64 = words.sum();
    sum != 0 && sum.is_multiple_of(0xffff)
}

/// Writes an IPv4 header's checksum; `header` is the whole of it.
pub(crate) fn set_ipv4_checksum(header: &mut [u8]) {
    let done = put(header, 10, [0; 2]);
    let checksum = !fold(sum(header));
    done.and_then(|()| put(header, 10, checksum.to_be_bytes()));
}

/// Checksum of a UDP or ICMPv6 packet with its pseudo-header; the field itself holds 0.
pub(crate) fn transport_checksum(addresses: &[u8], protocol: u8, packet: &[u8]) -> u16 {
    let length = u64::try_from(packet.len()).unwrap_or(0);
    !fold(sum(addresses) + u64::from(protocol) + length + sum(packet))
}

/// A UDP checksum as it is sent: zero means that there is none.
pub(crate) const fn udp_checksum_field(checksum: u16) -> [u8; 2] {
    if checksum == 0 {
        [0xff; 2]
    } else {
        checksum.to_be_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_of_rfc_1071_and_a_header_of_the_wild() {
        // RFC 1071, 3.
        assert_eq!(
            fold(sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7])),
            0xddf2
        );
        assert_eq!(fold(sum(&[1, 2, 3])), 0x0402);
        let mut header = [
            0x45, 0, 0, 0x3c, 0x1c, 0x46, 0x40, 0, 0x40, 6, 0xb1, 0xe6, 0xac, 0x10, 0x0a, 0x63,
            0xac, 0x10, 0x0a, 0x0c,
        ];
        assert!(ipv4_header_is_right(&header));
        set_ipv4_checksum(&mut header);
        assert!(ipv4_header_is_right(&header));
        header[8] -= 1;
        assert!(!ipv4_header_is_right(&header));
    }
}
