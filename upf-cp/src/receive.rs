//! What comes in: who may send it, what it is, whether it came before, and who takes it.

use std::net::{IpAddr, SocketAddr};

use pfcp::{Cause, DecodeError, Discard, Encode as _, Message};

use crate::counters::Dropped;
use crate::event::Output;
use crate::node::{Asked, Node};
use crate::refusal::Refusal;
use crate::transaction::Purpose;

impl Node {
    pub(crate) fn datagram(&mut self, from: SocketAddr, octets: &[u8]) {
        let mut bundle = pfcp::messages(octets);
        loop {
            let whole = bundle.rest();
            let Some(mut message) = bundle.next() else {
                if !whole.is_empty() {
                    self.drop_message(Dropped::BundleTooLong, from.ip());
                }
                return;
            };
            if !self.admit(from.ip()) {
                return;
            }
            match message {
                // A message is large: it stays where it was read.
                Ok(ref mut decoded) => {
                    let (own, _) = pfcp::split_first(whole);
                    let asked = Asked {
                        from,
                        header: decoded.header,
                        digest: self.incoming.digest(from, own),
                    };
                    let message = &mut decoded.message;
                    self.counters.count_received(message.message_type());
                    if message.is_request() && self.repeated(&asked) {
                        continue;
                    }
                    if !self.sheds(&asked, message) {
                        self.message(asked, message);
                    }
                }
                // What follows a message may be what is wrong with it: without that it is another.
                Err(error) => {
                    let digest = self.incoming.digest(from, whole);
                    self.undecodable(from, digest, error);
                }
            }
        }
    }

    /// Whether who is there may send, and has not sent too much.
    fn admit(&mut self, from: IpAddr) -> bool {
        let now_ms = self.now.elapsed_ms;
        let refused = match self.peers.at(from).first().copied() {
            Some(peer) => {
                let peer = self.peers.get_mut(peer);
                let admitted = peer.is_some_and(|peer| peer.bucket.take(now_ms));
                (!admitted).then_some(Dropped::PeerRate)
            }
            None if !self.config.allows(from) => Some(Dropped::NotAllowed),
            None => (!self.strangers.take(from, now_ms)).then_some(Dropped::StrangerRate),
        };
        match refused {
            None => self.load.count(now_ms),
            Some(why) => self.drop_message(why, from),
        }
        refused.is_none()
    }

    /// Answers a request that came before with what was answered then; not yet, if its answer is
    /// still to come.
    fn repeated(&mut self, asked: &Asked) -> bool {
        if self.work.owes(asked) || self.settling.owes(asked) {
            self.counters.duplicates += 1;
            return true;
        }
        let held = self.incoming.find(asked.from.ip(), asked.digest);
        let Some((octets, after)) = held else {
            return false;
        };
        self.counters.duplicates += 1;
        self.outputs.push(Output::Send {
            to: asked.from,
            octets,
            after,
        });
        true
    }

    fn message(&mut self, asked: Asked, message: &mut Message) {
        match message {
            Message::HeartbeatRequest(request) => self.heartbeat(asked, request),
            Message::AssociationSetupRequest(request) => self.association_setup(asked, request),
            Message::AssociationUpdateRequest(request) => self.association_update(asked, request),
            Message::AssociationReleaseRequest(request) => {
                self.association_release(asked, request);
            }
            Message::SessionSetDeletionRequest(request) => {
                self.session_set_deletion(asked, request);
            }
            Message::SessionSetModificationRequest(request) => {
                self.session_set_modification(asked, request);
            }
            Message::PfdManagementRequest(request) => self.pfd_management(asked, request),
            Message::SessionEstablishmentRequest(request) => self.establish(asked, request),
            Message::SessionModificationRequest(request) => self.modify(asked, request),
            Message::SessionDeletionRequest(_) => self.delete(asked),
            Message::HeartbeatResponse(_)
            | Message::AssociationSetupResponse(_)
            | Message::AssociationUpdateResponse(_)
            | Message::NodeReportResponse(_)
            | Message::SessionReportResponse(_) => self.response(asked, message),
            Message::NodeReportRequest(_)
            | Message::SessionReportRequest(_)
            | Message::PfdManagementResponse(_)
            | Message::AssociationReleaseResponse(_)
            | Message::SessionEstablishmentResponse(_)
            | Message::SessionModificationResponse(_)
            | Message::SessionDeletionResponse(_) => {
                self.drop_message(Dropped::WrongDirection, asked.from.ip());
            }
            Message::VersionNotSupportedResponse(_)
            | Message::SessionSetDeletionResponse(_)
            | Message::SessionSetModificationResponse(_) => {
                self.drop_message(Dropped::Unmatched, asked.from.ip());
            }
        }
    }

    /// An answer: it belongs to a request of ours, or to none.
    fn response(&mut self, asked: Asked, message: &Message) {
        let r#type = message.message_type();
        let Some(pending) = self
            .outgoing
            .answered(asked.from, asked.header.sequence.get(), r#type)
        else {
            if matches!(message, Message::AssociationSetupResponse(_)) {
                self.answered_under_another_number(asked.from.ip());
            }
            self.drop_message(Dropped::Unmatched, asked.from.ip());
            return;
        };
        match (pending.purpose, message) {
            (Purpose::Heartbeat(peer), Message::HeartbeatResponse(answer)) => {
                self.heartbeat_answered(peer, asked.header.sequence.get(), answer);
            }
            (Purpose::Associate(place), Message::AssociationSetupResponse(answer)) => {
                self.association_answered(place, asked.from.ip(), answer);
            }
            (Purpose::Update(peer, step), Message::AssociationUpdateResponse(answer)) => {
                self.update_answered(peer, step, answer.cause);
            }
            (Purpose::Report(about), Message::SessionReportResponse(answer)) => {
                self.report_answered(about, &pending, answer);
            }
            (Purpose::NodeReport(peer), Message::NodeReportResponse(answer)) => {
                self.node_report_answered(peer, answer);
            }
            _ => {}
        }
    }

    /// Octets that are no message: TS 29.244, 7.6.
    fn undecodable(&mut self, from: SocketAddr, digest: u64, error: DecodeError) {
        match error {
            DecodeError::Discard(Discard::Short) => self.drop_message(Dropped::Short, from.ip()),
            DecodeError::Discard(Discard::MessageType(_)) => {
                self.drop_message(Dropped::MessageType, from.ip());
            }
            // An answer, which is nothing to answer.
            DecodeError::Discard(Discard::Version(_)) => {
                self.drop_message(Dropped::Malformed, from.ip());
            }
            DecodeError::Discard(Discard::SeidFlag(_)) => {
                self.drop_message(Dropped::SeidFlag, from.ip());
            }
            DecodeError::Version { sequence, .. } => {
                let answer = pfcp::VersionNotSupportedResponse::default();
                self.send_node(from, sequence.get(), &answer);
            }
            DecodeError::Message {
                message_type,
                header,
                error,
            } => {
                self.counters.count_received(message_type);
                let asked = Asked {
                    from,
                    header,
                    digest,
                };
                if Message::is_request_type(message_type) {
                    if self.repeated(&asked) {
                        return;
                    }
                    let refusal = Refusal {
                        offending: error.offending_ie(),
                        ..Refusal::new(error.cause())
                    };
                    self.refuse_type(&asked, message_type, refusal);
                } else {
                    self.bad_response(&asked, message_type);
                }
            }
        }
    }

    /// "Any error in the answer to one of our requests also ends its retransmission."
    fn bad_response(&mut self, asked: &Asked, message_type: u8) {
        let pending = self
            .outgoing
            .answered(asked.from, asked.header.sequence.get(), message_type);
        if let Some(Purpose::Report(about)) = pending.as_ref().map(|pending| pending.purpose) {
            self.report_acknowledged(about);
        }
        match pending.map(|pending| (pending.purpose, pending.parked)) {
            Some((Purpose::Report(about), false)) => self.report_done(about.peer),
            Some((Purpose::Update(peer, step), _)) => {
                self.update_answered(peer, step, Cause::REQUEST_REJECTED);
            }
            Some((Purpose::Associate(place), _)) => self.associate_later(place),
            Some((Purpose::Heartbeat(peer), _)) => self.heartbeat_unanswered(peer),
            Some((Purpose::Report(_), true) | (Purpose::NodeReport(_), _)) | None => {}
        }
        self.drop_message(Dropped::Malformed, asked.from.ip());
    }
}
