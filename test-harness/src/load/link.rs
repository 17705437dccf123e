//! The SMF's end of N4: datagrams in batches, node messages, heartbeats both ways.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use datagram::{Inbox, Outbox};
use pfcp::{
    Cause, Encode, Header, HeartbeatRequest, HeartbeatResponse, RecoveryTimeStamp,
    SessionReportResponse,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::answer::Answer;
use super::outcome::Times;
use crate::wire::now;

/// The time stamp of this SMF: it never restarts.
pub(super) const STARTED: RecoveryTimeStamp = RecoveryTimeStamp(3_900_000_000);
/// Below this, waiting is done by looking again: the kernel's timers are too coarse.
const SPIN: Duration = Duration::from_micros(200);
/// The pause between heartbeats while they are timed.
const HEARTBEAT_PAUSE: Duration = Duration::from_millis(5);
/// How long the last of them may take.
const LAST_HEARTBEATS: Duration = Duration::from_secs(1);
const HEARTBEAT_REQUEST: u8 = 1;
const HEARTBEAT_RESPONSE: u8 = 2;
const SESSION_REPORT_REQUEST: u8 = 56;

/// The socket, and what is answered at once.
#[derive(Debug)]
pub(super) struct Link {
    socket: UdpSocket,
    target: SocketAddr,
    inbox: Inbox,
    outbox: Outbox,
    octets: Vec<u8>,
    /// Sessions' SEIDs at the UPF, 0 for none, by number.
    pub(super) seids: Vec<u64>,
    heartbeat: Heartbeat,
    /// Session reports and other requests of the UPF.
    pub(super) reports: u64,
}

/// Heartbeats of ours, while they are timed.
#[derive(Debug, Default)]
struct Heartbeat {
    next: Option<Instant>,
    sequence: u32,
    under_way: VecDeque<(u32, Instant)>,
    times: Times,
}

/// How heartbeats were answered.
#[derive(Debug, Default)]
pub(super) struct Heartbeats {
    pub(super) times: Times,
    pub(super) unanswered: u64,
}

/// Sequence numbers of heartbeats: far from where those of other requests begin.
const HEARTBEAT_SEQUENCE: u32 = 0x00f0_0000;

impl Link {
    pub(super) fn new(local: SocketAddr, target: SocketAddr, sessions: usize) -> io::Result<Self> {
        let socket = UdpSocket::bind(local)?;
        // A wish: the kernel may grant less.
        let _ = rustix::net::sockopt::set_socket_recv_buffer_size(&socket, 8 << 20);
        let _ = rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, 8 << 20);
        Ok(Self {
            socket,
            target,
            inbox: Inbox::default(),
            outbox: Outbox::default(),
            octets: Vec::new(),
            seids: vec![0; sessions],
            heartbeat: Heartbeat::default(),
            reports: 0,
        })
    }

    /// Queues a request.
    pub(super) fn push(&mut self, octets: &[u8]) {
        self.outbox.push(self.target, octets);
    }

    /// Queues a message.
    pub(super) fn push_message(&mut self, header: &Header, message: &impl Encode) {
        self.octets.clear();
        if pfcp::encode(header, message, &mut self.octets).is_ok() {
            self.outbox.push(self.target, &self.octets);
        }
    }

    /// Begins to send heartbeats and to time their answers.
    pub(super) fn start_heartbeats(&mut self) {
        self.heartbeat = Heartbeat {
            next: Some(now()),
            sequence: HEARTBEAT_SEQUENCE,
            ..Heartbeat::default()
        };
    }

    /// No more heartbeats; how those that were sent were answered, the last ones in time.
    pub(super) fn stop_heartbeats(&mut self) -> io::Result<Heartbeats> {
        self.heartbeat.next = None;
        let until = now() + LAST_HEARTBEATS;
        while !self.heartbeat.under_way.is_empty() && now() < until {
            self.turn(until, |_, _| {})?;
        }
        let heartbeat = std::mem::take(&mut self.heartbeat);
        Ok(Heartbeats {
            unanswered: u64::try_from(heartbeat.under_way.len()).unwrap_or(u64::MAX),
            times: heartbeat.times,
        })
    }

    /// Sends what is queued, takes what has come, and gives `each` the answers; when there is
    /// nothing, waits until `until` at the latest. Gives how many datagrams there were.
    pub(super) fn turn(
        &mut self,
        until: Instant,
        mut each: impl FnMut(&mut [u64], &Answer),
    ) -> io::Result<usize> {
        self.send_heartbeat();
        match self.outbox.flush(&self.socket) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            _ => {}
        }
        let count = match self.inbox.receive(&self.socket) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.wait(until)?;
                return Ok(0);
            }
            // Nobody listens there, yet.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Ok(0),
            Err(error) => return Err(error),
        };
        let received = now();
        for (from, octets) in self.inbox.datagrams() {
            let Some(answer) = Answer::read(octets).filter(|_| from.ip() == self.target.ip())
            else {
                continue;
            };
            match answer.message_type {
                HEARTBEAT_RESPONSE => self.heartbeat.answered(answer.sequence, received),
                odd if odd % 2 == 1 && odd < 50 || odd == SESSION_REPORT_REQUEST => {
                    self.reports += u64::from(odd != HEARTBEAT_REQUEST);
                    respond(&mut self.outbox, from, &answer, &self.seids);
                }
                _ => each(&mut self.seids, &answer),
            }
        }
        Ok(count)
    }

    fn send_heartbeat(&mut self) {
        let Some(next) = self.heartbeat.next else {
            return;
        };
        let now = now();
        if now < next {
            return;
        }
        self.heartbeat.next = Some(now + HEARTBEAT_PAUSE);
        self.heartbeat.sequence += 1;
        let sequence = self.heartbeat.sequence;
        self.heartbeat.under_way.push_back((sequence, now));
        let request = HeartbeatRequest {
            recovery_time_stamp: STARTED,
            ..Default::default()
        };
        self.push_message(&Header::node(sequence), &request);
    }

    fn wait(&self, until: Instant) -> io::Result<()> {
        let until = self.heartbeat.next.map_or(until, |next| next.min(until));
        let left = until.saturating_duration_since(now());
        if left < SPIN {
            std::thread::yield_now();
            return Ok(());
        }
        let left = left.saturating_sub(SPIN / 2);
        let timeout = Timespec::try_from(left).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut fds = [PollFd::new(&self.socket, PollFlags::IN)];
        poll(&mut fds, Some(&timeout))?;
        Ok(())
    }
}

impl Heartbeat {
    fn answered(&mut self, sequence: u32, received: Instant) {
        let place = self
            .under_way
            .iter()
            .position(|(sent, _)| *sent == sequence);
        if let Some((_, sent)) = place.and_then(|place| self.under_way.remove(place)) {
            self.times.record(received.saturating_duration_since(sent));
        }
    }
}

/// Answers a request of the UPF.
fn respond(outbox: &mut Outbox, to: SocketAddr, request: &Answer, seids: &[u64]) {
    let mut octets = Vec::new();
    let encoded = if request.message_type == SESSION_REPORT_REQUEST {
        let session = request.seid.and_then(|seid| seid.checked_sub(1));
        let session = session.and_then(|session| usize::try_from(session).ok());
        let seid = session.and_then(|session| seids.get(session)).copied();
        let response = SessionReportResponse {
            cause: Cause::REQUEST_ACCEPTED,
            ..Default::default()
        };
        let header = Header::session(seid.unwrap_or(0), request.sequence);
        pfcp::encode(&header, &response, &mut octets)
    } else if request.message_type == HEARTBEAT_REQUEST {
        let response = HeartbeatResponse {
            recovery_time_stamp: STARTED,
            ..Default::default()
        };
        pfcp::encode(&Header::node(request.sequence), &response, &mut octets)
    } else {
        return;
    };
    if encoded.is_ok() {
        outbox.push(to, &octets);
    }
}
