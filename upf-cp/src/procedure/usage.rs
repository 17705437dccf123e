//! Usage of sessions (TS 29.244, 5.2.2): when workers and timers say that something is due, when an
//! SMF asks, and when rules go.

use std::sync::Arc;

use pfcp::{
    Cause, FailedRuleId, PfcpSmReqFlags, ReportType, SessionDeletionResponse,
    SessionModificationRequest, SessionReportRequest, UsageReport, UsageReportTrigger,
};
use session::plan::Installed;
use session::report::Command;
use session::{Rules, Seid, SessionIndex, UrrId};

use crate::event::Now;
use crate::node::{Asked, Node};
use crate::refusal::Refusal;
use crate::sessions::Session;
use crate::settling::{Leaving, Modification};
use crate::translate::Draft;
use crate::usage::{Reading, UrrControl};

/// How many usage reports a datagram has room for, whatever they contain.
pub(super) const USAGE_REPORTS_PER_MESSAGE: usize = 12;

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
    loop {
        let there = urrs.iter().zip(&due).filter(|(_, due)| !due.is_empty());
        let reported: Vec<UrrId> = there.map(|(urr, _)| urr.id).collect();
        let mut more = false;
        for (urr, due) in urrs.iter().zip(&mut due) {
            if due.is_empty() && !reported.is_empty() && urr.is_linked_to(&reported) {
                *due = UsageReportTrigger::LIUSA;
                more = true;
            }
        }
        // One that is linked may be what another one is linked to.
        if !more {
            break;
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
    loop {
        let reported: Vec<UrrId> = reports.iter().map(|it| UrrId(it.urr_id.0)).collect();
        let is_next =
            |urr: &&mut UrrControl| !reported.contains(&urr.id) && urr.is_linked_to(&reported);
        let Some(urr) = urrs.iter_mut().find(is_next) else {
            return;
        };
        let reading = reading(installed, urr.id, now);
        urr.report(UsageReportTrigger::LIUSA, now, &reading, reports);
    }
}

/// Whether a PDR uses the URR.
fn uses(rules: &Rules, urr: UrrId) -> bool {
    rules.pdrs.iter().any(|pdr| pdr.urrs.contains(&urr))
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
        let usage_reports =
            report_each(urrs, installed, now, |urr, reading| urr.check(now, reading));
        // A Monitoring Time may bring new quota.
        if diverts(urrs) < diverted {
            self.command(worker, Command::Release { session: index });
        }
        for usage_reports in usage_reports.chunks(USAGE_REPORTS_PER_MESSAGE) {
            self.report(
                index,
                SessionReportRequest {
                    report_type: ReportType::USAR,
                    usage_reports: usage_reports.to_vec(),
                    ..Default::default()
                },
            );
        }
        self.arm_usage(index);
    }

    /// No worker counts for a session any more that the CP function has deleted.
    pub(crate) fn deleted(&mut self, asked: &Asked, mut session: Box<Session>) {
        let reports = last_reports(&mut session, UsageReportTrigger::TERMR, self.now, true);
        let answer = SessionDeletionResponse {
            cause: Cause::REQUEST_ACCEPTED,
            usage_reports: reports,
            ..Default::default()
        };
        self.answer(asked, Some(session.cp.seid), answer.cause, &answer, None);
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
        self.answer(
            &change.asked,
            Some(change.cp_seid),
            answer.cause,
            &answer,
            None,
        );
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
