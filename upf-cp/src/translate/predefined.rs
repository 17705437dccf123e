//! Predefined rules (TS 29.244, 5.19): the configuration has them, SMFs activate them by name. What
//! they refer to is translated as if the SMF had created it, when a session first needs it.

use std::sync::Arc;

use pfcp::{
    ActivatePredefinedRules, ApplyAction, Cause, CreateFar, CreateQer, CreateUrr,
    DeactivatePredefinedRules, DestinationInterface, FailedRuleId, ForwardingParameters,
    GateStatus, Kbps, MeasurementMethod, Octets, ReportingTriggers, SessionEstablishmentRequest,
    SessionModificationRequest,
};
use session::rule::Pdr;
use session::sdf::SdfFilter;
use session::{FarId, QerId, UrrId};

use super::Translator;
use super::declared::Declared;
use super::pdr::each_once;
use crate::applications::Applications;
use crate::config::{
    PredefinedAction, PredefinedFar, PredefinedQer, PredefinedRule, PredefinedRules, PredefinedUrr,
};
use crate::refusal::Refusal;

/// "Bit 8 of the first octet: the rule is predefined in the UP function" (TS 29.244, 8.2.74).
const PREDEFINED: u32 = 1 << 31;

/// A predefined rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    name: Octets,
    group: Option<Octets>,
    filters: Arc<[SdfFilter]>,
    pub(super) application: Option<Octets>,
    far: Option<FarId>,
    qers: Vec<QerId>,
    urrs: Vec<UrrId>,
}

/// All predefined rules, in the order in which packets are compared with them; and what they refer
/// to, as an SMF would have sent it.
#[derive(Debug)]
pub(crate) struct Predefined {
    rules: Vec<Arc<Rule>>,
    fars: Vec<CreateFar>,
    qers: Vec<CreateQer>,
    urrs: Vec<CreateUrr>,
}

impl Predefined {
    pub(crate) fn new(configured: &PredefinedRules) -> Self {
        let mut rules: Vec<&PredefinedRule> = configured.rules.iter().collect();
        rules.sort_by(|a, b| (a.precedence, &a.name).cmp(&(b.precedence, &b.name)));
        Self {
            rules: rules.into_iter().map(rule).map(Arc::new).collect(),
            fars: configured.fars.iter().map(far).collect(),
            qers: configured.qers.iter().map(qer).collect(),
            urrs: configured.urrs.iter().map(urr).collect(),
        }
    }

    /// Whether there is none that could be activated.
    pub(crate) const fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    fn far(&self, id: FarId) -> Option<&CreateFar> {
        self.fars.iter().find(|far| far.far_id.0 == id.0)
    }

    fn qer(&self, id: QerId) -> Option<&CreateQer> {
        self.qers.iter().find(|qer| qer.qer_id.0 == id.0)
    }

    fn urr(&self, id: UrrId) -> Option<&CreateUrr> {
        self.urrs.iter().find(|urr| urr.urr_id.0 == id.0)
    }

    /// Refuses to create what is there already.
    pub(crate) fn check_establishment(
        &self,
        request: &SessionEstablishmentRequest,
    ) -> Result<(), Refusal> {
        self.check_fars(request.create_fars.iter().map(|ie| ie.far_id))?;
        self.check_qers(request.create_qers.iter().map(|ie| ie.qer_id))?;
        self.check_urrs(request.create_urrs.iter().map(|ie| ie.urr_id))
    }

    /// Refuses to change what is not the SMF's.
    pub(crate) fn check_modification(
        &self,
        request: &SessionModificationRequest,
    ) -> Result<(), Refusal> {
        let removed = request.remove_fars.iter().map(|ie| ie.far_id);
        let updated = request.update_fars.iter().map(|ie| ie.far_id);
        let fars = request.create_fars.iter().map(|ie| ie.far_id);
        self.check_fars(fars.chain(removed).chain(updated))?;
        let removed = request.remove_qers.iter().map(|ie| ie.qer_id);
        let updated = request.update_qers.iter().map(|ie| ie.qer_id);
        let qers = request.create_qers.iter().map(|ie| ie.qer_id);
        self.check_qers(qers.chain(removed).chain(updated))?;
        let removed = request.remove_urrs.iter().map(|ie| ie.urr_id);
        let updated = request.update_urrs.iter().map(|ie| ie.urr_id);
        let urrs = request.create_urrs.iter().map(|ie| ie.urr_id);
        self.check_urrs(urrs.chain(removed).chain(updated))
    }

    fn check_fars(&self, mut ids: impl Iterator<Item = pfcp::FarId>) -> Result<(), Refusal> {
        let ours = ids.find(|id| self.far(FarId(id.0)).is_some());
        let refuse = |id| Refusal::rule::<pfcp::FarId>(FailedRuleId::Far(id));
        ours.map_or(Ok(()), |id| Err(refuse(id)))
    }

    fn check_qers(&self, mut ids: impl Iterator<Item = pfcp::QerId>) -> Result<(), Refusal> {
        let ours = ids.find(|id| self.qer(QerId(id.0)).is_some());
        let refuse = |id| Refusal::rule::<pfcp::QerId>(FailedRuleId::Qer(id));
        ours.map_or(Ok(()), |id| Err(refuse(id)))
    }

    fn check_urrs(&self, mut ids: impl Iterator<Item = pfcp::UrrId>) -> Result<(), Refusal> {
        let ours = ids.find(|id| self.urr(UrrId(id.0)).is_some());
        let refuse = |id| Refusal::rule::<pfcp::UrrId>(FailedRuleId::Urr(id));
        ours.map_or(Ok(()), |id| Err(refuse(id)))
    }
}

impl Rule {
    /// Whether it is meant by a name: its own, or that of its group.
    fn is_called(&self, name: &Octets) -> bool {
        self.name == *name || self.group.as_ref() == Some(name)
    }

    /// The filters that its packets match, now; none is all packets.
    fn filters(&self, applications: &Applications) -> Arc<[SdfFilter]> {
        match &self.application {
            Some(id) => applications.filters(id),
            None => Arc::clone(&self.filters),
        }
    }
}

impl Declared {
    /// The part of a PDR, at one of its places, that matches one of its rules. "The PDR's FAR wins
    /// over the predefined one", QERs and URRs come together.
    pub(super) fn by_rule(
        &self,
        place: &Pdr,
        rule: &Rule,
        applications: &Applications,
    ) -> Result<Pdr, Refusal> {
        let mut part = place.clone();
        let filters = rule.filters(applications);
        if part.pdi.sdf_filters.is_empty() {
            part.pdi.sdf_filters = filters.to_vec();
        } else if !filters.is_empty() {
            // Packets would have to match both: of filters, any has to match, not all.
            return Err(self.owner().refuse::<ActivatePredefinedRules>());
        }
        if let (true, Some(far)) = (self.without_far, rule.far) {
            part.far = far;
        }
        part.qers = each_once(part.qers.into_iter().chain(rule.qers.iter().copied()));
        part.urrs = each_once(part.urrs.into_iter().chain(rule.urrs.iter().copied()));
        Ok(part)
    }

    /// Deactivate Predefined Rules (TS 29.244, 8.2.73): each names something that is active.
    pub(super) fn deactivate(&mut self, ies: &[DeactivatePredefinedRules]) -> Result<(), Refusal> {
        for ie in ies {
            let before = self.predefined.len();
            self.predefined.retain(|rule| !rule.is_called(&ie.0));
            if self.predefined.len() == before {
                let refuse = self.owner().refuse::<DeactivatePredefinedRules>();
                return Err(refuse.cause(Cause::UNKNOWN_PRE_DEFINED_RULE));
            }
        }
        Ok(())
    }

    /// Somebody has to say what is done with packets.
    pub(super) fn check_far(&self) -> Result<(), Refusal> {
        let said = |rule: &Arc<Rule>| rule.far.is_some();
        if self.without_far && (self.predefined.is_empty() || !self.predefined.iter().all(said)) {
            return Err(self.owner().refuse::<pfcp::FarId>());
        }
        Ok(())
    }
}

impl Translator<'_> {
    /// Activate Predefined Rules (TS 29.244, 8.2.72), by rule or by group.
    pub(super) fn activate(
        &self,
        declared: &mut Declared,
        ies: &[ActivatePredefinedRules],
    ) -> Result<(), Refusal> {
        if ies.is_empty() {
            return Ok(());
        }
        // They are about packets.
        if self.draft.rules.pdn.stations().is_some() {
            return Err(declared.owner().refuse::<ActivatePredefinedRules>());
        }
        let all = &self.predefined.rules;
        let is_meant = |rule: &Arc<Rule>| ies.iter().any(|ie| rule.is_called(&ie.0));
        let unknown = |ie: &&ActivatePredefinedRules| !all.iter().any(|rule| rule.is_called(&ie.0));
        if ies.iter().any(|ie| unknown(&ie)) {
            let refuse = declared.owner().refuse::<ActivatePredefinedRules>();
            return Err(refuse.cause(Cause::UNKNOWN_PRE_DEFINED_RULE));
        }
        let there = std::mem::take(&mut declared.predefined);
        let active = all
            .iter()
            .filter(|rule| there.contains(rule) || is_meant(rule));
        declared.predefined = active.cloned().collect();
        Ok(())
    }

    /// Gives the session what its PDRs name of the predefined FARs, QERs and URRs, and takes from it
    /// what none of them names any more.
    pub(super) fn settle_predefined(&mut self) -> Result<(), Refusal> {
        let predefined = self.predefined;
        for far in &predefined.fars {
            let id = FarId(far.far_id.0);
            let rules = &mut self.draft.rules;
            let user = rules.pdrs.iter().find(|pdr| pdr.far == id);
            let user = user.map(|pdr| pdr.id);
            let there = rules.fars.iter().any(|far| far.id == id);
            match user {
                None => rules.fars.retain(|far| far.id != id),
                Some(_) if there => {}
                Some(pdr) => self
                    .create_far(far)
                    .map_err(|refusal| blame(pdr, refusal))?,
            }
        }
        for qer in &predefined.qers {
            let id = QerId(qer.qer_id.0);
            let rules = &mut self.draft.rules;
            let user = rules.pdrs.iter().find(|pdr| pdr.qers.contains(&id));
            let user = user.map(|pdr| pdr.id);
            let there = rules.qers.iter().any(|qer| qer.id == id);
            match user {
                None => rules.qers.retain(|qer| qer.id != id),
                Some(_) if there => {}
                Some(pdr) => self
                    .create_qer(qer)
                    .map_err(|refusal| blame(pdr, refusal))?,
            }
        }
        for urr in &predefined.urrs {
            let id = UrrId(urr.urr_id.0);
            let rules = &self.draft.rules;
            let user = rules.pdrs.iter().find(|pdr| pdr.urrs.contains(&id));
            let user = user.map(|pdr| pdr.id);
            let there = rules.urrs.iter().any(|urr| urr.id == id);
            match user {
                None if there => {
                    let ended = self.remove_urr(urr.urr_id)?;
                    self.draft.ended_urrs.push(ended);
                }
                Some(pdr) if !there => {
                    self.create_urr(urr)
                        .map_err(|refusal| blame(pdr, refusal))?;
                }
                None | Some(_) => {}
            }
        }
        Ok(())
    }
}

/// What stands against a predefined rule, stands against the PDR that wants it.
const fn blame(pdr: session::PdrId, refusal: Refusal) -> Refusal {
    Refusal {
        rule: Some(FailedRuleId::Pdr(pfcp::PdrId(pdr.0))),
        ..refusal
    }
}

const fn id(number: u32) -> u32 {
    number | PREDEFINED
}

fn rule(configured: &PredefinedRule) -> Rule {
    let flows = configured.flows.iter().cloned();
    Rule {
        name: configured.name.as_str().into(),
        group: configured.group.as_deref().map(Octets::from),
        filters: flows.map(SdfFilter::from).collect(),
        application: configured.application.as_deref().map(Octets::from),
        far: configured.far.map(|far| FarId(id(far))),
        qers: configured.qers.iter().map(|qer| QerId(id(*qer))).collect(),
        urrs: configured.urrs.iter().map(|urr| UrrId(id(*urr))).collect(),
    }
}

fn far(configured: &PredefinedFar) -> CreateFar {
    let far_id = id(configured.number).into();
    match &configured.does {
        PredefinedAction::Drop => CreateFar {
            far_id,
            apply_action: ApplyAction::DROP,
            ..Default::default()
        },
        PredefinedAction::Forward { network } => CreateFar {
            far_id,
            apply_action: ApplyAction::FORW,
            forwarding_parameters: Some(ForwardingParameters {
                destination_interface: DestinationInterface::CORE,
                network_instance: network
                    .as_deref()
                    .map(|name| pfcp::NetworkInstance(name.into())),
                ..Default::default()
            }),
            ..Default::default()
        },
    }
}

fn qer(configured: &PredefinedQer) -> CreateQer {
    let (uplink, downlink) = (configured.uplink_kbps, configured.downlink_kbps);
    let rate = |kbps: Option<u64>| kbps.map_or(Kbps::MAX, Kbps::saturating);
    CreateQer {
        qer_id: id(configured.number).into(),
        gate_status: GateStatus::of(configured.uplink_open, configured.downlink_open),
        maximum_bitrate: (uplink.is_some() || downlink.is_some()).then(|| pfcp::Mbr {
            uplink: rate(uplink),
            downlink: rate(downlink),
        }),
        qfi: configured.qfi.and_then(pfcp::Qfi::new),
        ..Default::default()
    }
}

fn urr(configured: &PredefinedUrr) -> CreateUrr {
    let mut reporting_triggers = ReportingTriggers::empty();
    if configured.volume_threshold_octets.is_some() {
        reporting_triggers |= ReportingTriggers::VOLTH;
    }
    if configured.period_s.is_some() {
        reporting_triggers |= ReportingTriggers::PERIO;
    }
    CreateUrr {
        urr_id: id(configured.number).into(),
        measurement_method: MeasurementMethod::VOLUM,
        reporting_triggers,
        volume_threshold: configured
            .volume_threshold_octets
            .map(pfcp::VolumeThreshold::of_total),
        measurement_period: configured.period_s.map(pfcp::MeasurementPeriod),
        ..Default::default()
    }
}
