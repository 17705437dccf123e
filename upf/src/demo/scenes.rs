//! What the demonstration plays, scene by scene.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use simulator::{
    Direction, Event, Job, Session, SessionSpec, Smf, SmfConfig, Summary, Way, gtp, net,
};
use upf::Instance;

use super::report::{Report, Scene};
use super::{Arguments, address, progress, say};
use crate::lab::exhibits::{Exhibits, Link};
use crate::lab::{Handle, Lab, UPF_N3, flavour, now, tunnel, ue_addresses};

/// Requests in flight while sessions are set up.
const WINDOW: usize = 32;

/// Plays all scenes.
pub(super) fn play(
    arguments: &Arguments,
    instance: &Instance,
    lab: &Handle,
    [upf, smf]: [Ipv4Addr; 2],
    exhibits: Exhibits,
) -> Result<Report> {
    let see = trace(exhibits, upf, smf);
    let mut smf = Smf::bind(SmfConfig::new(address(smf), address(upf)))?;
    smf.set_trace(see);
    let found = lab.run(Lab::find_upf)?;
    ensure!(
        found,
        "the UPF answers neither ARP nor neighbour solicitations"
    );
    smf.associate().context("no association")?;
    smf.heartbeat().context("no heartbeat")?;
    say(
        arguments,
        &format!(
            "SMF associated; setting up {} sessions …",
            arguments.sessions
        ),
    );
    set_up(arguments, &mut smf)?;
    share(lab, &smf)?;

    let payload = arguments.payload;
    lab.run(move |lab| lab.warm_up(payload))?;
    let before = instance.counts();
    let traffic = load(arguments, instance, lab, &mut smf)?;
    let after = instance.counts();
    let scenes = vec![
        paging(lab, &mut smf)?,
        path_switch(lab, &mut smf)?,
        signalling(lab)?,
        release(lab, &mut smf)?,
    ];
    smf.release().context("the association was not released")?;

    let tally = lab.run(|lab| lab.tally.clone())?;
    let sessions = usize::try_from(arguments.sessions).unwrap_or(usize::MAX);
    let summary = Summary::new(sessions, &tally, traffic, smf.timings(), smf.reports());
    Ok(Report::new(summary, &before, &after, instance, scenes))
}

/// Establishes and activates all sessions, with rules as different SMFs send them.
fn set_up(arguments: &Arguments, smf: &mut Smf) -> Result<()> {
    let specs = (0..arguments.sessions).map(|number| {
        let (ue_ipv4, ue_ipv6) = ue_addresses(number);
        SessionSpec {
            flavour: flavour(number),
            ue_ipv4,
            ue_ipv6,
            n3_address: UPF_N3,
            ..SessionSpec::default()
        }
    });
    let mut jobs = Vec::new();
    for result in smf.establish_many(specs, WINDOW) {
        let session = result.context("a session was refused")?.session;
        jobs.push(Job::Activate {
            session,
            tunnel: tunnel(session, 0),
        });
    }
    for result in smf.run(jobs, WINDOW) {
        result.context("a session was not activated")?;
    }
    Ok(())
}

/// Tells the lab what the SMF knows.
fn share(lab: &Handle, smf: &Smf) -> Result<()> {
    let sessions = smf.sessions().clone();
    lab.run(move |lab| lab.sessions = sessions)
}

/// Traffic in both directions; the SMF answers heartbeats meanwhile.
fn load(
    arguments: &Arguments,
    instance: &Instance,
    lab: &Handle,
    smf: &mut Smf,
) -> Result<Duration> {
    say(
        arguments,
        &format!("{} s of traffic, every packet checked …", arguments.seconds),
    );
    let begun = now();
    let end = begun + Duration::from_secs(arguments.seconds);
    let payload = arguments.payload;
    lab.run(move |lab| lab.start_load(payload))?;
    while now() < end {
        let until = (now() + Duration::from_millis(500)).min(end);
        smf.serve(until.saturating_duration_since(now()))?;
        let tally = lab.run(|lab| {
            (
                *lab.tally.counts(Direction::Uplink),
                *lab.tally.counts(Direction::Downlink),
            )
        })?;
        let (up, down) = tally;
        progress(
            arguments,
            &format!(
                "{:>5.1} s   uplink {:>9} of {:>9}   downlink {:>9} of {:>9}   dropped {}",
                begun.elapsed().as_secs_f64(),
                up.received,
                up.sent,
                down.received,
                down.sent,
                instance.counts().dropped(),
            ),
        );
    }
    let took = begun.elapsed();
    lab.run(|lab| lab.stop_load(Duration::from_secs(2)))?;
    progress(arguments, "");
    Ok(took)
}

fn first(smf: &Smf) -> Result<Session> {
    smf.sessions()
        .iter()
        .next()
        .cloned()
        .context("there is no session")
}

/// Idle, paged by downlink data, active again: the packets come, all, in order.
fn paging(lab: &Handle, smf: &mut Smf) -> Result<Scene> {
    let session = first(smf)?;
    smf.idle(session.number)
        .context("the UE did not become idle")?;
    while smf.next_event().is_some() {}
    let held = session.clone();
    lab.run(move |lab| {
        for _ in 0..5 {
            lab.downlink(&held, 64);
        }
        lab.flush();
        lab.wait(Duration::from_millis(50));
        lab.seen.downlink_tags.clear();
    })?;
    let paged = (0..100).any(|_| {
        let event = smf.wait_event(Duration::from_millis(20)).ok().flatten();
        matches!(event, Some(Event::DownlinkData { session: of, .. }) if of == session.number)
    });
    smf.activate(session.number, tunnel(session.number, 0))
        .context("no activation")?;
    share(lab, smf)?;
    let tags = lab.run(|lab| {
        lab.settle(Duration::from_secs(1));
        lab.seen.downlink_tags.clone()
    })?;
    let ordered = tags
        .windows(2)
        .all(|pair| matches!(pair, [a, b] if a.1 < b.1));
    Ok(Scene::new(
        "idle UE: downlink packets held, SMF told, released in order on activation",
        paged && tags.len() == 5 && ordered,
    ))
}

/// A handover: packets go to the new gNB, the old one gets one End Marker.
fn path_switch(lab: &Handle, smf: &mut Smf) -> Result<Scene> {
    let session = first(smf)?;
    smf.path_switch(session.number, tunnel(session.number, 1))
        .context("no path switch")?;
    share(lab, smf)?;
    let moved = first(smf)?;
    let (markers, came) = lab.run(move |lab| {
        lab.seen.downlink_tags.clear();
        lab.downlink(&moved, 64);
        lab.uplink(&moved, 64);
        lab.flush();
        lab.wait(Duration::from_millis(20));
        lab.settle(Duration::from_secs(1));
        (lab.seen.end_markers.clone(), lab.seen.downlink_tags.len())
    })?;
    let old = tunnel(session.number, 0);
    Ok(Scene::new(
        "handover: End Marker in the old tunnel, packets in the new one",
        came == 1 && !markers.is_empty() && markers.iter().all(|marker| *marker == old),
    ))
}

/// Echo, and a packet in a tunnel that nobody knows.
fn signalling(lab: &Handle) -> Result<Scene> {
    let unknown = 0x0bad_0bad;
    let (echoes, errors) = lab.run(move |lab| {
        let echo = lab
            .gnb()
            .datagram(UPF_N3.into(), &gtp::echo(gtp::ECHO_REQUEST, 7));
        lab.send_n3(&echo, "Echo Request");
        let stray = gtp::message(gtp::G_PDU, unknown, None, &[0x45; 40]);
        let stray = lab.gnb().datagram(UPF_N3.into(), &stray);
        lab.send_n3(&stray, "packet in an unknown tunnel");
        lab.wait(Duration::from_millis(100));
        (lab.seen.echo_responses, lab.seen.error_indications.clone())
    })?;
    Ok(Scene::new(
        "signalling: Echo answered, Error Indication for an unknown tunnel",
        echoes == 1 && errors.iter().any(|tunnel| tunnel.teid == unknown),
    ))
}

/// All sessions go; what comes for them afterwards goes nowhere.
fn release(lab: &Handle, smf: &mut Smf) -> Result<Scene> {
    let last = first(smf)?;
    let jobs: Vec<Job> = smf
        .sessions()
        .iter()
        .map(|session| Job::Delete {
            session: session.number,
        })
        .collect();
    for result in smf.run(jobs, WINDOW) {
        result.context("a session was not deleted")?;
    }
    let nothing_came = lab.run(move |lab| {
        let before = lab.tally.clone();
        let errors = lab.seen.error_indications.len();
        lab.uplink(&last, 64);
        lab.flush();
        lab.wait(Duration::from_millis(50));
        let same = lab.tally.counts(Direction::Uplink).received
            == before.counts(Direction::Uplink).received;
        let told = lab.seen.error_indications.len() > errors;
        // It was meant to be lost: not part of the ledger.
        lab.tally = before;
        same && told
    })?;
    Ok(Scene::new(
        "release: a deleted session's tunnel forwards nothing",
        nothing_came,
    ))
}

/// Puts N4 messages into frames, for the capture.
fn trace(exhibits: Exhibits, upf: Ipv4Addr, smf: Ipv4Addr) -> simulator::Trace {
    Box::new(move |way, message| {
        let (upf, smf) = (
            (address(upf), simulator::PORT),
            (address(smf), simulator::PORT),
        );
        let (from, to) = if way == Way::Sent {
            (smf, upf)
        } else {
            (upf, smf)
        };
        let packet = net::udp(from, to, message);
        let mac = |last| [0x02, 0, 0, 0, 0x04, last];
        let frame = net::ethernet_ip(mac(1), mac(2), None, &packet);
        exhibits.show(Link::N4, way == Way::Sent, &frame, name_of(message));
    })
}

/// The name of a PFCP message by its type (TS 29.244, 7.3).
fn name_of(message: &[u8]) -> &'static str {
    match message.get(1) {
        Some(1) => "Heartbeat Request",
        Some(2) => "Heartbeat Response",
        Some(5) => "Association Setup Request",
        Some(6) => "Association Setup Response",
        Some(9) => "Association Release Request",
        Some(10) => "Association Release Response",
        Some(50) => "Session Establishment Request",
        Some(51) => "Session Establishment Response",
        Some(52) => "Session Modification Request",
        Some(53) => "Session Modification Response",
        Some(54) => "Session Deletion Request",
        Some(55) => "Session Deletion Response",
        Some(56) => "Session Report Request",
        Some(57) => "Session Report Response",
        _ => "another PFCP message",
    }
}
