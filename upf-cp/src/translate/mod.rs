//! From PFCP to rules: the one place that turns `pfcp::CreatePdr` and its kin into
//! [`session::Pdr`] and its kin. What cannot be carried out is refused here, with the IE and the
//! rule at fault.

mod bar;
mod declared;
mod endpoint;
mod ethernet;
mod far;
mod filter;
mod lease;
mod pdr;
mod place;
mod predefined;
mod qer;
mod urr;

use pfcp::FailedRuleId;
use session::ethernet::EthernetFilter;
use session::neighbour::NextHop;
use session::plan::Compiled;
use session::rule::LocalFTeid;
use session::sdf::SdfFilter;
use session::topology::Topology;
use session::{Epoch, FarId, InterfaceId, PdrId, Publisher, Qfi, Rules, Teid, WorkerId};
use smallvec::SmallVec;

use crate::applications::Applications;
use crate::association::PeerId;
use crate::config::Slice;
use crate::inactivity::Inactivity;
use crate::next_hops::NextHops;
use crate::refusal::Refusal;
use crate::settling::Leaving;
use crate::ue_pool::{Lease, UePools};
use crate::usage::{Reading, UrrControl};

pub(crate) use place::{Created, Owner};
pub(crate) use predefined::Predefined;
pub(crate) use urr::arm;

use declared::Declared;
use endpoint::Endpoint;

/// How many flows of a session the CP function is told of later at most.
const NOTICES_MAX: usize = 64;

/// A notice is due when the CP function is heard of again.
pub(crate) const WHEN_HEARD: u64 = u64::MAX;

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
    /// What few sessions have.
    rare: Option<Box<Rare>>,
}

impl Details {
    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Notes that the CP function is to be told later.
    pub(crate) fn note(&mut self, notice: Notice) {
        let notices = &mut self.rare().notices;
        let same = |there: &&Notice| (there.far, there.qfi) == (notice.far, notice.qfi);
        if !notices.iter().any(|there| same(&there)) && notices.len() < NOTICES_MAX {
            notices.push(notice);
        }
    }

    /// Takes out what the CP function is to be told by now.
    pub(crate) fn notices_due(&mut self, now_ms: u64) -> Vec<Notice> {
        self.take_notices(|notice| notice.at_ms <= now_ms)
    }

    /// Takes out what the CP function is to be told now that it is heard of.
    pub(crate) fn take_untold(&mut self) -> Vec<Notice> {
        self.take_notices(|notice| notice.at_ms == WHEN_HEARD)
    }

    fn take_notices(&mut self, which: impl Fn(&Notice) -> bool) -> Vec<Notice> {
        let Some(rare) = self.rare.as_deref_mut() else {
            return Vec::new();
        };
        let (taken, later) = rare.notices.drain(..).partition(which);
        rare.notices = later;
        taken
    }

    /// When the CP function is to be told next.
    pub(crate) fn next_notice_ms(&self) -> Option<u64> {
        let notices = &self.rare.as_deref()?.notices;
        let times = notices.iter().map(|notice| notice.at_ms);
        times.filter(|at_ms| *at_ms != WHEN_HEARD).min()
    }

    /// Whether the CP function is to be told something when it is heard of again.
    pub(crate) fn is_untold(&self) -> bool {
        let rare = self.rare.as_deref();
        let mut notices = rare.into_iter().flat_map(|rare| &rare.notices);
        notices.any(|notice| notice.at_ms == WHEN_HEARD)
    }

    /// Nothing is held any more that the CP function would have to be told of.
    pub(crate) fn forget_notices(&mut self) {
        if let Some(rare) = self.rare.as_deref_mut() {
            rare.notices.clear();
        }
    }

    /// The slice of the session.
    fn slice(&self) -> Option<Slice> {
        self.rare.as_deref()?.slice
    }

    pub(crate) fn set_slice(&mut self, slice: Slice) {
        self.rare().slice = Some(slice);
    }

    /// Whether packets are watched for.
    pub(crate) fn inactivity(&self) -> Option<Inactivity> {
        self.rare.as_deref()?.inactivity
    }

    pub(crate) fn set_inactivity(&mut self, timer: Option<Inactivity>) {
        if timer.is_some() || self.rare.is_some() {
            self.rare().inactivity = timer;
        }
    }

    /// Whether a deadline for stations that fall silent is to be set: if none that is set comes
    /// sooner.
    pub(crate) fn stations_wait_until(&mut self, at_ms: u64) -> bool {
        let set = &mut self.rare().stations_ms;
        let sooner = set.is_none_or(|set| at_ms < set);
        if sooner {
            *set = Some(at_ms);
        }
        sooner
    }

    /// The deadline of [`stations_wait_until`](Self::stations_wait_until) has come.
    pub(crate) fn stations_waited(&mut self) {
        if let Some(rare) = self.rare.as_deref_mut() {
            rare.stations_ms = None;
        }
    }

    /// What the session has of address pools.
    pub(crate) fn leases(&self) -> &[Lease] {
        self.rare.as_deref().map_or(&[], |rare| &rare.leases)
    }
}

/// What few sessions have: it costs the others a pointer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rare {
    endpoints: Vec<Endpoint>,
    /// PDRs that stand for several, or for none at times.
    declared: Vec<Declared>,
    leases: SmallVec<[Lease; 1]>,
    /// The deadline that is set for PDRs that wake or fall asleep.
    timer_ms: Option<u64>,
    /// Of what is held, and the CP function shall hear later.
    pub(crate) notices: Vec<Notice>,
    inactivity: Option<Inactivity>,
    /// The deadline that is set for stations that fall silent.
    stations_ms: Option<u64>,
    /// The slice, where it says which addresses the session has.
    slice: Option<Slice>,
}

/// A flow of which a packet is held, and when the CP function is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) at_ms: u64,
    pub(crate) pdr: PdrId,
    pub(crate) far: FarId,
    pub(crate) qfi: Option<Qfi>,
    pub(crate) tos: u8,
}

impl Rare {
    fn is_empty(&self) -> bool {
        self.endpoints.is_empty()
            && self.declared.is_empty()
            && self.leases.is_empty()
            && self.notices.is_empty()
            && self.inactivity.is_none()
            && self.stations_ms.is_none()
            && self.slice.is_none()
    }
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
    /// Those of an application, as its PFDs are now.
    Application(Box<pfcp::Octets>),
}

/// A session as it will be, if all goes well.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) rules: Rules,
    pub(crate) details: Details,
    /// PDRs and traffic endpoints that left something to us, and what was chosen.
    pub(crate) created: SmallVec<[Created; 2]>,
    /// TEIDs that were taken for this draft, to be given back if it comes to nothing.
    pub(crate) taken: SmallVec<[Teid; 2]>,
    /// Next hops that are in use for this draft, until it has come to nothing or is in force.
    pub(crate) next_hops: SmallVec<[NextHop; 1]>,
    /// Addresses that were taken for this draft, likewise.
    pub(crate) leased: SmallVec<[Lease; 1]>,
    /// Addresses that nothing of the session has any more once it is in force.
    pub(crate) let_go: SmallVec<[Lease; 1]>,
    /// What the counters stand at of URRs that are to change.
    pub(crate) readings: Vec<(session::UrrId, Reading)>,
    /// There is new quota for packets that may be held for want of it.
    pub(crate) releases: bool,
    /// FARs whose old tunnel gets an end marker.
    pub(crate) end_markers: Vec<FarId>,
    /// SDF filters that this message has defined.
    pub(crate) defined: Vec<u32>,
    /// Ethernet packet filters with an id that this message has defined.
    pub(crate) ethernet_filters: Vec<EthernetFilter>,
    /// Predefined URRs that nothing refers to any more, for their last reports.
    pub(crate) ended_urrs: Vec<UrrControl>,
    /// URRs that will count no more.
    pub(crate) leaving: Leaving,
    /// What the rules were compiled to. It stands here because it is too large to be moved about.
    pub(crate) compiled: Compiled,
    /// When that is in force; `None` if no rule has changed.
    pub(crate) published: Option<Epoch>,
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
    pub(crate) next_hops: &'a mut NextHops,
    pub(crate) publisher: &'a mut Publisher,
    pub(crate) applications: &'a Applications,
    pub(crate) predefined: &'a Predefined,
    pub(crate) ue_pools: &'a mut UePools,
    pub(crate) worker: WorkerId,
    /// Whose session it is.
    pub(crate) peer: PeerId,
    /// The most framed routes of a PDI, and the most traffic endpoints and URRs of a session.
    pub(crate) framed_routes_max: usize,
    pub(crate) endpoints_max: usize,
    pub(crate) urrs_max: usize,
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

    /// Brings the draft in order once all rules are in it: shared filters, traffic endpoints,
    /// predefined rules, the UE's addresses, F-TEIDs that nothing has any more.
    pub(crate) fn settle(&mut self) -> Result<(), Refusal> {
        self.settle_filters()?;
        self.settle_ethernet_filters();
        self.unfold()?;
        self.settle_predefined()?;
        self.settle_networks()?;
        self.settle_addresses()?;
        self.settle_tunnels();
        self.settle_bars();
        self.settle_leases();
        Ok(())
    }

    /// A UE has one address of each family.
    fn settle_addresses(&mut self) -> Result<(), Refusal> {
        let rules = &mut self.draft.rules;
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
        Ok(())
    }

    fn settle_tunnels(&mut self) {
        let Draft {
            rules,
            details,
            taken,
            ..
        } = &mut *self.draft;
        details.chosen.retain(|chosen| {
            let tunnel = chosen.tunnel;
            rules.held().contains(&tunnel)
                || rules
                    .pdrs
                    .iter()
                    .any(|pdr| pdr.pdi.local_f_teid == Some(tunnel))
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
    }
}
