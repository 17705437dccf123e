//! Recorded N4 conversations, to be held again with another UPF.
//!
//! [`Conversation`] puts the recordings of N4 and N3 in one order. [`Rewriter`] turns what the SMF
//! and the gNBs sent into what this UPF understands (its SEIDs, its TEIDs), and compares its
//! answers with those of the recorded UPF in what any UPF must do the same.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use pfcp::{Cause, CreatedPdr, Decoded, FTeid, Message, PdrId};
use simulator::capture::Packet;
use simulator::gtp::{self, Gtp};
use simulator::net::{self, Ip, PROTOCOL_UDP, Udp};

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

/// What another UPF does otherwise than the recorded one, and must not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Discrepancy {
    /// The answer is of another type.
    #[error("{got} instead of {want}")]
    MessageType {
        /// What came.
        got: &'static str,
        /// What should have.
        want: &'static str,
    },
    /// The answer has another sequence number.
    #[error("sequence number {got} instead of {want}")]
    Sequence {
        /// What came.
        got: u32,
        /// What should have.
        want: u32,
    },
    /// The header's SEID is not the SMF's.
    #[error("SEID {got:x?} instead of {want:x?}")]
    Seid {
        /// What came.
        got: Option<u64>,
        /// What should have.
        want: Option<u64>,
    },
    /// The cause is another.
    #[error("cause {got} instead of {want}")]
    Cause {
        /// What came.
        got: Cause,
        /// What should have.
        want: Cause,
    },
    /// A session was accepted without a SEID.
    #[error("no UP F-SEID")]
    NoUpFSeid,
    /// A PDR's F-TEID was to be chosen, and is not told.
    #[error("no F-TEID of PDR {0}")]
    NoFTeid(u16),
    /// PDRs that shared a TEID no longer do, or a TEID changed.
    #[error("recorded TEID {recorded:#x} is {first:#x} and {second:#x}")]
    TeidSplit {
        /// The recorded TEID.
        recorded: u32,
        /// What it was.
        first: u32,
        /// What it is now.
        second: u32,
    },
    /// Two tunnels share a TEID.
    #[error("recorded TEIDs {first:#x} and {second:#x} are both {shared:#x}")]
    TeidShared {
        /// One recorded TEID.
        first: u32,
        /// The other.
        second: u32,
        /// What both are.
        shared: u32,
    },
    /// URRs that counted are not reported.
    #[error("no usage report of URR {0}")]
    NoUsageReport(u32),
}

/// What is known of a recorded session.
#[derive(Clone, Debug, Default)]
struct KnownSession {
    cp_seid: u64,
    addresses: Vec<IpAddr>,
    teids: BTreeSet<u32>,
}

/// Translates between the recorded UPF and another.
#[derive(Clone, Debug, Default)]
pub struct Rewriter {
    /// Recorded UP SEID to the other's.
    up_seids: BTreeMap<u64, u64>,
    /// Recorded TEID to the other's.
    teids: BTreeMap<u32, u32>,
    /// By recorded UP SEID.
    sessions: BTreeMap<u64, KnownSession>,
    /// The N3 address of the other UPF, for F-TEIDs that the SMF gives.
    n3: Option<IpAddr>,
}

/// What a packet of a gNB or of the SMF must lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Consequence {
    /// This packet on N6.
    Plain(Vec<u8>),
    /// This packet in a tunnel to the SMF.
    ToSmf(Vec<u8>),
    /// An Error Indication that names this TEID.
    ErrorIndication(u32),
    /// An Echo Response with this sequence number.
    EchoResponse(Option<u16>),
    /// Nothing.
    Nothing,
}

impl Rewriter {
    /// A translator for a UPF with this N3 address.
    pub fn new(n3: IpAddr) -> Self {
        Self {
            n3: Some(n3),
            ..Self::default()
        }
    }

    /// The request as this UPF has to get it.
    pub fn request(&self, recorded: &Decoded) -> Decoded {
        let mut request = recorded.clone();
        if let Some(seid) = request.header.seid {
            request.header.seid = Some(self.up_seids.get(&seid).copied().unwrap_or(seid));
        }
        let pdrs = match &mut request.message {
            Message::SessionEstablishmentRequest(body) => &mut body.create_pdrs,
            Message::SessionModificationRequest(body) => &mut body.create_pdrs,
            _ => return request,
        };
        for f_teid in pdrs
            .iter_mut()
            .filter_map(|pdr| pdr.pdi.local_f_teid.as_mut())
        {
            self.given(f_teid);
        }
        request
    }

    /// An F-TEID that the SMF gives: the TEID as this UPF chose it, at its own address.
    fn given(&self, f_teid: &mut FTeid) {
        if let FTeid::Given { teid, ipv4, .. } = f_teid {
            *teid = self.teids.get(teid).copied().unwrap_or(*teid);
            if let (Some(ipv4), Some(IpAddr::V4(n3))) = (ipv4, self.n3) {
                *ipv4 = n3;
            }
        }
    }

    /// Compares this UPF's answer with the recorded one and learns its SEID and TEIDs.
    pub fn answer(
        &mut self,
        request: &Decoded,
        recorded: &Decoded,
        ours: &Decoded,
    ) -> Vec<Discrepancy> {
        let mut found = Vec::new();
        let (got, want) = (ours.message.name(), recorded.message.name());
        if got != want {
            return vec![Discrepancy::MessageType { got, want }];
        }
        let (got, want) = (ours.header.sequence, recorded.header.sequence);
        if got != want {
            found.push(Discrepancy::Sequence { got, want });
        }
        let (got, want) = (ours.header.seid, recorded.header.seid);
        if got != want {
            found.push(Discrepancy::Seid { got, want });
        }
        if let (Some(got), Some(want)) = (cause(&ours.message), cause(&recorded.message))
            && got != want
        {
            found.push(Discrepancy::Cause { got, want });
            return found;
        }
        self.learn(request, recorded, ours, &mut found);
        found
    }

    fn learn(
        &mut self,
        request: &Decoded,
        recorded: &Decoded,
        ours: &Decoded,
        found: &mut Vec<Discrepancy>,
    ) {
        match (&request.message, &recorded.message, &ours.message) {
            (Message::AssociationSetupRequest(_), ..) => self.sessions.clear(),
            (
                Message::SessionEstablishmentRequest(body),
                Message::SessionEstablishmentResponse(then),
                Message::SessionEstablishmentResponse(now),
            ) => {
                let Some(recorded_seid) = then.up_f_seid.as_ref().map(|f_seid| f_seid.seid) else {
                    return;
                };
                let Some(seid) = now.up_f_seid.as_ref().map(|f_seid| f_seid.seid) else {
                    found.push(Discrepancy::NoUpFSeid);
                    return;
                };
                self.up_seids.insert(recorded_seid, seid);
                let addresses = body
                    .create_pdrs
                    .iter()
                    .flat_map(|pdr| &pdr.pdi.ue_ip_addresses);
                let addresses = addresses
                    .flat_map(|ue| [ue.ipv4.map(IpAddr::from), ue.ipv6.map(IpAddr::from)])
                    .flatten()
                    .collect();
                let cp_seid = body.cp_f_seid.seid;
                let known = KnownSession {
                    cp_seid,
                    addresses,
                    ..KnownSession::default()
                };
                self.sessions.insert(recorded_seid, known);
                for pdr in &body.create_pdrs {
                    if let Some(FTeid::Given { teid, .. }) = pdr.pdi.local_f_teid {
                        self.teids.entry(teid).or_insert(teid);
                        self.belongs(recorded_seid, teid);
                    }
                }
                self.created(recorded_seid, &then.created_pdrs, &now.created_pdrs, found);
            }
            (
                _,
                Message::SessionModificationResponse(then),
                Message::SessionModificationResponse(now),
            ) => {
                let recorded_seid = self.recorded_seid(recorded.header.seid);
                self.created(recorded_seid, &then.created_pdrs, &now.created_pdrs, found);
            }
            (_, Message::SessionDeletionResponse(then), Message::SessionDeletionResponse(now)) => {
                let counted = then.usage_reports.iter().filter(|report| {
                    report
                        .volume_measurement
                        .as_ref()
                        .and_then(|v| v.total_packets)
                        .is_some_and(|n| n > 0)
                });
                for report in counted {
                    if !now
                        .usage_reports
                        .iter()
                        .any(|ours| ours.urr_id == report.urr_id)
                    {
                        found.push(Discrepancy::NoUsageReport(report.urr_id.0));
                    }
                }
                let recorded_seid = self.recorded_seid(recorded.header.seid);
                self.sessions.remove(&recorded_seid);
            }
            _ => {}
        }
    }

    /// The recorded UP SEID of the session with this CP SEID.
    fn recorded_seid(&self, cp_seid: Option<u64>) -> u64 {
        let known = self
            .sessions
            .iter()
            .find(|(_, session)| Some(session.cp_seid) == cp_seid);
        known.map_or(0, |(seid, _)| *seid)
    }

    fn belongs(&mut self, recorded_seid: u64, teid: u32) {
        if let Some(session) = self.sessions.get_mut(&recorded_seid) {
            session.teids.insert(teid);
        }
    }

    fn created(
        &mut self,
        seid: u64,
        then: &[CreatedPdr],
        now: &[CreatedPdr],
        found: &mut Vec<Discrepancy>,
    ) {
        for created in then {
            let Some(recorded) = f_teid(then, created.pdr_id) else {
                continue;
            };
            self.belongs(seid, recorded);
            let Some(ours) = f_teid(now, created.pdr_id) else {
                found.push(Discrepancy::NoFTeid(created.pdr_id.0));
                continue;
            };
            let shared = self
                .teids
                .iter()
                .find(|(other, known)| **known == ours && **other != recorded);
            let is_live = |teid: &u32| {
                self.sessions
                    .values()
                    .any(|session| session.teids.contains(teid))
            };
            if let Some((other, _)) = shared.filter(|(other, _)| is_live(other)) {
                found.push(Discrepancy::TeidShared {
                    first: *other,
                    second: recorded,
                    shared: ours,
                });
            }
            match self.teids.insert(recorded, ours) {
                Some(first) if first != ours => {
                    found.push(Discrepancy::TeidSplit {
                        recorded,
                        first,
                        second: ours,
                    });
                }
                _ => {}
            }
        }
    }

    /// A GTP-U message to the UPF as this one has to get it, and what it must lead to.
    pub fn gtp_in(&self, message: &[u8]) -> (Vec<u8>, Consequence) {
        let Ok(gtp) = Gtp::parse(message) else {
            return (message.to_vec(), Consequence::Nothing);
        };
        match gtp.message_type {
            gtp::ECHO_REQUEST => (message.to_vec(), Consequence::EchoResponse(gtp.sequence)),
            gtp::G_PDU => {
                let ours = self.teids.get(&gtp.teid).copied();
                let sessions = || self.sessions.values();
                let session = sessions().find(|session| session.teids.contains(&gtp.teid));
                let teid = ours.unwrap_or(gtp.teid);
                let mut rewritten = message.to_vec();
                if let Some(slot) = rewritten.get_mut(4..8) {
                    slot.copy_from_slice(&teid.to_be_bytes());
                }
                let consequence = match session {
                    Some(session) => consequence(session, gtp.payload),
                    None => Consequence::ErrorIndication(teid),
                };
                (rewritten, consequence)
            }
            _ => (message.to_vec(), Consequence::Nothing),
        }
    }
}

/// The Router Solicitation and the Router Advertisement of RFC 4861.
const SOLICITATION: u8 = 133;
const ADVERTISEMENT: u8 = 134;

/// Whether a packet is a Router Advertisement.
pub fn is_advertisement(packet: &[u8]) -> bool {
    icmpv6_type(packet) == Some(ADVERTISEMENT)
}

fn icmpv6_type(packet: &[u8]) -> Option<u8> {
    let ip = Ip::parse(packet).filter(|ip| ip.protocol == net::PROTOCOL_ICMPV6)?;
    ip.payload.first().copied()
}

fn consequence(session: &KnownSession, inner: &[u8]) -> Consequence {
    match icmpv6_type(inner) {
        Some(SOLICITATION) => return Consequence::ToSmf(inner.to_vec()),
        // From the SMF: it goes to the UE, see `GtpOut`.
        Some(ADVERTISEMENT) => return Consequence::Nothing,
        _ => {}
    }
    let is_own = |ip: &Ip<'_>| session.addresses.iter().any(|ue| is_within(*ue, ip.source));
    if !Ip::parse(inner).is_some_and(|ip| is_own(&ip)) {
        return Consequence::Nothing;
    }
    let mut packet = inner.to_vec();
    net::take_hop(&mut packet);
    Consequence::Plain(packet)
}

/// Whether an address is the UE's: all of its /64 are.
fn is_within(ue: IpAddr, address: IpAddr) -> bool {
    match (ue, address) {
        (IpAddr::V6(ue), IpAddr::V6(address)) => ue
            .segments()
            .iter()
            .take(4)
            .eq(address.segments().iter().take(4)),
        (ue, address) => ue == address,
    }
}

fn f_teid(created: &[CreatedPdr], id: PdrId) -> Option<u32> {
    let created = created.iter().find(|created| created.pdr_id == id)?;
    match created.local_f_teids.first()? {
        FTeid::Given { teid, .. } => Some(*teid),
        FTeid::Choose { .. } => None,
    }
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
