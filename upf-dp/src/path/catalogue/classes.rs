//! The classes behind the catalogue: cases of each kind that it does not name.

use std::net::Ipv6Addr;

use super::*;

const N6_ADDRESS_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 6, 0, 0, 0, 0, 1);

/// A session with addresses of both families.
fn bed() -> (Testbed, TestSession) {
    let mut bed = Testbed::new(1, 8);
    let session = bed.install(0, |rules| {
        let prefix = ipnet::Ipv6Net::new("2001:db8:45::".parse().unwrap(), 64).unwrap();
        rules.ue.ipv6 = Some(prefix);
        let ue = rules.ue;
        rules.pdrs.iter_mut().for_each(|pdr| pdr.pdi.ue = Some(ue));
    });
    (bed, session)
}

fn held_to(cases: fn(&TestSession) -> Vec<Case>) {
    let (mut bed, session) = bed();
    hold(&mut bed, cases(&session));
}

/// The cases of all classes, for such a session.
pub(super) fn all() -> Vec<Case> {
    let (mut bed, session) = bed();
    let other = bed.install(1, |_| {});
    let makers = [lengths, chains, from_ue, from_core];
    let mut all: Vec<_> = makers.iter().flat_map(|cases| cases(&session)).collect();
    all.extend(sources(&session, &other));
    all
}

fn at(port: u16, name: &'static str, frame: Vec<u8>, must: Must) -> Case {
    Case {
        name,
        port,
        frame,
        must,
    }
}

fn v6(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

/// An IPv6 packet with these extension headers (type, octets) before what follows.
fn extended(mut packet: Vec<u8>, headers: &[(u8, &[u8])]) -> Vec<u8> {
    let last = packet[6];
    let mut rest = packet.split_off(40);
    for (place, (kind, content)) in headers.iter().enumerate() {
        if place == 0 {
            packet[6] = *kind;
        }
        let next = headers.get(place + 1).map_or(last, |next| next.0);
        packet.extend([next, (content.len() / 8) as u8]);
        packet.extend(*content);
    }
    packet.append(&mut rest);
    let length = (packet.len() - 40) as u16;
    packet[4..6].copy_from_slice(&length.to_be_bytes());
    packet
}

/// Six octets of padding: with its first two an extension header of eight.
const PADDED: &[u8] = &[1, 4, 0, 0, 0, 0];
/// A routing header of type 0, without addresses left.
const ROUTED: &[u8] = &[0, 0, 0, 0, 0, 0];

fn lengths(session: &TestSession) -> Vec<Case> {
    let user = user_v4(session.ue, HOST, 8);
    let user_6 = user_v6(session.ue_v6, HOST_V6, 8);
    let whole = || datagram_v4(GNB, N3_ADDRESS, &gpdu(session.teid, None, &user));
    let whole_6 = || datagram_v6(GNB_V6, N3_ADDRESS_V6, &gpdu(session.teid, None, &user));
    let up = |user: &[u8]| gtp(&gpdu(session.teid, None, user));
    let longer = |mut octets: Vec<u8>, at: usize| {
        octets[at] += 1;
        octets
    };
    let udp = |length: u8| {
        edited(whole(), |datagram| {
            (datagram[24], datagram[25]) = (0, length);
        })
    };
    let mut cut = whole_6();
    cut.pop();
    let cases = [
        (
            "an outer IPv4 header that says more",
            n3(&edited(whole(), |d| d[3] += 1)),
            Drop(Reason::Truncated),
        ),
        (
            "an outer IPv4 header that says less",
            n3(&edited(whole(), |d| d[3] = 19)),
            Drop(Reason::OuterHeader),
        ),
        (
            "an outer IPv6 packet that was cut",
            n3(&cut),
            Drop(Reason::Truncated),
        ),
        (
            "UDP of less than its header",
            n3(&udp(7)),
            Drop(Reason::OuterHeader),
        ),
        (
            "UDP of its header alone",
            n3(&udp(8)),
            Drop(Reason::GtpuLength),
        ),
        (
            "UDP that says more",
            n3(&udp(200)),
            Drop(Reason::OuterHeader),
        ),
        (
            "an inner IPv4 packet that says more",
            up(&edited(user.clone(), |u| u[3] += 1)),
            Drop(Reason::UserPacket),
        ),
        (
            "an inner IPv4 packet of less than its header",
            up(&edited(user.clone(), |u| u[3] = 19)),
            Drop(Reason::UserPacket),
        ),
        (
            "an inner IPv6 packet that says more",
            up(&longer(user_6.clone(), 5)),
            Drop(Reason::UserPacket),
        ),
        (
            "an inner IPv6 packet of 39 octets",
            up(&user_6[..39]),
            Drop(Reason::UserPacket),
        ),
        (
            "a jumbogram",
            up(&{
                let mut jumbo = extended(user_6.clone(), &[(0, &[0xc2, 4, 0, 1, 0, 0])]);
                jumbo[4..6].fill(0);
                jumbo
            }),
            Drop(Reason::UserPacket),
        ),
        (
            "a container and no packet",
            gtp(&gpdu(session.teid, Some(9), &[])),
            Drop(Reason::GtpuEmpty),
        ),
        (
            "what is left of a header behind the container",
            raw(0x34, 255, 7, session.teid, &[0, 0, 0, 0x85, 1, 0x10, 9]),
            Drop(Reason::GtpuExtension),
        ),
    ];
    let case = |(name, frame, must)| at(0, name, frame, must);
    cases.into_iter().map(case).collect()
}

#[test]
fn lengths_that_do_not_fit_into_each_other() {
    held_to(lengths);
}

fn chains(session: &TestSession) -> Vec<Case> {
    let user = user_v6(session.ue_v6, HOST_V6, 8);
    let up = |user: &[u8]| gtp(&gpdu(session.teid, None, user));
    let passes = |octets: usize| Pass(14 + 48 + octets);
    let outer = |headers: &[(u8, &[u8])]| {
        let message = gpdu(session.teid, None, &user);
        n3(&extended(
            datagram_v6(GNB_V6, N3_ADDRESS_V6, &message),
            headers,
        ))
    };
    let cases = [
        (
            "150 hop-by-hop headers",
            up(&extended(user.clone(), &[(0, PADDED); 150])),
            passes(8 + 1200),
        ),
        (
            "headers that end in nothing",
            up(&extended(user.clone(), &[(60, PADDED), (59, PADDED)])),
            passes(24),
        ),
        (
            "a header that reaches too far",
            up(&{
                let mut long = extended(user.clone(), &[(60, PADDED)]);
                long[41] = 255;
                long
            }),
            passes(16),
        ),
        (
            "a source route",
            up(&extended(user.clone(), &[(43, ROUTED)])),
            Drop(Reason::SourceRoute),
        ),
        (
            "a source route behind others",
            up(&extended(
                user.clone(),
                &[(0, PADDED), (60, PADDED), (43, ROUTED)],
            )),
            Drop(Reason::SourceRoute),
        ),
        (
            "segment routing",
            up(&extended(user.clone(), &[(43, &[4, 0, 0, 0, 0, 0])])),
            passes(16),
        ),
        (
            "options around the tunnel",
            outer(&[(60, PADDED)]),
            passes(8),
        ),
        (
            "too many options around the tunnel",
            outer(&[(60, PADDED); 9]),
            Drop(Reason::UnexpectedProtocol),
        ),
        (
            "GTP-U headers without an end",
            chain(session.teid, &[(0x01, 1); 300], &user),
            Drop(Reason::GtpuExtension),
        ),
        (
            "IPv4 options of no length",
            gtp(&gpdu(
                session.teid,
                None,
                &edited(user_v4(session.ue, HOST, 8), |u| {
                    u[0] = 0x46;
                    u[3] += 4;
                    u.splice(20..20, [7, 0, 0, 0]);
                }),
            )),
            Pass(14 + 28 + 4 + 8),
        ),
    ];
    let case = |(name, frame, must)| at(0, name, frame, must);
    cases.into_iter().map(case).collect()
}

#[test]
fn chains_of_headers() {
    held_to(chains);
}

fn sources(session: &TestSession, only_v4: &TestSession) -> Vec<Case> {
    let up = |teid, user: &[u8]| gtp(&gpdu(teid, None, user));
    let mut cases = Vec::new();
    for source in [
        "2001:db8:45:1::1",
        "2001:db8:3::1",
        "::",
        "::1",
        "fe80::1",
        "ff02::1",
        "::ffff:10.45.0.2",
    ] {
        let user = user_v6(v6(source), HOST_V6, 8);
        cases.push(at(0, "IPv6", up(session.teid, &user), Drop(Reason::NoPdr)));
        // Without an IPv6 address there is none that is right.
        let must = Drop(Reason::SourceSpoofed);
        cases.push(at(0, "IPv6 of a UE of IPv4", up(only_v4.teid, &user), must));
    }
    let user = user_v4(session.ue, HOST, 8);
    let must = Drop(Reason::SourceSpoofed);
    cases.push(at(0, "of another session", up(only_v4.teid, &user), must));
    cases
}

#[test]
fn sources_that_are_not_the_ues() {
    let (mut bed, session) = bed();
    let only_v4 = bed.install(1, |rules| rules.pdrs[0].pdi.ue = None);
    hold(&mut bed, sources(&session, &only_v4));
}

fn from_ue(session: &TestSession) -> Vec<Case> {
    let up = |user: &[u8]| gtp(&gpdu(session.teid, None, user));
    let mut cases = Vec::new();
    for own in [N3_ADDRESS_V6, N6_ADDRESS_V6] {
        let inside = datagram_v6(session.ue_v6, own, &gpdu(session.teid, None, &[0; 40]));
        cases.push(at(
            0,
            "GTP-U in GTP-U",
            up(&inside),
            Drop(Reason::ToOwnAddress),
        ));
        let mut solicitation = user_v6(session.ue_v6, own, 32);
        solicitation[6] = 58;
        cases.push(at(
            0,
            "ICMPv6",
            up(&solicitation),
            Drop(Reason::ToOwnAddress),
        ));
    }
    for to in ["ff02::1", "ff02::2", "ff05::2", "ff0e::1"] {
        let user = user_v6(session.ue_v6, v6(to), 8);
        cases.push(at(0, "multicast", up(&user), Drop(Reason::UserMulticast)));
    }
    for to in ["::", "::1", "fe80::1", "::ffff:198.51.100.7"] {
        let user = user_v6(session.ue_v6, v6(to), 8);
        cases.push(at(
            0,
            "martian",
            up(&user),
            Drop(Reason::MartianDestination),
        ));
    }
    for to in ["10.0.6.255", "10.0.6.0"] {
        let user = user_v4(session.ue, to.parse().unwrap(), 8);
        cases.push(at(
            0,
            "directed broadcast",
            up(&user),
            Drop(Reason::MartianDestination),
        ));
    }
    cases
}

#[test]
fn nothing_of_a_ue_reaches_us_or_all() {
    held_to(from_ue);
}

fn from_core(session: &TestSession) -> Vec<Case> {
    let mut cases = Vec::new();
    for to in [N3_ADDRESS, N9_ADDRESS, N4_ADDRESS, GNB] {
        let message = gpdu(session.teid, None, &user_v4(session.ue, HOST, 8));
        let must = Drop(Reason::UnknownUe);
        cases.push(at(
            1,
            "GTP-U",
            downlink(&datagram_v4(HOST, to, &message)),
            must,
        ));
    }
    for source in ["::", "::1", "fe80::1", "ff02::1", "::ffff:198.51.100.7"] {
        let user = user_v6(v6(source), session.ue_v6, 8);
        cases.push(at(
            1,
            "martian",
            downlink(&user),
            Drop(Reason::MartianSource),
        ));
    }
    let routed = extended(user_v6(HOST_V6, session.ue_v6, 8), &[(43, ROUTED)]);
    cases.push(at(
        1,
        "source route",
        downlink(&routed),
        Drop(Reason::SourceRoute),
    ));
    let whole = user_v4(HOST, session.ue, 8);
    let tagged = |tags: &[[u8; 4]]| {
        let mut frame = downlink(&whole);
        frame.splice(12..12, tags.concat());
        frame
    };
    for (name, tags, must) in [
        (
            "priority tag",
            &[[0x81, 0, 0xe0, 0]][..],
            Pass(14 + 44 + 36),
        ),
        (
            "VLAN of nobody",
            &[[0x81, 0, 0, 77]],
            Drop(Reason::UnknownVlan),
        ),
        (
            "VLAN 4095",
            &[[0x81, 0, 0x0f, 0xff]],
            Drop(Reason::UnknownVlan),
        ),
        (
            "two tags",
            &[[0x81, 0, 0, 0], [0x81, 0, 0, 9]],
            Drop(Reason::UnknownEtherType),
        ),
        (
            "a service tag",
            &[[0x88, 0xa8, 0, 9], [0x81, 0, 0, 9]],
            Drop(Reason::UnknownEtherType),
        ),
    ] {
        cases.push(at(1, name, tagged(tags), must));
    }
    cases
}

#[test]
fn nothing_of_the_data_network_reaches_the_other_side() {
    held_to(from_core);
}

/// Whatever is asked of us a thousand times over, few are answered, and a peer is not cut off by
/// what others do.
#[test]
fn floods_are_bounded_each_by_itself() {
    let (mut bed, session) = bed();
    let user = user_v4(session.ue, HOST, 8);
    let zero = gtp(&gpdu(Teid(0), None, &user));
    assert_eq!(
        bed.receive(0, &vec![zero; 100]).len(),
        0,
        "nobody has TEID 0"
    );
    let unknown: Vec<_> = (1..3000)
        .map(|teid| gtp(&gpdu(Teid(teid), None, &user)))
        .collect();
    assert!(bed.receive(0, &unknown).len() <= 10);
    let error = |teid: u32| {
        let [a, b, c, d] = teid.to_be_bytes();
        raw(
            0x32,
            26,
            16,
            Teid(0),
            &[0, 0, 0, 0, 16, a, b, c, d, 133, 0, 4, 10, 0, 3, 2],
        )
    };
    let errors: Vec<_> = (0..3000).map(error).collect();
    assert_eq!(bed.receive(0, &errors).len(), 0);
    let markers = vec![raw(0x30, 254, 0, session.teid, &[]); 3000];
    assert_eq!(bed.receive(0, &markers).len(), 0);
    let echo = gtp(&[0x32, 1, 0, 4, 0, 0, 0, 0, 0, 7, 0, 0]);
    assert!(bed.receive(0, &vec![echo; 3000]).len() <= 100);
    // And packets of the session go on as ever.
    assert!(bed.one(0, &uplink(session.teid, &user)).is_some());
}

/// What comes by, and is meant for others or nobody.
pub(super) fn not_for_us(session: &TestSession) -> Vec<Case> {
    let user = user_v4(session.ue, HOST, 8);
    let message = gpdu(session.teid, None, &user);
    let to = |mac: [u8; 6]| frame(mac, MAC_GATEWAY, None, &user_v4(HOST, session.ue, 8));
    let unknown = gtp(&gpdu(Teid(0xffff_fff0), None, &user));
    let strange = chain(session.teid, &[(0xbf, 1)], &user);
    let other = n3(&datagram_v4(GNB, Ipv4Addr::new(10, 0, 3, 77), &message));
    vec![
        at(
            1,
            "to another's MAC",
            to([2, 0, 0, 0, 6, 9]),
            Drop(Reason::ForeignMac),
        ),
        at(1, "to all", to([0xff; 6]), Drop(Reason::Multicast)),
        at(
            0,
            "to another's address",
            other,
            Drop(Reason::NotOurAddress),
        ),
        at(0, "a TEID of nobody", unknown, Told(Reason::UnknownTeid)),
        at(
            0,
            "a header of tomorrow",
            strange,
            Told(Reason::GtpuExtensionUnknown),
        ),
    ]
}

#[test]
fn what_is_not_for_us() {
    held_to(not_for_us);
}
