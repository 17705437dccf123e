//! Random operations, seeded: after every step the node's sessions are those in force, keys lead to
//! their owners alone, a refusal has changed nothing; and in the end nothing is left.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use pfcp::{
    ApplyAction, Cause, DestinationInterface, FTeid, Message, Pdi, SessionModificationRequest,
    UpdatePdr,
};
use session::rule::{LocalFTeid, SourceInterface};
use session::{Rules, Seid};
use support::*;
use upf_cp::NodeConfig;

const SESSIONS: u32 = 16;

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from((x ^ (x >> 31)) % u64::from(sides)).unwrap()
    }
}

struct Run {
    world: World,
    dice: Dice,
    /// Our SEIDs.
    live: Vec<u64>,
    tunnels: BTreeSet<(u8, u32)>,
}

impl Run {
    fn new(seed: u64) -> Self {
        let config = NodeConfig::new(ip(UPF));
        let mut world = World::seeded(config, topology(), 5, SESSIONS);
        world.associate();
        Self {
            world,
            dice: Dice(seed),
            live: vec![],
            tunnels: BTreeSet::new(),
        }
    }

    fn any_session(&mut self) -> Option<u64> {
        let count = u32::try_from(self.live.len()).unwrap();
        (count > 0).then(|| self.live[self.dice.roll(count) as usize])
    }

    /// Mostly to choose; sometimes given, from few, so that they collide.
    fn f_teid(&mut self) -> FTeid {
        match self.dice.roll(6) {
            0 => FTeid::given(1 + self.dice.roll(6), ip(N3)),
            1 => choose(None),
            _ => choose(Some(u8::try_from(5 + self.dice.roll(2)).unwrap())),
        }
    }

    fn establish(&mut self) {
        let n = u8::try_from(1 + self.dice.roll(24)).unwrap();
        let mut request = open5gs(n);
        // A SEID of its own, now and then one that is there.
        request.cp_f_seid.seid = 1 + u64::from(self.dice.roll(200));
        request.create_pdrs[1].pdi.local_f_teid = Some(self.f_teid());
        if self.dice.roll(5) == 0 {
            request.create_pdrs[3].far_id = Some(99.into());
        }
        let Message::SessionEstablishmentResponse(answer) = self.world.ask(Some(0), &request)
        else {
            panic!()
        };
        if answer.cause == Cause::REQUEST_ACCEPTED {
            self.live.push(answer.up_f_seid.unwrap().seid);
        }
    }

    fn modify(&mut self, seid: u64) {
        let before = self.world.rules(seid);
        let mut request = SessionModificationRequest::default();
        for _ in 0..=self.dice.roll(2) {
            self.add_operation(&mut request);
        }
        let answer = self.world.modify(seid, &request);
        if answer.cause != Cause::REQUEST_ACCEPTED {
            assert_eq!(self.world.rules(seid), before, "a refusal changes nothing");
        }
    }

    fn add_operation(&mut self, request: &mut SessionModificationRequest) {
        let id = u16::try_from(4 + self.dice.roll(5)).unwrap();
        match self.dice.roll(7) {
            0 => request
                .update_fars
                .extend(activate(1 + self.dice.roll(9), "10.10.3.101").update_fars),
            1 => request.update_fars.extend(idle().update_fars),
            2 | 3 => {
                let pdi = Pdi {
                    local_f_teid: Some(self.f_teid()),
                    ..uplink_pdi()
                };
                request
                    .create_pdrs
                    .push(pdr(id, self.dice.roll(100), 2, pdi));
            }
            4 => request.remove_pdrs.push(pfcp::RemovePdr {
                pdr_id: id.into(),
                ..Default::default()
            }),
            5 => {
                let pdi = Pdi {
                    local_f_teid: Some(self.f_teid()),
                    ..Default::default()
                };
                let update = UpdatePdr {
                    pdr_id: id.into(),
                    pdi: Some(pdi),
                    ..Default::default()
                };
                request.update_pdrs.push(update);
            }
            _ => {
                let tunnel = to(DestinationInterface::ACCESS, Some((7, "10.10.3.102")));
                request.create_fars.push(far(
                    20 + self.dice.roll(4),
                    ApplyAction::FORW,
                    Some(tunnel),
                ));
            }
        }
    }

    fn step(&mut self) {
        match (self.dice.roll(20), self.any_session()) {
            (0, _) => {
                self.world.associate();
                self.live.clear();
            }
            (1..=3, Some(seid)) => {
                assert_eq!(self.world.delete(seid).cause, Cause::REQUEST_ACCEPTED);
            }
            (4..=13, Some(seid)) => self.modify(seid),
            (14, _) => self.world.pass(1_100),
            _ => self.establish(),
        }
        let there: BTreeSet<u64> = self
            .world
            .node
            .sessions()
            .map(|(_, rules)| rules.seid.0)
            .collect();
        self.live.retain(|seid| there.contains(seid));
        assert_eq!(self.live.len(), there.len());
        self.check();
    }

    /// Sessions of the node = plans in force; every key leads to its owner, and no other does.
    fn check(&mut self) {
        let sessions: Vec<(_, Rules)> = self
            .world
            .node
            .sessions()
            .map(|(index, rules)| (index, rules.clone()))
            .collect();
        assert_eq!(
            self.world.node.publisher().sessions() as usize,
            sessions.len()
        );
        let mut owners: BTreeMap<(u8, u32), Seid> = BTreeMap::new();
        for reader in &mut self.world.readers {
            let snapshot = reader.snapshot();
            for (index, rules) in &sessions {
                let plan = snapshot.session(*index).expect("in force");
                assert_eq!(
                    (plan.seid, plan.steps().count()),
                    (rules.seid, rules.pdrs.len())
                );
                for tunnel in rules.pdrs.iter().filter_map(|pdr| pdr.pdi.local_f_teid) {
                    let handle = snapshot.tunnel(tunnel).expect("found");
                    assert_eq!(snapshot.plan(handle).unwrap().seid, rules.seid);
                    let key = (tunnel.interface.0, tunnel.teid.0);
                    let owner = *owners.entry(key).or_insert(rules.seid);
                    assert_eq!(owner, rules.seid, "one session for each F-TEID");
                }
                let core = rules
                    .pdrs
                    .iter()
                    .find(|p| p.pdi.source_interface == SourceInterface::Core);
                if let (Some(core), Some(address)) = (core, rules.ue.ipv4) {
                    let handle = snapshot
                        .ipv4(core.pdi.vrf.unwrap(), address)
                        .expect("found");
                    assert_eq!(snapshot.plan(handle).unwrap().seid, rules.seid);
                }
            }
            self.tunnels.extend(owners.keys());
            for (interface, teid) in &self.tunnels {
                if !owners.contains_key(&(*interface, *teid)) {
                    let tunnel = LocalFTeid {
                        interface: (*interface).into(),
                        teid: (*teid).into(),
                    };
                    assert!(snapshot.tunnel(tunnel).is_none(), "gone is gone");
                }
            }
        }
    }

    fn end(mut self) {
        for seid in std::mem::take(&mut self.live) {
            assert_eq!(self.world.delete(seid).cause, Cause::REQUEST_ACCEPTED);
        }
        self.check();
        self.world.pass(20_000);
        assert_eq!(self.world.node.publisher().retired(), 0);
        assert_eq!(self.world.node.transactions().1, 0);
        // All places and TEIDs are there again, as often as one likes.
        for _ in 0..8 {
            for n in 1..=u8::try_from(SESSIONS).unwrap() {
                self.live.push(self.world.establish(&open5gs(n)).0);
            }
            for seid in std::mem::take(&mut self.live) {
                self.world.delete(seid);
            }
            self.check();
        }
    }
}

#[test]
fn whatever_comes_the_tables_are_right() {
    for seed in 0..10 {
        let mut run = Run::new(seed);
        for _ in 0..120 {
            run.step();
        }
        // Enough of it was accepted to mean something.
        assert!(run.world.node.counters().established > 20);
        run.end();
    }
}
