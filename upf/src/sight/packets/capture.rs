//! A capture file: packets as they were received and as they were sent, each with what became of
//! it as its comment.

use std::time::Duration;

use simulator::capture::{Way, Writer};
use upf_dp::Came;
use upf_dp::explain::{Explanation, Names};
use upf_dp::watch::{Outcome, Sample};

/// A capture that grows.
#[derive(Debug)]
pub(super) struct Capture {
    /// Nothing can go wrong: it is memory.
    writer: Option<Writer<Vec<u8>>>,
    /// Octets that may yet come.
    left: u64,
}

impl Capture {
    /// An interface for each port, and at most so many octets (and what is left of a packet).
    pub(super) fn new(names: &Names, octets: u64) -> Self {
        let ports: Vec<&str> = names.ports.iter().map(String::as_str).collect();
        Self {
            writer: Writer::new(Vec::new(), &ports).ok(),
            left: octets,
        }
    }

    /// Whether there are as many octets as may be.
    pub(super) const fn is_full(&self) -> bool {
        self.left == 0
    }

    /// What was written since.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let piece = self.writer.as_mut().map(Writer::take).unwrap_or_default();
        let octets = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        self.left = self.left.saturating_sub(octets);
        piece
    }

    /// Writes a packet, and the frames that were sent because of it.
    pub(super) fn add(&mut self, sample: &Sample, told: &Explanation, time: Duration) {
        let Some(writer) = &mut self.writer else {
            return;
        };
        // What was held, turned back or handed over was written when it came.
        let is_new = sample.came == Came::In;
        let is_ours = !matches!(told.outcome, Outcome::HandedOver(_));
        if is_new && is_ours {
            let comment = comment(told);
            let port = sample.port.into();
            drop(writer.frame(port, time, Way::In, sample.received(), &comment));
        }
        for frame in sample.frames().filter(|frame| frame.left) {
            let comment = format!("{}{}", of(told), sent_as(told.outcome));
            drop(writer.frame(frame.port.into(), time, Way::Out, frame.octets, &comment));
        }
    }

    /// Says how many packets are not in it.
    pub(super) fn end(&mut self, missed: u64) {
        if let Some(writer) = &mut self.writer {
            drop(writer.statistics(0, missed));
        }
    }
}

/// What became of a packet.
fn comment(told: &Explanation) -> String {
    let why = match told.outcome {
        Outcome::Dropped(reason) => format!(
            "\n{}\nlikely cause: {}\nremedy: {}",
            reason.description(),
            reason.cause(),
            reason.remedy()
        ),
        _ => String::new(),
    };
    format!("{}{}{why}", of(told), told.verdict)
}

/// Whose it is: session and rules.
fn of(told: &Explanation) -> String {
    let mut text = String::new();
    let parts = [
        told.seid.map(|seid| format!("session {:016x}", seid.0)),
        told.pdr.map(|pdr| format!("PDR {pdr}")),
        told.far.map(|far| format!("FAR {far}")),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    if !parts.is_empty() {
        text = format!("{}: ", parts.join(", "));
    }
    text
}

const fn sent_as(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::SentInPieces => "a fragment",
        Outcome::Answered(_) => "the UPF's answer",
        Outcome::Dropped(_) => "tells the sender of the drop",
        _ => "sent",
    }
}
