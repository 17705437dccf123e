//! What is said of packets is what happens to them, and in words that help.

use proptest::prelude::*;
use session::rule::{Action, Gate};
use session::sdf::FlowDescription;
use session::topology::UeToUe;
use session::{Qfi, Sought, Teid, UrrId};

use super::{Explained, Explanation, Known, Place};
use crate::path::catalogue;
use crate::testbed::*;
use crate::watch::Outcome;

fn known(session: &TestSession) -> Known {
    Known {
        rules: session.installed.rules.clone(),
        exhausted: Vec::new(),
    }
}

fn ask(bed: &Testbed, (port, frame): (u16, Vec<u8>), sessions: &[&TestSession]) -> Explained {
    let sessions: Vec<_> = sessions.iter().map(|session| known(session)).collect();
    bed.explainer.explain(&[(port, 0, frame)], &sessions)
}

/// All that is said of a packet, as people read it.
fn text(told: &Explanation) -> String {
    let mut text = String::new();
    for stage in &told.stages {
        for (at, line) in stage.lines.iter().enumerate() {
            let name = if at == 0 { stage.name } else { "" };
            text.push_str(format!("{name:<9} {line}").trim_end());
            text.push('\n');
        }
    }
    text
}

#[test]
fn a_packet_that_passes_is_told_stage_by_stage() {
    let mut bed = Testbed::new(1, 8);
    let session = bed.install(1, |rules| {
        let mut web = rules.pdrs[0].clone();
        web.id = 7.into();
        web.precedence = 0.into();
        let flow = FlowDescription::parse("permit out 6 from any 443 to assigned").unwrap();
        web.pdi.sdf_filters = vec![flow.into()];
        let mut other_flow = rules.pdrs[0].clone();
        other_flow.id = 8.into();
        other_flow.precedence = 0.into();
        other_flow.pdi.qfis = vec![Qfi::new(5).unwrap()];
        rules.pdrs.extend([web, other_flow]);
    });
    let frame = uplink(session.teid, &user_v4(session.ue, HOST, 20));
    let told = ask(&bed, (0, frame), &[&session]);
    assert_eq!(told.sought, []);
    let teid = session.teid;
    let want = format!(
        "\
receive   106 octets on port ran, worker 0
parse     Ethernet 02:00:00:00:03:02 → 02:00:00:00:03:01
          IPv4 10.0.3.2 → 10.0.3.1, UDP 2152 → 2152, 92 octets, TTL 64
          GTP-U G-PDU, TEID {teid}, PDU session container UL QFI 9
          user packet IPv4 10.45.0.3 → 198.51.100.7, UDP 12345 → 80, 48 octets, TTL 64
          for interface n3 (N3)
look up   TEID {teid} at n3: session 0x1, UE 10.45.0.3
classify  PDR 7, precedence 0: no, it is not of the protocol of “permit out 6 from any 443 to assigned”
          PDR 8, precedence 0: no, its QFI is 5, the packet's 9
          PDR 1, precedence 1: matches
          the source address is the UE's
police    FAR 1: forward to n6
          QER 1: gate open, at most 40000000 kbit/s, QFI 9
          URR 1 counts it
rewrite   the outer header is taken off
          routed: its TTL or hop limit is one less
result    forwarded
          sent on port core, 62 octets: Ethernet 02:00:00:00:06:01 → 02:00:00:00:06:fe | IPv4 10.45.0.3 → 198.51.100.7, UDP 12345 → 80, 48 octets, TTL 63
"
    );
    assert_eq!(text(&told.explanations[0]), want);
}

#[test]
fn a_dropped_packet_is_told_with_cause_and_remedy() {
    let mut bed = Testbed::new(1, 8);
    let session = bed.install(1, |rules| rules.qers[0].downlink_gate = Gate::Closed);
    let told = ask(
        &bed,
        (1, downlink(&user_v4(HOST, session.ue, 8))),
        &[&session],
    );
    let want = "\
look up   UE address 10.45.0.3 at n6: session 0x1, UE 10.45.0.3
classify  PDR 2, precedence 2: matches
police    FAR 2: a gate is closed
          QER 1: gate closed, at most 40000000 kbit/s, QFI 9
          URR 1 counts it
result    dropped: gate_closed
          A QER's gate is closed.
          likely cause: the SMF wants it so
          remedy: look at the QER
";
    let text = text(&told.explanations[0]);
    assert!(text.ends_with(want), "{text}");
}

#[test]
fn what_is_looked_up_in_vain_is_asked_for() {
    let mut bed = Testbed::connected(1, |topology| {
        topology.networks[0].ue_to_ue = UeToUe::Local;
    });
    let (one, two) = (bed.install(1, |_| {}), bed.install(2, |_| {}));
    let frame = uplink(one.teid, &user_v4(one.ue, two.ue, 8));
    let sought = |told: &Explained| told.sought.first().copied();
    let told = ask(&bed, (0, frame.clone()), &[]);
    let tunnel = one.installed.rules.pdrs[0].pdi.local_f_teid.unwrap();
    assert_eq!(sought(&told), Some(Sought::Tunnel(tunnel)));
    let told = ask(&bed, (0, frame.clone()), &[&one]);
    assert_eq!(sought(&told), Some(Sought::Ue(N6, two.ue.into())));
    assert_eq!(told.explanations[0].outcome, Outcome::TurnedBack);
    let told = ask(&bed, (0, frame), &[&one, &two]);
    assert_eq!(told.sought, []);
    let outcomes: Vec<_> = told.explanations.iter().map(|told| told.outcome).collect();
    assert_eq!(outcomes, [Outcome::TurnedBack, Outcome::Sent]);
    let seids: Vec<_> = told.explanations.iter().map(|told| told.seid).collect();
    assert_eq!(seids, [Some(1.into()), Some(2.into())]);
    // An End Marker of an unknown tunnel, too.
    let mut message = gpdu(Teid(77), None, &[]);
    message[1] = 254;
    let frame = frame_to_n3(&message);
    let told = ask(&bed, (0, frame), &[]);
    let Some(Sought::Tunnel(tunnel)) = sought(&told) else {
        panic!("{told:?}");
    };
    assert_eq!(tunnel.teid, Teid(77));
}

fn frame_to_n3(message: &[u8]) -> Vec<u8> {
    frame(
        MAC_N3,
        MAC_GNB,
        None,
        &datagram_v4(GNB, N3_ADDRESS, message),
    )
}

#[test]
fn nothing_is_charged_counted_or_named() {
    let mut bed = Testbed::new(1, 8);
    let session = bed.install(1, |rules| {
        rules.qers[0].mbr.as_mut().unwrap().uplink_kbps = 1;
        rules.fars[1].action = Action::Buffer { notify: true };
    });
    let to_stranger = uplink(session.teid, &user_v4(session.ue, [10, 0, 6, 99].into(), 8));
    let names = bed.neighbours.all().count();
    for _ in 0..3 {
        let told = ask(&bed, (0, to_stranger.clone()), &[&session]);
        let outcome = told.explanations[0].outcome;
        assert!(matches!(outcome, Outcome::Waits(_)), "{outcome:?}");
        let told = ask(
            &bed,
            (1, downlink(&user_v4(HOST, session.ue, 8))),
            &[&session],
        );
        assert_eq!(told.explanations[0].outcome, Outcome::Held);
    }
    assert_eq!(bed.neighbours.all().count(), names);
    let usage = session.installed.usage(UrrId(1)).unwrap();
    assert_eq!(usage.volume().total_packets(), 0);
    assert_eq!(bed.workers[0].control.report(), None);
    // A quota that is used up is no secret.
    let mut known = known(&session);
    known.exhausted.push(UrrId(1));
    let told = bed.explainer.explain(&[(0, 0, to_stranger)], &[known]);
    assert_eq!(told.explanations[0].verdict, "dropped: quota_exhausted");
}

#[test]
fn a_packet_of_anywhere_finds_its_place() {
    let bed = Testbed::new(1, 8);
    let explainer = &bed.explainer;
    let place = |port, interface| Some(Place { port, interface });
    assert_eq!(explainer.place("N3"), place(0, Some(N3)));
    assert_eq!(explainer.place("n9"), place(0, Some(N9)));
    assert_eq!(explainer.place("core"), place(1, None));
    assert_eq!(explainer.place("n2"), None);
    let tunnel = datagram_v4(
        GNB,
        N9_ADDRESS,
        &gpdu(Teid(1), None, &user_v4(HOST, HOST, 0)),
    );
    let up = explainer.place_of_packet(&tunnel);
    assert_eq!(up, place(0, Some(N9)));
    let down = user_v4(HOST, [10, 45, 0, 9].into(), 0);
    assert_eq!(explainer.place_of_packet(&down), place(1, Some(N6)));
    let frame = explainer.frame(up.unwrap(), &tunnel).unwrap();
    assert_eq!(frame[12..18], [0x81, 0, 0, 9, 0x08, 0]);
    assert_eq!(Some(explainer.place_of_frame(&frame)), place(0, None));
    let foreign = crate::testbed::frame(MAC_GNB, MAC_GNB, None, &down);
    assert_eq!(Some(explainer.place_of_frame(&foreign)), place(1, None));
    assert_eq!(Some(explainer.place_of_frame(&[])), place(0, None));
    let told = ask(&bed, (0, frame), &[]);
    assert_eq!(told.explanations[0].verdict, "dropped: unknown_teid");
}

/// Every frame of the catalogue of attacks: what is said is what happens.
#[test]
fn the_path_does_what_is_said_of_any_frame() {
    for (port, frame) in catalogue::frames() {
        same(port, &frame);
    }
}

/// Asks, and lets a path with one session have the frame.
fn same(port: u16, frame: &[u8]) {
    let mut bed = Testbed::new(1, 8);
    let session = bed.install(0, |_| {});
    let told = ask(&bed, (port, frame.to_vec()), &[&session]);
    let sent = bed.receive(port, &[frame.to_vec()]);
    let drops = bed.drops();
    let told = &told.explanations[0];
    let dropped = drops.first().map(|(reason, _)| *reason);
    match told.outcome {
        Outcome::Dropped(reason) => assert_eq!(Some(reason), dropped, "{}", text(told)),
        _ => assert_eq!(dropped, None, "{}", text(told)),
    }
    // What asks for a neighbour's address is about another packet.
    let is_arp = |frame: &Vec<u8>| frame.get(12..14) == Some(&[0x08, 0x06]);
    let waits = matches!(told.outcome, Outcome::Waits(_));
    let sent = sent
        .iter()
        .filter(|(_, frame)| !(waits && is_arp(frame)))
        .count();
    let told_sent = told.sent.iter().filter(|frame| frame.left).count();
    assert_eq!(told_sent, sent, "{}", text(told));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 200 }))]

    #[test]
    fn the_path_does_what_is_said_of_damaged_frames(
        which in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        length in prop::option::of(0_usize..120),
    ) {
        let frames = catalogue::frames();
        let (port, mut frame) = which.get(&frames).clone();
        for (at, value) in damage {
            if let Some(octet) = frame.get_mut(at.index(120)) {
                *octet = value;
            }
        }
        frame.truncate(length.unwrap_or(frame.len()));
        same(port, &frame);
    }
}
