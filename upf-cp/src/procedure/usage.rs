//! Usage of sessions (TS 29.244, 5.2.2): when workers and timers say that something is due, when an
//! SMF asks, and when rules go.

use std::sync::Arc;

use pfcp::{
    AdditionalUsageReportsInformation, Bits16, Cause, CpFunctionFeatures, FailedRuleId,
    PfcpSdRspFlags, PfcpSmReqFlags, PfcpSrReqFlags, ReportType, SessionDeletionResponse,
    SessionModificationRequest, SessionModificationResponse, SessionReportRequest, UsageReport,
    UsageReportTrigger,
};
use session::plan::Installed;
use session::report::Command;
use session::{Epoch, Rules, Seid, SessionIndex, UrrId};

use crate::association::PeerId;
use crate::event::Now;
use crate::node::{Asked, Node};
use crate::refusal::Refusal;
use crate::sessions::{CpFSeid, Session};
use crate::settling::{Leaving, Modification};
use crate::transaction::About;
use crate::translate::Draft;
use crate::usage::{Reading, UrrControl};

/// How many usage reports a datagram has room for without fragments, whatever they contain.
pub(super) const REPORTS_PER_DATAGRAM: usize = 10;
/// So many octets of a datagram every SMF reads: free5GC has room for 2 048.
const OCTETS_READ: usize = 2_000;
/// How many a message has room for.
const REPORTS_PER_MESSAGE: usize = 400;

/// What the counters of a URR stand at.
pub(super) fn reading(installed: &Installed, urr: UrrId, now: Now) -> Reading {
    let usage = installed.usage(urr);
    usage.map_or_else(Reading::default, |usage| Reading::of(usage, now))
}

/// Reports those URRs for which there is a trigger, and those that are linked to them.
fn report_each(
    urrs: &mut [UrrControl],
    installed: &Installed,
    now: Now,
    trigger: impl Fn(&mut UrrControl, &Reading) -> UsageReportTrigger,
) -> Vec<UsageReport> {
    let readings: Vec<Reading> = urrs
        .iter()
        .map(|urr| reading(installed, urr.id, now))
        .collect();
    let mut due: Vec<UsageReportTrigger> = urrs
        .iter_mut()
        .zip(&readings)
        .map(|(urr, reading)| trigger(urr, reading))
        .collect();
    let there = urrs.iter().zip(&due).filter(|(_, due)| !due.is_empty());
    let reported = there.map(|(urr, _)| urr.id).collect();
    for place in linked(urrs, reported) {
        if let Some(due) = due.get_mut(place) {
            *due = UsageReportTrigger::LIUSA;
        }
    }
    let mut reports = Vec::new();
    for ((urr, due), reading) in urrs.iter_mut().zip(due).zip(&readings) {
        if !due.is_empty() {
            urr.report(due, now, reading, &mut reports);
        }
    }
    reports
}

/// The last reports of all URRs of a session that has ended, or of those alone that used something.
pub(super) fn last_reports(
    session: &mut Session,
    trigger: UsageReportTrigger,
    now: Now,
    also_null: bool,
) -> Vec<UsageReport> {
    let mut reports = Vec::with_capacity(session.details.urrs.len());
    for urr in &mut session.details.urrs {
        let reading = reading(&session.installed, urr.id, now);
        if also_null || !urr.is_null(&reading) {
            urr.report(trigger, now, &reading, &mut reports);
        }
    }
    reports
}

/// URRs that go with a modification, and those that lose their last PDR.
pub(super) fn leaving(old: &Installed, draft: &Draft, removed: Vec<UrrControl>) -> Leaving {
    let with_counters = |urr: UrrControl| {
        let ledger = old.ledger(urr.id).map(Arc::clone);
        (urr, ledger.unwrap_or_default())
    };
    let urrs = draft.details.urrs.iter().map(|urr| urr.id);
    let lost = |urr: &UrrId| uses(&old.rules, *urr) && !uses(&draft.rules, *urr);
    Leaving {
        removed: removed.into_iter().map(with_counters).collect(),
        lost: urrs.filter(lost).collect(),
    }
}

/// Reports those that are linked to what has been reported, and have not been themselves.
fn report_linked(
    urrs: &mut [UrrControl],
    installed: &Installed,
    now: Now,
    reports: &mut Vec<UsageReport>,
) {
    let reported = reports.iter().map(|it| UrrId(it.urr_id.0)).collect();
    for place in linked(urrs, reported) {
        let Some(urr) = urrs.get_mut(place) else {
            continue;
        };
        let reading = reading(installed, urr.id, now);
        urr.report(UsageReportTrigger::LIUSA, now, &reading, reports);
    }
}

/// The places of those that are linked to what is reported, or to one of those, and are not reported
/// themselves.
fn linked(urrs: &[UrrControl], mut reported: Vec<UrrId>) -> Vec<usize> {
    if reported.is_empty() {
        return Vec::new();
    }
    let mut left: Vec<_> = urrs.iter().zip(0..).collect();
    left.retain(|(urr, _)| !reported.contains(&urr.id));
    let (mut found, mut next) = (Vec::new(), 0);
    while let Some(seen) = reported.get(next).copied() {
        next += 1;
        left.retain(|(urr, place)| {
            let is_linked = urr.is_linked_to(seen);
            if is_linked {
                reported.push(urr.id);
                found.push(*place);
            }
            !is_linked
        });
    }
    found
}

/// Whether a PDR uses the URR.
fn uses(rules: &Rules, urr: UrrId) -> bool {
    rules.pdrs.iter().any(|pdr| pdr.urrs.contains(&urr))
}

/// A report of what a session has used.
pub(super) const fn about_usage(session: &Session) -> About {
    About {
        peer: session.peer,
        session: session.index,
        seid: session.seid,
        usage: true,
    }
}

/// How an answer tells that more reports follow.
fn more(surplus: &[UsageReport]) -> Option<AdditionalUsageReportsInformation> {
    let number = u16::try_from(surplus.len()).ok().and_then(Bits16::new);
    let information = number.map_or(
        AdditionalUsageReportsInformation::Some,
        AdditionalUsageReportsInformation::Number,
    );
    (!surplus.is_empty()).then_some(information)
}

impl Node {
    pub(crate) fn usage_due(&mut self, index: SessionIndex, seid: Seid) {
        let session = self
            .sessions
            .get_mut(index)
            .filter(|session| session.seid == seid);
        if let Some(session) = session {
            session.timer_ms = None;
            self.check_usage(index);
        }
    }

    /// Reports what is due of a session's URRs, and arms them anew.
    pub(super) fn check_usage(&mut self, index: SessionIndex) {
        let now = self.now;
        let Some(session) = self.sessions.get_mut(index) else {
            self.counters.reports_stale += 1;
            return;
        };
        let worker = session.worker;
        let (urrs, installed) = (&mut session.details.urrs, &session.installed);
        let diverts = |urrs: &[UrrControl]| urrs.iter().filter(|urr| urr.diverts()).count();
        let diverted = diverts(urrs);
        let mut is_due = false;
        for urr in urrs.iter_mut() {
            let reading = reading(installed, urr.id, now);
            is_due |= urr.check(now, &reading);
        }
        // A Monitoring Time may bring new quota.
        if diverts(urrs) < diverted {
            self.command(worker, Command::Release { session: index });
        }
        if is_due {
            self.report_usage(index);
        }
        self.arm_usage(index);
    }

    /// Reports what is due of a session; or has it wait, in its counters, until its peer has answered
    /// others.
    fn report_usage(&mut self, index: SessionIndex) {
        let now = self.now;
        let Some(session) = self.sessions.get(index) else {
            return;
        };
        let has_room = self.takes_usage(session.peer);
        let Some(session) = self.sessions.get_mut(index) else {
            return;
        };
        let (about, cp) = (about_usage(session), session.cp);
        let has_waited = std::mem::replace(&mut session.postponed, !has_room);
        if has_room {
            let urrs = &mut session.details.urrs;
            let due = |urr: &mut UrrControl, _: &Reading| urr.take_due(has_waited, now);
            let reports = report_each(urrs, &session.installed, now, due);
            self.send_usage(about, cp, reports, false);
        } else if !has_waited {
            self.postpone(about);
        }
    }

    /// Whether usage can be reported to a peer now: it answers, and none waits to be told of other
    /// things.
    fn takes_usage(&self, peer: PeerId) -> bool {
        let most = self.config.limits.outstanding_requests_per_peer;
        self.peers.get(peer).is_some_and(|peer| {
            peer.outstanding < most && peer.parked.is_empty() && peer.waiting.is_empty()
        })
    }

    /// A session has its turn when its peer takes reports again.
    fn postpone(&mut self, about: About) {
        let Some(peer) = self.peers.get_mut(about.peer) else {
            return;
        };
        // Those that have ended meanwhile are not to pile up.
        if peer.postponed.len() > 2 * peer.sessions.len() {
            let sessions = &self.sessions;
            peer.postponed.retain(|(index, seid)| {
                let session = sessions.get(*index);
                session.is_some_and(|session| session.postponed && session.seid == *seid)
            });
        }
        peer.postponed.push_back((about.session, about.seid));
    }

    /// Reports what had to wait, as far as the peer takes it.
    pub(crate) fn report_postponed(&mut self, id: PeerId) {
        while self.takes_usage(id)
            && let Some(peer) = self.peers.get_mut(id)
            && let Some((index, seid)) = peer.postponed.pop_front()
        {
            let session = self.sessions.get(index);
            let is_it = |session: &Session| session.seid == seid && session.peer == id;
            if session.is_some_and(|session| session.postponed && is_it(session)) {
                self.check_usage(index);
                // It has had its turn, even if all was told meanwhile.
                if let Some(session) = self.sessions.get_mut(index) {
                    session.postponed = false;
                }
            }
        }
    }

    /// Sends usage reports about a session, a datagram's worth in each message. `ends`: with these
    /// the session is at its end, which the last message says.
    pub(super) fn send_usage(
        &mut self,
        about: About,
        cp: CpFSeid,
        mut reports: Vec<UsageReport>,
        ends: bool,
    ) {
        loop {
            let rest = reports.split_off(reports.len().min(REPORTS_PER_DATAGRAM));
            let is_last = rest.is_empty();
            let report = SessionReportRequest {
                report_type: if reports.is_empty() {
                    ReportType::UISR
                } else {
                    ReportType::USAR
                },
                usage_reports: reports,
                flags: (ends && is_last).then_some(PfcpSrReqFlags::PSDBU),
                ..Default::default()
            };
            self.send_report(about, cp, report);
            if is_last {
                return;
            }
            reports = rest;
        }
    }

    /// Whether every SMF reads the whole of an answer.
    fn is_read(&mut self, answer: &SessionDeletionResponse) -> bool {
        if answer.usage_reports.len() <= REPORTS_PER_DATAGRAM {
            return true;
        }
        let mut octets = std::mem::take(&mut self.scratch);
        octets.clear();
        let header = pfcp::Header {
            seid: Some(0),
            ..pfcp::Header::default()
        };
        let written = pfcp::encode(&header, answer, &mut octets);
        let fits = written.is_ok() && octets.len() <= OCTETS_READ;
        self.scratch = octets;
        fits
    }

    /// Takes out of an answer what is to be reported by session reports of its own.
    fn surplus(&self, peer: PeerId, reports: &mut Vec<UsageReport>) -> Vec<UsageReport> {
        // Who does not answer reports gets no more of them.
        let most = if self.takes_usage(peer) {
            REPORTS_PER_DATAGRAM
        } else {
            REPORTS_PER_MESSAGE
        };
        reports.split_off(reports.len().min(most))
    }

    /// Answers a modification that has been carried out, with usage reports that go into as many
    /// messages as they need.
    pub(super) fn answer_modification(
        &mut self,
        (asked, cp_seid): (&Asked, u64),
        seid: Seid,
        mut answer: SessionModificationResponse,
        after: Option<Epoch>,
    ) {
        // It may have ended meanwhile, and another one have its place.
        let session = self.sessions.by_seid(seid);
        let place = session.map(|session| (about_usage(session), session.cp));
        let surplus = place.map_or_else(Vec::new, |(about, _)| {
            self.surplus(about.peer, &mut answer.usage_reports)
        });
        answer.additional_usage_reports_information = more(&surplus);
        self.answer(asked, Some(cp_seid), answer.cause, &answer, after);
        if let Some((about, cp)) = place.filter(|_| !surplus.is_empty()) {
            self.send_usage(about, cp, surplus, false);
        }
    }

    /// No worker counts for a session any more that the CP function has deleted. What does not fit
    /// into the answer follows it (ARDR); a CP function that does not know of that has it before.
    pub(crate) fn deleted(&mut self, asked: &Asked, mut session: Box<Session>) {
        let reports = last_reports(&mut session, UsageReportTrigger::TERMR, self.now, true);
        let (about, cp) = (about_usage(&session), session.cp);
        let peer = self.peers.get(about.peer);
        let follows = peer.is_some_and(|peer| peer.features.contains(CpFunctionFeatures::ARDR));
        let mut answer = SessionDeletionResponse {
            cause: Cause::REQUEST_ACCEPTED,
            usage_reports: reports,
            flags: (session.unacknowledged > 0).then_some(PfcpSdRspFlags::PURU),
            ..Default::default()
        };
        let surplus = if follows || !self.is_read(&answer) {
            self.surplus(about.peer, &mut answer.usage_reports)
        } else {
            Vec::new()
        };
        let is_all = surplus.is_empty();
        if follows && !is_all {
            answer.cause = Cause::MORE_USAGE_REPORT_TO_SEND;
            answer.additional_usage_reports_information = more(&surplus);
            self.answer(asked, Some(cp.seid), answer.cause, &answer, None);
            self.send_usage(about, cp, surplus, true);
        } else {
            if !is_all {
                answer.flags = Some(PfcpSdRspFlags::PURU);
                self.send_usage(about, cp, surplus, false);
            }
            self.answer(asked, Some(cp.seid), answer.cause, &answer, None);
        }
    }

    /// No worker counts by the rules any more that a modification has replaced.
    pub(crate) fn modified(&mut self, change: Modification) {
        let now = self.now;
        let mut answer = change.answer;
        let Leaving { removed, lost } = change.leaving;
        let trigger = UsageReportTrigger::TERMR;
        let mut reports = Vec::new();
        for (mut urr, ledger) in removed {
            let reading = Reading::of(ledger.usage(), now);
            if !urr.is_null(&reading) {
                urr.report(trigger, now, &reading, &mut reports);
            }
        }
        let session = self.sessions.get_mut(change.session);
        if let Some(session) = session.filter(|session| session.seid == change.seid) {
            let (urrs, installed) = (&mut session.details.urrs, &session.installed);
            for urr in urrs.iter_mut().filter(|urr| lost.contains(&urr.id)) {
                let reading = reading(installed, urr.id, now);
                if !urr.is_null(&reading) {
                    urr.report(trigger, now, &reading, &mut reports);
                }
                urr.begin_anew(now);
            }
            report_linked(urrs, installed, now, &mut reports);
            self.arm_usage(change.session);
        }
        answer.usage_reports.append(&mut reports);
        let to = (&change.asked, change.cp_seid);
        self.answer_modification(to, change.seid, answer, None);
    }

    /// What the counters stand at of the URRs that a request changes.
    pub(super) fn readings(
        &self,
        session: &Session,
        request: &SessionModificationRequest,
    ) -> Vec<(UrrId, Reading)> {
        let urrs = request.update_urrs.iter().map(|ie| UrrId(ie.urr_id.0));
        urrs.map(|urr| (urr, reading(&session.installed, urr, self.now)))
            .collect()
    }

    /// Query URR or QAURR, not both: immediate reports.
    pub(super) fn query(
        &self,
        index: SessionIndex,
        request: &SessionModificationRequest,
        draft: &mut Draft,
    ) -> Result<Vec<UsageReport>, Refusal> {
        let all = request
            .flags
            .is_some_and(|flags| flags.contains(PfcpSmReqFlags::QAURR));
        if all && !request.query_urrs.is_empty() {
            return Err(Refusal::ie::<PfcpSmReqFlags>(Cause::MANDATORY_IE_INCORRECT));
        }
        let Some(session) = self.sessions.get(index) else {
            return Ok(Vec::new());
        };
        for query in &request.query_urrs {
            let mut urrs = draft.details.urrs.iter();
            if !urrs.any(|urr| urr.id.0 == query.urr_id.0) {
                let rule = FailedRuleId::Urr(query.urr_id);
                return Err(Refusal::rule::<pfcp::UrrId>(rule));
            }
        }
        if !all && request.query_urrs.is_empty() {
            return Ok(Vec::new());
        }
        let asked = |urr: &mut UrrControl, _: &Reading| {
            let mut queries = request.query_urrs.iter();
            if all || queries.any(|query| query.urr_id.0 == urr.id.0) {
                UsageReportTrigger::IMMER
            } else {
                UsageReportTrigger::empty()
            }
        };
        let urrs = &mut draft.details.urrs;
        let mut reports = report_each(urrs, &session.installed, self.now, asked);
        for report in &mut reports {
            report.query_urr_reference = request.query_urr_reference;
        }
        Ok(reports)
    }
}
