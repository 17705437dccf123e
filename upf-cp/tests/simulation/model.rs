//! What a session amounts to by the letter of the requests that were accepted: a second reading of
//! TS 29.244, naive on purpose, to hold the node's rules against.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use pfcp::{
    ApplyAction, CreateFar, CreatePdr, CreateQer, CreatedPdr, FTeid, FailedRuleId, NonEmpty, Pdi,
    PfcpSmReqFlags, SessionEstablishmentRequest, SessionModificationRequest, SourceInterface,
    Update, UpdateFar, UpdatePdr,
};
use session::rule::{Action, DestinationInterface, Gate};
use session::sdf::{FlowDescription, SdfFilter};

/// A session's rules, as far as they can be told from outside.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Content {
    pub pdrs: BTreeMap<u16, Pdr>,
    pub fars: BTreeMap<u32, Far>,
    pub qers: BTreeMap<u32, Qer>,
    pub urrs: BTreeSet<u32>,
    pub bars: BTreeMap<u8, Option<u8>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pdr {
    pub precedence: u32,
    pub source: u8,
    pub teid: Option<u32>,
    pub ue: BTreeSet<IpNet>,
    pub qfis: Vec<u8>,
    pub filters: Vec<Filter>,
    pub removal: bool,
    pub far: u32,
    pub qers: Vec<u32>,
    pub urrs: Vec<u32>,
}

/// An SDF filter: what it says, or the id under which another PDR says it.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    Says(Box<SdfFilter>),
    Named(u32),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Far {
    pub action: ApplyAction,
    /// Destination Interface, and the tunnel behind it.
    pub to: Option<(u8, Option<(u32, IpAddr)>)>,
    pub bar: Option<u8>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Qer {
    pub open: (bool, bool),
    pub mbr: Option<(u64, u64)>,
    pub qfi: Option<u8>,
}

/// Where the UPF's answer has a TEID for a PDR.
pub type Created<'a> = Option<&'a [CreatedPdr]>;

/// What a modification's answer tells of created and of updated PDRs.
pub fn chosen(answer: &pfcp::SessionModificationResponse) -> Vec<CreatedPdr> {
    let updated = answer.updated_pdrs.iter().map(|updated| CreatedPdr {
        pdr_id: updated.pdr_id,
        local_f_teids: updated.local_f_teids.clone(),
        ..Default::default()
    });
    answer.created_pdrs.iter().cloned().chain(updated).collect()
}

/// Why a request contradicts itself, or what is there.
pub type Fault = String;

/// A session by what was accepted.
#[derive(Clone, Debug, Default)]
pub struct Model {
    pub content: Content,
    /// CHOOSE ID, and the TEID it stands for while a PDR has it.
    choose: BTreeMap<u8, u32>,
    filters: BTreeMap<u32, SdfFilter>,
    /// TEIDs for requests that will be refused, and have none.
    dummy: u32,
}

fn absent(what: &str, id: impl std::fmt::Display) -> Fault {
    format!("{what} {id} is not there")
}

fn twice(what: &str, id: impl std::fmt::Display) -> Fault {
    format!("{what} {id} is there twice")
}

impl Model {
    /// What an establishment makes. Without an answer's `created` TEIDs are made up.
    pub fn establish(
        request: &SessionEstablishmentRequest,
        created: Created<'_>,
    ) -> Result<Self, Fault> {
        let as_modification = SessionModificationRequest {
            create_pdrs: request.create_pdrs.to_vec(),
            create_fars: request.create_fars.to_vec(),
            create_qers: request.create_qers.clone(),
            create_urrs: request.create_urrs.clone(),
            create_bar: request.create_bar.clone(),
            ..Default::default()
        };
        Self::default().modify(&as_modification, created)
    }

    /// The session after a modification.
    pub fn modify(
        &self,
        request: &SessionModificationRequest,
        created: Created<'_>,
    ) -> Result<Self, Fault> {
        one_operation_each(request)?;
        let flags = request.flags.unwrap_or_default();
        if flags.contains(PfcpSmReqFlags::QAURR) && !request.query_urrs.is_empty() {
            return Err("QAURR together with Query URR".to_owned());
        }
        let mut next = self.clone();
        for query in &request.query_urrs {
            if !self.content.urrs.contains(&query.urr_id.0) {
                return Err(absent("URR", query.urr_id.0));
            }
        }
        next.remove(request)?;
        next.create(request)?;
        next.update(request)?;
        let pdis = request.create_pdrs.iter().map(|pdr| &pdr.pdi);
        let pdis = pdis.chain(
            request
                .update_pdrs
                .iter()
                .filter_map(|pdr| pdr.pdi.as_ref()),
        );
        next.define_filters(&pdis.collect::<Vec<_>>())?;
        for pdr in &request.create_pdrs {
            next.create_pdr(pdr, created)?;
        }
        for pdr in &request.update_pdrs {
            next.update_pdr(pdr, created)?;
        }
        next.settle()?;
        Ok(next)
    }

    /// All that a CHOOSE was answered with belongs to PDRs that asked.
    pub fn teids(&self) -> BTreeSet<u32> {
        let teids = self.content.pdrs.values().filter_map(|pdr| pdr.teid);
        teids.collect()
    }

    /// Taken over from the node, where a damaged request was accepted: what it says is not known.
    pub fn resync(&mut self, content: Content) {
        self.content = content;
    }

    /// The rules with filters in place of their ids.
    pub fn resolved(&self) -> Content {
        let mut content = self.content.clone();
        for pdr in content.pdrs.values_mut() {
            for filter in &mut pdr.filters {
                if let Filter::Named(id) = filter
                    && let Some(says) = self.filters.get(id)
                {
                    *filter = Filter::Says(Box::new(says.clone()));
                }
            }
        }
        content
    }

    fn remove(&mut self, request: &SessionModificationRequest) -> Result<(), Fault> {
        let content = &mut self.content;
        for ie in &request.remove_pdrs {
            let id = ie.pdr_id.0;
            content.pdrs.remove(&id).ok_or_else(|| absent("PDR", id))?;
        }
        for ie in &request.remove_fars {
            let id = ie.far_id.0;
            content.fars.remove(&id).ok_or_else(|| absent("FAR", id))?;
        }
        for ie in &request.remove_urrs {
            let id = ie.urr_id.0;
            if !content.urrs.remove(&id) {
                return Err(absent("URR", id));
            }
            let pdrs = content.pdrs.values_mut();
            pdrs.for_each(|pdr| pdr.urrs.retain(|urr| *urr != id));
        }
        for ie in &request.remove_qers {
            let id = ie.qer_id.0;
            content.qers.remove(&id).ok_or_else(|| absent("QER", id))?;
            let pdrs = content.pdrs.values_mut();
            pdrs.for_each(|pdr| pdr.qers.retain(|qer| *qer != id));
        }
        if let Some(ie) = &request.remove_bar {
            let id = ie.bar_id.0;
            content.bars.remove(&id).ok_or_else(|| absent("BAR", id))?;
            let fars = content.fars.values_mut();
            fars.filter(|far| far.bar == Some(id))
                .for_each(|far| far.bar = None);
        }
        Ok(())
    }

    fn create(&mut self, request: &SessionModificationRequest) -> Result<(), Fault> {
        let content = &mut self.content;
        for ie in &request.create_urrs {
            if !content.urrs.insert(ie.urr_id.0) {
                return Err(twice("URR", ie.urr_id.0));
            }
        }
        for ie in &request.create_qers {
            if content.qers.insert(ie.qer_id.0, qer(ie)).is_some() {
                return Err(twice("QER", ie.qer_id.0));
            }
        }
        if let Some(ie) = &request.create_bar {
            if !content.bars.is_empty() {
                return Err("a second BAR".to_owned());
            }
            let count = ie.suggested_buffering_packets_count.map(|count| count.0);
            content.bars.insert(ie.bar_id.0, count);
        }
        for ie in &request.create_fars {
            if content.fars.insert(ie.far_id.0, far(ie)?).is_some() {
                return Err(twice("FAR", ie.far_id.0));
            }
        }
        Ok(())
    }

    fn update(&mut self, request: &SessionModificationRequest) -> Result<(), Fault> {
        let content = &mut self.content;
        for ie in &request.update_urrs {
            if !content.urrs.contains(&ie.urr_id.0) {
                return Err(absent("URR", ie.urr_id.0));
            }
        }
        for ie in &request.update_qers {
            let id = ie.qer_id.0;
            let qer = content.qers.get_mut(&id).ok_or_else(|| absent("QER", id))?;
            if let Some(gates) = ie.gate_status {
                qer.open = (gates.uplink_open(), gates.downlink_open());
            }
            let rate = |rate: &pfcp::Mbr| (rate.uplink.get(), rate.downlink.get());
            set(&ie.maximum_bitrate, &mut qer.mbr, rate);
            set(&ie.qfi, &mut qer.qfi, |qfi| qfi.get());
        }
        if let Some(ie) = &request.update_bar {
            let id = ie.bar_id.0;
            let bar = content.bars.get_mut(&id).ok_or_else(|| absent("BAR", id))?;
            set(&ie.suggested_buffering_packets_count, bar, |count| count.0);
        }
        for ie in &request.update_fars {
            let id = ie.far_id.0;
            let far = content.fars.get_mut(&id).ok_or_else(|| absent("FAR", id))?;
            update_far(far, ie)?;
        }
        Ok(())
    }

    /// A message defines a filter once, or the same way each time.
    fn define_filters(&mut self, pdis: &[&Pdi]) -> Result<(), Fault> {
        let mut defined = BTreeMap::new();
        for ie in pdis.iter().flat_map(|pdi| &pdi.sdf_filters) {
            if let (Some(id), Some(_)) = (ie.filter_id, &ie.flow_description)
                && let Some(says) = says(ie)
            {
                let first = defined.entry(id).or_insert_with(|| says.clone());
                if *first != says {
                    return Err(twice("SDF filter", id));
                }
                self.filters.insert(id, says);
            }
        }
        Ok(())
    }

    fn create_pdr(&mut self, ie: &CreatePdr, created: Created<'_>) -> Result<(), Fault> {
        let id = ie.pdr_id.0;
        if self.content.pdrs.contains_key(&id) {
            return Err(twice("PDR", id));
        }
        let pdr = Pdr {
            precedence: ie.precedence.0,
            removal: ie.outer_header_removal.is_some(),
            far: ie.far_id.ok_or("a PDR without FAR")?.0,
            qers: ie.qer_ids.iter().map(|id| id.0).collect(),
            urrs: ie.urr_ids.iter().map(|id| id.0).collect(),
            ..self.pdi(id, &ie.pdi, None, created)?
        };
        self.content.pdrs.insert(id, pdr);
        Ok(())
    }

    fn update_pdr(&mut self, ie: &UpdatePdr, created: Created<'_>) -> Result<(), Fault> {
        let id = ie.pdr_id.0;
        let old = self.content.pdrs.get(&id).cloned();
        let old = old.ok_or_else(|| absent("PDR", id))?;
        let mut pdr = match &ie.pdi {
            Some(pdi) => Pdr {
                precedence: old.precedence,
                removal: old.removal,
                far: old.far,
                qers: old.qers.clone(),
                urrs: old.urrs.clone(),
                ..self.pdi(id, pdi, Some(&old), created)?
            },
            None => old,
        };
        if let Some(precedence) = ie.precedence {
            pdr.precedence = precedence.0;
        }
        match &ie.outer_header_removal {
            Update::Keep => {}
            Update::Remove => pdr.removal = false,
            Update::Set(_) => pdr.removal = true,
        }
        match &ie.far_id {
            Update::Keep => {}
            Update::Remove => return Err("a PDR without FAR".to_owned()),
            Update::Set(far) => pdr.far = far.0,
        }
        list(&ie.qer_ids, &mut pdr.qers, |id| id.0);
        list(&ie.urr_ids, &mut pdr.urrs, |id| id.0);
        self.content.pdrs.insert(id, pdr);
        Ok(())
    }

    /// A PDI alone, or in place of an old one: one with neither F-TEID nor UE address nor Network
    /// Instance is partial, and the rest of the old one stays.
    fn pdi(
        &mut self,
        id: u16,
        ie: &Pdi,
        old: Option<&Pdr>,
        created: Created<'_>,
    ) -> Result<Pdr, Fault> {
        let ue = addresses(ie);
        let whole = ie.local_f_teid.is_some() || !ue.is_empty() || ie.network_instance.is_some();
        let kept = old.filter(|_| !whole);
        let mut pdr = Pdr {
            source: ie.source_interface.get(),
            teid: match &ie.local_f_teid {
                Some(f_teid) => Some(self.teid(id, f_teid, created)?),
                // What comes from elsewhere than the core comes in the tunnel it has.
                None => old
                    .filter(|_| !whole || !matches!(ie.source_interface.get(), 1 | 2))
                    .and_then(|old| old.teid),
            },
            ue,
            qfis: ie.qfis.iter().map(|qfi| qfi.get()).collect(),
            ..Default::default()
        };
        for ie in &ie.sdf_filters {
            let filter = match ie.filter_id {
                Some(id) => Filter::Named(id),
                None => Filter::Says(Box::new(
                    says(ie).ok_or("an SDF filter nobody understands")?,
                )),
            };
            pdr.filters.push(filter);
        }
        if let Some(kept) = kept {
            if pdr.ue.is_empty() {
                pdr.ue.clone_from(&kept.ue);
            }
            if pdr.qfis.is_empty() {
                pdr.qfis.clone_from(&kept.qfis);
            }
            if pdr.filters.is_empty() {
                pdr.filters.clone_from(&kept.filters);
            }
        }
        Ok(pdr)
    }

    fn teid(&mut self, pdr: u16, ie: &FTeid, created: Created<'_>) -> Result<u32, Fault> {
        let choose_id = match ie {
            FTeid::Given { teid, .. } => return Ok(*teid),
            FTeid::Choose { choose_id, .. } => *choose_id,
        };
        let shared = choose_id.and_then(|id| self.choose.get(&id).copied());
        let teid = match created {
            None => shared.unwrap_or_else(|| {
                self.dummy += 1;
                self.dummy
            }),
            Some(created) => {
                let created = created.iter().find(|created| created.pdr_id.0 == pdr);
                let f_teids = created.map(|created| &created.local_f_teids[..]);
                let Some([FTeid::Given { teid, .. }]) = f_teids else {
                    return Err(format!("PDR {pdr} asked for an F-TEID and got none"));
                };
                if shared.is_some_and(|shared| shared != *teid) {
                    return Err(format!("CHOOSE ID {choose_id:?} stands for two TEIDs"));
                }
                *teid
            }
        };
        if let Some(id) = choose_id {
            self.choose.insert(id, teid);
        }
        Ok(teid)
    }

    /// What has to hold of a whole session.
    fn settle(&mut self) -> Result<(), Fault> {
        let content = &self.content;
        let ue = |v4: bool| {
            let nets = content.pdrs.values().flat_map(|pdr| &pdr.ue);
            nets.filter(move |net| net.addr().is_ipv4() == v4)
                .collect::<BTreeSet<_>>()
        };
        if ue(true).len() > 1 || ue(false).len() > 1 {
            return Err("two UE addresses of one family".to_owned());
        }
        let no_address = ue(true).is_empty() && ue(false).is_empty();
        for (id, pdr) in &content.pdrs {
            let from_core = is_core(pdr.source);
            if pdr.teid.is_none() && (!from_core || no_address) {
                return Err(format!("PDR {id} is found by nothing"));
            }
            content
                .fars
                .get(&pdr.far)
                .ok_or_else(|| absent("FAR", pdr.far))?;
            for id in &pdr.qers {
                content.qers.get(id).ok_or_else(|| absent("QER", id))?;
            }
            for id in &pdr.urrs {
                content.urrs.get(id).ok_or_else(|| absent("URR", id))?;
            }
            for filter in &pdr.filters {
                if let Filter::Named(id) = filter {
                    self.filters.get(id).ok_or_else(|| absent("filter", id))?;
                }
            }
        }
        for bar in content.fars.values().filter_map(|far| far.bar) {
            content.bars.get(&bar).ok_or_else(|| absent("BAR", bar))?;
        }
        let teids = self.teids();
        self.choose.retain(|_, teid| teids.contains(teid));
        let filters = self.content.pdrs.values().flat_map(|pdr| &pdr.filters);
        let used: Vec<&Filter> = filters.collect();
        self.filters
            .retain(|id, _| used.contains(&&Filter::Named(*id)));
        Ok(())
    }
}

/// SGi-LAN is as core.
fn is_core(source: u8) -> bool {
    [SourceInterface::CORE, SourceInterface::SGI_LAN]
        .contains(&SourceInterface::new(source).unwrap())
}

fn set<T, U>(ie: &Update<T>, slot: &mut Option<U>, value: impl Fn(&T) -> U) {
    match ie {
        Update::Keep => {}
        Update::Remove => *slot = None,
        Update::Set(new) => *slot = Some(value(new)),
    }
}

fn list<T, U>(ie: &Update<NonEmpty<T>>, slot: &mut Vec<U>, value: impl Fn(&T) -> U) {
    match ie {
        Update::Keep => {}
        Update::Remove => slot.clear(),
        Update::Set(new) => *slot = new.iter().map(value).collect(),
    }
}

fn says(ie: &pfcp::SdfFilter) -> Option<SdfFilter> {
    let text = ie.flow_description.as_ref()?.as_str()?;
    Some(SdfFilter {
        flow: Some(FlowDescription::parse(text).ok()?),
        ..Default::default()
    })
}

pub fn addresses(ie: &Pdi) -> BTreeSet<IpNet> {
    let v4 = ie
        .ue_ip_addresses
        .iter()
        .filter_map(pfcp::UeIpAddress::given_ipv4);
    let v6 = ie
        .ue_ip_addresses
        .iter()
        .filter_map(pfcp::UeIpAddress::given_ipv6);
    let v6 = v6.map(|address| IpNet::new(address.into(), 64).unwrap().trunc());
    v4.map(|address| IpNet::from(IpAddr::V4(address)))
        .chain(v6)
        .collect()
}

fn action(ie: ApplyAction) -> Result<ApplyAction, Fault> {
    let alone = ie.without(ApplyAction::NOCP);
    let good = [ApplyAction::DROP, ApplyAction::FORW, ApplyAction::BUFF].contains(&alone)
        && (alone == ApplyAction::BUFF || alone == ie);
    good.then_some(ie)
        .ok_or_else(|| format!("Apply Action {ie}"))
}

fn tunnel(ie: &pfcp::OuterHeaderCreation) -> Result<(u32, IpAddr), Fault> {
    match ie.header {
        Some(pfcp::OuterHeader::GtpU {
            teid,
            addresses: pfcp::Addresses::Ipv4(address),
        }) => Ok((teid, address.into())),
        _ => Err("another outer header than GTP-U over IPv4".to_owned()),
    }
}

fn far(ie: &CreateFar) -> Result<Far, Fault> {
    let to = ie.forwarding_parameters.as_ref().map(|to| {
        let creation = to.outer_header_creation.as_ref().map(tunnel).transpose();
        creation.map(|creation| (to.destination_interface.get(), creation))
    });
    Ok(Far {
        action: action(ie.apply_action)?,
        to: to.transpose()?,
        bar: ie.bar_id.map(|bar| bar.0),
    })
}

fn update_far(far: &mut Far, ie: &UpdateFar) -> Result<(), Fault> {
    if let Some(ie) = ie.apply_action {
        far.action = action(ie)?;
    }
    if let Some(to) = &ie.update_forwarding_parameters {
        let destination = to
            .destination_interface
            .map(pfcp::DestinationInterface::get);
        let (old, mut creation) = far
            .to
            .map_or((None, None), |(to, tunnel)| (Some(to), tunnel));
        let destination = destination.or(old).ok_or("forwarding, but where to?")?;
        match &to.outer_header_creation {
            Update::Keep => {}
            Update::Remove => creation = None,
            Update::Set(ie) => creation = Some(tunnel(ie)?),
        }
        far.to = Some((destination, creation));
    }
    set(&ie.bar_id, &mut far.bar, |bar| bar.0);
    Ok(())
}

fn qer(ie: &CreateQer) -> Qer {
    Qer {
        open: (ie.gate_status.uplink_open(), ie.gate_status.downlink_open()),
        mbr: ie
            .maximum_bitrate
            .as_ref()
            .map(|rate| (rate.uplink.get(), rate.downlink.get())),
        qfi: ie.qfi.map(pfcp::Qfi::get),
    }
}

fn one_operation_each(r: &SessionModificationRequest) -> Result<(), Fault> {
    use FailedRuleId as F;
    let mut all: Vec<F> = vec![];
    all.extend(r.remove_pdrs.iter().map(|ie| F::Pdr(ie.pdr_id)));
    all.extend(r.create_pdrs.iter().map(|ie| F::Pdr(ie.pdr_id)));
    all.extend(r.update_pdrs.iter().map(|ie| F::Pdr(ie.pdr_id)));
    all.extend(r.remove_fars.iter().map(|ie| F::Far(ie.far_id)));
    all.extend(r.create_fars.iter().map(|ie| F::Far(ie.far_id)));
    all.extend(r.update_fars.iter().map(|ie| F::Far(ie.far_id)));
    all.extend(r.remove_qers.iter().map(|ie| F::Qer(ie.qer_id)));
    all.extend(r.create_qers.iter().map(|ie| F::Qer(ie.qer_id)));
    all.extend(r.update_qers.iter().map(|ie| F::Qer(ie.qer_id)));
    all.extend(r.remove_urrs.iter().map(|ie| F::Urr(ie.urr_id)));
    all.extend(r.create_urrs.iter().map(|ie| F::Urr(ie.urr_id)));
    all.extend(r.update_urrs.iter().map(|ie| F::Urr(ie.urr_id)));
    all.extend(r.remove_bar.iter().map(|ie| F::Bar(ie.bar_id)));
    all.extend(r.create_bar.iter().map(|ie| F::Bar(ie.bar_id)));
    all.extend(r.update_bar.iter().map(|ie| F::Bar(ie.bar_id)));
    for (at, rule) in all.iter().enumerate() {
        if all[..at].contains(rule) {
            return Err(format!("two operations on {rule:?}"));
        }
    }
    Ok(())
}

impl Content {
    /// What is not as it should be, rule by rule.
    pub fn differences(&self, should: &Self) -> String {
        let mut lines = vec![];
        compare("PDR", &self.pdrs, &should.pdrs, &mut lines);
        compare("FAR", &self.fars, &should.fars, &mut lines);
        compare("QER", &self.qers, &should.qers, &mut lines);
        compare("BAR", &self.bars, &should.bars, &mut lines);
        if self.urrs != should.urrs {
            lines.push(format!("URRs are {:?}, not {:?}", self.urrs, should.urrs));
        }
        lines.join("\n")
    }

    /// What is in force.
    pub fn of(rules: &session::Rules) -> Self {
        let pdrs = rules.pdrs.iter().map(|pdr| (pdr.id.0, Pdr::of(pdr)));
        let fars = rules.fars.iter().map(|far| (far.id.0, Far::of(far)));
        let qers = rules.qers.iter().map(|qer| (qer.id.0, Qer::of(qer)));
        Self {
            pdrs: pdrs.collect(),
            fars: fars.collect(),
            qers: qers.collect(),
            urrs: rules.urrs.iter().map(|urr| urr.id.0).collect(),
            bars: rules
                .bars
                .iter()
                .map(|bar| (bar.id.0, bar.suggested_packets))
                .collect(),
        }
    }
}

fn compare<K: Ord + std::fmt::Display, V: PartialEq + std::fmt::Debug>(
    what: &str,
    is: &BTreeMap<K, V>,
    should: &BTreeMap<K, V>,
    lines: &mut Vec<String>,
) {
    let all: BTreeSet<&K> = is.keys().chain(should.keys()).collect();
    for id in all.into_iter().filter(|id| is.get(id) != should.get(id)) {
        lines.push(format!(
            "{what} {id} is {:?}\n  not {:?}",
            is.get(id),
            should.get(id)
        ));
    }
}

impl Pdr {
    fn of(pdr: &session::Pdr) -> Self {
        use session::rule::SourceInterface as S;
        let source = match pdr.pdi.source_interface {
            S::Access => SourceInterface::ACCESS,
            S::Core => SourceInterface::CORE,
            S::SgiLan => SourceInterface::SGI_LAN,
            S::CpFunction => SourceInterface::CP_FUNCTION,
        };
        let ue = pdr.pdi.ue.unwrap_or_default();
        let v4 = ue.ipv4.map(|address| IpNet::from(IpAddr::V4(address)));
        let filters = pdr.pdi.sdf_filters.iter().cloned().map(Box::new);
        Self {
            precedence: pdr.precedence.0,
            source: source.get(),
            teid: pdr.pdi.local_f_teid.map(|tunnel| tunnel.teid.0),
            ue: v4.into_iter().chain(ue.ipv6.map(IpNet::V6)).collect(),
            qfis: pdr.pdi.qfis.iter().map(|qfi| qfi.get()).collect(),
            filters: filters.map(Filter::Says).collect(),
            removal: pdr.outer_header_removal.is_some(),
            far: pdr.far.0,
            qers: pdr.qers.iter().map(|id| id.0).collect(),
            urrs: pdr.urrs.iter().map(|id| id.0).collect(),
        }
    }
}

impl Far {
    fn of(far: &session::Far) -> Self {
        let action = match far.action {
            Action::Drop => ApplyAction::DROP,
            Action::Forward => ApplyAction::FORW,
            Action::Buffer { notify: false } => ApplyAction::BUFF,
            Action::Buffer { notify: true } => ApplyAction::BUFF | ApplyAction::NOCP,
        };
        let to = far.forwarding.map(|to| {
            let destination = match to.destination {
                DestinationInterface::Access => pfcp::DestinationInterface::ACCESS,
                DestinationInterface::Core => pfcp::DestinationInterface::CORE,
                DestinationInterface::SgiLan => pfcp::DestinationInterface::SGI_LAN,
                DestinationInterface::CpFunction => pfcp::DestinationInterface::CP_FUNCTION,
            };
            let creation = to.outer_header_creation;
            (
                destination.get(),
                creation.map(|creation| (creation.teid.0, creation.peer)),
            )
        });
        Self {
            action,
            to,
            bar: far.bar.map(|bar| bar.0),
        }
    }
}

impl Qer {
    fn of(qer: &session::Qer) -> Self {
        Self {
            open: (
                qer.uplink_gate == Gate::Open,
                qer.downlink_gate == Gate::Open,
            ),
            mbr: qer.mbr.map(|rate| (rate.uplink_kbps, rate.downlink_kbps)),
            qfi: qer.qfi.map(session::Qfi::get),
        }
    }
}
