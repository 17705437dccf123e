use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

const FAR: FarId = FarId(1);

fn limits(packets: u32) -> HeldLimits {
    HeldLimits {
        total: Bound {
            packets,
            octets: u64::MAX,
        },
        per_smf: Bound::NONE,
        smfs: 2,
        session_octets: u64::MAX,
        when_full: WhenFull::Newest,
        expiry_cycles: 100,
    }
}

fn held(packet: u32, since: u64) -> HeldPacket<u32> {
    HeldPacket {
        packet,
        octets: 100,
        user_length: 60,
        session: SessionIndex(1),
        pdr: PdrId(1),
        port: 0,
        since: Now(since),
    }
}

fn holder(session: u32, most: u16) -> Holder {
    Holder {
        session: SessionIndex(session),
        smf: 0,
        far: FAR,
        most,
    }
}

/// What is held, and what gave way, of a store whose bound is `when_full`.
struct Store(Held<u32>, Vec<(u32, Reason)>);

impl Store {
    fn new(limits: HeldLimits) -> Self {
        Self(Held::new(limits), vec![])
    }
    /// Whether it is held; what gave way for it is kept.
    fn push(&mut self, holder: Holder, held: HeldPacket<u32>) -> bool {
        let gone = &mut self.1;
        let pushed = self.0.push(holder, held, |held, reason| {
            gone.push((held.packet, reason));
        });
        match pushed {
            Ok(_) => true,
            Err((held, reason)) => {
                gone.push((held.packet, reason));
                false
            }
        }
    }
    fn gone(&mut self) -> Vec<(u32, Reason)> {
        std::mem::take(&mut self.1)
    }
    fn pop_all(&mut self, session: u32) -> Vec<u32> {
        let session = SessionIndex(session);
        std::iter::from_fn(|| self.0.pop(session).map(|held| held.packet)).collect()
    }
}

#[test]
fn full_sessions_and_full_slabs_give_back() {
    let mut store = Store::new(limits(3));
    assert!(store.push(holder(1, 2), held(1, 0)));
    assert!(store.push(holder(1, 2), held(2, 0)));
    assert!(!store.push(holder(1, 2), held(3, 0)));
    assert_eq!(store.gone(), [(3, Reason::HoldSessionFull)]);
    assert!(store.push(holder(2, 2), held(4, 0)));
    assert!(!store.push(holder(2, 2), held(5, 0)));
    assert_eq!(store.gone(), [(5, Reason::HoldFull)]);
    assert_eq!(store.0.pop(SessionIndex(1)).unwrap().packet, 1);
    assert!(store.push(holder(2, 2), held(6, 0)));
    let mut none = Store::new(limits(0));
    assert!(!none.push(holder(1, 2), held(7, 0)));
    assert_eq!(none.gone(), [(7, Reason::HoldFull)]);
}

#[test]
fn octets_have_bounds_of_their_own() {
    let mut store = Store::new(HeldLimits {
        total: Bound {
            packets: 100,
            octets: 500,
        },
        session_octets: 300,
        ..limits(100)
    });
    for packet in 0..4 {
        assert_eq!(store.push(holder(1, 100), held(packet, 0)), packet < 3);
    }
    assert_eq!(store.gone(), [(3, Reason::HoldSessionFull)]);
    for packet in 4..7 {
        assert_eq!(store.push(holder(2, 100), held(packet, 0)), packet < 6);
    }
    assert_eq!(store.gone(), [(6, Reason::HoldFull)]);
    assert_eq!((store.0.len(), store.0.octets()), (5, 500));
    assert_eq!(store.pop_all(1), [0, 1, 2]);
    assert_eq!((store.0.len(), store.0.octets()), (2, 200));
}

#[test]
fn an_smf_over_its_share_takes_nothing_from_others() {
    let mut store = Store::new(HeldLimits {
        per_smf: Bound {
            packets: 3,
            octets: u64::MAX,
        },
        ..limits(100)
    });
    for packet in 0..5 {
        assert_eq!(
            store.push(holder(packet + 1, 9), held(packet, 0)),
            packet < 3
        );
    }
    let full = |packet| (packet, Reason::HoldSmfFull);
    assert_eq!(store.gone(), [full(3), full(4)]);
    let other = Holder {
        smf: 1,
        ..holder(9, 9)
    };
    assert!(store.push(other, held(9, 0)));
    store.pop_all(1);
    assert!(store.push(holder(5, 9), held(6, 0)));
}

#[test]
fn the_oldest_gives_way_where_that_is_wanted() {
    let mut store = Store::new(HeldLimits {
        when_full: WhenFull::Oldest,
        ..limits(4)
    });
    // A session alone loses its own, even when it may hold but one.
    for packet in 0..3 {
        assert!(store.push(holder(1, 1), held(packet, 0)));
        store.0.set_told(SessionIndex(1), FAR, None);
    }
    let session_full = |packet| (packet, Reason::HoldSessionFull);
    assert_eq!(store.gone(), [session_full(0), session_full(1)]);
    // The episode goes on meanwhile.
    assert!(store.0.is_told(SessionIndex(1), FAR, None));
    // When all is full, the session that got nothing for longest loses first.
    for (session, packet) in [(2, 10), (3, 11), (2, 12), (4, 13), (4, 14), (4, 15)] {
        assert!(store.push(holder(session, 9), held(packet, 0)));
    }
    let full = |packet| (packet, Reason::HoldFull);
    assert_eq!(store.gone(), [full(2), full(11), full(10)]);
    assert_eq!(store.0.idlest(), Some(SessionIndex(2)));
    assert_eq!(
        (store.pop_all(2), store.pop_all(4)),
        (vec![12], vec![13, 14, 15])
    );
    assert!(store.0.is_empty() && store.0.idlest().is_none());
    // What never fits is not let in at the cost of all others.
    assert!(!store.push(holder(5, 0), held(20, 0)));
    assert_eq!(store.gone(), [session_full(20)]);
}

#[test]
fn each_flow_of_each_far_is_told_of_once_and_no_more_than_a_few() {
    let mut store = Store::new(limits(4));
    let session = SessionIndex(1);
    assert!(store.push(holder(1, 4), held(1, 0)));
    assert!(!store.0.is_told(session, FAR, Qfi::new(1)));
    store.0.set_told(session, FAR, Qfi::new(1));
    assert!(store.0.is_told(session, FAR, Qfi::new(1)));
    for other in [(FAR, None), (FAR, Qfi::new(2)), (FarId(2), Qfi::new(1))] {
        assert!(!store.0.is_told(session, other.0, other.1), "{other:?}");
    }
    for qfi in 2..9 {
        store.0.set_told(session, FAR, Qfi::new(qfi));
    }
    assert!(store.0.is_told(session, FAR, Qfi::new(9)));
    // Another episode begins anew.
    store.pop_all(1);
    assert!(store.push(holder(1, 4), held(2, 0)));
    assert!(!store.0.is_told(session, FAR, Qfi::new(1)));
}

#[test]
fn old_packets_and_gone_sessions_are_found() {
    let mut store = Store::new(limits(64));
    assert!(store.push(holder(9, 2), held(1, 50)));
    let search = |store: &mut Store, now, life: Option<u64>| {
        (0..20).find_map(|_| store.0.due(Now(now), |_| life))
    };
    let expired = Some((SessionIndex(9), Reason::HoldExpired));
    let gone = Some((SessionIndex(9), Reason::HoldSessionGone));
    let cases = [
        (150, Some(0), None),
        (151, Some(0), expired),
        (60, None, gone),
        // A session may have a time of its own.
        (151, Some(200), None),
        (251, Some(200), expired),
        (61, Some(10), expired),
    ];
    for (now, life, found) in cases {
        assert_eq!(search(&mut store, now, life), found, "{now} {life:?}");
    }
}

/// The naive store: all packets in one list, in the order in which they came.
#[derive(Default)]
struct Model {
    packets: Vec<(u32, u32)>,
    /// Sessions in the order of their last arrivals.
    order: VecDeque<u32>,
}

impl Model {
    fn of(&self, session: u32) -> usize {
        self.packets.iter().filter(|held| held.0 == session).count()
    }
    fn remove_first(&mut self, session: u32) -> Option<u32> {
        let at = self.packets.iter().position(|held| held.0 == session)?;
        let (_, packet) = self.packets.remove(at);
        if self.of(session) == 0 {
            self.order.retain(|other| *other != session);
        }
        Some(packet)
    }
    fn push(&mut self, session: u32, packet: u32, total: usize, when_full: WhenFull) -> bool {
        let oldest = when_full == WhenFull::Oldest;
        if self.of(session) == 5 {
            if !oldest {
                return false;
            }
            self.remove_first(session);
        } else if self.packets.len() == total {
            let idlest = self.order.front().copied();
            if !oldest
                || idlest
                    .and_then(|idlest| self.remove_first(idlest))
                    .is_none()
            {
                return false;
            }
        }
        self.packets.push((session, packet));
        self.order.retain(|other| *other != session);
        self.order.push_back(session);
        true
    }
}

proptest! {
    #[test]
    fn behaves_as_a_list_of_packets(
        steps in prop::collection::vec((1_u32..40, 0..3), 0..600),
        oldest in any::<bool>(),
    ) {
        let when_full = if oldest { WhenFull::Oldest } else { WhenFull::Newest };
        let mut store = Store::new(HeldLimits { when_full, ..limits(24) });
        let mut model = Model::default();
        for (number, (session, kind)) in (0..).zip(steps) {
            if kind > 0 {
                let pushed = store.push(holder(session, 5), held(number, 0));
                prop_assert_eq!(pushed, model.push(session, number, 24, when_full));
            } else {
                let popped = store.0.pop(SessionIndex(session)).map(|held| held.packet);
                prop_assert_eq!(popped, model.remove_first(session));
            }
            prop_assert_eq!(usize::from(store.0.of(SessionIndex(session))), model.of(session));
            prop_assert_eq!(store.0.idlest(), model.order.front().map(|idle| SessionIndex(*idle)));
            prop_assert_eq!(index(store.0.len()), model.packets.len());
        }
        for session in 1..40 {
            let left: Vec<u32> = std::iter::from_fn(|| model.remove_first(session)).collect();
            prop_assert_eq!(store.pop_all(session), left);
        }
        prop_assert!(store.0.is_empty() && store.0.octets() == 0);
    }
}
