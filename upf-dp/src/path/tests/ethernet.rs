//! Ethernet sessions: frames both ways, stations that are heard, moved and lost, frames to all.

use session::ethernet::{
    EthernetFilter, EthernetFilters, Learned, Mac, MacFilter, MacRange, Stations, Tags,
};
use session::report::Report;
use session::rule::Pdn;
use session::topology::{EthernetNetwork, UeToUe};
use session::usage::Moment;

use super::*;

/// Devices behind UEs, and a host of the data network.
const DEVICE: Mac = [2, 0, 0, 0, 0xd, 1];
const DEVICE_B: Mac = [2, 0, 0, 0, 0xd, 2];
const HOST_MAC: Mac = [2, 0, 0, 0, 0xe, 1];
const ALL: Mac = [0xff; 6];
/// Not known to any stage: frames are carried whatever is in them.
const ETHER_TYPE: u16 = 0x88b5;

/// A test bed whose N6 is an Ethernet network.
fn bed(workers: u8, vlan: Option<u16>, ue_to_ue: UeToUe, network: EthernetNetwork) -> Testbed {
    Testbed::connected(workers, |topology| {
        let n6 = &mut topology.interfaces[2];
        n6.addresses.clear();
        n6.routes.clear();
        n6.vlan = vlan;
        topology.networks[0].ue_pools.clear();
        topology.networks[0].ue_to_ue = ue_to_ue;
        topology.networks[0].ethernet = Some(network);
    })
}

fn usual_bed() -> Testbed {
    bed(1, None, UeToUe::N6, EthernetNetwork::default())
}

/// The usual rules for frames, of a session that knows these stations.
fn carries_frames(learned: &[(u16, Mac)]) -> impl FnOnce(&mut Rules) {
    let stations = stations(learned, false);
    |rules| {
        rules.pdn = stations;
        rules.ue = session::rule::UeAddress::default();
        for pdr in &mut rules.pdrs {
            pdr.pdi.ue = None;
        }
    }
}

fn stations(learned: &[(u16, Mac)], full: bool) -> Pdn {
    let learned = learned.iter().map(|(vlan, mac)| {
        let station = session::ethernet::Station::new(*vlan, *mac);
        Arc::new(Learned::new(station, Tags::default(), Moment(0)))
    });
    Pdn::Ethernet(Box::new(Stations {
        learned: learned.collect(),
        full,
    }))
}

fn user(to: Mac, from: Mac) -> Vec<u8> {
    ethernet(to, from, None, ETHER_TYPE, &[0x5a; 46])
}

/// What a tunnel's frame carries.
fn carried(sent: &(u16, Vec<u8>)) -> &[u8] {
    assert_eq!(sent.0, 0, "by N3");
    &sent.1[14 + 44..]
}

fn told(bed: &mut Testbed) -> Vec<(u32, Mac, bool)> {
    let mut told = Vec::new();
    while let Some(report) = bed.workers[0].control.report() {
        let Report::Station {
            session,
            station,
            outside,
            ..
        } = report
        else {
            panic!("{report:?}");
        };
        told.push((session.0, station.mac(), outside));
    }
    told
}

fn seconds(bed: &mut Testbed, seconds: u32) {
    bed.pass_ms(u64::from(seconds) * 1000);
    let tenths = bed.now.0 / (HZ / 10);
    bed.publisher.tell_time(Moment(tenths as u32));
}

#[test]
fn frames_go_both_ways_as_they_are() {
    let mut bed = usual_bed();
    let session = bed.install(0, carries_frames(&[]));
    let up = user(HOST_MAC, DEVICE);
    assert_eq!(
        bed.receive(0, &[uplink(session.teid, &up)]),
        [(1, up.clone())]
    );
    assert_eq!(told(&mut bed), [(session.index.0, DEVICE, false)]);
    // The control side has learned where the device is.
    let mut session = session;
    bed.modify(&mut session, |rules| {
        rules.pdn = stations(&[(0, DEVICE)], false);
    });
    let down = user(DEVICE, HOST_MAC);
    let sent = bed.one(1, &down).unwrap();
    assert_eq!(carried(&sent), down);
    let volume = session.installed.usage(UrrId(1)).unwrap().volume();
    assert_eq!((volume.uplink_octets, volume.downlink_octets), (60, 60));
    // It is told of no more, and frames that look like IP are none: this one is not "to an own
    // address", and no hop less.
    let packet = user_v4(GNB, N3_ADDRESS, 20);
    let up = ethernet(HOST_MAC, DEVICE, None, wire::IPV4, &packet);
    assert_eq!(bed.receive(0, &[uplink(session.teid, &up)]), [(1, up)]);
    assert_eq!(told(&mut bed), []);
    // A destination that begins like an IPv4 header is an address all the same.
    let odd = user([0x45, 0, 0, 20, 0, 0], DEVICE);
    assert_eq!(bed.drops(), []);
    // (Its first octet is that of a group.)
    assert_eq!(bed.receive(0, &[uplink(session.teid, &odd)]), [(1, odd)]);
    assert_eq!(bed.drops(), []);
}

#[test]
fn a_vlan_of_the_network_is_put_on_and_taken_off() {
    let mut bed = bed(1, Some(7), UeToUe::N6, EthernetNetwork::default());
    let session = bed.install(0, carries_frames(&[(0, DEVICE), (5, DEVICE)]));
    let up = user(HOST_MAC, DEVICE);
    let tagged = ethernet(HOST_MAC, DEVICE, Some(7), ETHER_TYPE, &[0x5a; 46]);
    assert_eq!(bed.receive(0, &[uplink(session.teid, &up)]), [(1, tagged)]);
    let tagged = ethernet(DEVICE, HOST_MAC, Some(7), ETHER_TYPE, &[0x5a; 46]);
    let sent = bed.one(1, &tagged).unwrap();
    assert_eq!(carried(&sent), user(DEVICE, HOST_MAC));
    // What the UE tags itself lies within, and is its own.
    let inner = ethernet(HOST_MAC, DEVICE, Some(5), ETHER_TYPE, &[0x5a; 46]);
    let sent = bed.one(0, &uplink(session.teid, &inner)).unwrap().1;
    assert_eq!(sent[12..22], [0x81, 0, 0, 7, 0x81, 0, 0, 5, 0x88, 0xb5]);
    let mut back = ethernet(DEVICE, HOST_MAC, Some(7), 0x8100, &[0, 5, 0x88, 0xb5]);
    back.extend([0x5a; 46]);
    let sent = bed.one(1, &back).unwrap();
    let expected = ethernet(DEVICE, HOST_MAC, Some(5), ETHER_TYPE, &[0x5a; 46]);
    assert_eq!(carried(&sent), expected);
    // Other VLANs are others' affair.
    assert_eq!(bed.one(1, &user(DEVICE, HOST_MAC)), None);
    assert_eq!(bed.drops(), [(Reason::UnknownVlan, 1)]);
}

#[test]
fn frames_to_all_go_to_all_and_never_back() {
    for ue_to_ue in [UeToUe::N6, UeToUe::Local] {
        let mut bed = bed(1, Some(7), ue_to_ue, EthernetNetwork::default());
        let [a, b] = [(0, DEVICE), (1, DEVICE_B)]
            .map(|(number, mac)| bed.install(number, carries_frames(&[(0, mac)])));
        let tagged = |to, from| ethernet(to, from, Some(7), ETHER_TYPE, &[0x5a; 46]);
        let teids = |sent: &[(u16, Vec<u8>)]| -> Vec<(u16, u8)> {
            let end = |(port, frame): &(u16, Vec<u8>)| (*port, frame[49]);
            sent.iter().map(end).collect()
        };
        // From the data network: to both. 0x1000 and 0x1001 are their tunnels.
        let sent = bed.receive(1, &[tagged(ALL, HOST_MAC)]);
        assert_eq!(teids(&sent), [(0, 0), (0, 1)]);
        assert!(sent.iter().all(|sent| carried(sent) == user(ALL, HOST_MAC)));
        // To a station that nobody knows: likewise; to one that is outside: to nobody.
        let sent = bed.receive(1, &[tagged([2, 9, 9, 9, 9, 9], HOST_MAC)]);
        assert_eq!(teids(&sent), [(0, 0), (0, 1)]);
        assert_eq!(bed.one(1, &tagged(HOST_MAC, [2, 9, 9, 9, 9, 8])), None);
        assert_eq!(bed.drops(), [(Reason::StationOutside, 1)]);
        // From a UE: to the data network, and to the other where UEs reach each other inside.
        let sent = bed.receive(0, &[uplink(a.teid, &user(ALL, DEVICE))]);
        let (out, inside): (Vec<_>, Vec<_>) = sent.into_iter().partition(|sent| sent.0 == 1);
        assert_eq!(out, [(1, tagged(ALL, DEVICE))]);
        let others: &[(u16, u8)] = match ue_to_ue {
            UeToUe::Local => &[(0, 1)],
            _ => &[],
        };
        assert_eq!(teids(&inside), others);
        // To the other alone.
        let sent = bed.receive(0, &[uplink(b.teid, &user(DEVICE, DEVICE_B))]);
        match ue_to_ue {
            UeToUe::Local => assert_eq!(carried(&sent[0]), user(DEVICE, DEVICE_B)),
            _ => assert_eq!(sent, [(1, tagged(DEVICE, DEVICE_B))]),
        }
        assert_eq!(sent.len(), 1);
    }
}

#[test]
fn stations_of_ues_are_kept_apart_where_that_is_wanted() {
    let mut bed = bed(1, None, UeToUe::Drop, EthernetNetwork::default());
    let a = bed.install(0, carries_frames(&[(0, DEVICE)]));
    bed.install(1, carries_frames(&[(0, DEVICE_B)]));
    let frame = uplink(a.teid, &user(DEVICE_B, DEVICE));
    assert_eq!(bed.one(0, &frame), None);
    assert_eq!(bed.drops(), [(Reason::UeToUe, 1)]);
    // It was not let through, and is not charged.
    let volume = a.installed.usage(UrrId(1)).unwrap().volume();
    assert_eq!(volume.total_packets(), 0);
}

/// Nobody takes a station from where it is: neither another UE, nor the data network, nor a frame
/// of its own that has come back.
#[test]
fn a_station_stays_where_it_is_heard_until_it_is_silent() {
    let mut bed = usual_bed();
    seconds(&mut bed, 100);
    let a = bed.install(0, carries_frames(&[(0, DEVICE)]));
    let thief = bed.install(1, carries_frames(&[]));
    let up = user(ALL, DEVICE);
    bed.one(0, &uplink(a.teid, &up)).unwrap();
    seconds(&mut bed, 4);
    assert_eq!(bed.one(0, &uplink(thief.teid, &up)), None);
    // A loop.
    assert_eq!(bed.one(1, &up), None);
    assert_eq!(bed.drops(), [(Reason::StationElsewhere, 2)]);
    assert_eq!(told(&mut bed), []);
    // It has been silent: whoever has it now says so.
    seconds(&mut bed, 2);
    assert_eq!(bed.one(0, &uplink(thief.teid, &up)), None);
    assert_eq!(told(&mut bed), [(thief.index.0, DEVICE, false)]);
    seconds(&mut bed, 1);
    // (To both sessions, for it is to all.)
    assert_eq!(bed.receive(1, std::slice::from_ref(&up)).len(), 2);
    assert_eq!(told(&mut bed), [(a.index.0, DEVICE, true)]);
    // Now the data network has it.
    seconds(&mut bed, 4);
    assert_eq!(bed.one(0, &uplink(thief.teid, &up)), None);
    assert_eq!(told(&mut bed), []);
    let host = uplink(thief.teid, &user(ALL, HOST_MAC));
    bed.receive(1, &[user(ALL, HOST_MAC)]);
    assert_eq!(bed.one(0, &host), None, "a host's address");
    assert_eq!(bed.dropped(Reason::StationElsewhere), 5);
    seconds(&mut bed, 5);
    assert!(bed.one(0, &host).is_some());
    assert_eq!(told(&mut bed), [(thief.index.0, HOST_MAC, false)]);
}

#[test]
fn a_station_is_told_of_a_few_times_a_second() {
    let mut bed = usual_bed();
    let session = bed.install(0, carries_frames(&[]));
    let frame = uplink(session.teid, &user(ALL, DEVICE));
    for _ in 0..100 {
        assert!(bed.one(0, &frame).is_some());
    }
    assert_eq!(told(&mut bed).len(), 1);
    seconds(&mut bed, 1);
    bed.one(0, &frame);
    assert_eq!(told(&mut bed).len(), 1);
    // A UE that makes addresses up: as many as are told of in a second, and no more reports than
    // there is room for.
    for number in 0..5000_u16 {
        let [high, low] = number.to_be_bytes();
        bed.one(
            0,
            &uplink(session.teid, &user(ALL, [2, 0xff, 0, 0, high, low])),
        );
    }
    assert!(told(&mut bed).len() <= 1000);
}

#[test]
fn what_no_bridge_passes_on_is_dropped() {
    let mut bed = usual_bed();
    let session = bed.install(0, |rules| {
        carries_frames(&[(0, DEVICE)])(rules);
        rules.pdn = stations(&[(0, DEVICE)], true);
    });
    let teid = session.teid;
    let bridges = [1, 0x80, 0xc2, 0, 0, 0];
    let broken = [0x5a; 13];
    for (number, (port, frame, reason)) in [
        (0, uplink(teid, &user(ALL, ALL)), Reason::MartianSource),
        (0, uplink(teid, &user(ALL, [0; 6])), Reason::MartianSource),
        (
            0,
            uplink(teid, &user(bridges, DEVICE)),
            Reason::ReservedGroup,
        ),
        (
            0,
            uplink(teid, &user(ALL, DEVICE_B)),
            Reason::TooManyStations,
        ),
        (0, uplink(teid, &broken), Reason::UserPacket),
        // A tag that is cut.
        (
            0,
            uplink(teid, &[&ALL[..], &DEVICE[..], &[0x81, 0, 0]].concat()),
            Reason::UserPacket,
        ),
        (1, user(bridges, HOST_MAC), Reason::ReservedGroup),
        (1, user(ALL, [1, 0, 0x5e, 0, 0, 1]), Reason::MartianSource),
    ]
    .into_iter()
    .enumerate()
    {
        let before = bed.dropped(reason);
        assert_eq!(bed.receive(port, &[frame]), [], "{number}: {reason}");
        assert_eq!(bed.dropped(reason), before + 1, "{number}: {reason}");
    }
    assert_eq!(told(&mut bed), []);
    // Without a session there is nobody to hear it.
    bed.withdraw(&session);
    assert_eq!(bed.one(1, &user(ALL, HOST_MAC)), None);
    assert_eq!(bed.dropped(Reason::UnknownUe), 1);
}

#[test]
fn filters_decide_about_frames() {
    let mut bed = usual_bed();
    // What the UE may send: the allowed address alone, and no frames but of one type to it.
    let session = bed.install(0, |rules| {
        carries_frames(&[(0, DEVICE), (0, DEVICE_B)])(rules);
        let filter = |ether_type| EthernetFilter {
            // Written for downlink.
            macs: vec![MacFilter {
                source: None,
                destination: Some(MacRange {
                    first: DEVICE,
                    last: DEVICE,
                }),
            }],
            ether_type,
            ..EthernetFilter::default()
        };
        for (pdr, ether_type) in rules.pdrs.iter_mut().zip([None, Some(ETHER_TYPE)]) {
            let filters = EthernetFilters(vec![filter(ether_type)]);
            pdr.pdi.frames = Some(Box::new(filters));
        }
    });
    assert!(
        bed.one(0, &uplink(session.teid, &user(ALL, DEVICE)))
            .is_some()
    );
    assert_eq!(
        bed.one(0, &uplink(session.teid, &user(ALL, DEVICE_B))),
        None
    );
    assert!(bed.one(1, &user(DEVICE, HOST_MAC)).is_some());
    let arp = ethernet(DEVICE, HOST_MAC, None, wire::ARP, &[0; 46]);
    assert_eq!(bed.one(1, &arp), None);
    assert_eq!(bed.one(1, &user(DEVICE_B, HOST_MAC)), None);
    assert_eq!(bed.drops(), [(Reason::NoPdr, 3)]);
}

#[test]
fn frames_are_held_and_go_to_whom_they_were_for() {
    let mut bed = bed(1, Some(7), UeToUe::N6, EthernetNetwork::default());
    let [mut idle, _other] = [(0, DEVICE), (1, DEVICE_B)]
        .map(|(number, mac)| bed.install(number, carries_frames(&[(0, mac)])));
    bed.modify(&mut idle, |rules| buffer(rules, true));
    let tagged = |to| ethernet(to, HOST_MAC, Some(7), ETHER_TYPE, &[0x5a; 46]);
    // One to it alone, one to both.
    let sent = bed.receive(1, &[tagged(DEVICE), tagged(ALL)]);
    assert_eq!(sent.len(), 1);
    let report = bed.workers[0].control.report();
    assert!(
        matches!(report, Some(Report::DownlinkData { .. })),
        "{report:?}"
    );
    bed.modify(&mut idle, |rules| rules.fars[1].action = Action::Forward);
    let release = session::report::Command::Release {
        session: idle.index,
    };
    bed.workers[0].control.command(release).unwrap();
    bed.tend();
    let sent = bed.sent(0);
    assert_eq!(sent.len(), 2, "the other one has it already");
    assert_eq!(carried(&sent[0]), user(DEVICE, HOST_MAC));
    assert_eq!(carried(&sent[1]), user(ALL, HOST_MAC));
    assert_eq!(bed.drops(), []);
}

#[test]
fn copies_have_a_bound() {
    let network = EthernetNetwork {
        copies_per_second: 3,
        ..EthernetNetwork::default()
    };
    let mut bed = bed(1, None, UeToUe::N6, network);
    for number in 0..4 {
        bed.install(number, carries_frames(&[]));
    }
    assert_eq!(bed.receive(1, &[user(ALL, HOST_MAC)]).len(), 3);
    assert_eq!(bed.receive(1, &[user(ALL, HOST_MAC)]).len(), 0);
    // A copy, and then the frame: nobody is asked whether it is for them.
    assert_eq!(bed.drops(), [(Reason::FloodRate, 2)]);
    seconds(&mut bed, 1);
    assert_eq!(bed.receive(1, &[user(ALL, HOST_MAC)]).len(), 3);
}

/// Sessions of other workers get what is theirs, once.
#[test]
fn workers_share_a_network() {
    let mut bed = bed(3, None, UeToUe::Local, EthernetNetwork::default());
    let sessions: Vec<_> = (0..6)
        .map(|number| {
            let mac = [2, 0, 0, 0, 0xd, number as u8];
            bed.install(number, carries_frames(&[(0, mac)]))
        })
        .collect();
    let sent = |bed: &mut Testbed| -> Vec<u8> {
        bed.carry_over();
        let all = (0..3)
            .flat_map(|worker| bed.sent(worker))
            .collect::<Vec<_>>();
        let mut ends: Vec<u8> = all
            .iter()
            .map(|(port, frame)| if *port == 0 { frame[49] } else { 0xff })
            .collect();
        ends.sort_unstable();
        ends
    };
    let packet = |frame: &[u8]| crate::packet::PlainPacket::new(frame);
    bed.receive_at(1, vec![(1, packet(&user(ALL, HOST_MAC)))], true);
    assert_eq!(sent(&mut bed), [0, 1, 2, 3, 4, 5]);
    for session in &sessions {
        let to = [2, 0, 0, 0, 0xd, session.ue.octets()[3] - 2];
        bed.receive_at(0, vec![(1, packet(&user(to, HOST_MAC)))], true);
        assert_eq!(sent(&mut bed).len(), 1);
    }
    // From a UE to all others, and out.
    let from = [2, 0, 0, 0, 0xd, 4];
    let frame = uplink(sessions[4].teid, &user(ALL, from));
    bed.receive_at(2, vec![(0, packet(&frame))], true);
    assert_eq!(sent(&mut bed), [0, 1, 2, 3, 5, 0xff]);
    bed.check();
}

/// What does not fit is dropped: nobody can be told. Into the tunnel it goes in pieces.
#[test]
fn frames_have_a_largest_size() {
    let mut bed = usual_bed();
    let session = bed.install(0, carries_frames(&[(0, DEVICE)]));
    let long = |octets: usize| ethernet(HOST_MAC, DEVICE, None, ETHER_TYPE, &vec![1; octets]);
    assert!(bed.one(0, &uplink(session.teid, &long(1600))).is_some());
    assert_eq!(bed.one(0, &uplink(session.teid, &long(1601))), None);
    assert_eq!(bed.drops(), [(Reason::TooBig, 1)]);
    let volume = session.installed.usage(UrrId(1)).unwrap().volume();
    assert_eq!(volume.uplink_packets, 1);
    // 1600 octets of MTU, 44 of the tunnel's headers.
    let long = |octets: usize| ethernet(DEVICE, HOST_MAC, None, ETHER_TYPE, &vec![1; octets - 14]);
    assert_eq!(bed.receive(1, &[long(1556)]).len(), 1);
    assert_eq!(bed.receive(1, &[long(1557)]).len(), 2);
}

/// Rules that send the network's frames back to it: no copy brings on others.
#[test]
fn frames_to_all_bring_on_no_others() {
    let mut bed = bed(1, Some(7), UeToUe::Local, EthernetNetwork::default());
    for number in 0..2 {
        bed.install(number, |rules| {
            carries_frames(&[])(rules);
            rules.pdrs[1].far = rules.pdrs[0].far;
        });
    }
    let frame = ethernet(ALL, HOST_MAC, Some(7), ETHER_TYPE, &[0x5a; 46]);
    let sent = bed.receive(1, std::slice::from_ref(&frame));
    assert_eq!(sent, [(1, frame.clone()), (1, frame)]);
    assert_eq!(bed.drops(), []);
    bed.check();
}

/// Asking changes nothing: neither what workers have heard, nor when a station of a session was.
#[test]
fn what_is_explained_is_not_heard() {
    let mut bed = usual_bed();
    seconds(&mut bed, 100);
    let session = bed.install(0, carries_frames(&[(0, DEVICE)]));
    let up = uplink(session.teid, &user(ALL, DEVICE));
    assert!(bed.one(0, &up).is_some());
    let learned = |session: &TestSession| {
        let stations = session.installed.rules.pdn.stations().unwrap();
        stations.learned[0].heard()
    };
    let heard = learned(&session);
    let known = crate::explain::Known {
        rules: session.installed.rules.clone(),
        exhausted: Vec::new(),
    };
    let frames = [(0, 0, up), (1, 0, user(ALL, HOST_MAC))];
    let told = bed.explainer.explain(&frames, &[known]);
    assert_eq!(told.explanations[0].outcome, crate::watch::Outcome::Sent);
    assert_eq!(learned(&session), heard);
    let host = uplink(session.teid, &user(ALL, HOST_MAC));
    assert!(bed.one(0, &host).is_some(), "it was not heard outside");
}

/// What is said of a frame is what happened to it, not to its copies.
#[test]
fn watchers_see_where_frames_go() {
    use crate::watch::{Filter, Outcome, Room};
    let network = EthernetNetwork {
        copies_per_second: 1,
        ..EthernetNetwork::default()
    };
    let mut bed = bed(1, None, UeToUe::Local, network);
    let [a, _b] = [(0, DEVICE), (1, DEVICE_B)]
        .map(|(number, mac)| bed.install(number, carries_frames(&[(0, mac)])));
    let filter = Filter::default();
    let mut watching = bed.watcher.watch(&filter, Room::default()).unwrap();
    bed.tend();
    let mut outcomes = |bed: &mut Testbed, to| {
        bed.receive(0, &[uplink(a.teid, &user(to, DEVICE))]);
        let mut seen = Vec::new();
        watching.read(9, |sample| seen.push(sample.outcome()));
        seen
    };
    assert_eq!(
        outcomes(&mut bed, DEVICE_B),
        [Outcome::TurnedBack, Outcome::Sent]
    );
    for _ in 0..2 {
        // There is no copy for the others, but the data network has it.
        assert_eq!(outcomes(&mut bed, ALL), [Outcome::Sent]);
    }
}

/// An address is looked for in the IP packet that a frame carries.
#[test]
fn frames_are_watched_by_the_addresses_in_them() {
    use crate::watch::{Filter, Room};
    let mut bed = usual_bed();
    let session = bed.install(0, carries_frames(&[(0, DEVICE)]));
    let filter = Filter {
        address: Some("10.10.6.50/32".parse().unwrap()),
        ..Filter::default()
    };
    let mut watching = bed.watcher.watch(&filter, Room::default()).unwrap();
    bed.tend();
    let packet = |host| user_v4([10, 10, 6, host].into(), HOST, 20);
    let frames = [50, 51].map(|host| ethernet(ALL, DEVICE, None, wire::IPV4, &packet(host)));
    for frame in &frames {
        bed.receive(0, &[uplink(session.teid, frame)]);
        bed.receive(1, &[[&ALL[..], &HOST_MAC, &frame[12..]].concat()]);
    }
    let mut seen = Vec::new();
    watching.read(9, |sample| seen.push(sample.port));
    // The copy of the one from the data network, too.
    assert_eq!(seen, [0, 1, 1]);
}
