//! Session modification and deletion (TS 29.244, 6.3.3 and 6.3.4).
//!
//! A modification is a delta onto a copy of the rules. Only when the whole of it is compiled and
//! published does the copy take the place of what was: a request that is refused has changed
//! nothing.

use pfcp::{
    Cause, PfcpSmReqFlags, SessionModificationRequest, SessionModificationResponse, UsageReport,
};
use session::plan::{Context, Encapsulation, Installed};
use session::report::Command;
use session::rule::Action;
use session::{FarId, NextHopId, Pdr, Rules, Seid, SessionIndex};

use super::advertise::is_reached;
use super::draft::{Answered, check_counts, compile, publish};
use super::establishment::not_supported;
use super::operations::check_one_operation_each;
use super::usage::leaving;
use crate::node::{Asked, Node};
use crate::refusal::Refusal;
use crate::sessions::CpFSeid;
use crate::settling::{Modification, Unsettled};
use crate::translate::{Draft, Present as _, Translator};
use crate::usage::UrrControl;

const MODIFICATION: u8 = 52;
const DELETION: u8 = 54;

impl Node {
    /// The session that a request is about, if it is the sender's: "session messages only from the
    /// peer that owns the session". Others learn nothing, not even that it exists.
    fn owned(&self, asked: &Asked) -> Result<SessionIndex, Refusal> {
        let peers = self.peers.at(asked.from.ip());
        if peers.is_empty() {
            return Err(Refusal::new(Cause::NO_ESTABLISHED_ASSOCIATION));
        }
        let session = self.sessions.by_seid(Seid(asked.header.seid.unwrap_or(0)));
        let session = session.filter(|session| peers.contains(&session.peer));
        session
            .map(|session| session.index)
            .ok_or(Refusal::new(Cause::SESSION_CONTEXT_NOT_FOUND))
    }

    pub(crate) fn modify(&mut self, asked: Asked, request: &mut SessionModificationRequest) {
        let sets = (request.fq_csids.clone(), request.group_id.clone());
        let has_cp_f_seid = request.cp_f_seid.is_some();
        let mut draft = Draft::default();
        let modified = self.owned(&asked).and_then(|index| {
            let (usage_reports, failures) = self.modify_partly(index, request, &mut draft)?;
            Ok((index, usage_reports, failures))
        });
        match modified {
            Ok((index, usage_reports, failures)) => {
                self.log_failures(&asked, None, &failures);
                self.retag(index, sets, has_cp_f_seid);
                let session = self.sessions.get(index);
                if let Some(session) = session {
                    self.log_session(session, "modified");
                }
                let (seid, cp_seid) =
                    session.map_or((Seid(0), 0), |session| (session.seid, session.cp.seid));
                let answered = Answered::from(&draft);
                let answer = SessionModificationResponse {
                    cause: failures.cause(),
                    partial_failure_informations: failures.informations(),
                    created_pdrs: answered.created_pdrs,
                    updated_pdrs: answered.updated_pdrs,
                    created_traffic_endpoints: answered.created_endpoints,
                    usage_reports,
                    ..Default::default()
                };
                let after = draft.published;
                if let Some(epoch) = after.filter(|_| !draft.leaving.is_empty()) {
                    let change = Box::new(Modification {
                        asked,
                        session: index,
                        seid,
                        cp_seid,
                        answer,
                        leaving: std::mem::take(&mut draft.leaving),
                    });
                    self.settling.push(epoch, Unsettled::Modification(change));
                } else {
                    let after = after.max(self.settling.last_of(index));
                    self.answer_modification((&asked, cp_seid), seid, answer, after);
                }
            }
            Err(refusal) => self.refuse_session(&asked, MODIFICATION, refusal),
        }
    }

    /// Modifies a session by way of a draft in which nothing is yet. Gives usage reports for the
    /// answer.
    pub(crate) fn try_modify(
        &mut self,
        index: SessionIndex,
        request: &mut SessionModificationRequest,
        draft: &mut Draft,
    ) -> Result<Vec<UsageReport>, Refusal> {
        check_supported(request)?;
        check_one_operation_each(request)?;
        let cp = request
            .cp_f_seid
            .as_ref()
            .map(|f_seid| self.cp_f_seid(f_seid))
            .transpose()?;
        let gone = Refusal::new(Cause::SESSION_CONTEXT_NOT_FOUND);
        let session = self.sessions.get(index).ok_or(gone)?;
        // A session goes over to another SMF by the procedures of sets alone.
        let owner = self.peers.get(session.peer).map(|peer| &peer.node_id);
        if request.node_id.is_some() && request.node_id.as_ref() != owner {
            return Err(Refusal::ie::<pfcp::NodeId>(Cause::SERVICE_NOT_SUPPORTED));
        }
        let (worker, peer) = (session.worker, session.peer);
        draft.rules = session.installed.rules.clone();
        draft.details = session.details.clone();
        draft.readings = self.readings(session, request);
        let discard = request
            .flags
            .is_some_and(|flags| flags.contains(PfcpSmReqFlags::DROBU));
        if discard {
            self.translator((worker, peer), draft).end_extended();
        }
        match self.revise(index, request, draft) {
            Ok(reports) => {
                self.commit(index, cp, draft, discard);
                Ok(reports)
            }
            Err(refusal) => {
                self.give_up(draft);
                Err(refusal)
            }
        }
    }

    /// Brings the draft to what the request wants, and puts it in force.
    fn revise(
        &mut self,
        index: SessionIndex,
        request: &mut SessionModificationRequest,
        draft: &mut Draft,
    ) -> Result<Vec<UsageReport>, Refusal> {
        let gone = Refusal::new(Cause::SESSION_CONTEXT_NOT_FOUND);
        let session = self.sessions.get(index).ok_or(gone)?;
        let (worker, peer) = (session.worker, session.peer);
        let limits = &self.config.limits;
        check_counts(&[
            (request.create_pdrs.len(), limits.pdrs_per_session),
            (request.create_fars.len(), limits.fars_per_session),
            (request.create_qers.len(), limits.qers_per_session),
            (request.create_urrs.len(), limits.urrs_per_session),
        ])?;
        self.predefined.check_modification(request)?;
        self.note_slice(draft, request.s_nssai.as_ref());
        // "Reports from the old definition, before updates in the same message."
        let reports = self.query(index, request, draft)?;
        let mut removed = Vec::new();
        let mut translator = self.translator((worker, peer), draft);
        translator.revise(request, &mut removed)?;
        translator.settle()?;
        removed.append(&mut draft.ended_urrs);
        self.check_counts(draft)?;
        let now = self.now;
        let context = self.context(index, (worker, peer));
        let old = self.sessions.get(index).ok_or(gone)?;
        draft.watch(request.user_plane_inactivity_timer, &old.installed, now);
        draft.leaving = leaving(&old.installed, draft, removed);
        if draft.rules == old.installed.rules {
            return Ok(reports);
        }
        compile(&old.installed, draft, &context)?;
        publish(&mut self.publisher, index, draft, false)?;
        Ok(reports)
    }

    /// Takes the draft over as the session, and tells its worker what follows from it.
    pub(super) fn commit(
        &mut self,
        index: SessionIndex,
        cp: Option<CpFSeid>,
        draft: &mut Draft,
        discard: bool,
    ) {
        let Some(session) = self.sessions.get(index) else {
            return;
        };
        let (worker, peer) = (session.worker, session.peer);
        let old = &session.installed;
        let context = self.context(index, (worker, peer));
        let new = draft.published.map(|_| &draft.compiled.installed.rules);
        let markers = new.map_or_else(Vec::new, |new| {
            end_markers(old, new, &draft.end_markers, &context)
        });
        let release = draft.releases || new.is_some_and(|new| lets_go(&old.rules, new));
        draft.see_activity(old, self.now);
        let could_be_reached = is_reached(&old.rules);
        for (tunnel, next_hop) in markers {
            self.command(worker, Command::EndMarker { tunnel, next_hop });
        }
        if discard {
            self.command(worker, Command::Discard { session: index });
        } else if release {
            self.command(worker, Command::Release { session: index });
        }
        self.release_addresses(&draft.let_go);
        let mut details = std::mem::take(&mut draft.details);
        if discard || release {
            details.forget_notices();
        }
        self.sessions.change(index, |session| {
            session.details = details;
            if draft.published.is_some() {
                session.installed = std::mem::take(&mut draft.compiled.installed);
            }
            if let Some(cp) = cp {
                session.cp = cp;
            }
        });
        self.release_next_hops(draft);
        if let Some(cp) = cp {
            self.peers.also_at(peer, cp.address);
        }
        self.arm_usage(index);
        self.arm_activation(index);
        self.arm_stations(index);
        self.advertise_if_new(index, could_be_reached);
        self.arm_inactivity(index);
    }

    pub(crate) fn delete(&mut self, asked: Asked) {
        let ended = self.owned(&asked).map(|index| self.end_session(index));
        match ended {
            Ok(Some((session, epoch))) => {
                self.settling
                    .push(epoch, Unsettled::Deletion(asked, session));
            }
            Ok(None) => {
                let refusal = Refusal::new(Cause::SESSION_CONTEXT_NOT_FOUND);
                self.refuse_session(&asked, DELETION, refusal);
            }
            Err(refusal) => self.refuse_session(&asked, DELETION, refusal),
        }
    }
}

/// Whether packets that were held may go: a PDR's FAR that buffered does not any more.
fn lets_go(old: &Rules, new: &Rules) -> bool {
    let buffers = |rules: &Rules, far: FarId| {
        let far = rules.fars.iter().find(|there| there.id == far);
        far.is_some_and(|far| matches!(far.action, Action::Buffer { .. }))
    };
    old.pdrs
        .iter()
        .filter(|pdr| buffers(old, pdr.far))
        .any(|pdr| {
            let same = |there: &&Pdr| (there.id, there.part) == (pdr.id, pdr.part);
            let now = new.pdrs.iter().find(same);
            now.is_none_or(|pdr| pdr.dormant || !buffers(new, pdr.far))
        })
}

/// The tunnels that FARs have left, each once: "send one or more End Markers to the old F-TEID"
/// (TS 29.244, 5.3.2).
fn end_markers(
    old: &Installed,
    new: &Rules,
    fars: &[FarId],
    context: &Context,
) -> Vec<(Encapsulation, NextHopId)> {
    let mut markers: Vec<(Encapsulation, NextHopId)> = Vec::new();
    if fars.is_empty() {
        return markers;
    }
    let Ok(compiled) = old.compile(old.rules.clone(), context, |_| false) else {
        return markers;
    };
    let creation = |rules: &Rules, far: FarId| {
        let far = rules.fars.iter().find(|there| there.id == far)?;
        far.forwarding?.outer_header_creation
    };
    for far in fars {
        let (Some(was), is) = (creation(&old.rules, *far), creation(new, *far)) else {
            continue;
        };
        let moved = is.is_none_or(|is| (is.peer, is.teid) != (was.peer, was.teid));
        let step = compiled.plan.steps().find(|step| step.far == *far);
        let (true, Some(step), Some(next_hop)) = (moved, step, was.next_hop) else {
            continue;
        };
        if !markers
            .iter()
            .any(|(tunnel, _)| tunnel.peer() == step.tunnel())
        {
            markers.push((step.encapsulation, next_hop));
        }
    }
    markers
}

impl Translator<'_> {
    /// Does everything that a modification asks for to the draft: what goes, then what comes, then
    /// what changes.
    fn revise(
        &mut self,
        request: &mut SessionModificationRequest,
        removed: &mut Vec<UrrControl>,
    ) -> Result<(), Refusal> {
        for ie in &request.remove_pdrs {
            self.remove_pdr(ie.pdr_id)?;
        }
        for ie in &request.remove_fars {
            self.remove_far(ie.far_id)?;
        }
        for ie in &request.remove_urrs {
            removed.push(self.remove_urr(ie.urr_id)?);
        }
        for ie in &request.remove_qers {
            self.remove_qer(ie.qer_id)?;
        }
        if let Some(ie) = &request.remove_bar {
            self.remove_bar(ie.bar_id)?;
        }
        for ie in &request.create_urrs {
            self.create_urr(ie)?;
        }
        for ie in &request.create_qers {
            self.create_qer(ie)?;
        }
        if let Some(ie) = &request.create_bar {
            self.create_bar(ie)?;
        }
        for ie in &request.create_fars {
            self.create_far(ie)?;
        }
        for ie in &request.update_urrs {
            self.update_urr(ie)?;
        }
        for ie in &request.update_qers {
            self.update_qer(ie)?;
        }
        if let Some(ie) = &request.update_bar {
            self.update_bar(ie)?;
        }
        for ie in &request.update_fars {
            self.update_far(ie)?;
        }
        for ie in &request.create_traffic_endpoints {
            self.create_endpoint(ie)?;
        }
        for ie in &request.update_traffic_endpoints {
            self.update_endpoint(ie)?;
        }
        self.revise_pdrs(request)
    }

    fn revise_pdrs(&mut self, request: &mut SessionModificationRequest) -> Result<(), Refusal> {
        let created = request
            .create_pdrs
            .iter()
            .map(|ie| (ie.pdr_id, Some(&ie.pdi)));
        let updated = request
            .update_pdrs
            .iter()
            .map(|ie| (ie.pdr_id, ie.pdi.as_ref()));
        for (pdr, pdi) in created.chain(updated) {
            if let Some(pdi) = pdi {
                self.define_filters(pdr, pdi)?;
            }
        }
        for ie in &request.create_pdrs {
            self.create_pdr(ie)?;
        }
        for ie in std::mem::take(&mut request.update_pdrs) {
            self.update_pdr(ie)?;
        }
        // PDRs have left by now that do not go with them.
        for ie in &request.remove_traffic_endpoints {
            self.remove_endpoint(ie.traffic_endpoint_id)?;
        }
        self.check_endpoints()
    }
}

/// Pausing of charging, deletion of another SMF's tunnel, and breakout of home-routed sessions.
fn unsupported_flags() -> PfcpSmReqFlags {
    type F = PfcpSmReqFlags;
    F::SUMPC | F::RUMUC | F::DETEID | F::HRSBOM
}

fn check_supported(request: &SessionModificationRequest) -> Result<(), Refusal> {
    not_supported!(
        request.create_mars => pfcp::CreateMar,
        request.update_mars => pfcp::UpdateMar,
        request.remove_mars => pfcp::RemoveMar,
        request.create_srrs => pfcp::CreateSrr,
        request.update_srrs => pfcp::UpdateSrr,
        request.remove_srrs => pfcp::RemoveSrr,
        request.tsc_management_informations => pfcp::TscManagementInformation,
        request.provide_atsss_control_information => pfcp::ProvideAtsssControlInformation,
        request.ethernet_context_information => pfcp::EthernetContextInformation,
        request.access_availability_informations => pfcp::AccessAvailabilityInformation,
        request.query_packet_rate_status => pfcp::QueryPacketRateStatus,
        request.mbs_session_n4_control_informations => pfcp::MbsSessionN4ControlInformation,
        request.dscp_to_ppi_control_information => pfcp::DscpToPpiControlInformation,
        request.tl_containers => pfcp::TlContainer,
        request.moq_control_information => pfcp::MoqControlInformation,
        request.flags.filter(|flags| flags.intersects(unsupported_flags())) => PfcpSmReqFlags,
    );
    Ok(())
}
