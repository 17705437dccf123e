//! From one UE to another inside the UPF.

use session::report::Report;
use session::topology::UeToUe;

use super::*;

fn bed(ue_to_ue: UeToUe) -> Testbed {
    Testbed::connected(1, |topology| topology.networks[0].ue_to_ue = ue_to_ue)
}

fn turned_back(bed: &Testbed) -> u64 {
    let ports = bed.workers[0].cells.read().ports;
    ports.iter().map(|port| port.turned_back).sum()
}

#[test]
fn a_ue_reaches_another_by_the_rules_of_both() {
    let mut bed = bed(UeToUe::Local);
    let (a, b) = (bed.install(0, |_| {}), bed.install(1, |_| {}));
    let user = user_v4(a.ue, b.ue, USER);
    let (port, sent) = bed.one(0, &uplink(a.teid, &user)).unwrap();
    // By the tunnel of the other, and one hop further.
    assert_eq!((port, &sent[46..50]), (0, &[0, 0, 0x10, 1][..]));
    assert_eq!(sent[14 + 44..], hopped(user));
    assert_eq!(turned_back(&bed), 1);
    let volume = |session: &TestSession| {
        let volume = session.installed.usage(UrrId(1)).unwrap().volume();
        (volume.uplink_packets, volume.downlink_packets)
    };
    assert_eq!((volume(&a), volume(&b)), ((1, 0), (0, 1)));
    // Hosts are reached as ever.
    let user = user_v4(a.ue, HOST, USER);
    assert_eq!(bed.one(0, &uplink(a.teid, &user)).unwrap().0, 1);
    assert_eq!(turned_back(&bed), 1);
}

#[test]
fn ipv6_goes_from_ue_to_ue_too() {
    let mut bed = bed(UeToUe::Local);
    let with_v6 = |number: u128| {
        move |rules: &mut Rules| {
            let prefix = 0x2001_0db8_0045_0000_u128 << 64 | number << 64;
            let prefix = ipnet::Ipv6Net::new(prefix.into(), 64).unwrap();
            rules.ue.ipv6 = Some(prefix);
            let ue = rules.ue;
            rules.pdrs.iter_mut().for_each(|pdr| pdr.pdi.ue = Some(ue));
        }
    };
    let (a, b) = (bed.install(0, with_v6(0)), bed.install(1, with_v6(1)));
    let user = user_v6(a.ue_v6, b.ue_v6, USER);
    let (port, sent) = bed.one(0, &uplink(a.teid, &user)).unwrap();
    assert_eq!((port, &sent[14 + 44..]), (0, &hopped(user)[..]));
}

#[test]
fn what_may_not_pass_does_not_pass_from_ue_to_ue() {
    let mut bed = bed(UeToUe::Local);
    let a = bed.install(0, |_| {});
    let b = bed.install(1, |rules| rules.qers[0].downlink_gate = Gate::Closed);
    let nobody = Ipv4Addr::new(10, 45, 200, 200);
    for (user, reason) in [
        // Spoofed: the source is the other's.
        (user_v4(b.ue, a.ue, USER), Reason::NoPdr),
        (user_v4(a.ue, b.ue, USER), Reason::GateClosed),
        // Nobody has it: it does not leave for the data network either.
        (user_v4(a.ue, nobody, USER), Reason::UnknownUe),
        (user_v4(a.ue, a.ue, USER), Reason::MartianSource),
    ] {
        let before = bed.dropped(reason);
        assert_eq!(bed.one(0, &uplink(a.teid, &user)), None, "{reason}");
        assert_eq!(bed.dropped(reason), before + 1);
    }
}

#[test]
fn ues_are_kept_apart_where_that_is_wanted() {
    let mut bed = bed(UeToUe::Drop);
    let (a, b) = (bed.install(0, |_| {}), bed.install(1, |_| {}));
    assert_eq!(
        bed.one(0, &uplink(a.teid, &user_v4(a.ue, b.ue, USER))),
        None
    );
    assert_eq!(bed.drops(), [(Reason::UeToUe, 1)]);
    let user = user_v4(a.ue, HOST, USER);
    assert_eq!(bed.one(0, &uplink(a.teid, &user)).unwrap().0, 1);
}

/// A session whose own rules send what is for its UE to where UEs are.
#[test]
fn rules_that_lead_in_a_circle_end() {
    let mut bed = bed(UeToUe::Local);
    let a = bed.install(0, |_| {});
    let b = bed.install(1, |rules| {
        rules.fars[1].forwarding = rules.fars[0].forwarding;
    });
    assert_eq!(
        bed.one(0, &uplink(a.teid, &user_v4(a.ue, b.ue, USER))),
        None
    );
    assert_eq!(bed.drops(), [(Reason::NoRoute, 1)]);
    // From the data network it is once more.
    assert_eq!(bed.one(1, &downlink(&user_v4(HOST, b.ue, USER))), None);
    assert_eq!(bed.drops(), [(Reason::NoRoute, 2)]);
}

#[test]
fn an_idle_ue_is_paged_for_another() {
    let mut bed = bed(UeToUe::Local);
    let a = bed.install(0, |_| {});
    let mut b = bed.install(1, |rules| buffer(rules, true));
    let user = user_v4(a.ue, b.ue, USER);
    assert_eq!(bed.one(0, &uplink(a.teid, &user)), None);
    let report = bed.workers[0].control.report();
    assert!(matches!(report, Some(Report::DownlinkData { session, .. }) if session == b.index));
    bed.modify(&mut b, |rules| rules.fars[1].action = Action::Forward);
    let session = b.index;
    let release = session::report::Command::Release { session };
    bed.workers[0].control.command(release).unwrap();
    bed.tend();
    let sent = bed.sent(0);
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].1[14 + 44..], hopped(user));
}

/// The UPF is one hop between UEs, and the UE is told what did not fit into the other's tunnel.
#[test]
fn a_ue_is_told_what_the_others_tunnel_does_not_take() {
    let mut bed = bed(UeToUe::Local);
    let (a, b) = (bed.install(0, |_| {}), bed.install(1, |_| {}));
    let mut user = user_v4(a.ue, b.ue, 1536);
    user[6] = 0x40;
    wire::set_ipv4_checksum(&mut user[..20]);
    let (port, sent) = bed.one(0, &uplink(a.teid, &user)).unwrap();
    // 1600 less 44: to the sender, by its own tunnel.
    assert_eq!((port, &sent[46..50]), (0, &[0, 0, 0x10, 0][..]));
    let notice = &sent[14 + 44..];
    assert_eq!(
        (&notice[16..20], notice[20], notice[21]),
        (&a.ue.octets()[..], 3, 4)
    );
    assert_eq!(wire::u16_at(notice, 26), Some(1556));
    assert_eq!(bed.drops(), [(Reason::TooBig, 1)]);
}

#[test]
fn the_other_ue_may_be_another_workers() {
    let mut bed = Testbed::connected(2, |topology| {
        topology.networks[0].ue_to_ue = UeToUe::Local;
    });
    let sessions: Vec<_> = (0..4).map(|n| bed.install(n, |_| {})).collect();
    let of = |worker| {
        sessions
            .iter()
            .find(|s| s.owner == WorkerId(worker))
            .unwrap()
    };
    let (a, b) = (of(0), of(1));
    let user = user_v4(a.ue, b.ue, USER);
    assert_eq!(bed.one(0, &uplink(a.teid, &user)), None);
    bed.carry_over();
    let sent = bed.sent(1);
    assert_eq!((sent.len(), &sent[0].1[14 + 44..]), (1, &hopped(user)[..]));
}
