//! Recorded conversations of an Open5GS SMF, held again with `upf run`: every request is answered
//! as any UPF must, and the packets of N3 come out right.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::print_stderr,
    reason = "tests"
)]

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use pfcp::{
    Cause, Decoded, HeartbeatResponse, Message, OuterHeaderCreation, RecoveryTimeStamp, ReportType,
    SessionReportResponse,
};
use simulator::gtp::{self, Gtp};
use simulator::{capture, net};
use test_harness::conversation::{
    Consequence, Conversation, Event, RecordedUpf, Rewriter, is_advertisement,
};
use test_harness::folder::Folder;
use test_harness::lab::{Emitted, Lab};
use test_harness::wire::{N3, N4, SMF, Side, now};
use test_harness::{skip, tshark};

const UPF: RecordedUpf = RecordedUpf { n4: N4, n3: N3 };
const PATIENCE: Duration = Duration::from_secs(1);
const QUIET: Duration = Duration::from_millis(50);

/// Packets of gNBs that lead to nothing for reasons that only the rules tell: file, and which of
/// its GTP-U messages to the UPF.
const DROPPED: [(&str, usize); 2] = [
    // Without a container the QoS flow is not known, and the uplink PDR asks for one.
    ("est_ipv4", 2),
    // The QoS flow's uplink PDR has another port.
    ("qos_flows", 3),
];

/// The peer of a UPF that stands in for the SMF.
struct N4Peer {
    socket: UdpSocket,
    reports: VecDeque<Decoded>,
    /// CP SEID to the UPF's, for answers.
    up_seids: BTreeMap<u64, u64>,
    /// The SMF's Recovery Time Stamp, as it last said.
    recovery: u32,
}

impl N4Peer {
    fn new(socket: UdpSocket) -> Self {
        socket
            .set_read_timeout(Some(Duration::from_millis(20)))
            .unwrap();
        Self {
            socket,
            reports: VecDeque::new(),
            up_seids: BTreeMap::new(),
            recovery: 0,
        }
    }

    fn send(&self, message: &Decoded) {
        let mut octets = Vec::new();
        pfcp::encode(&message.header, &message.message, &mut octets).unwrap();
        self.socket.send_to(&octets, (N4, 8805)).unwrap();
    }

    /// Serves what the UPF asks; the next answer, if one comes.
    fn receive(&mut self) -> Option<Decoded> {
        let mut buffer = vec![0; 65_536];
        let (length, _) = self.socket.recv_from(&mut buffer).ok()?;
        let decoded = pfcp::decode(&buffer[..length]).expect("the UPF sends sound messages");
        let (seid, answer): (_, Message) = match &decoded.message {
            Message::HeartbeatRequest(_) => {
                let recovery_time_stamp = RecoveryTimeStamp(self.recovery);
                (
                    None,
                    HeartbeatResponse {
                        recovery_time_stamp,
                        ..Default::default()
                    }
                    .into(),
                )
            }
            Message::SessionReportRequest(_) => {
                let seid = decoded
                    .header
                    .seid
                    .and_then(|seid| self.up_seids.get(&seid))
                    .copied();
                self.reports.push_back(decoded.clone());
                let cause = Cause::REQUEST_ACCEPTED;
                (
                    seid,
                    SessionReportResponse {
                        cause,
                        ..Default::default()
                    }
                    .into(),
                )
            }
            _ => return Some(decoded),
        };
        self.send(&Decoded {
            header: decoded.header.answer(seid),
            message: answer,
        });
        None
    }

    fn exchange(&mut self, request: &Decoded) -> Decoded {
        self.send(request);
        let end = now() + PATIENCE;
        while now() < end {
            match self.receive() {
                Some(answer) if answer.header.sequence == request.header.sequence => return answer,
                _ => {}
            }
        }
        panic!("no answer to {request}");
    }

    fn report(&mut self, lab: &mut Lab) -> Option<Decoded> {
        let end = now() + PATIENCE;
        while self.reports.is_empty() && now() < end {
            assert_eq!(
                lab.next(Duration::ZERO).unwrap(),
                None,
                "a packet instead of a report"
            );
            self.receive();
        }
        self.reports.pop_front()
    }
}

struct Stage {
    lab: Lab,
    peer: N4Peer,
    rewriter: Rewriter,
    folder: Folder,
    findings: Vec<String>,
    /// What is wrong with Router Solicitations.
    unsolicited: Vec<String>,
}

fn stage() -> Stage {
    let folder = Folder::new("open5gs").unwrap();
    let (lab, smf) = Lab::start(Some(&folder.path().join("wire.pcapng"))).unwrap();
    drop(smf);
    let mut lab = lab;
    let socket = lab.wire().namespace().udp("10.10.4.2:8805").unwrap();
    Stage {
        lab,
        peer: N4Peer::new(socket),
        rewriter: Rewriter::new(N3),
        folder,
        findings: Vec::new(),
        unsolicited: Vec::new(),
    }
}

fn conversation(name: &str) -> Conversation {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/open5gs-smf");
    let read = |name: String| {
        std::fs::read(folder.join(name))
            .map(|file| capture::read(&file).unwrap())
            .unwrap_or_default()
    };
    // That of another run than its N4.
    let n3 = if name == "smf_restart" {
        Vec::new()
    } else {
        read(format!("{name}.n3.pcap"))
    };
    Conversation::read(&read(format!("{name}.pcap")), &n3, UPF)
}

impl Stage {
    fn complain(&mut self, name: &str, step: usize, words: &str) {
        self.findings.push(format!("{name}, step {step}: {words}"));
    }

    fn hold(&mut self, name: &str) {
        let steps = conversation(name).steps;
        let mut done = vec![false; steps.len()];
        let mut incoming = 0;
        for index in 0..steps.len() {
            if done[index] {
                continue;
            }
            done[index] = true;
            match &steps[index].event {
                Event::Request { request, answer } => {
                    self.request(name, index, request, answer.as_deref());
                }
                Event::GtpIn { from, message } => {
                    let is_dropped = DROPPED.contains(&(name, incoming));
                    incoming += 1;
                    self.gtp_in(name, index, *from, message, is_dropped);
                }
                Event::Report(report) => {
                    self.cause_report(report, &steps, index, &mut done);
                    self.report(name, index, report);
                }
                Event::GtpOut { to, message } => {
                    let gtp = Gtp::parse(message).unwrap();
                    if is_advertisement(gtp.payload) {
                        // The clocks of the recordings differ by a little: the SMF's comes first.
                        let sent = (index..steps.len()).find(|at| {
                            matches!(&steps[*at].event, Event::GtpIn { message, .. }
                                if is_advertisement(Gtp::parse(message).unwrap().payload))
                        });
                        if let Some(at) = sent
                            && let Event::GtpIn { from, message } = &steps[at].event
                        {
                            done[at] = true;
                            let (rewritten, _) = self.rewriter.gtp_in(message);
                            self.lab.send_gtp(*from, &rewritten).unwrap();
                        }
                    }
                    self.gtp_out(name, index, *to, message);
                }
            }
        }
        for emitted in self.lab.all(QUIET).unwrap() {
            self.complain(name, steps.len(), &format!("{emitted:?} is one too many"));
        }
    }

    fn request(&mut self, name: &str, index: usize, recorded: &Decoded, answer: Option<&Decoded>) {
        let request = self.rewriter.request(recorded);
        match &request.message {
            Message::AssociationSetupRequest(body) => {
                self.peer.recovery = body.recovery_time_stamp.0;
            }
            Message::HeartbeatRequest(body) => self.peer.recovery = body.recovery_time_stamp.0,
            _ => {}
        }
        let ours = self.peer.exchange(&request);
        if let (
            Message::SessionEstablishmentRequest(body),
            Message::SessionEstablishmentResponse(response),
        ) = (&request.message, &ours.message)
            && let Some(f_seid) = &response.up_f_seid
        {
            self.peer.up_seids.insert(body.cp_f_seid.seid, f_seid.seid);
        }
        // What was lost then need not be lost now.
        let Some(answer) = answer else { return };
        for discrepancy in self.rewriter.answer(recorded, answer, &ours) {
            self.complain(
                name,
                index,
                &format!("{}: {discrepancy}", recorded.message.name()),
            );
        }
    }

    fn gtp_in(&mut self, name: &str, index: usize, from: IpAddr, message: &[u8], is_dropped: bool) {
        let (rewritten, consequence) = self.rewriter.gtp_in(message);
        let consequence = if is_dropped {
            Consequence::Nothing
        } else {
            consequence
        };
        self.lab.send_gtp(from, &rewritten).unwrap();
        let wait = if consequence == Consequence::Nothing {
            QUIET
        } else {
            PATIENCE
        };
        let emitted = self.lab.next(wait).unwrap();
        let is_right = match (&consequence, &emitted) {
            (Consequence::Nothing, None) => true,
            (
                Consequence::Plain(want),
                Some(Emitted::Plain {
                    side: Side::N6,
                    packet,
                }),
            ) => packet == want,
            (
                Consequence::ToSmf(want),
                Some(Emitted::Gtp {
                    to,
                    payload,
                    message_type: gtp::G_PDU,
                    ..
                }),
            ) => *to == SMF && payload == want,
            (
                Consequence::ErrorIndication(teid),
                Some(Emitted::Gtp {
                    to,
                    message_type: gtp::ERROR_INDICATION,
                    payload,
                    ..
                }),
            ) => *to == from && payload[1..5] == teid.to_be_bytes(),
            (
                Consequence::EchoResponse(_),
                Some(Emitted::Gtp {
                    to,
                    message_type: gtp::ECHO_RESPONSE,
                    ..
                }),
            ) => *to == from,
            _ => false,
        };
        if is_right {
            return;
        }
        let words = format!("{emitted:x?} instead of {consequence:x?}");
        if matches!(consequence, Consequence::ToSmf(_)) {
            self.unsolicited
                .push(format!("{name}, step {index}: {words}"));
        } else {
            self.complain(name, index, &words);
        }
    }

    /// Does what made the UPF report.
    fn cause_report(
        &mut self,
        report: &Decoded,
        steps: &[test_harness::conversation::Step],
        index: usize,
        done: &mut [bool],
    ) {
        let Message::SessionReportRequest(body) = &report.message else {
            return;
        };
        if body.report_type.contains(ReportType::ERIR) {
            for at in index..steps.len() {
                if let Event::GtpIn { from, message } = &steps[at].event
                    && message[1] == gtp::ERROR_INDICATION
                    && !done[at]
                {
                    done[at] = true;
                    self.lab.send_gtp(*from, message).unwrap();
                    return;
                }
            }
        }
        if body.report_type.contains(ReportType::DLDR) {
            // What left right behind the next activation had been held.
            let is_request = |at: &usize| matches!(steps[*at].event, Event::Request { .. });
            let activation = (index..steps.len()).find(is_request).unwrap();
            let end = steps[activation].time + Duration::from_millis(50);
            for step in steps[activation..].iter().filter(|step| step.time <= end) {
                if let Event::GtpOut { message, .. } = &step.event {
                    self.inject(message);
                }
            }
        }
    }

    fn report(&mut self, name: &str, index: usize, recorded: &Decoded) {
        let Message::SessionReportRequest(want) = &recorded.message else {
            return;
        };
        if want.report_type.contains(ReportType::USAR) {
            // After 100 MiB, of which the recording has 200 packets.
            return;
        }
        let Some(ours) = self.peer.report(&mut self.lab) else {
            return self.complain(name, index, "no session report");
        };
        let Message::SessionReportRequest(got) = &ours.message else {
            return;
        };
        if ours.header.seid != recorded.header.seid || got.report_type != want.report_type {
            self.complain(name, index, &format!("report {ours}instead of {recorded}"));
        }
        let pdrs = |body: &pfcp::SessionReportRequest| {
            body.downlink_data_report
                .as_ref()
                .map(|report| report.pdr_ids.clone())
        };
        if pdrs(got) != pdrs(want) || got.error_indication_report != want.error_indication_report {
            self.complain(name, index, &format!("report {got:?} instead of {want:?}"));
        }
    }

    /// Sends what the data network must have sent for the UPF to send this.
    fn inject(&mut self, message: &[u8]) {
        let mut packet = Gtp::parse(message).unwrap().payload.to_vec();
        add_hop(&mut packet);
        self.lab.send_downlink(&packet).unwrap();
    }

    fn gtp_out(&mut self, name: &str, index: usize, to: IpAddr, message: &[u8]) {
        let want = Gtp::parse(message).unwrap();
        let is_held = name.starts_with("deactivate") && want.payload.len() == 108;
        match want.message_type {
            gtp::G_PDU if to == SMF || is_advertisement(want.payload) || is_held => {}
            gtp::G_PDU => self.inject(message),
            gtp::END_MARKER => {}
            // Looked at together with what they answer.
            _ => return,
        }
        if to == SMF {
            return;
        }
        let emitted = self.lab.next(PATIENCE).unwrap();
        let is_right = match &emitted {
            Some(Emitted::Gtp {
                to: got,
                message_type,
                teid,
                container,
                payload,
            }) => {
                // gNBs take an end marker and an advertisement with and without a container.
                let is_free = want.message_type != gtp::G_PDU || is_advertisement(want.payload);
                *got == to
                    && *message_type == want.message_type
                    && *teid == want.teid
                    && (is_free || *container == want.container)
                    && payload == want.payload
            }
            _ => false,
        };
        if !is_right {
            self.complain(name, index, &format!("{emitted:x?} instead of {want:x?}"));
        }
    }

    /// Looks at what the UPF sent through Wireshark's eyes.
    fn finish(mut self) {
        assert!(
            self.findings.is_empty(),
            "{:#?}\n{}",
            self.findings,
            self.lab.wire().process().log()
        );
        self.lab.finish_record().unwrap();
        self.lab.wire().process().stop().unwrap();
        if skip::has_tshark() {
            let complaints =
                tshark::complaints(&self.folder.path().join("wire.pcapng"), tshark::Depth::All)
                    .unwrap();
            assert!(complaints.is_empty(), "{complaints:#?}");
        }
    }
}

/// Undoes a hop.
fn add_hop(packet: &mut [u8]) {
    if packet[0] >> 4 == 6 {
        packet[7] += 1;
        return;
    }
    packet[8] += 1;
    packet[10..12].fill(0);
    let sum = net::Checksum::default().with(&packet[..20]).finish();
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
}

/// What the recordings lack: the tunnel that a handover between two of them led to.
fn handed_over(stage: &mut Stage) {
    let far = pfcp::UpdateFar {
        far_id: pfcp::FarId(1),
        update_forwarding_parameters: Some(pfcp::UpdateForwardingParameters {
            outer_header_creation: pfcp::Update::Set(OuterHeaderCreation::gtp_u(
                0x1008,
                IpAddr::from([10, 10, 3, 101]),
            )),
            ..Default::default()
        }),
        ..Default::default()
    };
    let body = pfcp::SessionModificationRequest {
        update_fars: vec![far],
        ..Default::default()
    };
    let header = pfcp::Header::session(0x2d46, 25);
    let request = stage.rewriter.request(&Decoded {
        header,
        message: body.into(),
    });
    let answer = stage.peer.exchange(&request);
    assert_eq!(
        test_harness::conversation::cause(&answer.message),
        Some(Cause::REQUEST_ACCEPTED)
    );
}

#[test]
fn a_day_of_an_open5gs_smf() {
    if !skip::is_root() {
        return;
    }
    let mut stage = stage();
    for name in [
        "association",
        "est_ipv4",
        "gtpu_echo",
        "unknown_teid",
        "ul_spoof_drop",
        "est_ipv6_ra",
        "est_ipv4v6",
        "pfcp_duplicate_request",
        "n4_loss",
        "two_sessions_one_ue",
        "deactivate_buffer_report_activate",
        "path_switch_endmarker",
    ] {
        stage.hold(name);
    }
    handed_over(&mut stage);
    for name in [
        "qos_flows",
        "qos_flow_modify_remove",
        "error_indication",
        "usage_report",
        "ue_requested_release",
        "pcf_terminate",
        "many_sessions",
        "heartbeat",
    ] {
        stage.hold(name);
    }
    stage.finish();
}

#[test]
fn an_open5gs_smf_restores_its_sessions() {
    if !skip::is_root() {
        return;
    }
    let mut stage = stage();
    for name in [
        "association",
        "est_ipv4",
        "est_ipv4v6",
        "upf_restart",
        "release_ipv4",
    ] {
        stage.hold(name);
    }
    stage.finish();
}

#[test]
fn an_open5gs_smf_that_restarted_starts_anew() {
    if !skip::is_root() {
        return;
    }
    let mut stage = stage();
    stage.hold("smf_restart");
    stage.finish();
}

#[test]
fn an_open5gs_smf_that_chooses_tunnels_itself() {
    if !skip::is_root() {
        return;
    }
    let mut stage = stage();
    stage.hold("association");
    stage.hold("noftup_est_ipv4");
    stage.finish();
}

#[test]
fn a_router_solicitation_reaches_the_smf() {
    if !skip::is_root() {
        return;
    }
    let mut stage = stage();
    for name in ["association", "est_ipv6_ra", "est_ipv4v6"] {
        stage.hold(name);
    }
    assert_eq!(stage.unsolicited, [""; 0]);
    stage.finish();
}
