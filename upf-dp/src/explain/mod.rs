//! Explanations: what happened to a packet and why, in words. For the control side.
//!
//! A [`Sample`] of the path, be it of a worker or of a path of one's own ([`Explainer`]), is told
//! stage by stage. What a stage decided is the sample's; which PDRs were tried before the one that
//! matched, and what they lack, says the [reference model](session::reference), which the path is
//! held to.

mod headers;
mod rules;
mod scratch;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;

use session::meter::Now;
use session::neighbour::Neighbours;
use session::plan::Act;
use session::reference::Ingress;
use session::rule::LocalFTeid;
use session::topology::{Role, Topology};
use session::{FarId, InterfaceId, NextHopId, PdrId, Rules, Seid, Teid, WorkerId};

use crate::path::{Came, Key, Punt};
use crate::reason::Reason;
use crate::watch::{Outcome, Sample};
use crate::wire;

pub use headers::summary;
pub use scratch::{Explained, Explainer, Known, Place};

/// What things are called.
#[derive(Clone, Debug)]
pub struct Names {
    /// Ports, in their order.
    pub ports: Arc<[String]>,
    /// Interfaces and networks.
    pub topology: Arc<Topology>,
}

/// What happened to a packet, or would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// When, in time stamp cycles.
    pub at: Now,
    /// Whose packet it was.
    pub worker: WorkerId,
    /// How it came.
    pub came: Came,
    /// The port that it was received on.
    pub port: String,
    /// The interface that it came in by, once that was known.
    pub interface: Option<String>,
    /// Its session, by our SEID.
    pub seid: Option<Seid>,
    /// The PDR that it matched.
    pub pdr: Option<PdrId>,
    /// The FAR that was applied.
    pub far: Option<FarId>,
    /// What became of it.
    pub outcome: Outcome,
    /// The same in a few words.
    pub verdict: String,
    /// How it came to that.
    pub stages: Vec<Stage>,
    /// The packet as it was received, as far as its octets were kept.
    pub received: Vec<u8>,
    /// The frames that were sent because of it.
    pub sent: Vec<SentFrame>,
}

/// What one stage found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Its name.
    pub name: &'static str,
    /// What it found out.
    pub lines: Vec<String>,
}

/// A frame that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentFrame {
    /// The port that it left by.
    pub port: String,
    /// Its octets, as far as they were kept.
    pub octets: Vec<u8>,
    /// Whether it has left; otherwise it waits for the Ethernet address of its next hop.
    pub left: bool,
}

impl Names {
    /// A port's.
    pub fn port(&self, port: u16) -> String {
        let name = self.ports.get(usize::from(port));
        name.map_or_else(|| format!("port {port}"), Clone::clone)
    }

    /// An interface's.
    pub fn interface(&self, id: InterfaceId) -> String {
        let found = self.topology.interfaces.get(usize::from(id.0));
        found.map_or_else(|| format!("interface {id}"), |found| found.name.clone())
    }

    fn role(&self, id: InterfaceId) -> Option<Role> {
        let found = self.topology.interfaces.get(usize::from(id.0));
        found.map(|found| found.role)
    }
}

/// Says what happened to a packet, by the rules of its session if they are at hand.
pub fn explain(
    sample: &Sample,
    names: &Names,
    neighbours: &Neighbours,
    rules: Option<&Rules>,
) -> Explanation {
    let teller = Teller {
        sample,
        names,
        neighbours,
        rules,
    };
    let interface = teller.interface();
    Explanation {
        at: sample.at,
        worker: sample.worker,
        came: sample.came,
        port: names.port(sample.port),
        interface: interface.map(|id| names.interface(id)),
        seid: sample.session.map(|(_, seid)| seid),
        pdr: sample.rule.map(|rule| rule.pdr),
        far: sample.rule.map(|rule| rule.far),
        outcome: sample.outcome(),
        verdict: teller.verdict(),
        stages: teller.stages(),
        received: sample.received().to_vec(),
        sent: sample
            .frames()
            .map(|frame| SentFrame {
                port: names.port(frame.port),
                octets: frame.octets.to_vec(),
                left: frame.left,
            })
            .collect(),
    }
}

#[derive(Clone, Copy, Debug)]
struct Teller<'a> {
    sample: &'a Sample,
    names: &'a Names,
    neighbours: &'a Neighbours,
    rules: Option<&'a Rules>,
}

impl Teller<'_> {
    /// The interface that the packet came in by, once a stage has found out.
    fn interface(&self) -> Option<InterfaceId> {
        let sample = self.sample;
        let is_known = sample.key != Key::None || sample.tunnel_at > 0;
        is_known.then_some(sample.interface)
    }

    fn stages(&self) -> Vec<Stage> {
        let stages = [
            ("receive", self.receive()),
            ("parse", self.parse()),
            ("look up", self.look_up()),
            ("classify", self.classify()),
            ("police", self.police()),
            ("rewrite", self.rewrite()),
            ("result", self.result()),
        ];
        let told = stages.into_iter().filter(|(_, lines)| !lines.is_empty());
        told.map(|(name, lines)| Stage { name, lines }).collect()
    }

    // ===== stage by stage =====

    fn receive(&self) -> Vec<String> {
        let sample = self.sample;
        let (port, length) = (self.names.port(sample.port), sample.received_length());
        let how = match sample.came {
            Came::In => "",
            Came::Over => ", from another worker",
            Came::Released => ", released: it was held for its UE before",
            Came::Back => ", from another UE: as if from the data network",
        };
        vec![format!(
            "{length} octets on port {port}, worker {}{how}",
            sample.worker
        )]
    }

    fn parse(&self) -> Vec<String> {
        let mut lines = summary(self.sample.received());
        if let Some(id) = self.interface() {
            let role = match self.names.role(id) {
                Some(Role::N3) => "N3",
                Some(Role::N9) => "N9",
                Some(Role::N6) => "N6",
                None => "unknown",
            };
            lines.push(format!(
                "for interface {} ({role})",
                self.names.interface(id)
            ));
        }
        lines
    }

    fn look_up(&self) -> Vec<String> {
        let sample = self.sample;
        let by = match sample.key {
            Key::None => return Vec::new(),
            Key::Station => "station".to_owned(),
            Key::Session(_) => "a copy for one session".to_owned(),
            Key::Tunnel(teid) => format!("TEID {teid}"),
            Key::Ipv4(_) | Key::Ipv6 => match user_destination(sample) {
                Some(address) => format!("UE address {address}"),
                None => "the UE's address".to_owned(),
            },
        };
        let at = self.names.interface(sample.interface);
        let found = match (sample.session, sample.fate) {
            (Some((_, seid)), _) => format!("session {seid}{}", self.ue()),
            (None, crate::path::Fate::HandOver(worker)) => {
                format!("a session of worker {worker}")
            }
            _ => "no session".to_owned(),
        };
        vec![format!("{by} at {at}: {found}")]
    }

    fn ue(&self) -> String {
        let ue = self.rules.map(|rules| rules.ue).unwrap_or_default();
        let addresses = [
            ue.ipv4.map(|address| address.to_string()),
            ue.ipv6.map(|prefix| prefix.to_string()),
        ];
        let addresses: Vec<_> = addresses.into_iter().flatten().collect();
        if addresses.is_empty() {
            String::new()
        } else {
            format!(", UE {}", addresses.join(" and "))
        }
    }

    fn classify(&self) -> Vec<String> {
        let Some(ingress) = self.ingress() else {
            return Vec::new();
        };
        let mut lines = match self.rules {
            Some(rules) => rules::trials(rules, ingress, self.sample),
            None => Vec::new(),
        };
        match self.sample.rule {
            // The rules have changed since, or are not at hand.
            Some(rule) if !lines.iter().any(|line| rules::matches(line, rule.pdr)) => {
                lines = vec![format!("PDR {} matches", rule.pdr)];
            }
            None if lines.is_empty() => lines.push("no PDR matches".to_owned()),
            _ => {}
        }
        if self.sample.rule.is_some_and(|rule| rule.check_source) {
            let spoofed = self.sample.outcome() == Outcome::Dropped(Reason::SourceSpoofed);
            let is = if spoofed { "is not" } else { "is" };
            lines.push(format!("the source address {is} the UE's"));
        }
        lines
    }

    fn ingress(&self) -> Option<Ingress> {
        self.sample.session?;
        Some(match self.sample.key {
            Key::Tunnel(teid) => Ingress::Tunnel(LocalFTeid {
                teid,
                interface: self.sample.interface,
            }),
            _ => Ingress::Core,
        })
    }

    fn police(&self) -> Vec<String> {
        let (Some(rule), false) = (self.sample.rule, self.ended_before_police()) else {
            return Vec::new();
        };
        let mut lines = vec![format!("FAR {}: {}", rule.far, self.act(rule.act))];
        if let Some(rules) = self.rules {
            lines.extend(rules::enforcement(rules, rule));
        }
        lines
    }

    /// A rule had been found, but the packet must not be.
    fn ended_before_police(&self) -> bool {
        use Reason::{
            HopLimit, MartianDestination, MartianSource, ReservedGroup, SourceRoute, SourceSpoofed,
            StationElsewhere, ToOwnAddress, TooManyStations, UserMulticast, UserPacket,
        };
        let Outcome::Dropped(reason) = self.sample.outcome() else {
            return false;
        };
        matches!(
            reason,
            HopLimit
                | MartianDestination
                | MartianSource
                | ReservedGroup
                | SourceRoute
                | SourceSpoofed
                | StationElsewhere
                | ToOwnAddress
                | TooManyStations
                | UserMulticast
                | UserPacket
        )
    }

    fn act(&self, act: Act) -> String {
        match act {
            Act::Tunnel { interface, .. } => {
                format!(
                    "forward into a tunnel on {}",
                    self.names.interface(interface)
                )
            }
            Act::Route { vrf } => format!("forward to {}", self.names.interface(vrf)),
            Act::Bridge { vrf } => format!("bridge to {}", self.names.interface(vrf)),
            Act::Drop => "drop".to_owned(),
            Act::GateClosed => "a gate is closed".to_owned(),
            Act::NoTunnel => "forward, but it names no tunnel yet".to_owned(),
            Act::NoRoute => "forward, but no route leads to the tunnel's peer".to_owned(),
            Act::Buffer { notify: true } => "buffer, and notify the SMF".to_owned(),
            Act::Buffer { notify: false } => "buffer".to_owned(),
        }
    }

    fn rewrite(&self) -> Vec<String> {
        let sample = self.sample;
        let goes = matches!(
            sample.outcome(),
            Outcome::Sent | Outcome::SentInPieces | Outcome::Waits(_) | Outcome::TurnedBack
        );
        let (Some(rule), true) = (sample.rule, goes) else {
            return Vec::new();
        };
        let mut lines = Vec::new();
        if sample.tunnel_at > 0 {
            lines.push("the outer header is taken off".to_owned());
        }
        if sample.routed && sample.outcome() != Outcome::TurnedBack {
            lines.push("routed: its TTL or hop limit is one less".to_owned());
        }
        if let (Some((teid, peer)), Act::Tunnel { next_hop, .. }) = (rule.tunnel, rule.act) {
            let flow = rule.qfi.map(|qfi| format!(", QFI {qfi}"));
            lines.push(format!(
                "tunnel to {peer}, TEID {teid}{}, by {}",
                flow.unwrap_or_default(),
                self.next_hop(next_hop)
            ));
        }
        if let Outcome::Waits(hop) = sample.outcome() {
            lines.push(format!("next hop {}", self.next_hop(hop)));
        }
        lines
    }

    fn next_hop(&self, id: NextHopId) -> String {
        let Some(hop) = self.neighbours.hop(id) else {
            return "a next hop that has gone".to_owned();
        };
        let mac = match self.neighbours.ethernet(id) {
            Some(mac) => headers::mac(mac),
            None => "Ethernet address not known".to_owned(),
        };
        let on = self.names.interface(hop.interface);
        if hop.address.is_unspecified() {
            return format!("the kernel ({mac}) on {on}");
        }
        format!("{} ({mac}) on {on}", hop.address)
    }

    fn result(&self) -> Vec<String> {
        let mut lines = vec![self.verdict()];
        if let Outcome::Dropped(reason) = self.sample.outcome() {
            lines.push(reason.description().to_owned());
            lines.push(format!("likely cause: {}", reason.cause()));
            lines.push(format!("remedy: {}", reason.remedy()));
        }
        for frame in self.sample.frames() {
            let port = self.names.port(frame.port);
            let what = if frame.left { "sent" } else { "ready" };
            let headers = summary(frame.octets).join(" | ");
            lines.push(format!(
                "{what} on port {port}, {} octets: {headers}",
                frame.length
            ));
        }
        lines
    }

    fn verdict(&self) -> String {
        let punt = |punt| match punt {
            Punt::Arp => "ARP",
            Punt::Icmp | Punt::Icmpv6 => "ICMP or neighbour discovery",
            Punt::Gtpu | Punt::UnknownTeid => "GTP-U signalling",
            Punt::UnknownExtension => "an unknown extension header",
            Punt::OtherVersion => "another version of GTP",
            Punt::Fragment => "a fragment",
            Punt::RouterSolicitation(_) => "a router solicitation",
        };
        match self.sample.outcome() {
            Outcome::Sent => "forwarded".to_owned(),
            Outcome::SentInPieces => "forwarded in fragments".to_owned(),
            Outcome::Waits(hop) => {
                format!("waits for the Ethernet address of {}", self.next_hop(hop))
            }
            Outcome::Held => "held for its UE".to_owned(),
            Outcome::HandedOver(worker) => format!("handed over to worker {worker}"),
            Outcome::TurnedBack => "goes on to another UE".to_owned(),
            Outcome::Copied => "copied to all sessions of the network".to_owned(),
            Outcome::Answered(kind) => format!("answered by the UPF itself: {}", punt(kind)),
            Outcome::Consumed(kind) => format!("taken by the UPF itself: {}", punt(kind)),
            Outcome::Gathered => "kept until its packet's other fragments are there".to_owned(),
            Outcome::Dropped(reason) => format!("dropped: {reason}"),
        }
    }
}

/// Where the user packet goes.
fn user_destination(sample: &Sample) -> Option<IpAddr> {
    let inner = session::inner::Inner::parse(sample.user_packet()).ok()?;
    Some(inner.destination())
}

/// The TEID of a GTP-U message that is no user's packet.
fn signalled_teid(sample: &Sample) -> Option<Teid> {
    let at = usize::from(sample.tunnel_at).checked_add(4)?;
    let teid = wire::u32_at(sample.received(), at)?;
    (sample.tunnel_at > 0 && teid != 0).then_some(Teid(teid))
}
