//! Hold: packets that wait for their UE, the control side told of them, and what ends their waiting.

use session::SessionIndex;
use session::plan::{Act, Entrance};
use session::report::Report;

use super::count::{count_before, count_dropped};
use super::settle::Releases;
use super::{Came, Meta, Metas, Own, Path, Turn};
use crate::held::{HeldPacket, Holder};
use crate::outlet::Outlet;
use crate::packet::{BURST, Packet};
use crate::reason::Reason;

/// Turns between two looks at how many buffers are left, unless packets were held meanwhile: a look
/// costs more than a packet.
const TURNS_BETWEEN_LOOKS: u8 = 32;

/// How many sessions give up their packets in one turn at most.
const SHED_SESSIONS_MAX: usize = 64;

impl<P: Packet> Path<P> {
    pub(super) fn hold<O: Outlet<P>>(
        &mut self,
        packet: P,
        meta: &Meta<'_>,
        turn: &mut Turn<'_, '_, O>,
        releases: &mut Releases,
    ) {
        let (Some(plan), Some(step)) = (meta.session.map(Entrance::plan), meta.step) else {
            return self.dropped(meta.port, Reason::Undecided);
        };
        let session = plan.session;
        let tos = meta.ip(packet.data()).map_or(0, |inner| inner.tos());
        if meta.releases && !releases.contains(&session) {
            // There are at most as many sessions as packets in a burst.
            let _ = releases.try_push(session);
        }
        let held = HeldPacket {
            octets: u32::try_from(packet.data().len()).unwrap_or(u32::MAX),
            packet,
            user_length: meta.user_length,
            session,
            pdr: step.pdr,
            port: meta.port,
            since: turn.now,
        };
        // A packet that only lines up goes on at once: the session's bound is for those that wait.
        let more = if meta.releases { BURST } else { 0 };
        let holder = Holder {
            session,
            smf: plan.smf,
            far: step.far,
            most: plan
                .buffer_packets
                .saturating_add(u16::try_from(more).unwrap_or(u16::MAX)),
        };
        let cells = &self.cells;
        let pushed = self.held.push(holder, held, |held, reason| {
            count_lost(&held, turn);
            cells.port(held.port).drop(reason, 1);
        });
        match pushed {
            Ok(true) => cells.hold_episodes.add(1),
            Ok(false) => {}
            Err((held, reason)) => return self.lost(&held, reason, turn),
        }
        self.look_at_pool_in = 0;
        // The episode goes on for what is held again: nobody needs to be told a second time.
        if meta.came == Came::Released && self.releasing.has(step.far, step.qfi) {
            self.held.set_told(session, step.far, step.qfi);
        }
        let notify = matches!(step.act, Act::Buffer { notify: true });
        if notify && !self.held.is_told(session, step.far, step.qfi) {
            let (pdr, far, qfi) = (step.pdr, step.far, step.qfi);
            // A full queue is tried again with the next packet.
            if turn.end.report(Report::DownlinkData {
                session,
                pdr,
                far,
                qfi,
                tos,
            }) {
                self.held.set_told(session, far, qfi);
            }
        }
    }

    /// Takes what the session holds through the path again, in order. What its rules still hold
    /// goes back into the same queue, so every packet gets one turn.
    pub(crate) fn release<O: Outlet<P>>(
        &mut self,
        session: SessionIndex,
        turn: &mut Turn<'_, '_, O>,
    ) {
        let mut left = usize::from(self.held.of(session));
        self.releasing = self.held.told(session);
        while left > 0 {
            let mut batch = Own::<P>::new();
            let mut metas = Metas::new();
            while left > 0 && !batch.is_full() {
                left -= 1;
                let Some(held) = self.held.pop(session) else {
                    break;
                };
                let mut meta = Meta::received(held.port);
                meta.came = Came::Released;
                meta.to = session;
                metas.push(meta);
                batch.push(held.packet);
            }
            self.run(&mut batch, &mut metas, turn);
        }
    }

    /// Drops what the session holds.
    pub(super) fn drop_held<O: Outlet<P>>(
        &mut self,
        session: SessionIndex,
        reason: Reason,
        turn: &mut Turn<'_, '_, O>,
    ) {
        while let Some(held) = self.held.pop(session) {
            self.lost(&held, reason, turn);
        }
    }

    /// Drops all that is held, at the end.
    pub(super) fn stop_held(&mut self) {
        while let Some(session) = self.held.idlest() {
            while let Some(held) = self.held.pop(session) {
                self.dropped(held.port, Reason::Stopped);
            }
        }
    }

    /// A packet that was to be held, or was, goes nowhere.
    fn lost<O: Outlet<P>>(
        &mut self,
        held: &HeldPacket<P>,
        reason: Reason,
        turn: &mut Turn<'_, '_, O>,
    ) {
        count_lost(held, turn);
        self.dropped(held.port, reason);
    }

    /// What has to be looked at from time to time while packets are held.
    pub(super) fn tend_held<O: Outlet<P>>(&mut self, turn: &mut Turn<'_, '_, O>) {
        if self.look_at_pool_in == 0 {
            self.shed(turn);
            self.look_at_pool_in = TURNS_BETWEEN_LOOKS;
        }
        self.look_at_pool_in -= 1;
        let (view, hz) = (turn.view, self.hz);
        let life = |session| {
            let plan = view.session(session)?;
            Some(hz.saturating_mul(plan.hold_s.into()))
        };
        match self.held.due(turn.now, life) {
            Some((session, Reason::HoldExpired)) => {
                self.expire(session, life(session).unwrap_or(0), turn);
            }
            Some((session, reason)) => self.drop_held(session, reason, turn),
            None => {}
        }
    }

    /// While buffers are short, those sessions give theirs back that got no packet for longest: what
    /// moves comes before what waits.
    fn shed<O: Outlet<P>>(&mut self, turn: &mut Turn<'_, '_, O>) {
        for _ in 0..SHED_SESSIONS_MAX {
            match self.held.idlest() {
                Some(idlest) if turn.out.is_short() => {
                    self.drop_held(idlest, Reason::HoldPoolLow, turn);
                }
                _ => return,
            }
        }
    }

    /// Drops the packets of a session that have been held too long.
    fn expire<O: Outlet<P>>(
        &mut self,
        session: SessionIndex,
        life: u64,
        turn: &mut Turn<'_, '_, O>,
    ) {
        while self.held.is_expired(session, turn.now, life) {
            let Some(held) = self.held.pop(session) else {
                return;
            };
            self.lost(&held, Reason::HoldExpired, turn);
        }
    }
}

/// Counts a packet that was to wait, or did, and goes nowhere: for the URRs of its PDR that measure
/// before QoS enforcement, and those that are told of dropped packets (Dropped DL Traffic Threshold;
/// TS 29.244, 5.2.2.2). A PDR that is gone has none.
#[cold]
fn count_lost<P, O>(held: &HeldPacket<P>, turn: &mut Turn<'_, '_, O>) {
    let Some(plan) = turn.view.session(held.session) else {
        return;
    };
    let mut steps = plan.steps().filter(|step| step.has_more());
    if let Some(step) = steps.find(|step| step.pdr == held.pdr) {
        count_before(step, held.user_length);
        count_dropped(plan, step, held.user_length, turn.end);
    }
}
