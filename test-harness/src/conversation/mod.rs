//! Recorded N4 conversations, to be held again with another UPF.
//!
//! [`Conversation`] puts the recordings of N4 and N3 in one order. [`Rewriter`] turns what the SMF
//! and the gNBs sent into what this UPF understands (its SEIDs, its TEIDs), and compares its
//! answers with those of the recorded UPF in what any UPF must do the same.

mod consequence;
mod discrepancy;
mod rewriter;

use std::net::IpAddr;
use std::time::Duration;

use pfcp::{Cause, Decoded, Message};
use simulator::capture::Packet;
use simulator::gtp::{self, Gtp};
use simulator::net::{Ip, PROTOCOL_UDP, Udp};

pub use self::consequence::{Consequence, is_advertisement};
pub use self::discrepancy::Discrepancy;
pub use self::rewriter::Rewriter;

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Step {
    /// When, since 1970.
    pub time: Duration,
    /// What.
    pub event: Event,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The SMF asked the UPF, which answered, unless the request was lost.
    Request {
        /// The request.
        request: Box<Decoded>,
        /// The answer.
        answer: Option<Box<Decoded>>,
    },
    /// The UPF reported to the SMF.
    Report(Box<Decoded>),
    /// A gNB or the SMF sent a GTP-U message to the UPF.
    GtpIn {
        /// Who.
        from: IpAddr,
        /// What.
        message: Vec<u8>,
    },
    /// The UPF sent a GTP-U message to a gNB or to the SMF.
    GtpOut {
        /// To whom.
        to: IpAddr,
        /// What.
        message: Vec<u8>,
    },
}

/// A recorded conversation.
#[derive(Clone, Debug, Default)]
pub struct Conversation {
    /// What happened, in the order of time.
    pub steps: Vec<Step>,
}

/// Where a recorded UPF was.
#[derive(Clone, Copy, Debug)]
pub struct RecordedUpf {
    /// Its address on N4.
    pub n4: IpAddr,
    /// Its address on N3.
    pub n3: IpAddr,
}

impl Conversation {
    /// Puts the packets of both interfaces in order.
    pub fn read(n4: &[Packet], n3: &[Packet], upf: RecordedUpf) -> Self {
        let mut steps: Vec<Step> = pfcp_steps(n4, upf);
        steps.extend(
            n4.iter()
                .chain(n3)
                .filter_map(|packet| gtp_step(packet, upf)),
        );
        steps.sort_by_key(|step| step.time);
        Self { steps }
    }
}

fn udp(packet: &Packet) -> Option<(Ip<'_>, Udp<'_>)> {
    let ip = Ip::parse(packet.ip()?)?;
    let udp = Udp::parse(ip.payload).filter(|_| ip.protocol == PROTOCOL_UDP)?;
    Some((ip, udp))
}

fn pfcp_steps(packets: &[Packet], upf: RecordedUpf) -> Vec<Step> {
    let message = |packet: &Packet| {
        let (ip, udp) = udp(packet)?;
        let is_pfcp = [udp.source, udp.destination].contains(&simulator::PORT);
        let decoded = pfcp::decode(udp.payload).ok().filter(|_| is_pfcp)?;
        Some((packet.time, ip.source == upf.n4, decoded))
    };
    let messages: Vec<_> = packets.iter().filter_map(message).collect();
    let mut steps = Vec::new();
    let mut rest = messages.as_slice();
    while let Some(((time, is_upf, decoded), after)) = rest.split_first() {
        rest = after;
        let event = match (&decoded.message, is_upf) {
            (Message::SessionReportRequest(_), true) => Event::Report(Box::new(decoded.clone())),
            (message, false) if message.is_request() => {
                let answers = |other: &&(Duration, bool, Decoded)| {
                    other.1
                        && !other.2.message.is_request()
                        && other.2.header.sequence == decoded.header.sequence
                };
                let answer = after
                    .iter()
                    .find(answers)
                    .map(|(_, _, answer)| Box::new(answer.clone()));
                Event::Request {
                    request: Box::new(decoded.clone()),
                    answer,
                }
            }
            // Answers are found with their requests; heartbeats of the UPF come when they come.
            _ => continue,
        };
        steps.push(Step { time: *time, event });
    }
    steps
}

fn gtp_step(packet: &Packet, upf: RecordedUpf) -> Option<Step> {
    let (ip, udp) = udp(packet)?;
    let is_gtp = [udp.source, udp.destination].contains(&gtp::PORT);
    if !is_gtp || ip.is_fragment || Gtp::parse(udp.payload).is_err() {
        return None;
    }
    let message = udp.payload.to_vec();
    let event = if [upf.n3, upf.n4].contains(&ip.source) {
        Event::GtpOut {
            to: ip.destination,
            message,
        }
    } else {
        Event::GtpIn {
            from: ip.source,
            message,
        }
    };
    Some(Step {
        time: packet.time,
        event,
    })
}

/// The cause of an answer.
pub fn cause(message: &Message) -> Option<Cause> {
    Some(match message {
        Message::AssociationSetupResponse(body) => body.cause,
        Message::AssociationReleaseResponse(body) => body.cause,
        Message::SessionEstablishmentResponse(body) => body.cause,
        Message::SessionModificationResponse(body) => body.cause,
        Message::SessionDeletionResponse(body) => body.cause,
        Message::SessionReportResponse(body) => body.cause,
        _ => return None,
    })
}
