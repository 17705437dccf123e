//! PDRs: what packets they match, and by which rules they go on.

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;
use pfcp::wire::Ie;
use pfcp::{Cause, FailedRuleId, Update};
use session::rule::{OuterHeaderRemoval, Pdi, Pdr, SourceInterface, UeAddress, ue_prefix};
use session::sdf::{FlowDescription, SdfFilter};
use session::{FarId, PdrId, Precedence, QerId, Qfi, UrrId};

use super::{Filter, Place, Translator, unsupported};
use crate::refusal::Refusal;

fn failed(id: PdrId) -> FailedRuleId {
    FailedRuleId::Pdr(id.0.into())
}

impl Translator<'_> {
    /// Create PDR (TS 29.244, 7.5.2.2).
    pub(crate) fn create_pdr(&mut self, ie: &pfcp::CreatePdr) -> Result<(), Refusal> {
        let id = PdrId(ie.pdr_id.0);
        let rule = failed(id);
        unsupported!(rule,
            ie.mar_id => pfcp::MarId,
            ie.activate_predefined_rules => pfcp::ActivatePredefinedRules,
            ie.activation_time => pfcp::ActivationTime,
            ie.deactivation_time => pfcp::DeactivationTime,
            ie.packet_replication_and_detection_carry_on_information
                => pfcp::PacketReplicationAndDetectionCarryOnInformation,
            ie.ip_multicast_addressing_infos => pfcp::IpMulticastAddressingInfo,
            ie.transport_delay_reporting => pfcp::TransportDelayReporting,
        );
        if self.draft.rules.pdrs.iter().any(|pdr| pdr.id == id) {
            return Err(Refusal::rule::<pfcp::PdrId>(rule));
        }
        // "Present unless a MAR ID or Activate Predefined Rules says what to do."
        let far = ie.far_id.ok_or_else(|| {
            Refusal::rule::<pfcp::FarId>(rule).cause(Cause::CONDITIONAL_IE_MISSING)
        })?;
        let pdi = self.pdi(id, &ie.pdi, None)?;
        self.draft.rules.pdrs.push(Pdr {
            id,
            precedence: Precedence(ie.precedence.0),
            pdi,
            outer_header_removal: ie
                .outer_header_removal
                .map(|ohr| removal(id, ohr))
                .transpose()?,
            far: FarId(far.0),
            qers: ie.qer_ids.iter().map(|qer| QerId(qer.0)).collect(),
            urrs: ie.urr_ids.iter().map(|urr| UrrId(urr.0)).collect(),
        });
        Ok(())
    }

    /// Update PDR (TS 29.244, 7.5.4.2): what is absent stays.
    pub(crate) fn update_pdr(&mut self, ie: pfcp::UpdatePdr) -> Result<(), Refusal> {
        let id = PdrId(ie.pdr_id.0);
        let rule = failed(id);
        unsupported!(rule,
            ie.activate_predefined_rules => pfcp::ActivatePredefinedRules,
            ie.deactivate_predefined_rules => pfcp::DeactivatePredefinedRules,
            ie.activation_time => pfcp::ActivationTime,
            ie.deactivation_time => pfcp::DeactivationTime,
            ie.ip_multicast_addressing_infos => pfcp::IpMulticastAddressingInfo,
            ie.transport_delay_reporting => pfcp::TransportDelayReporting,
        );
        let there = self.draft.rules.pdrs.iter().position(|pdr| pdr.id == id);
        let there = there.ok_or(Refusal::rule::<pfcp::PdrId>(rule))?;
        let mut pdr = self.draft.rules.pdrs.swap_remove(there);
        if let Some(pdi) = &ie.pdi {
            pdr.pdi = self.pdi(id, pdi, Some(&pdr.pdi))?;
        }
        if let Some(precedence) = ie.precedence {
            pdr.precedence = Precedence(precedence.0);
        }
        match ie.outer_header_removal {
            Update::Keep => {}
            Update::Remove => pdr.outer_header_removal = None,
            Update::Set(ohr) => pdr.outer_header_removal = Some(removal(id, ohr)?),
        }
        match ie.far_id {
            Update::Keep => {}
            Update::Remove => return Err(Refusal::rule::<pfcp::FarId>(rule)),
            Update::Set(far) => pdr.far = FarId(far.0),
        }
        match ie.urr_ids {
            Update::Keep => {}
            Update::Remove => pdr.urrs.clear(),
            Update::Set(urrs) => pdr.urrs = urrs.iter().map(|urr| UrrId(urr.0)).collect(),
        }
        match ie.qer_ids {
            Update::Keep => {}
            Update::Remove => pdr.qers.clear(),
            Update::Set(qers) => pdr.qers = qers.iter().map(|qer| QerId(qer.0)).collect(),
        }
        self.draft.rules.pdrs.push(pdr);
        Ok(())
    }

    /// Remove PDR (TS 29.244, 7.5.4.6).
    pub(crate) fn remove_pdr(&mut self, id: pfcp::PdrId) -> Result<(), Refusal> {
        let id = PdrId(id.0);
        let pdrs = &mut self.draft.rules.pdrs;
        let there = pdrs.iter().position(|pdr| pdr.id == id);
        pdrs.swap_remove(there.ok_or(Refusal::rule::<pfcp::PdrId>(failed(id)))?);
        self.draft.details.named.retain(|(pdr, _)| *pdr != id);
        Ok(())
    }

    /// PDI (TS 29.244, 7.5.2.2-2), in place of `old` if there is one.
    ///
    /// An updated PDI that says nothing of how packets are found (no F-TEID, UE address or Network
    /// Instance) is not whole: Open5GS sends the new SDF filters alone. Then the rest stays.
    fn pdi(&mut self, id: PdrId, ie: &pfcp::Pdi, old: Option<&Pdi>) -> Result<Pdi, Refusal> {
        let rule = failed(id);
        refuse_unsupported(rule, ie)?;
        let source_interface = source_interface(rule, ie.source_interface)?;
        let name = ie
            .network_instance
            .as_ref()
            .and_then(pfcp::NetworkInstance::name);
        let ue = ue_address(rule, &ie.ue_ip_addresses)?;
        let whole = ie.local_f_teid.is_some() || ue.is_some() || ie.network_instance.is_some();
        let kept = old.filter(|_| !whole);
        let place = Place {
            source: source_interface,
            network_instance: name.as_deref(),
            kind: ie.source_interface_type,
        };
        let local_f_teid = match &ie.local_f_teid {
            Some(f_teid) => Some(self.local_f_teid(id, f_teid, &place)?),
            None => old.and_then(|old| old.local_f_teid),
        };
        let from_core = matches!(
            source_interface,
            SourceInterface::Core | SourceInterface::SgiLan
        );
        if local_f_teid.is_none() && !from_core {
            return Err(Refusal::rule::<pfcp::FTeid>(rule).cause(Cause::CONDITIONAL_IE_MISSING));
        }
        let vrf = match old {
            Some(old) if ie.network_instance.is_none() => old.vrf,
            _ if local_f_teid.is_some() => None,
            _ => Some(
                self.network(name.as_deref())
                    .ok_or(Refusal::rule::<pfcp::NetworkInstance>(rule))?,
            ),
        };
        let mut qfis: Vec<Qfi> = ie.qfis.iter().filter_map(|qfi| Qfi::new(qfi.0)).collect();
        if let Some(kept) = kept
            && qfis.is_empty()
        {
            qfis.clone_from(&kept.qfis);
        }
        let sdf_filters = if ie.sdf_filters.is_empty() && kept.is_some() {
            kept.map(|kept| kept.sdf_filters.clone())
                .unwrap_or_default()
        } else {
            self.sdf_filters(id, &ie.sdf_filters)?
        };
        let ue = ue.or_else(|| kept.and_then(|kept| kept.ue));
        Ok(Pdi {
            source_interface,
            local_f_teid,
            vrf,
            ue,
            qfis,
            sdf_filters,
        })
    }

    /// Learns the definitions of filters that have an id, before any PDR refers to one by its id
    /// alone: the order of PDRs in a message means nothing.
    pub(crate) fn define_filters(
        &mut self,
        pdr: pfcp::PdrId,
        pdi: &pfcp::Pdi,
    ) -> Result<(), Refusal> {
        for ie in &pdi.sdf_filters {
            let Some(id) = ie.filter_id else { continue };
            if is_reference(ie) {
                continue;
            }
            let filter = sdf_filter(FailedRuleId::Pdr(pdr), ie)?;
            let filters = &mut self.draft.details.filters;
            match filters.iter_mut().find(|(known, _)| *known == id) {
                Some((_, known)) => *known = filter,
                None => filters.push((id, filter)),
            }
        }
        Ok(())
    }

    fn sdf_filters(
        &mut self,
        id: PdrId,
        ies: &[pfcp::SdfFilter],
    ) -> Result<Vec<SdfFilter>, Refusal> {
        let named = &mut self.draft.details.named;
        named.retain(|(pdr, _)| *pdr != id);
        let rule = failed(id);
        if ies.iter().all(|ie| ie.filter_id.is_none()) {
            return ies.iter().map(|ie| sdf_filter(rule, ie)).collect();
        }
        let filters = ies.iter().map(|ie| match ie.filter_id {
            Some(filter) => Ok(Filter::Named(filter)),
            None => sdf_filter(rule, ie).map(|filter| Filter::Own(Box::new(filter))),
        });
        let filters = filters.collect::<Result<_, _>>()?;
        // `settle_filters` puts in what the ids stand for.
        self.draft.details.named.push((id, filters));
        Ok(Vec::new())
    }

    /// Gives every PDR with filters that have an id what the ids stand for now: "a change of the
    /// definition acts on all PDRs of the session that use it".
    pub(super) fn settle_filters(&mut self) -> Result<(), Refusal> {
        let super::Draft { rules, details, .. } = &mut *self.draft;
        for (pdr, filters) in &details.named {
            let Some(pdr) = rules.pdrs.iter_mut().find(|there| there.id == *pdr) else {
                continue;
            };
            let unknown = Refusal::rule::<pfcp::SdfFilter>(failed(pdr.id));
            let filters = filters.iter().map(|filter| match filter {
                Filter::Own(filter) => Ok(SdfFilter::clone(filter)),
                Filter::Named(id) => {
                    let known = details.filters.iter().find(|(known, _)| known == id);
                    known.map(|(_, filter)| filter.clone()).ok_or(unknown)
                }
            });
            pdr.pdi.sdf_filters = filters.collect::<Result<_, _>>()?;
        }
        let named = &details.named;
        details.filters.retain(|(id, _)| {
            named
                .iter()
                .flat_map(|(_, filters)| filters)
                .any(|f| matches!(f, Filter::Named(n) if n == id))
        });
        Ok(())
    }
}

fn refuse_unsupported(rule: FailedRuleId, ie: &pfcp::Pdi) -> Result<(), Refusal> {
    unsupported!(rule,
        ie.local_ingress_tunnel => pfcp::LocalIngressTunnel,
        ie.redundant_transmission_detection_parameters
            => pfcp::RedundantTransmissionDetectionParameters,
        ie.mapped_n6_ip_address => pfcp::MappedN6IpAddress,
        ie.n6_routing_information => pfcp::N6RoutingInformation,
        ie.traffic_endpoint_ids => pfcp::TrafficEndpointId,
        ie.application_id => pfcp::ApplicationId,
        ie.ethernet_pdu_session_information => pfcp::EthernetPduSessionInformation,
        ie.ethernet_packet_filters => pfcp::EthernetPacketFilter,
        ie.framed_routes => pfcp::FramedRoute,
        ie.framed_ipv6_routes => pfcp::FramedIpv6Route,
        ie.ip_multicast_addressing_infos => pfcp::IpMulticastAddressingInfo,
        ie.dns_filters => pfcp::DnsQueryFilter,
        ie.mbs_session_identifier => pfcp::MbsSessionIdentifier,
        ie.area_session_id => pfcp::AreaSessionId,
        ie.protocol_description => pfcp::ProtocolDescription,
        ie.expedited_transfer_indication => pfcp::ExpeditedTransferIndication,
    );
    Ok(())
}

fn source_interface(
    rule: FailedRuleId,
    code: pfcp::SourceInterface,
) -> Result<SourceInterface, Refusal> {
    Ok(match code {
        pfcp::SourceInterface::ACCESS => SourceInterface::Access,
        pfcp::SourceInterface::CORE => SourceInterface::Core,
        pfcp::SourceInterface::SGI_LAN => SourceInterface::SgiLan,
        pfcp::SourceInterface::CP_FUNCTION => SourceInterface::CpFunction,
        _ => return Err(Refusal::rule::<pfcp::SourceInterface>(rule)),
    })
}

fn removal(id: PdrId, ie: pfcp::OuterHeaderRemoval) -> Result<OuterHeaderRemoval, Refusal> {
    Ok(match ie.description {
        0 => OuterHeaderRemoval::GtpUdpIpv4,
        1 => OuterHeaderRemoval::GtpUdpIpv6,
        6 => OuterHeaderRemoval::GtpUdpIp,
        _ => return Err(Refusal::rule::<pfcp::OuterHeaderRemoval>(failed(id))),
    })
}

/// UE IP Address (TS 29.244, 8.2.62 and 5.21), up to one of each family.
fn ue_address(rule: FailedRuleId, ies: &[pfcp::UeIpAddress]) -> Result<Option<UeAddress>, Refusal> {
    let refuse = Refusal::rule::<pfcp::UeIpAddress>(rule);
    let bad = refuse.cause(Cause::MANDATORY_IE_INCORRECT);
    let mut ue = UeAddress::default();
    for ie in ies {
        // UEIP is not announced: addresses are the SMF's to give.
        if ie.choose_ipv4 || ie.choose_ipv6 {
            return Err(refuse.cause(Cause::SERVICE_NOT_SUPPORTED));
        }
        if let Some(address) = ie.ipv4 {
            let unusable = address.is_unspecified()
                || address.is_multicast()
                || address.is_loopback()
                || address.is_broadcast();
            if unusable {
                return Err(bad);
            }
            if ue
                .ipv4
                .replace(address)
                .is_some_and(|other| other != address)
            {
                return Err(refuse);
            }
        }
        if let Some(address) = ie.ipv6 {
            let prefix = ipv6_prefix(address, ie.prefix_length, ie.prefix_delegation_bits);
            let prefix = prefix.ok_or(bad)?;
            if ue.ipv6.replace(prefix).is_some_and(|other| other != prefix) {
                return Err(refuse);
            }
        }
    }
    Ok(Some(ue).filter(|ue| !ue.is_empty()))
}

/// "IPv6 default is a /64"; delegation bits make it shorter, a prefix length says it outright.
fn ipv6_prefix(address: Ipv6Addr, length: Option<u8>, delegated: Option<u8>) -> Option<Ipv6Net> {
    if address.is_unspecified() || address.is_multicast() || address.is_loopback() {
        return None;
    }
    match (length, delegated) {
        (None, None) => Some(ue_prefix(address)),
        (Some(length @ 1..=128), None) => Ipv6Net::new(address, length).ok().map(|net| net.trunc()),
        (None, Some(bits @ 1..=63)) => Ipv6Net::new(address, 64 - bits).ok().map(|net| net.trunc()),
        _ => None,
    }
}

/// An id and nothing else: the filter is defined elsewhere.
fn is_reference(ie: &pfcp::SdfFilter) -> bool {
    ie.flow_description.is_none()
        && ie.tos_traffic_class.is_none()
        && ie.security_parameter_index.is_none()
        && ie.flow_label.is_none()
        && ie.media.is_none()
}

/// SDF Filter (TS 29.244, 8.2.5). What is not understood whole is refused: a filter read in part
/// would match more than its author meant.
fn sdf_filter(rule: FailedRuleId, ie: &pfcp::SdfFilter) -> Result<SdfFilter, Refusal> {
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
        flow_label: ie.flow_label,
    })
}
