//! What packets that somebody watches do besides: see [`watch`](crate::watch).

use session::NextHopId;

use super::settle::Releases;
use super::{Metas, Path, Turn};
use crate::outlet::Outlet;
use crate::packet::{Batch, Packet};
use crate::reason::Reason;

impl<P: Packet> Path<P> {
    /// Settles a burst, and notes what becomes of those packets of it that are watched.
    #[cold]
    #[inline(never)]
    pub(super) fn settle_watched<B: Batch<P>, O: Outlet<P>>(
        &mut self,
        batch: &mut B,
        metas: &Metas<'_>,
        turn: &mut Turn<'_, '_, O>,
        releases: &mut Releases,
    ) {
        let outer = self.watch.begin_to_settle();
        let mut decided = metas.iter().enumerate();
        batch.take_each(|packet| match decided.next() {
            Some((place, meta)) => {
                self.watch.turn_to(outer.0, place, meta);
                self.settle_rare(packet, meta, turn, releases);
            }
            None => self.cells.port(0).drop(Reason::Undecided, 1),
        });
        self.watch.close(outer);
    }

    /// Sends a packet, in a stage that few packets come to.
    pub(crate) fn send<O: Outlet<P>>(&mut self, port: u16, packet: P, turn: &mut Turn<'_, '_, O>) {
        self.watch.note_frame(port, packet.data(), true);
        turn.out.send(port, packet);
    }

    /// Notes a packet that waits for a next hop.
    #[cold]
    pub(super) fn note_waiting(&mut self, hop: NextHopId, packet: &P) {
        let hop = self.neighbours.hop(hop);
        let link = hop.and_then(|hop| self.links.interface(hop.interface));
        if let Some(port) = link.map(|link| link.port) {
            self.watch.note_frame(port, packet.data(), false);
        }
    }

    /// Counts a packet that is dropped.
    pub(crate) fn dropped(&mut self, port: u16, reason: Reason) {
        self.cells.port(port).drop(reason, 1);
        self.watch.note_drop(reason);
    }
}
