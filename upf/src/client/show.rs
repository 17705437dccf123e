//! What the commands ask, and how it is shown.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::Result;
use api::model;

use super::table::{Table, octets, or_dash};
use super::{Ask, Asked, Session, Sessions};

/// Sessions of one request.
const PAGE: usize = 1_000;

pub(crate) fn sessions(arguments: &Sessions) -> Result<ExitCode> {
    arguments.ask.run(async |asked| {
        let found = match &arguments.seid {
            Some(seid) => one(asked, seid).await?,
            None => all(asked, arguments).await?,
        };
        asked.print(&found, sessions_table)
    })
}

/// The session of that SEID alone.
async fn one(asked: &Asked<'_>, seid: &str) -> Result<model::Sessions> {
    let detail: model::SessionDetail = asked.get(&format!("/v1/sessions/{}", part(seid))).await?;
    Ok(model::Sessions {
        sessions: vec![detail.session],
        total: 1,
        next: None,
    })
}

/// Page after page, until there are enough.
async fn all(asked: &Asked<'_>, wanted: &Sessions) -> Result<model::Sessions> {
    let most = if wanted.limit == 0 {
        usize::MAX
    } else {
        wanted.limit
    };
    let filter = filter(wanted);
    let mut found = model::Sessions {
        next: Some(0),
        ..model::Sessions::default()
    };
    while let Some(from) = found.next.filter(|_| found.sessions.len() < most) {
        let limit = (most - found.sessions.len()).min(PAGE);
        let path = format!("/v1/sessions?from={from}&limit={limit}{filter}");
        let page: model::Sessions = asked.get(&path).await?;
        found.sessions.extend(page.sessions);
        (found.next, found.total) = (page.next, page.total);
    }
    Ok(found)
}

fn filter(wanted: &Sessions) -> String {
    let ue = wanted.ue.map(|ue| ue.to_string());
    let given = [
        ("ue", ue.as_ref()),
        ("user", wanted.user.as_ref()),
        ("dnn", wanted.dnn.as_ref()),
        ("peer", wanted.peer.as_ref()),
        ("teid", wanted.teid.as_ref()),
    ];
    let given = given
        .iter()
        .filter_map(|(key, value)| Some((key, (*value)?)));
    given.fold(String::new(), |mut query, (key, value)| {
        let _ = write!(query, "&{key}={}", part(value));
        query
    })
}

/// A part of a URL: everything but letters, digits and `-._~` is written as `%XX` (RFC 3986, 2.3).
fn part(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, octet| {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            out.push(octet.into());
        } else {
            let _ = write!(out, "%{octet:02X}");
        }
        out
    })
}

fn sessions_table(found: &model::Sessions) -> String {
    let mut table = Table::new(&["SEID", "SUBSCRIBER", "DNN", "IPV4", "IPV6", "SMF", "WORKER"]);
    for session in &found.sessions {
        table.row([
            session.seid.clone(),
            or_dash(session.user.as_ref()),
            or_dash(session.dnn.as_ref()),
            or_dash(session.ue_ipv4),
            or_dash(session.ue_ipv6.as_ref()),
            or_dash(session.peer.as_ref()),
            session.worker.to_string(),
        ]);
    }
    let (shown, total) = (found.sessions.len(), found.total);
    let more = match found.next {
        Some(_) => "; --limit 0 shows all",
        None => "",
    };
    format!("{}{shown} of {total} sessions{more}\n", table.render())
}

pub(crate) fn session(arguments: &Session) -> Result<ExitCode> {
    arguments.ask.run(async |asked| {
        let path = format!("/v1/sessions/{}", part(&arguments.seid));
        let detail: model::SessionDetail = asked.get(&path).await?;
        asked.print(&detail, detail_text)
    })
}

fn detail_text(detail: &model::SessionDetail) -> String {
    let of = &detail.session;
    let mut out = format!(
        "session {} (SMF's {}) of {} at {}\nsubscriber {}, DNN {}, IPv4 {}, IPv6 {}, worker {}\n",
        of.seid,
        of.cp_seid,
        or_dash(of.peer.as_ref()),
        of.cp_address,
        or_dash(of.user.as_ref()),
        or_dash(of.dnn.as_ref()),
        or_dash(of.ue_ipv4),
        or_dash(of.ue_ipv6.as_ref()),
        of.worker,
    );
    if !detail.framed_routes.is_empty() {
        let _ = writeln!(out, "behind the UE: {}", detail.framed_routes.join(", "));
    }
    for table in [pdrs(detail), fars(detail), qers(detail), urrs(detail)] {
        let _ = write!(out, "\n{}", table.render());
    }
    out
}

fn list<T: ToString>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    or_dash((!items.is_empty()).then(|| items.join(",")))
}

fn pdrs(detail: &model::SessionDetail) -> Table {
    let head = [
        "PDR",
        "PRECEDENCE",
        "FROM",
        "INTERFACE",
        "TEID",
        "QFI",
        "FILTERS",
        "FAR",
        "QER",
        "URR",
    ];
    let mut table = Table::new(&head);
    for pdr in &detail.pdrs {
        let sleeps = if pdr.dormant { " (dormant)" } else { "" };
        table.row([
            format!("{}{sleeps}", pdr.id),
            pdr.precedence.to_string(),
            pdr.source_interface.clone(),
            or_dash(pdr.interface.as_ref()),
            or_dash(pdr.teid.as_ref()),
            list(&pdr.qfis),
            pdr.sdf_filters.to_string(),
            pdr.far.to_string(),
            list(&pdr.qers),
            list(&pdr.urrs),
        ]);
    }
    table
}

fn fars(detail: &model::SessionDetail) -> Table {
    let mut table = Table::new(&["FAR", "ACTION", "TO", "INTERFACE", "PEER", "TEID"]);
    for far in &detail.fars {
        table.row([
            far.id.to_string(),
            far.action.clone(),
            or_dash(far.destination.as_ref()),
            or_dash(far.interface.as_ref()),
            or_dash(far.peer),
            or_dash(far.teid.as_ref()),
        ]);
    }
    table
}

fn qers(detail: &model::SessionDetail) -> Table {
    let gate = |open| if open { "open" } else { "closed" };
    let rates = |up: Option<u64>, down: Option<u64>| format!("{}/{}", or_dash(up), or_dash(down));
    let mut table = Table::new(&[
        "QER",
        "UPLINK",
        "DOWNLINK",
        "MBR kbit/s",
        "GBR kbit/s",
        "QFI",
    ]);
    for qer in &detail.qers {
        table.row([
            qer.id.to_string(),
            gate(qer.uplink_open).to_owned(),
            gate(qer.downlink_open).to_owned(),
            rates(qer.mbr_uplink_kbps, qer.mbr_downlink_kbps),
            rates(qer.gbr_uplink_kbps, qer.gbr_downlink_kbps),
            or_dash(qer.qfi),
        ]);
    }
    table
}

fn urrs(detail: &model::SessionDetail) -> Table {
    let head = [
        "URR",
        "UPLINK",
        "DOWNLINK",
        "UPLINK PACKETS",
        "DOWNLINK PACKETS",
    ];
    let mut table = Table::new(&head);
    for urr in &detail.urrs {
        table.row([
            urr.id.to_string(),
            octets(urr.uplink_octets),
            octets(urr.downlink_octets),
            urr.uplink_packets.to_string(),
            urr.downlink_packets.to_string(),
        ]);
    }
    table
}

pub(crate) fn peers(ask: &Ask) -> Result<ExitCode> {
    ask.run(async |asked| {
        let peers: Vec<model::Peer> = asked.get("/v1/peers").await?;
        asked.print(&peers, |peers| {
            let mut table = Table::new(&[
                "SMF", "ADDRESS", "ANSWERS", "SESSIONS", "REPORTS", "FEATURES",
            ]);
            for peer in peers {
                table.row([
                    peer.node_id.clone(),
                    peer.address.to_string(),
                    if peer.reachable { "yes" } else { "no" }.to_owned(),
                    peer.sessions.to_string(),
                    (peer.outstanding_reports + peer.waiting_reports).to_string(),
                    list(&peer.features),
                ]);
            }
            table.render()
        })
    })
}

pub(crate) fn ports(ask: &Ask) -> Result<ExitCode> {
    ask.run(async |asked| {
        let ports: Vec<model::Port> = asked.get("/v1/ports").await?;
        asked.print(&ports, |ports| {
            let head = [
                "PORT", "DEVICE", "LINK", "MTU", "RECEIVED", "", "SENT", "", "DROPPED", "MISSED",
            ];
            let mut table = Table::new(&head);
            for port in ports {
                let link = match port.link_up {
                    Some(true) => "up",
                    Some(false) => "down",
                    None => "-",
                };
                table.row([
                    port.name.clone(),
                    port.device.clone(),
                    link.to_owned(),
                    port.mtu.to_string(),
                    port.received_packets.to_string(),
                    octets(port.received_octets),
                    port.sent_packets.to_string(),
                    octets(port.sent_octets),
                    port.dropped_packets.to_string(),
                    or_dash(port.missed_packets),
                ]);
            }
            table.render()
        })
    })
}

pub(crate) fn drops(ask: &Ask) -> Result<ExitCode> {
    ask.run(async |asked| {
        let drops: Vec<model::Drop> = asked.get("/v1/drops").await?;
        asked.print(&drops, |drops| {
            let mut table = Table::new(&["REASON", "PACKETS", "MEANING", "WHAT TO DO"]);
            for drop in drops.iter().filter(|drop| drop.packets > 0) {
                table.row([
                    drop.reason.clone(),
                    drop.packets.to_string(),
                    drop.meaning.clone(),
                    drop.remedy.clone(),
                ]);
            }
            let total: u64 = drops.iter().map(|drop| drop.packets).sum();
            format!("{}{total} packets dropped\n", table.render())
        })
    })
}
