//! The UPF as the UEs' router.

use session::Rules;
use session::report::Command;
use session::topology::RouterAdvertisements;

use super::*;
use crate::slow::nd;

fn bed() -> Testbed {
    Testbed::connected(1, |topology| {
        let network = &mut topology.networks[0];
        network.mtu = Some(1400);
        network.router = Some(RouterAdvertisements {
            lifetime_s: 9000,
            dns: vec!["2001:db8:6::53".parse().unwrap()],
            ..RouterAdvertisements::default()
        });
    })
}

fn with_prefix(rules: &mut Rules) {
    let prefix = ipnet::Ipv6Net::new("2001:db8:45::".parse().unwrap(), 64).unwrap();
    rules.ue.ipv6 = Some(prefix);
    let ue = rules.ue;
    rules.pdrs.iter_mut().for_each(|pdr| pdr.pdi.ue = Some(ue));
}

/// A solicitation of the UE, from that address.
fn solicitation(source: &str) -> Vec<u8> {
    let mut packet = vec![0; 48];
    packet[40] = 133;
    let source = source.parse().unwrap();
    nd::finish(&mut packet, (source, "ff02::2".parse().unwrap()), 255).unwrap();
    packet
}

/// What the UE was sent, if it was.
fn told(sent: Option<(u16, Vec<u8>)>) -> Option<Vec<u8>> {
    let (port, frame) = sent?;
    assert_eq!((port, &frame[46..50]), (0, &[0, 0, 0x10, 0][..]));
    Some(frame[14 + 44..].to_vec())
}

fn is_advertisement(packet: &[u8], to: &str) {
    let to: Ipv6Addr = to.parse().unwrap();
    assert_eq!((packet[6], packet[7]), (58, 255));
    assert_eq!(
        packet[8..24],
        "fe80::1".parse::<Ipv6Addr>().unwrap().octets()
    );
    assert_eq!(packet[24..40], to.octets());
    let message = &packet[40..];
    let checksum = wire::transport_checksum(&packet[8..40], 58, message);
    assert_eq!(checksum, 0);
    assert_eq!(
        message[..16],
        [
            134, 0, message[2], message[3], 64, 0, 0x23, 0x28, 0, 0, 0, 0, 0, 0, 0, 0
        ]
    );
    assert_eq!(message[16..20], [3, 4, 64, 0x40]);
    assert_eq!(
        message[32..48],
        "2001:db8:45::".parse::<Ipv6Addr>().unwrap().octets()
    );
    assert_eq!(message[48..56], [5, 1, 0, 0, 0, 0, 0x05, 0x78]);
    assert_eq!(message[56..64], [25, 3, 0, 0, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(
        message[64..],
        "2001:db8:6::53".parse::<Ipv6Addr>().unwrap().octets()
    );
}

#[test]
fn a_ue_that_asks_is_told_of_its_router() {
    let mut bed = bed();
    let session = bed.install(0, with_prefix);
    for (from, to) in [
        ("::", "ff02::1"),
        ("fe80::7", "fe80::7"),
        ("2001:db8:45::7", "2001:db8:45::7"),
    ] {
        let sent = bed.one(0, &uplink(session.teid, &solicitation(from)));
        is_advertisement(&told(sent).unwrap(), to);
    }
    let counts = bed.workers[0].cells.read();
    assert_eq!(
        (counts.ports[0].consumed, counts.ports[0].made > 1),
        (3, true)
    );
    assert_eq!(bed.drops(), []);
}

#[test]
fn not_all_that_looks_like_a_question_is_answered() {
    let mut bed = bed();
    let session = bed.install(0, with_prefix);
    let mut broken = [const { Vec::new() }; 3];
    broken.fill(solicitation("fe80::7"));
    broken[0][42] ^= 1;
    broken[1][7] = 64;
    broken[2] = solicitation("2001:db8:46::7");
    for question in &broken {
        assert_eq!(bed.one(0, &uplink(session.teid, question)), None);
    }
    assert_eq!(bed.drops(), [(Reason::SlowPathBroken, 3)]);
    // A session of IPv4 alone, and a host of the data network.
    let other = bed.install(1, |_| {});
    assert_eq!(
        bed.one(0, &uplink(other.teid, &solicitation("fe80::7"))),
        None
    );
    assert_eq!(bed.dropped(Reason::NoPdr), 1);
    bed.one(1, &downlink(&solicitation("fe80::7")));
    // And a UE that asks too often.
    let question = uplink(session.teid, &solicitation("fe80::7"));
    let answers = bed.receive(0, &vec![question; 100]).len();
    assert!((10..=25).contains(&answers), "{answers}");
}

#[test]
fn nobody_is_told_where_the_smf_does_that() {
    let mut bed = Testbed::new(1, 8);
    let session = bed.install(0, with_prefix);
    let sent = bed.one(0, &uplink(session.teid, &solicitation("fe80::7")));
    assert_eq!(sent, None);
    assert_eq!(bed.drops(), [(Reason::NoPdr, 1)]);
    let session = session.index;
    bed.workers[0]
        .control
        .command(Command::Advertise { session })
        .unwrap();
    bed.tend();
    assert_eq!(bed.sent(0), []);
}

#[test]
fn a_ue_is_told_unasked_when_the_control_side_says_so() {
    let mut bed = bed();
    let mut of = bed.install(0, with_prefix);
    let session = of.index;
    let advertise = |bed: &mut Testbed| {
        bed.workers[0]
            .control
            .command(Command::Advertise { session })
            .unwrap();
        bed.tend();
        bed.sent(0)
    };
    let mut sent = advertise(&mut bed);
    assert_eq!(sent.len(), 1);
    is_advertisement(&told(sent.pop()).unwrap(), "ff02::1");
    // Idle UEs are not woken.
    bed.modify(&mut of, |rules| {
        rules.fars[1].action = session::rule::Action::Buffer { notify: true };
    });
    assert_eq!(advertise(&mut bed), []);
    assert_eq!(bed.workers[0].control.report(), None);
}
