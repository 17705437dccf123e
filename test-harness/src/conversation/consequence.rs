//! What a packet of a gNB or of the SMF must lead to.

use std::net::IpAddr;

use simulator::net::{self, Ip};

use super::rewriter::KnownSession;

/// What a packet of a gNB or of the SMF must lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Consequence {
    /// This packet on N6.
    Plain(Vec<u8>),
    /// This packet in a tunnel to the SMF.
    ToSmf(Vec<u8>),
    /// An Error Indication that names this TEID.
    ErrorIndication(u32),
    /// An Echo Response with this sequence number.
    EchoResponse(Option<u16>),
    /// Nothing.
    Nothing,
}

/// The Router Solicitation and the Router Advertisement of RFC 4861.
const SOLICITATION: u8 = 133;
const ADVERTISEMENT: u8 = 134;

/// Whether a packet is a Router Advertisement.
pub fn is_advertisement(packet: &[u8]) -> bool {
    icmpv6_type(packet) == Some(ADVERTISEMENT)
}

fn icmpv6_type(packet: &[u8]) -> Option<u8> {
    let ip = Ip::parse(packet).filter(|ip| ip.protocol == net::PROTOCOL_ICMPV6)?;
    ip.payload.first().copied()
}

pub(super) fn consequence(session: &KnownSession, inner: &[u8]) -> Consequence {
    match icmpv6_type(inner) {
        Some(SOLICITATION) => return Consequence::ToSmf(inner.to_vec()),
        // From the SMF: it goes to the UE, see `GtpOut`.
        Some(ADVERTISEMENT) => return Consequence::Nothing,
        _ => {}
    }
    let is_own = |ip: &Ip<'_>| session.addresses.iter().any(|ue| is_within(*ue, ip.source));
    if !Ip::parse(inner).is_some_and(|ip| is_own(&ip)) {
        return Consequence::Nothing;
    }
    let mut packet = inner.to_vec();
    net::take_hop(&mut packet);
    Consequence::Plain(packet)
}

/// Whether an address is the UE's: all of its /64 are.
fn is_within(ue: IpAddr, address: IpAddr) -> bool {
    match (ue, address) {
        (IpAddr::V6(ue), IpAddr::V6(address)) => ue
            .segments()
            .iter()
            .take(4)
            .eq(address.segments().iter().take(4)),
        (ue, address) => ue == address,
    }
}
