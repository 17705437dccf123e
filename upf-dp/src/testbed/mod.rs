//! A UPF in plain memory: the real path over the real tables, without DPDK. For tests, benchmarks
//! and fuzzing.
//!
//! ```text
//!  gNB 10.0.3.2 --- port 0: N3 10.0.3.1, VLAN 9: N9 10.0.9.1 | port 1: N6 10.0.6.1 --- gateway 10.0.6.254
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_lossless,
    clippy::indexing_slicing,
    reason = "for tests alone: a mistake here shall stop them"
)]

mod frames;
mod network;
mod outlet;
mod usual;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use arrayvec::ArrayVec;
use session::limit::Limits;
use session::meter::Now;
use session::neighbour::{Neighbours, NextHop};
use session::plan::Installed;
use session::report::{ControlEnd, WorkerEnd, queues};
use session::rule::{OuterHeaderCreation, UeAddress};
use session::topology::Topology;
use session::{
    Context, InterfaceId, NextHopId, Publisher, Reader, Rules, Seid, SessionIndex, Sizes, Tables,
    Teid, WorkerId,
};

use crate::counters::WorkerCells;
use crate::explain::{Explainer, Names};
use crate::links::{Links, PortLink};
use crate::packet::{BURST, Packet, PlainPacket};
use crate::path::{Meta, Metas, Path, PathConfig, Turn};
use crate::reason::Reason;
use crate::slow::SlowConfig;
use crate::watch::Watcher;

pub use frames::*;
pub use network::topology;
pub use outlet::TestOutlet;
pub use usual::usual_rules;

/// Cycles of a second here.
pub const HZ: u64 = 1_000_000_000;
/// The N3 interface.
pub const N3: InterfaceId = InterfaceId(0);
/// The N9 interface.
pub const N9: InterfaceId = InterfaceId(1);
/// The N6 interface.
pub const N6: InterfaceId = InterfaceId(2);
/// Our Ethernet address on port 0.
pub const MAC_N3: [u8; 6] = [2, 0, 0, 0, 3, 1];
/// Our Ethernet address on port 1.
pub const MAC_N6: [u8; 6] = [2, 0, 0, 0, 6, 1];
/// The gNB's.
pub const MAC_GNB: [u8; 6] = [2, 0, 0, 0, 3, 2];
/// The N6 gateway's.
pub const MAC_GATEWAY: [u8; 6] = [2, 0, 0, 0, 6, 0xfe];
/// Our address on N3.
pub const N3_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 3, 1);
/// Our IPv6 address on N3.
pub const N3_ADDRESS_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 3, 0, 0, 0, 0, 1);
/// Our address on N9.
pub const N9_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 9, 1);
/// Our address on N4.
pub const N4_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 4, 1);
/// The gNB's address.
pub const GNB: Ipv4Addr = Ipv4Addr::new(10, 0, 3, 2);
/// The gNB's IPv6 address.
pub const GNB_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 3, 0, 0, 0, 0, 2);
/// The next UPF on N9.
pub const PEER_UPF: Ipv4Addr = Ipv4Addr::new(10, 0, 9, 2);
/// A host in the data network.
pub const HOST: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
/// An IPv6 host in the data network.
pub const HOST_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xcafe, 0, 0, 0, 0, 7);

/// A worker and both ends of its queues.
#[derive(Debug)]
pub struct TestWorker {
    /// Its path.
    pub path: Path<PlainPacket>,
    /// Where its packets go.
    pub out: TestOutlet,
    /// The control side's end of its queues.
    pub control: ControlEnd,
    /// What it counts.
    pub cells: Arc<WorkerCells>,
    reader: Reader,
    end: WorkerEnd,
}

/// The UPF.
#[derive(Debug)]
pub struct Testbed {
    /// The control side's access to the tables.
    pub publisher: Publisher,
    /// Next hops.
    pub neighbours: Arc<Neighbours>,
    /// For those who want to know what would happen to a packet.
    pub explainer: Explainer,
    /// For those who want to watch packets.
    pub watcher: Watcher,
    /// The topology as compiled.
    pub links: Arc<Links>,
    /// Workers.
    pub workers: Vec<TestWorker>,
    /// The time.
    pub now: Now,
}

/// A session that is installed.
#[derive(Debug)]
pub struct TestSession {
    /// Its place.
    pub index: SessionIndex,
    /// Its owner.
    pub owner: WorkerId,
    /// Its uplink TEID.
    pub teid: Teid,
    /// Its UE's address.
    pub ue: Ipv4Addr,
    /// Its UE's IPv6 address.
    pub ue_v6: Ipv6Addr,
    /// What is in force.
    pub installed: Installed,
}

impl TestWorker {
    /// Packets arrive from a port or (not `received`) from another worker, in bursts.
    pub fn receive(&mut self, now: Now, packets: Vec<(u16, PlainPacket)>, received: bool) {
        let TestWorker {
            path,
            out,
            cells,
            reader,
            end,
            ..
        } = self;
        let mut packets = packets.into_iter().peekable();
        while packets.peek().is_some() {
            let mut batch = ArrayVec::<PlainPacket, BURST>::new();
            let mut metas = Metas::new();
            for (port, packet) in packets.by_ref().take(BURST) {
                if received {
                    cells.port(port).received_packets.add(1);
                    cells
                        .port(port)
                        .received_octets
                        .add(packet.data().len() as u64);
                } else {
                    cells.port(port).taken_over.add(1);
                }
                metas.push(if received {
                    Meta::received(port)
                } else {
                    Meta::taken_over(port)
                });
                batch.push(packet);
            }
            let mut turn = Turn {
                view: reader.snapshot(),
                now,
                out,
                end,
            };
            path.run(&mut batch, &mut metas, &mut turn);
        }
    }

    /// What happens between bursts.
    pub fn tend(&mut self, now: Now) {
        let Self {
            path,
            out,
            reader,
            end,
            ..
        } = self;
        let mut turn = Turn {
            view: reader.snapshot(),
            now,
            out,
            end,
        };
        path.commands(&mut turn);
        path.tend(&mut turn);
    }
}

impl Testbed {
    /// A UPF with room for `sessions`, the gateway and the gNB being known neighbours.
    pub fn new(workers: u8, sessions: u32) -> Self {
        Self::with(workers, sessions, SlowConfig::default(), 256)
    }

    /// The same with other bounds.
    pub fn with(workers: u8, sessions: u32, slow: SlowConfig, held_packets: u32) -> Self {
        let bounds = (slow, held_packets, 1600);
        Self::build(workers, sessions, bounds, |_| {})
    }

    /// The same with another MTU of both ports.
    pub fn with_mtu(workers: u8, sessions: u32, slow: SlowConfig, mtu: u16) -> Self {
        Self::build(workers, sessions, (slow, 256, mtu), |_| {})
    }

    /// With a few changes in what it is connected to.
    pub fn connected(workers: u8, change: impl FnOnce(&mut Topology)) -> Self {
        Self::build(workers, 8, (SlowConfig::default(), 256, 1600), change)
    }

    fn build(
        workers: u8,
        sessions: u32,
        (slow, held_packets, mtu): (SlowConfig, u32, u16),
        change: impl FnOnce(&mut Topology),
    ) -> Self {
        let mut topology = topology();
        change(&mut topology);
        let sizes = Sizes {
            sessions,
            tunnels: sessions + 8,
            workers,
            seed: 7,
        };
        let (publisher, readers) = Tables::create(sizes);
        let neighbours = Arc::new(Neighbours::default());
        let link = |mac| PortLink {
            mac,
            kernel_mac: None,
            mtu,
        };
        let ports = [link(MAC_N3), link(MAC_N6)];
        let links = Links::new(&topology, &ports, &[N4_ADDRESS.into()], &neighbours);
        let (links, watcher) = (Arc::new(links), Watcher::default());
        let names = Names {
            ports: ["ran", "core"].map(String::from).into(),
            topology: Arc::new(topology),
        };
        let explainer = Explainer::new(links.clone(), neighbours.clone(), names, slow);
        let workers = (0..workers).zip(readers).map(|(number, reader)| {
            let cells = Arc::new(WorkerCells::new(ports.len()));
            let config = PathConfig {
                worker: WorkerId(number),
                workers,
                hz: HZ,
                held: usual::held_limits(held_packets),
                slow,
            };
            let (end, control) = queues(64);
            TestWorker {
                path: Path::new(&config, links.clone(), neighbours.clone(), cells.clone())
                    .watched(watcher.add_worker()),
                out: TestOutlet::new(cells.clone()),
                control,
                cells,
                reader,
                end,
            }
        });
        let workers = workers.collect();
        let mut bed = Self {
            publisher,
            neighbours,
            explainer,
            watcher,
            links,
            workers,
            now: Now(HZ),
        };
        bed.name(N3, GNB.into(), Some(MAC_GNB));
        bed.name(N3, GNB_V6.into(), Some(MAC_GNB));
        bed.name(N9, PEER_UPF.into(), Some(MAC_GNB));
        bed.name(N6, "10.0.6.254".parse().unwrap(), Some(MAC_GATEWAY));
        bed.name(N6, "2001:db8:6::fe".parse().unwrap(), Some(MAC_GATEWAY));
        // The announcements and questions of the start are not what tests look for.
        for _ in 0..70 {
            bed.pass_ms(1);
            bed.tend();
        }
        (0..bed.workers.len()).for_each(|worker| drop(bed.sent(worker)));
        bed
    }

    /// Names a next hop, and gives it an Ethernet address.
    pub fn name(
        &mut self,
        interface: InterfaceId,
        address: IpAddr,
        mac: Option<[u8; 6]>,
    ) -> NextHopId {
        let hop = NextHop { interface, address };
        let id = self.neighbours.id(hop).unwrap();
        if let Some(mac) = mac {
            self.neighbours.learn(hop, mac);
        }
        id
    }

    /// A tunnel of the session towards a peer.
    pub fn tunnel(
        &mut self,
        interface: InterfaceId,
        peer: IpAddr,
        teid: Teid,
    ) -> OuterHeaderCreation {
        let source = match (interface, peer) {
            (N9, _) => N9_ADDRESS.into(),
            (_, IpAddr::V4(_)) => N3_ADDRESS.into(),
            (_, IpAddr::V6(_)) => N3_ADDRESS_V6.into(),
        };
        let hop = NextHop {
            interface,
            address: peer,
        };
        let next_hop = self.neighbours.id(hop);
        OuterHeaderCreation {
            teid,
            peer,
            interface,
            source,
            next_hop,
        }
    }

    /// Installs session `number` with the usual rules, which `change` may alter.
    pub fn install(&mut self, number: u32, change: impl FnOnce(&mut Rules)) -> TestSession {
        self.install_limited(number, None, change)
    }

    /// The same with limits above those of the rules.
    pub fn install_limited(
        &mut self,
        number: u32,
        limits: Option<Arc<Limits>>,
        change: impl FnOnce(&mut Rules),
    ) -> TestSession {
        let (index, owner) = self.publisher.reserve().unwrap();
        let teid = self.publisher.choose_teid(owner).unwrap();
        let ue = Ipv4Addr::from_bits(0x0a2d_0000 + number + 2);
        let ue_v6 = Ipv6Addr::from_bits(
            0x2001_0db8_0045_0000_0000_0000_0000_0001 | u128::from(number) << 64,
        );
        let tunnel = self.tunnel(N3, GNB.into(), Teid(0x1000 + number));
        let mut rules = usual_rules(
            teid,
            UeAddress {
                ipv4: Some(ue),
                ipv6: None,
            },
            tunnel,
        );
        rules.seid = Seid(u64::from(number));
        change(&mut rules);
        let installed = Installed::limited(limits);
        let mut session = TestSession {
            index,
            owner,
            teid,
            ue,
            ue_v6,
            installed,
        };
        self.put(&mut session, rules);
        session
    }

    /// Puts other rules in force.
    pub fn modify(&mut self, session: &mut TestSession, change: impl FnOnce(&mut Rules)) {
        let mut rules = session.installed.rules.clone();
        change(&mut rules);
        self.put(session, rules);
    }

    fn put(&mut self, session: &mut TestSession, rules: Rules) {
        let context = Context {
            session: session.index,
            owner: session.owner,
            hz: HZ,
            burst: session::meter::Burst::of_ms(100),
            buffer_packets: 32,
            ..Context::default()
        };
        let teid = session.teid;
        let compiled = session
            .installed
            .compile(rules, &context, |tunnel| tunnel.teid == teid)
            .unwrap();
        self.publisher
            .publish(session.index, compiled.plan, &compiled.keys)
            .unwrap();
        session.installed = compiled.installed;
    }

    /// Ends a session.
    pub fn withdraw(&mut self, session: &TestSession) {
        let keys = session.installed.keys();
        self.publisher.withdraw(session.index, &keys);
    }

    /// Frames arrive at the first worker; returns what it sent.
    pub fn receive(&mut self, port: u16, frames: &[Vec<u8>]) -> Vec<(u16, Vec<u8>)> {
        let packets = frames
            .iter()
            .map(|frame| (port, PlainPacket::new(frame)))
            .collect();
        self.receive_at(0, packets, true);
        self.sent(0)
    }

    /// One frame; returns the one that was sent, if any.
    pub fn one(&mut self, port: u16, frame: &[u8]) -> Option<(u16, Vec<u8>)> {
        let mut sent = self.receive(port, &[frame.to_vec()]);
        assert!(sent.len() <= 1, "one frame became {}", sent.len());
        sent.pop()
    }

    /// Packets arrive at a worker, from a port or (not `received`) from another worker.
    pub fn receive_at(&mut self, worker: usize, packets: Vec<(u16, PlainPacket)>, received: bool) {
        self.workers[worker].receive(self.now, packets, received);
        self.check();
    }

    /// Gives every packet that was handed over to its worker.
    pub fn carry_over(&mut self) {
        for from in 0..self.workers.len() {
            for (to, port, packet) in std::mem::take(&mut self.workers[from].out.handed_over) {
                self.receive_at(usize::from(to.0), vec![(port, packet)], false);
            }
        }
    }

    /// What happens between bursts.
    pub fn tend(&mut self) {
        for worker in &mut self.workers {
            worker.tend(self.now);
        }
        self.check();
    }

    /// Time passes.
    pub fn pass_ms(&mut self, ms: u64) {
        self.now.0 += ms * (HZ / 1000);
    }

    /// Takes what a worker has sent.
    pub fn sent(&mut self, worker: usize) -> Vec<(u16, Vec<u8>)> {
        let sent = std::mem::take(&mut self.workers[worker].out.sent);
        sent.into_iter()
            .map(|(port, packet)| (port, packet.data().to_vec()))
            .collect()
    }

    /// Packets dropped for this reason, by the first worker.
    pub fn dropped(&self, reason: Reason) -> u64 {
        self.workers[0].cells.read().dropped(reason)
    }

    /// Why the first worker dropped packets, and how many.
    pub fn drops(&self) -> Vec<(Reason, u64)> {
        let counts = self.workers[0].cells.read();
        let all = Reason::ALL
            .iter()
            .map(|reason| (*reason, counts.dropped(*reason)));
        all.filter(|(_, count)| *count > 0).collect()
    }

    /// No packet is unaccounted for.
    ///
    /// # Panics
    /// When one is.
    pub fn check(&self) {
        for worker in &self.workers {
            let counts = worker.cells.read();
            assert_eq!(counts.missing(), 0, "{counts:?}");
            assert_eq!(counts.dropped(Reason::Undecided), 0, "{counts:?}");
        }
    }
}
