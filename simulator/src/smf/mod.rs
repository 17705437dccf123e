//! An SMF over a real UDP socket: associations, sessions, reports, retransmission.
//!
//! It runs on the caller's thread. While it waits for an answer it serves what the UPF asks
//! (heartbeats, session reports, associations); [`Smf::serve`] does the same when there is nothing
//! to wait for. Requests of many sessions can be in flight: [`Smf::run`].

mod answer;
mod error;
mod job;
mod serve;
mod wire;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use pfcp::{
    AssociationReleaseRequest, AssociationSetupRequest, CpFunctionFeatures, Decoded,
    HeartbeatRequest, Message, NodeId, RecoveryTimeStamp, SessionModificationRequest,
    UpFunctionFeatures,
};

use self::error::malformed;
use crate::flavour::SessionSpec;
use crate::session::{Sessions, Tunnel};
use crate::summary::{Procedure, Timings};

pub use self::error::{AnswerFault, SmfError};
pub use self::job::{Done, Job};
pub use self::serve::Event;

/// The UDP port of PFCP.
pub const PORT: u16 = 8805;

/// How long one wait on the socket takes at most: the grain of the timers.
const TICK: Duration = Duration::from_millis(4);

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
    /// The number of its first session: those of SMFs that share gNBs must differ.
    pub first_session: u32,
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
            first_session: 0,
        }
    }
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
            next_number: config.first_session,
            config,
            sequence: 0,
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

    /// How long the procedures took since this was asked for last.
    pub fn take_timings(&mut self) -> Timings {
        std::mem::take(&mut self.timings)
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
}
