//! Outer headers: how they are put on and taken off.

use serde::{Deserialize, Serialize};
use std::fmt;

use super::address::Addresses;
use super::{OuterHeaderCreation, Within};
use crate::flags::{List, optional};
use crate::wire::{Check, Checked, Parsed, Wire, emit_all, refuse};

/// The outer header that a packet gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum OuterHeader {
    /// GTP-U over UDP.
    GtpU {
        /// The tunnel endpoint of the receiver.
        teid: u32,
        /// Where it is.
        addresses: Addresses,
    },
    /// UDP.
    Udp {
        /// The destination port.
        port: u16,
        /// The destination.
        addresses: Addresses,
    },
    /// IP alone.
    Ip {
        /// The destination.
        addresses: Addresses,
    },
}

impl OuterHeader {
    const fn addresses(self) -> Addresses {
        let (Self::GtpU { addresses, .. } | Self::Udp { addresses, .. } | Self::Ip { addresses }) =
            self;
        addresses
    }
}

/// What an [`OuterHeaderCreation`] asks for: at least one of these in an IE.
///
/// ```text
/// octet 5    S-TAG | C-TAG | IPv6 | IPv4 | UDP/IPv6 | UDP/IPv4 | GTP-U/IPv6 | GTP-U/IPv4
/// octet 6    spare | low-layer SSM and C-TEID | N6 | N19
/// then       TEID, IPv4, IPv6, port, C-TAG, S-TAG: each if its bits ask for it
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OuterHeaderParts {
    /// The header; absent where only tags or indications are given.
    pub header: Option<OuterHeader>,
    /// The packet goes to N19.
    pub n19: bool,
    /// The packet goes to N6.
    pub n6: bool,
    /// The UP function takes the low-layer multicast address and C-TEID that it has.
    pub low_layer_ssm: bool,
    /// The C-TAG, as the three octets of IE 134.
    pub c_tag: Option<[u8; 3]>,
    /// The S-TAG, as the three octets of IE 135.
    pub s_tag: Option<[u8; 3]>,
}

impl OuterHeaderCreation {
    /// A header, and nothing else.
    pub const fn of(header: OuterHeader) -> Self {
        Self(Checked::known(OuterHeaderParts {
            header: Some(header),
            n19: false,
            n6: false,
            low_layer_ssm: false,
            c_tag: None,
            s_tag: None,
        }))
    }

    /// A GTP-U tunnel.
    pub const fn gtp_u(teid: u32, address: std::net::IpAddr) -> Self {
        let addresses = Addresses::of(address);
        Self::of(OuterHeader::GtpU { teid, addresses })
    }
}

impl Check for OuterHeaderParts {
    const RULE: &'static str = "a header, a tag or an indication";

    fn holds(&self) -> bool {
        *self != Self::default()
    }
    fn least() -> Self {
        Self {
            n6: true,
            ..Self::default()
        }
    }
}

impl OuterHeaderParts {
    /// The description: octets 5 and 6.
    fn description(&self) -> [u8; 2] {
        let pair = |ipv4: bool, ipv6: bool| u8::from(ipv4) | u8::from(ipv6) << 1;
        let header = match self.header {
            None => 0,
            Some(OuterHeader::GtpU { addresses, .. }) => addresses.bits(1, 1 << 1),
            Some(OuterHeader::Udp { addresses, .. }) => addresses.bits(1 << 2, 1 << 3),
            Some(OuterHeader::Ip { addresses }) => addresses.bits(1 << 4, 1 << 5),
        };
        let tags = pair(self.c_tag.is_some(), self.s_tag.is_some()) << 6;
        let indications = pair(self.n19, self.n6) | u8::from(self.low_layer_ssm) << 2;
        [header | tags, indications]
    }
}

impl Wire for OuterHeaderParts {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, [first, second]) = <[u8; 2]>::parse(input)?;
        let second = second & 0x07;
        let [gtp_u, udp, ip] = [first & 0x03, first & 0x0c, first & 0x30].map(|bits| bits != 0);
        // One kind of header at a time.
        if u8::from(gtp_u) + u8::from(udp) + u8::from(ip) > 1 {
            return refuse();
        }
        let (rest, teid) = optional::<u32>(rest, gtp_u)?;
        let (ipv4, ipv6) = (first & 0x15 != 0, first & 0x2a != 0);
        let (rest, addresses) = if ipv4 || ipv6 {
            Addresses::parse(rest, ipv4, ipv6).map(|(rest, addresses)| (rest, Some(addresses)))?
        } else {
            (rest, None)
        };
        let (rest, port) = optional::<u16>(rest, udp)?;
        let (rest, c_tag) = optional(rest, first & 0x40 != 0)?;
        let (rest, s_tag) = optional(rest, first & 0x80 != 0)?;
        let header = addresses.map(|addresses| match (teid, port) {
            (Some(teid), _) => OuterHeader::GtpU { teid, addresses },
            (_, Some(port)) => OuterHeader::Udp { port, addresses },
            _ => OuterHeader::Ip { addresses },
        });
        let [n19, n6, low_layer_ssm] = [1, 2, 4].map(|bit| second & bit != 0);
        Ok((
            rest,
            Self {
                header,
                n19,
                n6,
                low_layer_ssm,
                c_tag,
                s_tag,
            },
        ))
    }
    fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.description());
        if let Some(header) = self.header {
            if let OuterHeader::GtpU { teid, .. } = header {
                teid.emit(out);
            }
            header.addresses().emit(out);
            if let OuterHeader::Udp { port, .. } = header {
                port.emit(out);
            }
        }
        emit_all(self.c_tag.iter(), out);
        emit_all(self.s_tag.iter(), out);
    }
}

impl fmt::Display for OuterHeaderParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = List::new(f);
        match self.header {
            Some(OuterHeader::GtpU { teid, .. }) => {
                list.entry("GTP-U TEID", &format_args!("{teid:#010x}"));
            }
            Some(OuterHeader::Udp { port, .. }) => list.entry("UDP port", &port),
            None | Some(OuterHeader::Ip { .. }) => {}
        }
        if let Some(header) = self.header {
            header.addresses().list(&mut list);
        }
        let names = [
            (self.n19, "N19"),
            (self.n6, "N6"),
            (self.low_layer_ssm, "low-layer SSM"),
        ];
        names
            .iter()
            .filter(|(set, _)| *set)
            .for_each(|(_, name)| list.name(name));
        let tags = [(self.c_tag, "C-TAG"), (self.s_tag, "S-TAG")];
        tags.iter()
            .filter(|(tag, _)| tag.is_some())
            .for_each(|(_, name)| list.name(name));
        list.finish()
    }
}

/// Outer Header Removal (TS 29.244, 8.2.64).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OuterHeaderRemoval {
    /// What is taken off: one of the values named here.
    pub description: Within<0, 8>,
    /// The PDU Session Container is deleted instead of kept for the next hop.
    pub delete_pdu_session_container: bool,
}

impl OuterHeaderRemoval {
    /// GTP-U over UDP over IPv4.
    pub const GTP_U_UDP_IPV4: Self = Self::of(0);
    /// GTP-U over UDP over IPv6.
    pub const GTP_U_UDP_IPV6: Self = Self::of(1);
    /// UDP over IPv4.
    pub const UDP_IPV4: Self = Self::of(2);
    /// UDP over IPv6.
    pub const UDP_IPV6: Self = Self::of(3);
    /// IPv4.
    pub const IPV4: Self = Self::of(4);
    /// IPv6.
    pub const IPV6: Self = Self::of(5);
    /// GTP-U over UDP over IP of either version.
    pub const GTP_U_UDP_IP: Self = Self::of(6);
    /// One VLAN tag.
    pub const VLAN_TAG: Self = Self::of(7);
    /// Two VLAN tags.
    pub const VLAN_TAGS: Self = Self::of(8);

    const fn of(description: u8) -> Self {
        Self {
            description: Within(description),
            delete_pdu_session_container: false,
        }
    }
}

impl Wire for OuterHeaderRemoval {
    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, description) = u8::parse(input)?;
        let Some(description) = Within::new(description) else {
            return refuse();
        };
        let (behind, deletion) = optional::<u8>(rest, !rest.is_empty())?;
        let delete_pdu_session_container = deletion.is_some_and(|octet| octet & 1 != 0);
        // An octet that says nothing is not written.
        let rest = if delete_pdu_session_container {
            behind
        } else {
            rest
        };
        Ok((
            rest,
            Self {
                description,
                delete_pdu_session_container,
            },
        ))
    }
    fn emit(&self, out: &mut Vec<u8>) {
        out.push(self.description.get());
        if self.delete_pdu_session_container {
            out.push(1);
        }
    }
}

impl fmt::Display for OuterHeaderRemoval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.description.get() {
            0 => "GTP-U/UDP/IPv4",
            1 => "GTP-U/UDP/IPv6",
            2 => "UDP/IPv4",
            3 => "UDP/IPv6",
            4 => "IPv4",
            5 => "IPv6",
            6 => "GTP-U/UDP/IP",
            7 => "VLAN tag",
            8 => "two VLAN tags",
            _ => "unknown",
        })?;
        let suffix = ", delete PDU Session Container";
        f.write_str(if self.delete_pdu_session_container {
            suffix
        } else {
            ""
        })
    }
}

#[cfg(feature = "generate")]
mod generate {
    use super::{OuterHeader, OuterHeaderParts, OuterHeaderRemoval};
    use crate::generate::{Generate, Source};

    impl Generate for OuterHeaderParts {
        fn generate(source: &mut Source<'_>) -> Self {
            let addresses = Generate::generate(source);
            let header = match source.octet() % 4 {
                0 => Some(OuterHeader::GtpU {
                    teid: Generate::generate(source),
                    addresses,
                }),
                1 => Some(OuterHeader::Udp {
                    port: Generate::generate(source),
                    addresses,
                }),
                2 => Some(OuterHeader::Ip { addresses }),
                _ => None,
            };
            Self {
                header,
                n19: Generate::generate(source),
                n6: Generate::generate(source),
                low_layer_ssm: Generate::generate(source),
                c_tag: Generate::generate(source),
                s_tag: Generate::generate(source),
            }
        }
    }

    impl Generate for OuterHeaderRemoval {
        fn generate(source: &mut Source<'_>) -> Self {
            Self {
                description: Generate::generate(source),
                delete_pdu_session_container: Generate::generate(source),
            }
        }
    }
}
