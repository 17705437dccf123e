//! Look up: from key to session, for the whole burst at once, so that the loads overlap.

use std::net::{Ipv4Addr, Ipv6Addr};

use session::WorkerId;
use session::rule::LocalFTeid;
use session::tables::{Handle, Snapshot};

use super::frames::frame;
use super::meta::{Fate, Key, Meta, Punt};
use crate::packet::{BURST, Packet};
use crate::reason::Reason;
use crate::wire;

/// Starts loading what [`look_up`] reads first. Called by the first stage, packet by packet.
#[inline]
pub(super) fn seek<P: Packet>(view: Snapshot<'_>, packet: &P, meta: &mut Meta<'_>) {
    let interface = meta.interface;
    match meta.key {
        Key::None | Key::Station | Key::Session(_) => {}
        Key::Tunnel(teid) => meta.place = view.place_of_tunnel(LocalFTeid { teid, interface }),
        Key::Ipv4(address) => {
            meta.place = view.place_of_ipv4(interface, Ipv4Addr::from_bits(address));
        }
        Key::Ipv6 => meta.place = view.place_of_ipv6(interface, destination(packet, meta)),
    }
}

/// Second stage: which session, by which entrance, and is it ours? Every loop asks for what the
/// next one reads, so that no packet waits for memory alone.
#[inline(never)]
pub(super) fn look_up<'a, P: Packet>(
    view: Snapshot<'a>,
    worker: WorkerId,
    packets: &[P],
    metas: &mut [Meta<'a>],
) {
    let mut handles = [None; BURST];
    for ((packet, meta), handle) in packets.iter().zip(&mut *metas).zip(&mut handles) {
        if meta.is_pending() {
            *handle = find(view, packet, meta);
        }
    }
    for (handle, meta) in handles.iter().zip(metas) {
        if let Some(handle) = handle {
            enter(worker, *handle, meta);
        }
    }
}

#[inline]
fn find<'a, P: Packet>(view: Snapshot<'a>, packet: &P, meta: &mut Meta<'_>) -> Option<Handle<'a>> {
    let interface = meta.interface;
    let (handle, otherwise) = match meta.key {
        Key::Tunnel(teid) => {
            let handle = view.tunnel_at(meta.place, LocalFTeid { teid, interface });
            (handle, Fate::Punt(Punt::UnknownTeid))
        }
        Key::Ipv4(address) => {
            let handle = view.ipv4_at(meta.place, interface, Ipv4Addr::from_bits(address));
            (handle, Fate::Drop(Reason::UnknownUe))
        }
        Key::Ipv6 => {
            let handle = view.ipv6_at(meta.place, interface, destination(packet, meta));
            (handle, Fate::Drop(Reason::UnknownUe))
        }
        Key::Station | Key::Session(_) | Key::None => find_rare(view, packet.data(), meta),
    };
    match handle {
        Some(handle) => handle.prefetch(),
        None => meta.fate = otherwise,
    }
    handle
}

/// Who a frame of an Ethernet network is for; and what becomes of it if there is nobody.
#[cold]
#[inline(never)]
fn find_rare<'a>(view: Snapshot<'a>, octets: &[u8], meta: &Meta<'_>) -> (Option<Handle<'a>>, Fate) {
    let interface = meta.interface;
    match meta.key {
        Key::Station => {
            let receiver = frame(octets, meta).map(|frame| frame.receiver());
            let handle = receiver.and_then(|receiver| view.station(interface, receiver));
            (handle, Fate::Flood(interface))
        }
        Key::Session(session) => (view.core_of(session), Fate::Drop(Reason::UnknownUe)),
        _ => (None, Fate::Drop(Reason::Undecided)),
    }
}

/// Finds the entrance of the session, and starts loading its rules.
#[inline]
fn enter<'a>(worker: WorkerId, handle: Handle<'a>, meta: &mut Meta<'a>) {
    let Some(entrance) = handle.entrance() else {
        meta.fate = Fate::Drop(Reason::NoPdr);
        return;
    };
    let interface = entrance.interface();
    if entrance.owner() != worker {
        meta.fate = Fate::HandOver(entrance.owner());
    } else if interface.is_none_or(|interface| interface == meta.interface) {
        entrance.prefetch();
        meta.session = Some(entrance);
    } else {
        // A TEID is known at one GTP-U entity only (TS 29.281, 5.1).
        meta.fate = Fate::Punt(Punt::UnknownTeid);
    }
}

#[inline]
fn destination<P: Packet>(packet: &P, meta: &Meta<'_>) -> Ipv6Addr {
    let octets = wire::array(packet.data(), usize::from(meta.user_at) + 24);
    Ipv6Addr::from_octets(octets.unwrap_or_default())
}
