//! The path holds itself to the naive model of the contract: random rules, random packets, the
//! same verdict.

#![allow(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::too_many_lines,
    clippy::wildcard_imports,
    reason = "tests: small numbers, long tables"
)]

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv6Net};
use proptest::prelude::*;
use session::inner::Inner;
use session::plan::Arrival;
use session::reference::{Ingress, Verdict, verdict};
use session::rule::{
    Action, DestinationInterface, Forwarding, Gate, LocalFTeid, SourceInterface, UeAddress,
};
use session::sdf::{Address, Endpoint, FlowDescription, PortRange, SdfFilter};
use session::{Far, FarId, Pdr, PdrId, Precedence, Qer, QerId, Qfi, Rules, Teid};
use smallvec_ports::ports;

use crate::explain::Known;
use crate::reason::Reason;
use crate::testbed::*;
use crate::watch::Outcome;
use crate::wire;

mod smallvec_ports {
    use session::sdf::{Endpoint, PortRange};
    /// The ports of an endpoint, without naming their container.
    pub(super) fn ports(end: &mut Endpoint, range: Option<PortRange>) {
        end.ports.extend(range);
    }
}

const UE: Ipv4Addr = Ipv4Addr::new(10, 45, 0, 2);
const UE_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x45, 0, 0, 0, 0, 1);

#[derive(Clone, Debug)]
struct RandomPdr {
    uplink: bool,
    precedence: u32,
    ue: u8,
    qfis: Vec<u8>,
    filter: Option<(u8, u8, u8, u16)>,
    far: u32,
    qer: Option<u32>,
}

fn random_pdr() -> impl Strategy<Value = RandomPdr> {
    let filter = prop::option::of((0_u8..4, 0_u8..4, 0_u8..4, 78_u16..83));
    let parts = (
        any::<bool>(),
        0_u32..4,
        0_u8..4,
        prop::collection::vec(8_u8..11, 0..3),
        filter,
        0_u32..6,
        prop::option::of(0_u32..2),
    );
    parts.prop_map(
        |(uplink, precedence, ue, qfis, filter, far, qer)| RandomPdr {
            uplink,
            precedence,
            ue,
            qfis,
            filter,
            far,
            qer,
        },
    )
}

fn endpoint(kind: u8, port: Option<u16>) -> Endpoint {
    let net = |text: &str| Address::Net(text.parse::<IpNet>().unwrap());
    let address = match kind {
        0 => Address::Any,
        1 => Address::Assigned,
        2 => net("198.51.100.0/29"),
        _ => net("2001:db8:cafe::/48"),
    };
    let mut end = Endpoint {
        address,
        ..Endpoint::default()
    };
    ports(
        &mut end,
        port.map(|port| PortRange {
            first: port,
            last: 81,
        }),
    );
    end
}

fn sdf((from, to, protocol, port): (u8, u8, u8, u16)) -> SdfFilter {
    let flow = FlowDescription {
        protocol: [None, Some(17), Some(6), Some(17)][usize::from(protocol)],
        from: endpoint(from, (protocol == 3 && port <= 81).then_some(port)),
        to: endpoint(to.min(1), None),
    };
    SdfFilter {
        flow: Some(flow),
        ..SdfFilter::default()
    }
}

/// Rules around what the test bed installs: its UE, its tunnel, its peer.
fn rules_of(pdrs: &[RandomPdr], base: &Rules, teid: Teid, gates: [bool; 2]) -> Rules {
    let ue = UeAddress {
        ipv4: Some(UE),
        ipv6: Some(Ipv6Net::new(UE_V6, 64).unwrap().trunc()),
    };
    let mut rules = Rules {
        ue,
        seid: base.seid,
        ..Rules::default()
    };
    for (number, random) in (1_u16..).zip(pdrs) {
        let mut pdr: Pdr = base.pdrs[usize::from(!random.uplink)].clone();
        pdr.id = PdrId(number);
        pdr.precedence = Precedence(random.precedence);
        pdr.pdi.ue = match random.ue {
            0 if random.uplink => None,
            1 => Some(UeAddress {
                ipv4: ue.ipv4,
                ipv6: None,
            }),
            2 => Some(UeAddress {
                ipv4: None,
                ipv6: ue.ipv6,
            }),
            _ => Some(ue),
        };
        pdr.pdi.qfis = random
            .qfis
            .iter()
            .map(|qfi| Qfi::new(*qfi).unwrap())
            .collect();
        pdr.pdi.sdf_filters = random.filter.map(sdf).into_iter().collect();
        pdr.far = FarId(random.far);
        pdr.qers = random.qer.map(QerId).into_iter().collect();
        pdr.urrs.clear();
        if random.uplink {
            pdr.pdi.source_interface = SourceInterface::Access;
            pdr.pdi.local_f_teid = Some(LocalFTeid {
                teid,
                interface: N3,
            });
        }
        rules.pdrs.push(pdr);
    }
    let to_core = base.fars[0].forwarding;
    let to_access = base.fars[1].forwarding;
    let no_tunnel = Some(Forwarding {
        destination: DestinationInterface::Access,
        ..Forwarding::default()
    });
    let far = |id, action, forwarding| Far {
        id: FarId(id),
        action,
        forwarding,
        bar: None,
    };
    rules.fars = vec![
        far(0, Action::Forward, to_core),
        far(1, Action::Forward, to_access),
        far(2, Action::Drop, to_access),
        far(3, Action::Buffer { notify: true }, to_access),
        far(4, Action::Forward, no_tunnel),
        far(5, Action::Forward, None),
    ];
    let gate = |closed| if closed { Gate::Closed } else { Gate::Open };
    rules.qers = [(0, gates[0], false), (1, false, gates[1])]
        .into_iter()
        .map(|(id, up, down)| Qer {
            id: QerId(id),
            uplink_gate: gate(up),
            downlink_gate: gate(down),
            ..Qer::default()
        })
        .collect();
    rules
}

#[derive(Clone, Copy, Debug)]
struct RandomPacket {
    uplink: bool,
    v6: bool,
    own_source: bool,
    host: u8,
    port: u16,
    protocol: u8,
    qfi: Option<u8>,
}

fn random_packet() -> impl Strategy<Value = RandomPacket> {
    let parts = (
        any::<bool>(),
        any::<bool>(),
        prop::bool::weighted(0.9),
        0_u8..16,
        77_u16..84,
        prop::sample::select(vec![6_u8, 17, 1]),
        prop::option::of(8_u8..11),
    );
    parts.prop_map(
        |(uplink, v6, own_source, host, port, protocol, qfi)| RandomPacket {
            uplink,
            v6,
            own_source,
            host,
            port,
            protocol,
            qfi,
        },
    )
}

fn octets_of(packet: RandomPacket) -> Vec<u8> {
    let host = Ipv4Addr::new(198, 51, 100, packet.host);
    let host_v6 = Ipv6Addr::from_bits(HOST_V6.to_bits() ^ u128::from(packet.host & 1) << 80);
    let other = u32::from(!packet.own_source);
    let ue = Ipv4Addr::from_bits(UE.to_bits() + other);
    let ue_v6 = Ipv6Addr::from_bits(UE_V6.to_bits() + (u128::from(other) << 64));
    let mut user = match (packet.uplink, packet.v6) {
        (true, false) => user_v4(ue, host, 8),
        (false, false) => user_v4(host, UE, 8),
        (true, true) => user_v6(ue_v6, host_v6, 8),
        (false, true) => user_v6(host_v6, UE_V6, 8),
    };
    let header = if packet.v6 { 40 } else { 20 };
    user[if packet.v6 { 6 } else { 9 }] = packet.protocol;
    let far_port = header + if packet.uplink { 2 } else { 0 };
    user[far_port..far_port + 2].copy_from_slice(&packet.port.to_be_bytes());
    if !packet.v6 {
        wire::set_ipv4_checksum(&mut user[..20]);
    }
    user
}

/// What became of a packet: the frame that was sent, why it was dropped, whether it is held.
type What<'a> = (Option<&'a (u16, Vec<u8>)>, Option<Reason>, bool);

/// What is said of a packet is what happened to it.
fn explained(
    bed: &Testbed,
    rules: &Rules,
    (port, frame): (u16, &[u8]),
    (sent, dropped, is_held): What<'_>,
) {
    let known = Known {
        rules: rules.clone(),
        exhausted: Vec::new(),
    };
    let frames = [(port, 0, frame.to_vec())];
    let told = bed.explainer.explain(&frames, &[known]);
    let told = &told.explanations[0];
    match told.outcome {
        // What is explained is the first packet there is.
        Outcome::Held => assert!(is_held || dropped == Some(Reason::HoldSessionFull)),
        Outcome::Dropped(reason) => assert_eq!(Some(reason), dropped),
        Outcome::Sent => assert!(sent.is_some() && dropped.is_none()),
        other => panic!("{other:?}"),
    }
    // Peers are told of unknown tunnels ten times a second.
    let sent = sent.filter(|_| dropped != Some(Reason::UnknownTeid));
    let answers = told
        .sent
        .iter()
        .filter(|_| dropped != Some(Reason::UnknownTeid));
    let ports = ["ran", "core"];
    let frames: Vec<_> = answers
        .map(|frame| (frame.port.as_str(), &frame.octets))
        .collect();
    let sent: Vec<_> = sent
        .iter()
        .map(|(port, frame)| (ports[usize::from(*port)], frame))
        .collect();
    assert_eq!(frames.len(), sent.len());
    for ((told_port, told), (port, frame)) in frames.into_iter().zip(sent) {
        // Each tunnel's packet has an identification of its own.
        let (mut told, mut frame) = (told.clone(), frame.clone());
        for octets in [&mut told, &mut frame] {
            for at in [18, 19, 24, 25] {
                octets[at] = 0;
            }
        }
        assert_eq!((told_port, told), (port, frame));
    }
    // And the PDR that the model says matches is the one that did.
    let lines = told.stages.iter().filter(|stage| stage.name == "classify");
    let mut lines = lines.flat_map(|stage| &stage.lines);
    if let Some(pdr) = told.pdr {
        let matched = format!("PDR {pdr}, ");
        assert!(
            lines.any(|line| line.starts_with(&matched) && line.ends_with(": matches")),
            "{told:?}"
        );
    }
}

fn check(pdrs: &[RandomPdr], packets: &[RandomPacket], gates: [bool; 2]) {
    let mut bed = Testbed::new(1, 8);
    let mut session = bed.install(0, |_| {});
    let rules = rules_of(pdrs, &session.installed.rules, session.teid, gates);
    bed.modify(&mut session, |to| *to = rules.clone());
    let has = |uplink| pdrs.iter().any(|pdr| pdr.uplink == uplink);
    let keys = session.installed.keys();
    let keyed = |v6: bool| {
        keys.iter().any(|key| match key {
            session::Key::Ipv4(..) => !v6,
            session::Key::Ipv6(..) => v6,
            _ => false,
        })
    };
    for (number, packet) in packets.iter().enumerate() {
        let user = octets_of(*packet);
        let arrival = Arrival {
            inner: Inner::parse(&user).unwrap(),
            qfi: packet.qfi.filter(|_| packet.uplink).and_then(Qfi::new),
        };
        let from = if packet.uplink {
            Ingress::Tunnel(LocalFTeid {
                teid: session.teid,
                interface: N3,
            })
        } else {
            Ingress::Core
        };
        let frame = if packet.uplink {
            let message = gpdu(session.teid, packet.qfi, &user);
            frame(
                MAC_N3,
                MAC_GNB,
                None,
                &datagram_v4(GNB, N3_ADDRESS, &message),
            )
        } else {
            downlink(&user)
        };
        let (before, held) = (bed.drops(), bed.workers[0].cells.read().held);
        let sent = bed.one(u16::from(!packet.uplink), &frame);
        let count = |reason| {
            before
                .iter()
                .find(|(r, _)| *r == reason)
                .map_or(0, |(_, n)| *n)
        };
        let dropped = bed
            .drops()
            .into_iter()
            .find(|(reason, n)| *n > count(*reason))
            .map(|(r, _)| r);
        let is_held = bed.workers[0].cells.read().held > held;
        let what = (sent.as_ref(), dropped, is_held);
        // To ask takes longer than to send.
        if number < 2 {
            explained(&bed, &rules, (u16::from(!packet.uplink), &frame), what);
        }
        let want = verdict(&rules, from, &arrival);
        let unreachable = if packet.uplink {
            !has(true)
        } else {
            !keyed(packet.v6)
        };
        match (sent, dropped, is_held) {
            (Some((1, frame)), None, false) => {
                assert!(matches!(want, Verdict::Route(_, N6)), "{want:?}");
                assert_eq!(frame.len(), 14 + user.len());
            }
            (Some((0, frame)), None, false) => {
                assert!(matches!(want, Verdict::Tunnel(..)), "{want:?}");
                assert_eq!(frame.len(), 14 + 36 + user.len());
            }
            (None, Some(reason), false) => {
                let same = match want {
                    Verdict::NoPdr => reason == Reason::NoPdr || unreachable,
                    Verdict::Spoofed(_) => reason == Reason::SourceSpoofed,
                    Verdict::GateClosed(_) => reason == Reason::GateClosed,
                    Verdict::Drop(_) => reason == Reason::FarDrop,
                    Verdict::NoTunnel(_) => reason == Reason::NoTunnel,
                    Verdict::NoRoute(_) => reason == Reason::NoRoute,
                    // The buffer of the session is full.
                    Verdict::Buffer(_) => reason == Reason::HoldSessionFull,
                    Verdict::Tunnel(..) | Verdict::Route(..) | Verdict::Bridge(..) => false,
                };
                assert!(same, "{want:?} but {reason}");
            }
            (None, None, true) => assert!(matches!(want, Verdict::Buffer(_)), "{want:?}"),
            // An Error Indication for a session that has no uplink rules.
            (Some((0, _)), Some(Reason::UnknownTeid), false) => assert!(unreachable),
            other => panic!("{other:?} instead of {want:?}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_path_decides_as_the_naive_model(
        pdrs in prop::collection::vec(random_pdr(), 1..6),
        packets in prop::collection::vec(random_packet(), 1..24),
        gates in any::<[bool; 2]>(),
    ) {
        check(&pdrs, &packets, gates);
    }
}
