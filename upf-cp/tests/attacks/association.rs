//! B: associations.

use crate::support::*;
use crate::*;

entries! { cases:
    b01_an_association_without_node_id_is_refused "B01";
    b02_an_association_without_time_stamp_is_refused "B02";
    b03_node_ids_are_read_with_care "B03";
    node_messages_for_nobody_or_from_the_wrong_side "node message:";
}

fn cases() -> Vec<Case> {
    let stamp = || ie(96, &[0xe8, 1, 2, 3]);
    let setup = |id: &[u8]| node(5, 1, &[ie(60, id), stamp()]);
    let named = |labels: Vec<u8>| setup(&[vec![2], labels].concat());
    let label = |length: usize| [vec![u8::try_from(length).unwrap()], vec![b'a'; length]].concat();
    let bad = || Refuse(&[68, 69], Some(60));
    vec![
        (
            "B01 no Node ID",
            node(5, 1, &[stamp()]),
            Refuse(&[66], Some(60)),
        ),
        (
            "B02 no stamp",
            node(5, 1, &[node_id()]),
            Refuse(&[66], Some(96)),
        ),
        ("B03 label past the end", named(vec![0xff, 1, 2]), bad()),
        ("B03 a thousand ones", named(vec![1; 1000]), bad()),
        ("B03 five labels of 63", named(label(63).repeat(5)), bad()),
        ("B03 empty", setup(&[]), bad()),
        ("B03 type only", setup(&[2]), bad()),
        ("B03 three octets of IPv4", setup(&[0, 1, 2, 3]), bad()),
        ("B03 four octets of IPv6", setup(&[1, 1, 2, 3, 4]), bad()),
        ("B03 type 3", setup(&[3, 1, 2, 3, 4]), bad()),
        ("B03 type 0xf3", setup(&[0xf3, 1, 2, 3, 4]), bad()),
        ("B03 3000 octets", named(vec![b'a'; 3000]), bad()),
        ("node message: PFD management", node(3, 1, &[]), Accept),
        (
            "node message: session set deletion",
            node(14, 1, &[node_id()]),
            Refuse(&[67], Some(65)),
        ),
        (
            "node message: update of nobody",
            node(7, 1, &[ie(60, &[0, 9, 9, 9, 9])]),
            Refuse(&[72], None),
        ),
        (
            "node message: node report from an SMF",
            node(12, 1, &[node_id(), ie(101, &[1])]),
            Silence,
        ),
        (
            "node message: report from an SMF",
            session(56, 1, 1, &[ie(39, &[1])]),
            Silence,
        ),
    ]
}

#[test]
fn b08_strangers_change_nothing() {
    let mut world = World::associated();
    let (seid, _) = world.establish(&open5gs(9));
    let stranger = "10.10.4.66:8805".parse().unwrap();
    for octets in [
        node(7, 1, &[node_id(), ie(89, &[1])]),
        node(9, 2, &[node_id()]),
        node(14, 3, &[node_id()]),
        node(3, 4, &[]),
        establishment(&[node_id(), f_seid(), good_pdr(), good_far()]),
        session(EST, 0, 5, &[]),
        session(MOD, seid, 6, &[ie(15, &ie(56, &[0, 1]))]),
        session(54, seid, 7, &[]),
    ] {
        let answers = world.octets(stranger, &octets);
        assert_eq!(cause_of(&answers[0]).0, 72);
        assert_eq!(answers[0].header.seid.unwrap_or(0) & !0x4d, 0);
    }
    assert_eq!(world.node.session_count(), 1);
}

#[test]
fn b05_only_who_is_allowed_associates() {
    let mut config = upf_cp::NodeConfig::new(ip(UPF));
    config.allow = vec!["10.10.4.0/30".parse().unwrap()];
    config.limits.messages_per_second_per_peer = 10;
    let mut world = World::with(config);
    let stranger = "10.10.4.66:8805".parse().unwrap();
    // Not a word to who is not allowed; and nothing of what the others may send is used up.
    for sequence in 0..100 {
        let setup = encode(None, sequence, &association());
        assert!(world.octets(stranger, &setup).is_empty());
        assert!(world.octets(stranger, &[0]).is_empty());
    }
    let counters = world.node.counters();
    assert_eq!(counters.dropped(upf_cp::Dropped::NotAllowed), 200);
    assert_eq!(counters.dropped(upf_cp::Dropped::StrangerRate), 0);
    world.associate();
}

#[test]
fn a_host_that_floods_keeps_no_smf_from_associating() {
    let mut config = upf_cp::NodeConfig::new(ip(UPF));
    config.limits.messages_per_second_per_stranger = 100;
    let mut world = World::with(config);
    for host in ["10.10.4.66:8805", "10.10.4.67:1"] {
        for _ in 0..15_000 {
            assert!(world.octets(host.parse().unwrap(), &[0]).is_empty());
        }
    }
    let dropped = world.node.counters().dropped(upf_cp::Dropped::StrangerRate);
    assert_eq!(dropped, 30_000 - 200);
    world.associate();
}

#[test]
fn many_hosts_that_flood_keep_no_configured_smf_from_associating() {
    let mut config = upf_cp::NodeConfig::new(ip(UPF));
    config.smf = vec![smf()];
    let mut world = World::with(config);
    for host in 0..60_000 {
        let host = std::net::Ipv4Addr::from(0x0a0b_0000 + host);
        world.octets((host, 1).into(), &[0]);
    }
    let dropped = world.node.counters().dropped(upf_cp::Dropped::StrangerRate);
    assert!(dropped > 0);
    world.associate();
}

#[test]
fn messages_beyond_a_rate_are_dropped() {
    let mut config = upf_cp::NodeConfig::new(ip(UPF));
    config.limits.messages_per_second_per_peer = 10;
    let mut world = World::with(config);
    world.associate();
    let heartbeat = |n| node(1, n, &[ie(96, &[1, 2, 3, 4])]);
    let answered = (0..100)
        .filter(|n| !world.octets(smf(), &heartbeat(*n)).is_empty())
        .count();
    assert_eq!(answered, 10);
    // Strangers share one allowance, of which the association took one.
    let stranger =
        |n: u32| std::net::SocketAddr::new(std::net::Ipv4Addr::from(0x0a0a_0500 + n).into(), 1);
    let answered = (0..100)
        .filter(|n| !world.octets(stranger(*n), &heartbeat(*n)).is_empty())
        .count();
    assert_eq!(answered, 9);
    world.pass(1_000);
    assert!(!world.octets(smf(), &heartbeat(200)).is_empty());
}
