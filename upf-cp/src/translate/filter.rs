//! SDF filters: a PDI brings them whole, or refers to one of the session by its id.

use pfcp::wire::Ie;
use pfcp::{ApplicationId, Cause, FailedRuleId};
use session::PdrId;
use session::sdf::{FlowDescription, SdfFilter};

use super::pdr::failed;
use super::{Details, Filter, Translator};
use crate::applications::Changed;
use crate::refusal::Refusal;

impl Translator<'_> {
    /// Learns the definitions of filters that have an id, before any PDR refers to one by its id
    /// alone: the order of PDRs in a message means nothing. So a message defines a filter once, or
    /// the same way each time.
    pub(crate) fn define_filters(
        &mut self,
        pdr: pfcp::PdrId,
        pdi: &pfcp::Pdi,
    ) -> Result<(), Refusal> {
        self.define_ethernet_filters(pdr, pdi)?;
        for ie in &pdi.sdf_filters {
            let Some(id) = ie.filter_id else { continue };
            if is_reference(ie) {
                continue;
            }
            let filter = sdf_filter(FailedRuleId::Pdr(pdr), ie)?;
            let filters = &mut self.draft.details.filters;
            if self.draft.defined.contains(&id) {
                let same = filters.iter().any(|known| *known == (id, filter.clone()));
                if same {
                    continue;
                }
                return Err(Refusal::rule::<pfcp::SdfFilter>(FailedRuleId::Pdr(pdr)));
            }
            self.draft.defined.push(id);
            match filters.iter_mut().find(|(known, _)| *known == id) {
                Some((_, known)) => *known = filter,
                None => filters.push((id, filter)),
            }
        }
        Ok(())
    }

    /// The filters of a PDI, or those of the application that it names.
    pub(super) fn sdf_filters(
        &mut self,
        id: PdrId,
        pdi: &pfcp::Pdi,
    ) -> Result<Vec<SdfFilter>, Refusal> {
        let rule = failed(id);
        let ies = pdi.sdf_filters.as_slice();
        let named = &mut self.draft.details.named;
        if let Some(ApplicationId(application)) = &pdi.application_id {
            // "Different types in a PDI are ANDed": of filters, any has to match, not all.
            let refuse = Refusal::rule::<ApplicationId>(rule);
            if !self.applications.is_known(application) {
                return Err(refuse.cause(Cause::UNKNOWN_APPLICATION_ID));
            }
            if !ies.is_empty() {
                return Err(refuse);
            }
            named.retain(|(pdr, _)| *pdr != id);
            named.push((id, vec![Filter::Application(Box::new(application.clone()))]));
            return Ok(Vec::new());
        }
        if ies.iter().all(|ie| ie.filter_id.is_none()) {
            let filters = ies.iter().map(|ie| sdf_filter(rule, ie));
            let filters = filters.collect::<Result<_, _>>()?;
            named.retain(|(pdr, _)| *pdr != id);
            return Ok(filters);
        }
        let filters = ies.iter().map(|ie| match ie.filter_id {
            Some(filter) => Ok(Filter::Named(filter)),
            None => sdf_filter(rule, ie).map(|filter| Filter::Own(Box::new(filter))),
        });
        let filters = filters.collect::<Result<_, _>>()?;
        named.retain(|(pdr, _)| *pdr != id);
        // `settle_filters` puts in what the ids stand for.
        named.push((id, filters));
        Ok(Vec::new())
    }

    /// Gives every PDR with filters that have an id what the ids stand for now: "a change of the
    /// definition acts on all PDRs of the session that use it".
    pub(super) fn settle_filters(&mut self) -> Result<(), Refusal> {
        let named = std::mem::take(&mut self.draft.details.named);
        let definitions = std::mem::take(&mut self.draft.details.filters);
        let result = self.put_filters(&named, &definitions);
        self.draft.details.named = named;
        self.draft.details.filters = definitions;
        result?;
        let Details { named, filters, .. } = &mut self.draft.details;
        filters.retain(|(id, _)| {
            let users = named.iter().flat_map(|(_, filters)| filters);
            users
                .into_iter()
                .any(|filter| matches!(filter, Filter::Named(name) if name == id))
        });
        Ok(())
    }

    fn put_filters(
        &mut self,
        named: &[(PdrId, Vec<Filter>)],
        definitions: &[(u32, SdfFilter)],
    ) -> Result<(), Refusal> {
        for (id, filters) in named {
            let unknown = Refusal::rule::<pfcp::SdfFilter>(failed(*id));
            let mut all: Vec<SdfFilter> = Vec::with_capacity(filters.len());
            for filter in filters {
                match filter {
                    Filter::Own(filter) => all.push(SdfFilter::clone(filter)),
                    Filter::Named(id) => {
                        let known = definitions.iter().find(|(known, _)| known == id);
                        all.push(known.ok_or(unknown)?.1.clone());
                    }
                    Filter::Application(id) => {
                        all.extend_from_slice(&self.applications.filters(id));
                    }
                }
            }
            for pdr in self.draft.pdrs_mut().filter(|pdr| pdr.id == *id) {
                pdr.pdi.sdf_filters.clone_from(&all);
            }
        }
        Ok(())
    }
}

impl Details {
    /// Whether a PDR names one of these applications.
    pub(crate) fn names_any(&self, applications: &[Changed]) -> bool {
        let changed = |id: &pfcp::Octets| applications.iter().any(|there| there.id == *id);
        let mut filters = self.named.iter().flat_map(|(_, filters)| filters);
        let named = filters.any(|filter| match filter {
            Filter::Application(id) => changed(id),
            Filter::Own(_) | Filter::Named(_) => false,
        });
        let rare = self.rare.as_deref();
        let declared = rare.into_iter().flat_map(|rare| &rare.declared);
        let mut rules = declared.flat_map(|declared| &declared.predefined);
        named || rules.any(|rule| rule.application.as_ref().is_some_and(changed))
    }
}

/// An id and nothing else: the filter is defined elsewhere.
pub(super) fn is_reference(ie: &pfcp::SdfFilter) -> bool {
    ie.flow_description.is_none()
        && ie.tos_traffic_class.is_none()
        && ie.security_parameter_index.is_none()
        && ie.flow_label.is_none()
        && ie.media.is_none()
}

/// SDF Filter (TS 29.244, 8.2.5). What is not understood whole is refused: a filter read in part
/// would match more than its author meant.
pub(super) fn sdf_filter(rule: FailedRuleId, ie: &pfcp::SdfFilter) -> Result<SdfFilter, Refusal> {
    let refuse = Refusal::rule_ie(rule, <pfcp::SdfFilter as Ie>::TYPE);
    if ie.media.is_some() {
        return Err(refuse);
    }
    let flow = ie.flow_description.as_ref().map(|text| {
        let text = text.as_str().ok_or(refuse)?;
        FlowDescription::parse(text).map_err(|_| refuse)
    });
    Ok(SdfFilter {
        flow: flow.transpose()?,
        tos: ie
            .tos_traffic_class
            .as_ref()
            .map(|tos| (tos.value, tos.mask)),
        spi: ie.security_parameter_index,
        flow_label: ie.flow_label.map(pfcp::Bits24::get),
    })
}
