//! FARs: where packets go.

use pfcp::{Cause, FailedRuleId, OuterHeader, Update};
use session::neighbour::NextHop;
use session::rule::{Action, DestinationInterface, Far, Forwarding, OuterHeaderCreation};
use session::{BarId, FarId, InterfaceId, NextHopId, Teid};

use super::{Translator, unsupported};
use crate::counters::Limit;
use crate::refusal::Refusal;

fn failed(id: FarId) -> FailedRuleId {
    FailedRuleId::Far(id.0.into())
}

impl Translator<'_> {
    /// Create FAR (TS 29.244, 7.5.2.3).
    pub(crate) fn create_far(&mut self, ie: &pfcp::CreateFar) -> Result<(), Refusal> {
        let id = FarId(ie.far_id.0);
        let rule = failed(id);
        unsupported!(rule,
            ie.duplicating_parameters => pfcp::DuplicatingParameters,
            ie.redundant_transmission_forwarding_parameters
                => pfcp::RedundantTransmissionForwardingParameters,
            ie.mbs_multicast_parameters => pfcp::MbsMulticastParameters,
            ie.add_mbs_unicast_parameters => pfcp::AddMbsUnicastParameters,
        );
        if self.draft.rules.fars.iter().any(|far| far.id == id) {
            return Err(Refusal::rule::<pfcp::FarId>(rule));
        }
        let action = action(rule, ie.apply_action)?;
        let forwarding = ie.forwarding_parameters.as_ref();
        let forwarding = forwarding.map(|to| self.forwarding(rule, to)).transpose()?;
        let bar = ie.bar_id.map(|bar| BarId(bar.0));
        self.draft.rules.fars.push(Far {
            id,
            action,
            forwarding,
            bar,
        });
        Ok(())
    }

    /// Update FAR (TS 29.244, 7.5.4.3): what is absent stays.
    pub(crate) fn update_far(&mut self, ie: &pfcp::UpdateFar) -> Result<(), Refusal> {
        let id = FarId(ie.far_id.0);
        let rule = failed(id);
        unsupported!(rule,
            ie.update_duplicating_parameters => pfcp::UpdateDuplicatingParameters,
            ie.redundant_transmission_forwarding_parameters
                => pfcp::RedundantTransmissionForwardingParameters,
            ie.add_mbs_unicast_parameters => pfcp::AddMbsUnicastParameters,
            ie.remove_mbs_unicast_parameters => pfcp::RemoveMbsUnicastParameters,
        );
        let there = self.draft.rules.fars.iter().position(|far| far.id == id);
        let there = there.ok_or(Refusal::rule::<pfcp::FarId>(rule))?;
        let mut far = self.draft.rules.fars.swap_remove(there);
        if let Some(apply_action) = ie.apply_action {
            far.action = action(rule, apply_action)?;
        }
        if let Some(to) = &ie.update_forwarding_parameters {
            far.forwarding = Some(self.update_forwarding(rule, far.forwarding, to)?);
            if to
                .flags
                .is_some_and(|flags| flags.contains(pfcp::PfcpSmReqFlags::SNDEM))
            {
                self.draft.end_markers.push(id);
            }
        }
        match ie.bar_id {
            Update::Keep => {}
            Update::Remove => far.bar = None,
            Update::Set(bar) => far.bar = Some(BarId(bar.0)),
        }
        self.draft.rules.fars.push(far);
        Ok(())
    }

    /// Remove FAR (TS 29.244, 7.5.4.7). A PDR that still refers to it is found by the compiler.
    pub(crate) fn remove_far(&mut self, id: pfcp::FarId) -> Result<(), Refusal> {
        let fars = &mut self.draft.rules.fars;
        let there = fars.iter().position(|far| far.id == FarId(id.0));
        fars.swap_remove(there.ok_or(Refusal::rule::<pfcp::FarId>(FailedRuleId::Far(id)))?);
        Ok(())
    }

    fn forwarding(
        &mut self,
        rule: FailedRuleId,
        ie: &pfcp::ForwardingParameters,
    ) -> Result<Forwarding, Refusal> {
        unsupported!(rule,
            ie.redirect_information => pfcp::RedirectInformation,
            ie.extended_transport_level_markings => pfcp::ExtendedTransportLevelMarking,
            ie.transport_level_marking_indications => pfcp::TransportLevelMarkingIndications,
            ie.metadata => pfcp::Metadata,
            ie.header_enrichment => pfcp::HeaderEnrichment,
            ie.proxying => pfcp::Proxying,
            ie.data_network_access_identifier => pfcp::DataNetworkAccessIdentifier,
            ie.ip_address_and_port_number_replacement => pfcp::IpAddressAndPortNumberReplacement,
            ie.n6_routing_information => pfcp::N6RoutingInformation,
            ie.header_handling_control_rules => pfcp::HeaderHandlingControlRule,
            ie.on_path_n6_connection_information => pfcp::OnPathN6ConnectionInformation,
        );
        let policy = ie.forwarding_policy.as_ref();
        let policy = policy.map(|policy| self.policy(rule, policy)).transpose()?;
        let destination = destination(rule, ie.destination_interface)?;
        let name = ie
            .network_instance
            .as_ref()
            .and_then(pfcp::NetworkInstance::name);
        let creation = ie.outer_header_creation.as_ref();
        let creation = creation
            .map(|creation| self.creation(rule, creation))
            .transpose()?;
        let to = Forwarding {
            destination,
            vrf: self.vrf(rule, destination, name.as_deref(), creation)?,
            policy,
            outer_header_creation: creation,
            tos: ie.transport_level_marking.as_ref().map(tos),
        };
        check_marking(rule, &to)?;
        check_policy(rule, &to)?;
        Ok(to)
    }

    /// Where packets leave by a Forwarding Policy (TS 29.244, 8.2.23).
    fn policy(
        &self,
        rule: FailedRuleId,
        ie: &pfcp::ForwardingPolicy,
    ) -> Result<InterfaceId, Refusal> {
        let known = ie.0.as_str().and_then(|name| self.topology.policy(name));
        known.ok_or_else(|| invalid_policy(rule))
    }

    fn update_forwarding(
        &mut self,
        rule: FailedRuleId,
        old: Option<Forwarding>,
        ie: &pfcp::UpdateForwardingParameters,
    ) -> Result<Forwarding, Refusal> {
        unsupported!(rule,
            ie.redirect_information => pfcp::RedirectInformation,
            ie.extended_transport_level_marking => pfcp::ExtendedTransportLevelMarking,
            ie.transport_level_marking_indications => pfcp::TransportLevelMarkingIndications,
            ie.metadata => pfcp::Metadata,
            ie.header_enrichment => pfcp::HeaderEnrichment,
            ie.data_network_access_identifier => pfcp::DataNetworkAccessIdentifier,
            ie.ip_address_and_port_number_replacement => pfcp::IpAddressAndPortNumberReplacement,
            ie.header_handling_control_rule => pfcp::HeaderHandlingControlRule,
        );
        let mut to = old.unwrap_or_default();
        match &ie.forwarding_policy {
            Update::Keep => {}
            Update::Remove => to.policy = None,
            Update::Set(policy) => to.policy = Some(self.policy(rule, policy)?),
        }
        if let Some(code) = ie.destination_interface {
            to.destination = destination(rule, code)?;
        } else if old.is_none() {
            let missing = Refusal::rule::<pfcp::DestinationInterface>(rule);
            return Err(missing.cause(Cause::CONDITIONAL_IE_MISSING));
        }
        match &ie.outer_header_creation {
            Update::Keep => {}
            Update::Remove => to.outer_header_creation = None,
            Update::Set(creation) => {
                to.outer_header_creation = Some(self.creation(rule, creation)?);
            }
        }
        match &ie.transport_level_marking {
            Update::Keep => {}
            Update::Remove => to.tos = None,
            Update::Set(marking) => to.tos = Some(tos(marking)),
        }
        let name = ie
            .network_instance
            .set()
            .and_then(pfcp::NetworkInstance::name);
        if name.is_some() || to.vrf.is_none() || !is_core(to.destination) {
            to.vrf = self.vrf(
                rule,
                to.destination,
                name.as_deref(),
                to.outer_header_creation,
            )?;
        }
        check_marking(rule, &to)?;
        check_policy(rule, &to)?;
        Ok(to)
    }

    /// The VRF for packets that leave on N6.
    fn vrf(
        &self,
        rule: FailedRuleId,
        destination: DestinationInterface,
        name: Option<&str>,
        creation: Option<OuterHeaderCreation>,
    ) -> Result<Option<InterfaceId>, Refusal> {
        if !is_core(destination) || creation.is_some() {
            return Ok(None);
        }
        let vrf = self.network(name);
        vrf.map(Some)
            .ok_or(Refusal::rule::<pfcp::NetworkInstance>(rule))
    }

    /// Outer Header Creation (TS 29.244, 8.2.56), with the way to the peer. A peer that no route
    /// leads to is accepted: routes come and go, and its packets drop with a reason.
    fn creation(
        &mut self,
        rule: FailedRuleId,
        ie: &pfcp::OuterHeaderCreation,
    ) -> Result<OuterHeaderCreation, Refusal> {
        let refuse = Refusal::rule::<pfcp::OuterHeaderCreation>(rule);
        let more = ie.n19 || ie.n6 || ie.low_layer_ssm || ie.c_tag.is_some() || ie.s_tag.is_some();
        let Some(OuterHeader::GtpU { teid, addresses }) = ie.header.filter(|_| !more) else {
            return Err(refuse);
        };
        // "Both: send to one of them", that is, to one that a route leads to.
        let mut peers = addresses.iter();
        let towards = |peer| Some((peer, self.topology.towards_peer(peer)?));
        let (peer, way) = match peers.find_map(towards) {
            Some((peer, way)) => (peer, Some(way)),
            None => (addresses.iter().next().ok_or(refuse)?, None),
        };
        let ours = self.topology.tunnel_interface_at(peer).is_some();
        if teid == 0 || peer.is_unspecified() || peer.is_multicast() || peer.is_loopback() || ours {
            return Err(refuse.cause(Cause::MANDATORY_IE_INCORRECT));
        }
        let interface = match way {
            Some((interface, _)) => interface,
            None => self.topology.tunnel_interface(None).ok_or(refuse)?,
        };
        let next_hop = way.map(|(interface, address)| NextHop {
            interface: interface.id,
            address,
        });
        let source = interface.address_towards(peer).ok_or(refuse)?;
        let next_hop = next_hop.map(|hop| self.next_hop(rule, hop)).transpose()?;
        Ok(OuterHeaderCreation {
            teid: Teid(teid),
            peer,
            interface: interface.id,
            source,
            next_hop,
        })
    }

    fn next_hop(&mut self, rule: FailedRuleId, hop: NextHop) -> Result<NextHopId, Refusal> {
        let full = Refusal {
            limit: Some(Limit::NextHops),
            ..Refusal::rule::<pfcp::OuterHeaderCreation>(rule).cause(Cause::NO_RESOURCES_AVAILABLE)
        };
        let id = self.next_hops.take(hop, self.peer).ok_or(full)?;
        self.draft.next_hops.push(hop);
        Ok(id)
    }
}

const fn is_core(destination: DestinationInterface) -> bool {
    matches!(
        destination,
        DestinationInterface::Core | DestinationInterface::SgiLan
    )
}

/// Apply Action (TS 29.244, 8.2.26): exactly one of DROP, FORW and BUFF; NOCP beside BUFF alone.
/// Duplication, multicast and redundant transmission are not done here.
fn action(rule: FailedRuleId, ie: pfcp::ApplyAction) -> Result<Action, Refusal> {
    use pfcp::ApplyAction as A;
    let notify = ie.contains(A::NOCP);
    match ie.without(A::NOCP) {
        A::DROP if !notify => Ok(Action::Drop),
        A::FORW if !notify => Ok(Action::Forward),
        A::BUFF => Ok(Action::Buffer { notify }),
        _ => Err(Refusal::rule::<A>(rule)),
    }
}

fn destination(
    rule: FailedRuleId,
    code: pfcp::DestinationInterface,
) -> Result<DestinationInterface, Refusal> {
    Ok(match code {
        pfcp::DestinationInterface::ACCESS => DestinationInterface::Access,
        pfcp::DestinationInterface::CORE => DestinationInterface::Core,
        pfcp::DestinationInterface::SGI_LAN => DestinationInterface::SgiLan,
        pfcp::DestinationInterface::CP_FUNCTION => DestinationInterface::CpFunction,
        _ => return Err(Refusal::rule::<pfcp::DestinationInterface>(rule)),
    })
}

/// Outer headers are marked; packets that leave for N6 without one go as they are.
fn check_marking(rule: FailedRuleId, to: &Forwarding) -> Result<(), Refusal> {
    if to.tos.is_some() && is_core(to.destination) && to.outer_header_creation.is_none() {
        return Err(Refusal::rule::<pfcp::TransportLevelMarking>(rule));
    }
    Ok(())
}

fn invalid_policy(rule: FailedRuleId) -> Refusal {
    Refusal::rule::<pfcp::ForwardingPolicy>(rule).cause(Cause::INVALID_FORWARDING_POLICY)
}

/// A policy is about what leaves on N6 without a tunnel.
fn check_policy(rule: FailedRuleId, to: &Forwarding) -> Result<(), Refusal> {
    let leaves = is_core(to.destination) && to.outer_header_creation.is_none();
    if to.policy.is_some() && !leaves {
        return Err(invalid_policy(rule));
    }
    Ok(())
}

/// The DSCP; the two bits of ECN are not the SMF's.
const fn tos(ie: &pfcp::TransportLevelMarking) -> u8 {
    ie.tos_traffic_class & ie.mask & 0xfc
}
