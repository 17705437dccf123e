//! Publication: what readers see while the publisher changes it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use session::plan::{Context, Installed};
use session::rule::{Action, Far, LocalFTeid, Pdi, Pdr, Rules, UeAddress, ue_prefix};
use session::tables::NewKey;
use session::{
    FarId, InterfaceId, Key, KeyChange, PdrId, Plan, PublishError, Publisher, Reader, Seid,
    SessionIndex, Sizes, Sought, Tables, Teid, WorkerId,
};

const N3: InterfaceId = InterfaceId(0);
const VRF: InterfaceId = InterfaceId(1);

fn tables(sessions: u32, workers: u8) -> (Publisher, Vec<Reader>) {
    Tables::create(Sizes {
        sessions,
        tunnels: sessions * 2,
        workers,
        seed: 42,
    })
}

/// Keys that come and keys that go.
fn change(add: &[NewKey], remove: &[Key]) -> KeyChange {
    KeyChange {
        add: add.into(),
        remove: remove.into(),
        ..KeyChange::default()
    }
}

fn context(session: SessionIndex) -> Context {
    Context {
        session,
        owner: WorkerId(0),
        hz: 1,
        burst: session::meter::Burst::of_ms(0),
        buffer_packets: 1,
        ..Context::default()
    }
}

fn compile(
    session: SessionIndex,
    teid: Teid,
    ue: Ipv4Addr,
    chosen: bool,
) -> (Installed, Plan, Vec<NewKey>) {
    let far = Far {
        id: FarId(1),
        action: Action::Drop,
        forwarding: None,
        bar: None,
    };
    let tunnel = LocalFTeid {
        teid,
        interface: N3,
    };
    let pdr = |id, pdi| Pdr {
        id: PdrId(id),
        far: FarId(1),
        pdi,
        ..Pdr::default()
    };
    let prefix = ue_prefix(Ipv6Addr::from_bits(u128::from(ue.to_bits()) << 64));
    let rules = Rules {
        seid: Seid(u64::from(teid.0) << 32 | u64::from(ue.to_bits())),
        ue: UeAddress {
            ipv4: Some(ue),
            ipv6: Some(prefix),
        },
        pdrs: vec![
            pdr(
                1,
                Pdi {
                    local_f_teid: Some(tunnel),
                    ..Pdi::default()
                },
            ),
            pdr(
                2,
                Pdi {
                    source_interface: session::rule::SourceInterface::Core,
                    vrf: Some(VRF),
                    ..Pdi::default()
                },
            ),
        ],
        fars: vec![far],
        ..Rules::default()
    };
    let compiled = Installed::default()
        .compile(rules, &context(session), |_| chosen)
        .unwrap();
    (
        compiled.installed,
        compiled.plan,
        compiled.keys.add.to_vec(),
    )
}

#[test]
fn a_session_is_found_by_all_its_keys_until_it_is_withdrawn() {
    let (mut publisher, mut readers) = tables(10, 1);
    let (session, worker) = publisher.reserve().unwrap();
    let teid = publisher.choose_teid(worker).unwrap();
    let ue = Ipv4Addr::new(10, 45, 0, 2);
    let (installed, plan, add) = compile(session, teid, ue, true);
    assert_eq!(add.len(), 3);
    publisher
        .publish(session, plan, &change(&add, &[]))
        .unwrap();
    let tunnel = LocalFTeid {
        teid,
        interface: N3,
    };
    {
        let snapshot = readers[0].snapshot();
        let handle = snapshot.tunnel(tunnel).unwrap();
        assert_eq!(handle.session(), session);
        let entrance = handle.entrance().unwrap();
        assert_eq!(entrance.interface(), Some(N3));
        assert_eq!(snapshot.ipv4(VRF, ue).unwrap().session(), session);
        let address = Ipv6Addr::from_bits(u128::from(ue.to_bits()) << 64 | 0x4d);
        assert_eq!(snapshot.ipv6(VRF, address).unwrap().session(), session);
        assert_eq!(snapshot.ipv4(N3, ue), None);
        // The control side finds it by the same.
        let all = [
            Sought::Tunnel(tunnel),
            Sought::Ue(VRF, ue.into()),
            Sought::Ue(VRF, address.into()),
        ];
        assert_eq!(all.map(|by| publisher.session_of(by)), [Some(session); 3]);
        assert_eq!(publisher.session_of(Sought::Ue(N3, ue.into())), None);
        assert_eq!(
            snapshot.tunnel(LocalFTeid {
                teid: Teid(teid.0 ^ 1),
                ..tunnel
            }),
            None
        );
    }
    publisher.withdraw(session, &installed.keys());
    let snapshot = readers[0].snapshot();
    assert_eq!(
        (snapshot.tunnel(tunnel), snapshot.ipv4(VRF, ue)),
        (None, None)
    );
    assert!(snapshot.session(session).is_none());
    assert_eq!(publisher.sessions(), 0);
}

#[test]
fn a_taken_key_changes_nothing() {
    let (mut publisher, mut readers) = tables(10, 1);
    let ue = Ipv4Addr::new(10, 45, 0, 2);
    let (victim, _) = publisher.reserve().unwrap();
    let (_, plan, add) = compile(victim, Teid(7), ue, false);
    publisher.publish(victim, plan, &change(&add, &[])).unwrap();
    let (thief, _) = publisher.reserve().unwrap();
    for (teid, address) in [(Teid(7), Ipv4Addr::new(10, 45, 0, 3)), (Teid(8), ue)] {
        let (_, plan, add) = compile(thief, teid, address, false);
        let error = publisher
            .publish(thief, plan, &change(&add, &[]))
            .unwrap_err();
        assert!(matches!(error, PublishError::Taken(_)), "{error}");
        let snapshot = readers[0].snapshot();
        let owner = snapshot
            .tunnel(LocalFTeid {
                teid: Teid(7),
                interface: N3,
            })
            .unwrap();
        assert_eq!(owner.session(), victim);
        assert_eq!(
            snapshot.tunnel(LocalFTeid {
                teid: Teid(8),
                interface: N3
            }),
            None
        );
        assert_eq!(snapshot.ipv4(VRF, Ipv4Addr::new(10, 45, 0, 3)), None);
        assert!(snapshot.session(thief).is_none());
    }
}

#[test]
fn what_the_upf_chooses_and_what_smfs_give_never_meet() {
    let (mut publisher, mut readers) = tables(2000, 1);
    // An SMF gives TEIDs that this UPF would choose next (they are predictable only to a test).
    let (mut other, _others_readers) = tables(2000, 1);
    let (session, worker) = other.reserve().unwrap();
    let foreseen: Vec<Teid> = (0..5).map(|_| other.choose_teid(worker).unwrap()).collect();
    assert_eq!(publisher.reserve().unwrap(), (session, worker));
    let (_, plan, mut add) = compile(session, foreseen[0], Ipv4Addr::new(10, 0, 0, 1), false);
    for teid in &foreseen[1..] {
        let key = Key::Tunnel(LocalFTeid {
            teid: *teid,
            interface: N3,
        });
        add.push(NewKey { key, ..add[0] });
    }
    publisher
        .publish(session, plan, &change(&add, &[]))
        .unwrap();
    for _ in 0..1000 {
        let chosen = publisher.choose_teid(worker).unwrap();
        assert!(!foreseen.contains(&chosen));
    }
    for teid in foreseen {
        let found = readers[0].snapshot().tunnel(LocalFTeid {
            teid,
            interface: N3,
        });
        assert_eq!(found.unwrap().session(), session);
    }
}

#[test]
fn full_is_an_answer_and_places_come_back() {
    let (mut publisher, mut readers) = tables(3, 1);
    let places: Vec<_> = (0..3).map(|_| publisher.reserve().unwrap().0).collect();
    assert_eq!(publisher.reserve(), None);
    // Held back while a worker has not passed a quiescent point since.
    let _ = readers[0].snapshot();
    publisher.withdraw(places[1], &[]);
    assert_eq!(publisher.reserve(), None);
    let _ = readers[0].snapshot();
    assert_eq!(
        publisher.reserve().map(|(session, _)| session),
        Some(places[1])
    );
    // A worker that sleeps holds nothing back.
    publisher.withdraw(places[2], &[]);
    readers[0].offline();
    assert_eq!(
        publisher.reserve().map(|(session, _)| session),
        Some(places[2])
    );
}

/// Sessions come, change and go while readers follow every pointer: each plan that a reader finds
/// is whole, and is that of the key it asked for.
#[test]
fn readers_never_see_a_torn_or_foreign_plan() {
    let (mut publisher, readers) = tables(64, 2);
    let stop = Arc::new(AtomicBool::new(false));
    // A reader may wait for its CPU for as long as all rounds take.
    let met = Arc::new(AtomicBool::new(false));
    let rounds = if cfg!(miri) { 30 } else { 20_000 };
    let ue_of = |n: u32| Ipv4Addr::from_bits(0x0a2d_0000 + n);
    std::thread::scope(|scope| {
        let watchers: Vec<_> = readers
            .into_iter()
            .map(|mut reader| {
                let (stop, met) = (Arc::clone(&stop), Arc::clone(&met));
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        let snapshot = reader.snapshot();
                        for n in 0..32 {
                            let Some(handle) = snapshot.ipv4(VRF, ue_of(n)) else {
                                continue;
                            };
                            let plan = handle.plan();
                            let [.., low] = plan.seid.0.to_be_bytes();
                            assert_eq!(u32::from(low), n, "the plan of another key");
                            assert_eq!(plan.steps().count(), 2);
                            met.store(true, Ordering::Relaxed);
                        }
                    }
                })
            })
            .collect();
        let mut live: Vec<Option<(SessionIndex, Installed)>> = vec![None; 32];
        for round in 0.. {
            if round >= rounds && (cfg!(miri) || met.load(Ordering::Relaxed)) {
                break;
            }
            let n = (round * 7 + round / 32) % 32;
            let slot = &mut live[usize::try_from(n).unwrap()];
            if let (0, Some((session, installed))) = (round % 3, &mut *slot) {
                let rules = installed.rules.clone();
                let compiled = installed.compile(rules, &context(*session), |_| true);
                let compiled = compiled.unwrap();
                assert_eq!(compiled.keys.keep.len(), 3);
                let (plan, keys) = (compiled.plan, compiled.keys);
                publisher.publish(*session, plan, &keys).unwrap();
                *installed = compiled.installed;
            } else if let Some((session, installed)) = slot.take() {
                publisher.withdraw(session, &installed.keys());
            } else if let Some((session, worker)) = publisher.reserve() {
                let teid = publisher.choose_teid(worker).unwrap();
                let (installed, plan, add) = compile(session, teid, ue_of(n), true);
                publisher
                    .publish(session, plan, &change(&add, &[]))
                    .unwrap();
                *slot = Some((session, installed));
            }
        }
        stop.store(true, Ordering::Relaxed);
        for watcher in watchers {
            watcher.join().unwrap();
        }
    });
    while publisher.reclaim() {}
    assert_eq!(publisher.retired(), 0);
}

#[test]
fn what_many_sessions_leave_goes_by_and_by_and_is_there_when_it_is_needed() {
    const SESSIONS: u32 = if cfg!(miri) { 2_100 } else { 6_000 };
    let (mut publisher, mut readers) = tables(SESSIONS, 1);
    let mut reader = readers.pop().unwrap();
    reader.snapshot();
    let establish = |publisher: &mut Publisher, n: u32| {
        let (session, worker) = publisher.reserve().unwrap();
        let teid = publisher.choose_teid(worker).unwrap();
        let ue = Ipv4Addr::from_bits(0x0a2d_0000 + n);
        let (installed, plan, add) = compile(session, teid, ue, true);
        publisher
            .publish(session, plan, &change(&add, &[]))
            .unwrap();
        (session, installed)
    };
    let live: Vec<_> = (0..SESSIONS)
        .map(|n| establish(&mut publisher, n))
        .collect();
    for (session, installed) in live {
        publisher.withdraw(session, &installed.keys());
    }
    let all = publisher.retired();
    assert!(
        !publisher.reclaim(),
        "the worker may still look at all of it"
    );
    assert_eq!(publisher.retired(), all);
    reader.snapshot();
    assert!(publisher.reclaim(), "there is more");
    assert!(
        publisher.retired() > all / 2,
        "{} of {all}",
        publisher.retired()
    );
    // All places, TEIDs and addresses are to be had, whatever of it is still retired.
    for n in 0..SESSIONS {
        establish(&mut publisher, n);
    }
    while publisher.reclaim() {}
    assert_eq!(publisher.retired(), 0);
}

#[test]
fn a_worker_that_stands_still_holds_changes_up_and_breaks_nothing() {
    let (mut publisher, mut readers) = tables(1, 1);
    let (session, _) = publisher.reserve().unwrap();
    let (installed, plan, add) = compile(session, Teid(7), Ipv4Addr::new(10, 45, 0, 2), false);
    publisher
        .publish(session, plan, &change(&add, &[]))
        .unwrap();
    let keep = KeyChange {
        keep: add.iter().map(|new| (new.key, new.entry)).collect(),
        ..KeyChange::default()
    };
    let modify = |publisher: &mut Publisher| {
        let again = installed.compile(installed.rules.clone(), &context(session), |_| false);
        publisher.publish(session, again.unwrap().plan, &keep)
    };
    let tunnel = LocalFTeid {
        teid: Teid(7),
        interface: N3,
    };
    let snapshot = readers[0].snapshot();
    let handle = snapshot.tunnel(tunnel).unwrap();
    let refused = (0..1 << 16).find_map(|_| modify(&mut publisher).err());
    assert_eq!(refused, Some(PublishError::Busy));
    // What the worker has looked up is what it was, and its key leads to the newest.
    assert_eq!(handle.plan().steps().count(), 2);
    assert_ne!(snapshot.tunnel(tunnel), Some(handle));
    readers[0].snapshot();
    modify(&mut publisher).unwrap();
    let found = readers[0].snapshot().tunnel(tunnel).unwrap();
    assert_eq!(found.session(), session);
}

/// Networks behind UEs, and addresses in and around them.
const ROUTES: [&str; 6] = [
    "10.46.0.0/16",
    "10.46.7.0/24",
    "10.46.7.9/32",
    "2001:db8:46::/48",
    "2001:db8:46:7::/64",
    "2001:db8:46:7::9/128",
];
const AROUND: [&str; 8] = [
    "10.46.7.9",
    "10.46.7.8",
    "10.46.8.9",
    "10.47.0.1",
    "2001:db8:46:7::9",
    "2001:db8:46:7::8",
    "2001:db8:46:8::9",
    "2001:db8:47::1",
];

fn route(vrf: InterfaceId, net: &str) -> NewKey {
    NewKey {
        key: Key::Route(vrf, net.parse().unwrap()),
        entry: session::tables::EntryId(0),
        chosen: false,
    }
}

fn plan_of(session: SessionIndex) -> Plan {
    let ue = Ipv4Addr::from_bits(0x0a2d_0000 + session.0);
    compile(session, Teid(session.0), ue, false).1
}

#[test]
fn the_longest_network_behind_a_ue_is_found() {
    let (mut publisher, mut readers) = tables(10, 1);
    let (session, _) = publisher.reserve().unwrap();
    // Every set of routes of one session; what is found is what a scan finds.
    for set in 0..1_u32 << ROUTES.len() {
        let there = ROUTES.iter().enumerate();
        let there = there.filter(|(at, _)| set >> at & 1 == 1);
        let there: Vec<&str> = there.map(|(_, route)| *route).collect();
        let add: Vec<NewKey> = there.iter().map(|net| route(VRF, net)).collect();
        publisher
            .publish(session, plan_of(session), &change(&add, &[]))
            .unwrap();
        let snapshot = readers[0].snapshot();
        for address in AROUND {
            let find = |vrf| match address.parse().unwrap() {
                IpAddr::V4(address) => snapshot.ipv4(vrf, address),
                IpAddr::V6(address) => snapshot.ipv6(vrf, address),
            };
            let address: IpAddr = address.parse().unwrap();
            let nets = there.iter().map(|net| net.parse::<ipnet::IpNet>().unwrap());
            let expected = nets.into_iter().any(|net| net.contains(&address));
            assert_eq!(find(VRF).is_some(), expected, "{address} in {there:?}");
            assert_eq!(find(N3), None);
        }
        let remove: Vec<Key> = add.iter().map(|new| new.key).collect();
        publisher
            .publish(session, plan_of(session), &change(&[], &remove))
            .unwrap();
        readers[0].snapshot();
        publisher.reclaim();
    }
}

#[test]
fn networks_of_two_sessions_do_not_overlap() {
    let (mut publisher, mut readers) = tables(10, 1);
    let (one, _) = publisher.reserve().unwrap();
    let (two, _) = publisher.reserve().unwrap();
    for first in ROUTES {
        for second in ROUTES {
            let (a, b): (ipnet::IpNet, ipnet::IpNet) =
                (first.parse().unwrap(), second.parse().unwrap());
            let overlap = a.contains(&b) || b.contains(&a);
            let (mine, theirs) = (route(VRF, first), route(VRF, second));
            publisher
                .publish(one, plan_of(one), &change(&[mine], &[]))
                .unwrap();
            let published = publisher.publish(two, plan_of(two), &change(&[theirs], &[]));
            if overlap {
                assert_eq!(published.unwrap_err(), PublishError::Taken(theirs.key));
            } else {
                published.unwrap();
                publisher
                    .publish(two, plan_of(two), &change(&[], &[theirs.key]))
                    .unwrap();
            }
            // Another VRF is another world; a session's own may nest.
            let elsewhere = route(N3, second);
            publisher
                .publish(two, plan_of(two), &change(&[elsewhere], &[]))
                .unwrap();
            publisher
                .publish(two, plan_of(two), &change(&[], &[elsewhere.key]))
                .unwrap();
            if first != second {
                let keep = [(mine.key, mine.entry)];
                for (add, remove) in [(&[theirs][..], &[][..]), (&[], &[theirs.key])] {
                    let keys = KeyChange {
                        keep: keep.into_iter().collect(),
                        ..change(add, remove)
                    };
                    publisher.publish(one, plan_of(one), &keys).unwrap();
                }
            }
            publisher
                .publish(one, plan_of(one), &change(&[], &[mine.key]))
                .unwrap();
            readers[0].snapshot();
            publisher.reclaim();
        }
    }
}

#[test]
fn a_ue_of_its_own_is_found_before_a_network_around_it() {
    let (mut publisher, mut readers) = tables(10, 1);
    let (router, _) = publisher.reserve().unwrap();
    let (host, _) = publisher.reserve().unwrap();
    let add = [route(VRF, "10.45.0.0/16"), route(VRF, "::/8")];
    publisher
        .publish(router, plan_of(router), &change(&add, &[]))
        .unwrap();
    let ue = Ipv4Addr::new(10, 45, 0, 2);
    let (_, plan, keys) = compile(host, Teid(7), ue, false);
    publisher.publish(host, plan, &change(&keys, &[])).unwrap();
    let snapshot = readers[0].snapshot();
    assert_eq!(snapshot.ipv4(VRF, ue).unwrap().session(), host);
    let other = Ipv4Addr::new(10, 45, 0, 3);
    assert_eq!(snapshot.ipv4(VRF, other).unwrap().session(), router);
    let address = Ipv6Addr::from_bits(u128::from(ue.to_bits()) << 64 | 1);
    assert_eq!(snapshot.ipv6(VRF, address).unwrap().session(), host);
    let other_v6 = Ipv6Addr::from_bits(u128::from(other.to_bits()) << 64 | 1);
    assert_eq!(snapshot.ipv6(VRF, other_v6).unwrap().session(), router);
    let found = |by: IpAddr| publisher.session_of(Sought::Ue(VRF, by));
    assert_eq!([ue.into(), address.into()].map(found), [Some(host); 2]);
    assert_eq!(
        [other.into(), other_v6.into()].map(found),
        [Some(router); 2]
    );
}
