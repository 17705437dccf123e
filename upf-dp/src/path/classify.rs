//! Classify: the first PDR that matches, and whether such a packet may exist at all.

use session::inner::{EXTENSION_HEADERS_MAX, Inner};
use session::plan::{Act, Arrival, Entrance};

use super::frames::classify_frame;
use super::meta::{Fate, Meta, Punt};
use crate::links::{Links, OwnAddresses};
use crate::packet::Packet;
use crate::reason::Reason;
use crate::slow::is_solicitation;
use crate::wire;

/// Third stage: which rule?
#[inline(never)]
pub(super) fn classify<P: Packet>(links: &Links, packets: &[P], metas: &mut [Meta<'_>]) {
    let own = links.own();
    for (packet, meta) in packets.iter().zip(metas) {
        let Some(entrance) = meta.session else {
            continue;
        };
        if let Err(reason) = classify_one(own, entrance, packet.data(), meta) {
            meta.fate = refused(links, reason, packet.data(), meta);
        }
    }
}

/// What becomes of a packet that no rule takes on, or that must not be: dropped, unless it is one
/// that nobody but the UPF could take.
#[cold]
fn refused(links: &Links, reason: Reason, frame: &[u8], meta: &Meta<'_>) -> Fate {
    let of_ue = |entrance: Entrance<'_>| entrance.interface().is_some();
    let asks =
        links.has_routers() && meta.session.is_some_and(of_ue) && is_solicitation(meta.user(frame));
    if asks {
        Fate::Punt(Punt::RouterSolicitation(reason))
    } else {
        Fate::Drop(reason)
    }
}

/// Why such a packet goes no further, if so. The rule that it matched, if any, is in its `meta`.
#[inline(always)]
#[allow(clippy::inline_always, reason = "the body of the stage's loop")]
fn classify_one<'a>(
    own: &OwnAddresses,
    entrance: Entrance<'a>,
    frame: &[u8],
    meta: &mut Meta<'a>,
) -> Result<(), Reason> {
    if entrance.takes_frames() {
        return classify_frame(entrance, frame, meta);
    }
    let inner = Inner::parse(meta.user(frame)).map_err(|_| Reason::UserPacket)?;
    // Octets behind the user packet's own length are none of it.
    meta.user_length = inner.length();
    let arrival = Arrival {
        inner,
        qfi: meta.qfi,
    };
    let step = entrance.classify(&arrival).ok_or(Reason::NoPdr)?;
    meta.step = Some(step);
    let from_core = entrance.interface().is_none();
    // Between N6 and a tunnel, not from tunnel to tunnel.
    let routed = from_core || matches!(step.act, Act::Route { .. });
    meta.routed = routed;
    let source_is_ue = entrance.source_is_ue(&inner);
    if step.check_source && !source_is_ue {
        return Err(Reason::SourceSpoofed);
    }
    if inner.is_v6() {
        check_v6(own, inner, from_core, routed)?;
    } else {
        check_v4(own, inner, from_core, routed)?;
    }
    if matches!(step.act, Act::Tunnel { .. }) {
        meta.source_port = entropy(&inner);
    }
    // A UE that sends to itself from outside.
    if from_core && source_is_ue {
        return Err(Reason::MartianSource);
    }
    Ok(())
}

#[inline]
fn check_v4(own: &OwnAddresses, inner: Inner<'_>, core: bool, routed: bool) -> Result<(), Reason> {
    let header = inner.header();
    let destination = u32::from_be_bytes([header[16], header[17], header[18], header[19]]);
    let unusual = own.may_have_v4(destination)
        || header[0] != 0x45
        || header[8] <= 1
        || is_martian(header[12])
        || is_martian(header[16]);
    if unusual {
        check_v4_closely(own, inner, core, routed)
    } else {
        Ok(())
    }
}

/// 0.0.0.0/8, 127.0.0.0/8, 224.0.0.0/4 and 240.0.0.0/4, by the first octet.
#[inline]
const fn is_martian(first: u8) -> bool {
    first.wrapping_sub(1) >= 223 || first == 127
}

/// Says what [`check_v4`] found unusual, or that there is nothing wrong with it.
#[inline(never)]
fn check_v4_closely(
    own: &OwnAddresses,
    inner: Inner<'_>,
    core: bool,
    routed: bool,
) -> Result<(), Reason> {
    let header = inner.header();
    let destination = u32::from_be_bytes([header[16], header[17], header[18], header[19]]);
    if own.has_v4(destination) {
        return Err(Reason::ToOwnAddress);
    }
    if header[0] & 0xf > 5 && has_source_route(inner.octets()) {
        return Err(Reason::SourceRoute);
    }
    if !routed {
        return Ok(());
    }
    if is_martian(header[12]) {
        return Err(Reason::MartianSource);
    }
    if !core && is_martian(header[16]) {
        let multicast = header[16] >> 4 == 0xe;
        return Err(if multicast {
            Reason::UserMulticast
        } else {
            Reason::MartianDestination
        });
    }
    if header[8] <= 1 {
        return Err(Reason::HopLimit);
    }
    Ok(())
}

#[inline(never)]
fn check_v6(own: &OwnAddresses, inner: Inner<'_>, core: bool, routed: bool) -> Result<(), Reason> {
    let header: &[u8; 40] = inner.octets().first_chunk().ok_or(Reason::UserPacket)?;
    let address = |at: usize| wire::array(header, at).map_or(0, u128::from_be_bytes);
    let (source, destination) = (address(8), address(24));
    if own.has_v6(destination) {
        return Err(Reason::ToOwnAddress);
    }
    if header[6] < 64 && EXTENSIONS >> header[6] & 1 == 1 {
        check_extensions(inner)?;
    }
    if !routed {
        return Ok(());
    }
    if is_martian_v6(source) || source >> 120 == 0xff {
        return Err(Reason::MartianSource);
    }
    if !core && destination >> 120 == 0xff {
        return Err(Reason::UserMulticast);
    }
    if !core && is_martian_v6(destination) {
        return Err(Reason::MartianDestination);
    }
    if header[7] <= 1 {
        return Err(Reason::HopLimit);
    }
    Ok(())
}

/// Unspecified, loopback, IPv4-mapped and link-local addresses: no router passes them on.
#[inline]
const fn is_martian_v6(address: u128) -> bool {
    address <= 1 || address >> 32 == 0xffff || address >> 118 == 0xfe80 >> 6
}

/// Hop-by-hop options, routing header and destination options, as bits by their numbers.
const EXTENSIONS: u64 = 1 | 1 << 43 | 1 << 60;

/// What extension headers may not say: more than a packet's length can (RFC 2675), and a source
/// route (type 0, RFC 5095).
#[cold]
fn check_extensions(inner: Inner<'_>) -> Result<(), Reason> {
    let octets = inner.octets().get(..usize::from(inner.length()));
    let octets = octets.unwrap_or_default();
    // A jumbogram: its length is in an option.
    if octets.len() == 40 {
        return Err(Reason::UserPacket);
    }
    let (mut kind, mut at) = (octets.get(6).copied().unwrap_or(59), 40);
    for _ in 0..EXTENSION_HEADERS_MAX {
        let Some([next, units, routing]) = wire::array(octets, at) else {
            break;
        };
        match (kind, routing) {
            (43, 0) => return Err(Reason::SourceRoute),
            (0 | 43 | 60, _) => {}
            _ => break,
        }
        kind = next;
        at += (usize::from(units) + 1) * 8;
    }
    Ok(())
}

/// Loose or strict source route among the IPv4 options (RFC 791, 3.1).
#[cold]
fn has_source_route(user: &[u8]) -> bool {
    let header_length = usize::from(user.first().copied().unwrap_or(0) & 0xf) * 4;
    let mut options = user.get(20..header_length).unwrap_or_default();
    while let [kind, rest @ ..] = options {
        options = match (kind, rest) {
            (0, _) => return false,
            (1, _) => rest,
            (131 | 137, _) => return true,
            (_, [length, ..]) => options
                .get(usize::from(*length).max(2)..)
                .unwrap_or_default(),
            (_, []) => return false,
        };
    }
    false
}

/// A UDP source port that is the same for all packets of a flow: 49152 to 65535.
#[inline]
pub(super) fn entropy(inner: &Inner<'_>) -> u16 {
    let header = inner.header();
    let hash = if inner.is_v6() {
        entropy_v6(inner.octets())
    } else {
        let words = u64::from_be_bytes([
            header[12], header[13], header[14], header[15], header[16], header[17], header[18],
            header[19],
        ]);
        // No options, neither an offset nor more fragments, and a protocol with ports.
        let whole = (header[6] & 0x3f) | header[7] == 0;
        let has_ports = header[0] == 0x45 && whole && matches!(header[9], 6 | 17 | 132);
        let ports = if has_ports {
            wire::u32_at(inner.octets(), 20).unwrap_or(0)
        } else {
            0
        };
        words ^ u64::from(ports).wrapping_mul(0x9e37_79b9)
    };
    let mixed = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    0xc000 | u16::from_be_bytes([mixed[0], mixed[1]])
}

#[inline(never)]
fn entropy_v6(user: &[u8]) -> u64 {
    let Some(header) = user.first_chunk::<40>() else {
        return 0;
    };
    let word = |at: usize| wire::array(header, at).map_or(0, u64::from_be_bytes);
    let ports = if matches!(header[6], 6 | 17 | 132) {
        wire::u32_at(user, 40).unwrap_or(0)
    } else {
        0
    };
    let addresses = word(8) ^ word(16).rotate_left(17) ^ word(24).rotate_left(31) ^ word(32);
    addresses ^ u64::from(ports).wrapping_mul(0x9e37_79b9)
}
