//! Classify: the first PDR that matches, and whether such a packet may exist at all.

use session::inner::Inner;
use session::plan::{Act, Arrival, Entry, Plan, Step};

use super::meta::Meta;
use crate::links::OwnAddresses;
use crate::reason::Reason;
use crate::wire;

/// Third stage: which rule?
///
/// # Errors
/// Why such a packet goes no further. The rule that it matched, if any, is in its `meta`.
#[inline]
pub(super) fn classify<'a>(
    own: &OwnAddresses,
    plan: &'a Plan,
    entry: Entry,
    frame: &[u8],
    meta: &mut Meta<'a>,
) -> Result<&'a Step, Reason> {
    let user = meta.user(frame);
    let inner = Inner::parse(user).map_err(|_| Reason::UserPacket)?;
    // Octets behind the user packet's own length are none of it.
    meta.user_length = inner.length();
    let arrival = Arrival {
        inner,
        qfi: meta.qfi,
    };
    let step = plan.classify(entry, &arrival).ok_or(Reason::NoPdr)?;
    meta.step = Some(step);
    check(own, plan, entry, step, &inner)?;
    Ok(step)
}

#[inline]
fn check(
    own: &OwnAddresses,
    plan: &Plan,
    entry: Entry,
    step: &Step,
    inner: &Inner<'_>,
) -> Result<(), Reason> {
    let from_core = entry.interface.is_none();
    let source_is_ue = plan.source_is_ue(inner);
    if step.check_source && !source_is_ue {
        return Err(Reason::SourceSpoofed);
    }
    let routed = is_routed(entry, step);
    if inner.is_v6() {
        check_v6(own, inner, from_core, routed)?;
    } else {
        check_v4(own, inner, from_core, routed)?;
    }
    // A UE that sends to itself from outside.
    if from_core && source_is_ue {
        return Err(Reason::MartianSource);
    }
    Ok(())
}

/// Whether the UPF is a router for this packet, so that its hop limit goes down: between N6 and a
/// tunnel, not from tunnel to tunnel.
#[inline]
pub(super) fn is_routed(entry: Entry, step: &Step) -> bool {
    entry.interface.is_none() || matches!(step.act, Act::Route { .. })
}

#[inline]
fn check_v4(own: &OwnAddresses, inner: &Inner<'_>, core: bool, routed: bool) -> Result<(), Reason> {
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
    // 0.0.0.0/8, 127.0.0.0/8, 224.0.0.0/4 and 240.0.0.0/4.
    let is_martian = |first: u8| first == 0 || first == 127 || first >= 224;
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

#[inline]
fn check_v6(own: &OwnAddresses, inner: &Inner<'_>, core: bool, routed: bool) -> Result<(), Reason> {
    let header: &[u8; 40] = inner.octets().first_chunk().ok_or(Reason::UserPacket)?;
    let address = |at: usize| wire::array(header, at).map_or(0, u128::from_be_bytes);
    let (source, destination) = (address(8), address(24));
    if own.has_v6(destination) {
        return Err(Reason::ToOwnAddress);
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
