//! What goes out: answers, which are kept, and requests, which are repeated.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use pfcp::{Cause, Encode, Header, Sequence};
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
        let written = pfcp::encode(header, message, &mut octets);
        let encoded = written.is_ok().then(|| {
            self.counters.count_sent(message.message_type());
            if let Some(peer) = to {
                self.add_load(peer, &mut octets);
            }
            Arc::from(octets.as_slice())
        });
        self.counters.too_long += u64::from(encoded.is_none());
        self.scratch = octets;
        encoded
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
