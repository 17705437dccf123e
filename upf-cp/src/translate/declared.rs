//! PDRs that stand for several, or for none at times: those that name traffic endpoints or
//! predefined rules, and those that wake and sleep by the clock. They are kept as they were declared,
//! and unfolded into the PDRs that the packet path knows.

use std::sync::Arc;

use pfcp::{Cause, TrafficEndpointId};
use session::rule::{HeldTunnels, Pdr, SourceInterface};
use session::{PdrId, Qfi};

use super::place::Owner;
use super::predefined::Rule;
use super::{Details, Draft, Rare, Translator};
use crate::applications::Applications;
use crate::association::is_newer as is_later;
use crate::event::Now;
use crate::refusal::Refusal;

/// A PDR as the CP function declared it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Declared {
    /// Without what its traffic endpoints say.
    pub(crate) pdr: Pdr,
    /// It matches packets of any of these traffic endpoints.
    pub(crate) endpoints: Vec<u8>,
    /// They have to match one of these rules, too; the first that does counts. None is all packets.
    pub(super) predefined: Vec<Arc<Rule>>,
    /// What is done with them, the predefined rules say.
    pub(super) without_far: bool,
    /// Activation Time and Deactivation Time (TS 29.244, 8.2.121): seconds since 1900, modulo 2³².
    pub(super) activation: Option<u32>,
    pub(super) deactivation: Option<u32>,
}

impl Declared {
    /// Whether it is one PDR, and always in force.
    const fn is_plain(&self) -> bool {
        self.endpoints.is_empty()
            && self.predefined.is_empty()
            && self.activation.is_none()
            && self.deactivation.is_none()
    }

    /// Whether it matches nothing now (TS 29.244, 5.4.14): the last event that has passed decides,
    /// and before the first it is as that one will not leave it.
    fn is_dormant(&self, now_s: u32) -> bool {
        let waits = |at: u32| is_later(at, now_s);
        match (self.activation, self.deactivation) {
            (None, None) => false,
            (Some(wakes), None) => waits(wakes),
            (None, Some(sleeps)) => !waits(sleeps),
            (Some(wakes), Some(sleeps)) => match (waits(wakes), waits(sleeps)) {
                (true, false) => true,
                (false, true) => false,
                (false, false) => !is_later(wakes, sleeps),
                (true, true) => is_later(sleeps, wakes),
            },
        }
    }

    /// In how many seconds that changes next.
    fn changes_in_s(&self, now_s: u32) -> Option<u32> {
        let events = self.activation.into_iter().chain(self.deactivation);
        let future = events.filter(|at| is_later(*at, now_s));
        future.map(|at| at.wrapping_sub(now_s)).min()
    }

    pub(super) fn owner(&self) -> Owner {
        Owner::Pdr(self.pdr.id)
    }

    /// The PDRs it stands for: those of the first rule, then those of the next.
    fn unfold(
        &self,
        rare: &Rare,
        applications: &Applications,
        now_s: u32,
    ) -> Result<Vec<Pdr>, Refusal> {
        let mut parts = self.at_endpoints(rare)?;
        if !self.predefined.is_empty() {
            let places = std::mem::take(&mut parts);
            for rule in &self.predefined {
                let by_rule = places
                    .iter()
                    .map(|place| self.by_rule(place, rule, applications));
                for part in by_rule {
                    parts.push(part?);
                }
            }
        }
        for (position, part) in parts.iter_mut().enumerate() {
            let refuse = self.owner().refuse::<pfcp::ActivatePredefinedRules>();
            let too_many = refuse.cause(Cause::NO_RESOURCES_AVAILABLE);
            part.part = u8::try_from(position).map_err(|_| too_many)?;
            part.dormant = self.is_dormant(now_s);
        }
        Ok(parts)
    }

    /// A PDR at each of its traffic endpoints, or itself.
    fn at_endpoints(&self, rare: &Rare) -> Result<Vec<Pdr>, Refusal> {
        let mut parts = Vec::new();
        if self.endpoints.is_empty() {
            parts.push(self.pdr.clone());
        }
        for id in &self.endpoints {
            let unknown = self.owner().refuse::<TrafficEndpointId>();
            let endpoint = rare.endpoint(*id).ok_or(unknown)?;
            let mut part = self.pdr.clone();
            let pdi = &mut part.pdi;
            pdi.local_f_teid = endpoint.local_f_teid;
            pdi.vrf = endpoint.vrf.filter(|_| endpoint.local_f_teid.is_none());
            pdi.ue = endpoint.ue;
            pdi.framed.clone_from(&endpoint.framed);
            if pdi.qfis.is_empty() {
                pdi.qfis.clone_from(&endpoint.qfis);
            } else if !endpoint.qfis.is_empty() {
                // "Must not be repeated in the PDI."
                return Err(self.owner().refuse::<pfcp::Qfi>());
            }
            let from_core = matches!(
                pdi.source_interface,
                SourceInterface::Core | SourceInterface::SgiLan
            );
            if pdi.local_f_teid.is_none() && !from_core {
                return Err(unknown.cause(Cause::CONDITIONAL_IE_MISSING));
            }
            parts.push(part);
        }
        Ok(parts)
    }
}

impl Draft {
    /// The PDR of that id, as it was declared.
    pub(super) fn declared(&self, id: PdrId) -> Option<Declared> {
        let rare = self.details.rare.as_deref();
        let declared = rare.and_then(|rare| rare.declared.iter().find(|there| there.pdr.id == id));
        declared.cloned().or_else(|| {
            let pdr = self.rules.pdrs.iter().find(|pdr| pdr.id == id)?;
            Some(Declared {
                pdr: pdr.clone(),
                ..Declared::default()
            })
        })
    }

    pub(super) fn has_pdr(&self, id: PdrId) -> bool {
        self.all_pdrs().any(|pdr| pdr.id == id)
    }

    fn declared_pdrs(&self) -> impl Iterator<Item = &Pdr> {
        let rare = self.details.rare.as_deref();
        let declared = rare.into_iter().flat_map(|rare| &rare.declared);
        declared.map(|declared| &declared.pdr)
    }

    /// All PDRs, as they were declared and as they were unfolded.
    pub(super) fn all_pdrs(&self) -> impl Iterator<Item = &Pdr> {
        self.rules.pdrs.iter().chain(self.declared_pdrs())
    }

    /// The same, to be changed.
    pub(super) fn pdrs_mut(&mut self) -> impl Iterator<Item = &mut Pdr> {
        let rare = self.details.rare.as_deref_mut();
        let declared = rare.into_iter().flat_map(|rare| &mut rare.declared);
        let declared = declared.map(|declared| &mut declared.pdr);
        self.rules.pdrs.iter_mut().chain(declared)
    }

    /// Puts a PDR in the place of what has its id.
    pub(super) fn put(&mut self, declared: Declared) {
        let id = declared.pdr.id;
        if declared.is_plain() {
            let pdrs = &mut self.rules.pdrs;
            let there = pdrs.iter_mut().find(|pdr| pdr.id == id);
            match there.filter(|there| there.part == 0) {
                Some(there) => *there = declared.pdr,
                None => pdrs.push(declared.pdr),
            }
            pdrs.retain(|pdr| pdr.id != id || pdr.part == 0);
            if let Some(rare) = self.details.rare.as_deref_mut() {
                rare.declared.retain(|there| there.pdr.id != id);
            }
            return;
        }
        self.rules.pdrs.retain(|pdr| pdr.id != id);
        let all = &mut self.details.rare().declared;
        match all.iter_mut().find(|there| there.pdr.id == id) {
            Some(there) => *there = declared,
            None => all.push(declared),
        }
    }

    /// Removes a PDR; whether there was one.
    pub(super) fn remove(&mut self, id: PdrId) -> bool {
        let there = self.has_pdr(id);
        self.rules.pdrs.retain(|pdr| pdr.id != id);
        if let Some(rare) = self.details.rare.as_deref_mut() {
            rare.declared.retain(|declared| declared.pdr.id != id);
        }
        self.details.named.retain(|(pdr, _)| *pdr != id);
        there
    }
}

impl Translator<'_> {
    /// Puts in the rules what declared PDRs stand for now, and what traffic endpoints hold.
    pub(super) fn unfold(&mut self) -> Result<(), Refusal> {
        let (applications, now_s) = (self.applications, self.now.ntp_s);
        let Draft { rules, details, .. } = &mut *self.draft;
        let Some(rare) = details.rare.as_deref() else {
            return Ok(());
        };
        let folded = |pdr: &Pdr| rare.declared.iter().any(|there| there.pdr.id == pdr.id);
        rules.pdrs.retain(|pdr| !folded(pdr));
        for declared in &rare.declared {
            rules
                .pdrs
                .extend(declared.unfold(rare, applications, now_s)?);
        }
        let held = rare.endpoints.iter();
        let held: Vec<_> = held.filter_map(|endpoint| endpoint.local_f_teid).collect();
        rules.held = (!held.is_empty()).then(|| Box::new(HeldTunnels(held)));
        if rare.is_empty() {
            details.rare = None;
        }
        Ok(())
    }
}

impl Details {
    /// When a PDR of the session wakes or falls asleep next, if that is sooner than was said before.
    pub(crate) fn next_activation_ms(&mut self, now: Now) -> Option<u64> {
        let rare = self.rare.as_deref_mut()?;
        let all = rare.declared.iter();
        let next = all
            .filter_map(|declared| declared.changes_in_s(now.ntp_s))
            .min()?;
        let at_ms = now.elapsed_ms + u64::from(next) * 1000;
        let sooner = rare.timer_ms.is_none_or(|set| at_ms < set);
        sooner.then(|| *rare.timer_ms.insert(at_ms))
    }

    /// What was said of [`next_activation_ms`](Self::next_activation_ms) has come.
    pub(crate) fn activation_came(&mut self) {
        if let Some(rare) = self.rare.as_deref_mut() {
            rare.timer_ms = None;
        }
    }
}

/// The QFIs that can be matched, in order, each once.
pub(super) fn qfis(ies: &[pfcp::Qfi]) -> Vec<Qfi> {
    let mask = ies
        .iter()
        .fold(0_u64, |mask, qfi| mask | 1 << (qfi.get() & 63));
    let all = (0..64_u8).filter(|qfi| mask & 1 << qfi != 0);
    all.filter_map(Qfi::new).collect()
}
