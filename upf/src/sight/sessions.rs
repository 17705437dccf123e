//! Sessions and their rules, as the API tells them.

use api::Wanted;
use api::model;
use session::rule::{
    Action, DestinationInterface, Far, Gate, LocalFTeid, Pdr, Qer, SourceInterface, UeAddress,
};
use session::topology::Topology;
use session::usage::Volume;
use session::{InterfaceId, Teid, UrrId};
use upf_cp::{Identities, SessionFilter, SessionStatus, SessionSummary};

pub(super) fn filter(wanted: Wanted) -> SessionFilter {
    SessionFilter {
        ue: wanted.ue,
        user: wanted.user,
        dnn: wanted.dnn,
        peer: wanted.peer,
        teid: wanted.teid.map(Teid),
    }
}

/// What is told to who may see who subscribers are, or not.
pub(super) const fn identities(reveal: bool) -> Identities {
    if reveal {
        Identities::Full
    } else {
        Identities::Masked
    }
}

pub(super) fn summary(of: &SessionSummary, identities: Identities) -> model::Session {
    model::Session {
        seid: format!("{:016x}", of.seid.0),
        cp_seid: format!("{:016x}", of.cp_seid),
        cp_address: of.cp_address,
        peer: of.peer.as_ref().map(ToString::to_string),
        ue_ipv4: of.ue.ipv4,
        ue_ipv6: of.ue.ipv6.map(|prefix| prefix.to_string()),
        dnn: of.labels.dnn(),
        user: of.labels.user_as(identities),
        worker: of.worker.0,
    }
}

pub(super) fn detail(
    of: &SessionStatus,
    identities: Identities,
    topology: &Topology,
) -> model::SessionDetail {
    let rules = &of.rules;
    let mut pdrs: Vec<&Pdr> = rules.pdrs.iter().collect();
    pdrs.sort_by_key(|pdr| (pdr.precedence, pdr.id, pdr.part));
    let mut framed: Vec<String> = rules.framed().map(ToString::to_string).collect();
    framed.sort_unstable();
    framed.dedup();
    model::SessionDetail {
        session: summary(&of.summary(), identities),
        pdrs: pdrs.into_iter().map(|rule| pdr(rule, topology)).collect(),
        fars: rules.fars.iter().map(|rule| far(rule, topology)).collect(),
        qers: rules.qers.iter().map(qer).collect(),
        urrs: of.usage.iter().map(urr).collect(),
        framed_routes: framed,
    }
}

fn interface(topology: &Topology, id: InterfaceId) -> Option<String> {
    topology.interface(id).map(|found| found.name.clone())
}

fn teid(teid: Teid) -> String {
    format!("{:08x}", teid.0)
}

fn pdr(rule: &Pdr, topology: &Topology) -> model::Pdr {
    let pdi = &rule.pdi;
    let tunnel = pdi.local_f_teid;
    let at = |tunnel: LocalFTeid| interface(topology, tunnel.interface);
    let ue = |ue: &UeAddress| {
        let ipv4 = ue.ipv4.map(|address| address.to_string());
        let ipv6 = ue.ipv6.map(|prefix| prefix.to_string());
        ipv4.into_iter().chain(ipv6).collect()
    };
    model::Pdr {
        id: rule.id.0,
        part: rule.part,
        precedence: rule.precedence.0,
        source_interface: match pdi.source_interface {
            SourceInterface::Access => "access",
            SourceInterface::Core => "core",
            SourceInterface::SgiLan => "sgi_lan",
            SourceInterface::CpFunction => "cp_function",
        }
        .to_owned(),
        teid: tunnel.map(|tunnel| teid(tunnel.teid)),
        interface: tunnel
            .and_then(at)
            .or_else(|| interface(topology, pdi.vrf?)),
        ue: pdi.ue.as_ref().map(ue).unwrap_or_default(),
        qfis: pdi.qfis.iter().map(|qfi| qfi.get()).collect(),
        sdf_filters: u32::try_from(pdi.sdf_filters.len()).unwrap_or(u32::MAX),
        outer_header_removal: rule.outer_header_removal.is_some(),
        dormant: rule.dormant,
        far: rule.far.0,
        qers: rule.qers.iter().map(|id| id.0).collect(),
        urrs: rule.urrs.iter().map(|id| id.0).collect(),
    }
}

fn far(rule: &Far, topology: &Topology) -> model::Far {
    let to = rule.forwarding;
    let tunnel = to.and_then(|to| to.outer_header_creation);
    let leaves_by = to.and_then(|to| to.policy.or(to.vrf));
    let leaves_by = tunnel.map(|tunnel| tunnel.interface).or(leaves_by);
    model::Far {
        id: rule.id.0,
        action: match rule.action {
            Action::Drop => "drop",
            Action::Forward => "forward",
            Action::Buffer { notify: false } => "buffer",
            Action::Buffer { notify: true } => "buffer_notify",
        }
        .to_owned(),
        destination: to.map(|to| {
            match to.destination {
                DestinationInterface::Access => "access",
                DestinationInterface::Core => "core",
                DestinationInterface::SgiLan => "sgi_lan",
                DestinationInterface::CpFunction => "cp_function",
            }
            .to_owned()
        }),
        interface: leaves_by.and_then(|id| interface(topology, id)),
        peer: tunnel.map(|tunnel| tunnel.peer),
        teid: tunnel.map(|tunnel| teid(tunnel.teid)),
        tos: to.and_then(|to| to.tos),
    }
}

fn qer(rule: &Qer) -> model::Qer {
    model::Qer {
        id: rule.id.0,
        uplink_open: rule.uplink_gate == Gate::Open,
        downlink_open: rule.downlink_gate == Gate::Open,
        mbr_uplink_kbps: rule.mbr.map(|rate| rate.uplink_kbps),
        mbr_downlink_kbps: rule.mbr.map(|rate| rate.downlink_kbps),
        gbr_uplink_kbps: rule.gbr.map(|rate| rate.uplink_kbps),
        gbr_downlink_kbps: rule.gbr.map(|rate| rate.downlink_kbps),
        qfi: rule.qfi.map(session::Qfi::get),
    }
}

fn urr((id, volume): &(UrrId, Volume)) -> model::Urr {
    model::Urr {
        id: id.0,
        uplink_octets: volume.uplink_octets,
        downlink_octets: volume.downlink_octets,
        uplink_packets: volume.uplink_packets,
        downlink_packets: volume.downlink_packets,
    }
}
