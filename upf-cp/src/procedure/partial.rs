//! Partial success (TS 29.244, 8.2.58, PSUCC): a CP function that has it is told which rules failed,
//! and the rest is applied.
//!
//! What fails is taken out of the request and the rest tried again, as a whole: what is applied has
//! passed every check together. A rule that refers to one that failed fails in its turn.

use std::borrow::Cow;

use pfcp::wire::Ie;
use pfcp::{
    Cause, CpFunctionFeatures, FailedRuleId, NonEmpty, OffendingIeInformation,
    PartialFailureInformation, Pdi, SessionEstablishmentRequest, SessionModificationRequest,
    TrafficEndpointId, UsageReport,
};
use session::SessionIndex;

use crate::association::PeerId;
use crate::node::Node;
use crate::refusal::Refusal;
use crate::translate::{Draft, Present as _};

/// The most rules that may fail: each costs another try. With more, the request is refused.
const FAILURES_MAX: usize = 32;

/// What is left of a request without a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// All of it: it said nothing of the rule.
    All,
    /// What can be applied.
    Some,
    /// Nothing that can be applied.
    None,
}

/// A request whose rules can be told apart.
pub(super) trait Separable: Clone {
    /// Takes out what it says of a rule.
    fn take_out(&mut self, rule: FailedRuleId) -> Left;

    /// The PDRs that it puts at a traffic endpoint.
    fn at_endpoint(&self, id: TrafficEndpointId) -> Vec<FailedRuleId>;

    /// Takes out what it says of a traffic endpoint.
    fn take_out_endpoint(&mut self, id: TrafficEndpointId);
}

/// The rules of a request that failed.
#[derive(Debug)]
pub(super) struct Failures {
    /// Whether the rest may be applied.
    partly: bool,
    failed: Vec<(FailedRuleId, Refusal)>,
}

impl Failures {
    pub(super) const fn new(partly: bool) -> Self {
        Self {
            partly,
            failed: Vec::new(),
        }
    }

    /// Takes what was refused out of the request.
    ///
    /// # Errors
    /// The refusal of the whole, if there is no way to go on: that of the first rule if all have
    /// failed.
    pub(super) fn narrow<R: Separable>(
        &mut self,
        request: &mut Cow<'_, R>,
        refusal: Refusal,
    ) -> Result<(), Refusal> {
        if !self.partly {
            return Err(refusal);
        }
        // A traffic endpoint is no rule that an answer could name: its PDRs have failed with it.
        let blamed = match (refusal.rule, refusal.endpoint) {
            (Some(rule), _) => vec![rule],
            (None, Some(endpoint)) => request.at_endpoint(endpoint),
            (None, None) => Vec::new(),
        };
        if blamed.is_empty() || self.failed.len() + blamed.len() > FAILURES_MAX {
            return Err(refusal);
        }
        let request = request.to_mut();
        if let Some(endpoint) = refusal.endpoint {
            request.take_out_endpoint(endpoint);
        }
        for rule in blamed {
            let left = request.take_out(rule);
            if left == Left::All {
                return Err(refusal);
            }
            self.failed.push((rule, refusal));
            match self.failed.first() {
                Some((_, first)) if left == Left::None => return Err(*first),
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) const fn cause(&self) -> Cause {
        if self.failed.is_empty() {
            Cause::REQUEST_ACCEPTED
        } else {
            Cause::REQUEST_PARTIALLY_ACCEPTED
        }
    }

    pub(super) fn refusals(&self) -> impl Iterator<Item = &Refusal> {
        self.failed.iter().map(|(_, refusal)| refusal)
    }

    /// As the answer tells of them. Of an Offending IE it gives the type; where none was at fault
    /// by itself, that is the rule's ID.
    pub(super) fn informations(&self) -> Vec<PartialFailureInformation> {
        let information = |(rule, refusal): &(FailedRuleId, Refusal)| {
            let offending = OffendingIeInformation {
                offending_type: refusal.offending.unwrap_or_else(|| rule.ie_type()),
                ..Default::default()
            };
            PartialFailureInformation {
                failed_rule_id: *rule,
                failure_cause: refusal.cause,
                offending_ie_informations: [offending].into(),
                ..Default::default()
            }
        };
        self.failed.iter().map(information).collect()
    }
}

impl Node {
    /// Whether a peer wants what can be applied of its requests.
    pub(super) fn takes_part(&self, peer: PeerId) -> bool {
        let peer = self.peers.get(peer);
        peer.is_some_and(|peer| peer.features.contains(CpFunctionFeatures::PSUCC))
    }

    /// Modifies a session by what can be applied of a request, by way of a draft in which nothing is
    /// yet. Gives usage reports for the answer, and what failed.
    pub(super) fn modify_partly(
        &mut self,
        index: SessionIndex,
        request: &mut SessionModificationRequest,
        draft: &mut Draft,
    ) -> Result<(Vec<UsageReport>, Failures), Refusal> {
        let session = self.sessions.get(index);
        let partly = session.is_some_and(|session| self.takes_part(session.peer));
        let mut failures = Failures::new(partly);
        if !partly {
            return Ok((self.try_modify(index, request, draft)?, failures));
        }
        let mut left = Cow::Borrowed(&*request);
        loop {
            let refusal = match self.try_modify(index, &mut left.clone().into_owned(), draft) {
                Ok(reports) => return Ok((reports, failures)),
                Err(refusal) => refusal,
            };
            *draft = Draft::default();
            let refusal = self.blame_removal(index, &left, refusal);
            failures.narrow(&mut left, refusal)?;
        }
    }

    /// A PDR that stays cannot be without the FAR that a request removes: that is the rule which
    /// failed.
    fn blame_removal(
        &self,
        index: SessionIndex,
        request: &SessionModificationRequest,
        refusal: Refusal,
    ) -> Refusal {
        let about_far = refusal.offending == Some(<pfcp::FarId as Ie>::TYPE);
        let (Some(FailedRuleId::Pdr(pdr)), true) = (refusal.rule, about_far) else {
            return refusal;
        };
        let session = self.sessions.get(index);
        let pdrs = session.map_or(&[][..], |session| &session.installed.rules.pdrs);
        let is_used = |ie: &&pfcp::RemoveFar| {
            let mut parts = pdrs.iter().filter(|there| there.id.0 == pdr.0);
            parts.any(|there| there.far.0 == ie.far_id.0)
        };
        let updated = request.update_pdrs.iter().any(|ie| ie.pdr_id == pdr);
        match request.remove_fars.iter().find(is_used) {
            Some(ie) if !updated => Refusal {
                rule: Some(FailedRuleId::Far(ie.far_id)),
                ..refusal
            },
            _ => refusal,
        }
    }
}

/// Removes the IEs that are about a rule; whether there were any.
fn take<T>(ies: &mut Vec<T>, is_it: impl Fn(&T) -> bool) -> bool {
    let before = ies.len();
    ies.retain(|ie| !is_it(ie));
    ies.len() < before
}

/// The same where one has to stay.
fn take_some<T>(ies: &mut NonEmpty<T>, is_it: impl Fn(&T) -> bool) -> Left {
    if !ies.iter().any(&is_it) {
        Left::All
    } else if ies.retain(|ie| !is_it(ie)) {
        Left::Some
    } else {
        Left::None
    }
}

/// Whether a PDI refers to a traffic endpoint.
fn is_at(pdi: &Pdi, id: TrafficEndpointId) -> bool {
    pdi.traffic_endpoint_ids.contains(&id)
}

impl Separable for SessionEstablishmentRequest {
    /// No session is set up without a PDR and a FAR.
    fn take_out(&mut self, rule: FailedRuleId) -> Left {
        use FailedRuleId as F;
        let found = match rule {
            F::Pdr(id) => return take_some(&mut self.create_pdrs, |ie| ie.pdr_id == id),
            F::Far(id) => return take_some(&mut self.create_fars, |ie| ie.far_id == id),
            F::Qer(id) => take(&mut self.create_qers, |ie| ie.qer_id == id),
            F::Urr(id) => take(&mut self.create_urrs, |ie| ie.urr_id == id),
            F::Bar(id) => self.create_bar.take_if(|ie| ie.bar_id == id).is_some(),
            _ => false,
        };
        if found { Left::Some } else { Left::All }
    }

    fn at_endpoint(&self, id: TrafficEndpointId) -> Vec<FailedRuleId> {
        let created = self.create_pdrs.iter().filter(|ie| is_at(&ie.pdi, id));
        created.map(|ie| FailedRuleId::Pdr(ie.pdr_id)).collect()
    }

    fn take_out_endpoint(&mut self, id: TrafficEndpointId) {
        let created = &mut self.create_traffic_endpoints;
        created.retain(|ie| ie.traffic_endpoint_id != id);
    }
}

impl Separable for SessionModificationRequest {
    fn take_out(&mut self, rule: FailedRuleId) -> Left {
        use FailedRuleId as F;
        let found = match rule {
            F::Pdr(id) => {
                take(&mut self.remove_pdrs, |ie| ie.pdr_id == id)
                    | take(&mut self.create_pdrs, |ie| ie.pdr_id == id)
                    | take(&mut self.update_pdrs, |ie| ie.pdr_id == id)
            }
            F::Far(id) => {
                take(&mut self.remove_fars, |ie| ie.far_id == id)
                    | take(&mut self.create_fars, |ie| ie.far_id == id)
                    | take(&mut self.update_fars, |ie| ie.far_id == id)
            }
            F::Qer(id) => {
                take(&mut self.remove_qers, |ie| ie.qer_id == id)
                    | take(&mut self.create_qers, |ie| ie.qer_id == id)
                    | take(&mut self.update_qers, |ie| ie.qer_id == id)
            }
            F::Urr(id) => {
                take(&mut self.remove_urrs, |ie| ie.urr_id == id)
                    | take(&mut self.create_urrs, |ie| ie.urr_id == id)
                    | take(&mut self.update_urrs, |ie| ie.urr_id == id)
                    | take(&mut self.query_urrs, |ie| ie.urr_id == id)
            }
            F::Bar(id) => {
                self.remove_bar.take_if(|ie| ie.bar_id == id).is_some()
                    | self.create_bar.take_if(|ie| ie.bar_id == id).is_some()
                    | self.update_bar.take_if(|ie| ie.bar_id == id).is_some()
            }
            _ => false,
        };
        match found {
            false => Left::All,
            true if is_void(self) => Left::None,
            true => Left::Some,
        }
    }

    fn at_endpoint(&self, id: TrafficEndpointId) -> Vec<FailedRuleId> {
        let created = self.create_pdrs.iter().filter(|ie| is_at(&ie.pdi, id));
        let there = |pdi: &Option<Pdi>| pdi.as_ref().is_some_and(|pdi| is_at(pdi, id));
        let updated = self.update_pdrs.iter().filter(|ie| there(&ie.pdi));
        let ids = created
            .map(|ie| ie.pdr_id)
            .chain(updated.map(|ie| ie.pdr_id));
        ids.map(FailedRuleId::Pdr).collect()
    }

    fn take_out_endpoint(&mut self, id: TrafficEndpointId) {
        let created = &mut self.create_traffic_endpoints;
        created.retain(|ie| ie.traffic_endpoint_id != id);
        let updated = &mut self.update_traffic_endpoints;
        updated.retain(|ie| ie.traffic_endpoint_id != id);
        let removed = &mut self.remove_traffic_endpoints;
        removed.retain(|ie| ie.traffic_endpoint_id != id);
    }
}

/// Whether nothing is left to be applied.
fn is_void(request: &SessionModificationRequest) -> bool {
    let rules = request.remove_pdrs.is_present()
        || request.create_pdrs.is_present()
        || request.update_pdrs.is_present()
        || request.remove_fars.is_present()
        || request.create_fars.is_present()
        || request.update_fars.is_present()
        || request.remove_qers.is_present()
        || request.create_qers.is_present()
        || request.update_qers.is_present()
        || request.remove_urrs.is_present()
        || request.create_urrs.is_present()
        || request.update_urrs.is_present()
        || request.remove_bar.is_present()
        || request.create_bar.is_present()
        || request.update_bar.is_present();
    let endpoints = request.remove_traffic_endpoints.is_present()
        || request.create_traffic_endpoints.is_present()
        || request.update_traffic_endpoints.is_present();
    let others = request.cp_f_seid.is_present()
        || request.flags.is_present()
        || request.query_urrs.is_present();
    !(rules || endpoints || others)
}
