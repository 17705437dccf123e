//! Where packets come from: what PDIs and traffic endpoints have in common.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use pfcp::wire::{Ie, Octets};
use pfcp::{Addresses, Cause, FTeid, FailedRuleId, InterfaceType, TrafficEndpointId};
use session::rule::{FramedRoutes, LocalFTeid, SourceInterface};
use session::topology::{Interface, Role, Topology};
use session::{InterfaceId, PdrId, Teid};

use super::{Chosen, Translator};
use crate::refusal::Refusal;

/// Whose place it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A PDR that is created.
    Pdr(PdrId),
    /// A PDR that is updated.
    UpdatedPdr(PdrId),
    /// A traffic endpoint, by its id. It has no Failed Rule ID.
    Endpoint(u8),
}

impl Owner {
    /// A refusal because of an IE.
    pub(super) const fn refuse<T: Ie>(self) -> Refusal {
        match self {
            Self::Pdr(id) | Self::UpdatedPdr(id) => {
                Refusal::rule::<T>(FailedRuleId::Pdr(pfcp::PdrId(id.0)))
            }
            Self::Endpoint(id) => Refusal::endpoint::<T>(TrafficEndpointId(id)),
        }
    }
}

/// What was chosen here for a PDR or traffic endpoint, for the answer.
#[derive(Clone, Debug)]
pub(crate) struct Created {
    pub(crate) owner: Owner,
    pub(crate) f_teid: Option<FTeid>,
    pub(crate) ue_ip_addresses: Vec<pfcp::UeIpAddress>,
}

/// What is said about where a tunnel ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) owner: Owner,
    pub(super) source: SourceInterface,
    pub(super) network_instance: Option<&'a str>,
    pub(super) kind: Option<InterfaceType>,
}

impl Place<'_> {
    /// The N3 or N9 interface: one that lists the Network Instance before one that lists none, and
    /// among those the one of the role that the source interface suggests.
    fn interface<'t>(&self, topology: &'t Topology) -> Option<&'t Interface> {
        let role = match self.kind {
            Some(InterfaceType::N9) => Role::N9,
            Some(InterfaceType::N3) => Role::N3,
            _ if self.source == SourceInterface::Core => Role::N9,
            _ => Role::N3,
        };
        let named = |interface: &&Interface| {
            self.network_instance.is_some_and(|name| {
                interface
                    .network_instances
                    .iter()
                    .any(|own| own.eq_ignore_ascii_case(name))
            })
        };
        let open = |interface: &&Interface| interface.network_instances.is_empty();
        let tunnels = || {
            topology
                .interfaces
                .iter()
                .filter(|interface| interface.role != Role::N6)
        };
        let right = |interface: &&Interface| interface.role == role;
        tunnels()
            .filter(named)
            .find(right)
            .or_else(|| tunnels().find(named))
            .or_else(|| tunnels().filter(open).find(right))
            .or_else(|| tunnels().find(open))
    }
}

impl Translator<'_> {
    /// The local F-TEID that is asked for.
    pub(super) fn local_f_teid(
        &mut self,
        f_teid: &FTeid,
        place: &Place<'_>,
    ) -> Result<LocalFTeid, Refusal> {
        match *f_teid {
            FTeid::Given { teid, addresses } => {
                let bad = place
                    .owner
                    .refuse::<FTeid>()
                    .cause(Cause::MANDATORY_IE_INCORRECT);
                let mut interface = None;
                for address in addresses.iter() {
                    let at = self.topology.tunnel_interface_at(address).ok_or(bad)?.id;
                    if interface.is_some_and(|other| other != at) {
                        return Err(bad);
                    }
                    interface = Some(at);
                }
                let interface = interface.filter(|_| teid != 0).ok_or(bad)?;
                Ok(LocalFTeid {
                    teid: Teid(teid),
                    interface,
                })
            }
            FTeid::Choose {
                ipv4,
                ipv6,
                choose_id,
            } => self.chosen_f_teid((ipv4, ipv6), choose_id, place),
        }
    }

    /// An F-TEID of our choice: that of the CHOOSE ID, if the session has one, else a new one.
    fn chosen_f_teid(
        &mut self,
        (ipv4, ipv6): (bool, bool),
        choose_id: Option<u8>,
        place: &Place<'_>,
    ) -> Result<LocalFTeid, Refusal> {
        let known = choose_id.and_then(|id| {
            let mut chosen = self.draft.details.chosen.iter();
            chosen
                .find(|chosen| chosen.choose_id == Some(id))
                .map(|chosen| chosen.tunnel)
        });
        let refuse = place.owner.refuse::<FTeid>();
        let interface = match known {
            Some(tunnel) => self.topology.interface(tunnel.interface),
            None => place.interface(self.topology),
        };
        let interface = interface.ok_or(refuse.cause(Cause::INVALID_F_TEID_ALLOCATION_OPTION))?;
        let answer = addresses(interface, ipv4, ipv6);
        let answer = answer.ok_or(refuse.cause(Cause::INVALID_F_TEID_ALLOCATION_OPTION))?;
        let interface = interface.id;
        let tunnel = match known {
            Some(tunnel) => tunnel,
            None => self
                .choose(choose_id, interface)
                .ok_or(refuse.cause(Cause::NO_RESOURCES_AVAILABLE))?,
        };
        self.created(place.owner).f_teid = Some(FTeid::Given {
            teid: tunnel.teid.0,
            addresses: answer,
        });
        Ok(tunnel)
    }

    /// What the answer tells of a PDR or endpoint.
    pub(super) fn created(&mut self, owner: Owner) -> &mut Created {
        let created = &mut self.draft.created;
        let there = created.iter().position(|created| created.owner == owner);
        let at = there.unwrap_or_else(|| {
            created.push(Created {
                owner,
                f_teid: None,
                ue_ip_addresses: Vec::new(),
            });
            created.len() - 1
        });
        #[allow(clippy::indexing_slicing, reason = "it was found or pushed there")]
        &mut created[at]
    }

    fn choose(&mut self, choose_id: Option<u8>, interface: InterfaceId) -> Option<LocalFTeid> {
        let teid = self.publisher.choose_teid(self.worker)?;
        self.draft.taken.push(teid);
        let tunnel = LocalFTeid { teid, interface };
        self.draft.details.chosen.push(Chosen { choose_id, tunnel });
        Some(tunnel)
    }

    /// Framed-Route and Framed-IPv6-Route, in a form that two PDIs with the same routes share.
    pub(super) fn framed_routes(
        &self,
        owner: Owner,
        ipv4: &[pfcp::FramedRoute],
        ipv6: &[pfcp::FramedIpv6Route],
    ) -> Result<Option<Box<FramedRoutes>>, Refusal> {
        if ipv4.is_empty() && ipv6.is_empty() {
            return Ok(None);
        }
        if ipv4.len() + ipv6.len() > self.framed_routes_max {
            let refuse = owner.refuse::<pfcp::FramedRoute>();
            return Err(refuse.cause(Cause::NO_RESOURCES_AVAILABLE));
        }
        let v4 = ipv4.iter().map(|ie| {
            let net = framed_ipv4(&ie.0).map(IpNet::V4);
            net.filter(|net| self.may_be_framed(net))
                .ok_or(owner.refuse::<pfcp::FramedRoute>())
        });
        let v6 = ipv6.iter().map(|ie| {
            let net = framed_ipv6(&ie.0).map(IpNet::V6);
            net.filter(|net| self.may_be_framed(net))
                .ok_or(owner.refuse::<pfcp::FramedIpv6Route>())
        });
        let mut routes: Vec<IpNet> = v4.chain(v6).collect::<Result<_, _>>()?;
        routes.sort_unstable();
        routes.dedup();
        Ok(Some(Box::new(FramedRoutes(routes))))
    }

    /// Whether a network may lie behind a UE: not all there is, no special addresses, none of ours.
    fn may_be_framed(&self, net: &IpNet) -> bool {
        let address = net.network();
        let mut interfaces = self.topology.interfaces.iter();
        net.prefix_len() > 0
            && !address.is_unspecified()
            && !address.is_multicast()
            && !address.is_loopback()
            && !interfaces.any(|interface| {
                let mut own = interface.addresses.iter();
                own.any(|own| net.contains(&own.addr()))
            })
    }
}

/// The addresses of an F-TEID: those of the families asked for, or of all families; `None` if
/// the interface has none of them.
fn addresses(interface: &Interface, ipv4: bool, ipv6: bool) -> Option<Addresses> {
    let any = !ipv4 && !ipv6;
    let addresses = || interface.addresses.iter().map(IpNet::addr);
    let v4 = addresses().find_map(|address| match address {
        IpAddr::V4(address) if ipv4 || any => Some(address),
        _ => None,
    });
    let v6 = addresses().find_map(|address| match address {
        IpAddr::V6(address) if ipv6 || any => Some(address),
        _ => None,
    });
    Addresses::new(v4, v6)
}

/// The prefix of a Framed-Route: "prefix/len gateway metric …" (RFC 2865, 5.22). Without a length
/// it has that of its class.
fn framed_ipv4(text: &Octets) -> Option<Ipv4Net> {
    let prefix = text.as_str()?.split_ascii_whitespace().next()?;
    let net = prefix.parse().ok().or_else(|| {
        let address: Ipv4Addr = prefix.parse().ok()?;
        let length = match address.octets() {
            [0..=127, ..] => 8,
            [128..=191, ..] => 16,
            _ => 24,
        };
        Ipv4Net::new(address, length).ok()
    });
    net.map(|net| net.trunc())
}

/// The prefix of a Framed-IPv6-Route (RFC 3162, 2.5).
fn framed_ipv6(text: &Octets) -> Option<Ipv6Net> {
    let prefix = text.as_str()?.split_ascii_whitespace().next()?;
    let net: Ipv6Net = prefix.parse().ok()?;
    Some(net.trunc())
}
