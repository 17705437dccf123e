//! The compiled plan does what the naive model does, for any rules and any packet.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::Ipv6Net;
use proptest::prelude::*;
use session::inner::Inner;
use session::meter::Now;
use session::plan::{Act, Arrival, Compiled, Context, Installed, Plan};
use session::reference::{self, Ingress, Verdict};
use session::rule::{
    Action, BitRate, DestinationInterface, Direction, Far, Forwarding, FramedRoutes, Gate,
    HeldTunnels, LocalFTeid, OuterHeaderCreation, Pdi, Pdr, Qer, Rules, SourceInterface, UeAddress,
    ue_prefix,
};
use session::sdf::{FlowDescription, SdfFilter};
use session::tables::Key;
use session::usage::{Moment, Volume};
use session::{
    CompileError, FarId, InterfaceId, NextHopId, PdrId, Precedence, QerId, Qfi, SessionIndex, Teid,
    UrrId, WorkerId,
};

const VRF: InterfaceId = InterfaceId(1);
const UE_V4: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 45, 0, 2), Ipv4Addr::new(10, 45, 0, 3)];
const UE_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 2, 0, 0, 0, 9);
const FRAMED: Ipv4Addr = Ipv4Addr::new(10, 46, 7, 9);
const FRAMED_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x46, 7, 0, 0, 0, 9);
/// Of ESP and AH.
const SPI: u32 = 0x0102_0304;
const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const SERVER_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xf, 0, 0, 0, 0, 1);

fn tunnel(number: u32) -> LocalFTeid {
    LocalFTeid {
        teid: Teid(number),
        interface: InterfaceId(0),
    }
}

fn context() -> Context {
    Context {
        session: SessionIndex(1),
        owner: WorkerId(0),
        hz: 1_000_000_000,
        burst: session::meter::Burst::of_ms(10),
        buffer_packets: 10,
        ..Context::default()
    }
}

fn ue() -> impl Strategy<Value = Option<UeAddress>> {
    let v4 = UeAddress {
        ipv4: Some(UE_V4[0]),
        ipv6: None,
    };
    let v6 = UeAddress {
        ipv4: None,
        ipv6: Some(ue_prefix(UE_V6)),
    };
    let both = UeAddress {
        ipv4: Some(UE_V4[0]),
        ipv6: Some(ue_prefix(UE_V6)),
    };
    prop::sample::select(vec![None, Some(v4), Some(v6), Some(both)])
}

fn framed() -> impl Strategy<Value = Option<Box<FramedRoutes>>> {
    let some = |routes: &[&str]| {
        let routes = routes.iter().map(|route| route.parse().unwrap()).collect();
        Some(Box::new(FramedRoutes(routes)))
    };
    prop::sample::select(vec![
        None,
        None,
        some(&["10.46.7.0/24"]),
        some(&["10.46.0.0/16", "2001:db8:46::/48"]),
        some(&["192.0.2.128/25", "2001:db8:46:7::/64"]),
    ])
}

fn filter() -> impl Strategy<Value = SdfFilter> {
    let flow = prop::sample::select(vec![
        None,
        Some("permit out ip from any to assigned"),
        Some("permit out 17 from any 53 to assigned"),
        Some("permit out 6 from 192.0.2.0/24 80,1000-2000 to assigned"),
        Some("permit out 17 from any to 10.45.0.2 5000-6000"),
        Some("permit out ip from 2001:db8:f::/48 to assigned"),
        Some("permit out 58 from ff02::2 to assigned"),
        Some("permit out ip from 0.0.0.0/0 to any"),
        Some("permit out 50 from any to assigned"),
        Some("permit out 17 from any 53,80 to any 1000-9999"),
        Some("permit out 17 from any 0-63 to assigned"),
        Some("permit out ip from any to 10.45.0.2"),
    ]);
    let tos = prop::option::of((any::<u8>(), prop::sample::select(vec![0_u8, 0xfc, 0x80])));
    let label = prop::option::weighted(0.1, 0..4_u32);
    let spi = prop::option::weighted(0.1, Just(SPI));
    (flow, tos, label, spi).prop_map(|(flow, tos, flow_label, spi)| SdfFilter {
        flow: flow.map(|text| FlowDescription::parse(text).unwrap()),
        tos,
        spi,
        flow_label,
    })
}

fn pdr() -> impl Strategy<Value = Pdr> {
    let source = prop::sample::select(vec![
        SourceInterface::Access,
        SourceInterface::Core,
        SourceInterface::SgiLan,
        SourceInterface::CpFunction,
    ]);
    (
        source,
        1..4_u32,
        0..4_u32,
        ue(),
        prop::collection::vec(1..4_u8, 0..3),
        prop::collection::vec(filter(), 0..3),
        (
            1..4_u32,
            prop::collection::vec(1..4_u32, 0..3),
            framed(),
            prop::bool::weighted(0.1),
        ),
    )
        .prop_map(
            |(source_interface, teid, precedence, ue, qfis, sdf_filters, rest)| {
                let (far, qers, framed, dormant) = rest;
                let core = matches!(
                    source_interface,
                    SourceInterface::Core | SourceInterface::SgiLan
                );
                Pdr {
                    precedence: Precedence(precedence),
                    dormant,
                    pdi: Pdi {
                        source_interface,
                        // From the core also by N9, in a tunnel.
                        local_f_teid: (!core || precedence == 0).then(|| tunnel(teid)),
                        vrf: Some(VRF),
                        ue,
                        framed,
                        qfis: qfis.into_iter().filter_map(Qfi::new).collect(),
                        sdf_filters,
                        ..Pdi::default()
                    },
                    far: FarId(far),
                    qers: qers.into_iter().map(QerId).collect(),
                    ..Pdr::default()
                }
            },
        )
}

fn far() -> impl Strategy<Value = (Action, Option<Forwarding>)> {
    let action = prop::sample::select(vec![
        Action::Drop,
        Action::Forward,
        Action::Forward,
        Action::Buffer { notify: true },
    ]);
    let destination = prop::sample::select(vec![
        DestinationInterface::Access,
        DestinationInterface::Core,
        DestinationInterface::CpFunction,
    ]);
    let creation = prop::option::of(prop::option::of(0..9_u16)).prop_map(|next_hop| {
        next_hop.map(|next_hop| OuterHeaderCreation {
            teid: Teid(77),
            peer: IpAddr::V4(Ipv4Addr::new(10, 10, 3, 101)),
            interface: InterfaceId(0),
            source: IpAddr::V4(Ipv4Addr::new(10, 10, 3, 7)),
            next_hop: next_hop.map(NextHopId),
        })
    });
    let policy = prop::option::of(Just(InterfaceId(9)));
    let to = prop::option::weighted(0.8, (destination, creation, policy));
    (action, to).prop_map(|(action, to)| {
        let forwarding = to.map(|(destination, outer_header_creation, policy)| Forwarding {
            destination,
            vrf: Some(VRF),
            policy,
            outer_header_creation,
            tos: None,
        });
        (action, forwarding)
    })
}

/// Two PDRs of each id, as its parts.
fn numbered((pdr, number): (Pdr, u8)) -> Pdr {
    Pdr {
        id: PdrId(u16::from(number / 2)),
        part: number % 2,
        ..pdr
    }
}

/// The UE's prefix, which has one length in a session.
fn with_prefix(mut pdr: Pdr, length: u8) -> Pdr {
    if let Some(ue) = &mut pdr.pdi.ue {
        let prefix = Ipv6Net::new(UE_V6, length).unwrap().trunc();
        ue.ipv6 = ue.ipv6.map(|_| prefix);
    }
    pdr
}

prop_compose! {
    fn rules()(
        pdrs in prop::collection::vec(pdr(), 1..24),
        fars in prop::collection::vec(far(), 3),
        gates in prop::collection::vec((any::<bool>(), any::<bool>()), 3),
        length in prop::sample::select(vec![56_u8, 64, 64, 128]),
    ) -> Rules {
        let gate = |closed| if closed { Gate::Closed } else { Gate::Open };
        let pdrs: Vec<Pdr> =
            pdrs.into_iter().zip(2..).map(numbered).map(|pdr| with_prefix(pdr, length)).collect();
        Rules {
            ue: session::plan::ue_of(&pdrs),
            pdrs,
            fars: fars
                .into_iter()
                .zip(1..)
                .map(|((action, forwarding), id)| Far { id: FarId(id), action, forwarding, bar: None })
                .collect(),
            qers: gates
                .into_iter()
                .zip(1..)
                .map(|((uplink, downlink), id)| Qer {
                    id: QerId(id),
                    uplink_gate: gate(uplink),
                    downlink_gate: gate(downlink),
                    ..Qer::default()
                })
                .collect(),
            ..Rules::default()
        }
    }
}

fn packet() -> impl Strategy<Value = Vec<u8>> {
    let port = prop::sample::select(vec![53_u16, 80, 1500, 5500, 9999]);
    let tos = prop::sample::select(vec![0_u8, 0x80, 0xb8]);
    (
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        port.clone(),
        port,
        tos,
        (0..6_u8, 0..8_u8, 0..4_u8, any::<bool>()),
    )
        .prop_map(
            |(v6, uplink, udp, a, b, tos, (other, kind, label, elsewhere))| {
                let builder = if v6 {
                    let ue = match other {
                        0 => SERVER_V6,
                        1 => FRAMED_V6,
                        // Another network of the same /56.
                        2 => Ipv6Addr::from_bits(UE_V6.to_bits() ^ 1 << 64),
                        _ => UE_V6,
                    };
                    // One of another network, whose middle bits are the same.
                    let server = SERVER_V6.to_bits() ^ u128::from(elsewhere) << 100;
                    let server = Ipv6Addr::from_bits(server);
                    let (source, destination) = if uplink { (ue, server) } else { (server, ue) };
                    etherparse::PacketBuilder::ipv6(source.octets(), destination.octets(), 64)
                } else {
                    let ue = match other {
                        0 => UE_V4[1],
                        1 => FRAMED,
                        _ => UE_V4[0],
                    };
                    let (source, destination) = if uplink { (ue, SERVER) } else { (SERVER, ue) };
                    etherparse::PacketBuilder::ipv4(source.octets(), destination.octets(), 64)
                };
                let mut octets = Vec::new();
                if udp {
                    builder.udp(a, b).write(&mut octets, b"payload").unwrap();
                } else {
                    builder
                        .tcp(a, b, 1, 1024)
                        .write(&mut octets, b"payload")
                        .unwrap();
                }
                if v6 {
                    octets[0] |= tos >> 4;
                    octets[1] |= tos << 4;
                    octets[3] = label;
                } else {
                    octets[1] = tos;
                }
                changed(octets, v6, kind)
            },
        )
}

/// Most are left as they are; others become ESP, AH, a later fragment, or have more headers.
fn changed(mut octets: Vec<u8>, v6: bool, kind: u8) -> Vec<u8> {
    let (protocol_at, transport_at) = if v6 { (6, 40) } else { (9, 20) };
    let protocol = octets[protocol_at];
    match kind {
        0 => {
            octets[protocol_at] = 50;
            octets[transport_at..transport_at + 4].copy_from_slice(&SPI.to_be_bytes());
        }
        1 => {
            octets[protocol_at] = 51;
            octets[transport_at + 4..transport_at + 8].copy_from_slice(&SPI.to_be_bytes());
        }
        2 | 3 if v6 => {
            // A fragment header behind the first fragment, or hop-by-hop options.
            let header = [protocol, 0, 0, 8, 0, 0, 0, 1];
            octets[protocol_at] = if kind == 2 { 44 } else { 0 };
            octets.splice(transport_at..transport_at, header);
            octets[5] += 8;
        }
        2 => octets[7] = 5,
        3 => {
            octets[0] += 1;
            octets[3] += 4;
            octets.splice(transport_at..transport_at, [1; 4]);
        }
        _ => {}
    }
    octets
}

/// What the plan does, in the model's words.
fn planned(plan: &Plan, layout: &[(Key, u8)], ingress: Ingress, arrival: &Arrival<'_>) -> Verdict {
    let number = match ingress {
        Ingress::Core => Some(0),
        Ingress::Tunnel(tunnel) => layout
            .iter()
            .find(|(key, _)| *key == Key::Tunnel(tunnel))
            .map(|(_, entry)| *entry),
    };
    let Some(entrance) = number.and_then(|n| plan.entrance(session::tables::EntryId(n))) else {
        return Verdict::NoPdr;
    };
    let Some(step) = entrance.classify(arrival) else {
        return Verdict::NoPdr;
    };
    if step.check_source && !entrance.source_is_ue(&arrival.inner) {
        return Verdict::Spoofed(step.pdr);
    }
    match step.act {
        Act::Drop => Verdict::Drop(step.pdr),
        Act::GateClosed => Verdict::GateClosed(step.pdr),
        Act::NoTunnel => Verdict::NoTunnel(step.pdr),
        Act::NoRoute => Verdict::NoRoute(step.pdr),
        Act::Tunnel { next_hop, .. } => Verdict::Tunnel(step.pdr, next_hop),
        Act::Route { vrf } => Verdict::Route(step.pdr, vrf),
        Act::Bridge { vrf } => Verdict::Bridge(step.pdr, vrf),
        Act::Buffer { .. } => Verdict::Buffer(step.pdr),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 4 } else { 1000 }, ..Default::default() })]

    /// … and a second set of rules compiled over the first does what it says, too.
    #[test]
    fn plan_is_the_model(
        first in rules(),
        second in rules(),
        packets in prop::collection::vec((packet(), 0..4_u32, prop::option::of(0..5_u8)), 1..20),
    ) {
        let mut installed = Installed::default();
        let mut layout: Vec<(Key, u8)> = Vec::new();
        for rules in [first, second] {
            let compiled = match installed.compile(rules.clone(), &context(), |_| false) {
                Ok(compiled) => compiled,
                Err(CompileError::NoKey(_)) => continue,
                Err(other) => panic!("{other}"),
            };
            layout.retain(|(key, _)| !compiled.keys.remove.contains(key));
            layout.extend(compiled.keys.add.iter().map(|new| (new.key, new.entry.0)));
            let mut keys = compiled.installed.keys();
            let mut held: Vec<Key> = layout.iter().map(|(key, _)| *key).collect();
            keys.sort_by_key(|key| format!("{key:?}"));
            held.sort_by_key(|key| format!("{key:?}"));
            prop_assert_eq!(keys.as_slice(), held.as_slice());
            for (octets, teid, qfi) in &packets {
                let arrival =
                    Arrival { inner: Inner::parse(octets).unwrap(), qfi: qfi.and_then(Qfi::new) };
                let ingress =
                    if *teid == 0 { Ingress::Core } else { Ingress::Tunnel(tunnel(*teid)) };
                let expected = reference::verdict(&rules, ingress, &arrival);
                let got = planned(&compiled.plan, &layout, ingress, &arrival);
                prop_assert_eq!(got, expected);
            }
            installed = compiled.installed;
        }
    }

    #[test]
    fn no_octets_panic(octets in prop::collection::vec(any::<u8>(), 0..120)) {
        if let Ok(inner) = Inner::parse(&octets) {
            let _ = (inner.transport(), inner.source(), inner.destination(), inner.tos());
        }
    }
}

fn downlink_session() -> Rules {
    let qer = Qer {
        id: QerId(1),
        qfi: Qfi::new(9),
        rqi: true,
        ..Qer::default()
    };
    let creation = OuterHeaderCreation {
        teid: Teid(0x0102_0304),
        peer: IpAddr::V4(Ipv4Addr::new(10, 10, 3, 101)),
        interface: InterfaceId(0),
        source: IpAddr::V4(Ipv4Addr::new(10, 10, 3, 7)),
        next_hop: Some(NextHopId(3)),
    };
    Rules {
        ue: UeAddress {
            ipv4: Some(UE_V4[0]),
            ipv6: None,
        },
        pdrs: vec![Pdr {
            id: PdrId(1),
            pdi: Pdi {
                source_interface: SourceInterface::Core,
                vrf: Some(VRF),
                ..Pdi::default()
            },
            far: FarId(1),
            qers: [QerId(1)].into_iter().collect(),
            ..Pdr::default()
        }],
        fars: vec![Far {
            id: FarId(1),
            action: Action::Forward,
            forwarding: Some(Forwarding {
                destination: DestinationInterface::Access,
                vrf: None,
                policy: None,
                outer_header_creation: Some(creation),
                tos: Some(0xb8),
            }),
            bar: None,
        }],
        qers: vec![qer],
        ..Rules::default()
    }
}

#[test]
fn the_outer_header_is_ready_made() {
    let compiled = Installed::default()
        .compile(downlink_session(), &context(), |_| false)
        .unwrap();
    let step = compiled.plan.steps().next().unwrap();
    let header = step.encapsulation.octets();
    assert_eq!(header.len(), 44);
    let (ip, rest) = etherparse::Ipv4Header::from_slice(header).unwrap();
    assert_eq!(
        (ip.source, ip.destination),
        ([10, 10, 3, 7], [10, 10, 3, 101])
    );
    assert_eq!((ip.dscp.value(), ip.time_to_live), (0x2e, 64));
    assert_eq!(&rest[..8], [0x08, 0x68, 0x08, 0x68, 0, 0, 0, 0]);
    assert_eq!(
        &rest[8..],
        [0x34, 0xff, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0x85, 1, 0, 0x49, 0]
    );
    assert_eq!(
        step.tunnel(),
        Some((Teid(0x0102_0304), IpAddr::V4(Ipv4Addr::new(10, 10, 3, 101))))
    );
    // The checksum field holds the sum of the rest: adding length and identification and inverting
    // gives the checksum.
    let (length, identification) = (1000_u16, 7_u16);
    let base = u32::from(u16::from_be_bytes([header[10], header[11]]));
    let sum = base + u32::from(length) + u32::from(identification);
    let folded = (sum & 0xffff) + (sum >> 16);
    let ip = etherparse::Ipv4Header {
        total_len: length,
        identification,
        ..ip
    };
    assert_eq!(!u16::try_from(folded).unwrap(), ip.calc_header_checksum());
}

#[test]
fn the_ue_address_of_the_session_serves_pdrs_without_one() {
    let compiled = Installed::default()
        .compile(downlink_session(), &context(), |_| false)
        .unwrap();
    assert_eq!(
        compiled.installed.keys().as_slice(),
        [Key::Ipv4(VRF, UE_V4[0])]
    );
}

#[test]
fn meters_and_counters_go_on_through_a_modification() {
    let mut rules = downlink_session();
    rules.urrs.push(session::Urr {
        id: UrrId(1),
        ..session::Urr::default()
    });
    rules.pdrs[0].urrs.push(UrrId(1));
    let first = Installed::default()
        .compile(rules.clone(), &context(), |_| false)
        .unwrap();
    first
        .plan
        .steps()
        .next()
        .unwrap()
        .usage()
        .unwrap()
        .count(Direction::Downlink, 100, Moment(0));
    rules.fars[0].action = Action::Drop;
    let second = first
        .installed
        .compile(rules, &context(), |_| false)
        .unwrap();
    let volume = second.installed.usage(UrrId(1)).unwrap().volume();
    assert_eq!((volume.downlink_octets, volume.downlink_packets), (100, 1));
    assert!(second.keys.add.is_empty() && second.keys.remove.is_empty());
}

#[test]
fn a_policer_and_a_counter_share_a_ledger_only_if_both_are_new() {
    let (one, other) = (UrrId(1), UrrId(2));
    let rate = BitRate {
        uplink_kbps: 1,
        downlink_kbps: 1,
    };
    let mut rules = downlink_session();
    rules.qers[0].mbr = Some(rate);
    let count_with = |rules: &mut Rules, urr| {
        rules.urrs = [session::Urr {
            id: urr,
            ..session::Urr::default()
        }]
        .into_iter()
        .collect();
        rules.pdrs[0].urrs = [urr].into_iter().collect();
    };
    // How often the ledger of the counter is held: by the session for each purpose, and by its step.
    let held = |compiled: &Compiled| {
        let step = compiled.plan.steps().next().unwrap();
        Arc::strong_count(step.ledgers().next().unwrap().1)
    };
    count_with(&mut rules, one);
    let first = Installed::default();
    let first = first.compile(rules.clone(), &context(), |_| false).unwrap();
    assert_eq!(held(&first), 3);
    let step = first.plan.steps().next().unwrap();
    assert!(step.meter().unwrap().pass(1500, Now(0)));
    step.usage()
        .unwrap()
        .count(Direction::Downlink, 1500, Moment(0));
    // Another counter starts from zero; the policer stands where it stood, also at another rate.
    count_with(&mut rules, other);
    rules.qers[0].mbr = Some(BitRate {
        downlink_kbps: 2,
        ..rate
    });
    let second = first.installed.compile(rules, &context(), |_| false);
    let second = second.unwrap();
    assert_eq!(held(&second), 2);
    let step = second.plan.steps().next().unwrap();
    assert!(step.usage().is_none() && step.has_more());
    let (_, usage) = step.usages().next().unwrap();
    assert_eq!(usage.volume(), Volume::default());
    assert!(!step.meter().unwrap().conforms(Now(0)));
}

#[test]
fn contradictions_name_the_rule() {
    let compile = |change: &dyn Fn(&mut Rules)| {
        let mut rules = downlink_session();
        change(&mut rules);
        Installed::default()
            .compile(rules, &context(), |_| false)
            .map(|_| ())
            .unwrap_err()
    };
    assert_eq!(
        compile(&|rules| rules.pdrs.push(rules.pdrs[0].clone())),
        CompileError::DuplicatePdr(PdrId(1))
    );
    assert_eq!(
        compile(&|rules| rules.fars.clear()),
        CompileError::NoFar(PdrId(1), FarId(1))
    );
    assert_eq!(
        compile(&|rules| rules.qers.clear()),
        CompileError::NoQer(PdrId(1), QerId(1))
    );
    assert_eq!(
        compile(&|rules| rules.ue = UeAddress::default()),
        CompileError::NoKey(PdrId(1))
    );
}

#[test]
fn a_tunnel_that_no_pdr_uses_stays_if_it_is_held() {
    let mut rules = downlink_session();
    rules.held = Some(Box::new(HeldTunnels(vec![tunnel(5)])));
    rules.pdrs[0].dormant = true;
    let first = Installed::default()
        .compile(rules.clone(), &context(), |_| true)
        .unwrap();
    assert_eq!(
        first.installed.keys().as_slice(),
        [Key::Tunnel(tunnel(5)), Key::Ipv4(VRF, UE_V4[0])]
    );
    // Found, but nothing matches.
    assert_eq!(first.plan.steps().count(), 0);
    assert!(first.plan.entrance(session::tables::EntryId(0)).is_none());
    rules.held = None;
    let second = first
        .installed
        .compile(rules, &context(), |_| true)
        .unwrap();
    assert_eq!(second.keys.remove.as_slice(), [Key::Tunnel(tunnel(5))]);
}
