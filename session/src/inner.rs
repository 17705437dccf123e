//! What the packet path knows of a user packet: a view over its octets, read only as far as asked.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The most IPv6 extension headers that are walked to find the transport header.
pub const EXTENSION_HEADERS_MAX: usize = 8;

/// A user packet (inner IPv4 or IPv6) whose fixed header has been checked.
#[derive(Clone, Copy, Debug)]
pub struct Inner<'a> {
    octets: &'a [u8],
    /// The first of these, read at fixed places: all of an IPv4 header without options.
    header: &'a [u8; 20],
    /// `true` for IPv6.
    v6: bool,
    /// The length that the packet says it has, no more than there is.
    length: u16,
}

/// Why a user packet was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InnerError {
    /// Its version is neither 4 nor 6.
    #[error("neither IPv4 nor IPv6")]
    Version,
    /// It is shorter than its header, or than the length in its header.
    #[error("shorter than it says")]
    Length,
}

/// Protocol, and ports where there are any, behind the network headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transport {
    /// The protocol number of the last header that was reached.
    pub protocol: u8,
    /// Source and destination port of TCP, UDP, UDP-Lite, SCTP and DCCP; `None` for other
    /// protocols, cut headers and all fragments but the first.
    pub ports: Option<(u16, u16)>,
    /// SPI of ESP or AH.
    pub spi: Option<u32>,
}

impl<'a> Inner<'a> {
    /// Checks the fixed header.
    ///
    /// # Errors
    /// When the octets are not a whole IPv4 or IPv6 packet. Octets behind the packet's own length
    /// are left aside.
    #[inline]
    pub fn parse(octets: &'a [u8]) -> Result<Self, InnerError> {
        let Some(header) = octets.first_chunk::<20>() else {
            return Err(match octets.first() {
                None | Some(0x40..=0x4f | 0x60..=0x6f) => InnerError::Length,
                Some(_) => InnerError::Version,
            });
        };
        let (v6, length) = match header[0] >> 4 {
            4 => {
                let header_length = u16::from(header[0] & 0xf) * 4;
                let length = u16::from_be_bytes([header[2], header[3]]);
                if header_length < 20 || length < header_length {
                    return Err(InnerError::Length);
                }
                (false, length)
            }
            6 => {
                let length = u16::from_be_bytes([header[4], header[5]]);
                (true, length.checked_add(40).ok_or(InnerError::Length)?)
            }
            _ => return Err(InnerError::Version),
        };
        if octets.len() < usize::from(length) {
            return Err(InnerError::Length);
        }
        Ok(Self {
            octets,
            header,
            v6,
            length,
        })
    }

    /// Its first octets: an IPv4 header without options, or half of an IPv6 header.
    #[inline]
    pub const fn header(&self) -> &'a [u8; 20] {
        self.header
    }

    /// Its octets, and those behind it that are none of it.
    #[inline]
    pub const fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// The packet's own length, in octets.
    #[inline]
    pub const fn length(&self) -> u16 {
        self.length
    }

    /// Whether it is IPv6.
    #[inline]
    pub const fn is_v6(&self) -> bool {
        self.v6
    }

    /// The source address as 128 bits, IPv4 in the IPv4-mapped range.
    #[inline]
    pub(crate) fn source_bits(&self) -> u128 {
        if self.v6 {
            return self.bits_v6(8);
        }
        0xffff_0000_0000 | u128::from(self.source_v4())
    }

    /// The destination address as 128 bits, IPv4 in the IPv4-mapped range.
    #[inline]
    pub(crate) fn destination_bits(&self) -> u128 {
        if self.v6 {
            return self.bits_v6(24);
        }
        0xffff_0000_0000 | u128::from(self.destination_v4())
    }

    /// The source address of an IPv4 packet.
    #[inline]
    pub(crate) const fn source_v4(&self) -> u32 {
        let [.., a, b, c, d, _, _, _, _] = *self.header;
        u32::from_be_bytes([a, b, c, d])
    }

    /// The destination address of an IPv4 packet.
    #[inline]
    pub(crate) const fn destination_v4(&self) -> u32 {
        let [.., a, b, c, d] = *self.header;
        u32::from_be_bytes([a, b, c, d])
    }

    #[inline]
    fn bits_v6(&self, at: usize) -> u128 {
        let octets = self.octets.get(at..).and_then(<[u8]>::first_chunk);
        octets.map_or(0, |octets| u128::from_be_bytes(*octets))
    }

    /// The source address.
    #[inline]
    pub fn source(&self) -> IpAddr {
        self.address(self.source_bits())
    }

    /// The destination address.
    #[inline]
    pub fn destination(&self) -> IpAddr {
        self.address(self.destination_bits())
    }

    #[inline]
    fn address(&self, bits: u128) -> IpAddr {
        if self.v6 {
            IpAddr::V6(Ipv6Addr::from_bits(bits))
        } else {
            let [.., a, b, c, d] = bits.to_be_bytes();
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
    }

    /// ToS octet or traffic class.
    #[inline]
    pub const fn tos(&self) -> u8 {
        if self.v6 {
            self.header[0] << 4 | self.header[1] >> 4
        } else {
            self.header[1]
        }
    }

    /// The flow label of an IPv6 packet.
    pub fn flow_label(&self) -> Option<u32> {
        let [_, b, c, d, ..] = *self.header;
        self.v6.then(|| u32::from_be_bytes([0, b & 0xf, c, d]))
    }

    /// TTL or hop limit.
    #[inline]
    pub const fn hop_limit(&self) -> u8 {
        if self.v6 {
            self.header[7]
        } else {
            self.header[8]
        }
    }

    /// Finds the transport header; bounded work.
    #[inline]
    pub fn transport(&self) -> Transport {
        let header = self.header;
        let is_usual = header[0] == 0x45
            && header[6] & 0x1f | header[7] == 0
            && matches!(header[9], 6 | 17)
            && self.length >= 24;
        match self.octets.get(20..24) {
            Some([a, b, c, d]) if is_usual => Transport {
                protocol: header[9],
                ports: Some((u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]))),
                spi: None,
            },
            _ => self.transport_in_general(),
        }
    }

    /// What [`transport`](Self::transport) means, without its shortcut.
    #[inline(never)]
    fn transport_in_general(&self) -> Transport {
        let (mut protocol, mut at) = if self.v6 {
            (self.header[6], 40)
        } else {
            let fragment = u16::from_be_bytes([self.header[6], self.header[7]]);
            let protocol = self.header[9];
            if fragment & 0x1fff != 0 {
                return Transport {
                    protocol,
                    ports: None,
                    spi: None,
                };
            }
            (protocol, usize::from(self.header[0] & 0xf) * 4)
        };
        let octets = self
            .octets
            .get(..usize::from(self.length))
            .unwrap_or_default();
        if self.v6 {
            for _ in 0..EXTENSION_HEADERS_MAX {
                let header = octets.get(at..).unwrap_or_default();
                let step = match (protocol, header) {
                    (0 | 43 | 60 | 135, [_, units, ..]) => (usize::from(*units) + 1) * 8,
                    (44, [next, _, high, low, ..]) => {
                        // A fragment that is not the first has no ports to look at.
                        if u16::from_be_bytes([*high, *low]) & 0xfff8 != 0 {
                            return Transport {
                                protocol: *next,
                                ports: None,
                                spi: None,
                            };
                        }
                        8
                    }
                    _ => break,
                };
                protocol = header.first().copied().unwrap_or(59);
                at += step;
            }
        }
        let header = octets.get(at..).unwrap_or_default();
        let ports = match (protocol, header) {
            (6 | 17 | 33 | 132 | 136, [a, b, c, d, ..]) => {
                Some((u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d])))
            }
            _ => None,
        };
        let spi = match (protocol, header) {
            (50, [a, b, c, d, ..]) | (51, [_, _, _, _, a, b, c, d, ..]) => {
                Some(u32::from_be_bytes([*a, *b, *c, *d]))
            }
            _ => None,
        };
        Transport {
            protocol,
            ports,
            spi,
        }
    }
}
