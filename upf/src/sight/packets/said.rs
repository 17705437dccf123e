//! Explanations, as the API writes them.

use std::fmt::Write as _;

use api::model;
use upf_dp::explain::Explanation;
use upf_dp::watch::Outcome;

/// An explanation; `time_ns` is when the packet came, since 1970.
pub(super) fn explanation(told: &Explanation, time_ns: Option<u64>) -> model::Explanation {
    let stage = |stage: &upf_dp::explain::Stage| model::Stage {
        name: stage.name.to_owned(),
        lines: stage.lines.clone(),
    };
    let frame = |frame: &upf_dp::explain::SentFrame| model::SentFrame {
        port: frame.port.clone(),
        octets: hex(&frame.octets),
        left: frame.left,
    };
    model::Explanation {
        time_ns,
        worker: told.worker.0,
        came: told.came.name().to_owned(),
        port: told.port.clone(),
        interface: told.interface.clone(),
        seid: told.seid.map(|seid| format!("{:016x}", seid.0)),
        pdr: told.pdr.map(|pdr| pdr.0),
        far: told.far.map(|far| far.0),
        outcome: told.outcome.name().to_owned(),
        reason: match told.outcome {
            Outcome::Dropped(reason) => Some(reason.name().to_owned()),
            _ => None,
        },
        verdict: told.verdict.clone(),
        stages: told.stages.iter().map(stage).collect(),
        received: hex(&told.received),
        sent: told.sent.iter().map(frame).collect(),
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}
