//! Usage is exact (TS 29.244, 5.2.2): over a million packets of both directions through two real
//! workers, with rules that change under load, all that was reported is what was forwarded, to the
//! octet; through modification, deletion, hand-over between workers, buffering, reports that come
//! again and answers that come late.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use pfcp::{
    ApplyAction, Cause, DestinationInterface, Encode, Header, Message, Sequence, SourceInterface,
    UsageReport,
};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use session::report::{Command, ControlEnd, queues};
use session::{Teid, WorkerId};
use tokio::time::Instant;
use upf_cp::{Input, Node, NodeConfig, Now, Output};
use upf_dp::testbed::{self, TestWorker, Testbed};
use upf_dp::{Packet as _, PlainPacket};

const UES: usize = 24;
const PACKETS_MIN: u64 = 1_000_000;
const SMF: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 4, 2));

fn ue(n: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 45, 1, n as u8)
}

/// What the world outside does and sees.
#[derive(Debug, Default)]
struct Field {
    /// The uplink TEID of each UE's session; 0 is none.
    teids: [AtomicU32; UES],
    /// Octets of user packets that came out, by UE: uplink and downlink.
    forwarded: [[AtomicU64; 2]; UES],
    packets: AtomicU64,
    handed_over: AtomicU64,
    stop: AtomicBool,
}

/// Counts a frame that came out, if a user packet is in it.
fn came_out(field: &Field, port: u16, frame: &[u8]) {
    if frame[12..14] != [8, 0] {
        return;
    }
    let ip = &frame[14..];
    let (user, address, direction) = if port == 1 {
        (ip, 12, 0)
    } else {
        // Behind IPv4 and UDP: a G-PDU, with extension headers or without.
        let message = &ip[28..];
        if message[1] != 255 {
            return;
        }
        let header = if message[0].trailing_zeros() >= 3 {
            8
        } else {
            12 + usize::from(message[12]) * 4
        };
        (&message[header..], 16, 1)
    };
    let [a, b, c, n] = user[address..address + 4] else {
        panic!()
    };
    assert_eq!([a, b, c], [10, 45, 1]);
    let octets = u16::from_be_bytes([user[2], user[3]]);
    field.forwarded[usize::from(n)][direction].fetch_add(octets.into(), Relaxed);
}

type Carried = (u16, PlainPacket);

/// A worker's thread: bursts from the network and from the other worker, until it is to stop.
fn work(
    mut worker: TestWorker,
    (from_other, to_other): (Receiver<Carried>, Sender<Carried>),
    field: &Field,
    seed: u64,
) {
    let mut random = StdRng::seed_from_u64(seed);
    let started = Instant::now();
    let now = || session::meter::Now(started.elapsed().as_nanos() as u64 + testbed::HZ);
    let settle = |worker: &mut TestWorker| {
        for (_, port, packet) in worker.out.handed_over.drain(..) {
            field.handed_over.fetch_add(1, Relaxed);
            // At the end the other one may be gone.
            let _ = to_other.send((port, packet));
        }
        for (port, packet) in worker.out.sent.drain(..) {
            came_out(field, port, packet.data());
        }
    };
    while !field.stop.load(Acquire) {
        let burst: Vec<Carried> = (0..random.random_range(1..64))
            .map(|_| {
                let n = random.random_range(0..UES);
                let payload = random.random_range(0..1_200);
                if random.random_bool(0.5) {
                    let user = testbed::user_v4(ue(n), testbed::HOST, payload);
                    let teid = Teid(field.teids[n].load(Relaxed));
                    (0, PlainPacket::new(&testbed::uplink(teid, &user)))
                } else {
                    let user = testbed::user_v4(testbed::HOST, ue(n), payload);
                    (1, PlainPacket::new(&testbed::downlink(&user)))
                }
            })
            .collect();
        field.packets.fetch_add(burst.len() as u64, Relaxed);
        worker.receive(now(), burst, true);
        let carried: Vec<Carried> = from_other.try_iter().take(64).collect();
        worker.receive(now(), carried, false);
        worker.tend(now());
        settle(&mut worker);
    }
}

// ===== the SMF =====

fn pdr(id: u16, far: u32, urr: u32, pdi: pfcp::Pdi) -> pfcp::CreatePdr {
    let uplink = pdi.source_interface == SourceInterface::ACCESS;
    pfcp::CreatePdr {
        pdr_id: id.into(),
        precedence: 100.into(),
        pdi,
        outer_header_removal: uplink.then_some(pfcp::OuterHeaderRemoval::GTP_U_UDP_IP),
        far_id: Some(far.into()),
        urr_ids: vec![urr.into()],
        ..Default::default()
    }
}

fn far(id: u32, to: DestinationInterface, tunnel: Option<u32>) -> pfcp::CreateFar {
    let gnb = testbed::GNB.into();
    pfcp::CreateFar {
        far_id: id.into(),
        apply_action: ApplyAction::FORW,
        forwarding_parameters: Some(pfcp::ForwardingParameters {
            destination_interface: to,
            outer_header_creation: tunnel.map(|teid| pfcp::OuterHeaderCreation::gtp_u(teid, gnb)),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn urr(id: u32) -> pfcp::CreateUrr {
    pfcp::CreateUrr {
        urr_id: id.into(),
        measurement_method: pfcp::MeasurementMethod::VOLUM,
        reporting_triggers: pfcp::ReportingTriggers::VOLTH,
        volume_threshold: Some(pfcp::VolumeThreshold::of_total(500_000)),
        ..Default::default()
    }
}

/// A session with a URR for each direction; whichever URR a PDR has, it has one.
fn establishment(n: usize, cp_seid: u64) -> pfcp::SessionEstablishmentRequest {
    let address = |destination| pfcp::UeIpAddress {
        destination,
        ..pfcp::UeIpAddress::source(ue(n).into())
    };
    let network = pfcp::NetworkInstance(pfcp::Octets::labels("internet"));
    let uplink = pfcp::Pdi {
        source_interface: SourceInterface::ACCESS,
        local_f_teid: Some(pfcp::FTeid::Choose {
            ipv4: true,
            ipv6: false,
            choose_id: None,
        }),
        network_instance: Some(network.clone()),
        ue_ip_addresses: vec![address(false)],
        ..Default::default()
    };
    let downlink = pfcp::Pdi {
        source_interface: SourceInterface::CORE,
        network_instance: Some(network),
        ue_ip_addresses: vec![address(true)],
        ..Default::default()
    };
    pfcp::SessionEstablishmentRequest {
        node_id: SMF.into(),
        cp_f_seid: pfcp::FSeid::new(cp_seid, SMF),
        create_pdrs: [pdr(1, 1, 1, uplink), pdr(2, 2, 2, downlink)].into(),
        create_fars: [
            far(1, DestinationInterface::CORE, None),
            far(2, DestinationInterface::ACCESS, Some(n as u32 + 1)),
        ]
        .into(),
        create_urrs: vec![urr(1), urr(2)],
        pdn_type: Some(pfcp::PdnType::IPV4),
        ..Default::default()
    }
}

fn with_urr(pdr: u16, urr: u32) -> pfcp::UpdatePdr {
    pfcp::UpdatePdr {
        pdr_id: pdr.into(),
        urr_ids: pfcp::NonEmpty::from([pfcp::UrrId(urr)]).into(),
        ..Default::default()
    }
}

/// What the SMF knows of a UE's session.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    seid: u64,
    cp_seid: u64,
    has_second: bool,
    buffers: bool,
}

/// The SMF, its books, and the node that it talks to.
struct Smf {
    node: Node,
    ends: Vec<ControlEnd>,
    field: Arc<Field>,
    random: StdRng,
    started: Instant,
    sequence: u32,
    sessions: [Known; UES],
    /// The UE of each session that ever was.
    ues: BTreeMap<u64, usize>,
    /// Reported octets by UE: uplink and downlink.
    reported: [[u64; 2]; UES],
    /// Reports that were entered: each is once, whenever it comes again.
    entered: HashSet<u32>,
    /// Requests that have not been answered yet: whether it is a heartbeat, its number, when it is to
    /// be answered.
    unanswered: Vec<(bool, u32, u64)>,
    /// UR-SEQNs of the first URR of each session.
    numbers: BTreeMap<u64, Vec<u32>>,
    again: u64,
}

impl Smf {
    fn now(&self) -> Now {
        let elapsed_ms = self.started.elapsed().as_millis() as u64;
        Now {
            elapsed_ms,
            ntp_s: 3_900_000_000 + (elapsed_ms / 1000) as u32,
        }
    }

    fn enter(&mut self, cp_seid: u64, reports: &[UsageReport]) {
        let ue = self.ues[&cp_seid];
        for report in reports {
            let volume = report.volume_measurement.as_ref().unwrap();
            self.reported[ue][0] += volume.uplink.unwrap();
            self.reported[ue][1] += volume.downlink.unwrap();
            if report.urr_id.0 == 1 {
                let numbers = self.numbers.entry(cp_seid).or_default();
                numbers.push(report.ur_seqn.0);
            }
        }
    }

    /// Carries out what the node wants; gives its answers.
    fn carry_out(&mut self, outputs: Vec<Output>) -> Vec<Message> {
        let (mut answers, now_ms) = (vec![], self.now().elapsed_ms);
        for output in outputs {
            let octets = match output {
                Output::Worker { worker, command } => {
                    self.tell(worker, command);
                    continue;
                }
                Output::Send { octets, .. } => octets,
            };
            let decoded = pfcp::decode(&octets).unwrap();
            let sequence = decoded.header.sequence.get();
            match decoded.message {
                Message::SessionReportRequest(report) => {
                    if self.entered.insert(sequence) {
                        let cp_seid = decoded.header.seid.unwrap();
                        self.enter(cp_seid, &report.usage_reports);
                    } else {
                        self.again += 1;
                    }
                    self.unanswered.retain(|(_, of, _)| *of != sequence);
                    let after_ms = self.random.random_range(0..12);
                    self.unanswered.push((false, sequence, now_ms + after_ms));
                }
                Message::HeartbeatRequest(_) => self.unanswered.push((true, sequence, now_ms)),
                // News of paths.
                request if request.is_request() => {}
                answer => answers.push(answer),
            }
        }
        answers
    }

    fn tell(&mut self, worker: WorkerId, command: Command) {
        let end = &mut self.ends[usize::from(worker.0)];
        while end.command(command).is_err() && !self.field.stop.load(Relaxed) {
            std::thread::yield_now();
        }
    }

    /// What the workers tell, time, and answers to reports: one in five is lost.
    fn go_on(&mut self) -> Vec<Message> {
        let mut answers = vec![];
        for worker in 0..self.ends.len() {
            while let Some(report) = self.ends[worker].report() {
                let worker = worker as u8;
                let report = report.into();
                let outputs = self
                    .node
                    .handle(self.now(), Input::Report { worker, report });
                answers.extend(self.carry_out(outputs));
            }
        }
        let now = self.now();
        let due = self
            .unanswered
            .extract_if(.., |(.., at)| *at <= now.elapsed_ms);
        for (is_heartbeat, sequence, _) in due.collect::<Vec<_>>() {
            let octets = if is_heartbeat {
                let recovery_time_stamp = pfcp::RecoveryTimeStamp(3_800_000_000);
                let answer = pfcp::HeartbeatResponse {
                    recovery_time_stamp,
                    ..Default::default()
                };
                encode(None, sequence, &answer)
            } else {
                let answer = pfcp::SessionReportResponse {
                    cause: Cause::REQUEST_ACCEPTED,
                    ..Default::default()
                };
                encode(Some(0), sequence, &answer)
            };
            if self.random.random_bool(0.8) {
                let outputs = self.node.handle_datagram(now, from(), &octets);
                answers.extend(self.carry_out(outputs));
            }
        }
        if self
            .node
            .deadline_ms()
            .is_some_and(|at| at <= now.elapsed_ms)
        {
            let outputs = self.node.handle(now, Input::Tick);
            answers.extend(self.carry_out(outputs));
        }
        let outputs = self.node.settle(now);
        answers.extend(self.carry_out(outputs));
        answers
    }

    /// Asks until it is answered; some requests come twice.
    fn ask(&mut self, seid: Option<u64>, request: &impl Encode) -> Message {
        self.sequence += 1;
        let octets = encode(seid, self.sequence, request);
        let mut answers = vec![];
        let times = if self.random.random_bool(0.2) { 2 } else { 1 };
        for _ in 0..times {
            let outputs = self.node.handle_datagram(self.now(), from(), &octets);
            answers.extend(self.carry_out(outputs));
        }
        let until = Instant::now() + Duration::from_secs(30);
        while answers.is_empty() {
            assert!(Instant::now() < until, "no answer");
            answers.extend(self.go_on());
            std::thread::yield_now();
        }
        assert!(
            answers.iter().all(|answer| *answer == answers[0]),
            "a request that came twice is answered the same: {answers:?}"
        );
        answers.remove(0)
    }

    fn establish(&mut self, n: usize) {
        let cp_seid = self.ues.len() as u64 + 1;
        self.ues.insert(cp_seid, n);
        let answer = self.ask(Some(0), &establishment(n, cp_seid));
        let Message::SessionEstablishmentResponse(answer) = answer else {
            panic!("{answer}")
        };
        assert_eq!(answer.cause, Cause::REQUEST_ACCEPTED, "{answer}");
        let teid =
            answer
                .created_pdrs
                .iter()
                .find_map(|created| match created.local_f_teids.first()? {
                    pfcp::FTeid::Given { teid, .. } => Some(*teid),
                    pfcp::FTeid::Choose { .. } => None,
                });
        self.field.teids[n].store(teid.unwrap(), Relaxed);
        self.sessions[n] = Known {
            seid: answer.up_f_seid.unwrap().seid,
            cp_seid,
            has_second: true,
            buffers: false,
        };
    }

    fn modify(&mut self, n: usize, request: &pfcp::SessionModificationRequest) {
        let Known { seid, cp_seid, .. } = self.sessions[n];
        let answer = self.ask(Some(seid), request);
        let Message::SessionModificationResponse(answer) = answer else {
            panic!("{answer}")
        };
        assert_eq!(answer.cause, Cause::REQUEST_ACCEPTED, "{answer}");
        self.enter(cp_seid, &answer.usage_reports);
    }

    fn delete(&mut self, n: usize) {
        let Known { seid, cp_seid, .. } = self.sessions[n];
        let request = pfcp::SessionDeletionRequest::default();
        let answer = self.ask(Some(seid), &request);
        let Message::SessionDeletionResponse(answer) = answer else {
            panic!("{answer}")
        };
        assert_eq!(answer.cause, Cause::REQUEST_ACCEPTED, "{answer}");
        self.enter(cp_seid, &answer.usage_reports);
    }

    /// Something happens to a session.
    fn step(&mut self) {
        let n = self.random.random_range(0..UES);
        let known = self.sessions[n];
        let mut request = pfcp::SessionModificationRequest::default();
        match self.random.random_range(0..12) {
            0 => {
                self.delete(n);
                return self.establish(n);
            }
            // The second rule goes, or comes again.
            1..=3 if known.has_second => {
                request.update_pdrs = vec![with_urr(1, 1), with_urr(2, 1)];
                request.remove_urrs = vec![pfcp::RemoveUrr {
                    urr_id: 2.into(),
                    ..Default::default()
                }];
                self.sessions[n].has_second = false;
            }
            1..=3 => {
                request.create_urrs = vec![urr(2)];
                request.update_pdrs = vec![with_urr(1, 2)];
                self.sessions[n].has_second = true;
            }
            // PDRs change their rules; one of these may have none then.
            4..=6 if known.has_second => {
                let [first, second] = [0, 1].map(|_| self.random.random_range(1..3));
                request.update_pdrs = vec![with_urr(1, first), with_urr(2, second)];
            }
            7 => request.flags = Some(pfcp::PfcpSmReqFlags::QAURR),
            8 => {
                let threshold = self.random.random_range(100_000..900_000);
                request.update_urrs = vec![pfcp::UpdateUrr {
                    urr_id: 1.into(),
                    volume_threshold: pfcp::VolumeThreshold::of_total(threshold).into(),
                    ..Default::default()
                }];
            }
            // The UE sleeps, or wakes: what was held goes then.
            _ => {
                let action = if known.buffers {
                    ApplyAction::FORW
                } else {
                    ApplyAction::BUFF
                };
                request.update_fars = vec![pfcp::UpdateFar {
                    far_id: 2.into(),
                    apply_action: Some(action),
                    ..Default::default()
                }];
                self.sessions[n].buffers = !known.buffers;
            }
        }
        self.modify(n, &request);
    }
}

fn from() -> SocketAddr {
    SocketAddr::new(SMF, 8805)
}

fn encode(seid: Option<u64>, sequence: u32, message: &impl Encode) -> Vec<u8> {
    let header = Header {
        seid,
        sequence: Sequence::new(sequence),
        ..Header::default()
    };
    let mut octets = vec![];
    pfcp::encode(&header, message, &mut octets).unwrap();
    octets
}

fn node(publisher: session::Publisher, neighbours: Arc<session::neighbour::Neighbours>) -> Node {
    let mut config = NodeConfig::new(testbed::N4_ADDRESS.into());
    config.heartbeat_interval_ms = 50;
    config.hz = testbed::HZ;
    // Reports are soon sent again, and soon given up.
    config.t1_ms = 5;
    config.n1 = 2;
    config.limits.outstanding_requests_per_peer = 3;
    config.limits.messages_per_second_per_peer = u32::MAX;
    config.limits.messages_per_second = u32::MAX;
    let topology = Arc::new(testbed::topology());
    let now = Now {
        elapsed_ms: 0,
        ntp_s: 3_900_000_000,
    };
    Node::new(config, publisher, topology, neighbours, [7; 32], now)
}

/// All that was reported is what came out, and each number was there once.
fn check(smf: &Smf) -> u64 {
    let mut all = 0;
    for (n, forwarded) in smf.field.forwarded.iter().enumerate() {
        let forwarded = forwarded.each_ref().map(|octets| octets.load(Relaxed));
        assert_eq!(smf.reported[n], forwarded, "UE {n}: uplink and downlink");
        all += forwarded.iter().sum::<u64>();
    }
    for (session, numbers) in &smf.numbers {
        let mut numbers = numbers.clone();
        numbers.sort_unstable();
        let expected: Vec<u32> = (0..).take(numbers.len()).collect();
        assert_eq!(numbers, expected, "UR-SEQNs of session {session}");
    }
    assert_eq!(smf.node.counters().reports_shed, 0);
    all
}

/// Two workers, and the SMF with its node and its sessions.
fn begin() -> (Vec<TestWorker>, Smf) {
    let Testbed {
        publisher,
        neighbours,
        mut workers,
        ..
    } = Testbed::new(2, 256);
    // Nobody is there to answer those who ask whether neighbours still are.
    let gateway = "10.0.6.254".parse().unwrap();
    for (interface, address, mac) in [
        (testbed::N3, testbed::GNB.into(), testbed::MAC_GNB),
        (testbed::N6, gateway, testbed::MAC_GATEWAY),
    ] {
        neighbours.fix(session::neighbour::NextHop { interface, address }, mac);
    }
    let ends = workers
        .iter_mut()
        .map(|worker| std::mem::replace(&mut worker.control, queues(1).1));
    let mut smf = Smf {
        ends: ends.collect(),
        node: node(publisher, neighbours),
        field: Arc::default(),
        random: StdRng::seed_from_u64(29_244),
        started: Instant::now(),
        sequence: 0,
        sessions: [Known::default(); UES],
        ues: BTreeMap::new(),
        reported: [[0; 2]; UES],
        entered: HashSet::new(),
        unanswered: vec![],
        numbers: BTreeMap::new(),
        again: 0,
    };
    let association = pfcp::AssociationSetupRequest {
        node_id: SMF.into(),
        recovery_time_stamp: pfcp::RecoveryTimeStamp(3_800_000_000),
        ..Default::default()
    };
    smf.ask(None, &association);
    (0..UES).for_each(|n| smf.establish(n));
    (workers, smf)
}

#[test]
fn what_is_reported_is_what_was_forwarded() {
    let (workers, mut smf) = begin();
    let field = Arc::clone(&smf.field);
    let (to_first, at_first) = channel();
    let (to_second, at_second) = channel();
    let queues = [(at_first, to_second), (at_second, to_first)];
    let mut steps = 0_u64;
    std::thread::scope(|scope| {
        for (seed, (worker, queues)) in (1..).zip(workers.into_iter().zip(queues)) {
            let field = &*field;
            scope.spawn(move || work(worker, queues, field, seed));
        }
        // Whatever goes wrong here, they stop.
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            while field.packets.load(Relaxed) < PACKETS_MIN {
                smf.step();
                smf.go_on();
                steps += 1;
            }
        }));
        field.stop.store(true, Release);
        ended.unwrap();
    });
    (0..UES).for_each(|n| smf.delete(n));
    let until = Instant::now() + Duration::from_mins(1);
    let is_report = |(is_heartbeat, ..): &(bool, u32, u64)| !is_heartbeat;
    while smf.node.peer_statuses()[0].outstanding_reports > 0
        || smf.unanswered.iter().any(is_report)
    {
        assert!(Instant::now() < until, "reports are left");
        smf.go_on();
        std::thread::sleep(Duration::from_millis(1));
    }
    let octets = check(&smf);
    // All of that did happen.
    let handed_over = field.handed_over.load(Relaxed);
    assert!(octets > 100_000_000 && handed_over > 100_000);
    assert!(steps > 500, "{steps} changes");
    let (sessions, reports) = (smf.ues.len(), smf.entered.len());
    assert!(sessions > UES + 20, "{sessions} sessions");
    assert!(
        reports > 20 && smf.again > 20,
        "{reports} reports, {} sent again",
        smf.again
    );
}
