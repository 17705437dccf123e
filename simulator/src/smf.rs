//! An SMF over a real UDP socket: associations, sessions, reports, retransmission.
//!
//! It runs on the caller's thread. While it waits for an answer it serves what the UPF asks
//! (heartbeats, session reports, associations); [`Smf::serve`] does the same when there is nothing
//! to wait for. Requests of many sessions can be in flight: [`Smf::run`].

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use pfcp::{
    AssociationReleaseRequest, AssociationSetupRequest, AssociationSetupResponse, Cause,
    CpFunctionFeatures, Decoded, Header, HeartbeatRequest, HeartbeatResponse, Message, NodeId,
    NodeReportResponse, PdrId, RecoveryTimeStamp, SessionModificationRequest, SessionReportRequest,
    SessionReportResponse, UpFunctionFeatures, UsageReport,
};

use crate::flavour::{self, Outline, Sender, SessionSpec};
use crate::session::{Session, Sessions, Tunnel, UplinkTunnel};
use crate::summary::{Procedure, Timings};

/// The UDP port of PFCP.
pub const PORT: u16 = 8805;

/// How many events are kept for whoever does not ask for them.
const EVENTS_MAX: usize = 65_536;
/// How long one wait on the socket takes at most: the grain of the timers.
const TICK: Duration = Duration::from_millis(4);
const SEQUENCE_MASK: u32 = 0x00ff_ffff;

/// How an SMF is set up.
#[derive(Clone, Debug)]
pub struct SmfConfig {
    /// Its address. A UPF sends its requests to port 8805 of it.
    pub local: SocketAddr,
    /// The UPF.
    pub upf: SocketAddr,
    /// Its Node ID; `None`: its address.
    pub node_id: Option<NodeId>,
    /// How long to wait for an answer.
    pub t1: Duration,
    /// How often to send a request again.
    pub n1: u8,
    /// The Recovery Time Stamp: a number that grows with every start.
    pub recovery_time_stamp: u32,
}

impl SmfConfig {
    /// An SMF at port 8805 of `local`, for the UPF at port 8805 of `upf`.
    pub const fn new(local: IpAddr, upf: IpAddr) -> Self {
        Self {
            local: SocketAddr::new(local, PORT),
            upf: SocketAddr::new(upf, PORT),
            node_id: None,
            t1: Duration::from_secs(3),
            n1: 3,
            recovery_time_stamp: 3_000_000_000,
        }
    }
}

/// Why a procedure failed.
#[derive(Debug, thiserror::Error)]
pub enum SmfError {
    /// The socket failed.
    #[error("socket: {0}")]
    Io(#[from] io::Error),
    /// The UPF did not answer, however often it was asked.
    #[error("{procedure}: no answer")]
    NoAnswer {
        /// To what.
        procedure: Procedure,
    },
    /// The UPF refused.
    #[error("{procedure}: cause {cause} ({}), offending IE {offending_ie:?}, {failed_rule:?}", cause.0)]
    Refused {
        /// What.
        procedure: Procedure,
        /// Why.
        cause: Cause,
        /// Because of which IE.
        offending_ie: Option<u16>,
        /// Because of which rule.
        failed_rule: Option<pfcp::FailedRuleId>,
    },
    /// The answer is malformed, or lacks what it must have.
    #[error("{procedure}: malformed answer: {fault}")]
    Malformed {
        /// To what.
        procedure: Procedure,
        /// What is wrong with it.
        fault: AnswerFault,
    },
    /// The session is not known, or not in a state for this.
    #[error("no session {0}")]
    NoSession(u32),
    /// The request cannot be encoded.
    #[error(transparent)]
    TooLong(#[from] pfcp::TooLong),
}

/// What is wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerFault {
    /// It cannot be decoded.
    #[error(transparent)]
    Decode(pfcp::DecodeError),
    /// It is the answer to another kind of request.
    #[error("another message type")]
    MessageType,
    /// It has no UP F-SEID.
    #[error("no UP F-SEID")]
    NoFSeid,
    /// It does not say which F-TEID was chosen for a PDR.
    #[error("no F-TEID of PDR {0}")]
    NoFTeid(u16),
    /// It does not say which UE address was chosen.
    #[error("no UE IP Address")]
    NoUeAddress,
    /// Its header has another SEID than the SMF's.
    #[error("SEID {0:#x} in the header")]
    Seid(u64),
}

/// A procedure to run.
#[derive(Clone, Debug)]
pub enum Job {
    /// Set a session up.
    Establish(SessionSpec),
    /// Open the way to the gNB.
    Activate {
        /// Which session.
        session: u32,
        /// The gNB's end.
        tunnel: Tunnel,
    },
    /// The UE becomes idle: buffer and report.
    Idle {
        /// Which session.
        session: u32,
    },
    /// Move to another gNB.
    PathSwitch {
        /// Which session.
        session: u32,
        /// The new gNB's end.
        tunnel: Tunnel,
        /// Whether the old one is to get an end marker.
        end_marker: bool,
    },
    /// Any modification.
    Modify {
        /// Which session.
        session: u32,
        /// How.
        body: Box<SessionModificationRequest>,
    },
    /// Take the session down.
    Delete {
        /// Which session.
        session: u32,
    },
}

/// What a procedure gave.
#[derive(Clone, Debug)]
pub struct Done {
    /// The session's number.
    pub session: u32,
    /// The answer.
    pub answer: Box<Decoded>,
}

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

/// Which way an N4 message went, seen from the SMF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To the UPF.
    Sent,
    /// From the UPF.
    Received,
}

/// Somebody who looks at all N4 messages.
pub type Trace = Box<dyn FnMut(Way, &[u8]) + Send>;

/// An SMF.
pub struct Smf {
    socket: UdpSocket,
    config: SmfConfig,
    node_id: NodeId,
    sequence: u32,
    next_number: u32,
    features: UpFunctionFeatures,
    sessions: Sessions,
    timings: Timings,
    events: VecDeque<Event>,
    reports: u64,
    retransmissions: u64,
    trace: Option<Trace>,
    buffer: Vec<u8>,
}

impl fmt::Debug for Smf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smf")
            .field("config", &self.config)
            .field("sessions", &self.sessions.len())
            .finish_non_exhaustive()
    }
}

/// A request that waits for its answer.
#[derive(Debug)]
struct Flight {
    job: usize,
    pending: Pending,
    octets: Vec<u8>,
    started: Instant,
    sends_left: u8,
}

/// What to do with the answer.
#[derive(Clone, Debug)]
enum Pending {
    Establish {
        number: u32,
        cp_seid: u64,
        spec: Box<SessionSpec>,
    },
    Tunnel {
        procedure: Procedure,
        session: u32,
        tunnel: Option<Tunnel>,
    },
    Delete {
        session: u32,
    },
    Node(Procedure),
}

impl Pending {
    const fn procedure(&self) -> Procedure {
        match self {
            Self::Establish { .. } => Procedure::Establish,
            Self::Tunnel { procedure, .. } | Self::Node(procedure) => *procedure,
            Self::Delete { .. } => Procedure::Delete,
        }
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "the SMF lives in real time: its peer is a process"
)]
fn now() -> Instant {
    Instant::now()
}

impl Smf {
    /// Opens the socket.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub fn bind(config: SmfConfig) -> io::Result<Self> {
        let socket = UdpSocket::bind(config.local)?;
        Self::on(socket, config)
    }

    /// Takes a socket that is bound already (in another network namespace).
    ///
    /// # Errors
    /// When the socket is not usable.
    pub fn on(socket: UdpSocket, config: SmfConfig) -> io::Result<Self> {
        socket.set_read_timeout(Some(TICK))?;
        let local = socket.local_addr()?.ip();
        Ok(Self {
            socket,
            node_id: config.node_id.clone().unwrap_or_else(|| local.into()),
            config,
            sequence: 0,
            next_number: 0,
            features: UpFunctionFeatures::default(),
            sessions: Sessions::default(),
            timings: Timings::default(),
            events: VecDeque::new(),
            reports: 0,
            retransmissions: 0,
            trace: None,
            buffer: vec![0; 65_536],
        })
    }

    /// Shows every message to `trace`, from now on.
    pub fn set_trace(&mut self, trace: Trace) {
        self.trace = Some(trace);
    }

    /// Sets how long to wait for an answer, and how often to ask again.
    pub const fn set_retransmission(&mut self, t1: Duration, n1: u8) {
        self.config.t1 = t1;
        self.config.n1 = n1;
    }

    /// The sessions that are up.
    pub const fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// What the UPF said that it can do.
    pub const fn features(&self) -> UpFunctionFeatures {
        self.features
    }

    /// How long the procedures took.
    pub const fn timings(&self) -> &Timings {
        &self.timings
    }

    /// How many session reports came.
    pub const fn reports(&self) -> u64 {
        self.reports
    }

    /// How many requests were sent again.
    pub const fn retransmissions(&self) -> u64 {
        self.retransmissions
    }

    /// The oldest event that was not yet taken.
    pub fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Sets the association up.
    ///
    /// # Errors
    /// When the UPF does not answer, or refuses.
    pub fn associate(&mut self) -> Result<Decoded, SmfError> {
        let request = AssociationSetupRequest {
            node_id: self.node_id.clone(),
            recovery_time_stamp: RecoveryTimeStamp(self.config.recovery_time_stamp),
            cp_function_features: Some(CpFunctionFeatures::default()),
            ..Default::default()
        };
        let answer = self.node_request(Procedure::Associate, &request)?;
        if let Message::AssociationSetupResponse(response) = &answer.message {
            self.features = response.up_function_features.unwrap_or_default();
        }
        Ok(answer)
    }

    /// Asks whether the UPF lives; gives its Recovery Time Stamp.
    ///
    /// # Errors
    /// When the UPF does not answer.
    pub fn heartbeat(&mut self) -> Result<u32, SmfError> {
        let request = HeartbeatRequest {
            recovery_time_stamp: RecoveryTimeStamp(self.config.recovery_time_stamp),
            ..Default::default()
        };
        let answer = self.node_request(Procedure::Heartbeat, &request)?;
        match answer.message {
            Message::HeartbeatResponse(response) => Ok(response.recovery_time_stamp.0),
            _ => Err(malformed(Procedure::Heartbeat, AnswerFault::MessageType)),
        }
    }

    /// Releases the association; all sessions are gone with it.
    ///
    /// # Errors
    /// When the UPF does not answer, or refuses.
    pub fn release(&mut self) -> Result<Decoded, SmfError> {
        let request = AssociationReleaseRequest {
            node_id: self.node_id.clone(),
            ..Default::default()
        };
        let answer = self.node_request(Procedure::Release, &request)?;
        self.sessions.clear();
        Ok(answer)
    }

    /// Sets a session up; gives its number.
    ///
    /// # Errors
    /// When the UPF does not answer, refuses, or answers less than it must.
    pub fn establish(&mut self, spec: SessionSpec) -> Result<u32, SmfError> {
        self.one(Job::Establish(spec)).map(|done| done.session)
    }

    /// Opens the way to the gNB.
    ///
    /// # Errors
    /// As [`Smf::establish`].
    pub fn activate(&mut self, session: u32, tunnel: Tunnel) -> Result<Done, SmfError> {
        self.one(Job::Activate { session, tunnel })
    }

    /// Makes the UE idle.
    ///
    /// # Errors
    /// As [`Smf::establish`].
    pub fn idle(&mut self, session: u32) -> Result<Done, SmfError> {
        self.one(Job::Idle { session })
    }

    /// Moves to another gNB; the old one gets an end marker.
    ///
    /// # Errors
    /// As [`Smf::establish`].
    pub fn path_switch(&mut self, session: u32, tunnel: Tunnel) -> Result<Done, SmfError> {
        self.one(Job::PathSwitch {
            session,
            tunnel,
            end_marker: true,
        })
    }

    /// Modifies a session.
    ///
    /// # Errors
    /// As [`Smf::establish`].
    pub fn modify(
        &mut self,
        session: u32,
        body: SessionModificationRequest,
    ) -> Result<Done, SmfError> {
        self.one(Job::Modify {
            session,
            body: Box::new(body),
        })
    }

    /// Takes a session down.
    ///
    /// # Errors
    /// As [`Smf::establish`].
    pub fn delete(&mut self, session: u32) -> Result<Done, SmfError> {
        self.one(Job::Delete { session })
    }

    /// Sets many sessions up, up to `window` requests in flight; what each came to, in their order.
    pub fn establish_many(
        &mut self,
        specs: impl IntoIterator<Item = SessionSpec>,
        window: usize,
    ) -> Vec<Result<Done, SmfError>> {
        self.run(specs.into_iter().map(Job::Establish), window)
    }

    fn one(&mut self, job: Job) -> Result<Done, SmfError> {
        let lost = SmfError::NoAnswer {
            procedure: procedure_of(&job),
        };
        self.run([job], 1).pop().unwrap_or(Err(lost))
    }

    /// Runs procedures, up to `window` in flight; what each came to, in their order. Two jobs of
    /// one session must not be in the same run.
    pub fn run(
        &mut self,
        jobs: impl IntoIterator<Item = Job>,
        window: usize,
    ) -> Vec<Result<Done, SmfError>> {
        let mut jobs = jobs.into_iter();
        let mut results: Vec<Option<Result<Done, SmfError>>> = Vec::new();
        let mut air = Air::default();
        loop {
            while air.flights.len() < window.max(1) {
                let Some(job) = jobs.next() else { break };
                let index = results.len();
                results.push(None);
                let launched = self.prepare(job).and_then(|(pending, header, message)| {
                    self.launch(&mut air, index, pending, header, &message)
                });
                if let (Err(error), Some(slot)) = (launched, results.get_mut(index)) {
                    *slot = Some(Err(error));
                }
            }
            if air.flights.is_empty() {
                break;
            }
            for (job, result) in self.wait(&mut air) {
                if let Some(slot) = results.get_mut(job) {
                    *slot = Some(result);
                }
            }
        }
        let unanswered = || {
            Err(SmfError::NoAnswer {
                procedure: Procedure::Modify,
            })
        };
        results
            .into_iter()
            .map(|result| result.unwrap_or_else(unanswered))
            .collect()
    }

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

    fn sender(&self) -> Sender<'_> {
        let address = match &self.node_id {
            NodeId::Ipv4(address) => (*address).into(),
            NodeId::Ipv6(address) => (*address).into(),
            NodeId::Fqdn(_) => self.config.local.ip(),
        };
        Sender {
            node_id: &self.node_id,
            address,
            features: self.features,
        }
    }

    fn prepare(&mut self, job: Job) -> Result<(Pending, Header, Message), SmfError> {
        match job {
            Job::Establish(spec) => {
                let number = self.next_number;
                self.next_number = self.next_number.wrapping_add(1);
                // `Sessions::by_cp_seid` relies on this.
                let cp_seid = u64::from(number) + 1;
                let outline = flavour::establishment(&spec, number, cp_seid, &self.sender());
                let pending = Pending::Establish {
                    number,
                    cp_seid,
                    spec: Box::new(spec),
                };
                Ok(addressed(pending, outline))
            }
            Job::Activate { session, tunnel } => {
                let known = self.known(session)?;
                let outline = flavour::modification(
                    known,
                    &self.sender(),
                    flavour::activation(known, tunnel),
                );
                Ok(addressed(
                    tunnel_pending(Procedure::Activate, session, Some(tunnel)),
                    outline,
                ))
            }
            Job::Idle { session } => {
                let known = self.known(session)?;
                let outline = flavour::modification(known, &self.sender(), flavour::idle(known));
                Ok(addressed(
                    tunnel_pending(Procedure::Idle, session, None),
                    outline,
                ))
            }
            Job::PathSwitch {
                session,
                tunnel,
                end_marker,
            } => {
                let known = self.known(session)?;
                let body = flavour::path_switch(known, tunnel, end_marker);
                let outline = flavour::modification(known, &self.sender(), body);
                Ok(addressed(
                    tunnel_pending(Procedure::PathSwitch, session, Some(tunnel)),
                    outline,
                ))
            }
            Job::Modify { session, body } => {
                let known = self.known(session)?;
                let outline = flavour::modification(known, &self.sender(), *body);
                Ok(addressed(
                    tunnel_pending(Procedure::Modify, session, known.gnb),
                    outline,
                ))
            }
            Job::Delete { session } => {
                let outline = flavour::deletion(self.known(session)?, &self.sender());
                Ok(addressed(Pending::Delete { session }, outline))
            }
        }
    }

    fn known(&self, session: u32) -> Result<&Session, SmfError> {
        self.sessions
            .get(session)
            .ok_or(SmfError::NoSession(session))
    }

    fn launch(
        &mut self,
        air: &mut Air,
        job: usize,
        pending: Pending,
        header: Header,
        message: &Message,
    ) -> Result<(), SmfError> {
        self.sequence = (self.sequence + 1) & SEQUENCE_MASK;
        let sequence = self.sequence;
        let mut octets = Vec::with_capacity(768);
        pfcp::encode(&Header { sequence, ..header }, message, &mut octets)?;
        self.send(&octets, self.config.upf)?;
        let started = now();
        air.deadlines
            .push_back((started + self.config.t1, sequence));
        let flight = Flight {
            job,
            pending,
            octets,
            started,
            sends_left: self.config.n1,
        };
        air.flights.insert(sequence, flight);
        Ok(())
    }

    /// Waits for one answer, or for a timer; what came to an end.
    fn wait(&mut self, air: &mut Air) -> Vec<(usize, Result<Done, SmfError>)> {
        let mut ended = Vec::new();
        match self.receive() {
            Ok(Some((decoded, arrived))) => {
                if let Some(result) = self.on_message(air, decoded, arrived) {
                    ended.push(result);
                }
            }
            Ok(None) => {}
            Err(error) => ended.extend(air.fail_one(error)),
        }
        self.expire(air, &mut ended);
        ended
    }

    fn expire(&mut self, air: &mut Air, ended: &mut Vec<(usize, Result<Done, SmfError>)>) {
        let now = now();
        while let Some((_, sequence)) = air.deadlines.pop_front_if(|(deadline, _)| *deadline <= now)
        {
            let Some(flight) = air.flights.get_mut(&sequence) else {
                continue;
            };
            let again = flight.sends_left.checked_sub(1);
            let sent = match again {
                Some(left) => {
                    flight.sends_left = left;
                    let octets = std::mem::take(&mut flight.octets);
                    let sent = self.send(&octets, self.config.upf);
                    flight.octets = octets;
                    self.retransmissions += 1;
                    sent.map_err(SmfError::from)
                }
                None => Err(SmfError::NoAnswer {
                    procedure: flight.pending.procedure(),
                }),
            };
            match sent {
                Ok(()) => air.deadlines.push_back((now + self.config.t1, sequence)),
                Err(error) => {
                    if let Some(flight) = air.flights.remove(&sequence) {
                        ended.push((flight.job, Err(error)));
                    }
                }
            }
        }
    }

    fn on_message(
        &mut self,
        air: &mut Air,
        decoded: Incoming,
        arrived: Instant,
    ) -> Option<(usize, Result<Done, SmfError>)> {
        let (sequence, fault) = match &decoded {
            Incoming::Sound(decoded, _) if decoded.message.is_request() => {
                return match self.serve_request(Incoming::Sound(decoded.clone(), self.config.upf)) {
                    Ok(()) => None,
                    Err(error) => air.fail_one(error),
                };
            }
            Incoming::Sound(decoded, _) => (decoded.header.sequence, None),
            Incoming::Faulty(error) => {
                (error.header()?.sequence, Some(AnswerFault::Decode(*error)))
            }
        };
        let flight = air.flights.remove(&sequence)?;
        let procedure = flight.pending.procedure();
        self.timings.record(procedure, arrived - flight.started);
        let result = match (decoded, fault) {
            (Incoming::Sound(decoded, _), None) => self.conclude(flight.pending, *decoded),
            (_, fault) => Err(malformed(
                procedure,
                fault.unwrap_or(AnswerFault::MessageType),
            )),
        };
        Some((flight.job, result))
    }

    /// Does what an answer means.
    fn conclude(&mut self, pending: Pending, answer: Decoded) -> Result<Done, SmfError> {
        let procedure = pending.procedure();
        let session = match (pending, &answer.message) {
            (
                Pending::Establish {
                    number,
                    cp_seid,
                    spec,
                },
                Message::SessionEstablishmentResponse(response),
            ) => {
                refuse(
                    procedure,
                    response.cause,
                    response.offending_ie,
                    response.failed_rule_id,
                )?;
                check_seid(procedure, &answer.header, cp_seid)?;
                let session = session_of(number, cp_seid, *spec, response)
                    .map_err(|fault| malformed(procedure, fault))?;
                self.sessions.insert(session);
                number
            }
            (
                Pending::Tunnel {
                    session, tunnel, ..
                },
                Message::SessionModificationResponse(response),
            ) => {
                refuse(
                    procedure,
                    response.cause,
                    response.offending_ie,
                    response.failed_rule_id,
                )?;
                if let Some(known) = self.sessions.get_mut(session) {
                    check_seid(procedure, &answer.header, known.cp_seid)?;
                    known.gnb = tunnel;
                    known.generation += u32::from(procedure == Procedure::Idle);
                }
                session
            }
            (Pending::Delete { session }, Message::SessionDeletionResponse(response)) => {
                refuse(procedure, response.cause, response.offending_ie, None)?;
                self.sessions.remove(session);
                session
            }
            (Pending::Node(Procedure::Associate), Message::AssociationSetupResponse(response)) => {
                refuse(procedure, response.cause, None, None)?;
                0
            }
            (Pending::Node(Procedure::Release), Message::AssociationReleaseResponse(response)) => {
                refuse(procedure, response.cause, None, None)?;
                0
            }
            (Pending::Node(Procedure::Heartbeat), Message::HeartbeatResponse(_)) => 0,
            _ => return Err(malformed(procedure, AnswerFault::MessageType)),
        };
        Ok(Done {
            session,
            answer: Box::new(answer),
        })
    }

    fn node_request(
        &mut self,
        procedure: Procedure,
        request: &(impl Clone + Into<Message>),
    ) -> Result<Decoded, SmfError> {
        let mut air = Air::default();
        let message = request.clone().into();
        self.launch(
            &mut air,
            0,
            Pending::Node(procedure),
            Header::default(),
            &message,
        )?;
        loop {
            if let Some((_, result)) = self.wait(&mut air).pop() {
                return result.map(|done| *done.answer);
            }
        }
    }

    fn send(&mut self, octets: &[u8], to: SocketAddr) -> io::Result<()> {
        if let Some(trace) = &mut self.trace {
            trace(Way::Sent, octets);
        }
        self.socket.send_to(octets, to).map(|_| ())
    }

    /// Takes one datagram of the UPF's, if one comes within a tick.
    fn receive(&mut self) -> Result<Option<(Incoming, Instant)>, SmfError> {
        let (length, from) = match self.socket.recv_from(&mut self.buffer) {
            Ok(received) => received,
            Err(error) => {
                return match error.kind() {
                    io::ErrorKind::WouldBlock
                    | io::ErrorKind::TimedOut
                    | io::ErrorKind::Interrupted
                    | io::ErrorKind::ConnectionRefused => Ok(None),
                    _ => Err(error.into()),
                };
            }
        };
        let arrived = now();
        let octets = self.buffer.get(..length).unwrap_or_default();
        if let Some(trace) = &mut self.trace {
            trace(Way::Received, octets);
        }
        let incoming = match pfcp::decode(octets) {
            Ok(decoded) => Incoming::Sound(Box::new(decoded), from),
            Err(error) => Incoming::Faulty(error),
        };
        Ok(Some((incoming, arrived)))
    }

    /// Answers a request of the UPF's. Anything else is an answer that came too late.
    fn serve_request(&mut self, incoming: Incoming) -> Result<(), SmfError> {
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
                    pdrs: data.pdr_ids.clone(),
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

/// What came from the UPF.
#[derive(Clone, Debug)]
enum Incoming {
    Sound(Box<Decoded>, SocketAddr),
    Faulty(pfcp::DecodeError),
}

/// The requests in flight.
#[derive(Debug, Default)]
struct Air {
    flights: BTreeMap<u32, Flight>,
    /// In their order, as T1 is the same for all.
    deadlines: VecDeque<(Instant, u32)>,
}

impl Air {
    /// Gives an error to whoever has waited longest.
    fn fail_one(&mut self, error: SmfError) -> Option<(usize, Result<Done, SmfError>)> {
        let (_, flight) = self.flights.pop_first()?;
        Some((flight.job, Err(error)))
    }
}

const fn tunnel_pending(procedure: Procedure, session: u32, tunnel: Option<Tunnel>) -> Pending {
    Pending::Tunnel {
        procedure,
        session,
        tunnel,
    }
}

fn addressed<T: Into<Message>>(
    pending: Pending,
    outline: Outline<T>,
) -> (Pending, Header, Message) {
    let header = Header {
        priority: outline.priority,
        ..Header::session(outline.seid, 0)
    };
    (pending, header, outline.body.into())
}

const fn procedure_of(job: &Job) -> Procedure {
    match job {
        Job::Establish(_) => Procedure::Establish,
        Job::Activate { .. } => Procedure::Activate,
        Job::Idle { .. } => Procedure::Idle,
        Job::PathSwitch { .. } => Procedure::PathSwitch,
        Job::Modify { .. } => Procedure::Modify,
        Job::Delete { .. } => Procedure::Delete,
    }
}

const fn malformed(procedure: Procedure, fault: AnswerFault) -> SmfError {
    SmfError::Malformed { procedure, fault }
}

fn refuse(
    procedure: Procedure,
    cause: Cause,
    offending_ie: Option<pfcp::OffendingIe>,
    failed_rule: Option<pfcp::FailedRuleId>,
) -> Result<(), SmfError> {
    if cause == Cause::REQUEST_ACCEPTED {
        return Ok(());
    }
    Err(SmfError::Refused {
        procedure,
        cause,
        offending_ie: offending_ie.map(|ie| ie.0),
        failed_rule,
    })
}

fn check_seid(procedure: Procedure, header: &Header, cp_seid: u64) -> Result<(), SmfError> {
    match header.seid {
        Some(seid) if seid != cp_seid => Err(malformed(procedure, AnswerFault::Seid(seid))),
        _ => Ok(()),
    }
}

/// What the SMF keeps of a session that the UPF accepted.
fn session_of(
    number: u32,
    cp_seid: u64,
    spec: SessionSpec,
    response: &pfcp::SessionEstablishmentResponse,
) -> Result<Session, AnswerFault> {
    let chosen = |id: PdrId| {
        let created = response
            .created_pdrs
            .iter()
            .find(|created| created.pdr_id == id);
        created
            .and_then(|created| created.local_f_teids.first())
            .and_then(tunnel_of)
    };
    let own = flavour::own_f_teid(spec.flavour, number, spec.n3_address);
    let uplink_pdr = spec.flavour.uplink_pdr();
    let uplink = match own.as_ref().and_then(tunnel_of) {
        Some(own) => own,
        None => chosen(uplink_pdr).ok_or(AnswerFault::NoFTeid(uplink_pdr.0))?,
    };
    let cp_tunnel = match spec.flavour.cp_pdr() {
        Some(pdr) => Some(chosen(pdr).ok_or(AnswerFault::NoFTeid(pdr.0))?),
        None => None,
    };
    let mut addresses = response
        .created_pdrs
        .iter()
        .flat_map(|created| &created.ue_ip_addresses);
    let chosen_ipv4 = addresses.find_map(|address| address.ipv4);
    let ue_ipv4 = chosen_ipv4.or(spec.ue_ipv4);
    if ue_ipv4.is_none() && spec.ue_ipv6.is_none() {
        return Err(AnswerFault::NoUeAddress);
    }
    Ok(Session {
        number,
        cp_seid,
        up_seid: response
            .up_f_seid
            .as_ref()
            .ok_or(AnswerFault::NoFSeid)?
            .seid,
        uplink,
        cp_tunnel,
        gnb: spec.gnb,
        ue_ipv4,
        ue_ipv6: spec.ue_ipv6,
        qfi: spec.qfi,
        downlink_qfi: spec.flavour.marks_downlink().then_some(spec.qfi),
        generation: 0,
        flavour: spec.flavour,
        dnn: spec.dnn,
    })
}

fn tunnel_of(f_teid: &pfcp::FTeid) -> Option<UplinkTunnel> {
    match *f_teid {
        pfcp::FTeid::Given { teid, ipv4, ipv6 } => Some(UplinkTunnel { teid, ipv4, ipv6 }),
        pfcp::FTeid::Choose { .. } => None,
    }
}
