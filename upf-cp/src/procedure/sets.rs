//! Session Set Deletion and Modification (TS 29.244, 7.4.6 and 7.4.7): what happens to all sessions
//! of a set at once, and how another SMF takes sessions over (RESPS).

use std::net::IpAddr;

use pfcp::{
    AlternativeSmfIpAddress, Cause, FSeid, FqCsid, GroupId, NonEmpty, SessionChangeInfo,
    SessionReportRequest, SessionReportResponse, SessionSetDeletionRequest,
    SessionSetDeletionResponse, SessionSetModificationRequest, SessionSetModificationResponse,
    Update,
};
use session::{Epoch, SessionIndex};

use crate::association::PeerId;
use crate::node::{Asked, Node};
use crate::refusal::Refusal;
use crate::sessions::CpFSeid;
use crate::sets::Which;
use crate::transaction::About;
use crate::work::{Fate, Job, Members, Owed, OwedAnswer};

/// How many changes one request may hold: each is compared with each session.
const CHANGES_MAX: usize = 32;

impl Node {
    pub(crate) fn session_set_deletion(
        &mut self,
        asked: Asked,
        request: &SessionSetDeletionRequest,
    ) {
        match self.members_of(&asked, request) {
            Ok((peer, sessions, which)) => {
                let answer = OwedAnswer::SetDeletion;
                let fate = Fate::End {
                    keep: None,
                    kept: 0,
                };
                let owed = Some(Owed { asked, answer });
                self.begin_for(peer, (sessions, Some(which)), fate, owed);
            }
            Err(refusal) => self.refuse(&asked, &request.clone().into(), refusal),
        }
    }

    /// The sessions to delete. Those of other peers may be in sets of the same name.
    fn members_of(
        &mut self,
        asked: &Asked,
        request: &SessionSetDeletionRequest,
    ) -> Result<(PeerId, Members, Which), Refusal> {
        let known = self.peers.of(&request.node_id, asked.from.ip());
        let peer = known.ok_or(Refusal::new(Cause::NO_ESTABLISHED_ASSOCIATION))?;
        if request.fq_csids.is_empty() {
            return Err(Refusal::ie::<FqCsid>(Cause::CONDITIONAL_IE_MISSING));
        }
        let which = Which::of(&request.fq_csids);
        if which.len() > self.config.limits.sets_per_request {
            return Err(Refusal::ie::<FqCsid>(Cause::NO_RESOURCES_AVAILABLE));
        }
        self.may_wait(self.work.waiting(&request.node_id))?;
        let (sessions, most) = self.sets.members(&which);
        let is_theirs = |index: &SessionIndex| {
            let session = self.sessions.get(*index);
            session.is_some_and(|session| session.peer == peer)
        };
        let sessions = sessions.filter(is_theirs);
        let members = Members::these(sessions, most, self.sessions.places());
        Ok((peer, members, which))
    }

    fn begin_for(
        &mut self,
        peer: PeerId,
        (sessions, only): (Members, Option<Which>),
        fate: Fate,
        owed: Option<Owed>,
    ) {
        let Some(node_id) = self.peers.get(peer).map(|peer| peer.node_id.clone()) else {
            return;
        };
        self.begin(Job {
            peer: Some(peer),
            node_id: Some(node_id),
            sessions,
            only,
            fate,
            owed,
            last: None,
        });
    }

    pub(crate) fn answer_set_deletion(&mut self, asked: &Asked, after: Option<Epoch>) {
        let answer = SessionSetDeletionResponse {
            node_id: self.config.node_id.clone(),
            cause: Cause::REQUEST_ACCEPTED,
            ..Default::default()
        };
        self.answer(asked, None, answer.cause, &answer, after);
    }

    pub(crate) fn session_set_modification(
        &mut self,
        asked: Asked,
        request: &SessionSetModificationRequest,
    ) {
        match self.changes_of(&asked, request) {
            Ok((peer, changes)) => {
                let places = self.sessions.places();
                let sessions = self.peers.get(peer).map(|peer| &peer.sessions);
                let sessions = sessions
                    .map_or_else(Members::none, |sessions| Members::of_peer(sessions, places));
                let answer = OwedAnswer::SetModification;
                let owed = Some(Owed { asked, answer });
                let fate = Fate::Redirect(changes);
                self.begin_for(peer, (sessions, None), fate, owed);
            }
            Err(refusal) => self.refuse(&asked, &request.clone().into(), refusal),
        }
    }

    /// Which sessions go where, if all of it can be done.
    fn changes_of(
        &mut self,
        asked: &Asked,
        request: &SessionSetModificationRequest,
    ) -> Result<(PeerId, Vec<(Which, IpAddr)>), Refusal> {
        let known = self.peers.of(&request.node_id, asked.from.ip());
        let peer = known.ok_or(Refusal::new(Cause::NO_ESTABLISHED_ASSOCIATION))?;
        let too_many = Refusal::ie::<SessionChangeInfo>(Cause::NO_RESOURCES_AVAILABLE);
        if request.session_change_infos.len() > CHANGES_MAX {
            return Err(too_many);
        }
        let changes = request.session_change_infos.iter().map(|change| {
            let which = Which::new(change);
            if which.is_empty() {
                return Err(Refusal::ie::<FqCsid>(Cause::CONDITIONAL_IE_MISSING));
            }
            let to = self.alternative(&change.alternative_smf_pgw_c_ip_address);
            let bad = Refusal::ie::<AlternativeSmfIpAddress>(Cause::MANDATORY_IE_INCORRECT);
            Ok((which, to.ok_or(bad)?))
        });
        let changes = changes.collect::<Result<Vec<_>, _>>()?;
        let named: usize = changes.iter().map(|(which, _)| which.len()).sum();
        if named > self.config.limits.sets_per_request {
            return Err(too_many);
        }
        self.may_wait(self.work.waiting(&request.node_id))?;
        Ok((peer, changes))
    }

    pub(crate) fn answer_set_modification(&mut self, asked: &Asked) {
        let answer = SessionSetModificationResponse {
            node_id: self.config.node_id.clone(),
            cause: Cause::REQUEST_ACCEPTED,
            ..Default::default()
        };
        self.answer(asked, None, answer.cause, &answer, None);
    }

    /// An address of another SMF that we can send to.
    fn alternative(&self, ie: &AlternativeSmfIpAddress) -> Option<IpAddr> {
        let address = if self.config.address.is_ipv4() {
            ie.ipv4.map(IpAddr::V4)
        } else {
            ie.ipv6.map(IpAddr::V6)
        };
        address.filter(|address| self.may_be_peer(*address))
    }

    // ===== sets of a session =====

    /// Takes the sets that an establishment puts a session in.
    pub(crate) fn tag(
        &mut self,
        index: SessionIndex,
        fq_csids: &[FqCsid],
        group: Option<&GroupId>,
    ) {
        if !fq_csids.is_empty() {
            self.sets.set_csids(index, fq_csids);
        }
        if let Some(group) = group {
            self.sets.set_group(index, group);
        }
    }

    /// Takes the sets that a modification puts a session in; one with a CP F-SEID of its own comes
    /// from who has the session now.
    pub(crate) fn retag(
        &mut self,
        index: SessionIndex,
        (fq_csids, group): (Update<NonEmpty<FqCsid>>, Option<GroupId>),
        has_cp_f_seid: bool,
    ) {
        match fq_csids {
            Update::Keep => {}
            Update::Remove => self.sets.set_csids(index, &[]),
            Update::Set(fq_csids) => self.sets.set_csids(index, &fq_csids),
        }
        self.tag(index, &[], group.as_ref());
        if has_cp_f_seid {
            self.sets.arrived(index);
        }
    }

    // ===== another SMF takes a session over =====

    /// Reports of a session go to the SMF at that address from now on, and it is its session, if it
    /// is associated.
    pub(crate) fn redirect(&mut self, index: SessionIndex, to: IpAddr) {
        self.sets.redirect(index, to);
        if let Some(peer) = self.peers.at(to).first().copied() {
            self.hand_over(index, peer);
        }
    }

    /// Where a report goes: to the CP F-SEID; or to the SMF that takes the session over, "with SEID
    /// 0 and the old CP F-SEID".
    pub(crate) fn destination(
        &self,
        index: SessionIndex,
        cp: CpFSeid,
        report: &mut SessionReportRequest,
    ) -> CpFSeid {
        let Some(address) = self.sets.redirected(index) else {
            return cp;
        };
        report.old_cp_f_seid = Some(FSeid::new(cp.seid, cp.address));
        CpFSeid { seid: 0, address }
    }

    /// Cause 78: the SMF says who has the session now. The report goes there.
    pub(crate) fn follow(
        &mut self,
        about: About,
        octets: &[u8],
        answer: &SessionReportResponse,
    ) -> bool {
        let mut named = answer.alternative_smf_ip_addresses.iter();
        let Some(to) = named.find_map(|ie| self.alternative(ie)) else {
            return false;
        };
        // Once: SMFs that send us in a circle do not keep us busy.
        if self.sets.redirected(about.session).is_some() {
            return false;
        }
        let decoded = pfcp::decode(octets).map(|decoded| decoded.message);
        let Ok(pfcp::Message::SessionReportRequest(report)) = decoded else {
            return false;
        };
        self.redirect(about.session, to);
        self.report(about.session, report);
        true
    }

    /// The answer of an SMF that has taken a session over: how it calls it.
    pub(crate) fn taken_over(&mut self, index: SessionIndex, answer: &SessionReportResponse) {
        let given = answer.cp_f_seid.as_ref();
        let cp = given.and_then(|f_seid| self.cp_f_seid(f_seid).ok());
        if let Some(cp) = cp {
            self.sets.arrived(index);
            let peer = self.sessions.change(index, |session| {
                session.cp = cp;
                session.peer
            });
            if let Some(peer) = peer {
                self.learn_address(peer, cp);
            }
        }
        self.tag(index, &answer.fq_csids, answer.group_id.as_ref());
    }
}
