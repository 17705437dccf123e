//! An SMF: what it has been told of its sessions, and what it asks for next.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use pfcp::{
    Cause, Decoded, Encode, FTeid, Header, Message, NodeId, PfcpSrRspFlags, RecoveryTimeStamp,
    SessionEstablishmentRequest, SessionModificationRequest, SessionReportResponse,
};
use simulator::{Flavour, Outline, Sender, SessionSpec, Tunnel, UplinkTunnel, requests};

use crate::changes;
use crate::model::{Model, chosen};
use crate::support::dice::Dice;

const T1_MS: u64 = 2_500;
const N1: u32 = 3;

/// The most sessions that one SMF has at a time.
const SESSIONS: usize = 8;

/// A session as its SMF sees it.
#[derive(Debug)]
pub struct Seen {
    pub is: simulator::Session,
    /// By what was acknowledged.
    pub model: Model,
    pub established: bool,
    /// A request about it is not answered yet.
    pub busy: bool,
    /// A request about it was never answered, or something happened that the SMF was not told.
    pub doubtful: bool,
}

#[derive(Debug)]
enum About {
    Associate,
    Heartbeat,
    Release,
    Establish(u64, Box<SessionEstablishmentRequest>),
    Modify(u64, Box<SessionModificationRequest>),
    Delete(u64),
}

#[derive(Debug)]
struct Outstanding {
    octets: Vec<u8>,
    at_ms: u64,
    left: u32,
    about: About,
    response_type: u8,
}

#[derive(Debug)]
pub struct Smf {
    pub address: SocketAddr,
    pub flavour: Flavour,
    node_id: NodeId,
    /// Its recovery time stamp.
    stamp: u32,
    sequence: u32,
    /// The number of its next session, from which all of that session's names follow.
    number: u32,
    first_number: u32,
    pub associated: bool,
    pub sessions: BTreeMap<u64, Seen>,
    outstanding: BTreeMap<u32, Outstanding>,
    /// Numbers under which the UPF has answered a damaged request: such an answer may come when the
    /// number is in use.
    misread: BTreeSet<u32>,
    up_stamp: Option<u32>,
    restore: Vec<simulator::Session>,
    pub out: Vec<Vec<u8>>,
}

/// The UE of that number.
fn ue(number: u32) -> Ipv4Addr {
    let [.., high, low] = number.to_be_bytes();
    Ipv4Addr::new(10, 45, high, low)
}

impl Smf {
    pub fn new(place: u32, flavour: Flavour) -> Self {
        // Far enough apart that no flipped bit makes one of another.
        let host = u8::try_from(11 + 37 * place).unwrap();
        let address = IpAddr::from([10, 10, 4, host]);
        Self {
            address: SocketAddr::new(address, 8805),
            flavour,
            node_id: address.into(),
            stamp: 3_800_000_000,
            sequence: 0,
            number: 1000 * place,
            first_number: 1000 * place,
            associated: false,
            sessions: BTreeMap::new(),
            outstanding: BTreeMap::new(),
            misread: BTreeSet::new(),
            up_stamp: None,
            restore: vec![],
            out: vec![],
        }
    }

    /// Starts again, having forgotten everything. Numbers may begin again, too.
    pub fn restart(&mut self, dice: &mut Dice, ntp_s: u32) {
        self.associated = false;
        self.sessions.clear();
        self.outstanding.clear();
        self.restore.clear();
        self.misread.clear();
        self.out.clear();
        self.up_stamp = None;
        self.stamp = self.stamp.max(ntp_s - 1) + 1;
        if dice.percent(70) {
            self.sequence = 0;
        }
        if dice.percent(70) {
            self.number = self.first_number;
        }
    }

    pub fn next_ms(&self) -> Option<u64> {
        self.outstanding.values().map(|request| request.at_ms).min()
    }

    // ===== what it asks =====

    fn ask(
        &mut self,
        now_ms: u64,
        (seid, priority): (Option<u64>, Option<u8>),
        request: &impl Encode,
        about: About,
    ) {
        self.sequence = (self.sequence + 1) & 0x00ff_ffff;
        let header = Header {
            seid,
            sequence: pfcp::Sequence::new(self.sequence),
            priority: priority.and_then(pfcp::Priority::new),
            follow_on: false,
        };
        let mut octets = vec![];
        pfcp::encode_unchecked(&header, request, &mut octets).unwrap();
        self.out.push(octets.clone());
        let response_type = request.message_type() + 1;
        let waits = Outstanding {
            octets,
            at_ms: now_ms + T1_MS,
            left: N1 - 1,
            about,
            response_type,
        };
        self.outstanding.insert(self.sequence, waits);
    }

    pub fn associate(&mut self, now_ms: u64) {
        // What was asked before is of no interest any more.
        self.outstanding.clear();
        self.sessions.clear();
        self.associated = false;
        let request = pfcp::AssociationSetupRequest {
            node_id: self.node_id.clone(),
            recovery_time_stamp: RecoveryTimeStamp(self.stamp),
            cp_function_features: Some(pfcp::CpFunctionFeatures::empty()),
            ..Default::default()
        };
        self.ask(now_ms, (None, None), &request, About::Associate);
    }

    fn heartbeat(&mut self, now_ms: u64, ntp_s: u32) {
        // OAI stamps each one anew.
        let stamp = if self.flavour == Flavour::Oai {
            ntp_s
        } else {
            self.stamp
        };
        let request = pfcp::HeartbeatRequest {
            recovery_time_stamp: RecoveryTimeStamp(stamp),
            ..Default::default()
        };
        self.ask(now_ms, (None, None), &request, About::Heartbeat);
    }

    pub fn release(&mut self, now_ms: u64) {
        self.outstanding.clear();
        self.sessions.clear();
        let request = pfcp::AssociationReleaseRequest {
            node_id: self.node_id.clone(),
            ..Default::default()
        };
        self.ask(now_ms, (None, None), &request, About::Release);
    }

    /// Does one thing.
    pub fn act(&mut self, now_ms: u64, ntp_s: u32, dice: &mut Dice) {
        let pending = |about: fn(&About) -> bool, outstanding: &BTreeMap<u32, Outstanding>| {
            outstanding.values().any(|request| about(&request.about))
        };
        if !self.associated {
            let under_way = |about: &About| matches!(about, About::Associate | About::Release);
            if !pending(under_way, &self.outstanding) {
                self.associate(now_ms);
            }
            return;
        }
        match dice.roll(100) {
            30..80 => self.modify(now_ms, dice),
            80..92 => self.delete_any(now_ms, dice),
            92..97 => self.heartbeat(now_ms, ntp_s),
            97 => self.associate(now_ms),
            98 => self.release(now_ms),
            _ => self.establish(now_ms, dice),
        }
    }

    fn establish(&mut self, now_ms: u64, dice: &mut Dice) {
        if self.sessions.len() >= SESSIONS {
            return;
        }
        let mut number = self.number;
        let old = self.any_idle(dice).filter(|_| dice.percent(6));
        if let Some(seen) = old.and_then(|cp_seid| self.sessions.get(&cp_seid)) {
            // It has lost that one, and begins it anew.
            number = seen.is.number;
        } else {
            self.number += 1;
        }
        // Now and then a UE that another SMF has, or one that this SMF has already.
        let ue_number = if dice.percent(8) {
            dice.roll(8)
        } else {
            number
        };
        let mut session = simulator::Session::new(number, self.flavour, UplinkTunnel::default());
        "internet".clone_into(&mut session.dnn);
        session.ue_ipv4 = Some(ue(ue_number));
        if matches!(self.flavour, Flavour::Simple | Flavour::Open5gs) && dice.percent(30) {
            let prefix = 0x2001_0db8_0000_0000_0000_0000_0000_0001_u128;
            session.ue_ipv6 = Some((prefix | u128::from(ue_number) << 64).into());
        }
        let outline = self.establishment(&session);
        let mut outline = outline;
        if dice.percent(10) {
            changes::confuse(&mut outline.body, dice);
        }
        self.send_establishment(now_ms, session, &outline);
    }

    fn establishment(&self, session: &simulator::Session) -> Outline<SessionEstablishmentRequest> {
        let spec = SessionSpec {
            flavour: self.flavour,
            dnn: session.dnn.clone(),
            ue_ipv4: session.ue_ipv4,
            ue_ipv6: session.ue_ipv6,
            volume_threshold: session.number.is_multiple_of(2).then_some(1_000_000),
            n3_address: Ipv4Addr::new(10, 10, 3, 7),
            ..Default::default()
        };
        let sender = Sender {
            node_id: &self.node_id,
            address: self.address.ip(),
            features: pfcp::UpFunctionFeatures::FTUP,
        };
        requests::establishment(&spec, session.number, session.cp_seid, &sender)
    }

    fn send_establishment(
        &mut self,
        now_ms: u64,
        session: simulator::Session,
        outline: &Outline<SessionEstablishmentRequest>,
    ) {
        let header = (Some(outline.seid), outline.priority);
        let cp_seid = session.cp_seid;
        let about = About::Establish(cp_seid, Box::new(outline.body.clone()));
        self.ask(now_ms, header, &outline.body, about);
        let seen = Seen {
            is: session,
            model: Model::default(),
            established: false,
            busy: true,
            doubtful: false,
        };
        self.sessions.insert(cp_seid, seen);
    }

    /// A session with which nothing is under way.
    fn any_idle(&self, dice: &mut Dice) -> Option<u64> {
        let idle = self
            .sessions
            .iter()
            .filter(|(_, seen)| seen.established && !seen.busy);
        let idle: Vec<u64> = idle.map(|(cp_seid, _)| *cp_seid).collect();
        dice.pick(&idle).copied()
    }

    fn modify(&mut self, now_ms: u64, dice: &mut Dice) {
        let Some(cp_seid) = self.any_idle(dice) else {
            return self.establish(now_ms, dice);
        };
        let Some(seen) = self.sessions.get_mut(&cp_seid) else {
            return;
        };
        if seen.doubtful {
            return self.delete(now_ms, cp_seid);
        }
        let gnb = Tunnel {
            address: IpAddr::from([10, 10, 3, 101 + dice.roll(3) as u8]),
            teid: 1 + dice.roll(1000),
        };
        let session = &mut seen.is;
        let body = match dice.roll(8) {
            0 | 1 if session.gnb.is_none() => {
                session.gnb = Some(gnb);
                requests::activation(session, gnb)
            }
            0 if session.flavour != Flavour::Oai => {
                session.gnb = Some(gnb);
                requests::path_switch(session, gnb, dice.percent(50))
            }
            1 | 2 if session.gnb.is_some() => {
                session.gnb = None;
                session.generation += 1;
                requests::idle(session)
            }
            _ => changes::any(&seen.model.content, dice),
        };
        let sender = Sender {
            node_id: &self.node_id,
            address: self.address.ip(),
            features: pfcp::UpFunctionFeatures::FTUP,
        };
        let outline = requests::modification(&seen.is, &sender, body);
        seen.busy = true;
        let header = (Some(outline.seid), outline.priority);
        let about = About::Modify(cp_seid, Box::new(outline.body.clone()));
        self.ask(now_ms, header, &outline.body, about);
    }

    fn delete_any(&mut self, now_ms: u64, dice: &mut Dice) {
        if let Some(cp_seid) = self.any_idle(dice) {
            self.delete(now_ms, cp_seid);
        }
    }

    fn delete(&mut self, now_ms: u64, cp_seid: u64) {
        let Some(seen) = self.sessions.get_mut(&cp_seid) else {
            return;
        };
        seen.busy = true;
        let sender = Sender {
            node_id: &self.node_id,
            address: self.address.ip(),
            features: pfcp::UpFunctionFeatures::FTUP,
        };
        let outline = requests::deletion(&seen.is, &sender);
        let header = (Some(outline.seid), outline.priority);
        self.ask(now_ms, header, &outline.body, About::Delete(cp_seid));
    }

    // ===== time =====

    /// Sends again what was not answered, and gives up in the end.
    pub fn tick(&mut self, now_ms: u64) {
        let due = self
            .outstanding
            .iter()
            .filter(|(_, request)| request.at_ms <= now_ms);
        let due: Vec<u32> = due.map(|(sequence, _)| *sequence).collect();
        for sequence in due {
            let Some(request) = self.outstanding.get_mut(&sequence) else {
                continue;
            };
            if request.left > 0 {
                request.left -= 1;
                request.at_ms = now_ms + T1_MS;
                self.out.push(request.octets.clone());
            } else if let Some(request) = self.outstanding.remove(&sequence) {
                self.given_up(&request.about);
            }
        }
    }

    fn given_up(&mut self, about: &About) {
        match about {
            About::Establish(cp_seid, _) => {
                self.sessions.remove(cp_seid);
            }
            About::Modify(cp_seid, _) | About::Delete(cp_seid) => {
                if let Some(seen) = self.sessions.get_mut(cp_seid) {
                    seen.busy = false;
                    seen.doubtful = true;
                }
            }
            About::Release => self.associated = false,
            About::Associate | About::Heartbeat => {}
        }
    }

    // ===== what it is told =====

    pub fn receive(&mut self, now_ms: u64, dice: &mut Dice, octets: &[u8]) -> Result<(), String> {
        for decoded in pfcp::messages(octets) {
            let decoded =
                decoded.map_err(|error| format!("the UPF sent what cannot be read: {error}"))?;
            self.take(now_ms, dice, decoded)?;
        }
        Ok(())
    }

    fn take(&mut self, now_ms: u64, dice: &mut Dice, decoded: Decoded) -> Result<(), String> {
        let Decoded { header, message } = decoded;
        match message {
            Message::SessionReportRequest(_) => self.answer_report(&header, dice),
            Message::HeartbeatRequest(_) => {
                let answer = pfcp::HeartbeatResponse {
                    recovery_time_stamp: RecoveryTimeStamp(self.stamp),
                    ..Default::default()
                };
                self.reply(Header::node(header.sequence.get()), &answer);
            }
            message => {
                let known = self.outstanding.get(&header.sequence.get());
                if known.is_some_and(|waits| waits.response_type == message.message_type())
                    && let Some(waits) = self.outstanding.remove(&header.sequence.get())
                {
                    if self.misread.contains(&header.sequence.get()) {
                        self.doubt_busy();
                    }
                    self.answered(now_ms, waits.about, &message)?;
                }
            }
        }
        Ok(())
    }

    fn reply(&mut self, header: Header, answer: &impl Encode) {
        let mut octets = vec![];
        pfcp::encode(&header, answer, &mut octets).unwrap();
        self.out.push(octets);
    }

    fn answer_report(&mut self, header: &Header, dice: &mut Dice) {
        let cp_seid = header.seid.unwrap_or(0);
        let seen = self.sessions.get(&cp_seid);
        let mut answer = SessionReportResponse {
            cause: Cause::REQUEST_ACCEPTED,
            ..Default::default()
        };
        let up_seid = seen.map_or(0, |seen| seen.is.up_seid);
        if seen.is_none() {
            answer.cause = Cause::SESSION_CONTEXT_NOT_FOUND;
        } else if dice.percent(10) {
            answer.cause = Cause::REQUEST_REJECTED;
            answer.flags = Some(PfcpSrRspFlags::DROBU);
        }
        self.reply(Header::session(up_seid, header.sequence.get()), &answer);
    }

    fn answered(&mut self, now_ms: u64, about: About, message: &Message) -> Result<(), String> {
        match (about, message) {
            (About::Associate, Message::AssociationSetupResponse(answer)) => {
                self.associated = answer.cause == Cause::REQUEST_ACCEPTED;
                self.up_stamp = answer.recovery_time_stamp.map(|stamp| stamp.0);
                for session in std::mem::take(&mut self.restore) {
                    self.restore(now_ms, session);
                }
            }
            (About::Heartbeat, Message::HeartbeatResponse(answer)) => {
                let stamp = answer.recovery_time_stamp.0;
                if self.up_stamp.is_some_and(|old| stamp > old) {
                    self.upf_restarted(now_ms);
                }
            }
            (About::Release, _) => self.associated = false,
            (About::Establish(cp_seid, request), Message::SessionEstablishmentResponse(answer)) => {
                self.established(cp_seid, &request, answer)?;
            }
            (About::Modify(cp_seid, request), Message::SessionModificationResponse(answer)) => {
                let Some(seen) = self.sessions.get_mut(&cp_seid) else {
                    return Ok(());
                };
                seen.busy = false;
                match answer.cause {
                    // A damaged copy may have been accepted that says something else.
                    Cause::REQUEST_ACCEPTED if seen.doubtful => {}
                    Cause::REQUEST_ACCEPTED => {
                        seen.model = seen.model.modify(&request, Some(&chosen(answer)))?;
                    }
                    Cause::SESSION_CONTEXT_NOT_FOUND => {
                        self.sessions.remove(&cp_seid);
                    }
                    _ => {}
                }
                self.check_associated(answer.cause);
            }
            (About::Delete(cp_seid), Message::SessionDeletionResponse(answer)) => {
                self.sessions.remove(&cp_seid);
                self.check_associated(answer.cause);
            }
            (about, message) => return Err(format!("{about:?} was answered with {message}")),
        }
        Ok(())
    }

    /// "No established association": the UPF has lost it.
    fn check_associated(&mut self, cause: Cause) {
        if cause == Cause::NO_ESTABLISHED_ASSOCIATION {
            self.associated = false;
            self.sessions.clear();
        }
    }

    fn established(
        &mut self,
        cp_seid: u64,
        request: &SessionEstablishmentRequest,
        answer: &pfcp::SessionEstablishmentResponse,
    ) -> Result<(), String> {
        let accepted = answer.cause == Cause::REQUEST_ACCEPTED;
        if !accepted {
            self.sessions.remove(&cp_seid);
            self.check_associated(answer.cause);
            return Ok(());
        }
        let Some(seen) = self.sessions.get_mut(&cp_seid) else {
            return Ok(());
        };
        seen.busy = false;
        seen.established = true;
        if !seen.doubtful {
            seen.model = Model::establish(request, Some(&answer.created_pdrs))?;
        }
        seen.is.up_seid = answer.up_f_seid.as_ref().ok_or("no UP F-SEID")?.seid;
        Ok(())
    }

    /// Associates anew, and brings back what was there with the F-TEIDs that gNBs know.
    fn upf_restarted(&mut self, now_ms: u64) {
        let gone = std::mem::take(&mut self.sessions).into_values();
        let restore: Vec<_> = gone
            .filter(|seen| seen.established && !seen.doubtful)
            .map(|seen| {
                let mut session = seen.is;
                let access = seen.model.content.pdrs.values().filter_map(|pdr| pdr.teid);
                session.uplink.teid = access.min().unwrap_or(0);
                session
            })
            .collect();
        self.associate(now_ms);
        self.restore = restore;
    }

    fn restore(&mut self, now_ms: u64, session: simulator::Session) {
        let mut outline = self.establishment(&session);
        // "Header SEID = old UP SEID", and one F-TEID for all that had any.
        outline.seid = session.up_seid;
        outline.body.flags = Some(pfcp::PfcpSeReqFlags::RESTI);
        for pdr in &mut outline.body.create_pdrs {
            if let Some(f_teid) = &mut pdr.pdi.local_f_teid
                && session.uplink.teid != 0
            {
                *f_teid = FTeid::given(session.uplink.teid, IpAddr::from([10, 10, 3, 7]));
            }
        }
        self.send_establishment(now_ms, session, &outline);
    }

    /// A damaged request of this SMF was answered under that number.
    pub fn misread(&mut self, sequence: u32) {
        self.misread.insert(sequence);
    }

    /// What is under way may end in any way.
    pub fn doubt_busy(&mut self) {
        let busy = self.sessions.values_mut().filter(|seen| seen.busy);
        busy.for_each(|seen| seen.doubtful = true);
    }

    /// Something happened to a session that this SMF was not told of.
    pub fn doubt(&mut self, up_seid: u64) {
        let seen = self
            .sessions
            .values_mut()
            .find(|seen| seen.is.up_seid == up_seid);
        if let Some(seen) = seen {
            seen.doubtful = true;
        }
    }
}
