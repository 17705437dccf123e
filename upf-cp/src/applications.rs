//! Applications: what their packets look like, by the PFDs that a CP function has given (TS 29.244,
//! 5.11 and 6.2.5), or else by the configuration. They are global: any CP function may give them,
//! sessions of all may name them.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use ipnet::Ipv4Net;
use pfcp::wire::{Ie, Long};
use pfcp::{ApplicationIdsPfds, Cause, Octets, PfdContents};
use session::sdf::{Address, Endpoint, FlowDescription, SdfFilter};

use crate::config::{Application, Limits};
use crate::counters::Limit;
use crate::refusal::Refusal;

/// All applications that are known, with the filters any of which their packets match.
#[derive(Debug, Default)]
pub(crate) struct Applications {
    /// By PFDs, which take the place of what is configured.
    known: BTreeMap<Octets, Arc<[SdfFilter]>>,
    configured: BTreeMap<Octets, Arc<[SdfFilter]>>,
}

/// What becomes of one application: its new filters, or `None` when it is removed.
pub(crate) type Change = (Octets, Option<Arc<[SdfFilter]>>);

/// An application that is not as it was: enough to take that back.
#[derive(Debug)]
pub(crate) struct Changed {
    pub(crate) id: Octets,
    before: Option<Arc<[SdfFilter]>>,
}

impl Applications {
    pub(crate) fn new(configured: &[Application]) -> Self {
        let configured = configured.iter().map(|application| {
            let filters = application.flows.iter().cloned().map(SdfFilter::from);
            (application.id.as_str().into(), filters.collect())
        });
        Self {
            known: BTreeMap::new(),
            configured: configured.collect(),
        }
    }

    pub(crate) fn is_known(&self, id: &Octets) -> bool {
        self.known.contains_key(id) || self.configured.contains_key(id)
    }

    /// What the packets of an application match. One that was removed has none.
    pub(crate) fn filters(&self, id: &Octets) -> Arc<[SdfFilter]> {
        let known = self.known.get(id).or_else(|| self.configured.get(id));
        known.cloned().unwrap_or_else(|| Arc::new([nothing()]))
    }

    /// Puts changes in force; none at all removes all applications there are ("no application in
    /// the request: wipe all"). Gives those that are not as they were.
    ///
    /// # Errors
    /// When there would be more applications than there may be; then nothing has changed.
    pub(crate) fn apply(
        &mut self,
        mut changes: Vec<Change>,
        limits: &Limits,
    ) -> Result<Vec<Changed>, Refusal> {
        if changes.is_empty() {
            changes = self.known.keys().map(|id| (id.clone(), None)).collect();
        }
        let mut known = self.known.clone();
        let mut changed = Vec::new();
        for (id, after) in changes {
            let before = match after.clone() {
                Some(filters) => known.insert(id.clone(), filters),
                None => known.remove(&id),
            };
            if before != after {
                changed.push(Changed { id, before });
            }
        }
        if known.len() > limits.applications {
            return Err(Refusal::limit(Limit::Applications));
        }
        self.known = known;
        Ok(changed)
    }

    /// Takes changes back, the last first: one request may say several things of an application.
    pub(crate) fn revert(&mut self, changed: &[Changed]) {
        for Changed { id, before } in changed.iter().rev() {
            match before {
                Some(filters) => self.known.insert(id.clone(), Arc::clone(filters)),
                None => self.known.remove(id),
            };
        }
    }
}

/// Reads what is said of one application: "replace its whole list; one with no PFD context is
/// removed".
pub(crate) fn change(ie: &ApplicationIdsPfds, limits: &Limits) -> Result<Change, Refusal> {
    let id = ie.application_id.0.clone();
    let contents = ie.pfd_contexts.iter().flat_map(|pfd| &pfd.pfd_contents);
    let mut filters = Vec::new();
    for contents in contents {
        filters.extend(flows(contents)?);
        if filters.len() > limits.flows_per_application {
            return Err(Refusal::limit(Limit::Applications));
        }
    }
    if !ie.pfd_contexts.is_empty() && filters.is_empty() {
        return Err(bad_contents(Cause::MANDATORY_IE_INCORRECT));
    }
    let filters = (!filters.is_empty()).then(|| filters.into());
    Ok((id, filters))
}

const fn bad_contents(cause: Cause) -> Refusal {
    Refusal {
        offending: Some(<PfdContents as Ie>::TYPE),
        ..Refusal::new(cause)
    }
}

/// The flow descriptions of PFD contents. "Contents are an AND over their kinds of properties": the
/// packet path sees no URLs and no domain names, so contents with those cannot be matched.
fn flows(contents: &PfdContents) -> Result<Vec<SdfFilter>, Refusal> {
    let others = contents.url.is_some()
        || contents.domain_name.is_some()
        || contents.custom.is_some()
        || contents.domain_name_protocol.is_some()
        || contents.additional_urls.is_some()
        || contents.additional_domain_names.is_some();
    if others {
        return Err(bad_contents(Cause::SERVICE_NOT_SUPPORTED));
    }
    let more = contents.additional_flow_descriptions.iter();
    let texts = contents.flow_description.iter();
    let texts = texts.chain(more.flat_map(|list| &list.0));
    let filter = |text: &Long| {
        let flow = text
            .as_str()
            .and_then(|text| FlowDescription::parse(text).ok());
        let flow = flow.ok_or(bad_contents(Cause::MANDATORY_IE_INCORRECT))?;
        Ok(flow.into())
    };
    texts.map(filter).collect()
}

/// A filter that no packet matches: no filter at all would match every packet.
fn nothing() -> SdfFilter {
    let nowhere = Endpoint {
        address: Address::Net(Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 32).into()),
        ..Endpoint::default()
    };
    let flow = FlowDescription {
        // Reserved by IANA; and nothing goes from the unspecified address to itself.
        protocol: Some(u8::MAX),
        from: nowhere.clone(),
        to: nowhere,
    };
    flow.into()
}
