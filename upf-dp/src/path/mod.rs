//! The stages, and the state of one worker that they work on.
//!
//! Every stage is one function in one file and a pass over the whole burst, so that memory is loaded
//! for all packets at once, and so that each loop is small. What a stage finds out about a packet it
//! leaves in that packet's [`Meta`]; the next one goes on with those whose fate is pending.
//! The order is that of [`Path::run`].

mod bridge;
#[cfg(test)]
pub(crate) mod catalogue;
mod classify;
mod count;
mod frames;
mod hold;
mod look_up;
mod meta;
mod mss;
mod order;
mod parse;
mod police;
#[cfg(test)]
mod reference;
mod rewrite;
mod settle;
#[cfg(test)]
mod tests;
mod watched;

use std::net::IpAddr;
use std::sync::Arc;

use arrayvec::ArrayVec;
use session::WorkerId;
use session::meter::Now;
use session::neighbour::Neighbours;
use session::report::WorkerEnd;
use session::tables::Snapshot;

use crate::counters::WorkerCells;
use crate::held::{Held, HeldLimits, Told};
use crate::links::Links;
use crate::outlet::Outlet;
use crate::packet::{Batch, Packet};
use crate::reason::Reason;
use crate::slow::{Reassembly, SlowConfig, SlowPath};
use crate::waiting::Waiting;
use crate::watch::{Watch, WatchEnd};
use bridge::Bridging;

pub use meta::{Came, Fate, Key, Meta, Metas, Punt};
pub(crate) use mss::Mss;
pub(crate) use order::has_to_line_up;
pub(crate) use rewrite::{Rewritten, put_outer};
pub(crate) use settle::put_end_marker;

/// What a worker's path is made of.
#[derive(Clone, Debug)]
pub struct PathConfig {
    /// Which worker.
    pub worker: WorkerId,
    /// How many workers there are.
    pub workers: u8,
    /// Time stamp cycles in a second.
    pub hz: u64,
    /// How much it may hold.
    pub held: HeldLimits,
    /// What it does besides forwarding.
    pub slow: SlowConfig,
}

/// The packet path of one worker.
#[derive(Debug)]
pub struct Path<P> {
    pub(crate) worker: WorkerId,
    pub(crate) links: Arc<Links>,
    pub(crate) neighbours: Arc<Neighbours>,
    pub(crate) cells: Arc<WorkerCells>,
    pub(crate) held: Held<P>,
    pub(crate) waiting: Waiting<P>,
    /// Packets from UE to UE, on their way in again.
    turned_back: Vec<(u16, P)>,
    pub(crate) slow: SlowPath,
    pub(crate) reassembly: Reassembly<P>,
    pub(crate) watch: Watch,
    bridging: Bridging<P>,
    identification: u16,
    names_left: u16,
    hz: u64,
    /// What the control side knows of the episode whose packets are being released.
    releasing: Told,
    /// Turns until the next look at how many buffers are left.
    look_at_pool_in: u8,
}

/// What one turn of a worker works with.
#[derive(Debug)]
pub struct Turn<'a, 't, O> {
    /// The tables, as this turn sees them.
    pub view: Snapshot<'a>,
    /// The time of this turn.
    pub now: Now,
    /// Where packets go.
    pub out: &'t mut O,
    /// Where reports go, and commands come from.
    pub end: &'t mut WorkerEnd,
}

/// Packets that turn back at once: those of a burst, and as many errors about them.
const TURNED_BACK_MAX: usize = 2 * crate::packet::BURST;

/// How many next hops all workers together may name besides what is configured.
const NAMES_MAX: u16 = 2048;

impl<P: Packet> Path<P> {
    /// A path with nothing in it.
    pub fn new(
        config: &PathConfig,
        links: Arc<Links>,
        neighbours: Arc<Neighbours>,
        cells: Arc<WorkerCells>,
    ) -> Self {
        let bridging = Bridging::new(&links, config.hz);
        let slow = SlowPath::new(&config.slow, &links, config.hz);
        Self {
            worker: config.worker,
            links,
            neighbours,
            cells,
            held: Held::new(config.held),
            waiting: Waiting::new(),
            turned_back: Vec::with_capacity(TURNED_BACK_MAX),
            slow,
            reassembly: Reassembly::new(config.slow.reassembly, config.hz),
            watch: Watch::new(config.worker, None),
            bridging,
            // Workers start apart, so that identifications of one flow's neighbours rarely meet.
            identification: u16::from(config.worker.0) << 8,
            names_left: NAMES_MAX / u16::from(config.workers.max(1)),
            hz: config.hz,
            releasing: Told::NOTHING,
            look_at_pool_in: 0,
        }
    }

    /// The same, which may be watched.
    pub(crate) fn watched(mut self, end: WatchEnd) -> Self {
        self.watch = Watch::new(self.worker, Some(end));
        self
    }

    /// The life of a burst. `metas` has one [`Meta::received`] per packet; the batch is empty
    /// afterwards.
    #[inline(never)]
    pub fn run<'a, B: Batch<P>, O: Outlet<P>>(
        &mut self,
        batch: &mut B,
        metas: &mut Metas<'a>,
        turn: &mut Turn<'a, '_, O>,
    ) {
        let packets = batch.packets();
        parse::parse(&self.links, turn.view, packets, metas);
        look_up::look_up(turn.view, self.worker, packets, metas);
        classify::classify(&self.links, packets, metas);
        let has_bridges = !self.links.bridges().is_empty();
        if has_bridges {
            self.listen(packets, metas, turn);
        }
        if self.watch.is_on() {
            self.watch.open(packets, metas, turn.now);
        }
        order::line_up(&self.held, metas);
        police::police(metas, (turn.now, turn.view.moment()), turn.end);
        if has_bridges {
            frames::unite(packets, metas);
        }
        if self.links.clamps_mss() {
            mss::clamp(&self.links, packets, metas);
        }
        self.rewrite(packets, metas, Rewritten::Received);
        if !self.waiting.is_empty() {
            // Whoever is known by now was not when these came: nothing overtakes them.
            self.tend_waiting(turn);
        }
        self.settle(batch, metas, turn);
    }

    /// Updates the gauge of packets that wait.
    fn count_held(&self) {
        let waiting = u64::try_from(self.waiting.len() + self.reassembly.len()).unwrap_or(0);
        self.cells.held.set(u64::from(self.held.len()) + waiting);
    }

    /// Of the next outer IPv4 header.
    pub(crate) const fn next_identification(&mut self) -> u16 {
        self.identification = self.identification.wrapping_add(1);
        self.identification
    }

    /// Drops all that waits, at the end.
    pub fn stop(&mut self) {
        self.stop_held();
        while let Some(waiting) = self.waiting.take(|_| true) {
            self.cells.port(waiting.port).drop(Reason::Stopped, 1);
        }
        self.stop_fragments();
        self.count_held();
    }
}

/// An address that can be a peer: one host's, and nobody's loopback.
pub(crate) fn is_host(address: IpAddr) -> bool {
    let broadcast = address == IpAddr::V4(std::net::Ipv4Addr::BROADCAST);
    !(address.is_multicast() || address.is_unspecified() || address.is_loopback() || broadcast)
}

/// A batch of the path's own making.
pub(crate) type Own<P> = ArrayVec<P, { crate::packet::BURST }>;
