//! Packets that wait for the Ethernet address of their next hop: a few per hop, a few in all.

use session::meter::Now;
use session::plan::Step;
use session::rule::Direction;
use session::tables::Snapshot;
use session::{NextHopId, PdrId, Seid, SessionIndex};

use crate::path::Meta;

/// Packets that wait for one neighbour.
pub(crate) const PER_HOP_MAX: usize = 4;
/// Packets that wait in all.
pub(crate) const WAITING_MAX: usize = 64;

/// A packet that waits.
#[derive(Debug)]
pub(crate) struct WaitingPacket<P> {
    pub(crate) packet: P,
    pub(crate) hop: NextHopId,
    /// The port it was received on.
    pub(crate) port: u16,
    pub(crate) since: Now,
    /// For whom it was counted, if it was.
    pub(crate) counted: Option<Counted>,
}

/// Where a packet was counted that has not left yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    session: SessionIndex,
    seid: Seid,
    pdr: PdrId,
    direction: Direction,
    octets: u16,
}

impl Counted {
    /// Where a packet was counted that has been through all stages.
    pub(crate) fn of(meta: &Meta<'_>) -> Option<Self> {
        let (step, entrance) = meta.step.zip(meta.session)?;
        let plan = entrance.plan();
        Some(Self {
            session: plan.session,
            seid: plan.seid,
            pdr: step.pdr,
            direction: step.direction,
            octets: meta.user_length,
        })
    }

    /// Takes it back, unless its session has ended: then its last report is made.
    pub(crate) fn void(self, view: Snapshot<'_>) {
        let plan = view.session(self.session);
        let plan = plan.filter(|plan| plan.seid == self.seid);
        let is_its = |step: &&Step| step.pdr == self.pdr && step.direction == self.direction;
        if let Some(step) = plan.and_then(|plan| plan.steps().find(is_its)) {
            step.void(self.octets);
        }
    }
}

/// The packets of one worker that wait for neighbours, in the order in which they came.
#[derive(Debug)]
pub(crate) struct Waiting<P>(Vec<WaitingPacket<P>>);

impl<P> Waiting<P> {
    pub(crate) fn new() -> Self {
        Self(Vec::with_capacity(WAITING_MAX))
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    /// Gives the packet back when too many wait.
    pub(crate) fn push(&mut self, waiting: WaitingPacket<P>) -> Result<(), WaitingPacket<P>> {
        let same = self
            .0
            .iter()
            .filter(|other| other.hop == waiting.hop)
            .count();
        if same >= PER_HOP_MAX || self.0.len() >= WAITING_MAX {
            return Err(waiting);
        }
        self.0.push(waiting);
        Ok(())
    }

    /// Takes the first packet out that `wanted` says so of.
    pub(crate) fn take(
        &mut self,
        wanted: impl Fn(&WaitingPacket<P>) -> bool,
    ) -> Option<WaitingPacket<P>> {
        let at = self.0.iter().position(wanted)?;
        Some(self.0.remove(at))
    }
}
