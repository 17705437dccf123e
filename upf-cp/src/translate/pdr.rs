//! PDRs: what packets they match, and by which rules they go on.

use pfcp::{Cause, FailedRuleId, Update};
use session::rule::{LocalFTeid, OuterHeaderRemoval, Pdr, SourceInterface, UeAddress};
use session::{FarId, InterfaceId, PdrId, Precedence, QerId, UrrId};
use smallvec::SmallVec;

use super::declared::{Declared, qfis};
use super::lease::Chooser;
use super::place::{Owner, Place};
use super::qer::update;
use super::{Translator, unsupported};
use crate::refusal::Refusal;

pub(super) fn failed(id: PdrId) -> FailedRuleId {
    FailedRuleId::Pdr(id.0.into())
}

/// Where a PDI stands.
#[derive(Clone, Copy)]
struct Around<'a> {
    owner: Owner,
    /// The pools that the PDR wants its address from.
    identities: &'a [pfcp::UeIpAddressPoolIdentity],
    /// Whether there is an old PDI.
    there: bool,
}

impl Translator<'_> {
    /// Create PDR (TS 29.244, 7.5.2.2).
    pub(crate) fn create_pdr(&mut self, ie: &pfcp::CreatePdr) -> Result<(), Refusal> {
        let id = PdrId(ie.pdr_id.0);
        let rule = failed(id);
        unsupported!(rule,
            ie.mar_id => pfcp::MarId,
            ie.packet_replication_and_detection_carry_on_information
                => pfcp::PacketReplicationAndDetectionCarryOnInformation,
            ie.ip_multicast_addressing_infos => pfcp::IpMulticastAddressingInfo,
            ie.transport_delay_reporting => pfcp::TransportDelayReporting,
        );
        if self.draft.has_pdr(id) {
            return Err(Refusal::rule::<pfcp::PdrId>(rule));
        }
        let outer_header_removal = ie
            .outer_header_removal
            .map(|ohr| removal(id, ohr))
            .transpose()?;
        let mut declared = Declared {
            pdr: Pdr {
                id,
                precedence: Precedence(ie.precedence.0),
                outer_header_removal,
                far: FarId(ie.far_id.map_or(0, |far| far.0)),
                qers: qers(&ie.qer_ids),
                urrs: urrs(&ie.urr_ids),
                ..Pdr::default()
            },
            activation: ie.activation_time.map(|at| at.0),
            deactivation: ie.deactivation_time.map(|at| at.0),
            without_far: ie.far_id.is_none(),
            ..Declared::default()
        };
        let around = Around {
            owner: Owner::Pdr(id),
            identities: &ie.pool_identities,
            there: false,
        };
        self.pdi(around, &mut declared, &ie.pdi)?;
        self.activate(&mut declared, &ie.activate_predefined_rules)?;
        // "FAR ID is present unless a MAR ID or Activate Predefined Rules says what to do."
        let absent = |refusal: Refusal| refusal.cause(Cause::CONDITIONAL_IE_MISSING);
        declared.check_far().map_err(absent)?;
        self.draft.put(declared);
        Ok(())
    }

    /// Update PDR (TS 29.244, 7.5.4.2): what is absent stays.
    pub(crate) fn update_pdr(&mut self, ie: pfcp::UpdatePdr) -> Result<(), Refusal> {
        let id = PdrId(ie.pdr_id.0);
        let rule = failed(id);
        unsupported!(rule,
            ie.ip_multicast_addressing_infos => pfcp::IpMulticastAddressingInfo,
            ie.transport_delay_reporting => pfcp::TransportDelayReporting,
        );
        let there = self.draft.declared(id);
        let mut declared = there.ok_or(Refusal::rule::<pfcp::PdrId>(rule))?;
        let pdr = &mut declared.pdr;
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
            Update::Remove => declared.without_far = true,
            Update::Set(far) => {
                pdr.far = FarId(far.0);
                declared.without_far = false;
            }
        }
        match ie.urr_ids {
            Update::Keep => {}
            Update::Remove => pdr.urrs.clear(),
            Update::Set(ids) => pdr.urrs = urrs(&ids),
        }
        match ie.qer_ids {
            Update::Keep => {}
            Update::Remove => pdr.qers.clear(),
            Update::Set(ids) => pdr.qers = qers(&ids),
        }
        update(&ie.activation_time, &mut declared.activation, |at| {
            Some(at.0)
        });
        update(&ie.deactivation_time, &mut declared.deactivation, |at| {
            Some(at.0)
        });
        if let Some(pdi) = &ie.pdi {
            let around = Around {
                owner: Owner::UpdatedPdr(id),
                identities: &[],
                there: true,
            };
            self.pdi(around, &mut declared, pdi)?;
        }
        declared.deactivate(&ie.deactivate_predefined_rules)?;
        self.activate(&mut declared, &ie.activate_predefined_rules)?;
        declared.check_far()?;
        self.draft.put(declared);
        Ok(())
    }

    /// Remove PDR (TS 29.244, 7.5.4.6).
    pub(crate) fn remove_pdr(&mut self, id: pfcp::PdrId) -> Result<(), Refusal> {
        let id = PdrId(id.0);
        if self.draft.remove(id) {
            Ok(())
        } else {
            Err(Refusal::rule::<pfcp::PdrId>(failed(id)))
        }
    }

    /// PDI (TS 29.244, 7.5.2.2-2), in place of the old one if there is one.
    ///
    /// An updated PDI that says nothing of how packets are found (no F-TEID, UE address, Network
    /// Instance, route or traffic endpoint) is not whole: Open5GS sends the new SDF filters alone.
    /// Then the rest stays.
    fn pdi(
        &mut self,
        around: Around<'_>,
        declared: &mut Declared,
        ie: &pfcp::Pdi,
    ) -> Result<(), Refusal> {
        let Around { owner, there, .. } = around;
        let id = declared.pdr.id;
        let rule = failed(id);
        refuse_unsupported(rule, ie)?;
        self.check_pdi_of_frames(id, ie)?;
        let source_interface = source_interface(rule, ie.source_interface)?;
        let name = ie
            .network_instance
            .as_ref()
            .and_then(pfcp::NetworkInstance::name);
        let framed = self.framed_routes(owner, &ie.framed_routes, &ie.framed_ipv6_routes)?;
        let partial = there && !says_where(ie) && ie.traffic_endpoint_ids.is_empty();
        let matched = !ie.sdf_filters.is_empty() || ie.application_id.is_some();
        let sdf_filters = (!partial || matched).then(|| self.sdf_filters(id, ie));
        let sdf_filters = sdf_filters.transpose()?;
        let frames = self.ethernet_filters(id, ie)?;
        let from_core = matches!(
            source_interface,
            SourceInterface::Core | SourceInterface::SgiLan
        );
        let ue = self.ue_of_pdi(around, ie, name.as_deref(), from_core)?;
        let pdi = &declared.pdr.pdi;
        let place = Place {
            owner,
            source: source_interface,
            network_instance: name.as_deref(),
            kind: ie.source_interface_type,
        };
        let endpoints = if partial {
            declared.endpoints.clone()
        } else {
            self.endpoints(owner, ie)?
        };
        let local_f_teid = match &ie.local_f_teid {
            Some(f_teid) => Some(self.local_f_teid(f_teid, &place)?),
            // What comes from elsewhere than the core comes in a tunnel: the one it has.
            None => pdi
                .local_f_teid
                .filter(|_| there && endpoints.is_empty() && (partial || !from_core)),
        };
        if local_f_teid.is_none() && !from_core && endpoints.is_empty() {
            return Err(Refusal::rule::<pfcp::FTeid>(rule).cause(Cause::CONDITIONAL_IE_MISSING));
        }
        let vrf = if !endpoints.is_empty() {
            None
        } else if there && pdi.vrf.is_some() && ie.network_instance.is_none() {
            pdi.vrf
        } else {
            self.vrf_of_pdi(rule, local_f_teid, name.as_deref())?
        };
        let pdi = &mut declared.pdr.pdi;
        pdi.source_interface = source_interface;
        pdi.local_f_teid = local_f_teid;
        pdi.vrf = vrf;
        if !(partial && ie.qfis.is_empty()) {
            pdi.qfis = qfis(&ie.qfis);
        }
        if let Some(sdf_filters) = sdf_filters {
            pdi.sdf_filters = sdf_filters;
        }
        if frames.is_some() || !partial {
            pdi.frames = frames;
        }
        if !partial {
            pdi.ue = ue;
            pdi.framed = framed;
        }
        declared.endpoints = endpoints;
        Ok(())
    }

    /// The network that packets come from which come in no tunnel.
    fn vrf_of_pdi(
        &self,
        rule: FailedRuleId,
        local_f_teid: Option<LocalFTeid>,
        name: Option<&str>,
    ) -> Result<Option<InterfaceId>, Refusal> {
        if local_f_teid.is_some() {
            return Ok(None);
        }
        let vrf = self.network(name);
        vrf.map(Some)
            .ok_or(Refusal::rule::<pfcp::NetworkInstance>(rule))
    }

    /// The UE address of a PDI.
    fn ue_of_pdi(
        &mut self,
        around: Around<'_>,
        ie: &pfcp::Pdi,
        network_instance: Option<&str>,
        from_core: bool,
    ) -> Result<Option<UeAddress>, Refusal> {
        let named = self.network(network_instance);
        let session = self.draft.details.network;
        let chooser = Chooser {
            owner: around.owner,
            // The Network Instance of an uplink PDR may be that of the access side.
            vrf: if from_core { named } else { session.or(named) },
            network_instance,
            identities: around.identities,
        };
        self.ue_address(&chooser, &ie.ue_ip_addresses)
    }

    /// The traffic endpoints that a PDI refers to: they have to be there, and what they say must
    /// not be said again.
    fn endpoints(&self, owner: Owner, ie: &pfcp::Pdi) -> Result<Vec<u8>, Refusal> {
        if ie.traffic_endpoint_ids.is_empty() {
            return Ok(Vec::new());
        }
        let repeated = if ie.local_f_teid.is_some() {
            Some(owner.refuse::<pfcp::FTeid>())
        } else if !ie.ue_ip_addresses.is_empty() {
            Some(owner.refuse::<pfcp::UeIpAddress>())
        } else if ie.network_instance.is_some() {
            Some(owner.refuse::<pfcp::NetworkInstance>())
        } else if !ie.framed_routes.is_empty() {
            Some(owner.refuse::<pfcp::FramedRoute>())
        } else {
            let routes = !ie.framed_ipv6_routes.is_empty();
            routes.then(|| owner.refuse::<pfcp::FramedIpv6Route>())
        };
        if let Some(refusal) = repeated {
            return Err(refusal);
        }
        let mut ids: Vec<u8> = ie.traffic_endpoint_ids.iter().map(|id| id.0).collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.iter().all(|id| self.has_endpoint(*id)) {
            Ok(ids)
        } else {
            Err(owner.refuse::<pfcp::TrafficEndpointId>())
        }
    }
}

/// QERs, each once: one that came twice would police twice.
fn qers(ids: &[pfcp::QerId]) -> SmallVec<[QerId; 2]> {
    each_once(ids.iter().map(|qer| QerId(qer.0)))
}

/// URRs, each once: one that came twice would count twice.
fn urrs(ids: &[pfcp::UrrId]) -> SmallVec<[UrrId; 2]> {
    each_once(ids.iter().map(|urr| UrrId(urr.0)))
}

pub(super) fn each_once<T: PartialEq>(all: impl Iterator<Item = T>) -> SmallVec<[T; 2]> {
    let mut once = SmallVec::new();
    for one in all {
        if !once.contains(&one) {
            once.push(one);
        }
    }
    once
}

/// Whether a PDI says how packets are found.
const fn says_where(ie: &pfcp::Pdi) -> bool {
    ie.local_f_teid.is_some()
        || !ie.ue_ip_addresses.is_empty()
        || ie.network_instance.is_some()
        || !ie.framed_routes.is_empty()
        || !ie.framed_ipv6_routes.is_empty()
}

fn refuse_unsupported(rule: FailedRuleId, ie: &pfcp::Pdi) -> Result<(), Refusal> {
    unsupported!(rule,
        ie.local_ingress_tunnel => pfcp::LocalIngressTunnel,
        ie.redundant_transmission_detection_parameters
            => pfcp::RedundantTransmissionDetectionParameters,
        ie.mapped_n6_ip_address => pfcp::MappedN6IpAddress,
        ie.n6_routing_information => pfcp::N6RoutingInformation,
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
    Ok(match ie.description.get() {
        0 => OuterHeaderRemoval::GtpUdpIpv4,
        1 => OuterHeaderRemoval::GtpUdpIpv6,
        6 => OuterHeaderRemoval::GtpUdpIp,
        _ => return Err(Refusal::rule::<pfcp::OuterHeaderRemoval>(failed(id))),
    })
}
