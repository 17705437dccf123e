//! What the UPF asks of its own accord: heartbeats, associations, reports.

use std::time::Duration;

use pfcp::{
    AssociationSetupResponse, Cause, CpFunctionFeatures, Decoded, Header, HeartbeatResponse,
    Message, NodeReportResponse, PdrId, RecoveryTimeStamp, SessionReportRequest,
    SessionReportResponse, UsageReport,
};

use super::error::SmfError;
use super::wire::Incoming;
use super::{Smf, now};

/// How many events are kept for whoever does not ask for them.
const EVENTS_MAX: usize = 65_536;

/// What the UPF told of its own accord.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Downlink data came for an idle UE.
    DownlinkData {
        /// Whose.
        session: u32,
        /// By which PDRs.
        pdrs: Vec<PdrId>,
    },
    /// Usage.
    Usage {
        /// Whose.
        session: u32,
        /// How much.
        reports: Vec<UsageReport>,
    },
    /// A gNB does not know a tunnel any more.
    ErrorIndication {
        /// Whose.
        session: u32,
    },
    /// Another report.
    Report {
        /// Whose, if the session is known.
        session: Option<u32>,
        /// What it says.
        report: Box<SessionReportRequest>,
    },
    /// A heartbeat, with the UPF's Recovery Time Stamp.
    Heartbeat(u32),
    /// The UPF set the association up.
    Association,
}

impl Smf {
    /// Serves what the UPF asks, for as long.
    ///
    /// # Errors
    /// When the socket fails.
    pub fn serve(&mut self, how_long: Duration) -> Result<(), SmfError> {
        let end = now() + how_long;
        loop {
            if let Some((decoded, _)) = self.receive()? {
                self.serve_request(decoded)?;
            }
            if now() >= end {
                return Ok(());
            }
        }
    }

    /// Serves what the UPF asks until an event comes, but not longer than this.
    ///
    /// # Errors
    /// When the socket fails.
    pub fn wait_event(&mut self, how_long: Duration) -> Result<Option<Event>, SmfError> {
        let end = now() + how_long;
        while self.events.is_empty() && now() < end {
            self.serve(Duration::ZERO)?;
        }
        Ok(self.events.pop_front())
    }

    /// Answers a request of the UPF's. Anything else is an answer that came too late.
    pub(super) fn serve_request(&mut self, incoming: Incoming) -> Result<(), SmfError> {
        let Incoming::Sound(decoded, from) = incoming else {
            return Ok(());
        };
        let Decoded { header, message } = *decoded;
        let recovery_time_stamp = RecoveryTimeStamp(self.config.recovery_time_stamp);
        let (seid, answer): (Option<u64>, Message) = match message {
            Message::HeartbeatRequest(request) => {
                self.event(Event::Heartbeat(request.recovery_time_stamp.0));
                (
                    None,
                    HeartbeatResponse {
                        recovery_time_stamp,
                        ..Default::default()
                    }
                    .into(),
                )
            }
            Message::AssociationSetupRequest(request) => {
                self.features = request.up_function_features.unwrap_or_default();
                self.event(Event::Association);
                let response = AssociationSetupResponse {
                    node_id: self.node_id.clone(),
                    cause: Cause::REQUEST_ACCEPTED,
                    recovery_time_stamp: Some(recovery_time_stamp),
                    cp_function_features: Some(CpFunctionFeatures::default()),
                    ..Default::default()
                };
                (None, response.into())
            }
            Message::NodeReportRequest(_) => {
                let response = NodeReportResponse {
                    node_id: self.node_id.clone(),
                    cause: Cause::REQUEST_ACCEPTED,
                    ..Default::default()
                };
                (None, response.into())
            }
            Message::SessionReportRequest(report) => self.on_report(&header, report),
            _ => return Ok(()),
        };
        let mut octets = Vec::with_capacity(64);
        pfcp::encode(&header.answer(seid), &answer, &mut octets)?;
        Ok(self.send(&octets, from)?)
    }

    fn on_report(
        &mut self,
        header: &Header,
        report: SessionReportRequest,
    ) -> (Option<u64>, Message) {
        self.reports += 1;
        let session = self.sessions.by_cp_seid(header.seid.unwrap_or(0));
        let known = session.map(|session| (session.number, session.up_seid));
        let cause = match known {
            Some(_) => Cause::REQUEST_ACCEPTED,
            None => Cause::SESSION_CONTEXT_NOT_FOUND,
        };
        self.report_events(known.map(|(number, _)| number), report);
        let response = SessionReportResponse {
            cause,
            ..Default::default()
        };
        (
            Some(known.map_or(0, |(_, up_seid)| up_seid)),
            response.into(),
        )
    }

    fn report_events(&mut self, session: Option<u32>, report: SessionReportRequest) {
        let mut told = false;
        if let Some(number) = session {
            if let Some(data) = &report.downlink_data_report {
                self.event(Event::DownlinkData {
                    session: number,
                    pdrs: data.pdr_ids.to_vec(),
                });
                told = true;
            }
            if !report.usage_reports.is_empty() {
                let reports = report.usage_reports.clone();
                self.event(Event::Usage {
                    session: number,
                    reports,
                });
                told = true;
            }
            if report.error_indication_report.is_some() {
                self.event(Event::ErrorIndication { session: number });
                told = true;
            }
        }
        if !told {
            self.event(Event::Report {
                session,
                report: Box::new(report),
            });
        }
    }

    fn event(&mut self, event: Event) {
        if self.events.len() >= EVENTS_MAX {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }
}
