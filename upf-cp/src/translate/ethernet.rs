//! Ethernet sessions: packet filters, and what cannot be said of a session that carries frames.

use pfcp::wire::Ie;
use pfcp::{Cause, FailedRuleId};
use session::PdrId;
use session::ethernet::{EthernetFilter, EthernetFilters, MacFilter, MacRange, TagFilter};
use session::rule::{Pdr, Rules};

use super::filter::{is_reference, sdf_filter};
use super::pdr::failed;
use super::place::Owner;
use super::{Translator, unsupported};
use crate::refusal::Refusal;

/// Ethertypes of what SDF filters can match.
const IP: [u16; 2] = [0x0800, 0x86dd];

impl Translator<'_> {
    fn is_ethernet(&self) -> bool {
        self.draft.rules.pdn.stations().is_some()
    }

    /// Whether an Ethernet PDU Session Information can stand where it does: in a session that carries
    /// frames, where it says that all of them are meant that nothing else leaves out.
    fn check_all_frames(
        &self,
        owner: Owner,
        ie: Option<pfcp::EthernetPduSessionInformation>,
    ) -> Result<(), Refusal> {
        if ie.is_some() && !self.is_ethernet() {
            return Err(owner.refuse::<pfcp::EthernetPduSessionInformation>());
        }
        Ok(())
    }

    /// What cannot be in a PDI that is about frames, and the other way round.
    pub(super) fn check_pdi_of_frames(&self, id: PdrId, ie: &pfcp::Pdi) -> Result<(), Refusal> {
        let rule = failed(id);
        self.check_all_frames(Owner::Pdr(id), ie.ethernet_pdu_session_information)?;
        if self.is_ethernet() {
            // SDF filters are within those of frames.
            unsupported!(rule,
                ie.ue_ip_addresses => pfcp::UeIpAddress,
                ie.sdf_filters => pfcp::SdfFilter,
                ie.application_id => pfcp::ApplicationId,
                ie.framed_routes => pfcp::FramedRoute,
                ie.framed_ipv6_routes => pfcp::FramedIpv6Route,
            );
        } else {
            unsupported!(rule, ie.ethernet_packet_filters => pfcp::EthernetPacketFilter);
        }
        Ok(())
    }

    /// The same of a traffic endpoint.
    pub(super) fn check_endpoint_of_frames(
        &self,
        owner: Owner,
        ie: &pfcp::CreateTrafficEndpoint,
    ) -> Result<(), Refusal> {
        self.check_all_frames(owner, ie.ethernet_pdu_session_information)?;
        let routes = !ie.framed_routes.is_empty() || !ie.framed_ipv6_routes.is_empty();
        match self.is_ethernet() {
            true if !ie.ue_ip_addresses.is_empty() => Err(owner.refuse::<pfcp::UeIpAddress>()),
            true if routes => Err(owner.refuse::<pfcp::FramedRoute>()),
            _ => Ok(()),
        }
    }

    /// Learns the definitions of Ethernet packet filters that have an id, before any PDR refers to
    /// one by its id alone. A message defines a filter once, or the same way each time.
    pub(super) fn define_ethernet_filters(
        &mut self,
        pdr: pfcp::PdrId,
        pdi: &pfcp::Pdi,
    ) -> Result<(), Refusal> {
        let rule = FailedRuleId::Pdr(pdr);
        for ie in &pdi.ethernet_packet_filters {
            if is_id_alone(ie) {
                continue;
            }
            let filter = ethernet_filter(rule, ie)?;
            let Some(id) = filter.id else { continue };
            let defined = &mut self.draft.ethernet_filters;
            match defined.iter().find(|known| known.id == Some(id)) {
                Some(known) if *known == filter => {}
                Some(_) => return Err(Refusal::rule::<pfcp::EthernetFilterId>(rule)),
                None => defined.push(filter),
            }
        }
        Ok(())
    }

    /// The Ethernet packet filters of a PDI.
    pub(super) fn ethernet_filters(
        &self,
        id: PdrId,
        pdi: &pfcp::Pdi,
    ) -> Result<Option<Box<EthernetFilters>>, Refusal> {
        let rule = failed(id);
        let mut filters: Vec<EthernetFilter> = Vec::new();
        for ie in &pdi.ethernet_packet_filters {
            if !is_id_alone(ie) {
                filters.push(ethernet_filter(rule, ie)?);
                continue;
            }
            let id = ie.ethernet_filter_id.map(|id| id.0);
            // Named again, it matches nothing more. It is large: a message has room for many names.
            if filters.iter().any(|there| there.id == id) {
                continue;
            }
            let known = id.and_then(|id| self.known(id));
            let unknown = Refusal::rule::<pfcp::EthernetFilterId>(rule);
            filters.push(known.cloned().ok_or(unknown)?);
        }
        Ok((!filters.is_empty()).then(|| Box::new(EthernetFilters(filters))))
    }

    /// The filter of that id: as this message defines it, or as another PDR of the session has it.
    fn known(&self, id: u32) -> Option<&EthernetFilter> {
        let has_id = |filter: &&EthernetFilter| filter.id == Some(id);
        let defined = self.draft.ethernet_filters.iter().find(has_id);
        let mut there = self
            .draft
            .all_pdrs()
            .flat_map(|pdr| pdr.pdi.ethernet_filters());
        defined.or_else(|| there.find(has_id))
    }

    /// "A change of the definition acts on all PDRs of the session that use it."
    pub(super) fn settle_ethernet_filters(&mut self) {
        let defined = std::mem::take(&mut self.draft.ethernet_filters);
        if defined.is_empty() {
            return;
        }
        for pdr in self.draft.pdrs_mut() {
            let filters = pdr.pdi.frames.iter_mut().flat_map(|frames| &mut frames.0);
            for filter in filters {
                let mut defined = defined.iter();
                let same = |known: &&EthernetFilter| known.id.is_some() && known.id == filter.id;
                if let Some(known) = defined.find(same) {
                    filter.clone_from(known);
                }
            }
        }
    }

    /// Frames go to networks of frames, and packets to others.
    pub(super) fn settle_networks(&self) -> Result<(), Refusal> {
        let is_ethernet = self.is_ethernet();
        let mut networks = self.topology.networks.iter();
        if !is_ethernet && !networks.any(|network| network.ethernet.is_some()) {
            return Ok(());
        }
        let Rules { pdrs, fars, .. } = &self.draft.rules;
        let is_right = |vrf| self.topology.ethernet(vrf).is_some() == is_ethernet;
        let found_there = |pdr: &&Pdr| {
            let pdi = &pdr.pdi;
            pdi.local_f_teid.is_none() && pdi.vrf.is_some_and(|vrf| !is_right(vrf))
        };
        if let Some(pdr) = pdrs.iter().find(found_there) {
            return Err(Refusal::rule::<pfcp::NetworkInstance>(failed(pdr.id)));
        }
        for far in fars {
            let Some(to) = far.forwarding else { continue };
            let rule = FailedRuleId::Far(far.id.0.into());
            if to.outer_header_creation.is_none() && to.vrf.is_some_and(|vrf| !is_right(vrf)) {
                return Err(Refusal::rule::<pfcp::NetworkInstance>(rule));
            }
            if is_ethernet && to.policy.is_some() {
                let refuse = Refusal::rule::<pfcp::ForwardingPolicy>(rule);
                return Err(refuse.cause(Cause::INVALID_FORWARDING_POLICY));
            }
        }
        Ok(())
    }
}

/// How many MAC addresses a filter may list (TS 29.244, 7.5.2.2-3; TS 23.501, 5.6.10.2).
const MACS_MAX: usize = 16;

/// An id and nothing else: the filter is defined elsewhere.
fn is_id_alone(ie: &pfcp::EthernetPacketFilter) -> bool {
    ie.ethernet_filter_id.is_some()
        && ie.mac_addresses.is_empty()
        && ie.ethertype.is_none()
        && ie.c_tag.is_none()
        && ie.s_tag.is_none()
        && ie.sdf_filters.is_empty()
}

/// Ethernet Packet Filter (TS 29.244, 7.5.2.2-3). What is not understood whole is refused: a filter
/// read in part would match more than its author meant.
fn ethernet_filter(
    rule: FailedRuleId,
    ie: &pfcp::EthernetPacketFilter,
) -> Result<EthernetFilter, Refusal> {
    let is_shared = ie.ethernet_filter_properties.is_some();
    if is_shared && ie.ethernet_filter_id.is_none() {
        let missing = Refusal::rule::<pfcp::EthernetFilterId>(rule);
        return Err(missing.cause(Cause::CONDITIONAL_IE_MISSING));
    }
    if ie.mac_addresses.len() > MACS_MAX {
        return Err(Refusal::rule::<pfcp::MacAddress>(rule));
    }
    let range = |first: Option<pfcp::Mac>, last: Option<pfcp::Mac>| {
        let range = match (first, last) {
            (None, None) => return Ok(None),
            (Some(first), last) => MacRange {
                first: first.0,
                last: last.unwrap_or(first).0,
            },
            // An upper end without a lower one.
            (None, Some(_)) => return Err(Refusal::rule::<pfcp::MacAddress>(rule)),
        };
        if range.first > range.last {
            return Err(Refusal::rule::<pfcp::MacAddress>(rule));
        }
        Ok(Some(range))
    };
    let macs = ie.mac_addresses.iter().map(|mac| {
        Ok(MacFilter {
            source: range(mac.source, mac.upper_source)?,
            destination: range(mac.destination, mac.upper_destination)?,
        })
    });
    let ether_type = ie.ethertype.map(|ethertype| ethertype.0);
    let refuse_sdf = Refusal::rule_ie(rule, <pfcp::SdfFilter as Ie>::TYPE);
    let may_be_ip = ether_type.is_none_or(|ether_type| IP.contains(&ether_type));
    if !ie.sdf_filters.is_empty() && !may_be_ip {
        return Err(refuse_sdf);
    }
    let sdf_filters = ie.sdf_filters.iter().map(|ie| {
        // There is nowhere else to define it.
        if is_reference(ie) {
            return Err(refuse_sdf);
        }
        sdf_filter(rule, ie)
    });
    Ok(EthernetFilter {
        id: ie.ethernet_filter_id.map(|id| id.0),
        macs: macs.collect::<Result<_, _>>()?,
        ether_type,
        c_tag: ie.c_tag.as_ref().map(|tag| tag_filter(tag.0)),
        s_tag: ie.s_tag.as_ref().map(|tag| tag_filter(tag.0)),
        sdf_filters: sdf_filters.collect::<Result<_, _>>()?,
    })
}

fn tag_filter(ie: pfcp::VlanTag) -> TagFilter {
    TagFilter {
        pcp: ie.pcp.map(pfcp::Bits::get),
        dei: ie.dei,
        vid: ie.vid.map(pfcp::Bits16::get),
    }
}
