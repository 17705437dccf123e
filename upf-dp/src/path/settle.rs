//! Settle: every packet goes where its fate says. Also what happens between bursts: commands,
//! neighbours found, end markers sent.

use arrayvec::ArrayVec;
use session::plan::Encapsulation;
use session::report::Command;
use session::tables::Snapshot;
use session::{NextHopId, SessionIndex};

use super::{Came, Fate, Meta, Metas, Own, Path, Punt, TURNED_BACK_MAX, Turn, put_outer};
use crate::outlet::Outlet;
use crate::packet::{BURST, Batch, Packet};
use crate::reason::Reason;
use crate::slow::Outcome;
use crate::waiting::{Counted, WaitingPacket};
use crate::wire;

/// How many commands are carried out between two bursts.
const COMMANDS_MAX: usize = 64;
/// How long a packet waits for a neighbour, in seconds.
const NEIGHBOUR_WAIT_S: u64 = 3;

/// Sessions that have to release what they hold once the burst is settled.
pub(super) type Releases = ArrayVec<SessionIndex, BURST>;

impl<P: Packet> Path<P> {
    /// Last stage.
    #[inline(never)]
    pub(super) fn settle<'a, B: Batch<P>, O: Outlet<P>>(
        &mut self,
        batch: &mut B,
        metas: &mut Metas<'a>,
        turn: &mut Turn<'a, '_, O>,
    ) {
        let mut releases = Releases::new();
        if self.watch.is_on() {
            self.settle_watched(batch, metas, turn, &mut releases);
        } else {
            let mut decided = metas.iter();
            batch.take_each(|packet| match decided.next() {
                Some(Meta {
                    fate: Fate::Send(port),
                    ..
                }) => turn.out.send(*port, packet),
                Some(meta) => self.settle_rare(packet, meta, turn, &mut releases),
                None => self.cells.port(0).drop(Reason::Undecided, 1),
            });
        }
        metas.clear();
        for session in releases {
            self.release(session, turn);
        }
        if !self.turned_back.is_empty() {
            self.come_in_again(turn);
        }
        if !self.bridging.for_all.is_empty() {
            self.go_to_all(turn);
        }
        self.count_held();
    }

    #[inline(never)]
    pub(super) fn settle_rare<O: Outlet<P>>(
        &mut self,
        packet: P,
        meta: &Meta<'_>,
        turn: &mut Turn<'_, '_, O>,
        releases: &mut Releases,
    ) {
        match meta.fate {
            Fate::Send(port) => self.send(port, packet, turn),
            Fate::Await(hop) => self.wait(packet, (meta.port, Counted::of(meta)), hop, turn),
            Fate::Hold => self.hold(packet, meta, turn, releases),
            Fate::HandOver(worker) => match turn.out.hand_over(worker, meta.port, packet) {
                Ok(()) => self.cells.port(meta.port).handed_over.add(1),
                Err(_packet) => self.dropped(meta.port, Reason::HandOverFull),
            },
            Fate::TurnBack(port) => self.turn_back(port, packet),
            Fate::Bridge(vrf) => self.bridge(packet, meta, vrf, turn),
            Fate::Flood(vrf) => self.flood(packet, meta, vrf, turn),
            Fate::Punt(Punt::Fragment) => self.fragment(packet, meta, turn),
            Fate::Punt(kind) => {
                let mut packet = packet;
                match self.punt(&mut packet, meta, kind, turn) {
                    Outcome::Answered => self.send(meta.port, packet, turn),
                    Outcome::Consumed => self.cells.port(meta.port).consumed.add(1),
                    // Whatever goes on from there was not counted.
                    Outcome::Go(Fate::Await(hop)) => {
                        self.wait(packet, (meta.port, None), hop, turn);
                    }
                    Outcome::Go(Fate::Punt(_)) => self.dropped(meta.port, Reason::Undecided),
                    Outcome::Go(fate) => {
                        self.watch.note_fate(fate);
                        let meta = Meta { fate, ..*meta };
                        self.settle_rare(packet, &meta, turn, releases);
                    }
                }
            }
            Fate::Drop(reason @ (Reason::HopLimit | Reason::TooBig)) => {
                self.undeliverable(&packet, meta, reason, turn);
            }
            Fate::Drop(reason) => self.dropped(meta.port, reason),
            Fate::Pending => self.dropped(meta.port, Reason::Undecided),
        }
    }

    // ===== from UE to UE =====

    /// Keeps a frame as if from the data network until the burst is settled.
    pub(crate) fn turn_back(&mut self, port: u16, packet: P) {
        if self.turned_back.len() < TURNED_BACK_MAX {
            self.cells.port(port).turned_back.add(1);
            self.turned_back.push((port, packet));
        } else {
            self.dropped(port, Reason::Undecided);
        }
    }

    /// Takes the packets that turned back through the path again. They do so once, and errors about
    /// them bring on no others.
    #[cold]
    fn come_in_again<O: Outlet<P>>(&mut self, turn: &mut Turn<'_, '_, O>) {
        while !self.turned_back.is_empty() {
            let mut batch = Own::<P>::new();
            let mut metas = Metas::new();
            let some = self.turned_back.len().min(BURST);
            for (port, packet) in self.turned_back.drain(..some) {
                let mut meta = Meta::received(port);
                meta.came = Came::Back;
                metas.push(meta);
                batch.push(packet);
            }
            self.run(&mut batch, &mut metas, turn);
        }
    }

    // ===== neighbours =====

    pub(crate) fn wait<O: Outlet<P>>(
        &mut self,
        packet: P,
        (port, counted): (u16, Option<Counted>),
        hop: NextHopId,
        turn: &mut Turn<'_, '_, O>,
    ) {
        if self.watch.is_on() {
            self.note_waiting(hop, &packet);
        }
        let waiting = WaitingPacket {
            packet,
            hop,
            port,
            since: turn.now,
            counted,
        };
        if self.waiting.push(waiting).is_err() {
            self.unresolved(port, counted, turn.view);
        }
        self.ask(hop, turn);
    }

    /// Drops a packet whose neighbour does not answer.
    fn unresolved(&mut self, port: u16, counted: Option<Counted>, view: Snapshot<'_>) {
        self.dropped(port, Reason::NeighbourUnresolved);
        if let Some(counted) = counted {
            counted.void(view);
        }
    }

    /// Sends what waits for neighbours that are known by now, and drops what has waited too long.
    #[inline(never)]
    pub(super) fn tend_waiting<O: Outlet<P>>(&mut self, turn: &mut Turn<'_, '_, O>) {
        let neighbours = &self.neighbours;
        while let Some(waiting) = self.waiting.take(|w| neighbours.ethernet(w.hop).is_some()) {
            let WaitingPacket {
                mut packet,
                hop,
                port,
                ..
            } = waiting;
            let link = neighbours
                .hop(hop)
                .and_then(|hop| self.links.interface(hop.interface));
            let mac = neighbours.ethernet(hop);
            let put = mac.and_then(|mac| wire::put(packet.data_mut(), 0, mac));
            match (put, link) {
                (Some(()), Some(link)) => turn.out.send(link.port, packet),
                _ => self.cells.port(port).drop(Reason::NeighbourUnresolved, 1),
            }
        }
        let oldest = turn
            .now
            .0
            .saturating_sub(self.hz.saturating_mul(NEIGHBOUR_WAIT_S));
        while let Some(waiting) = self.waiting.take(|waiting| waiting.since.0 < oldest) {
            self.unresolved(waiting.port, waiting.counted, turn.view);
        }
    }

    // ===== between bursts =====

    /// Carries out what the control side wants, a bounded number of times.
    pub fn commands<O: Outlet<P>>(&mut self, turn: &mut Turn<'_, '_, O>) {
        for _ in 0..COMMANDS_MAX {
            let Some(command) = turn.end.command() else {
                return;
            };
            match command {
                Command::Release { session } => self.release(session, turn),
                Command::Discard { session } => {
                    self.drop_held(session, Reason::HoldDiscarded, turn);
                }
                Command::EndMarker { tunnel, next_hop } => {
                    self.end_marker(&tunnel, next_hop, turn);
                }
                Command::Advertise { session } => {
                    let view = turn.view;
                    if let Some(plan) = view.session(session) {
                        self.advertise_unasked(plan, turn);
                    }
                }
                Command::Echo {
                    peer,
                    source,
                    next_hop,
                    sequence,
                } => self.send_echo((peer, source), next_hop, sequence, turn),
            }
            self.count_held();
        }
    }

    /// What has to be looked at from time to time: held packets that are too old, neighbours.
    pub fn tend<O: Outlet<P>>(&mut self, turn: &mut Turn<'_, '_, O>) {
        self.watch.attend();
        if !self.waiting.is_empty() {
            self.tend_waiting(turn);
        }
        if !self.held.is_empty() {
            self.tend_held(turn);
        }
        self.tend_fragments(turn.now);
        self.tend_neighbours(turn);
        self.count_held();
    }

    /// Sends an End Marker (TS 29.281, 7.3.2).
    fn end_marker<O: Outlet<P>>(
        &mut self,
        tunnel: &Encapsulation,
        next_hop: NextHopId,
        turn: &mut Turn<'_, '_, O>,
    ) {
        let length = usize::from(tunnel.length());
        let write = |outer: &mut [u8], number| put_end_marker(outer, tunnel, number);
        // Without a way there, nobody waits for it.
        let _ = self.launch(next_hop, tunnel.is_v6(), length, write, turn);
    }
}

/// An outer header whose message is an End Marker.
pub(crate) fn put_end_marker(
    outer: &mut [u8],
    tunnel: &Encapsulation,
    identification: u16,
) -> Option<()> {
    put_outer(outer, tunnel, gtpu::UDP_PORT, identification)?;
    let at = tunnel.ip_length() + 9;
    wire::put(outer, at, [gtpu::MessageType::END_MARKER.0])?;
    if tunnel.is_v6() {
        // The message type has changed under the checksum.
        wire::put(outer, 46, [0; 2])?;
        let (addresses, datagram) = (outer.get(8..40)?, outer.get(40..)?);
        let checksum = wire::transport_checksum(addresses, wire::UDP, datagram);
        wire::put(outer, 46, wire::udp_checksum_field(checksum))?;
    }
    Some(())
}
