//! A planned replay with a real UPF.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;
use simulator::gtp::{self, Container};
use simulator::{Flavour, Session, SessionSpec, Smf, Tunnel};

use super::plan::{Expectation, Fate, Plan, Step};
use crate::lab::{Emitted, Lab};

/// How long a packet may take through the UPF.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long to wait to be sure that nothing comes.
const QUIET: Duration = Duration::from_millis(15);
/// How many mismatches are kept in words.
const MISMATCHES_MAX: usize = 20;
/// The gNB of all sessions.
const GNB: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 10, 3, 101));
/// The first downlink TEID.
const DOWNLINK_TEID: u32 = 0x1000;

/// What became of a packet that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It came out as it must.
    Forwarded,
    /// It did not come out, and must not.
    Dropped,
    /// It did not come out, and its sender was told why by ICMP.
    Refused,
    /// It came out otherwise than it must.
    Mismatched,
    /// It did not come out but must.
    Lost,
    /// It came out but must not.
    Leaked,
}

/// What a replay amounts to.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Packets of the capture.
    pub packets: usize,
    /// Sessions that were set up for it.
    pub sessions: usize,
    /// What became of the packets of the capture.
    pub fates: Vec<(Fate, usize)>,
    /// What became of those that were sent, by what had to.
    pub outcomes: Vec<(Expectation, Outcome, usize)>,
    /// The first mismatches in words.
    pub mismatches: Vec<String>,
}

impl Report {
    /// Whether the UPF did as it must with every packet.
    pub fn is_clean(&self) -> bool {
        self.mismatches.is_empty()
    }

    /// Whether every packet of the capture is accounted for.
    pub fn is_complete(&self) -> bool {
        let fates: usize = self.fates.iter().map(|(_, count)| count).sum();
        let is_sent = |fate: &Fate| matches!(fate, Fate::Uplink | Fate::Downlink);
        let sent: usize = self
            .fates
            .iter()
            .filter(|(fate, _)| is_sent(fate))
            .map(|(_, count)| count)
            .sum();
        let outcomes: usize = self.outcomes.iter().map(|(_, _, count)| count).sum();
        fates == self.packets && outcomes == sent
    }
}

/// Sets the sessions up, sends every packet and looks what comes out.
///
/// # Errors
/// When the UPF refuses a session or a wire fails. That a packet comes out wrong is no error: the
/// report says so.
pub fn run(plan: &Plan, lab: &mut Lab, smf: &mut Smf) -> anyhow::Result<Report> {
    let mut numbers = Vec::new();
    for (index, session) in (0_u32..).zip(&plan.sessions) {
        let [_, b, c, d] = index.to_be_bytes();
        let nothing = session.ue_ipv4.is_none() && session.ue_ipv6.is_none();
        let made_up = nothing.then(|| Ipv4Addr::new(100, 64 + b, c, d));
        let tunnel = Tunnel {
            address: GNB,
            teid: DOWNLINK_TEID + index,
        };
        let number = smf.establish(SessionSpec {
            flavour: Flavour::Simple,
            ue_ipv4: session.ue_ipv4.or(made_up),
            ue_ipv6: session.ue_ipv6,
            qfi: session.qfi,
            gnb: Some(tunnel),
            ..SessionSpec::default()
        });
        numbers.push(number.with_context(|| format!("{session:?}"))?);
    }
    let mut outcomes = BTreeMap::new();
    let mut mismatches = Vec::new();
    for step in &plan.steps {
        let number = numbers.get(step.session).context("a step of no session")?;
        let session = smf
            .sessions()
            .get(*number)
            .context("a session that is gone")?;
        send(step, session, lab)?;
        let (outcome, words) = judge(step, session, lab)?;
        *outcomes.entry((step.expectation, outcome)).or_default() += 1;
        let is_wrong = matches!(
            outcome,
            Outcome::Mismatched | Outcome::Lost | Outcome::Leaked
        );
        if is_wrong && mismatches.len() < MISMATCHES_MAX {
            mismatches.push(format!("packet {}: {outcome:?}{words}", step.packet + 1));
        }
    }
    for number in numbers {
        smf.delete(number)?;
    }
    Ok(Report {
        packets: plan.fates.len(),
        sessions: plan.sessions.len(),
        fates: plan.count().into_iter().collect(),
        outcomes: outcomes
            .into_iter()
            .map(|((e, o), count)| (e, o, count))
            .collect(),
        mismatches,
    })
}

fn send(step: &Step, session: &Session, lab: &mut Lab) -> anyhow::Result<()> {
    if !step.is_uplink {
        return lab.send_downlink(&step.inner);
    }
    let container = step.qfi.map(Container::uplink);
    let message = gtp::message(gtp::G_PDU, session.uplink.teid, container, &step.inner);
    lab.send_gtp(GNB, &message)
}

/// Looks at what comes out for a packet.
fn judge(step: &Step, session: &Session, lab: &mut Lab) -> anyhow::Result<(Outcome, String)> {
    let Some(expected) = step.expected() else {
        return Ok(match lab.next(QUIET)? {
            None => (Outcome::Dropped, String::new()),
            Some(emitted) if is_icmp_error(&emitted) => (Outcome::Refused, String::new()),
            Some(emitted) => (Outcome::Leaked, format!(" as {emitted:?}")),
        });
    };
    Ok(match lab.next(PATIENCE)? {
        None => (Outcome::Lost, String::new()),
        Some(emitted) if is_right(step, session, &expected, &emitted) => {
            (Outcome::Forwarded, String::new())
        }
        Some(emitted) if is_icmp_error(&emitted) => (Outcome::Refused, String::new()),
        Some(emitted) => (
            Outcome::Mismatched,
            format!(": {emitted:?} instead of {expected:02x?}"),
        ),
    })
}

fn is_right(step: &Step, session: &Session, expected: &[u8], emitted: &Emitted) -> bool {
    match emitted {
        Emitted::Plain { side, packet } => {
            step.is_uplink && *side == crate::wire::Side::N6 && packet == expected
        }
        Emitted::Gtp {
            to,
            message_type,
            teid,
            container,
            payload,
        } => {
            !step.is_uplink
                && *message_type == gtp::G_PDU
                && session.gnb
                    == Some(Tunnel {
                        address: *to,
                        teid: *teid,
                    })
                && *container == session.downlink_qfi.map(Container::downlink)
                && payload == expected
        }
    }
}

/// Whether a packet tells a sender that something could not be delivered.
fn is_icmp_error(emitted: &Emitted) -> bool {
    let packet = match emitted {
        Emitted::Plain { packet, .. } => packet,
        Emitted::Gtp { payload, .. } => payload,
    };
    let Some(ip) = simulator::net::Ip::parse(packet) else {
        return false;
    };
    matches!(
        (ip.protocol, ip.payload.first()),
        (1, Some(3 | 11 | 12)) | (58, Some(1..=4))
    )
}
