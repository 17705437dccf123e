//! Rejections: "Cause only, plus Node ID where the message has one, Offending IE, and where defined
//! Failed Rule ID" (TS 29.244, 7.6).

use std::borrow::Cow;

use pfcp::wire::{Ie, Unknown};
use pfcp::{
    AssociationReleaseResponse, AssociationUpdateResponse, Cause, Encode as _, Message,
    OffendingIe, PfdManagementResponse, SessionDeletionResponse, SessionEstablishmentRequest,
    SessionEstablishmentResponse, SessionModificationResponse, SessionSetDeletionResponse,
    SessionSetModificationResponse,
};
use session::Seid;
use tracing::field::display;

use super::partial::Failures;
use crate::counters::Dropped;
use crate::labels::Labels;
use crate::node::{Asked, Node};
use crate::refusal::Refusal;
use crate::sessions::Session;

/// The first message type of a session.
const SESSION_MESSAGES: u8 = 50;

impl Node {
    /// Refuses a request that could be read.
    pub(crate) fn refuse(&mut self, asked: &Asked, request: &Message, refusal: Refusal) {
        match request {
            Message::SessionEstablishmentRequest(request) => {
                self.refuse_establishment(asked, Some(request), refusal);
            }
            _ => self.refuse_type(asked, request.message_type(), refusal),
        }
    }

    /// Refuses a request of which only the header may have been read.
    pub(crate) fn refuse_type(&mut self, asked: &Asked, message_type: u8, refusal: Refusal) {
        let stranger = self.peers.at(asked.from.ip()).is_empty();
        let refusal = if stranger && message_type >= SESSION_MESSAGES {
            Refusal::new(Cause::NO_ESTABLISHED_ASSOCIATION)
        } else {
            refusal
        };
        let Refusal {
            cause, offending, ..
        } = refusal;
        let offending_ie = offending.map(OffendingIe);
        let node_id = self.config.node_id.clone();
        match message_type {
            3 => {
                self.log_refusal(asked, None, &refusal);
                let node_id = Some(node_id);
                let answer = PfdManagementResponse {
                    cause,
                    offending_ie,
                    node_id,
                    ..Default::default()
                };
                self.answer(asked, None, cause, &answer, None);
            }
            5 => {
                let mut answer = self.setup_answer(cause);
                answer.unknown = offending_unlisted(offending);
                self.answer(asked, None, cause, &answer, None);
            }
            7 => {
                let unknown = offending_unlisted(offending);
                let answer = AssociationUpdateResponse {
                    node_id,
                    cause,
                    unknown,
                    ..Default::default()
                };
                self.answer(asked, None, cause, &answer, None);
            }
            9 => {
                let unknown = offending_unlisted(offending);
                let answer = AssociationReleaseResponse {
                    node_id,
                    cause,
                    unknown,
                    ..Default::default()
                };
                self.answer(asked, None, cause, &answer, None);
            }
            14 => {
                let answer = SessionSetDeletionResponse {
                    node_id,
                    cause,
                    offending_ie,
                    ..Default::default()
                };
                self.answer(asked, None, cause, &answer, None);
            }
            16 => {
                let answer = SessionSetModificationResponse {
                    node_id,
                    cause,
                    offending_ie,
                    ..Default::default()
                };
                self.answer(asked, None, cause, &answer, None);
            }
            50 => self.refuse_establishment(asked, None, refusal),
            52 | 54 => self.refuse_session(asked, message_type, refusal),
            // A heartbeat has no cause to answer with; the rest are messages of UP functions.
            _ => self.drop_message(Dropped::Malformed, asked.from.ip()),
        }
    }

    /// Refuses an establishment, of which all may have been read.
    pub(crate) fn refuse_establishment(
        &mut self,
        asked: &Asked,
        request: Option<&SessionEstablishmentRequest>,
        refusal: Refusal,
    ) {
        let cp_seid = request.map_or(0, |request| request.cp_f_seid.seid);
        let answer = SessionEstablishmentResponse {
            node_id: self.config.node_id.clone(),
            cause: refusal.cause_of_all(),
            offending_ie: refusal.offending.map(OffendingIe),
            failed_rule_id: refusal.rule,
            ..Default::default()
        };
        self.log_refusal(asked, request, &refusal);
        self.answer(asked, Some(cp_seid), answer.cause, &answer, None);
    }

    /// "SEID zero: a response Session context not found, or a rejection sent before the SEID could
    /// be learnt."
    pub(crate) fn refuse_session(&mut self, asked: &Asked, message_type: u8, refusal: Refusal) {
        let session = self.sessions.by_seid(Seid(asked.header.seid.unwrap_or(0)));
        let owner = session.filter(|s| self.peers.at(asked.from.ip()).contains(&s.peer));
        let cp_seid = match refusal.cause {
            Cause::SESSION_CONTEXT_NOT_FOUND => 0,
            _ => owner.map_or(0, |session| session.cp.seid),
        };
        let offending_ie = refusal.offending.map(OffendingIe);
        let cause = refusal.cause_of_all();
        self.log_refusal(asked, None, &refusal);
        if message_type == 54 {
            let answer = SessionDeletionResponse {
                cause,
                offending_ie,
                ..Default::default()
            };
            self.answer(asked, Some(cp_seid), cause, &answer, None);
        } else {
            let failed_rule_id = refusal.rule;
            let answer = SessionModificationResponse {
                cause,
                offending_ie,
                failed_rule_id,
                ..Default::default()
            };
            self.answer(asked, Some(cp_seid), cause, &answer, None);
        }
    }

    /// Tells of the rules that failed in a request that was accepted but for them.
    pub(super) fn log_failures(
        &mut self,
        asked: &Asked,
        request: Option<&SessionEstablishmentRequest>,
        failures: &Failures,
    ) {
        for refusal in failures.refusals() {
            self.log_refusal(asked, request, refusal);
        }
    }

    fn log_refusal(
        &mut self,
        asked: &Asked,
        request: Option<&SessionEstablishmentRequest>,
        refusal: &Refusal,
    ) {
        if let Some(limit) = refusal.limit {
            self.counters.count_limit(limit);
        }
        if !self.may_log() {
            return;
        }
        let session = self.sessions.by_seid(Seid(asked.header.seid.unwrap_or(0)));
        let seid = session.map(|session| display(session.seid));
        let labels = match request {
            Some(request) => Some(Cow::Owned(Labels::of(request))),
            None => session.map(|session| Cow::Borrowed(&session.labels)),
        };
        let user = labels.and_then(|labels| labels.user_as(self.config.identities));
        tracing::warn!(from = %asked.from, seid, user, %refusal, "refused a request");
    }

    /// Tells of a session that came, changed or went.
    pub(crate) fn log_session(&self, session: &Session, what: &'static str) {
        if !tracing::enabled!(tracing::Level::DEBUG) {
            return;
        }
        let labels = &session.labels;
        let (user, dnn) = (labels.user_as(self.config.identities), labels.dnn());
        let (seid, cp) = (session.seid, session.cp.address);
        tracing::debug!(%seid, %cp, user, dnn, "{what}");
    }
}

/// Offending IE in an answer whose table does not list it: 7.6 asks for it all the same.
fn offending_unlisted(offending: Option<u16>) -> Vec<Unknown> {
    let ie = |r#type: u16| Unknown {
        r#type: <OffendingIe as Ie>::TYPE,
        value: r#type.to_be_bytes().as_slice().into(),
    };
    offending.map(ie).into_iter().collect()
}
