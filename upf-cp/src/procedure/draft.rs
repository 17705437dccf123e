//! What establishment and modification have in common: a draft that is filled, compiled and
//! published, or given up without a trace.

use std::sync::Arc;

use pfcp::{
    Cause, CreatePdr, CreatedPdr, CreatedTrafficEndpoint, FailedRuleId,
    SessionEstablishmentRequest, TrafficEndpointId, UpdatedPdr,
};
use session::limit::Limits;
use session::plan::{Compiled, Context, Installed};
use session::report::Command;
use session::rule::Action;
use session::topology::Network;
use session::{Epoch, Far, Key, PublishError, Publisher, Rules, SessionIndex, WorkerId};

use crate::association::PeerId;
use crate::config::Slice;
use crate::counters::Limit;
use crate::node::Node;
use crate::refusal::Refusal;
use crate::sessions::{CpFSeid, Session};
use crate::timer::{Deadline, Timer};
use crate::translate::{Draft, Owner, Translator, arm};
use crate::ue_pool::Lease;

impl Node {
    pub(crate) fn translator<'a>(
        &'a mut self,
        (worker, peer): (WorkerId, PeerId),
        draft: &'a mut Draft,
    ) -> Translator<'a> {
        Translator {
            topology: &self.topology,
            next_hops: &mut self.sessions.gtpu_peers.next_hops,
            publisher: &mut self.publisher,
            applications: &self.applications,
            predefined: &self.predefined,
            ue_pools: &mut self.ue_pools,
            framed_routes_max: self.config.limits.framed_routes_per_pdr,
            endpoints_max: self.config.limits.traffic_endpoints_per_session,
            urrs_max: self.config.limits.urrs_per_session,
            now: self.now,
            worker,
            peer,
            draft,
        }
    }

    /// What the rules of a peer's session are compiled with.
    pub(crate) fn context(
        &self,
        session: SessionIndex,
        (owner, peer): (WorkerId, PeerId),
    ) -> Context {
        Context {
            smf: self.peers.get(peer).map_or(0, |peer| peer.number),
            session,
            owner,
            hz: self.config.hz,
            burst: self.config.burst,
            buffer_packets: self.config.buffer_packets,
        }
    }

    /// Keeps the slice of a session, where it says which addresses it has.
    pub(crate) fn note_slice(&self, draft: &mut Draft, slice: Option<&pfcp::SNssai>) {
        if let Some(slice) = slice.filter(|_| self.ue_pools.are_sliced()) {
            draft.details.set_slice(Slice::new(slice));
        }
    }

    /// Gives back what a draft took.
    pub(crate) fn give_up(&mut self, draft: &mut Draft) {
        for teid in &draft.taken {
            self.publisher.return_teid(*teid);
        }
        self.release_addresses(&draft.leased);
        self.release_next_hops(draft);
    }

    /// What a draft used of next hops: by now its session does, if it is in force.
    pub(crate) fn release_next_hops(&mut self, draft: &mut Draft) {
        for hop in draft.next_hops.drain(..) {
            self.sessions.gtpu_peers.next_hops.release(hop);
        }
    }

    /// Gives UE addresses back to their pools.
    pub(crate) fn release_addresses(&mut self, leases: &[Lease]) {
        for lease in leases {
            self.ue_pools.release(*lease);
        }
    }

    /// Takes a session out of force, and out of all tables.
    pub(crate) fn end_session(&mut self, index: SessionIndex) -> Option<(Box<Session>, Epoch)> {
        let session = self.forget_session(index)?;
        let epoch = self.publisher.withdraw(index, &session.installed.keys());
        Some((session, epoch))
    }

    /// Forgets a session that another one comes in the place of, or nothing.
    pub(crate) fn forget_session(&mut self, index: SessionIndex) -> Option<Box<Session>> {
        let session = self.sessions.remove(index)?;
        if let Some(peer) = self.peers.get_mut(session.peer) {
            peer.sessions.remove(&index);
        }
        // Most sessions hold nothing, and workers need not hear of each.
        if may_hold(&session.installed.rules) {
            self.command(session.worker, Command::Discard { session: index });
        }
        self.sets.forget(index);
        self.timers.forget(index);
        self.release_addresses(session.details.leases());
        self.counters.ended += 1;
        self.log_session(&session, "ended");
        Some(session)
    }

    /// Arms the counters of a session's URRs, and the timer for the first that is due.
    pub(crate) fn arm_usage(&mut self, index: SessionIndex) {
        let now = self.now;
        let Some(session) = self.sessions.get_mut(index) else {
            return;
        };
        let installed = &session.installed;
        arm(&session.details.urrs, |urr| installed.usage(urr));
        let deadlines = session
            .details
            .urrs
            .iter()
            .filter_map(|urr| urr.deadline_ms(now));
        if let Some(at) = deadlines.min()
            && session.timer_ms.is_none_or(|set| at < set)
        {
            session.timer_ms = Some(at);
            self.timers
                .set(at, Timer::Session(index, session.seid, Deadline::Usage));
        }
    }

    /// The F-SEID that a CP function gives: its SEID, and an address we can send to.
    pub(crate) fn cp_f_seid(&self, f_seid: &pfcp::FSeid) -> Result<CpFSeid, Refusal> {
        let bad = Refusal::ie::<pfcp::FSeid>(Cause::MANDATORY_IE_INCORRECT);
        let address = f_seid.addresses.of_family(self.config.address.is_ipv4());
        // Reports go there: not to anybody who could not be a peer.
        let address = address.filter(|address| self.may_be_peer(*address));
        let address = address.ok_or(bad)?;
        if f_seid.seid == 0 {
            return Err(bad);
        }
        Ok(CpFSeid {
            seid: f_seid.seid,
            address,
        })
    }

    /// Whether a CP function may be at an address.
    pub(crate) fn may_be_peer(&self, address: std::net::IpAddr) -> bool {
        !address.is_unspecified() && !address.is_multicast() && self.config.allows(address)
    }

    /// Whether a session may have so many rules.
    pub(crate) fn check_counts(&self, draft: &Draft) -> Result<(), Refusal> {
        let limits = &self.config.limits;
        let rules = &draft.rules;
        let counts = [
            (rules.pdrs.len(), limits.pdrs_per_session),
            (rules.fars.len(), limits.fars_per_session),
            (rules.qers.len(), limits.qers_per_session),
            (rules.urrs.len(), limits.urrs_per_session),
        ];
        check_counts(&counts)
    }

    /// A peer whose session messages come from that address, too.
    pub(crate) fn learn_address(&mut self, peer: PeerId, cp: CpFSeid) {
        self.peers.also_at(peer, cp.address);
    }
}

/// Whether packets of a session may be held: when they are no more, they are let go at once.
fn may_hold(rules: &Rules) -> bool {
    let holds = |far: &Far| matches!(far.action, Action::Buffer { .. });
    rules.fars.iter().any(holds)
}

/// Refuses what goes over a limit, before anything is done about it.
pub(crate) fn check_counts(counts: &[(usize, usize)]) -> Result<(), Refusal> {
    if counts.iter().any(|(count, limit)| count > limit) {
        return Err(Refusal::limit(Limit::Rules));
    }
    Ok(())
}

/// Compiles a draft in place of `old`. The draft's rules go over into what is installed.
pub(crate) fn compile(
    old: &Installed,
    draft: &mut Draft,
    context: &Context,
) -> Result<(), Refusal> {
    let chosen = &draft.details.chosen;
    let is_chosen = |tunnel: &_| chosen.iter().any(|chosen| chosen.tunnel == *tunnel);
    let rules = std::mem::take(&mut draft.rules);
    old.compile_into(rules, context, is_chosen, &mut draft.compiled)
        .map_err(Refusal::compile)
}

/// `restoring`: the SMF re-establishes a session (RESTI).
fn refused(error: PublishError, installed: &Installed, restoring: bool) -> Refusal {
    let (cause, key) = match error {
        PublishError::Taken(key) if restoring => (Cause::RESTORATION_FAILURE, key),
        PublishError::Taken(key) => (Cause::RULE_CREATION_MODIFICATION_FAILURE, key),
        PublishError::Full(key) => (Cause::NO_RESOURCES_AVAILABLE, key),
        PublishError::Busy => return Refusal::new(Cause::NO_RESOURCES_AVAILABLE),
    };
    Refusal::key(cause, key, rule_of(installed, key))
}

/// Publishes what was compiled; what remains of it is for the control side.
pub(crate) fn publish(
    publisher: &mut Publisher,
    session: SessionIndex,
    draft: &mut Draft,
    restoring: bool,
) -> Result<(), Refusal> {
    let Compiled {
        installed,
        plan,
        keys,
    } = &mut draft.compiled;
    // Old plans go as new ones come, not only when sessions do.
    publisher.reclaim();
    let published = publisher.publish(session, std::mem::take(plan), keys);
    let epoch = published.map_err(|error| refused(error, installed, restoring))?;
    draft.published = Some(epoch);
    Ok(())
}

/// The first PDR that needs a key.
fn rule_of(installed: &Installed, key: Key) -> Option<FailedRuleId> {
    let pdr = installed.rules.pdrs.iter().find(|pdr| match key {
        Key::Tunnel(tunnel) => pdr.pdi.local_f_teid == Some(tunnel),
        Key::Ipv4(..) | Key::Ipv6(..) | Key::Station(..) | Key::Member(..) => {
            pdr.pdi.local_f_teid.is_none()
        }
        Key::Route(_, route) => {
            let framed = pdr.pdi.framed.as_deref();
            pdr.pdi.local_f_teid.is_none() && framed.is_some_and(|set| set.0.contains(&route))
        }
    });
    pdr.map(|pdr| FailedRuleId::Pdr(pdr.id.0.into()))
}

/// What was left to us, as an answer tells it.
#[derive(Debug, Default)]
pub(crate) struct Answered {
    pub(crate) created_pdrs: Vec<CreatedPdr>,
    pub(crate) updated_pdrs: Vec<UpdatedPdr>,
    pub(crate) created_endpoints: Vec<CreatedTrafficEndpoint>,
}

impl From<&Draft> for Answered {
    fn from(draft: &Draft) -> Self {
        let mut answered = Self::default();
        for created in &draft.created {
            let local_f_teids = created.f_teid.into_iter().collect();
            let ue_ip_addresses = created.ue_ip_addresses.clone();
            match created.owner {
                Owner::Pdr(id) => answered.created_pdrs.push(CreatedPdr {
                    pdr_id: id.0.into(),
                    local_f_teids,
                    ue_ip_addresses,
                    ..Default::default()
                }),
                Owner::UpdatedPdr(id) => answered.updated_pdrs.push(UpdatedPdr {
                    pdr_id: id.0.into(),
                    local_f_teids,
                    ue_ip_addresses,
                    ..Default::default()
                }),
                Owner::Endpoint(id) => answered.created_endpoints.push(CreatedTrafficEndpoint {
                    traffic_endpoint_id: TrafficEndpointId(id),
                    local_f_teids,
                    ue_ip_addresses,
                    ..Default::default()
                }),
            }
        }
        answered
    }
}

/// The data network of a session: of its DNN, else of the first Network Instance that names one.
pub(crate) fn network_of(
    node: &Node,
    request: &SessionEstablishmentRequest,
) -> Option<session::InterfaceId> {
    named_network(node, request).map(|network| network.interface)
}

fn named_network<'a>(node: &'a Node, request: &SessionEstablishmentRequest) -> Option<&'a Network> {
    let network = |name: Option<pfcp::Name>| node.topology.network(&name?);
    let named = |pdr: &CreatePdr| network(pdr.pdi.network_instance.as_ref()?.name());
    let dnn = network(request.apn_dnn.as_ref().and_then(pfcp::ApnDnn::name));
    dnn.or_else(|| request.create_pdrs.iter().find_map(named))
}

impl Node {
    /// What the operator limits a session to. Where nothing names a data network, the only one is
    /// its own.
    pub(crate) fn limits_of(
        &mut self,
        request: &SessionEstablishmentRequest,
    ) -> Option<Arc<Limits>> {
        if self.limiting.is_empty() {
            return None;
        }
        let only = || match self.topology.networks.as_slice() {
            [only] => Some(only),
            _ => None,
        };
        let network = named_network(self, request).or_else(only);
        let name = network.map(|network| network.name.clone());
        self.limiting.of(name.as_deref(), request.s_nssai.as_ref())
    }
}
