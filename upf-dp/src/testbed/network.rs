//! What the UPF of the test bed is connected to.

use session::InterfaceId;
use session::topology::{Interface, Network, Role, Route, Topology, UeToUe};

use super::{N3, N6, N9};

/// Interfaces, networks and routes of the test bed.
pub fn topology() -> Topology {
    let interface = |id: InterfaceId, name: &str, role, port, vlan, addresses: &[&str]| Interface {
        id,
        name: name.to_owned(),
        role,
        port,
        vlan,
        addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
        routes: Vec::new(),
        network_instances: Vec::new(),
        kernel: None,
    };
    let n3 = interface(
        N3,
        "n3",
        Role::N3,
        0,
        None,
        &["10.0.3.1/24", "2001:db8:3::1/64"],
    );
    let n9 = interface(N9, "n9", Role::N9, 0, Some(9), &["10.0.9.1/24"]);
    let mut n6 = interface(
        N6,
        "n6",
        Role::N6,
        1,
        None,
        &["10.0.6.1/24", "2001:db8:6::1/64"],
    );
    let route = |to: &str, via: &str| Route {
        to: to.parse().unwrap(),
        via: via.parse().unwrap(),
    };
    n6.routes = vec![
        route("0.0.0.0/0", "10.0.6.254"),
        route("::/0", "2001:db8:6::fe"),
    ];
    let ue_pools = ["10.45.0.0/16", "2001:db8:45::/48"];
    let ue_pools = ue_pools.iter().map(|text| text.parse().unwrap()).collect();
    let network = Network {
        name: "internet".into(),
        interface: N6,
        ue_pools,
        mtu: None,
        clamp_mss: false,
        ue_to_ue: UeToUe::N6,
        router: None,
        ethernet: None,
    };
    Topology {
        gtpu_port: 2152,
        interfaces: vec![n3, n9, n6],
        networks: vec![network],
        policies: Vec::new(),
    }
}
