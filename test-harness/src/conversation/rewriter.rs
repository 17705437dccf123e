//! From what the recorded UPF was asked to what another is asked, and back.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use pfcp::{Addresses, CreatedPdr, Decoded, FTeid, Message, PdrId};
use simulator::gtp::{self, Gtp};

use super::consequence::consequence;
use super::{Consequence, Discrepancy, cause};

/// What is known of a recorded session.
#[derive(Clone, Debug, Default)]
pub(super) struct KnownSession {
    cp_seid: u64,
    pub(super) addresses: Vec<IpAddr>,
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
            Message::SessionEstablishmentRequest(body) => &mut *body.create_pdrs,
            Message::SessionModificationRequest(body) => &mut *body.create_pdrs,
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
        if let FTeid::Given { teid, addresses } = f_teid {
            *teid = self.teids.get(teid).copied().unwrap_or(*teid);
            if let (Some(_), Some(IpAddr::V4(n3))) = (addresses.ipv4(), self.n3) {
                *addresses = Addresses::new(Some(n3), addresses.ipv6()).unwrap_or(*addresses);
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
                let addresses = addresses.flat_map(pfcp::UeIpAddress::given).collect();
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

fn f_teid(created: &[CreatedPdr], id: PdrId) -> Option<u32> {
    let created = created.iter().find(|created| created.pdr_id == id)?;
    match created.local_f_teids.first()? {
        FTeid::Given { teid, .. } => Some(*teid),
        FTeid::Choose { .. } => None,
    }
}
