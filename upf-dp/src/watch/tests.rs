//! What is noted is what happens, and nothing is noted that nobody wants to see.

use session::rule::Action;
use session::{Qfi, Seid, Teid};

use super::{Busy, Filter, Kind, Outcome, Room, TAPS_MAX, Watching};
use crate::path::{Came, Key};
use crate::reason::Reason;
use crate::testbed::*;

/// What was seen of a packet, for short.
type Seen = (Option<Seid>, Outcome, Vec<(u16, Vec<u8>)>);

fn read(watching: &mut Watching) -> Vec<Seen> {
    let mut seen = Vec::new();
    watching.read(usize::MAX, |sample| {
        let frames = sample.frames();
        let frames = frames.map(|frame| (frame.port, frame.octets.to_vec()));
        let seid = sample.session.map(|(_, seid)| seid);
        seen.push((seid, sample.outcome(), frames.collect()));
    });
    seen
}

/// Begins to watch; the workers hear of it between two bursts.
fn watch(bed: &mut Testbed, filter: &Filter) -> Watching {
    let watching = bed.watcher.watch(filter, Room::default()).unwrap();
    bed.tend();
    watching
}

fn of_session(session: &TestSession) -> Filter {
    Filter {
        seids: vec![session.installed.rules.seid],
        ..Filter::default()
    }
}

#[test]
fn a_session_is_seen_as_received_and_as_sent_and_no_other() {
    let mut bed = Testbed::new(1, 8);
    let (one, other) = (bed.install(1, |_| {}), bed.install(2, |_| {}));
    let mut watching = watch(&mut bed, &of_session(&one));
    let mut received = Vec::new();
    for session in [&one, &other] {
        let up = uplink(session.teid, &user_v4(session.ue, HOST, 20));
        let down = downlink(&user_v4(HOST, session.ue, 30));
        received.push((bed.one(0, &up).unwrap(), up));
        received.push((bed.one(1, &down).unwrap(), down));
    }
    let mut seen = Vec::new();
    watching.read(9, |sample| {
        assert_eq!(sample.session, Some((one.index, Seid(1))));
        assert_eq!(sample.outcome(), Outcome::Sent);
        assert_eq!(sample.received_length(), sample.received().len());
        let frame = sample.frames().next().unwrap();
        assert!(frame.left && frame.length == frame.octets.len());
        let sent = (frame.port, frame.octets.to_vec());
        seen.push((sent, sample.received().to_vec()));
        let rule = sample.rule.unwrap();
        let down = sample.port == 1;
        assert_eq!((rule.pdr.0, rule.far.0), if down { (2, 2) } else { (1, 1) });
        assert_eq!(
            rule.tunnel.map(|(teid, _)| teid),
            down.then_some(Teid(0x1001))
        );
        assert_eq!(sample.qfi, Qfi::new(9).filter(|_| !down));
    });
    assert_eq!(seen, received[..2]);
    assert_eq!(watching.missed(), 0);
}

#[test]
fn filters_are_by_tunnel_address_port_and_what_became_of_a_packet() {
    let mut bed = Testbed::new(1, 8);
    let session = bed.install(0, |_| {});
    let foreign = user_v4(HOST, HOST, 8);
    let filters = [
        Filter::default(),
        Filter {
            teid: Some(session.teid),
            ..Filter::default()
        },
        Filter {
            teid: Some(Teid(0x1000)),
            ..Filter::default()
        },
        Filter {
            address: Some("10.45.0.99/32".parse().unwrap()),
            ..Filter::default()
        },
    ];
    let mut all = filters.map(|filter| watch(&mut bed, &filter));
    let frames = [
        (0, uplink(session.teid, &user_v4(session.ue, HOST, 8))),
        (0, uplink(session.teid, &foreign)),
        (0, uplink(Teid(0xdead), &foreign)),
        (1, downlink(&user_v4(HOST, session.ue, 8))),
        (1, downlink(&user_v4(HOST, [10, 45, 0, 99].into(), 8))),
    ];
    for (port, frame) in &frames {
        bed.receive(*port, std::slice::from_ref(frame));
    }
    let seen = all.each_mut().map(|watching| {
        let seen = read(watching).into_iter();
        seen.map(|(_, outcome, _)| outcome).collect::<Vec<_>>()
    });
    let drop = Outcome::Dropped;
    let [up, no_pdr, unknown, down, nobody] = [
        Outcome::Sent,
        drop(Reason::NoPdr),
        drop(Reason::UnknownTeid),
        Outcome::Sent,
        drop(Reason::UnknownUe),
    ];
    assert_eq!(seen[0], [up, no_pdr, unknown, down, nobody]);
    assert_eq!(seen[1..], [vec![up, no_pdr], vec![down], vec![nobody]]);
    drop_all(&mut bed, all);
    let kinds = [Kind::Dropped, Kind::DroppedFor(Reason::UnknownUe)];
    let mut all = kinds.map(|kind| {
        let filter = Filter {
            kind,
            port: Some(1),
            ..Filter::default()
        };
        watch(&mut bed, &filter)
    });
    for _ in 0..200 {
        for (port, frame) in &frames {
            bed.receive(*port, std::slice::from_ref(frame));
        }
    }
    // What is not wanted in the end uses no samples up.
    for watching in &mut all {
        assert_eq!((read(watching).len(), watching.missed()), (200, 0));
    }
}

fn drop_all<const N: usize>(bed: &mut Testbed, all: [Watching; N]) {
    drop(all);
    bed.tend();
}

#[test]
fn what_comes_of_a_packet_later_is_noted_with_it() {
    let mut bed = Testbed::new(1, 8);
    let mut session = bed.install(0, |rules| {
        rules.fars[1].action = Action::Buffer { notify: true };
    });
    let mut watching = watch(&mut bed, &Filter::default());
    // The answer to an unknown tunnel.
    let (_, answer) = bed
        .one(0, &uplink(Teid(7), &user_v4(HOST, HOST, 8)))
        .unwrap();
    let unknown = Outcome::Dropped(Reason::UnknownTeid);
    assert_eq!(read(&mut watching), [(None, unknown, vec![(0, answer)])]);
    // Held, more than may be, and released.
    let frames = vec![downlink(&user_v4(HOST, session.ue, 8)); 33];
    bed.receive(1, &frames);
    let seen = read(&mut watching);
    let full = Outcome::Dropped(Reason::HoldSessionFull);
    assert!(
        seen[..32]
            .iter()
            .all(|(_, outcome, _)| *outcome == Outcome::Held)
    );
    assert_eq!(seen[32].1, full);
    bed.modify(&mut session, |rules| {
        rules.fars[1].action = Action::Forward;
    });
    let sent = bed.receive(1, &frames[..1]);
    assert_eq!(sent.len(), 33);
    let mut released = 0;
    watching.read(99, |sample| {
        released += usize::from(sample.came == Came::Released);
        let is_new = sample.came == Came::In;
        assert_eq!(sample.outcome() == Outcome::Held, is_new);
    });
    assert_eq!(released, 33);
    // To a neighbour that nobody has heard of.
    let onto_link = uplink(session.teid, &user_v4(session.ue, [10, 0, 6, 99].into(), 8));
    bed.receive(0, &[onto_link]);
    watching.read(1, |sample| {
        assert!(matches!(sample.outcome(), Outcome::Waits(_)));
        assert_eq!(sample.key, Key::Tunnel(session.teid));
        let frame = sample.frames().next().unwrap();
        assert_eq!((frame.port, frame.left), (1, false));
    });
}

#[test]
fn those_who_read_too_slowly_miss_packets_and_hold_nobody_up() {
    let mut bed = Testbed::new(1, 8);
    let session = bed.install(0, |_| {});
    let room = Room {
        packets: 10,
        octets: 100,
    };
    let filter = Filter::default();
    let mut watching = bed.watcher.watch(&filter, room).unwrap();
    bed.tend();
    let frames = vec![uplink(session.teid, &user_v4(session.ue, HOST, 200)); 64];
    assert_eq!(bed.receive(0, &frames).len(), 64);
    assert_eq!((read(&mut watching).len(), watching.missed()), (10, 54));
    bed.receive(0, &frames[..3]);
    let mut octets = Vec::new();
    watching.read(9, |sample| {
        let sent = sample.frames().map(|frame| frame.octets.len());
        octets.push((
            sample.received().len(),
            sample.received_length(),
            sent.sum::<usize>(),
        ));
    });
    assert_eq!(octets, [(50, frames[0].len(), 50); 3]);
}

#[test]
fn as_many_watch_as_may_and_those_who_end_make_room() {
    let mut bed = Testbed::new(2, 8);
    for _ in 0..3 {
        let begin = || bed.watcher.watch(&Filter::default(), Room::default());
        let mut all: Vec<_> = (0..TAPS_MAX).map(|_| begin().unwrap()).collect();
        assert_eq!(begin().err(), Some(Busy));
        bed.tend();
        let frame = uplink(Teid(7), &user_v4(HOST, HOST, 8));
        bed.receive(0, &[frame]);
        for watching in &mut all {
            assert_eq!(read(watching).len(), 1);
        }
        drop(all);
        bed.tend();
        assert!(bed.workers.iter().all(|worker| !worker.path.watch.is_on()));
    }
}
