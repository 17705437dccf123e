//! Requests in flight: sending, sending again, matching answers with what was asked.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use pfcp::{Decoded, Header, Message, Sequence};

use super::error::{AnswerFault, SmfError, malformed};
use super::job::{Done, Pending};
use super::{Smf, Way, now};
use crate::summary::Procedure;

const SEQUENCE_MASK: u32 = 0x00ff_ffff;

/// A request that waits for its answer.
#[derive(Debug)]
pub(super) struct Flight {
    job: usize,
    pending: Pending,
    octets: Vec<u8>,
    started: Instant,
    sends_left: u8,
}

/// What came from the UPF.
#[derive(Clone, Debug)]
pub(super) enum Incoming {
    Sound(Box<Decoded>, SocketAddr),
    Faulty(pfcp::DecodeError),
}

/// The requests in flight.
#[derive(Debug, Default)]
pub(super) struct Air {
    pub(super) flights: BTreeMap<u32, Flight>,
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

impl Smf {
    pub(super) fn node_request(
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

    pub(super) fn launch(
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
        let header = Header {
            sequence: Sequence::new(sequence),
            ..header
        };
        pfcp::encode(&header, message, &mut octets)?;
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
    pub(super) fn wait(&mut self, air: &mut Air) -> Vec<(usize, Result<Done, SmfError>)> {
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
            Incoming::Sound(decoded, _) => (decoded.header.sequence.get(), None),
            Incoming::Faulty(error) => {
                let sequence = error.header()?.sequence.get();
                (sequence, Some(AnswerFault::Decode(*error)))
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

    pub(super) fn send(&mut self, octets: &[u8], to: SocketAddr) -> io::Result<()> {
        if let Some(trace) = &mut self.trace {
            trace(Way::Sent, octets);
        }
        self.socket.send_to(octets, to).map(|_| ())
    }

    /// Takes one datagram of the UPF's, if one comes within a tick.
    pub(super) fn receive(&mut self) -> Result<Option<(Incoming, Instant)>, SmfError> {
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
}
