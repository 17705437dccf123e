//! What a topology is compiled to.

use session::topology::UeToUe;

use super::*;
use crate::testbed::{GNB, MAC_N3, MAC_N6, N3, N3_ADDRESS, N4_ADDRESS, N6, topology};

fn links(change: impl FnOnce(&mut Topology, &mut [PortLink])) -> (Links, Neighbours) {
    let (mut topology, neighbours) = (topology(), Neighbours::default());
    let link = |mac| PortLink {
        mac,
        kernel_mac: None,
        mtu: 1500,
    };
    let mut ports = [link(MAC_N3), link(MAC_N6)];
    change(&mut topology, &mut ports);
    let links = Links::new(&topology, &ports, &[N4_ADDRESS.into()], &neighbours);
    (links, neighbours)
}

#[test]
fn the_most_specific_route_wins() {
    let (links, neighbours) = links(|topology, _| {
        for (to, via) in [
            ("198.51.100.0/24", "10.0.6.9"),
            ("198.51.100.8/29", "10.0.6.8"),
        ] {
            let route = session::topology::Route {
                to: to.parse().unwrap(),
                via: via.parse().unwrap(),
            };
            topology.interfaces[2].routes.push(route);
        }
    });
    let n6 = links.interface(N6).unwrap();
    let via = |to: [u8; 4]| match n6.routes.v4(u32::from_be_bytes(to)).unwrap() {
        Target::Via(hop) => Some(neighbours.hop(hop).unwrap().address.to_string()),
        _ => None,
    };
    assert_eq!(via([198, 51, 100, 9]).as_deref(), Some("10.0.6.8"));
    assert_eq!(via([198, 51, 100, 1]).as_deref(), Some("10.0.6.9"));
    assert_eq!(via([192, 0, 2, 1]).as_deref(), Some("10.0.6.254"));
    assert_eq!(via([10, 0, 6, 7]), None);
    let n3 = links.interface(N3).unwrap();
    assert_eq!(n3.routes.v4(GNB.to_bits()), Some(Target::OnLink));
    assert_eq!(n3.routes.v4(0xc000_0201), None);
    assert!(links.own().has_v4(N3_ADDRESS.to_bits()) && links.own().has_v4(N4_ADDRESS.to_bits()));
    assert!(!links.own().has_v4(GNB.to_bits()));
}

#[test]
fn everything_goes_to_the_kernel_where_it_is_the_other_end() {
    let kernel = [2, 0, 0, 0, 7, 7];
    let (links, neighbours) = links(|topology, ports| {
        topology.interfaces[2].kernel = Some(vec![]);
        topology.interfaces[2].addresses.clear();
        ports[1].kernel_mac = Some(kernel);
    });
    let n6 = links.interface(N6).unwrap();
    let v4 = n6.routes.v4(0x0a00_0607);
    let v6 = n6.routes.v6(u128::MAX >> 1);
    let Some(Target::Via(hop)) = v4 else {
        panic!("{v4:?}")
    };
    assert_eq!(
        (v6, neighbours.ethernet(hop)),
        (Some(Target::Via(hop)), Some(kernel))
    );
}

/// The kernel's own addresses lie among those of UEs, and are reached all the same.
#[test]
fn pools_are_routes_to_ues_where_these_talk_inside() {
    let (links, _) = links(|topology, ports| {
        topology.interfaces[2].kernel = Some(vec!["10.45.0.1".parse().unwrap()]);
        topology.interfaces[2].addresses.clear();
        topology.networks[0].ue_to_ue = UeToUe::Local;
        ports[1].kernel_mac = Some([2, 0, 0, 0, 7, 7]);
    });
    let n6 = links.interface(N6).unwrap();
    let is_ue = |to: &str| {
        let target = match to.parse().unwrap() {
            IpAddr::V4(to) => n6.routes.v4(to.to_bits()),
            IpAddr::V6(to) => n6.routes.v6(to.to_bits()),
        };
        target == Some(Target::Ue)
    };
    for (to, expected) in [
        ("10.45.0.1", false),
        ("10.45.0.2", true),
        ("10.46.0.2", false),
        ("2001:db8:45:7::1", true),
        ("2001:db8:46::1", false),
    ] {
        assert_eq!(is_ue(to), expected, "{to}");
    }
}
