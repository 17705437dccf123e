//! From PFCP to rules: the one place that turns `pfcp::CreatePdr` and its kin into
//! [`session::Pdr`] and its kin. What cannot be carried out is refused here, with the IE and the
//! rule at fault.

mod far;
mod pdr;
mod qer;
mod urr;

use std::net::IpAddr;

use pfcp::{Cause, FTeid, FailedRuleId, InterfaceType};
use session::neighbour::Neighbours;
use session::rule::{LocalFTeid, SourceInterface};
use session::sdf::SdfFilter;
use session::topology::{Interface, Role, Topology};
use session::{InterfaceId, PdrId, Publisher, Rules, Teid, WorkerId};
use smallvec::SmallVec;

use crate::refusal::Refusal;
use crate::usage::UrrControl;

pub(crate) use urr::arm;

/// What a session has besides its [`Rules`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Details {
    /// The N6 interface of its data network, for rules that name none.
    pub(crate) network: Option<InterfaceId>,
    /// Local F-TEIDs that were chosen here.
    pub(crate) chosen: SmallVec<[Chosen; 2]>,
    /// SDF filters by SDF Filter ID: other PDRs refer to them by the id alone.
    filters: Vec<(u32, SdfFilter)>,
    /// The filters of those PDRs that have any with an id.
    named: Vec<(PdrId, Vec<Filter>)>,
    /// URRs with their thresholds and timers.
    pub(crate) urrs: Vec<UrrControl>,
}

/// A local F-TEID that was chosen here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// Equal CHOOSE IDs of a session share one F-TEID, for as long as a PDR has it.
    pub(crate) choose_id: Option<u8>,
    pub(crate) tunnel: LocalFTeid,
}

/// An SDF filter of a PDR.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Filter {
    Own(Box<SdfFilter>),
    Named(u32),
}

/// A session as it will be, if all goes well.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) rules: Rules,
    pub(crate) details: Details,
    /// PDRs whose F-TEID was left to us, and what it is.
    pub(crate) created: SmallVec<[(PdrId, FTeid); 2]>,
    /// TEIDs that were taken for this draft, to be given back if it comes to nothing.
    pub(crate) taken: SmallVec<[Teid; 2]>,
    /// FARs whose old tunnel gets an end marker.
    pub(crate) end_markers: Vec<session::FarId>,
}

impl Draft {
    /// Exactly the room that the rules of a new session take: it is kept for as long as they are.
    pub(crate) fn make_room(&mut self, request: &pfcp::SessionEstablishmentRequest) {
        self.rules.pdrs.reserve_exact(request.create_pdrs.len());
        self.rules.fars.reserve_exact(request.create_fars.len());
        self.rules.qers.reserve_exact(request.create_qers.len());
        self.rules.urrs.reserve_exact(request.create_urrs.len());
        self.details.urrs.reserve_exact(request.create_urrs.len());
    }
}

/// Fills a draft from the IEs of a request.
#[derive(Debug)]
pub(crate) struct Translator<'a> {
    pub(crate) topology: &'a Topology,
    pub(crate) neighbours: &'a Neighbours,
    pub(crate) publisher: &'a mut Publisher,
    pub(crate) worker: WorkerId,
    pub(crate) now: crate::event::Now,
    pub(crate) draft: &'a mut Draft,
}

/// A check for IEs that change what happens to packets in ways that this UPF does not do:
/// `unsupported!(rule, ie.field => Type, …)`.
macro_rules! unsupported {
    ($rule:expr, $($there:expr => $ie:ty),* $(,)?) => {
        $( if $crate::translate::Present::is_present(&$there) {
            return Err($crate::refusal::Refusal::rule::<$ie>($rule));
        } )*
    };
}
use unsupported;

/// Whether an optional part of a message says something.
pub(crate) trait Present {
    fn is_present(&self) -> bool;
}
impl<T> Present for Option<T> {
    fn is_present(&self) -> bool {
        self.is_some()
    }
}
impl<T> Present for Vec<T> {
    fn is_present(&self) -> bool {
        !self.is_empty()
    }
}
/// To remove what cannot have been there does no harm.
impl<T> Present for pfcp::Update<T> {
    fn is_present(&self) -> bool {
        self.set().is_some()
    }
}

impl Translator<'_> {
    /// The N6 interface of a data network: the one that is named; else that of the session; else
    /// the only one there is, if nothing is named. A name that nobody knows is not the only
    /// network's.
    fn network(&self, name: Option<&str>) -> Option<InterfaceId> {
        let named = name.and_then(|name| self.topology.network(name));
        let known = named
            .map(|network| network.interface)
            .or(self.draft.details.network);
        match self.topology.networks.as_slice() {
            [only] if name.is_none() => known.or(Some(only.interface)),
            _ => known,
        }
    }

    /// The local F-TEID that a PDI asks for.
    fn local_f_teid(
        &mut self,
        pdr: PdrId,
        f_teid: &FTeid,
        place: &Place<'_>,
    ) -> Result<LocalFTeid, Refusal> {
        let rule = FailedRuleId::Pdr(pdr.0.into());
        match *f_teid {
            FTeid::Given { teid, ipv4, ipv6 } => {
                let bad = Refusal::rule::<FTeid>(rule).cause(Cause::MANDATORY_IE_INCORRECT);
                let addresses = ipv4.map(IpAddr::V4).into_iter().chain(ipv6.map(IpAddr::V6));
                let mut interface = None;
                for address in addresses {
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
            } => {
                let known = choose_id.and_then(|id| {
                    let chosen = &self.draft.details.chosen;
                    chosen
                        .iter()
                        .find(|chosen| chosen.choose_id == Some(id))
                        .map(|c| c.tunnel)
                });
                let refuse = Refusal::rule::<FTeid>(rule);
                let place = match known {
                    Some(tunnel) => self.topology.interface(tunnel.interface),
                    None => place.interface(self.topology),
                };
                let place = place.ok_or(refuse.cause(Cause::INVALID_F_TEID_ALLOCATION_OPTION))?;
                let answer = addresses(place, ipv4, ipv6);
                let answer = answer.ok_or(refuse.cause(Cause::INVALID_F_TEID_ALLOCATION_OPTION))?;
                let (interface, (ipv4, ipv6)) = (place.id, answer);
                let tunnel = match known {
                    Some(tunnel) => tunnel,
                    None => self
                        .choose(choose_id, interface)
                        .ok_or(refuse.cause(Cause::NO_RESOURCES_AVAILABLE))?,
                };
                self.draft.created.push((
                    pdr,
                    FTeid::Given {
                        teid: tunnel.teid.0,
                        ipv4,
                        ipv6,
                    },
                ));
                Ok(tunnel)
            }
        }
    }

    fn choose(&mut self, choose_id: Option<u8>, interface: InterfaceId) -> Option<LocalFTeid> {
        let teid = self.publisher.choose_teid(self.worker)?;
        self.draft.taken.push(teid);
        let tunnel = LocalFTeid { teid, interface };
        self.draft.details.chosen.push(Chosen { choose_id, tunnel });
        Some(tunnel)
    }

    /// Brings the draft in order once all rules are in it: shared filters, the UE's addresses,
    /// F-TEIDs that no PDR has any more.
    pub(crate) fn settle(&mut self) -> Result<(), Refusal> {
        self.settle_filters()?;
        let Draft {
            rules,
            details,
            taken,
            ..
        } = &mut *self.draft;
        rules.ue = session::plan::ue_of(&rules.pdrs);
        for pdr in &rules.pdrs {
            let Some(ue) = pdr.pdi.ue else { continue };
            let strange = (ue.ipv4.is_some() && ue.ipv4 != rules.ue.ipv4)
                || (ue.ipv6.is_some() && ue.ipv6 != rules.ue.ipv6);
            if strange {
                return Err(Refusal::rule::<pfcp::UeIpAddress>(FailedRuleId::Pdr(
                    pdr.id.0.into(),
                )));
            }
        }
        details.chosen.retain(|chosen| {
            rules
                .pdrs
                .iter()
                .any(|pdr| pdr.pdi.local_f_teid == Some(chosen.tunnel))
        });
        // Chosen and dropped again in one message: never published, so back it goes.
        taken.retain(|teid| {
            let chosen = &details.chosen;
            let is_used = chosen.iter().any(|chosen| chosen.tunnel.teid == *teid);
            if !is_used {
                self.publisher.return_teid(*teid);
            }
            is_used
        });
        Ok(())
    }
}

/// The addresses of an F-TEID: those of the families asked for, or of all families; `None` if
/// the interface has none of them.
fn addresses(
    interface: &Interface,
    ipv4: bool,
    ipv6: bool,
) -> Option<(Option<std::net::Ipv4Addr>, Option<std::net::Ipv6Addr>)> {
    let any = !ipv4 && !ipv6;
    let addresses = || interface.addresses.iter().map(ipnet::IpNet::addr);
    let v4 = addresses().find_map(|address| match address {
        IpAddr::V4(address) if ipv4 || any => Some(address),
        _ => None,
    });
    let v6 = addresses().find_map(|address| match address {
        IpAddr::V6(address) if ipv6 || any => Some(address),
        _ => None,
    });
    (v4.is_some() || v6.is_some()).then_some((v4, v6))
}

/// What a PDI says about where its tunnel ends.
#[derive(Debug)]
struct Place<'a> {
    source: SourceInterface,
    network_instance: Option<&'a str>,
    kind: Option<InterfaceType>,
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
