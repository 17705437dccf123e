//! D25: fragments of tunnels' packets, in good order and in bad.

use std::net::Ipv4Addr;

use proptest::prelude::*;

use crate::packet::BURST;
use crate::reason::Reason;
use crate::slow::fragment::Whole;
use crate::testbed::*;
use crate::watch::{Filter, Room, TAPS_MAX};
use crate::{ReassemblyLimits, SlowConfig, wire};

fn bed() -> Testbed {
    let slow = SlowConfig {
        reassembly: ReassemblyLimits {
            packets: 16,
            octets: 8192,
            timeout_ms: 500,
        },
        ..SlowConfig::default()
    };
    Testbed::with(1, 8, slow, 256)
}

/// An IP packet in frames of the gNB, cut to fit into `mtu`.
fn cut(packet: &[u8], number: u16, mtu: u16) -> Vec<Vec<u8>> {
    let mut packet = packet.to_vec();
    if packet[0] >> 4 == 4 {
        packet[4..6].copy_from_slice(&number.to_be_bytes());
        wire::set_ipv4_checksum(&mut packet[..20]);
    }
    let whole = Whole::new(&packet).unwrap();
    let fragment = |piece| {
        let mut out = vec![0; whole.length(piece)];
        whole.write(piece, number, &mut out).unwrap();
        frame(MAC_N3, MAC_GNB, None, &out)
    };
    whole.pieces(mtu).map(fragment).collect()
}

/// The uplink of a session over either family, and what has to come out on N6.
fn uplink_of(session: &TestSession, over_v6: bool, payload: usize) -> (Vec<u8>, Vec<u8>) {
    let user = user_v4(session.ue, HOST, payload);
    let message = gpdu(session.teid, Some(9), &user);
    let datagram = if over_v6 {
        datagram_v6(GNB_V6, N3_ADDRESS_V6, &message)
    } else {
        datagram_v4(GNB, N3_ADDRESS, &message)
    };
    (datagram, user)
}

fn is_user(sent: &[(u16, Vec<u8>)], user: &[u8]) -> bool {
    matches!(sent, [(1, frame)] if frame[14 + 20..] == user[20..])
}

#[test]
fn fragments_are_put_together_in_any_order() {
    for over_v6 in [false, true] {
        let mut bed = bed();
        let session = bed.install(0, |_| {});
        let (datagram, user) = uplink_of(&session, over_v6, 1400);
        let in_order = cut(&datagram, 7, 600);
        assert_eq!(in_order.len(), 3);
        for (number, order) in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]]
            .iter()
            .enumerate()
        {
            for &place in &order[..2] {
                assert_eq!(bed.one(0, &in_order[place]), None, "{order:?}");
                assert!(bed.workers[0].cells.read().held > 0);
            }
            let sent = bed.receive(0, &[in_order[order[2]].clone()]);
            assert!(is_user(&sent, &user), "over IPv6 {over_v6}, {order:?}");
            let counts = bed.workers[0].cells.read();
            let done = 2 * (u64::try_from(number).unwrap() + 1);
            assert_eq!((counts.held, counts.ports[0].consumed), (0, done));
        }
        assert_eq!(bed.drops(), []);
    }
}

/// A packet that is whole at the end of a burst which takes all samples there may be: it is missed,
/// and the samples are there for the next burst.
#[test]
fn those_who_watch_keep_their_samples() {
    let mut bed = bed();
    let session = bed.install(0, |_| {});
    let room = Room {
        packets: BURST + 8,
        octets: 128,
    };
    let begin = |_| bed.watcher.watch(&Filter::default(), room).unwrap();
    let mut all: Vec<_> = (0..TAPS_MAX).map(begin).collect();
    bed.tend();
    let (datagram, user) = uplink_of(&session, false, 800);
    for number in 0..20 {
        let pieces = cut(&datagram, number, 500);
        bed.receive(0, &pieces[..1]);
        let mut burst = vec![uplink(session.teid, &user); BURST - 1];
        burst.extend_from_slice(&pieces[1..]);
        assert_eq!(bed.receive(0, &burst).len(), BURST);
        for watching in &mut all {
            assert_eq!(watching.read(usize::MAX, |_| {}), 1 + BURST, "{number}");
            assert_eq!(watching.missed(), 1 + u64::from(number));
        }
    }
    let burst = vec![uplink(session.teid, &user); room.packets];
    bed.receive(0, &burst);
    for watching in &mut all {
        assert_eq!(watching.read(usize::MAX, |_| {}), room.packets);
    }
}

#[test]
fn packets_of_several_senders_do_not_mix() {
    let mut bed = bed();
    let session = bed.install(0, |_| {});
    let (datagram, user) = uplink_of(&session, false, 800);
    let mut other = datagram.clone();
    other[12..16].copy_from_slice(&[10, 0, 3, 9]);
    let (one, two) = (cut(&datagram, 7, 500), cut(&other, 7, 500));
    let next = cut(&datagram, 8, 500);
    assert!(
        bed.receive(0, &[one[0].clone(), two[1].clone(), next[1].clone()])
            .is_empty()
    );
    let sent = bed.receive(0, &[one[1].clone()]);
    assert!(is_user(&sent, &user));
    let sent = bed.receive(0, &[next[0].clone()]);
    assert!(is_user(&sent, &user));
    let sent = bed.receive(0, &[two[0].clone()]);
    assert!(is_user(&sent, &user));
}

#[test]
fn fragments_that_overlap_end_their_packet() {
    let mut bed = bed();
    let session = bed.install(0, |_| {});
    let (datagram, _) = uplink_of(&session, false, 800);
    let (coarse, fine) = (cut(&datagram, 7, 500), cut(&datagram, 7, 300));
    assert!(
        bed.receive(0, &[coarse[0].clone(), fine[1].clone()])
            .is_empty()
    );
    assert_eq!(bed.drops(), [(Reason::FragmentOverlap, 2)]);
    // The same one twice; and one behind the last.
    assert!(
        bed.receive(0, &[fine[0].clone(), fine[0].clone()])
            .is_empty()
    );
    let mut behind = fine[1].clone();
    behind[14 + 6] = 0;
    wire::set_ipv4_checksum(&mut behind[14..34]);
    assert!(bed.receive(0, &[behind, fine[2].clone()]).is_empty());
    assert_eq!(bed.drops(), [(Reason::FragmentOverlap, 6)]);
    assert_eq!(bed.workers[0].cells.read().held, 0);
}

#[test]
fn what_is_incomplete_waits_not_for_long_and_not_in_number() {
    let mut bed = bed();
    let session = bed.install(0, |_| {});
    let (datagram, user) = uplink_of(&session, false, 800);
    // One sender has a quarter of the packets; others then still have room.
    let flood: Vec<_> = (0..300)
        .map(|number| cut(&datagram, number, 200)[0].clone())
        .collect();
    assert!(bed.receive(0, &flood).is_empty());
    assert_eq!(bed.drops(), [(Reason::ReassemblyFull, 296)]);
    let mut other = datagram.clone();
    other[12..16].copy_from_slice(&Ipv4Addr::new(10, 0, 3, 9).octets());
    let sent = bed.receive(0, &cut(&other, 1, 500));
    assert!(is_user(&sent, &user));
    // After the time they are gone, and there is room for the first one again.
    bed.pass_ms(501);
    bed.tend();
    assert_eq!(bed.dropped(Reason::ReassemblyTimeout), 4);
    assert_eq!(bed.workers[0].cells.read().held, 0);
    let sent = bed.receive(0, &cut(&datagram, 2, 500));
    assert!(is_user(&sent, &user));
    // All senders together: the octets have a bound as well.
    for sender in 0..15 {
        let mut other = datagram.clone();
        other[15] = 100 + sender;
        bed.receive(0, &cut(&other, 9, 800)[..1]);
    }
    assert_eq!(bed.dropped(Reason::ReassemblyFull), 296 + 5);
}

/// A datagram over IPv6 with that many fragment headers in front of it, each of which says that it
/// is all of its packet.
fn atomic(datagram: &[u8], headers: usize) -> Vec<u8> {
    let mut packet = datagram.to_vec();
    let mut chain: Vec<u8> = (0..headers)
        .flat_map(|number| [44, 0, 0, 0, 0, 0, 0, u8::try_from(number).unwrap()])
        .collect();
    chain[8 * (headers - 1)] = packet[6];
    packet[6] = 44;
    let length = u16::try_from(packet.len() - 40 + chain.len()).unwrap();
    packet[4..6].copy_from_slice(&length.to_be_bytes());
    packet.splice(40..40, chain);
    frame(MAC_N3, MAC_GNB, None, &packet)
}

/// Each would be whole, and its packet a fragment again: as deep as a frame is long.
#[test]
fn fragments_in_a_fragment_are_not_looked_into() {
    let mut bed = bed();
    let session = bed.install(0, |_| {});
    let (datagram, _) = uplink_of(&session, true, 20);
    for headers in [2, 180] {
        assert_eq!(bed.one(0, &atomic(&datagram, headers)), None);
    }
    // With another extension header between them.
    let mut hidden = atomic(&datagram, 3);
    hidden[14 + 40] = 60;
    assert_eq!(bed.one(0, &hidden), None);
    assert_eq!(bed.drops(), [(Reason::OuterFragment, 3)]);
    assert_eq!(bed.workers[0].cells.read().held, 0);
}

/// RFC 6946, 4: whatever else has its identification.
#[test]
fn a_fragment_that_is_all_of_its_packet_has_to_do_with_no_other() {
    let mut bed = bed();
    let session = bed.install(0, |_| {});
    let (datagram, user) = uplink_of(&session, true, 800);
    let others = cut(&datagram, 0, 500);
    assert_eq!(bed.one(0, &others[0]), None);
    let (small, small_user) = uplink_of(&session, true, 20);
    let sent = bed.receive(0, &[atomic(&small, 1)]);
    assert!(is_user(&sent, &small_user));
    let sent = bed.receive(0, &others[1..]);
    assert!(is_user(&sent, &user));
    assert_eq!(bed.drops(), []);
    // Nor is there a bound on their number.
    let full: Vec<_> = (0..16)
        .flat_map(|number| cut(&datagram, number, 500).into_iter().take(1))
        .collect();
    bed.receive(0, &full);
    assert!(bed.dropped(Reason::ReassemblyFull) > 0);
    let sent = bed.receive(0, &[atomic(&small, 1)]);
    assert!(is_user(&sent, &small_user));
}

#[test]
fn what_is_larger_than_a_buffer_is_dropped_whole() {
    let mut bed = bed();
    let session = bed.install(0, |_| {});
    let (datagram, _) = uplink_of(&session, false, 2300);
    let fragments = cut(&datagram, 7, 1000);
    assert_eq!(fragments.len(), 3);
    assert!(bed.receive(0, &fragments).is_empty());
    assert_eq!(bed.drops(), [(Reason::Scattered, 3)]);
}

#[test]
fn what_waits_at_the_end_is_counted() {
    let mut bed = bed();
    let session = bed.install(0, |_| {});
    let (datagram, _) = uplink_of(&session, true, 800);
    bed.receive(0, &cut(&datagram, 7, 500)[..1]);
    bed.workers[0].path.stop();
    assert_eq!(bed.drops(), [(Reason::Stopped, 1)]);
    bed.check();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 8 } else { 512 }))]

    /// Fragments of any kind, damaged or not: none is lost from the count, and nothing panics.
    #[test]
    fn any_fragments_are_accounted_for(
        picks in prop::collection::vec(
            (any::<bool>(), 0_u16..3, 100_u16..900, 0_usize..12, prop::option::of((14_usize..64, any::<u8>()))),
            1..40,
        ),
    ) {
        let mut bed = bed();
        let session = bed.install(0, |_| {});
        for (over_v6, number, mtu, place, damage) in picks {
            let (datagram, _) = uplink_of(&session, over_v6, 700);
            let fragments = cut(&datagram, number, mtu);
            let mut frame = fragments[place % fragments.len()].clone();
            if let Some((at, value)) = damage {
                if let Some(octet) = frame.get_mut(at) {
                    *octet = value;
                }
                if !over_v6 {
                    wire::set_ipv4_checksum(&mut frame[14..34]);
                }
            }
            bed.receive(0, &[frame]);
        }
        bed.pass_ms(10_000);
        bed.tend();
        prop_assert_eq!(bed.workers[0].cells.read().held, 0);
    }
}
