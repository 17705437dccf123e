//! What a replay makes of every public capture, without a UPF.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

use std::path::Path;

use simulator::capture;
use test_harness::replay::{Expectation, Fate, Plan, plan};

fn planned(name: &str) -> Plan {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/public");
    let packets = capture::read(&std::fs::read(folder.join(name)).unwrap()).unwrap();
    let plan = plan(&packets);
    assert_eq!(plan.fates.len(), packets.len(), "every packet has a fate");
    plan
}

/// What tshark 4.0 counts with `udp.dstport == 2152 && gtp.message == 255`.
const G_PDUS: [(&str, usize, usize); 11] = [
    ("arkime__arkime__gtp-iphone.pcap", 106, 106),
    ("jniyfish__bar-bess__gtpu.pcap", 1, 1),
    (
        "magma__magma__gx_gy_combined_04_210505_133027-1.pcapng",
        4070,
        653,
    ),
    ("zeek__zeek__gtp10_not_0xff.pcap", 3, 0),
    ("zeek__zeek__gtp2_different_udp_port.pcap", 120, 78),
    ("zeek__zeek__gtp4_udp_2152_inside.pcap", 1, 1),
    ("zeek__zeek__gtp6_gtp_0x32.pcap", 31, 31),
    ("zeek__zeek__gtp7_ipv6.pcap", 2, 2),
    ("zeek__zeek__gtp8_teredo.pcap", 10, 10),
    ("zeek__zeek__gtp_control_prime.pcap", 10, 0),
    ("zeek__zeek__gtp_create_pdp_ctx.pcap", 4, 0),
];

#[test]
fn every_packet_of_every_capture_is_accounted_for() {
    for (name, packets, g_pdus) in G_PDUS {
        let plan = planned(name);
        let replayed = |fate: &&Fate| matches!(fate, Fate::Uplink | Fate::Downlink);
        assert_eq!(plan.fates.len(), packets, "{name}");
        assert_eq!(
            plan.fates.iter().filter(replayed).count(),
            g_pdus,
            "{name}: {:?}",
            plan.count()
        );
        assert_eq!(
            plan.steps.len(),
            g_pdus,
            "{name}: every G-PDU belongs to a session"
        );
        assert_eq!(plan.count().values().sum::<usize>(), packets);
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/public");
        assert!(folder.join(name).exists());
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/public");
    let files = std::fs::read_dir(folder).unwrap().count();
    assert_eq!(files, G_PDUS.len(), "a capture that no test knows");
}

#[test]
fn what_is_not_gtp_u_is_called_what_it_is() {
    let count = planned("zeek__zeek__gtp_control_prime.pcap").count();
    assert_eq!(count.get(&Fate::GtpPrime), Some(&6), "{count:?}");
    assert_eq!(count.get(&Fate::GtpC), Some(&4), "{count:?}");
    let count = planned("zeek__zeek__gtp10_not_0xff.pcap").count();
    let signalling = [1, 2, 26].map(|kind| count.get(&Fate::Signalling(kind)).copied());
    assert_eq!(signalling, [Some(1); 3], "{count:?}");
}

#[test]
fn outer_fragments_are_put_together_and_directions_told_without_a_container() {
    let count = planned("zeek__zeek__gtp2_different_udp_port.pcap").count();
    let counts =
        [Fate::Uplink, Fate::Downlink, Fate::OuterFragment].map(|fate| count.get(&fate).copied());
    assert_eq!(counts, [Some(29), Some(49), Some(42)], "{count:?}");
    let count = planned("magma__magma__gx_gy_combined_04_210505_133027-1.pcapng").count();
    assert_eq!(count.get(&Fate::OuterFragment), Some(&490), "{count:?}");
}

#[test]
fn both_directions_of_a_conversation_become_one_session() {
    let plan = planned("zeek__zeek__gtp6_gtp_0x32.pcap");
    assert_eq!(plan.sessions.len(), 1);
    let session = &plan.sessions[0];
    assert_eq!(
        session.uplink,
        Some(("243.149.173.198".parse().unwrap(), 0x760d_3bb0))
    );
    assert_eq!(
        session.downlink,
        Some(("79.188.154.91".parse().unwrap(), 0x0002_6d7a))
    );
    assert_eq!(session.ue_ipv4, Some("10.222.10.10".parse().unwrap()));
    let uplinks = plan.steps.iter().filter(|step| step.is_uplink).count();
    assert_eq!((uplinks, plan.steps.len()), (17, 31));
    assert!(
        plan.steps
            .iter()
            .all(|step| step.expectation == Expectation::Forwarded)
    );
}

#[test]
fn a_ue_with_link_local_addresses_alone_gets_nothing_through() {
    let plan = planned("zeek__zeek__gtp7_ipv6.pcap");
    assert!(plan.steps.iter().all(|step| step.expected().is_none()));
}

#[test]
fn a_ue_with_several_bearers_is_one_session() {
    let plan = planned("arkime__arkime__gtp-iphone.pcap");
    let mut ues: Vec<_> = plan
        .sessions
        .iter()
        .map(|session| (session.ue_ipv4, session.ue_ipv6))
        .collect();
    ues.sort_unstable();
    ues.dedup();
    assert_eq!(ues.len(), plan.sessions.len(), "{:?}", plan.sessions);
    let foreign = plan
        .steps
        .iter()
        .filter(|step| step.expectation == Expectation::ForeignSource);
    assert!(foreign.count() < 10, "{:?}", plan.sessions);
}
