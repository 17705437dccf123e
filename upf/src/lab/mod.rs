//! The simulated world around the UPF's ring ports: gNBs on N3, a data network on N6, on an lcore
//! of their own. Who plays with it sends it work; packets never leave its thread.

pub(crate) mod exhibits;
mod handle;
mod load;
mod names;
mod receive;
mod wire;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use dpdk::{Mbuf, Pool};
use simulator::{DataNetwork, Direction, Gnb, Session, Sessions, Tag, Tally, Tunnel, gtp};

use exhibits::{Exhibits, Link};
use handle::Work;
use load::{Load, Stopwatch};
use wire::Wire;

pub(crate) use handle::Handle;
pub(crate) use names::{configuration, flavour, loopback, tunnel, ue_addresses};
pub(crate) use wire::Carried;

/// The UPF's address on N3.
pub(crate) const UPF_N3: Ipv4Addr = Ipv4Addr::new(10, 10, 3, 7);
/// The UPF's addresses on N6.
pub(crate) const UPF_N6: (Ipv4Addr, Ipv6Addr) = (
    Ipv4Addr::new(10, 10, 6, 7),
    Ipv6Addr::new(0x2001, 0xdb8, 6, 0, 0, 0, 0, 7),
);
/// The gNBs.
pub(crate) const GNBS: [Ipv4Addr; 3] = [
    Ipv4Addr::new(10, 10, 3, 101),
    Ipv4Addr::new(10, 10, 3, 102),
    Ipv4Addr::new(10, 10, 3, 103),
];
/// The first octets of their Ethernet addresses; the last is their number, from 1.
const GNB_MAC: [u8; 5] = [0x02, 0, 0, 0, 0x03];
/// The TEID that gNBs give session 0; those of the others follow.
const FIRST_TEID: u32 = 0x6e00_0000;
/// The server that UEs talk to.
pub(crate) const SERVER: (Ipv4Addr, Ipv6Addr) = (
    Ipv4Addr::new(10, 10, 6, 1),
    Ipv6Addr::new(0x2001, 0xdb8, 6, 0, 0, 0, 0, 1),
);

/// Packets on their way through the UPF at a time, each direction: less than any ring holds.
const IN_FLIGHT_MAX: u64 = 1024;
/// Packets sent to a port in one go.
const BURST: usize = 32;

/// How many packets out of the ordinary are remembered of each kind.
const SEEN_MAX: usize = 65_536;
/// How many downlink packets are.
const TAGS_MAX: usize = 64;

/// What came out of the UPF beside user packets, by kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) end_markers: Vec<Tunnel>,
    pub(crate) error_indications: Vec<Tunnel>,
    pub(crate) echo_responses: u32,
    pub(crate) downlink_tags: Vec<(u32, u64)>,
}

/// The world itself; lives on its lcore.
pub(crate) struct Lab {
    n3: Wire,
    n6: Wire,
    pool: &'static Pool,
    gnbs: [Gnb; GNBS.len()],
    network: DataNetwork,
    /// The sessions, as packets are sent for them and have to come out.
    pub(crate) sessions: Sessions,
    /// Sessions under change, as their packets may come out as well.
    changing: Sessions,
    /// Packets that all have to come out.
    pub(crate) tally: Tally,
    /// Packets of sessions from [`Lab::uncertain_from`] on: they may be lost, if the UPF says why.
    pub(crate) beside: Tally,
    /// The first session whose packets may be lost.
    pub(crate) uncertain_from: u32,
    pub(crate) seen: Seen,
    /// What is kept to be shown, if anything is.
    pub(crate) exhibits: Option<Exhibits>,
    sequences: BTreeMap<(Direction, u32), u64>,
    /// Octets of user packets that came out, by session.
    came_out: BTreeMap<u32, u64>,
    load: Option<Load>,
    stopwatch: Stopwatch,
    /// The gNB that has fallen silent.
    silent: Option<usize>,
    /// Buffers that are kept from the UPF.
    hoard: Vec<Mbuf>,
}

impl Lab {
    fn new(
        n3: Wire,
        n6: Wire,
        pool: &'static Pool,
        stopwatch: Stopwatch,
        exhibits: Option<Exhibits>,
    ) -> Self {
        let servers = vec![IpAddr::from(SERVER.0), IpAddr::from(SERVER.1)];
        let gnb = |number: u8, address: Ipv4Addr| {
            let [a, b, c, d, e] = GNB_MAC;
            let mac = [a, b, c, d, e, number];
            Gnb::new(mac, None, address.into(), UPF_N3.into(), servers.clone())
        };
        let [first, second, third] = GNBS;
        let upf = vec![IpAddr::from(UPF_N6.0), IpAddr::from(UPF_N6.1)];
        let mac = [0x02, 0, 0, 0, 0x06, 1];
        Self {
            n3,
            n6,
            pool,
            gnbs: [gnb(1, first), gnb(2, second), gnb(3, third)],
            network: DataNetwork::new(mac, None, servers.clone(), Vec::new(), upf),
            sessions: Sessions::default(),
            changing: Sessions::default(),
            tally: Tally::default(),
            beside: Tally::default(),
            uncertain_from: u32::MAX,
            seen: Seen::default(),
            exhibits,
            sequences: BTreeMap::new(),
            came_out: BTreeMap::new(),
            load: None,
            stopwatch,
            silent: None,
            hoard: Vec::new(),
        }
    }

    /// Sends its load, answers what the UPF asks and does what it is told, until nobody is left to
    /// tell.
    fn live(mut self, todo: &Receiver<Work>) -> Option<Exhibits> {
        loop {
            let work = if self.load.is_some() {
                todo.try_recv()
                    .map_err(|error| error == TryRecvError::Empty)
            } else {
                let work = todo.recv_timeout(Duration::from_millis(1));
                work.map_err(|error| error == RecvTimeoutError::Timeout)
            };
            match work {
                Ok(work) => work(&mut self),
                Err(true) if self.load.is_some() => self.turn(),
                Err(true) => drop(self.collect()),
                Err(false) => return self.exhibits,
            }
        }
    }

    /// Asks for the UPF's Ethernet addresses until they are known.
    pub(crate) fn find_upf(&mut self) -> bool {
        for _ in 0..200 {
            let questions: Vec<_> = self.gnbs.iter().map(Gnb::find_upf).collect();
            for question in questions {
                self.send_n3(&question, "who has the UPF's N3 address?");
            }
            for question in self.network.find_upf() {
                self.send_n6(&question, "who has the UPF's N6 address?");
            }
            self.wait(Duration::from_millis(10));
            if self.gnbs.iter().all(Gnb::knows_upf) && self.network.knows_upf() {
                return true;
            }
        }
        false
    }

    /// Sends a packet each way for a few sessions, so that the UPF finds the Ethernet addresses of
    /// gNBs and servers: like any router it holds only a few packets for a neighbour meanwhile.
    pub(crate) fn warm_up(&mut self, payload_octets: u16) {
        let few: Vec<Session> = self.sessions.iter().take(4).cloned().collect();
        for session in &few {
            self.uplink(session, payload_octets);
            self.downlink(session, payload_octets);
            self.flush();
            self.settle(Duration::from_secs(3));
        }
    }

    /// Begins to send uplink and downlink packets of all sessions in turn, as fast as they come out
    /// again.
    pub(crate) fn start_load(&mut self, payload_octets: u16) {
        let mut load = Load::new(payload_octets);
        for session in self.sessions.iter() {
            load.put(session.clone(), self.is_certain(session.number));
        }
        self.load = Some(load);
    }

    /// Sends no more load, and waits for what is under way, but not for longer than `at_most`.
    pub(crate) fn stop_load(&mut self, at_most: Duration) {
        self.load = None;
        self.settle(at_most);
    }

    /// A packet each way for some sessions.
    fn turn(&mut self) {
        let Some(load) = &mut self.load else { return };
        let (payload, certain, beside) = (load.payload_octets, load.certain(), load.beside());
        let mut idle = true;
        for session in &certain {
            if self.in_flight(Direction::Uplink) < IN_FLIGHT_MAX {
                idle = !self.uplink(session, payload) && idle;
            }
            if self.in_flight(Direction::Downlink) < IN_FLIGHT_MAX {
                idle = !self.downlink(session, payload) && idle;
            }
        }
        // Nobody knows how many of these are under way: they keep the pace of the others.
        for session in beside.iter().filter(|_| !idle) {
            self.uplink(session, payload);
            self.downlink(session, payload);
        }
        self.flush();
        if self.collect() == 0 && idle {
            std::thread::yield_now();
        }
    }

    const fn is_certain(&self, session: u32) -> bool {
        session < self.uncertain_from
    }

    fn tally_of(&mut self, session: u32) -> &mut Tally {
        if self.is_certain(session) {
            &mut self.tally
        } else {
            &mut self.beside
        }
    }

    /// These sessions are being changed: their packets may come out as they do now, or like this.
    pub(crate) fn expect(&mut self, sessions: Vec<Session>) {
        for session in sessions {
            self.changing.insert(session);
        }
    }

    /// The UPF has answered: these sessions are so from now on, and those of these numbers are no
    /// more. Gives the octets of user packets that came out for those.
    pub(crate) fn changed(&mut self, sessions: Vec<Session>, gone: &[u32]) -> Vec<(u32, u64)> {
        // What it did before it answered is in the rings.
        while self.collect() > 0 {}
        for session in sessions {
            self.changing.remove(session.number);
            let is_certain = self.is_certain(session.number);
            if let Some(load) = &mut self.load {
                load.put(session.clone(), is_certain);
            }
            self.sessions.insert(session);
        }
        let mut octets = Vec::with_capacity(gone.len());
        for number in gone.iter().copied() {
            self.changing.remove(number);
            self.sessions.remove(number);
            if let Some(load) = &mut self.load {
                load.take_out(number);
            }
            self.tally_of(number).forget(number);
            for direction in [Direction::Uplink, Direction::Downlink] {
                self.sequences.remove(&(direction, number));
            }
            octets.push((number, self.came_out.remove(&number).unwrap_or(0)));
        }
        octets
    }

    /// Takes buffers until only so many percent of them are left to others.
    pub(crate) fn hoard(&mut self, percent_left: u8) {
        let left = u64::from(self.pool.size()) * u64::from(percent_left) / 100;
        while u64::from(self.pool.available()) > left
            && let Some(buffer) = self.pool.alloc()
        {
            self.hoard.push(buffer);
        }
    }

    /// Gives them back.
    pub(crate) fn give_back(&mut self) {
        self.hoard.clear();
    }

    /// A gNB that answers nothing any more, neither ARP nor echo; or none.
    pub(crate) const fn fall_silent(&mut self, gnb: Option<usize>) {
        self.silent = gnb;
    }

    /// The gNBs of these sessions say that they do not know their tunnels (TS 29.281, 7.3.1).
    pub(crate) fn disown(&mut self, sessions: &[u32]) {
        for number in sessions {
            let Some(tunnel) = self.sessions.get(*number).and_then(|session| session.gnb) else {
                continue;
            };
            let gnb = self.gnbs.iter().find(|gnb| gnb.address() == tunnel.address);
            let message = gtp::error_indication(tunnel.teid, tunnel.address);
            if let Some(frame) = gnb.map(|gnb| gnb.datagram(UPF_N3.into(), &message)) {
                self.send_n3(
                    &frame,
                    "Error Indication: this gNB does not know the tunnel",
                );
            }
        }
    }

    /// How long packets took since this was asked for last: the median, and what 99 of 100 took at
    /// most.
    pub(crate) fn latency(&mut self) -> (Duration, Duration) {
        self.stopwatch.lap()
    }

    /// What the links to the UPF have carried: N3, then N6.
    pub(crate) const fn carried(&self) -> [Carried; 2] {
        [self.n3.carried(), self.n6.carried()]
    }

    fn in_flight(&self, direction: Direction) -> u64 {
        self.tally.counts(direction).lost()
    }

    /// Sends the session's next uplink packet.
    pub(crate) fn uplink(&mut self, session: &Session, payload_octets: u16) -> bool {
        let sequence = self.next(Direction::Uplink, session.number);
        let at = |gnb: &&Gnb| Some(gnb.address()) == session.gnb.map(|tunnel| tunnel.address);
        let [first, ..] = &self.gnbs;
        let gnb = self.gnbs.iter().find(at).unwrap_or(first);
        let Some(frame) = gnb.uplink(session, payload_octets, sequence) else {
            return false;
        };
        self.show(Link::N3, true, &frame, "uplink packet in its tunnel");
        let sent = self.n3.push(self.pool, &frame);
        if sent {
            self.sent(Direction::Uplink, session, sequence, payload_octets);
        }
        sent
    }

    /// Sends the session's next downlink packet.
    pub(crate) fn downlink(&mut self, session: &Session, payload_octets: u16) -> bool {
        let sequence = self.next(Direction::Downlink, session.number);
        let frame = self.network.downlink(session, payload_octets, sequence);
        let Some(frame) = frame else { return false };
        self.show(Link::N6, true, &frame, "downlink packet to a UE");
        let sent = self.n6.push(self.pool, &frame);
        if sent {
            self.sent(Direction::Downlink, session, sequence, payload_octets);
        }
        sent
    }

    fn next(&self, direction: Direction, session: u32) -> u64 {
        let next = self.sequences.get(&(direction, session));
        next.copied().unwrap_or(0)
    }

    fn sent(&mut self, direction: Direction, session: &Session, sequence: u64, payload: u16) {
        self.sequences
            .insert((direction, session.number), sequence + 1);
        let octets = inner_octets(session, payload);
        self.tally_of(session.number).sent(direction, octets);
        if self.is_certain(session.number) {
            self.stopwatch.sent(direction, session.number, sequence);
        }
    }

    fn show(&self, link: Link, into_upf: bool, frame: &[u8], what: &'static str) {
        if let Some(exhibits) = &self.exhibits {
            exhibits.show(link, into_upf, frame, what);
        }
    }

    /// Sends any frame on N3.
    pub(crate) fn send_n3(&mut self, frame: &[u8], what: &'static str) {
        self.show(self.n3.link, true, frame, what);
        self.n3.push(self.pool, frame);
        self.n3.flush();
    }

    fn send_n6(&mut self, frame: &[u8], what: &'static str) {
        self.show(self.n6.link, true, frame, what);
        self.n6.push(self.pool, frame);
        self.n6.flush();
    }

    /// Sends what is queued on both sides.
    pub(crate) fn flush(&mut self) {
        self.n3.flush();
        self.n6.flush();
    }

    /// The first gNB, to make frames with.
    pub(crate) const fn gnb(&self) -> &Gnb {
        &self.gnbs[0]
    }

    /// Collects what comes out for that long.
    pub(crate) fn wait(&mut self, how_long: Duration) {
        let until = now() + how_long;
        while now() < until {
            if self.collect() == 0 {
                std::thread::yield_now();
            }
        }
    }

    /// Collects until nothing is on its way any more, but not for longer than `at_most`.
    pub(crate) fn settle(&mut self, at_most: Duration) {
        let until = now() + at_most;
        while now() < until
            && self.in_flight(Direction::Uplink) + self.in_flight(Direction::Downlink) > 0
        {
            self.collect();
        }
    }
}

/// Octets of the user packet around a UDP payload.
fn inner_octets(session: &Session, payload_octets: u16) -> usize {
    let header = if session.ue_ipv4.is_some() { 20 } else { 40 };
    header + 8 + usize::from(payload_octets.max(Tag::OCTETS))
}

/// The time, for pacing.
#[allow(
    clippy::disallowed_methods,
    reason = "the simulated world runs in real time"
)]
pub(crate) fn now() -> std::time::Instant {
    std::time::Instant::now()
}
