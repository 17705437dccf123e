//! Packets that are held, as the CP function hears of them, and how long it has them kept (TS 29.244,
//! 5.2.3.1 and 5.2.4).

use pfcp::{DownlinkDataReport, DownlinkDataServiceInformation, ReportType, SessionReportRequest};
use session::report::Command;
use session::rule::{Action, Bar};
use session::{FarId, PdrId, Qfi, Seid, SessionIndex};

use crate::association::PeerId;
use crate::node::Node;
use crate::refusal::Refusal;
use crate::sessions::Session;
use crate::timer::{Deadline, Timer};
use crate::transaction::About;
use crate::translate::{Draft, Notice, Translator, WHEN_HEARD};

impl Node {
    /// The first packet of a flow that a FAR holds (TS 29.244, 5.2.3.1). Its BAR may want it told
    /// later.
    pub(crate) fn downlink_data(
        &mut self,
        index: SessionIndex,
        (pdr, far): (PdrId, FarId),
        (qfi, tos): (Option<Qfi>, u8),
    ) {
        let now_ms = self.now.elapsed_ms;
        let mut notice = Notice {
            at_ms: now_ms,
            pdr,
            far,
            qfi,
            tos,
        };
        let session = self.sessions.get_mut(index);
        let Some(session) = session.filter(|session| wants(session, &notice)) else {
            self.counters.reports_stale += 1;
            return;
        };
        match bar_of(session, far).map_or(0, |bar| bar.notification_delay_ms) {
            0 => self.tell_downlink_data(index, &notice),
            delay_ms => {
                notice.at_ms = now_ms + u64::from(delay_ms);
                session.details.note(notice);
                self.arm_notices(index);
            }
        }
    }

    pub(crate) fn notice_due(&mut self, index: SessionIndex, seid: Seid) {
        let now_ms = self.now.elapsed_ms;
        let session = self.sessions.get_mut(index);
        let Some(session) = session.filter(|session| session.seid == seid) else {
            return;
        };
        let mut due = session.details.notices_due(now_ms);
        due.retain(|notice| wants(session, notice));
        for notice in &due {
            self.tell_downlink_data(index, notice);
        }
        self.arm_notices(index);
    }

    /// Sets the deadline for what the CP function is to be told next.
    fn arm_notices(&mut self, index: SessionIndex) {
        let session = self.sessions.get(index);
        let next = session.and_then(|session| Some((session.details.next_notice_ms()?, session)));
        if let Some((at_ms, session)) = next {
            let timer = Timer::Session(index, session.seid, Deadline::Notice);
            self.timers.set(at_ms, timer);
        }
    }

    /// A report of packets that are held was lost: another one will tell of them.
    pub(super) fn note_untold(&mut self, about: About, held: &DownlinkDataReport) {
        let session = self.sessions.get_mut(about.session);
        let Some(session) = session.filter(|session| session.seid == about.seid) else {
            return;
        };
        let was_untold = session.details.is_untold();
        let information = held.downlink_data_service_information.as_ref();
        let qfi = information.and_then(|it| Qfi::new(it.qfi?.get()));
        let dscp = information.and_then(|it| it.paging_policy_indication);
        for pdr in &held.pdr_ids {
            let mut pdrs = session.installed.rules.pdrs.iter();
            let Some(pdr) = pdrs.find(|there| there.id == PdrId(pdr.0)) else {
                continue;
            };
            session.details.note(Notice {
                at_ms: WHEN_HEARD,
                pdr: pdr.id,
                far: pdr.far,
                qfi,
                tos: dscp.map_or(0, |dscp| dscp.get() << 2),
            });
        }
        let (id, is_untold) = (session.peer, session.details.is_untold());
        let peer = self.peers.get_mut(id);
        if let Some(peer) = peer.filter(|_| is_untold && !was_untold) {
            // Those that have ended meanwhile are not to pile up.
            if peer.untold.len() > 2 * peer.sessions.len() {
                let sessions = &self.sessions;
                peer.untold.retain(|(index, seid)| {
                    let session = sessions.get(*index);
                    session.is_some_and(|there| there.seid == *seid && there.details.is_untold())
                });
            }
            peer.untold.push_back((about.session, about.seid));
        }
    }

    /// The peer is there again: it is told of what is still held, as far as it may be.
    pub(super) fn tell_untold(&mut self, id: PeerId) {
        let most = self.config.limits.outstanding_requests_per_peer;
        while let Some(peer) = self.peers.get_mut(id)
            && peer.outstanding < most
            && let Some((index, seid)) = peer.untold.pop_front()
        {
            let session = self.sessions.get_mut(index);
            let is_it = |session: &&mut Session| session.seid == seid && session.peer == id;
            let Some(session) = session.filter(is_it) else {
                continue;
            };
            let mut untold = session.details.take_untold();
            untold.retain(|notice| wants(session, notice));
            for notice in &untold {
                self.tell_downlink_data(index, notice);
            }
        }
    }

    fn tell_downlink_data(&mut self, index: SessionIndex, notice: &Notice) {
        let dscp = self.config.paging_policy.then_some(notice.tos >> 2);
        let information = DownlinkDataServiceInformation {
            qfi: notice.qfi.and_then(|qfi| pfcp::Qfi::new(qfi.get())),
            paging_policy_indication: dscp.and_then(pfcp::Bits::new),
            ..Default::default()
        };
        let says_something = information != DownlinkDataServiceInformation::default();
        self.report(
            index,
            SessionReportRequest {
                report_type: ReportType::DLDR,
                downlink_data_report: Some(DownlinkDataReport {
                    pdr_ids: [notice.pdr.0.into()].into(),
                    downlink_data_service_information: says_something.then_some(information),
                    ..Default::default()
                }),
                ..Default::default()
            },
        );
    }

    /// Has what a session holds dropped (DROBU); what comes then is told of anew.
    pub(crate) fn discard_held(&mut self, index: SessionIndex) {
        self.change_bars(index, |translator| {
            translator.end_extended();
            Ok(())
        });
        if let Some(session) = self.sessions.get_mut(index) {
            session.details.forget_notices();
            let worker = session.worker;
            self.command(worker, Command::Discard { session: index });
        }
    }

    /// Update BAR in a Session Report Response.
    pub(crate) fn update_bar(&mut self, index: SessionIndex, update: &pfcp::UpdateBar) {
        let most = self.config.extended_most;
        self.change_bars(index, |translator| {
            translator.update_bar_of_answer(update, most)
        });
        self.arm_extended(index);
    }

    /// Sets the timer for the end of extended buffering.
    fn arm_extended(&mut self, index: SessionIndex) {
        let Some(session) = self.sessions.get(index) else {
            return;
        };
        let bars = session.installed.rules.bars.iter();
        let extended = bars.filter_map(|bar| bar.extended);
        if let Some(at_ms) = extended.map(|extended| extended.until_ms).min() {
            self.timers.set(
                at_ms,
                Timer::Session(index, session.seid, Deadline::Extended),
            );
        }
    }

    /// Extended buffering is over: what it kept goes, and what comes is told of again. It may have
    /// been begun anew since the timer was set.
    pub(crate) fn extended_due(&mut self, index: SessionIndex, seid: Seid) {
        let now_ms = self.now.elapsed_ms;
        let is_over = |bar: &Bar| bar.extended.is_some_and(|at| at.until_ms <= now_ms);
        let session = self.sessions.get(index);
        let session = session.filter(|session| session.seid == seid);
        if session.is_some_and(|session| session.installed.rules.bars.iter().any(is_over)) {
            self.discard_held(index);
        }
    }

    /// Changes a session's BARs, unasked: what cannot be is logged.
    fn change_bars(
        &mut self,
        index: SessionIndex,
        change: impl FnOnce(&mut Translator<'_>) -> Result<(), Refusal>,
    ) {
        let Some(session) = self.sessions.get(index) else {
            return;
        };
        let (seid, owner) = (session.seid, (session.worker, session.peer));
        let mut draft = Draft {
            rules: session.installed.rules.clone(),
            details: session.details.clone(),
            ..Draft::default()
        };
        let changed = change(&mut self.translator(owner, &mut draft));
        match changed.and_then(|()| self.put_in_force(index, &mut draft)) {
            Ok(()) if draft.published.is_none() => {}
            Ok(()) => self.commit(index, None, &mut draft, false),
            Err(refusal) => {
                self.give_up(&mut draft);
                if self.may_log() {
                    tracing::warn!(%seid, %refusal, "an SMF's change of a BAR cannot be made");
                }
            }
        }
    }
}

fn bar_of(session: &Session, far: FarId) -> Option<&Bar> {
    let rules = &session.installed.rules;
    let bar = rules.fars.iter().find(|there| there.id == far)?.bar?;
    rules.bars.iter().find(|there| there.id == bar)
}

/// Whether the CP function wants to hear of such a packet.
fn wants(session: &Session, notice: &Notice) -> bool {
    let rules = &session.installed.rules;
    let far = rules.fars.iter().find(|there| there.id == notice.far);
    let extended = bar_of(session, notice.far).is_some_and(|bar| bar.extended.is_some());
    far.is_some_and(|far| far.action == Action::Buffer { notify: true })
        && rules.pdrs.iter().any(|there| there.id == notice.pdr)
        && !extended
}
