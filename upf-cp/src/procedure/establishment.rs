//! Session establishment (TS 29.244, 6.3.2): all or nothing, but for CP functions that take a part.

use std::borrow::Cow;

use pfcp::{
    Cause, FSeid, PdnType, PfcpSeReqFlags, SessionEstablishmentRequest,
    SessionEstablishmentResponse,
};
use session::plan::Installed;
use session::rule::Pdn;
use session::{Seid, SessionIndex, WorkerId};

use super::draft::{Answered, check_counts, compile, network_of, publish};
use super::partial::Failures;
use crate::association::PeerId;
use crate::counters::Limit;
use crate::labels::Labels;
use crate::node::{Asked, Node};
use crate::refusal::Refusal;
use crate::sessions::{CpFSeid, Session, Sessions};
use crate::translate::{Draft, Present as _};
use rand::Rng as _;

/// Refuses IEs that ask for what is not done here.
macro_rules! not_supported {
    ($($there:expr => $ie:ty),* $(,)?) => {
        $( if $there.is_present() {
            return Err(Refusal::ie::<$ie>(Cause::SERVICE_NOT_SUPPORTED));
        } )*
    };
}
pub(super) use not_supported;

impl Node {
    pub(crate) fn establish(&mut self, asked: Asked, request: &SessionEstablishmentRequest) {
        let mut draft = Draft::default();
        match self.try_establish(&asked, request, &mut draft) {
            Ok((seid, failures)) => {
                self.log_failures(&asked, Some(request), &failures);
                if let Some(session) = self.sessions.by_seid(seid) {
                    self.log_session(session, "established");
                    let index = session.index;
                    self.tag(index, &request.fq_csids, request.group_id.as_ref());
                }
                let answered = Answered::from(&draft);
                let answer = SessionEstablishmentResponse {
                    node_id: self.config.node_id.clone(),
                    cause: failures.cause(),
                    partial_failure_informations: failures.informations(),
                    up_f_seid: Some(FSeid::new(seid.0, self.config.advertise)),
                    created_pdrs: answered.created_pdrs,
                    created_traffic_endpoints: answered.created_endpoints,
                    ..Default::default()
                };
                self.answer(
                    &asked,
                    Some(request.cp_f_seid.seid),
                    answer.cause,
                    &answer,
                    draft.published,
                );
            }
            Err(refusal) => self.refuse_establishment(&asked, Some(request), refusal),
        }
    }

    fn try_establish(
        &mut self,
        asked: &Asked,
        request: &SessionEstablishmentRequest,
        draft: &mut Draft,
    ) -> Result<(Seid, Failures), Refusal> {
        let peer = self.peers.of(&request.node_id, asked.from.ip());
        let peer = peer.ok_or(Refusal::new(Cause::NO_ESTABLISHED_ASSOCIATION))?;
        let cp = self.cp_f_seid(&request.cp_f_seid)?;
        check_supported(request)?;
        let limits = &self.config.limits;
        check_counts(&[
            (request.create_pdrs.len(), limits.pdrs_per_session),
            (request.create_fars.len(), limits.fars_per_session),
            (request.create_qers.len(), limits.qers_per_session),
            (request.create_urrs.len(), limits.urrs_per_session),
        ])?;
        let full = Refusal::limit(Limit::Sessions);
        let old = self.lost(peer, cp).map(|old| (old.index, old.worker));
        let most = usize::try_from(limits.sessions).unwrap_or(usize::MAX);
        if self.sessions.len() - usize::from(old.is_some()) >= most {
            return Err(full);
        }
        let place = old.or_else(|| self.publisher.reserve());
        let (index, worker) = place.ok_or(full)?;
        let seid = Sessions::seid(index, self.random.next_u64());
        let place = (index, worker, seid);
        match self.install_partly(request, (peer, cp), place, draft) {
            Ok(failures) => {
                self.release_addresses(&draft.let_go);
                if let Some((old, _)) = old {
                    self.forget_session(old);
                }
                self.keep(
                    peer,
                    Session {
                        index,
                        worker,
                        postponed: false,
                        unacknowledged: 0,
                        seid,
                        cp,
                        peer,
                        installed: std::mem::take(&mut draft.compiled.installed),
                        details: std::mem::take(&mut draft.details),
                        timer_ms: None,
                        labels: Labels::of(request),
                    },
                );
                self.release_next_hops(draft);
                Ok((seid, failures))
            }
            Err(refusal) => {
                if old.is_none() {
                    self.publisher.withdraw(index, &[]);
                }
                Err(refusal)
            }
        }
    }

    /// The session that a CP function has lost when it gives its F-SEID to a new one, which comes in
    /// its place if nothing stands against it.
    fn lost(&self, peer: PeerId, cp: CpFSeid) -> Option<&Session> {
        let index = self.sessions.by_cp(peer, cp)?;
        self.sessions.get(index)
    }

    /// Installs what can be of a request, by way of a draft in which nothing is yet.
    fn install_partly(
        &mut self,
        request: &SessionEstablishmentRequest,
        (peer, cp): (PeerId, CpFSeid),
        (index, worker, seid): (SessionIndex, WorkerId, Seid),
        draft: &mut Draft,
    ) -> Result<Failures, Refusal> {
        let mut failures = Failures::new(self.takes_part(peer));
        let mut left = Cow::Borrowed(request);
        loop {
            draft.rules.seid = seid;
            match self.install(&left, (peer, cp), (index, worker), draft) {
                Ok(()) => return Ok(failures),
                Err(refusal) => {
                    self.give_up(draft);
                    failures.narrow(&mut left, refusal)?;
                    *draft = Draft::default();
                }
            }
        }
    }

    fn install(
        &mut self,
        request: &SessionEstablishmentRequest,
        (peer, cp): (PeerId, CpFSeid),
        (index, worker): (SessionIndex, WorkerId),
        draft: &mut Draft,
    ) -> Result<(), Refusal> {
        self.predefined.check_establishment(request)?;
        draft.details.network = network_of(self, request);
        if request.pdn_type == Some(PdnType::ETHERNET) {
            draft.rules.pdn = Pdn::Ethernet(Box::default());
        }
        draft.make_room(request);
        self.note_slice(draft, request.s_nssai.as_ref());
        let timer = request.user_plane_inactivity_timer;
        draft.watch(timer, &Installed::default(), self.now);
        let mut translator = self.translator((worker, peer), draft);
        request
            .create_urrs
            .iter()
            .try_for_each(|urr| translator.create_urr(urr))?;
        request
            .create_qers
            .iter()
            .try_for_each(|qer| translator.create_qer(qer))?;
        request
            .create_bar
            .iter()
            .try_for_each(|bar| translator.create_bar(bar))?;
        request
            .create_fars
            .iter()
            .try_for_each(|far| translator.create_far(far))?;
        request
            .create_traffic_endpoints
            .iter()
            .try_for_each(|endpoint| translator.create_endpoint(endpoint))?;
        translator.check_endpoints()?;
        let pdrs = &request.create_pdrs;
        pdrs.iter()
            .try_for_each(|pdr| translator.define_filters(pdr.pdr_id, &pdr.pdi))?;
        pdrs.iter().try_for_each(|pdr| translator.create_pdr(pdr))?;
        translator.settle()?;
        self.check_counts(draft)?;
        let limits = self.limits_of(request);
        let before = match self.lost(peer, cp) {
            Some(old) => old.installed.vacated(limits),
            None => Installed::limited(limits),
        };
        compile(&before, draft, &self.context(index, (worker, peer)))?;
        let restoring = request
            .flags
            .is_some_and(|flags| flags.contains(PfcpSeReqFlags::RESTI));
        publish(&mut self.publisher, index, draft, restoring)
    }

    fn keep(&mut self, peer: PeerId, session: Session) {
        let (index, cp) = (session.index, session.cp);
        self.sessions.insert(session);
        if let Some(peer) = self.peers.get_mut(peer) {
            peer.sessions.insert(index);
        }
        self.learn_address(peer, cp);
        self.counters.established += 1;
        self.arm_usage(index);
        self.arm_activation(index);
        self.advertise_if_new(index, false);
        self.arm_inactivity(index);
    }
}

fn check_supported(request: &SessionEstablishmentRequest) -> Result<(), Refusal> {
    not_supported!(
        request.create_mars => pfcp::CreateMar,
        request.create_srrs => pfcp::CreateSrr,
        request.create_bridge_router_info => pfcp::CreateBridgeRouterInfo,
        request.provide_atsss_control_information => pfcp::ProvideAtsssControlInformation,
        request.provide_rds_configuration_information => pfcp::ProvideRdsConfigurationInformation,
        request.l2tp_tunnel_informations => pfcp::L2tpTunnelInformation,
        request.l2tp_session_information => pfcp::L2tpSessionInformation,
        request.mbs_session_n4mb_control_information => pfcp::MbsSessionN4mbControlInformation,
        request.mbs_session_n4_control_informations => pfcp::MbsSessionN4ControlInformation,
        request.dscp_to_ppi_control_informations => pfcp::DscpToPpiControlInformation,
        request.tl_container => pfcp::TlContainer,
        request.moq_control_information => pfcp::MoqControlInformation,
        request.flags.filter(|flags| !flags.without(PfcpSeReqFlags::RESTI).is_empty())
            => PfcpSeReqFlags,
    );
    match request.pdn_type {
        None | Some(PdnType::IPV4 | PdnType::IPV6 | PdnType::IPV4V6 | PdnType::ETHERNET) => Ok(()),
        Some(_) => Err(Refusal::ie::<PdnType>(Cause::SERVICE_NOT_SUPPORTED)),
    }
}
