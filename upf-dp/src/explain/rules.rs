//! The rules of a session in words.

use session::inner::Inner;
use session::plan::Arrival;
use session::reference::{self, FilterPart, Ingress, Mismatch, Trial};
use session::rule::{Direction, Gate, SourceInterface};
use session::sdf::SdfFilter;
use session::{Pdr, PdrId, Qer, Rules};

use crate::watch::{Rule, Sample};

/// The PDRs that are tried for a packet, in order, up to the one that matches, and what they lack.
pub(super) fn trials(rules: &Rules, from: Ingress, sample: &Sample) -> Vec<String> {
    let Ok(inner) = Inner::parse(sample.user_packet()) else {
        return Vec::new();
    };
    // What looks like a packet is a frame there.
    if rules.pdn.stations().is_some() {
        return Vec::new();
    }
    let arrival = Arrival {
        inner,
        qfi: sample.qfi,
    };
    let tried = reference::trials(rules, from, &arrival);
    if tried.is_empty() {
        return vec!["no PDR is for packets that come in here".to_owned()];
    }
    let mut lines: Vec<_> = tried
        .iter()
        .map(|trial| line(trial, rules, &arrival))
        .collect();
    if tried.iter().all(|trial| trial.mismatch.is_some()) {
        lines.push("no PDR matches".to_owned());
    }
    lines
}

/// Whether a line of [`trials`] says that the PDR matches.
pub(super) fn matches(line: &str, pdr: PdrId) -> bool {
    line.starts_with(&format!("PDR {pdr},")) && line.ends_with(": matches")
}

fn line(trial: &Trial, rules: &Rules, arrival: &Arrival<'_>) -> String {
    let head = format!("PDR {}, precedence {}", trial.pdr, trial.precedence);
    let is_it = |pdr: &&Pdr| pdr.id == trial.pdr && pdr.part == trial.part;
    let (Some(pdr), Some(mismatch)) = (rules.pdrs.iter().find(is_it), &trial.mismatch) else {
        return format!("{head}: matches");
    };
    let why = match mismatch {
        Mismatch::Dormant => "asleep, by its activation or deactivation time".to_owned(),
        Mismatch::Ue => ue(pdr, &arrival.inner),
        Mismatch::Qfi => qfi(pdr, arrival),
        Mismatch::Sdf(missed) => sdf(pdr, missed),
    };
    format!("{head}: no, {why}")
}

fn ue(pdr: &Pdr, inner: &Inner<'_>) -> String {
    let ue = pdr.pdi.ue.unwrap_or_default();
    let own = [
        ue.ipv4.map(|address| address.to_string()),
        ue.ipv6.map(|prefix| prefix.to_string()),
    ];
    let own: Vec<_> = own.into_iter().flatten().collect();
    let (end, address) = if pdr.pdi.source_interface == SourceInterface::Access {
        ("source", inner.source())
    } else {
        ("destination", inner.destination())
    };
    format!(
        "its UE address is {}, the packet's {end} {address}",
        own.join(" or ")
    )
}

fn qfi(pdr: &Pdr, arrival: &Arrival<'_>) -> String {
    let own: Vec<_> = pdr.pdi.qfis.iter().map(ToString::to_string).collect();
    let own = own.join(" or ");
    match arrival.qfi {
        Some(qfi) => format!("its QFI is {own}, the packet's {qfi}"),
        None => format!("its QFI is {own}, and the packet names none"),
    }
}

fn sdf(pdr: &Pdr, missed: &[FilterPart]) -> String {
    let each = pdr.pdi.sdf_filters.iter().zip(missed);
    let each = each.map(|(filter, part)| format!("{} of “{}”", part_name(*part), text(filter)));
    let each: Vec<_> = each.collect();
    format!("it is not of {}", each.join("; nor of "))
}

const fn part_name(part: FilterPart) -> &'static str {
    match part {
        FilterPart::Protocol => "the protocol",
        FilterPart::From => "the remote address and port",
        FilterPart::To => "the UE's address and port",
        FilterPart::Tos => "the ToS",
        FilterPart::Spi => "the SPI",
        FilterPart::FlowLabel => "the flow label",
    }
}

fn text(filter: &SdfFilter) -> String {
    let parts = [
        filter.flow.as_ref().map(ToString::to_string),
        filter
            .tos
            .map(|(tos, mask)| format!("ToS {tos:#04x}/{mask:#04x}")),
        filter.spi.map(|spi| format!("SPI {spi:#010x}")),
        filter
            .flow_label
            .map(|label| format!("flow label {label:#07x}")),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    parts.join(", ")
}

/// QERs and URRs of the rule that matched.
pub(super) fn enforcement(rules: &Rules, rule: Rule) -> Vec<String> {
    let Some(pdr) = rules.pdrs.iter().find(|pdr| pdr.id == rule.pdr) else {
        return Vec::new();
    };
    let qers = pdr.qers.iter();
    let qers = qers.filter_map(|id| rules.qers.iter().find(|qer| qer.id == *id));
    let mut lines: Vec<_> = qers.map(|qer| enforced(qer, rule.direction)).collect();
    if rule.far != pdr.far {
        lines
            .push("a quota is used up: the FAR of its URR takes the place of the PDR's".to_owned());
    }
    lines.extend(pdr.urrs.iter().map(|urr| format!("URR {urr} counts it")));
    lines
}

fn enforced(qer: &Qer, direction: Direction) -> String {
    let (gate, rate) = match direction {
        Direction::Uplink => (qer.uplink_gate, qer.mbr.map(|rate| rate.uplink_kbps)),
        Direction::Downlink => (qer.downlink_gate, qer.mbr.map(|rate| rate.downlink_kbps)),
    };
    let gate = match gate {
        Gate::Open => "open",
        Gate::Closed => "closed",
    };
    let rate = rate.map_or_else(
        || "no rate".to_owned(),
        |kbps| format!("at most {kbps} kbit/s"),
    );
    let qfi = qer
        .qfi
        .map(|qfi| format!(", QFI {qfi}"))
        .unwrap_or_default();
    format!("QER {}: gate {gate}, {rate}{qfi}", qer.id)
}
