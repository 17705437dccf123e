//! What would happen to a packet: it goes through the very stages of the path, over tables that
//! hold nothing but the sessions that it needs, and nothing leaves.

use std::sync::Arc;

use arrayvec::ArrayVec;
use session::meter::{Burst, Now};
use session::neighbour::Neighbours;
use session::plan::Installed;
use session::report::queues;
use session::rule::LocalFTeid;
use session::topology::Role;
use session::{
    Context, InterfaceId, Publisher, Reader, Rules, Sizes, Sought, Tables, UrrId, WorkerId,
};

use super::{Explanation, Names, explain, signalled_teid, user_destination};
use crate::counters::WorkerCells;
use crate::held::{Bound, HeldLimits, WhenFull};
use crate::links::Links;
use crate::outlet::Outlet;
use crate::packet::{BURST, PlainPacket};
use crate::path::{Key, Meta, Metas, Path, PathConfig, Punt, Turn};
use crate::slow::SlowConfig;
use crate::watch::{Filter, Outcome, Room, Sample, Watching};
use crate::wire;

/// Cycles of a second here.
const HZ: u64 = 1_000_000_000;
/// What is explained begins at this time.
const START: u64 = HZ;
/// Packets that a session may hold, as far as explanations go.
const HELD_MAX: u16 = 64;
/// How much of a rate passes at once, in milliseconds.
const BURST_MS: u32 = 100;
/// Who sends frames that have no sender.
const SOMEBODY: [u8; 6] = [2, 0, 0, 0, 0, 1];

/// Says what would happen to packets.
#[derive(Clone, Debug)]
pub struct Explainer {
    links: Arc<Links>,
    neighbours: Arc<Neighbours>,
    names: Names,
    slow: SlowConfig,
}

/// A session that packets may be of.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Its rules.
    pub rules: Rules,
    /// Its URRs whose quota is used up.
    pub exhausted: Vec<UrrId>,
}

/// Where a packet comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The port.
    pub port: u16,
    /// The interface, when it is known.
    pub interface: Option<InterfaceId>,
}

/// What would happen.
#[derive(Debug, Default)]
pub struct Explained {
    /// To each packet in turn; to one that goes on to another UE twice.
    pub explanations: Vec<Explanation>,
    /// What was looked up in vain: if there are such sessions, ask again with them.
    pub sought: Vec<Sought>,
}

impl Explainer {
    /// For a UPF with these links and neighbours.
    pub(crate) const fn new(
        links: Arc<Links>,
        neighbours: Arc<Neighbours>,
        names: Names,
        slow: SlowConfig,
    ) -> Self {
        Self {
            links,
            neighbours,
            names,
            slow,
        }
    }

    /// The same with other names for the ports.
    #[must_use]
    pub fn with_ports(mut self, ports: impl IntoIterator<Item = String>) -> Self {
        self.names.ports = ports.into_iter().collect();
        self
    }

    /// What things are called.
    pub const fn names(&self) -> &Names {
        &self.names
    }

    /// Says what happened to a packet that a worker took a sample of.
    pub fn tell(&self, sample: &Sample, rules: Option<&Rules>) -> Explanation {
        explain(sample, &self.names, &self.neighbours, rules)
    }

    /// Says what would happen to frames, each given with the port that it comes by and when, in
    /// nanoseconds after the first one. None of them is sent, counted or charged.
    pub fn explain(&self, frames: &[(u16, u64, Vec<u8>)], sessions: &[Known]) -> Explained {
        let octets = frames.iter().map(|(_, _, frame)| frame.len()).max();
        let room = Room {
            // One from UE to UE is seen twice, and one that is put together of fragments, too.
            packets: 4 * BURST,
            octets: 4 * octets.unwrap_or(0).max(1024),
        };
        // What packets bring on must not be seen by the workers.
        let neighbours = Arc::new((*self.neighbours).clone());
        let mut scratch = Scratch::new(self, &neighbours, sessions, room);
        let mut explained = Explained::default();
        for (port, after_ns, frame) in frames {
            scratch.receive(*port, Now(START.saturating_add(*after_ns)), frame);
            scratch.watching.read(usize::MAX, |sample| {
                explained.sought.extend(sought(sample));
                let of = |(_, seid)| sessions.iter().find(|known| known.rules.seid == seid);
                let rules = sample.session.and_then(of).map(|known| &known.rules);
                let told = explain(sample, &self.names, &neighbours, rules);
                explained.explanations.push(told);
            });
        }
        explained
    }

    // ===== where packets come in =====

    /// The interface of that name, or the first of that role (`n3`, `n6`, `n9`), or a port.
    pub fn place(&self, name: &str) -> Option<Place> {
        let topology = &self.names.topology;
        let role = match name.to_ascii_lowercase().as_str() {
            "n3" => Some(Role::N3),
            "n6" => Some(Role::N6),
            "n9" => Some(Role::N9),
            _ => None,
        };
        let mut all = topology.interfaces.iter();
        let named = all.find(|interface| interface.name == name);
        let found = named.or_else(|| {
            let mut all = topology.interfaces.iter();
            all.find(|interface| Some(interface.role) == role)
        });
        if let Some(found) = found {
            return Some(Place {
                port: found.port,
                interface: Some(found.id),
            });
        }
        let port = self.names.ports.iter().position(|port| port == name)?;
        Some(Place {
            port: u16::try_from(port).ok()?,
            interface: None,
        })
    }

    /// The port whose Ethernet address a frame goes to; if none has it, the one that its IP packet
    /// seems to come in by, or the first.
    pub fn place_of_frame(&self, frame: &[u8]) -> Place {
        let to = frame.first_chunk();
        let is_it = |port: &u16| {
            let link = self.links.port(*port);
            link.is_some_and(|link| Some(&link.mac) == to)
        };
        let ports = u16::try_from(self.links.ports()).unwrap_or(u16::MAX);
        let addressed = (0..ports).find(is_it);
        let packet = || {
            let place = self.place_of_packet(frame.get(14..)?)?;
            Some(place.port)
        };
        Place {
            port: addressed.or_else(packet).unwrap_or(0),
            interface: None,
        }
    }

    /// The interface that an IP packet seems to come in by: where its destination is ours; else a
    /// data network, that of its UE pools if it is in any.
    pub fn place_of_packet(&self, packet: &[u8]) -> Option<Place> {
        let inner = session::inner::Inner::parse(packet).ok()?;
        let to = inner.destination();
        let topology = &self.names.topology;
        let is_ours = |net: &ipnet::IpNet| net.addr() == to;
        let mut all = topology.interfaces.iter();
        let ours = all.find(|interface| interface.addresses.iter().any(is_ours));
        let holds = |pool: &ipnet::IpNet| pool.contains(&to);
        let network = || {
            let mut all = topology.networks.iter();
            let network = all.find(|network| network.ue_pools.iter().any(holds))?;
            topology.interfaces.get(usize::from(network.interface.0))
        };
        let any = || {
            let mut all = topology.interfaces.iter();
            all.find(|interface| interface.role == Role::N6)
        };
        let found = ours.or_else(network).or_else(any)?;
        Some(Place {
            port: found.port,
            interface: Some(found.id),
        })
    }

    /// Puts an IP packet in a frame to us.
    pub fn frame(&self, place: Place, packet: &[u8]) -> Option<Vec<u8>> {
        let port = self.links.port(place.port)?;
        let all = &self.names.topology.interfaces;
        let interface = place.interface.and_then(|id| all.get(usize::from(id.0)));
        let mut frame = [port.mac, SOMEBODY].concat();
        if let Some(vlan) = interface.and_then(|interface| interface.vlan) {
            frame.extend(wire::VLAN.to_be_bytes());
            frame.extend(vlan.to_be_bytes());
        }
        let v6 = packet.first()? >> 4 == 6;
        let ether_type = if v6 { wire::IPV6 } else { wire::IPV4 };
        frame.extend(ether_type.to_be_bytes());
        frame.extend(packet);
        Some(frame)
    }
}

/// What a packet was looked up by in vain.
fn sought(sample: &Sample) -> Option<Sought> {
    let interface = sample.interface;
    let tunnel = |teid| Sought::Tunnel(LocalFTeid { teid, interface });
    let signalling = matches!(
        sample.outcome(),
        Outcome::Answered(Punt::Gtpu) | Outcome::Consumed(Punt::Gtpu) | Outcome::Dropped(_)
    );
    match sample.key {
        _ if sample.session.is_some() => None,
        Key::Tunnel(teid) => Some(tunnel(teid)),
        Key::Ipv4(_) | Key::Ipv6 => Some(Sought::Ue(interface, user_destination(sample)?)),
        Key::Station | Key::Session(_) => None,
        Key::None => signalled_teid(sample).filter(|_| signalling).map(tunnel),
    }
}

/// A path over tables of its own.
#[derive(Debug)]
struct Scratch {
    path: Path<PlainPacket>,
    cells: Arc<WorkerCells>,
    reader: Reader,
    end: session::report::WorkerEnd,
    watching: Watching,
    /// Kept: the tables are as long as it is.
    _publisher: Publisher,
}

impl Scratch {
    fn new(of: &Explainer, neighbours: &Arc<Neighbours>, sessions: &[Known], room: Room) -> Self {
        let count = u32::try_from(sessions.len()).unwrap_or(u32::MAX).max(1);
        let pdrs: usize = sessions.iter().map(|known| known.rules.pdrs.len()).sum();
        let held: usize = sessions.iter().map(|known| known.rules.held().len()).sum();
        let (mut publisher, readers) = Tables::create(Sizes {
            sessions: count,
            tunnels: u32::try_from(pdrs + held).unwrap_or(u32::MAX).max(1),
            workers: 1,
            seed: 1,
        });
        for known in sessions {
            install(&mut publisher, known);
        }
        let cells = Arc::new(WorkerCells::new(of.links.ports()));
        let config = PathConfig {
            worker: WorkerId(0),
            workers: 1,
            hz: HZ,
            held: HELD,
            slow: of.slow,
        };
        let (watching, tap) = Watching::alone(&Filter::default(), room);
        // Workers must not hear what is heard here.
        let links = Arc::new((*of.links).clone());
        let mut path = Path::new(&config, links, Arc::clone(neighbours), Arc::clone(&cells));
        // There is no other.
        let taken = path.watch.take_in(tap);
        debug_assert!(taken.is_ok(), "a path of one's own has room for a tap");
        let (end, _control) = queues(usize::from(HELD_MAX));
        let mut readers = readers;
        Self {
            path,
            cells,
            // One for the one worker.
            reader: readers.swap_remove(0),
            end,
            watching,
            _publisher: publisher,
        }
    }

    fn receive(&mut self, port: u16, now: Now, frame: &[u8]) {
        self.cells.port(port).received_packets.add(1);
        let mut batch = ArrayVec::<PlainPacket, BURST>::new();
        let mut metas = Metas::new();
        batch.push(PlainPacket::new(frame));
        metas.push(Meta::received(port));
        let mut turn = Turn {
            view: self.reader.snapshot(),
            now,
            out: &mut Nowhere,
            end: &mut self.end,
        };
        self.path.run(&mut batch, &mut metas, &mut turn);
    }
}

/// As much as anybody explains.
const HELD: HeldLimits = HeldLimits {
    total: Bound {
        packets: 1024,
        octets: u64::MAX,
    },
    per_smf: Bound::NONE,
    smfs: 1,
    session_octets: u64::MAX,
    when_full: WhenFull::Newest,
    expiry_cycles: u64::MAX,
};

/// Puts a session in force, with policers and counters of its own. One that cannot be compiled is
/// in force nowhere else, either.
fn install(publisher: &mut Publisher, known: &Known) -> Option<()> {
    let (session, owner) = publisher.reserve()?;
    let context = Context {
        session,
        owner,
        hz: HZ,
        burst: Burst::of_ms(BURST_MS),
        buffer_packets: HELD_MAX,
        ..Context::default()
    };
    let mut rules = known.rules.clone();
    rules.pdn = rules.pdn.apart();
    let compiled = Installed::default()
        .compile(rules, &context, |_| false)
        .ok()?;
    publisher
        .publish(session, compiled.plan, &compiled.keys)
        .ok()?;
    for urr in &known.exhausted {
        if let Some(usage) = compiled.installed.usage(*urr) {
            usage.exhaust(false);
        }
    }
    Some(())
}

/// Nothing leaves.
#[derive(Debug)]
struct Nowhere;

impl Outlet<PlainPacket> for Nowhere {
    fn send(&mut self, _port: u16, _packet: PlainPacket) {}
    fn hand_over(
        &mut self,
        _to: WorkerId,
        _port: u16,
        packet: PlainPacket,
    ) -> Result<(), PlainPacket> {
        Err(packet)
    }
    fn buffer(&mut self) -> Option<PlainPacket> {
        Some(PlainPacket::new(&[]))
    }
    fn is_short(&self) -> bool {
        false
    }
    fn flush(&mut self) {}
}
