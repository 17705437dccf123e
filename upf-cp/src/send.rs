//! What goes out: answers, which are kept, and requests, which are repeated.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use pfcp::{Cause, Encode, EncodeError, Header, Sequence};
use session::report::Command;
use session::{Epoch, WorkerId};

use crate::association::PeerId;
use crate::counters::Dropped;
use crate::event::Output;
use crate::node::{Asked, Node};
use crate::timer::Timer;
use crate::transaction::{Expired, Pending, Purpose};

/// Association Release Response.
const RELEASE_RESPONSE: u8 = 10;

impl Node {
    /// Sends an answer of a node message.
    pub(crate) fn send_node(&mut self, to: SocketAddr, sequence: u32, answer: &impl Encode) {
        if let Some(octets) = self.encode(&Header::node(sequence), answer, None) {
            self.outputs.push(Output::Send {
                to,
                octets,
                after: None,
            });
        }
    }

    /// Answers a request, and keeps the answer in case the request comes again.
    pub(crate) fn answer(
        &mut self,
        asked: &Asked,
        seid: Option<u64>,
        cause: Cause,
        answer: &impl Encode,
        after: Option<Epoch>,
    ) {
        self.counters.count_cause(cause.get());
        let from = asked.from.ip();
        let peer = self.peers.at(from).first().copied();
        let about = peer.filter(|_| answer.is_session());
        let Some(octets) = self.encode(&asked.header.answer(seid), answer, about) else {
            return;
        };
        // Strangers' requests change nothing: they may be handled again. Who has just released its
        // association is none.
        let released = answer.message_type() == RELEASE_RESPONSE && cause.is_accepted();
        if released || peer.is_some() {
            let answer = (octets.as_ref(), after);
            self.incoming
                .hold(from, asked.digest, answer, self.now.elapsed_ms);
        }
        self.outputs.push(Output::Send {
            to: asked.from,
            octets,
            after,
        });
    }

    /// Sends a request of ours, until it is answered or N1 is reached.
    pub(crate) fn request(
        &mut self,
        to: SocketAddr,
        seid: Option<u64>,
        request: &impl Encode,
        purpose: Purpose,
    ) {
        let sequence = self.outgoing.sequence();
        let header = Header {
            seid,
            sequence: Sequence::new(sequence),
            ..Header::default()
        };
        let about = match purpose {
            Purpose::Report(about) => Some(about.peer),
            _ => None,
        };
        let Some(octets) = self.encode(&header, request, about) else {
            return;
        };
        let pending = Pending {
            to,
            octets: Arc::clone(&octets),
            response_type: request.message_type() + 1,
            left: self.config.n1.saturating_sub(1),
            parked: false,
            purpose,
        };
        self.outgoing.insert(sequence, pending);
        self.repeat_request(sequence, to, octets);
    }

    /// Sends a request, for the first time or again.
    pub(crate) fn repeat_request(&mut self, sequence: u32, to: SocketAddr, octets: Arc<[u8]>) {
        let at = self.now.elapsed_ms + self.config.t1_ms;
        self.timers.set(at, Timer::Request(sequence));
        self.outputs.push(Output::Send {
            to,
            octets,
            after: None,
        });
    }

    /// `to`: the peer that a session message goes to.
    fn encode(
        &mut self,
        header: &Header,
        message: &impl Encode,
        to: Option<PeerId>,
    ) -> Option<Arc<[u8]>> {
        let mut octets = std::mem::take(&mut self.scratch);
        octets.clear();
        let encoded = match pfcp::encode(header, message, &mut octets) {
            Ok(()) => {
                self.counters.count_sent(message.message_type());
                if let Some(peer) = to {
                    self.add_load(peer, &mut octets);
                }
                Some(Arc::from(octets.as_slice()))
            }
            Err(error) => {
                self.not_sent(message.message_type(), error);
                None
            }
        };
        self.scratch = octets;
        encoded
    }

    /// A message of ours that is none: counted, and logged while that is no flood.
    fn not_sent(&mut self, message_type: u8, error: EncodeError) {
        match error {
            EncodeError::TooLong(_) => self.counters.too_long += 1,
            EncodeError::Incomplete(_) | EncodeError::Illegal(_) => self.counters.illegal += 1,
        }
        if self.may_log() {
            let message = pfcp::Message::name_of(message_type);
            tracing::error!(%message, %error, "a PFCP message could not be sent");
        }
    }

    pub(crate) fn command(&mut self, worker: WorkerId, command: Command) {
        self.outputs.push(Output::Worker { worker, command });
    }

    /// Drops a message without an answer: counted, and logged while that is no flood.
    pub(crate) fn drop_message(&mut self, why: Dropped, from: IpAddr) {
        self.counters.count_dropped(why);
        if self.may_log() {
            tracing::debug!(%from, %why, "dropped a PFCP message");
        }
    }

    /// Whether one more line about peers may be logged.
    pub(crate) fn may_log(&mut self) -> bool {
        self.log.take(self.now.elapsed_ms)
    }

    pub(crate) fn request_expired(&mut self, sequence: u32) {
        match self.outgoing.expired(sequence) {
            None => {}
            Some(Expired::Again(to, octets)) => {
                self.counters.retransmissions += 1;
                self.repeat_request(sequence, to, octets);
            }
            Some(Expired::GivenUp(pending)) => {
                self.counters.timeouts += 1;
                match pending.purpose {
                    Purpose::Heartbeat(peer) => self.heartbeat_unanswered(peer),
                    Purpose::Associate(place) => self.associate_later(place),
                    Purpose::Update(peer, step) => self.update_unanswered(peer, step),
                    Purpose::Report(about) => self.report_unanswered(about, sequence, pending),
                    Purpose::NodeReport(_) => {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use pfcp::{AssociationReleaseRequest, AssociationSetupResponse, Unknown};
    use session::topology::Topology;
    use session::{Sizes, Tables};

    use super::*;
    use crate::{NodeConfig, Now};

    /// What cannot be written is not sent, and its reason counted.
    #[test]
    fn what_is_no_message_is_counted_by_its_reason() {
        let sizes = Sizes {
            sessions: 1,
            tunnels: 1,
            workers: 1,
            seed: 1,
        };
        let (publisher, _readers) = Tables::create(sizes);
        let now = Now {
            elapsed_ms: 1_000,
            ntp_s: 1,
        };
        let address = IpAddr::from([127, 0, 0, 1]);
        let mut node = Node::new(
            NodeConfig::new(address),
            publisher,
            Arc::new(Topology::default()),
            Arc::default(),
            [1; 32],
            now,
        );
        let to = SocketAddr::new(address, 8805);
        // Without the Recovery Time Stamp that an acceptance has.
        let illegal = AssociationSetupResponse {
            cause: Cause::REQUEST_ACCEPTED,
            ..AssociationSetupResponse::default()
        };
        node.send_node(to, 1, &illegal);
        assert_eq!((node.counters.illegal, node.counters.too_long), (1, 0));
        let half = Unknown {
            r#type: 0x7abc,
            value: vec![0; 40_000].as_slice().into(),
        };
        let long = AssociationReleaseRequest {
            unknown: vec![half.clone(), half],
            ..AssociationReleaseRequest::default()
        };
        node.send_node(to, 1, &long);
        assert_eq!((node.counters.illegal, node.counters.too_long), (1, 1));
        assert!(node.outputs.is_empty());
    }
}
