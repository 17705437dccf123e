//! A node without sockets, an SMF to talk to it, and messages as SMFs send them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "tests"
)]

pub mod dice;
pub mod load;
pub mod tree;
pub mod whole;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use pfcp::{
    ApplyAction, CreateFar, CreatePdr, CreateQer, CreateUrr, Decoded, DestinationInterface, Encode,
    FSeid, FTeid, ForwardingParameters, GateStatus, Header, Message, OuterHeaderCreation,
    OuterHeaderRemoval, Pdi, SdfFilter, SessionEstablishmentRequest, SessionModificationRequest,
    SourceInterface, UeIpAddress, UpdateFar, UpdateForwardingParameters,
};
use session::neighbour::Neighbours;
use session::report::Command;
use session::topology::{EthernetNetwork, Interface, Network, Role, Route, Topology};
use session::{InterfaceId, Reader, Rules, Seid, Sizes, Tables, WorkerId};
use upf_cp::{Input, Node, NodeConfig, Now, Output, WorkerReport};

pub const SMF: &str = "10.10.4.2";
pub const UPF: &str = "10.10.4.7";
pub const N3: &str = "10.10.3.7";

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub fn smf() -> SocketAddr {
    SocketAddr::new(ip(SMF), 8805)
}

fn interface(id: u8, role: Role, name: &str, address: &str) -> Interface {
    Interface {
        id: InterfaceId(id),
        name: name.to_owned(),
        role,
        port: u16::from(id),
        vlan: None,
        addresses: vec![address.parse().unwrap()],
        routes: vec![],
        network_instances: vec![],
        kernel: None,
    }
}

/// N3 (which also routes to the SMF), N9, N6 for `internet`, `ims` and the Ethernet network `lan`.
pub fn topology() -> Topology {
    let mut n3 = interface(0, Role::N3, "n3", "10.10.3.7/24");
    n3.routes = vec![Route {
        to: "10.10.4.0/24".parse().unwrap(),
        via: ip("10.10.3.1"),
    }];
    let network = |name: &str, interface: u8| Network {
        name: name.to_owned(),
        interface: InterfaceId(interface),
        ue_pools: vec!["10.45.0.0/16".parse().unwrap()],
        mtu: None,
        clamp_mss: false,
        ue_to_ue: session::topology::UeToUe::N6,
        router: None,
        ethernet: None,
    };
    Topology {
        gtpu_port: 2152,
        interfaces: vec![
            n3,
            interface(1, Role::N9, "n9", "10.10.9.7/24"),
            interface(2, Role::N6, "n6", "10.10.6.7/24"),
            interface(3, Role::N6, "ims", "10.10.7.7/24"),
            Interface {
                addresses: vec![],
                ..interface(4, Role::N6, "lan", "10.10.8.7/24")
            },
        ],
        networks: vec![
            network("internet", 2),
            network("ims", 3),
            Network {
                ue_pools: vec![],
                ethernet: Some(EthernetNetwork {
                    aging_s: 60,
                    move_after_s: 5,
                    stations_per_session: 3,
                    ..EthernetNetwork::default()
                }),
                ..network("lan", 4)
            },
        ],
        policies: vec![session::topology::ForwardingPolicy {
            name: "cache".to_owned(),
            interface: InterfaceId(3),
        }],
    }
}

/// A node under test, with time that only the test moves.
pub struct World {
    pub node: Node,
    pub readers: Vec<Reader>,
    pub neighbours: Arc<Neighbours>,
    pub now: Now,
    sequence: u32,
    /// Requests of the node that nobody has taken yet.
    pub requests: Vec<Decoded>,
    pub commands: Vec<(WorkerId, Command)>,
    /// All datagrams, as they went out.
    pub sent: Vec<(SocketAddr, Vec<u8>)>,
    /// The workers are in the midst of a burst: nobody has them go on.
    pub busy: bool,
}

impl Default for World {
    fn default() -> Self {
        Self::with(NodeConfig::new(ip(UPF)))
    }
}

impl World {
    pub fn with(config: NodeConfig) -> Self {
        Self::seeded(config, topology(), 1, 64)
    }

    pub fn seeded(config: NodeConfig, topology: Topology, seed: u8, sessions: u32) -> Self {
        let sizes = Sizes {
            sessions,
            tunnels: 4 * sessions,
            workers: 2,
            seed: u64::from(seed),
        };
        let (publisher, readers) = Tables::create(sizes);
        let neighbours = Arc::new(Neighbours::default());
        let now = Now {
            elapsed_ms: 1_000,
            ntp_s: 3_900_000_000,
        };
        let topology = Arc::new(topology);
        let seed = [seed; 32];
        let node = Node::new(
            config,
            publisher,
            topology,
            Arc::clone(&neighbours),
            seed,
            now,
        );
        Self {
            node,
            readers,
            neighbours,
            now,
            sequence: 0,
            requests: vec![],
            commands: vec![],
            sent: vec![],
            busy: false,
        }
    }

    /// A world in which the SMF has associated.
    pub fn associated() -> Self {
        let mut world = Self::default();
        world.associate();
        world
    }

    pub fn associate(&mut self) {
        let answer = self.ask(None, &association());
        let Message::AssociationSetupResponse(answer) = answer else {
            panic!("{answer}")
        };
        assert_eq!(answer.cause, pfcp::Cause::REQUEST_ACCEPTED);
    }

    /// Gives octets to the node; answers come back, requests and commands are kept.
    pub fn octets(&mut self, from: SocketAddr, octets: &[u8]) -> Vec<Decoded> {
        self.input(Input::Datagram {
            from,
            octets: octets.to_vec(),
        })
    }

    pub fn input(&mut self, input: Input) -> Vec<Decoded> {
        let outputs = self.node.handle(self.now, input);
        let mut answers = self.take(outputs);
        if !self.busy && self.node.unsettled() > 0 {
            answers.extend(self.go_on());
        }
        answers
    }

    /// Another configuration.
    pub fn reconfigure(&mut self, config: NodeConfig) {
        let outputs = self.node.reconfigure(self.now, config);
        self.take(outputs);
    }

    /// The workers end their bursts, and what waited for that goes out.
    pub fn go_on(&mut self) -> Vec<Decoded> {
        for reader in &mut self.readers {
            reader.snapshot();
        }
        let outputs = self.node.settle(self.now);
        self.take(outputs)
    }

    fn take(&mut self, outputs: Vec<Output>) -> Vec<Decoded> {
        assert_eq!(self.node.counters().illegal, 0, "it breaks no rule itself");
        let mut answers = vec![];
        for output in outputs {
            match output {
                Output::Worker { worker, command } => self.commands.push((worker, command)),
                Output::Send { to, octets, .. } => {
                    let decoded = pfcp::decode(&octets).expect("the node sends what can be read");
                    self.sent.push((to, octets.to_vec()));
                    if decoded.message.is_request() {
                        self.requests.push(decoded);
                    } else {
                        answers.push(decoded);
                    }
                }
            }
        }
        answers
    }

    pub fn report(&mut self, report: WorkerReport) {
        self.input(Input::Report { worker: 0, report });
    }

    /// How many TEIDs can be had, all of which sessions that end with this take.
    pub fn teids_free(&mut self) -> usize {
        self.associate();
        let mut workers = std::collections::BTreeMap::new();
        for n in 100..140 {
            let (seid, _) = self.establish(&open5gs(n));
            let statuses = self.node.session_statuses();
            let status = statuses
                .iter()
                .find(|status| status.seid == Seid(seid))
                .unwrap();
            let first = *workers.entry(status.worker.0).or_insert(seid);
            if first != seid {
                self.delete(seid);
                self.snapshot();
                self.pass(1_000);
            } else if workers.len() == self.readers.len() {
                break;
            }
        }
        let mut free = 0;
        for seid in workers.into_values() {
            // What Open5GS takes for a session.
            free += 2;
            for id in 10.. {
                let pdi = Pdi {
                    local_f_teid: Some(choose(None)),
                    ..uplink_pdi()
                };
                let more = SessionModificationRequest {
                    create_pdrs: vec![pdr(id, 9, 2, pdi)],
                    ..Default::default()
                };
                if self.modify(seid, &more).cause != pfcp::Cause::REQUEST_ACCEPTED {
                    break;
                }
                free += 1;
            }
        }
        self.associate();
        free
    }

    /// All that a request can change, to be compared: peers, sessions, rules, and what is found in
    /// the tables by every key.
    pub fn snapshot(&mut self) -> String {
        let peers = self.node.peer_statuses();
        let peers = peers
            .iter()
            .map(|peer| (peer.node_id.to_string(), peer.address, peer.features));
        let mut peers: Vec<_> = peers.collect();
        peers.sort_by(|a, b| a.0.cmp(&b.0));
        let sessions = self.node.session_statuses();
        let places = self.node.publisher().sessions();
        let mut found = vec![];
        for reader in &mut self.readers {
            let snapshot = reader.snapshot();
            for session in &sessions {
                let plan = snapshot.session(session.index);
                found.push(plan.map(|plan| format!("{:?} {:?}", plan.seid, plan.steps().count())));
                for pdr in &session.rules.pdrs {
                    let tunnel = pdr.pdi.local_f_teid.map(|tunnel| snapshot.tunnel(tunnel));
                    let ue = pdr.pdi.ue.and_then(|ue| ue.ipv4).zip(pdr.pdi.vrf);
                    let ue = ue.map(|(address, vrf)| snapshot.ipv4(vrf, address));
                    found.push(Some(format!("{tunnel:?} {ue:?}")));
                }
            }
        }
        let addresses = self.node.ue_addresses_in_use();
        format!("{places} places, {addresses} UE addresses\n{peers:#?}\n{sessions:#?}\n{found:#?}")
    }

    /// Lets time pass, a tick at each deadline.
    pub fn pass(&mut self, ms: u64) {
        let until = self.now.elapsed_ms + ms;
        while let Some(at) = self.node.deadline_ms().filter(|at| *at <= until) {
            self.advance(at.max(self.now.elapsed_ms));
            self.input(Input::Tick);
        }
        self.advance(until);
    }

    fn advance(&mut self, to_ms: u64) {
        let seconds = to_ms / 1000 - self.now.elapsed_ms / 1000;
        self.now.elapsed_ms = to_ms;
        self.now.ntp_s = self.now.ntp_s.wrapping_add(u32::try_from(seconds).unwrap());
    }

    /// Asks as the SMF.
    pub fn ask(&mut self, seid: Option<u64>, request: &impl Encode) -> Message {
        self.ask_from(smf(), seid, request).message
    }

    pub fn ask_from(
        &mut self,
        from: SocketAddr,
        seid: Option<u64>,
        request: &impl Encode,
    ) -> Decoded {
        self.sequence += 1;
        let octets = encode(seid, self.sequence, request);
        let mut answers = self.octets(from, &octets);
        assert_eq!(answers.len(), 1, "one answer");
        let answer = answers.pop().unwrap();
        assert_eq!(answer.header.sequence, self.sequence);
        answer
    }

    /// Establishes, and gives our SEID and the answer.
    pub fn establish(
        &mut self,
        request: &SessionEstablishmentRequest,
    ) -> (u64, pfcp::SessionEstablishmentResponse) {
        let answer = self.ask_from(smf(), Some(0), request);
        assert_eq!(answer.header.seid, Some(request.cp_f_seid.seid));
        let Message::SessionEstablishmentResponse(answer) = answer.message else {
            panic!()
        };
        assert_eq!(answer.cause, pfcp::Cause::REQUEST_ACCEPTED, "{answer}");
        (answer.up_f_seid.as_ref().unwrap().seid, answer)
    }

    pub fn modify(
        &mut self,
        seid: u64,
        request: &SessionModificationRequest,
    ) -> pfcp::SessionModificationResponse {
        let Message::SessionModificationResponse(answer) = self.ask(Some(seid), request) else {
            panic!()
        };
        answer
    }

    pub fn delete(&mut self, seid: u64) -> pfcp::SessionDeletionResponse {
        let request = pfcp::SessionDeletionRequest::default();
        let Message::SessionDeletionResponse(answer) = self.ask(Some(seid), &request) else {
            panic!()
        };
        answer
    }

    /// Answers the oldest request of the node.
    pub fn reply(&mut self, answer: &impl Encode, seid: Option<u64>) {
        let request = self.requests.remove(0);
        let octets = encode(seid, request.header.sequence.get(), answer);
        let answers = self.octets(smf(), &octets);
        assert!(answers.is_empty());
    }

    pub fn rules(&self, seid: u64) -> Rules {
        self.node
            .rules(Seid(seid))
            .expect("the session is there")
            .clone()
    }
}

pub fn encode(seid: Option<u64>, sequence: u32, message: &impl Encode) -> Vec<u8> {
    let header = Header {
        seid,
        sequence: pfcp::Sequence::new(sequence),
        ..Header::default()
    };
    let mut octets = vec![];
    // What no peer may send, too: to see what comes of it.
    pfcp::encode_unchecked(&header, message, &mut octets).unwrap();
    octets
}

/// Two snapshots that should be the same; else the first line in which they are not.
pub fn assert_same(now: &str, before: &str, about: &str) {
    if now != before {
        let mut lines = now.lines().zip(before.lines());
        let differing = lines.find(|(now, before)| now != before);
        panic!("{about}: something has changed: {differing:?}");
    }
}

/// The cause in an answer, if it is one that has a cause.
pub fn cause(answer: &Message) -> Option<u8> {
    let cause = match answer {
        Message::PfdManagementResponse(a) => a.cause,
        Message::AssociationSetupResponse(a) => a.cause,
        Message::AssociationUpdateResponse(a) => a.cause,
        Message::AssociationReleaseResponse(a) => a.cause,
        Message::SessionSetDeletionResponse(a) => a.cause,
        Message::SessionSetModificationResponse(a) => a.cause,
        Message::SessionEstablishmentResponse(a) => a.cause,
        Message::SessionModificationResponse(a) => a.cause,
        Message::SessionDeletionResponse(a) => a.cause,
        Message::SessionReportResponse(a) => a.cause,
        _ => return None,
    };
    Some(cause.get())
}

// ===== recordings =====

/// The PFCP datagrams of a recording: source and payload.
pub fn datagrams(path: &std::path::Path) -> Vec<(SocketAddr, Vec<u8>)> {
    let mut reader = pcap_file::pcap::PcapReader::new(std::fs::File::open(path).unwrap()).unwrap();
    let mut datagrams = vec![];
    while let Some(packet) = reader.next_packet() {
        let packet = packet.unwrap().data.into_owned();
        // Ethernet, IPv4 without options, UDP between PFCP ports. The rest is ARP, ICMP and GTP-U.
        let ports = packet.get(34..38);
        let pfcp = packet[12..15] == [0x08, 0x00, 0x45] && packet[23] == 17;
        if !pfcp || ports != Some(&[0x22, 0x65, 0x22, 0x65]) {
            continue;
        }
        let source = Ipv4Addr::new(packet[26], packet[27], packet[28], packet[29]);
        let port = u16::from_be_bytes([packet[34], packet[35]]);
        let length = usize::from(u16::from_be_bytes([packet[38], packet[39]]));
        datagrams.push((
            SocketAddr::new(source.into(), port),
            packet[42..34 + length].to_vec(),
        ));
    }
    datagrams
}

/// A small world with a victim's session in it, whose packets flow.
pub fn with_victim() -> (World, u64) {
    // So few TEIDs that a leak is found soon.
    let mut world = World::seeded(with_predefined(), topology(), 1, 8);
    world.associate();
    world.ask(None, &whole::pfds());
    let (seid, _) = world.establish(&open5gs(9));
    let more = SessionModificationRequest {
        // Rules that nothing refers to, to be removed.
        create_qers: vec![qer(2)],
        create_urrs: vec![urr(2, pfcp::ReportingTriggers::VOLTH)],
        create_traffic_endpoints: vec![whole::endpoint(3), whole::endpoint(4)],
        update_pdrs: vec![pfcp::UpdatePdr {
            pdr_id: 4.into(),
            activate_predefined_rules: vec![pfcp::ActivatePredefinedRules("silver".into())],
            ..Default::default()
        }],
        ..activate(0x0101, "10.10.3.101")
    };
    assert_eq!(
        world.modify(seid, &more).cause,
        pfcp::Cause::REQUEST_ACCEPTED
    );
    (world, seid)
}

/// Predefined rules `gold` and `silver`, which match what their PDR matches.
pub fn with_predefined() -> NodeConfig {
    let rule = |name: &str| upf_cp::PredefinedRule {
        name: name.to_owned(),
        qers: vec![1],
        ..Default::default()
    };
    let mut config = NodeConfig::new(ip(UPF));
    config.predefined.rules = vec![rule("gold"), rule("silver")];
    config.predefined.qers = vec![upf_cp::PredefinedQer {
        number: 1,
        uplink_open: true,
        downlink_open: true,
        ..Default::default()
    }];
    config
}

// ===== messages =====

pub fn association() -> pfcp::AssociationSetupRequest {
    pfcp::AssociationSetupRequest {
        node_id: ip(SMF).into(),
        recovery_time_stamp: pfcp::RecoveryTimeStamp(3_800_000_000),
        cp_function_features: Some(pfcp::CpFunctionFeatures::empty()),
        ..Default::default()
    }
}

pub fn labels(name: &str) -> pfcp::NetworkInstance {
    pfcp::NetworkInstance(pfcp::Octets::labels(name))
}

pub fn ue(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 45, 0, n)
}

pub fn ue_ip(address: Ipv4Addr, destination: bool) -> UeIpAddress {
    UeIpAddress {
        destination,
        ..UeIpAddress::source(address.into())
    }
}

pub fn choose(choose_id: Option<u8>) -> FTeid {
    FTeid::Choose {
        ipv4: true,
        ipv6: true,
        choose_id,
    }
}

pub fn pdr(id: u16, precedence: u32, far: u32, pdi: Pdi) -> CreatePdr {
    let access = pdi.local_f_teid.is_some();
    CreatePdr {
        pdr_id: id.into(),
        precedence: precedence.into(),
        pdi,
        outer_header_removal: access.then_some(OuterHeaderRemoval::GTP_U_UDP_IP),
        far_id: Some(far.into()),
        ..Default::default()
    }
}

pub fn uplink_pdi() -> Pdi {
    Pdi {
        source_interface: SourceInterface::ACCESS,
        local_f_teid: Some(choose(Some(5))),
        network_instance: Some(labels("internet")),
        qfis: vec![pfcp::Qfi::new(1).unwrap()],
        ..Default::default()
    }
}

pub fn downlink_pdi(n: u8) -> Pdi {
    Pdi {
        source_interface: SourceInterface::CORE,
        network_instance: Some(labels("internet")),
        ue_ip_addresses: vec![ue_ip(ue(n), true)],
        ..Default::default()
    }
}

pub fn far(id: u32, action: ApplyAction, to: Option<ForwardingParameters>) -> CreateFar {
    CreateFar {
        far_id: id.into(),
        apply_action: action,
        forwarding_parameters: to,
        ..Default::default()
    }
}

pub fn to(destination: DestinationInterface, tunnel: Option<(u32, &str)>) -> ForwardingParameters {
    ForwardingParameters {
        destination_interface: destination,
        network_instance: Some(labels("internet")),
        outer_header_creation: tunnel
            .map(|(teid, peer)| OuterHeaderCreation::gtp_u(teid, ip(peer))),
        ..Default::default()
    }
}

pub fn qer(id: u32) -> CreateQer {
    CreateQer {
        qer_id: id.into(),
        gate_status: GateStatus::OPEN,
        maximum_bitrate: Some(pfcp::Mbr {
            uplink: pfcp::Kbps::saturating(8000),
            downlink: pfcp::Kbps::saturating(8000),
        }),
        qfi: Some(pfcp::Qfi::new(1).unwrap()),
        ..Default::default()
    }
}

pub fn urr(id: u32, triggers: pfcp::ReportingTriggers) -> CreateUrr {
    CreateUrr {
        urr_id: id.into(),
        measurement_method: pfcp::MeasurementMethod::VOLUM,
        reporting_triggers: triggers,
        ..Default::default()
    }
}

/// What Open5GS sends for an IPv4 session of UE `n` (see its recorded messages).
pub fn open5gs(n: u8) -> SessionEstablishmentRequest {
    let access = |choose_id, filter: Option<&str>| Pdi {
        local_f_teid: Some(choose(choose_id)),
        sdf_filters: filter.into_iter().filter_map(SdfFilter::flow).collect(),
        network_instance: Some(labels("internet")),
        ..Default::default()
    };
    let cp2up = Pdi {
        source_interface: SourceInterface::CP_FUNCTION,
        local_f_teid: Some(choose(None)),
        ..Default::default()
    };
    let router = access(Some(5), Some("permit out 58 from ff02::2/128 to assigned"));
    let mut downlink = pdr(1, 65_535, 1, downlink_pdi(n));
    downlink.urr_ids = vec![1.into()];
    downlink.qer_ids = vec![1.into()];
    let mut uplink = pdr(2, 65_535, 2, uplink_pdi());
    uplink.qer_ids = vec![1.into()];
    let mut buffer = far(1, ApplyAction::BUFF | ApplyAction::NOCP, None);
    buffer.bar_id = Some(pfcp::BarId(1));
    SessionEstablishmentRequest {
        node_id: ip(SMF).into(),
        cp_f_seid: FSeid::new(0x100 + u64::from(n), ip(SMF)),
        create_pdrs: [
            downlink,
            uplink,
            pdr(3, 255, 1, cp2up),
            pdr(4, 255, 3, router),
        ]
        .into(),
        create_fars: [
            buffer,
            far(
                2,
                ApplyAction::FORW,
                Some(to(DestinationInterface::CORE, None)),
            ),
            far(
                3,
                ApplyAction::FORW,
                Some(to(DestinationInterface::CP_FUNCTION, Some((n.into(), SMF)))),
            ),
        ]
        .into(),
        create_urrs: vec![CreateUrr {
            volume_threshold: Some(pfcp::VolumeThreshold::of_total(104_857_600)),
            ..urr(1, pfcp::ReportingTriggers::VOLTH)
        }],
        create_qers: vec![qer(1)],
        create_bar: Some(pfcp::CreateBar {
            bar_id: pfcp::BarId(1),
            ..Default::default()
        }),
        pdn_type: Some(pfcp::PdnType::IPV4),
        apn_dnn: Some(pfcp::ApnDnn(pfcp::Octets::labels("internet"))),
        ..Default::default()
    }
}

/// An Ethernet session whose stations the SMF wants to hear of.
pub fn ethernet(n: u8) -> SessionEstablishmentRequest {
    let lan = |to| ForwardingParameters {
        network_instance: Some(labels("lan")),
        ..to
    };
    let all_frames = Pdi {
        source_interface: SourceInterface::CORE,
        network_instance: Some(labels("lan")),
        ethernet_pdu_session_information: Some(pfcp::EthernetPduSessionInformation::ETHI),
        ..Default::default()
    };
    let mut downlink = pdr(1, 255, 1, all_frames);
    downlink.urr_ids = vec![1.into()];
    let to_ue = to(
        DestinationInterface::ACCESS,
        Some((n.into(), "10.10.3.101")),
    );
    let to_lan = lan(to(DestinationInterface::CORE, None));
    SessionEstablishmentRequest {
        create_pdrs: [downlink, pdr(2, 255, 2, uplink_pdi())].into(),
        create_fars: [
            far(1, ApplyAction::FORW, Some(to_ue)),
            far(2, ApplyAction::FORW, Some(to_lan)),
        ]
        .into(),
        create_urrs: vec![urr(1, pfcp::ReportingTriggers::MACAR)],
        create_bar: None,
        pdn_type: Some(pfcp::PdnType::ETHERNET),
        apn_dnn: Some(pfcp::ApnDnn(pfcp::Octets::labels("lan"))),
        ..open5gs(n)
    }
}

/// Activation: the gNB's tunnel is known.
pub fn activate(teid: u32, gnb: &str) -> SessionModificationRequest {
    modification(UpdateFar {
        far_id: 1.into(),
        apply_action: Some(ApplyAction::FORW),
        update_forwarding_parameters: Some(UpdateForwardingParameters {
            destination_interface: Some(DestinationInterface::ACCESS),
            network_instance: labels("internet").into(),
            outer_header_creation: OuterHeaderCreation::gtp_u(teid, ip(gnb)).into(),
            ..Default::default()
        }),
        ..Default::default()
    })
}

/// Idle: hold, and tell of the first.
pub fn idle() -> SessionModificationRequest {
    modification(UpdateFar {
        far_id: 1.into(),
        apply_action: Some(ApplyAction::BUFF | ApplyAction::NOCP),
        bar_id: pfcp::BarId(1).into(),
        ..Default::default()
    })
}

pub fn modification(far: UpdateFar) -> SessionModificationRequest {
    SessionModificationRequest {
        update_fars: vec![far],
        ..Default::default()
    }
}
