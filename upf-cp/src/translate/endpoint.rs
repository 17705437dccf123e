//! Traffic endpoints (TS 29.244, 5.2.1A.1 and 7.5.2.7): where packets come from, said once for several
//! PDRs.

use pfcp::{Cause, TrafficEndpointId, Update};
use session::rule::{FramedRoutes, LocalFTeid, SourceInterface, UeAddress};
use session::{InterfaceId, Qfi};

use super::declared::qfis;
use super::lease::Chooser;
use super::place::{Owner, Place};
use super::{Rare, Translator};
use crate::refusal::Refusal;

/// A traffic endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) id: u8,
    pub(crate) local_f_teid: Option<LocalFTeid>,
    /// Where packets for its UE come from.
    pub(super) vrf: Option<InterfaceId>,
    pub(crate) ue: Option<UeAddress>,
    pub(super) framed: Option<Box<FramedRoutes>>,
    pub(super) qfis: Vec<Qfi>,
}

impl Rare {
    pub(super) fn endpoint(&self, id: u8) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.id == id)
    }
}

/// What neither Create nor Update Traffic Endpoint may ask for.
macro_rules! refuse_unsupported {
    ($owner:ident, $($there:expr => $ie:ty),* $(,)?) => {
        $( if $crate::translate::Present::is_present(&$there) {
            return Err($owner.refuse::<$ie>());
        } )*
    };
}

impl Translator<'_> {
    /// Create Traffic Endpoint (TS 29.244, 7.5.2.7).
    pub(crate) fn create_endpoint(
        &mut self,
        ie: &pfcp::CreateTrafficEndpoint,
    ) -> Result<(), Refusal> {
        let id = ie.traffic_endpoint_id.0;
        let owner = Owner::Endpoint(id);
        refuse_unsupported!(owner,
            ie.redundant_transmission_detection_parameters
                => pfcp::RedundantTransmissionDetectionParameters,
            ie.mapped_n6_ip_address => pfcp::MappedN6IpAddress,
            ie.n6_routing_information => pfcp::N6RoutingInformation,
            ie.local_ingress_tunnel => pfcp::LocalIngressTunnel,
            ie.ip_multicast_addressing_info => pfcp::IpMulticastAddressingInfo,
            ie.mbs_session_identifier => pfcp::MbsSessionIdentifier,
            ie.area_session_id => pfcp::AreaSessionId,
        );
        if self.has_endpoint(id) {
            return Err(owner.refuse::<TrafficEndpointId>());
        }
        self.check_endpoint_of_frames(owner, ie)?;
        let name = ie
            .network_instance
            .as_ref()
            .and_then(pfcp::NetworkInstance::name);
        let framed = self.framed_routes(owner, &ie.framed_routes, &ie.framed_ipv6_routes)?;
        let vrf = self.network(name.as_deref());
        let chooser = chooser(owner, name.as_deref(), vrf);
        let ue = self.ue_address(&chooser, &ie.ue_ip_addresses)?;
        let place = place(owner, name.as_deref(), ie.source_interface_type);
        let local_f_teid = ie.local_f_teid.as_ref();
        let local_f_teid = local_f_teid
            .map(|f_teid| self.local_f_teid(f_teid, &place))
            .transpose()?;
        let endpoint = Endpoint {
            id,
            local_f_teid,
            vrf,
            ue,
            framed,
            qfis: qfis(&ie.qfis),
        };
        self.draft.details.rare().endpoints.push(endpoint);
        Ok(())
    }

    /// Update Traffic Endpoint (TS 29.244, 7.5.4.13): what is absent stays, and all PDRs that refer
    /// to it follow.
    pub(crate) fn update_endpoint(
        &mut self,
        ie: &pfcp::UpdateTrafficEndpoint,
    ) -> Result<(), Refusal> {
        let id = ie.traffic_endpoint_id.0;
        let owner = Owner::Endpoint(id);
        refuse_unsupported!(owner,
            ie.redundant_transmission_detection_parameters
                => pfcp::RedundantTransmissionDetectionParameters,
        );
        let rare = self.draft.details.rare.as_deref();
        let there = rare.and_then(|rare| rare.endpoint(id)).cloned();
        let mut endpoint = there.ok_or(owner.refuse::<TrafficEndpointId>())?;
        if !ie.framed_routes.is_keep() || !ie.framed_ipv6_routes.is_keep() {
            endpoint.framed = self.updated_routes(owner, endpoint.framed.as_deref(), ie)?;
        }
        let name = ie.network_instance.set();
        let name = name.and_then(pfcp::NetworkInstance::name);
        if !ie.network_instance.is_keep() {
            endpoint.vrf = self.network(name.as_deref());
        }
        match &ie.ue_ip_addresses {
            Update::Keep => {}
            Update::Remove => endpoint.ue = None,
            Update::Set(ies) => {
                let chooser = chooser(owner, name.as_deref(), endpoint.vrf);
                endpoint.ue = self.ue_address(&chooser, ies)?;
            }
        }
        match &ie.local_f_teid {
            Update::Keep => {}
            Update::Remove => endpoint.local_f_teid = None,
            Update::Set(f_teid) => {
                let kind = ie.source_interface_type.set().copied();
                let place = place(owner, name.as_deref(), kind);
                endpoint.local_f_teid = Some(self.local_f_teid(f_teid, &place)?);
            }
        }
        match &ie.qfis {
            Update::Keep => {}
            Update::Remove => endpoint.qfis.clear(),
            Update::Set(ies) => endpoint.qfis = qfis(ies),
        }
        let mut endpoints = self.draft.details.rare().endpoints.iter_mut();
        if let Some(there) = endpoints.find(|there| there.id == id) {
            *there = endpoint;
        }
        Ok(())
    }

    /// The routes of an endpoint: the IEs of one family leave those of the other alone.
    fn updated_routes(
        &self,
        owner: Owner,
        old: Option<&FramedRoutes>,
        ie: &pfcp::UpdateTrafficEndpoint,
    ) -> Result<Option<Box<FramedRoutes>>, Refusal> {
        let v4 = ie.framed_routes.set().map_or(&[][..], |routes| &**routes);
        let v6 = ie
            .framed_ipv6_routes
            .set()
            .map_or(&[][..], |routes| &**routes);
        let new = self.framed_routes(owner, v4, v6)?;
        let mut routes = new.map(|new| new.0).unwrap_or_default();
        let kept = old.into_iter().flat_map(|old| &old.0).filter(|net| {
            (ie.framed_routes.is_keep() && net.addr().is_ipv4())
                || (ie.framed_ipv6_routes.is_keep() && net.addr().is_ipv6())
        });
        routes.extend(kept);
        routes.sort_unstable();
        Ok((!routes.is_empty()).then(|| Box::new(FramedRoutes(routes))))
    }

    /// Remove Traffic Endpoint (TS 29.244, 7.5.4.14), and with it the PDRs that refer to it.
    pub(crate) fn remove_endpoint(&mut self, id: TrafficEndpointId) -> Result<(), Refusal> {
        if !self.has_endpoint(id.0) {
            return Err(Owner::Endpoint(id.0).refuse::<TrafficEndpointId>());
        }
        let rare = self.draft.details.rare();
        rare.endpoints.retain(|endpoint| endpoint.id != id.0);
        let users = rare.declared.iter();
        let users = users.filter(|declared| declared.endpoints.contains(&id.0));
        let users: Vec<_> = users.map(|declared| declared.pdr.id).collect();
        for pdr in users {
            self.draft.remove(pdr);
        }
        Ok(())
    }

    /// Whether the session may have so many endpoints.
    pub(crate) fn check_endpoints(&self) -> Result<(), Refusal> {
        let rare = self.draft.details.rare.as_deref();
        let endpoints = rare.map_or(&[][..], |rare| &rare.endpoints);
        endpoints.get(self.endpoints_max).map_or(Ok(()), |over| {
            let refuse = Owner::Endpoint(over.id).refuse::<TrafficEndpointId>();
            Err(refuse.cause(Cause::NO_RESOURCES_AVAILABLE))
        })
    }

    pub(super) fn has_endpoint(&self, id: u8) -> bool {
        let rare = self.draft.details.rare.as_deref();
        rare.is_some_and(|rare| rare.endpoint(id).is_some())
    }
}

/// For an endpoint's UE. No pools are named for it.
const fn chooser(
    owner: Owner,
    network_instance: Option<&str>,
    vrf: Option<InterfaceId>,
) -> Chooser<'_> {
    Chooser {
        owner,
        vrf,
        network_instance,
        identities: &[],
    }
}

/// Where an endpoint's tunnel ends. That it is N9's has to be said by its Source Interface Type:
/// which source interface it is used with, only PDRs know.
const fn place(
    owner: Owner,
    network_instance: Option<&str>,
    kind: Option<pfcp::InterfaceType>,
) -> Place<'_> {
    Place {
        owner,
        source: SourceInterface::Access,
        network_instance,
        kind,
    }
}
