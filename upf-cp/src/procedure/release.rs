//! Association release (TS 29.244, 6.2.8), at once or after last reports (EPFAR, 5.18).
//!
//! Only the CP function can release. The UP function asks for it by an association update: plainly,
//! or with the offer to report first what each session has used. What is not released when the
//! time for it is over is forgotten.

use pfcp::{
    AssociationReleaseRequest, AssociationReleaseResponse, Cause, CpFunctionFeatures,
    UsageReportTrigger,
};
use session::{Epoch, SessionIndex};

use super::usage::{about_usage, last_reports};
use crate::association::{PeerId, Releasing};
use crate::node::{Asked, Node};
use crate::refusal::Refusal;
use crate::sessions::Session;
use crate::settling::Unsettled;
use crate::timer::Timer;
use crate::transaction::Step;
use crate::work::{Owed, OwedAnswer};

/// How many sessions are reported and ended in one go.
const SESSIONS_AT_ONCE: usize = 256;

/// The least time for last reports that a peer asks for.
const LEAST_GRACE_MS: u64 = 10_000;

impl Node {
    pub(crate) fn association_release(
        &mut self,
        asked: Asked,
        request: &AssociationReleaseRequest,
    ) {
        let Some(peer) = self.peers.of(&request.node_id, asked.from.ip()) else {
            let refusal = Refusal::new(Cause::NO_ESTABLISHED_ASSOCIATION);
            self.refuse(&asked, &request.clone().into(), refusal);
            return;
        };
        tracing::info!(peer = %request.node_id, "association released");
        let answer = OwedAnswer::Release;
        self.forget(peer, Some(Owed { asked, answer }));
    }

    pub(crate) fn answer_release(&mut self, asked: &Asked, after: Option<Epoch>) {
        let answer = AssociationReleaseResponse {
            node_id: self.config.node_id.clone(),
            cause: Cause::REQUEST_ACCEPTED,
            ..Default::default()
        };
        self.answer(asked, None, answer.cause, &answer, after);
    }

    /// Ends an association and all its sessions. An SMF that we associate with is asked anew.
    pub(crate) fn forget_peer(&mut self, id: PeerId) {
        self.forget(id, None);
    }

    fn forget(&mut self, id: PeerId, owed: Option<Owed>) {
        let Some(gone) = self.peers.remove(id) else {
            return;
        };
        let address = gone.address;
        self.part_with(id, gone, None, owed);
        if !self.ending {
            self.associate_anew(address);
        }
    }

    // ===== releases that we ask for =====

    /// Asks a peer to release its association; whether it has done so when the time for it is over
    /// or not, the association ends then.
    pub(crate) fn ask_for_release(&mut self, id: PeerId) {
        if self.is_releasing(id) {
            return;
        }
        let step = if self.takes_last_reports(id) {
            Step::AskWithReports
        } else {
            Step::Ask
        };
        self.send_update(id, step);
        self.expect_release(id, Releasing::Asked);
    }

    /// The node ends: a peer that takes last reports gets them, any other is forgotten.
    pub(crate) fn end_with(&mut self, id: PeerId) {
        if self.takes_last_reports(id) && self.config.release_grace_ms > 0 {
            self.ask_for_release(id);
        } else {
            self.forget_peer(id);
        }
    }

    fn takes_last_reports(&self, id: PeerId) -> bool {
        let peer = self.peers.get(id);
        peer.is_some_and(|peer| peer.features.contains(CpFunctionFeatures::EPFAR))
    }

    fn expect_release(&mut self, id: PeerId, releasing: Releasing) {
        let Some(peer) = self.peers.get_mut(id) else {
            return;
        };
        if matches!(peer.releasing, Releasing::No) {
            // What the peer itself asks for is given time, however little it would be given.
            let least_ms = match releasing {
                Releasing::Reporting(_) => LEAST_GRACE_MS,
                Releasing::No | Releasing::Asked => 0,
            };
            let grace_ms = self.config.release_grace_ms.max(least_ms);
            let at = self.now.elapsed_ms + grace_ms;
            self.timers.set(at, Timer::Release(id));
        }
        peer.releasing = releasing;
    }

    /// The time for a release is over.
    pub(crate) fn release_due(&mut self, id: PeerId) {
        if self.is_releasing(id) {
            self.forget_peer(id);
        }
    }

    // ===== last reports =====

    /// Begins to report what each session of the peer has used, and to end it.
    pub(crate) fn report_all(&mut self, id: PeerId) {
        let sessions = self.peers.get(id).map(|peer| &peer.sessions);
        let sessions = sessions.into_iter().flatten().copied().collect();
        self.expect_release(id, Releasing::Reporting(sessions));
        self.report_on(id);
    }

    /// Goes on with last reports, as far as the peer's answers keep up.
    pub(crate) fn report_on(&mut self, id: PeerId) {
        let most = self.config.limits.outstanding_requests_per_peer;
        for _ in 0..SESSIONS_AT_ONCE {
            let Some(peer) = self.peers.get_mut(id) else {
                return;
            };
            let Releasing::Reporting(left) = &mut peer.releasing else {
                return;
            };
            if !peer.waiting.is_empty() || peer.outstanding >= most {
                return;
            }
            if let Some(index) = left.pop() {
                let session = self.sessions.get(index);
                if session.is_some_and(|session| session.peer == id) {
                    self.end_with_report(index);
                }
            } else if !peer.sessions.is_empty() {
                // The peer has gone on to establish sessions.
                *left = peer.sessions.iter().copied().collect();
            } else {
                if peer.outstanding == 0 {
                    peer.releasing = Releasing::Asked;
                    self.send_update(id, Step::AllReported);
                }
                return;
            }
        }
    }

    /// Ends a session, to tell the peer so once all is counted that it has used.
    fn end_with_report(&mut self, index: SessionIndex) {
        let Some((session, epoch)) = self.end_session(index) else {
            return;
        };
        // It has its place among the reports that are under way.
        if let Some(peer) = self.peers.get_mut(session.peer) {
            peer.outstanding += 1;
        }
        self.settling.push(epoch, Unsettled::Ended(session));
    }

    /// Tells the peer that a session has ended, with what was used: "last one PSDBU=1, report type
    /// USAR, or UISR if there is nothing to report" (TS 29.244, 5.18).
    pub(crate) fn ended(&mut self, mut session: Box<Session>) {
        let Some(peer) = self.peers.get_mut(session.peer) else {
            return;
        };
        peer.outstanding = peer.outstanding.saturating_sub(1);
        let trigger = UsageReportTrigger::TEBUR;
        let reports = last_reports(&mut session, trigger, self.now, false);
        self.send_usage(about_usage(&session), session.cp, reports, true);
    }
}
