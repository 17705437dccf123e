//! Session reports (TS 29.244, 6.3.5 and 7.5.8): what workers and timers tell, passed on to the SMF.

use std::net::{IpAddr, SocketAddr};

use pfcp::{
    Cause, ErrorIndicationReport, FTeid, Message, PfcpSrRspFlags, ReportType, SessionReportRequest,
    SessionReportResponse,
};
use session::report::Report;
use session::{SessionIndex, Teid};

use crate::association::{PeerId, Waiting};
use crate::node::Node;
use crate::sessions::{CpFSeid, Session};
use crate::transaction::{About, Pending, Purpose};

impl Node {
    pub(crate) fn worker_report(&mut self, report: Report) {
        match report {
            Report::DownlinkData {
                session,
                pdr,
                far,
                qfi,
                tos,
            } => self.downlink_data(session, (pdr, far), (qfi, tos)),
            Report::Usage { session, .. } => self.check_usage(session),
            Report::Station {
                session,
                station,
                tags,
                outside,
            } => self.station_heard(session, (station, tags), outside),
            Report::ErrorIndication { peer, teid, sender } => {
                self.error_indication(peer, teid, sender);
            }
            Report::EchoSent { peer, sequence, at } => self.paths.echo_sent(peer, sequence, at),
            Report::EchoAnswered { peer, sequence, at } => self.echo_answered(peer, sequence, at),
        }
    }

    /// "Find the session whose FAR sends to (peer, TEID); report the remote F-TEID. Do not act
    /// further; the SMF does" (TS 29.244, 5.10). A peer sends one for each packet: they are told of
    /// once. It sends it from the address that the packet was for (TS 29.281, 7.3.1): nobody else
    /// is believed.
    fn error_indication(&mut self, peer: IpAddr, teid: Teid, sender: IpAddr) {
        let sessions = if sender == peer {
            self.sessions.tell_error(peer, teid)
        } else {
            Vec::new()
        };
        if sessions.is_empty() {
            self.counters.reports_stale += 1;
        }
        for index in sessions {
            self.report(
                index,
                SessionReportRequest {
                    report_type: ReportType::ERIR,
                    error_indication_report: Some(ErrorIndicationReport {
                        remote_f_teids: [FTeid::given(teid.0, peer)].into(),
                        ..Default::default()
                    }),
                    ..Default::default()
                },
            );
        }
    }

    /// Sends a report, or has it wait while too many others are unanswered; not one that says what
    /// was used, which has been counted off by now.
    pub(crate) fn report(&mut self, index: SessionIndex, report: SessionReportRequest) {
        let limits = self.config.limits;
        let Some(session) = self.sessions.get(index) else {
            return;
        };
        let (about, cp) = (about(session, &report), session.cp);
        let Some(peer) = self.peers.get_mut(about.peer) else {
            return;
        };
        if about.usage || peer.outstanding < limits.outstanding_requests_per_peer {
            self.send_report(about, cp, report);
        } else if peer.waiting.len() < limits.waiting_reports_per_peer {
            peer.waiting.push_back(Waiting {
                session: index,
                seid: about.seid,
                report: Box::new(report),
            });
        } else {
            self.not_told(about, &report);
            self.shed_report();
        }
    }

    /// The CP function will not hear of that by this report: it has to by another one.
    fn not_told(&mut self, about: About, report: &SessionReportRequest) {
        let errors = report.error_indication_report.iter();
        let tunnels = errors.flat_map(|errors| errors.remote_f_teids.iter());
        for tunnel in tunnels {
            self.sessions.forget_error(about.session, tunnel);
        }
        if let Some(held) = &report.downlink_data_report {
            self.note_untold(about, held);
        }
    }

    fn shed_report(&mut self) {
        self.counters.reports_shed += 1;
        if self.may_log() {
            tracing::warn!("too many session reports wait for a peer");
        }
    }

    /// Sends a report about a session, which may have ended with it.
    pub(crate) fn send_report(
        &mut self,
        about: About,
        cp: CpFSeid,
        mut report: SessionReportRequest,
    ) {
        if let Some(peer) = self.peers.get_mut(about.peer) {
            peer.outstanding += 1;
        }
        if let Some(session) = self.reported_session(about) {
            session.unacknowledged = session.unacknowledged.saturating_add(1);
        }
        let cp = self.destination(about.session, cp, &mut report);
        let to = SocketAddr::new(cp.address, self.config.peer_port);
        self.request(to, Some(cp.seid), &report, Purpose::Report(about));
    }

    /// A report is answered, or will not be soon: the next one that waits may go.
    pub(crate) fn report_done(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(id) else {
            return;
        };
        peer.outstanding = peer.outstanding.saturating_sub(1);
        while let Some(peer) = self.peers.get_mut(id)
            && let Some(waiting) = peer.waiting.pop_front()
        {
            let session = self.sessions.get(waiting.session);
            if let Some(session) = session.filter(|session| session.seid == waiting.seid) {
                let (about, cp) = (about(session, &waiting.report), session.cp);
                self.send_report(about, cp, *waiting.report);
                return;
            }
        }
        self.report_postponed(id);
        self.report_on(id);
    }

    /// The session that a report says the usage of, if it is still there.
    fn reported_session(&mut self, about: About) -> Option<&mut Session> {
        let session = self.sessions.get_mut(about.session);
        session.filter(|session| about.usage && session.seid == about.seid)
    }

    /// A report needs no retransmission any more.
    pub(crate) fn report_acknowledged(&mut self, about: About) {
        if let Some(session) = self.reported_session(about) {
            session.unacknowledged = session.unacknowledged.saturating_sub(1);
        }
    }

    /// N1 is reached. What was used must not get lost: such a report is sent again when the peer is
    /// heard of, under the same number, so that a peer that had it after all counts it once. There are
    /// no more of them than may be outstanding: meanwhile no others are made.
    pub(crate) fn report_unanswered(&mut self, about: About, sequence: u32, pending: Pending) {
        if let Some(peer) = self.peers.get_mut(about.peer).filter(|_| about.usage) {
            peer.parked.push_back(sequence);
            let parked = Pending {
                parked: true,
                ..pending
            };
            self.outgoing.insert(sequence, parked);
        } else if let Ok(Message::SessionReportRequest(report)) =
            pfcp::decode(&pending.octets).map(|decoded| decoded.message)
        {
            self.not_told(about, &report);
        }
        self.report_done(about.peer);
    }

    /// The peer is there again: what it has not acknowledged goes out anew, as far as it may.
    pub(crate) fn unpark_reports(&mut self, id: PeerId) {
        let (most, n1) = (
            self.config.limits.outstanding_requests_per_peer,
            self.config.n1,
        );
        while let Some(peer) = self.peers.get_mut(id)
            && peer.outstanding < most
            && let Some(sequence) = peer.parked.pop_front()
        {
            // It may have been answered late.
            if let Some((to, octets)) = self.outgoing.unpark(sequence, n1) {
                peer.outstanding += 1;
                self.counters.retransmissions += 1;
                self.repeat_request(sequence, to, octets);
            }
        }
        self.report_postponed(id);
        self.tell_untold(id);
    }

    pub(crate) fn report_answered(
        &mut self,
        about: About,
        pending: &Pending,
        answer: &SessionReportResponse,
    ) {
        // One that was parked counts as outstanding no more.
        if !pending.parked {
            self.report_done(about.peer);
        }
        self.report_acknowledged(about);
        self.heard_of(about.peer);
        let session = self
            .sessions
            .get(about.session)
            .filter(|session| session.seid == about.seid);
        if session.is_none() {
            return;
        }
        // "The CP no longer knows the session; drop it here."
        if answer.cause == Cause::SESSION_CONTEXT_NOT_FOUND {
            self.end_session(about.session);
            return;
        }
        if answer.cause == Cause::REDIRECTION_REQUESTED {
            if !self.follow(about, &pending.octets, answer) && self.may_log() {
                tracing::warn!("an SMF sends a report elsewhere, where it cannot go");
            }
            return;
        }
        if answer.cause.is_accepted() {
            self.taken_over(about.session, answer);
            if let Some(update) = &answer.update_bar {
                self.update_bar(about.session, update);
            }
        }
        // SD-Core says so with cause 64.
        if answer
            .flags
            .is_some_and(|flags| flags.contains(PfcpSrRspFlags::DROBU))
        {
            self.discard_held(about.session);
        }
    }
}

fn about(session: &Session, report: &SessionReportRequest) -> About {
    About {
        peer: session.peer,
        session: session.index,
        seid: session.seid,
        usage: !report.usage_reports.is_empty(),
    }
}
