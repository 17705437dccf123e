//! The node: what comes in, who takes it, what goes out.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use pfcp::{Cause, DecodeError, Decoded, Discard, Encode, Header, Message};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use session::neighbour::Neighbours;
use session::report::Command;
use session::topology::Topology;
use session::{Epoch, Publisher, WorkerId};

use crate::association::{Associations, PeerId};
use crate::config::NodeConfig;
use crate::counters::{Counters, Dropped};
use crate::event::{Input, Now, Operator, Output};
use crate::paths::Paths;
use crate::refusal::Refusal;
use crate::sessions::Sessions;
use crate::timer::{Timer, Timers};
use crate::transaction::{Bucket, Expired, Incoming, Outgoing, Pending, Purpose};

/// How often old answers are forgotten and retired plans freed.
const HOUSEKEEPING_MS: u64 = 1_000;

/// How many lines a second may be logged about what peers do wrong.
const LOG_LINES_PER_SECOND: u32 = 10;

/// The N4 node of a UPF: a state machine without sockets and clock.
#[derive(Debug)]
pub struct Node {
    pub(crate) config: NodeConfig,
    pub(crate) publisher: Publisher,
    pub(crate) topology: Arc<Topology>,
    pub(crate) neighbours: Arc<Neighbours>,
    pub(crate) random: StdRng,
    /// When this node started (TS 29.244, 8.2.65).
    pub(crate) recovery_time_stamp: u32,
    pub(crate) peers: Associations,
    pub(crate) sessions: Sessions,
    pub(crate) outgoing: Outgoing,
    pub(crate) incoming: Incoming,
    pub(crate) timers: Timers,
    /// The paths to GTP-U peers.
    pub(crate) paths: Paths,
    pub(crate) counters: Counters,
    pub(crate) now: Now,
    strangers: Bucket,
    log: Bucket,
    outputs: Vec<Output>,
}

/// A request, as far as its answer needs to know it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) from: SocketAddr,
    pub(crate) header: Header,
    /// Of the whole datagram.
    digest: u64,
}

impl Node {
    /// A node that starts now. Everything random comes from `seed`.
    pub fn new(
        config: NodeConfig,
        publisher: Publisher,
        topology: Arc<Topology>,
        neighbours: Arc<Neighbours>,
        seed: [u8; 32],
        now: Now,
    ) -> Self {
        let mut random = StdRng::from_seed(seed);
        let limits = config.limits;
        let incoming = Incoming::new(
            random.next_u64(),
            config.response_hold_ms,
            limits.held_answers_per_peer,
        );
        let mut timers = Timers::default();
        timers.set(now.elapsed_ms + HOUSEKEEPING_MS, Timer::Housekeeping);
        Self {
            strangers: Bucket::new(limits.messages_per_second_per_peer, now.elapsed_ms),
            log: Bucket::new(LOG_LINES_PER_SECOND, now.elapsed_ms),
            recovery_time_stamp: now.ntp_s,
            peers: Associations::default(),
            sessions: Sessions::default(),
            outgoing: Outgoing::default(),
            paths: Paths::default(),
            counters: Counters::default(),
            outputs: Vec::new(),
            incoming,
            timers,
            random,
            config,
            publisher,
            topology,
            neighbours,
            now,
        }
    }

    /// Takes what happened, and says what to do, in order.
    pub fn handle(&mut self, now: Now, input: Input) -> Vec<Output> {
        self.now = now;
        match input {
            Input::Datagram { from, octets } => self.datagram(from, &octets),
            Input::Tick => {}
            Input::Report { report, .. } => self.worker_report(report.into()),
            Input::Operator(Operator::Start) => {
                (0..self.config.smf.len()).for_each(|place| self.associate(place));
            }
            Input::Operator(Operator::Drop(node)) => {
                if let Some(peer) = self.peers.by_node(&node) {
                    self.forget_peer(peer);
                }
            }
            Input::Operator(Operator::Shutdown) => {
                let peers: Vec<PeerId> = self.peers.iter().map(|(id, _)| id).collect();
                for peer in peers {
                    self.forget_peer(peer);
                }
            }
        }
        while let Some(timer) = self.timers.due(now.elapsed_ms) {
            self.due(timer);
        }
        std::mem::take(&mut self.outputs)
    }

    /// When [`Input::Tick`] is wanted at the latest.
    pub fn deadline_ms(&self) -> Option<u64> {
        self.timers.next_ms()
    }

    // ===== what comes in =====

    fn datagram(&mut self, from: SocketAddr, octets: &[u8]) {
        if !self.admit(from.ip()) {
            return;
        }
        let digest = self.incoming.digest(octets);
        for message in pfcp::messages(octets) {
            match message {
                Ok(Decoded { header, message }) => {
                    self.counters.count_received(message.message_type());
                    let asked = Asked {
                        from,
                        header,
                        digest,
                    };
                    if message.is_request() && self.repeated(&asked) {
                        continue;
                    }
                    self.message(asked, message);
                }
                Err(error) => self.undecodable(from, digest, error),
            }
        }
    }

    /// Whether the peer has not sent too much.
    fn admit(&mut self, from: IpAddr) -> bool {
        let now_ms = self.now.elapsed_ms;
        let (bucket, why) = match self.peers.at(from).first().copied() {
            Some(peer) => match self.peers.get_mut(peer) {
                Some(peer) => (&mut peer.bucket, Dropped::PeerRate),
                None => return false,
            },
            None => (&mut self.strangers, Dropped::StrangerRate),
        };
        let admitted = bucket.take(now_ms);
        if !admitted {
            self.drop_message(why, from);
        }
        admitted
    }

    /// Answers a request that came before with what was answered then.
    fn repeated(&mut self, asked: &Asked) -> bool {
        let held = self
            .incoming
            .find(asked.from, asked.header.sequence, asked.digest);
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

    fn message(&mut self, asked: Asked, message: Message) {
        match message {
            Message::HeartbeatRequest(request) => self.heartbeat(asked, &request),
            Message::AssociationSetupRequest(request) => self.association_setup(asked, &request),
            Message::AssociationUpdateRequest(request) => self.association_update(asked, &request),
            Message::AssociationReleaseRequest(request) => {
                self.association_release(asked, &request);
            }
            Message::PfdManagementRequest(_)
            | Message::SessionSetDeletionRequest(_)
            | Message::SessionSetModificationRequest(_) => {
                self.unsupported(asked, message.message_type());
            }
            Message::SessionEstablishmentRequest(request) => self.establish(asked, &request),
            Message::SessionModificationRequest(request) => self.modify(asked, request),
            Message::SessionDeletionRequest(_) => self.delete(asked),
            Message::HeartbeatResponse(_)
            | Message::AssociationSetupResponse(_)
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
            Message::AssociationUpdateResponse(_)
            | Message::VersionNotSupportedResponse(_)
            | Message::SessionSetDeletionResponse(_)
            | Message::SessionSetModificationResponse(_) => {
                self.drop_message(Dropped::Unmatched, asked.from.ip());
            }
        }
    }

    /// An answer: it belongs to a request of ours, or to none.
    fn response(&mut self, asked: Asked, message: Message) {
        let r#type = message.message_type();
        let Some(pending) = self
            .outgoing
            .answered(asked.from, asked.header.sequence, r#type)
        else {
            self.drop_message(Dropped::Unmatched, asked.from.ip());
            return;
        };
        match (pending.purpose, message) {
            (Purpose::Heartbeat(peer), Message::HeartbeatResponse(answer)) => {
                self.heartbeat_answered(peer, asked.header.sequence, &answer);
            }
            (Purpose::Associate(place), Message::AssociationSetupResponse(answer)) => {
                self.association_answered(place, asked.from.ip(), &answer);
            }
            (
                Purpose::Report {
                    peer,
                    session,
                    seid,
                },
                Message::SessionReportResponse(answer),
            ) => {
                self.report_done(peer);
                self.report_answered(session, seid, &answer);
            }
            (Purpose::NodeReport(peer), Message::NodeReportResponse(answer)) => {
                self.node_report_answered(peer, &answer);
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
                self.send_node(from, sequence, &answer);
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
                        cause: Cause(error.cause()),
                        offending: error.offending_ie(),
                        rule: None,
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
            .answered(asked.from, asked.header.sequence, message_type);
        if let Some(Purpose::Report { peer, .. }) = pending.map(|pending| pending.purpose) {
            self.report_done(peer);
        }
        self.drop_message(Dropped::Malformed, asked.from.ip());
    }

    // ===== what goes out =====

    /// Sends an answer of a node message.
    pub(crate) fn send_node(&mut self, to: SocketAddr, sequence: u32, answer: &impl Encode) {
        if let Some(octets) = self.encode(&Header::node(sequence), answer) {
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
        self.counters.count_cause(cause.0);
        let Some(octets) = self.encode(&asked.header.answer(seid), answer) else {
            return;
        };
        // Strangers' requests change nothing: they may be handled again.
        if !self.peers.at(asked.from.ip()).is_empty() {
            let key = (asked.from, asked.header.sequence, asked.digest);
            self.incoming
                .hold(key, Arc::clone(&octets), after, self.now.elapsed_ms);
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
            sequence,
            ..Header::default()
        };
        let Some(octets) = self.encode(&header, request) else {
            return;
        };
        let pending = Pending {
            to,
            octets: Arc::clone(&octets),
            response_type: request.message_type() + 1,
            left: self.config.n1.saturating_sub(1),
            purpose,
        };
        self.outgoing.insert(sequence, pending);
        self.timers.set(
            self.now.elapsed_ms + self.config.t1_ms,
            Timer::Request(sequence),
        );
        self.outputs.push(Output::Send {
            to,
            octets,
            after: None,
        });
    }

    fn encode(&mut self, header: &Header, message: &impl Encode) -> Option<Arc<[u8]>> {
        let mut octets = Vec::with_capacity(256);
        if pfcp::encode(header, message, &mut octets).is_err() {
            self.counters.too_long += 1;
            return None;
        }
        self.counters.count_sent(message.message_type());
        Some(octets.into())
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

    // ===== time =====

    fn due(&mut self, timer: Timer) {
        match timer {
            Timer::Request(sequence) => self.request_expired(sequence),
            Timer::Heartbeat(peer) => self.send_heartbeat(peer),
            Timer::Associate(place) => self.associate(place),
            Timer::Usage(session, seid) => self.usage_due(session, seid),
            Timer::Path(peer) => self.path_due(peer),
            Timer::Housekeeping => {
                self.look_for_paths();
                self.incoming.housekeeping(self.now.elapsed_ms);
                self.publisher.reclaim();
                self.timers
                    .set(self.now.elapsed_ms + HOUSEKEEPING_MS, Timer::Housekeeping);
            }
        }
    }

    fn request_expired(&mut self, sequence: u32) {
        match self.outgoing.expired(sequence) {
            None => {}
            Some(Expired::Again(to, octets)) => {
                self.counters.retransmissions += 1;
                self.timers.set(
                    self.now.elapsed_ms + self.config.t1_ms,
                    Timer::Request(sequence),
                );
                self.outputs.push(Output::Send {
                    to,
                    octets,
                    after: None,
                });
            }
            Some(Expired::GivenUp(pending)) => {
                self.counters.timeouts += 1;
                match pending.purpose {
                    Purpose::Heartbeat(peer) => self.heartbeat_unanswered(peer),
                    Purpose::Associate(place) => self.associate_later(place),
                    Purpose::Report { peer, .. } => self.report_done(peer),
                    Purpose::NodeReport(_) => {}
                }
            }
        }
    }
}
