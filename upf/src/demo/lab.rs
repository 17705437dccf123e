//! The simulated world around the UPF's ring ports: two gNBs on N3, a data network on N6, on an
//! lcore of their own. The demonstration sends it work; packets never leave its thread.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use dpdk::{Burst, Eal, Pool, Port, PortConfig, PortSpec, RingSide, Rx, Tx, Worker};
use simulator::{DataNetwork, Direction, Gnb, N3, N6, Session, Sessions, Tally, Tunnel};

use super::exhibits::{Exhibits, Link};

/// The UPF's address on N3.
pub(super) const UPF_N3: Ipv4Addr = Ipv4Addr::new(10, 10, 3, 7);
/// The UPF's addresses on N6.
pub(super) const UPF_N6: (Ipv4Addr, Ipv6Addr) = (
    Ipv4Addr::new(10, 10, 6, 7),
    Ipv6Addr::new(0x2001, 0xdb8, 6, 0, 0, 0, 0, 7),
);
/// The two gNBs.
pub(super) const GNBS: [Ipv4Addr; 2] =
    [Ipv4Addr::new(10, 10, 3, 101), Ipv4Addr::new(10, 10, 3, 102)];
/// The server that UEs talk to.
pub(super) const SERVER: (Ipv4Addr, Ipv6Addr) = (
    Ipv4Addr::new(10, 10, 6, 1),
    Ipv6Addr::new(0x2001, 0xdb8, 6, 0, 0, 0, 0, 1),
);

/// Packets on their way through the UPF at a time, each direction: less than any ring holds.
const IN_FLIGHT_MAX: u64 = 1024;
/// Packets sent to a port in one go.
const BURST: usize = 32;

/// One end of a ring port pair, opposite to the UPF's.
struct Wire {
    rx: Rx,
    tx: Tx,
    link: Link,
    burst: Burst<64>,
}

/// What came out of the UPF beside user packets, counted by kind.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) end_markers: Vec<Tunnel>,
    pub(super) error_indications: Vec<Tunnel>,
    pub(super) echo_responses: u32,
    pub(super) downlink_tags: Vec<(u32, u64)>,
}

/// The world itself; lives on its lcore.
pub(super) struct Lab {
    n3: Wire,
    n6: Wire,
    pool: &'static Pool,
    gnbs: [Gnb; 2],
    network: DataNetwork,
    pub(super) sessions: Sessions,
    pub(super) tally: Tally,
    pub(super) seen: Seen,
    pub(super) exhibits: Exhibits,
    sequences: BTreeMap<(Direction, u32), u64>,
}

type Work = Box<dyn FnOnce(&mut Lab) + Send>;

/// The way to the lab's lcore.
pub(super) struct Handle {
    work: Option<SyncSender<Work>>,
    lcore: Option<Worker<Exhibits>>,
}

impl Handle {
    /// Opens the far ends of the UPF's ring ports `n3` and `n6` and starts the lab.
    pub(super) fn start(eal: Eal, pool: &'static Pool) -> Result<Self> {
        let (work, todo) = sync_channel::<Work>(1);
        let n3 = Wire::open(eal, pool, Link::N3)?;
        let n6 = Wire::open(eal, pool, Link::N6)?;
        let lcore = eal.spawn("lab", None, move |_| Lab::new(n3, n6, pool).live(&todo))?;
        Ok(Self {
            work: Some(work),
            lcore: Some(lcore),
        })
    }

    /// Has the lab do something and waits for its answer.
    pub(super) fn run<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Lab) -> R + Send + 'static,
    ) -> Result<R> {
        let (answer, wait) = sync_channel(1);
        let job: Work = Box::new(move |lab| drop(answer.send(work(lab))));
        self.work
            .as_ref()
            .and_then(|queue| queue.send(job).ok())
            .context("the lab has ended")?;
        wait.recv().context("the lab has ended")
    }

    /// Ends the lab and gives what it collected.
    pub(super) fn finish(mut self) -> Result<Exhibits> {
        self.work = None;
        let lcore = self.lcore.take().context("the lab has ended")?;
        lcore.join().map_err(|_| anyhow!("the lab failed"))
    }
}

impl Wire {
    fn open(eal: Eal, pool: &'static Pool, link: Link) -> Result<(Rx, Tx)> {
        let spec = PortSpec::Ring {
            name: link.name().to_owned(),
            side: RingSide::B,
            size: upf::RING_SIZE,
        };
        let mut port = Port::open(eal, &spec, &PortConfig::new(pool))?;
        let pair = port.start()?.into_pairs().pop();
        pair.context("a ring port has a queue pair")
    }

    fn new(link: Link, (rx, tx): (Rx, Tx)) -> Self {
        Self {
            rx,
            tx,
            link,
            burst: Burst::new(),
        }
    }

    /// Queues a frame; sent by `flush`.
    fn push(&mut self, pool: &Pool, frame: &[u8]) -> bool {
        if self.burst.len() == BURST {
            self.flush();
        }
        pool.packet(frame)
            .is_some_and(|packet| self.burst.push(packet).is_ok())
    }

    /// Sends what is queued, waiting for room for a while.
    fn flush(&mut self) {
        for _ in 0..1_000_000 {
            self.tx.send(&mut self.burst);
            if self.burst.is_empty() {
                return;
            }
            std::hint::spin_loop();
        }
        self.burst.clear();
    }
}

impl Lab {
    fn new(n3: (Rx, Tx), n6: (Rx, Tx), pool: &'static Pool) -> Self {
        let servers = vec![IpAddr::from(SERVER.0), IpAddr::from(SERVER.1)];
        let gnb = |number: u8, address: Ipv4Addr| {
            let mac = [0x02, 0, 0, 0, 0x03, number];
            Gnb::new(mac, None, address.into(), UPF_N3.into(), servers.clone())
        };
        let upf = vec![IpAddr::from(UPF_N6.0), IpAddr::from(UPF_N6.1)];
        let mac = [0x02, 0, 0, 0, 0x06, 1];
        Self {
            n3: Wire::new(Link::N3, n3),
            n6: Wire::new(Link::N6, n6),
            pool,
            gnbs: [gnb(1, GNBS[0]), gnb(2, GNBS[1])],
            network: DataNetwork::new(mac, None, servers.clone(), Vec::new(), upf),
            sessions: Sessions::default(),
            tally: Tally::default(),
            seen: Seen::default(),
            exhibits: Exhibits::default(),
            sequences: BTreeMap::new(),
        }
    }

    /// Answers what the UPF asks and does what it is told, until nobody is left to tell.
    fn live(mut self, todo: &Receiver<Work>) -> Exhibits {
        loop {
            match todo.recv_timeout(Duration::from_millis(1)) {
                Ok(work) => work(&mut self),
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => drop(self.collect()),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return self.exhibits,
            }
        }
    }

    /// Asks for the UPF's Ethernet addresses until they are known.
    pub(super) fn find_upf(&mut self) -> bool {
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
    pub(super) fn warm_up(&mut self, payload_octets: u16) {
        let few: Vec<Session> = self.sessions.iter().take(4).cloned().collect();
        for session in &few {
            self.uplink(session, payload_octets);
            self.downlink(session, payload_octets);
            self.flush();
            self.settle(Duration::from_secs(3));
        }
    }

    /// Sends an uplink and a downlink packet of every session in turn, until `until`.
    pub(super) fn load(&mut self, payload_octets: u16, until: std::time::Instant) {
        let all: Vec<Session> = self.sessions.iter().cloned().collect();
        let mut turn = all.iter().cycle();
        while now() < until {
            let mut idle = true;
            for _ in 0..BURST {
                let Some(session) = turn.next() else { return };
                if self.in_flight(Direction::Uplink) < IN_FLIGHT_MAX {
                    idle = !self.uplink(session, payload_octets) && idle;
                }
                if self.in_flight(Direction::Downlink) < IN_FLIGHT_MAX {
                    idle = !self.downlink(session, payload_octets) && idle;
                }
            }
            self.flush();
            if self.collect() == 0 && idle {
                std::thread::yield_now();
            }
        }
    }

    fn in_flight(&self, direction: Direction) -> u64 {
        self.tally.counts(direction).lost()
    }

    /// Sends the session's next uplink packet.
    pub(super) fn uplink(&mut self, session: &Session, payload_octets: u16) -> bool {
        let sequence = self.next(Direction::Uplink, session.number);
        let gnb = match session.gnb {
            Some(tunnel) if tunnel.address == IpAddr::from(GNBS[1]) => &self.gnbs[1],
            _ => &self.gnbs[0],
        };
        let Some(frame) = gnb.uplink(session, payload_octets, sequence) else {
            return false;
        };
        self.exhibits
            .show(Link::N3, true, &frame, "uplink packet in its tunnel");
        let sent = self.n3.push(self.pool, &frame);
        if sent {
            self.tally
                .sent(Direction::Uplink, inner_octets(session, payload_octets));
        }
        sent
    }

    /// Sends the session's next downlink packet.
    pub(super) fn downlink(&mut self, session: &Session, payload_octets: u16) -> bool {
        let sequence = self.next(Direction::Downlink, session.number);
        let frame = self.network.downlink(session, payload_octets, sequence);
        let Some(frame) = frame else { return false };
        self.exhibits
            .show(Link::N6, true, &frame, "downlink packet to a UE");
        let sent = self.n6.push(self.pool, &frame);
        if sent {
            self.tally
                .sent(Direction::Downlink, inner_octets(session, payload_octets));
        }
        sent
    }

    fn next(&mut self, direction: Direction, session: u32) -> u64 {
        let next = self.sequences.entry((direction, session)).or_default();
        *next += 1;
        *next - 1
    }

    /// Sends any frame on N3.
    pub(super) fn send_n3(&mut self, frame: &[u8], what: &'static str) {
        self.exhibits.show(self.n3.link, true, frame, what);
        self.n3.push(self.pool, frame);
        self.n3.flush();
    }

    fn send_n6(&mut self, frame: &[u8], what: &'static str) {
        self.exhibits.show(self.n6.link, true, frame, what);
        self.n6.push(self.pool, frame);
        self.n6.flush();
    }

    /// Sends what is queued on both sides.
    pub(super) fn flush(&mut self) {
        self.n3.flush();
        self.n6.flush();
    }

    /// The first gNB, to make frames with.
    pub(super) const fn gnb(&self) -> &Gnb {
        &self.gnbs[0]
    }

    /// Collects what comes out for that long.
    pub(super) fn wait(&mut self, how_long: Duration) {
        let until = now() + how_long;
        while now() < until {
            if self.collect() == 0 {
                std::thread::yield_now();
            }
        }
    }

    /// Collects until nothing is on its way any more, but not for longer than `at_most`.
    pub(super) fn settle(&mut self, at_most: Duration) {
        let until = now() + at_most;
        while now() < until
            && self.in_flight(Direction::Uplink) + self.in_flight(Direction::Downlink) > 0
        {
            self.collect();
        }
    }

    /// Looks at everything that came out of the UPF; how many frames that was.
    fn collect(&mut self) -> usize {
        let mut received = Burst::<64>::new();
        let on_n3 = self.n3.rx.receive(&mut received);
        for packet in received.drain() {
            self.on_n3(packet.data());
        }
        let on_n6 = self.n6.rx.receive(&mut received);
        for packet in received.drain() {
            self.on_n6(packet.data());
        }
        on_n3 + on_n6
    }

    fn on_n3(&mut self, frame: &[u8]) {
        // Both gNBs share the wire: the one the frame is for looks at it.
        let second = frame.get(..6) == Some(&[0x02, 0, 0, 0, 0x03, 2]) || is_for(frame, GNBS[1]);
        let [gnb, other] = &mut self.gnbs;
        let gnb = if second { other } else { gnb };
        let what = match gnb.receive(frame, &self.sessions) {
            N3::Downlink(tag) => {
                let octets = self.sessions.get(tag.session);
                let octets = octets.map_or(0, |session| inner_octets(session, tag.payload_octets));
                self.tally.received(&tag, octets);
                self.seen.downlink_tags.push((tag.session, tag.sequence));
                self.seen.downlink_tags.truncate(64);
                "downlink packet in its tunnel"
            }
            N3::Wrong(mismatch) => {
                self.tally.wrong(mismatch);
                "wrong packet"
            }
            N3::EndMarker(tunnel) => {
                self.seen.end_markers.push(tunnel);
                "End Marker in the old tunnel"
            }
            N3::ErrorIndication(tunnel) => {
                self.seen.error_indications.push(tunnel);
                "Error Indication: nobody knows that tunnel"
            }
            N3::EchoResponse { .. } => {
                self.seen.echo_responses += 1;
                "Echo Response"
            }
            N3::Answer(answer) => {
                self.exhibits
                    .show(Link::N3, false, frame, "question to a gNB");
                self.send_n3(&answer, "a gNB's answer");
                return;
            }
            N3::Other => "something else",
        };
        self.exhibits.show(Link::N3, false, frame, what);
    }

    fn on_n6(&mut self, frame: &[u8]) {
        let what = match self.network.receive(frame, &self.sessions) {
            N6::Uplink(tag) => {
                let octets = self.sessions.get(tag.session);
                let octets = octets.map_or(0, |session| inner_octets(session, tag.payload_octets));
                self.tally.received(&tag, octets);
                "uplink packet on its way to the server"
            }
            N6::Wrong(mismatch) => {
                self.tally.wrong(mismatch);
                "wrong packet"
            }
            N6::Answer(answer) => {
                self.exhibits
                    .show(Link::N6, false, frame, "question to the data network");
                self.send_n6(&answer, "the data network's answer");
                return;
            }
            N6::Other => "something else",
        };
        self.exhibits.show(Link::N6, false, frame, what);
    }
}

/// Whether an ARP request asks for `address`.
fn is_for(frame: &[u8], address: Ipv4Addr) -> bool {
    frame.get(12..14) == Some(&[0x08, 0x06]) && frame.get(38..42) == Some(&address.octets())
}

/// Octets of the user packet around a UDP payload.
fn inner_octets(session: &Session, payload_octets: u16) -> usize {
    let header = if session.ue_ipv4.is_some() { 20 } else { 40 };
    header + 8 + usize::from(payload_octets.max(simulator::Tag::OCTETS))
}

/// The time, for pacing.
#[allow(
    clippy::disallowed_methods,
    reason = "a demonstration runs in real time"
)]
pub(super) fn now() -> std::time::Instant {
    std::time::Instant::now()
}
