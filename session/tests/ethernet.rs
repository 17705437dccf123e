//! Ethernet sessions: the compiled plan does what the naive model does, and the tables lead frames
//! to where their stations are.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::net::Ipv4Addr;
use std::sync::Arc;

use proptest::prelude::*;
use session::ethernet::{
    C_TAG, EthernetFilter, EthernetFilters, Frame, Learned, Mac, MacFilter, MacRange, S_TAG,
    Station, Stations, TagFilter, Tags,
};
use session::plan::{Act, Context, FrameArrival, Heard, Installed, Plan};
use session::reference::{Ingress, Verdict, frame_verdict};
use session::rule::{
    Action, DestinationInterface, Far, Forwarding, LocalFTeid, OuterHeaderCreation, Pdi, Pdn, Pdr,
    Rules, SourceInterface,
};
use session::sdf::{FlowDescription, SdfFilter};
use session::tables::{EntryId, Handle, MEMBERS_MAX};
use session::usage::Moment;
use session::{
    CompileError, FarId, InterfaceId, Key, NextHopId, PdrId, Precedence, PublishError, Publisher,
    Qfi, Reader, SessionIndex, Sizes, Tables, Teid,
};

const VRF: InterfaceId = InterfaceId(1);
const OTHER: InterfaceId = InterfaceId(2);
const TUNNEL: LocalFTeid = LocalFTeid {
    teid: Teid(7),
    interface: InterfaceId(0),
};
/// Stations are few, so that filters and frames meet.
const fn mac(number: u8) -> Mac {
    [2, 0, 0, 0, 0, number]
}

fn far(number: u32, action: Action, destination: DestinationInterface, tunnel: bool) -> Far {
    let creation = OuterHeaderCreation {
        teid: Teid(9),
        peer: Ipv4Addr::new(10, 0, 3, 2).into(),
        interface: InterfaceId(0),
        source: Ipv4Addr::new(10, 0, 3, 1).into(),
        next_hop: Some(NextHopId(4)),
    };
    Far {
        id: FarId(number),
        action,
        forwarding: Some(Forwarding {
            destination,
            vrf: Some(VRF),
            outer_header_creation: tunnel.then_some(creation),
            ..Forwarding::default()
        }),
        bar: None,
    }
}

/// To the data network, to the UE, nowhere.
fn fars() -> Vec<Far> {
    vec![
        far(0, Action::Forward, DestinationInterface::Core, false),
        far(1, Action::Forward, DestinationInterface::Access, true),
        far(2, Action::Drop, DestinationInterface::Access, true),
    ]
}

fn rules(pdrs: Vec<Pdr>, learned: &[Station]) -> Rules {
    let learned = learned.iter().map(|station| {
        let learned = Learned::new(*station, Tags::default(), Moment(0));
        Arc::new(learned)
    });
    Rules {
        pdn: Pdn::Ethernet(Box::new(Stations {
            learned: learned.collect(),
            full: false,
        })),
        pdrs,
        fars: fars(),
        ..Rules::default()
    }
}

fn range() -> impl Strategy<Value = Option<MacRange>> {
    let range = (0..6_u8, 0..3_u8).prop_map(|(first, more)| MacRange {
        first: mac(first),
        last: mac(first + more),
    });
    prop::option::of(range)
}

fn tag() -> impl Strategy<Value = Option<TagFilter>> {
    let parts = (
        prop::option::of(0..3_u8),
        prop::option::of(any::<bool>()),
        prop::option::of(0..3_u16),
    );
    let tag = parts.prop_map(|(pcp, dei, vid)| TagFilter { pcp, dei, vid });
    prop::option::weighted(0.3, tag)
}

fn filter() -> impl Strategy<Value = EthernetFilter> {
    let flows = [
        "permit out 17 from any 53 to assigned",
        "permit out ip from 192.0.2.0/24 to any",
    ];
    let sdf = prop::sample::select(flows.to_vec()).prop_map(|text| SdfFilter {
        flow: Some(FlowDescription::parse(text).unwrap()),
        ..SdfFilter::default()
    });
    let ether_type = prop::option::weighted(0.3, prop::sample::select(vec![0x0800_u16, 0x0806]));
    let sdf_filters = prop::collection::vec(sdf, 0..2);
    let mac = (range(), range());
    let mac = mac.prop_map(|(source, destination)| MacFilter {
        source,
        destination,
    });
    let macs = prop::collection::vec(mac, 0..4);
    (macs, ether_type, tag(), tag(), sdf_filters).prop_map(
        |(macs, ether_type, c_tag, s_tag, sdf_filters)| EthernetFilter {
            id: None,
            macs,
            ether_type,
            c_tag,
            s_tag,
            sdf_filters,
        },
    )
}

fn pdr() -> impl Strategy<Value = Pdr> {
    let filters = prop::collection::vec(filter(), 0..3);
    let qfis = prop::collection::vec(1..4_u8, 0..3);
    let parts = (any::<bool>(), 0..4_u32, filters, qfis, 0..3_u32);
    parts.prop_map(|(uplink, precedence, filters, qfis, far)| Pdr {
        precedence: Precedence(precedence),
        pdi: Pdi {
            source_interface: if uplink {
                SourceInterface::Access
            } else {
                SourceInterface::Core
            },
            local_f_teid: uplink.then_some(TUNNEL),
            vrf: (!uplink).then_some(VRF),
            qfis: qfis.into_iter().filter_map(Qfi::new).collect(),
            frames: (!filters.is_empty()).then(|| Box::new(EthernetFilters(filters))),
            ..Pdi::default()
        },
        far: FarId(far),
        ..Pdr::default()
    })
}

fn frame() -> impl Strategy<Value = Vec<u8>> {
    let tci = (0..3_u16, any::<bool>(), 0..3_u16)
        .prop_map(|(pcp, dei, vid)| pcp << 13 | u16::from(dei) << 12 | vid);
    let tags = (prop::option::of(tci.clone()), prop::option::of(tci));
    let kind = 0..4_u8;
    (0..8_u8, 0..8_u8, tags, kind, any::<bool>()).prop_map(|(to, from, tags, kind, dns)| {
        let mut octets = [mac(to), mac(from)].concat();
        for (tpid, tag) in [(S_TAG, tags.0), (C_TAG, tags.1)] {
            if let Some(tag) = tag {
                octets.extend(tpid.to_be_bytes());
                octets.extend(tag.to_be_bytes());
            }
        }
        octets.extend(if kind == 0 { [8, 6] } else { [8, 0] });
        let ports = if dns { (53, 1000) } else { (1000, 53) };
        let builder = etherparse::PacketBuilder::ipv4([192, 0, 2, 1], [10, 0, 0, 1], 64);
        let mut packet = Vec::new();
        builder
            .udp(ports.0, ports.1)
            .write(&mut packet, b"payload")
            .unwrap();
        // What is cut is no IP packet.
        packet.truncate(if kind == 1 { 12 } else { packet.len() });
        octets.extend(packet);
        octets
    })
}

/// What the plan does, in the model's words.
fn planned(plan: &Plan, entry: u8, arrival: &FrameArrival<'_>) -> Verdict {
    let Some(entrance) = plan.entrance(EntryId(entry)) else {
        return Verdict::NoPdr;
    };
    assert!(entrance.takes_frames());
    let Some(step) = entrance.classify_frame(arrival) else {
        return Verdict::NoPdr;
    };
    match step.act {
        Act::Drop => Verdict::Drop(step.pdr),
        Act::Tunnel { next_hop, .. } => Verdict::Tunnel(step.pdr, next_hop),
        Act::Bridge { vrf } => Verdict::Bridge(step.pdr, vrf),
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 4 } else { 1000 }, ..Default::default() })]

    #[test]
    fn plan_is_the_model(
        pdrs in prop::collection::vec(pdr(), 1..12),
        frames in prop::collection::vec((frame(), any::<bool>(), prop::option::of(0..5_u8)), 1..20),
    ) {
        let pdrs = pdrs.into_iter().zip(1..).map(|(pdr, id)| Pdr { id: PdrId(id), ..pdr }).collect();
        let rules = rules(pdrs, &[]);
        let compiled = Installed::default().compile(rules.clone(), &Context::default(), |_| false).unwrap();
        let has = |core: bool| rules.pdrs.iter().any(|pdr| pdr.pdi.local_f_teid.is_none() == core);
        for (octets, uplink, qfi) in &frames {
            let arrival = FrameArrival { frame: Frame::parse(octets).unwrap(), qfi: qfi.and_then(Qfi::new) };
            let (ingress, entry) = if *uplink { (Ingress::Tunnel(TUNNEL), 1) } else { (Ingress::Core, 0) };
            prop_assume!(has(!uplink));
            let expected = frame_verdict(&rules, ingress, &arrival);
            prop_assert_eq!(planned(&compiled.plan, entry, &arrival), expected);
        }
    }

    #[test]
    fn no_octets_panic(octets in prop::collection::vec(any::<u8>(), 0..80)) {
        if let Some(frame) = Frame::parse(&octets) {
            let _ = (frame.sender(), frame.receiver(), frame.payload(), frame.ip().is_some());
        }
    }
}

/// Both ways, without a filter.
fn open() -> Vec<Pdr> {
    let pdr = |id: u16, source_interface, local_f_teid: Option<LocalFTeid>, far| Pdr {
        id: PdrId(id),
        pdi: Pdi {
            source_interface,
            local_f_teid,
            vrf: local_f_teid.is_none().then_some(VRF),
            ..Pdi::default()
        },
        far: FarId(far),
        ..Pdr::default()
    };
    vec![
        pdr(1, SourceInterface::Access, Some(TUNNEL), 0),
        pdr(2, SourceInterface::Core, None, 1),
    ]
}

fn tables(sessions: u32) -> (Publisher, Vec<Reader>) {
    Tables::create(Sizes {
        sessions,
        tunnels: sessions,
        workers: 1,
        seed: 5,
    })
}

/// Puts a session without a tunnel in force that has these stations.
fn put(
    publisher: &mut Publisher,
    session: SessionIndex,
    old: &Installed,
    learned: &[Station],
) -> Result<Installed, PublishError> {
    let mut pdrs = open();
    pdrs.remove(0);
    let context = Context {
        session,
        ..Context::default()
    };
    let compiled = old.compile(rules(pdrs, learned), &context, |_| false);
    let compiled = compiled.unwrap();
    publisher.publish(session, compiled.plan, &compiled.keys)?;
    Ok(compiled.installed)
}

#[test]
fn a_station_leads_to_its_session_and_all_frames_to_all_sessions() {
    let (mut publisher, mut readers) = tables(10);
    let none = Installed::default();
    let [a, b, tagged] = [(0, 1), (0, 2), (9, 1)].map(|(vlan, n)| Station::new(vlan, mac(n)));
    let (one, _) = publisher.reserve().unwrap();
    let (two, _) = publisher.reserve().unwrap();
    let first = put(&mut publisher, one, &none, &[a]).unwrap();
    let second = put(&mut publisher, two, &none, &[tagged]).unwrap();
    let found = |readers: &mut Vec<Reader>, station| {
        let view = readers[0].snapshot();
        view.station(VRF, station).map(Handle::session)
    };
    let all = |readers: &mut Vec<Reader>, vrf| {
        let view = readers[0].snapshot();
        let mut all: Vec<_> = view.members(vrf).map(Handle::session).collect();
        all.sort_unstable();
        all
    };
    // One address in two VLANs is two stations.
    assert_eq!(found(&mut readers, a), Some(one));
    assert_eq!(found(&mut readers, tagged), Some(two));
    assert_eq!(found(&mut readers, b), None);
    assert_eq!(all(&mut readers, VRF), [one, two]);
    assert_eq!(all(&mut readers, OTHER), []);
    assert!(readers[0].snapshot().station(OTHER, a).is_none());
    assert_eq!(publisher.owner(Key::Station(VRF, a)), Some(one));

    // What belongs to another session cannot be had, and nothing has changed then.
    let taken = put(&mut publisher, two, &second, &[tagged, a]);
    assert_eq!(
        taken.unwrap_err(),
        PublishError::Taken(Key::Station(VRF, a))
    );
    assert_eq!(found(&mut readers, a), Some(one));
    assert_eq!(all(&mut readers, VRF), [one, two]);

    // It moves when the other has let it go; all plans that are out of force go.
    let first = put(&mut publisher, one, &first, &[b]).unwrap();
    let second = put(&mut publisher, two, &second, &[tagged, a]).unwrap();
    assert_eq!(found(&mut readers, a), Some(two));
    assert_eq!(found(&mut readers, b), Some(one));
    publisher.withdraw(one, &first.keys());
    assert_eq!(all(&mut readers, VRF), [two]);
    assert_eq!(found(&mut readers, b), None);
    publisher.withdraw(two, &second.keys());
    readers[0].snapshot();
    publisher.reclaim();
    assert_eq!((publisher.retired(), publisher.sessions()), (0, 0));
}

#[test]
fn there_is_an_end_to_ethernet_sessions() {
    let (mut publisher, mut readers) = tables(MEMBERS_MAX + 10);
    let mut sessions = Vec::new();
    let mut full = None;
    for _ in 0..=MEMBERS_MAX {
        let (session, _) = publisher.reserve().unwrap();
        match put(&mut publisher, session, &Installed::default(), &[]) {
            Ok(installed) => sessions.push((session, installed)),
            Err(error) => full = Some((session, error)),
        }
    }
    let (session, error) = full.unwrap();
    assert_eq!(error, PublishError::Full(Key::Member(VRF, session)));
    let count = readers[0].snapshot().members(VRF).count();
    assert_eq!(count, sessions.len());
    // The place of one that has gone is another's.
    let (gone, installed) = sessions.swap_remove(17);
    publisher.withdraw(gone, &installed.keys());
    put(&mut publisher, session, &Installed::default(), &[]).unwrap();
    let view = readers[0].snapshot();
    assert!(view.members(VRF).any(|member| member.session() == session));
    assert!(view.members(VRF).all(|member| member.session() != gone));
}

#[test]
fn stations_are_known_to_the_plan_and_heard_by_all_that_come_after() {
    let [known, stranger] = [1, 2].map(|n| Station::new(0, mac(n)));
    let mut wanted = rules(open(), &[known]);
    let context = Context::default();
    let compile = |installed: &Installed, rules: Rules| {
        let compiled = installed.compile(rules, &context, |_| false).unwrap();
        (compiled.installed, compiled.plan)
    };
    let (installed, plan) = compile(&Installed::default(), wanted.clone());
    assert!(plan.is_ethernet());
    let Heard::Own(learned) = plan.heard(known) else {
        panic!("{:?}", plan.heard(known));
    };
    learned.hear(Moment(77));
    assert!(matches!(plan.heard(stranger), Heard::New));
    // The next plan has the same station, with all that is known of it.
    if let Pdn::Ethernet(stations) = &mut wanted.pdn {
        stations.full = true;
    }
    let (installed, plan) = compile(&installed, wanted);
    assert!(matches!(plan.heard(stranger), Heard::TooMany));
    let stations = installed.rules.pdn.stations().unwrap();
    assert_eq!(stations.learned[0].heard(), Moment(77));
}

#[test]
fn a_pdr_that_no_frame_finds_is_refused() {
    let mut pdrs = open();
    pdrs[1].pdi.vrf = None;
    let compiled = Installed::default().compile(rules(pdrs, &[]), &Context::default(), |_| false);
    assert_eq!(compiled.unwrap_err(), CompileError::NoKey(PdrId(2)));
}
