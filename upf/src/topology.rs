//! From the configuration to what both sides know of the network.

use std::net::IpAddr;

use config::schema::{Config, Role as ConfiguredRole, UeToUe as ConfiguredUeToUe};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use session::InterfaceId;
use session::rule::BitRate;
use session::topology::{
    EthernetNetwork, ForwardingPolicy, Interface, Network, Role, Route, RouterAdvertisements,
    Topology, UeToUe,
};

/// The topology that `config` describes. Ports are numbered in the order of the configuration.
pub fn topology(config: &Config) -> Topology {
    let port_of = |interface: &config::schema::Interface| {
        let position = config
            .ports
            .iter()
            .position(|port| port.name == interface.port);
        u16::try_from(position.unwrap_or_default()).unwrap_or_default()
    };
    let interfaces = config
        .interfaces
        .iter()
        .enumerate()
        .map(|(position, interface)| {
            let mut routes: Vec<Route> = interface
                .routes
                .iter()
                .map(|route| Route {
                    to: route.to.net(),
                    via: route.via,
                })
                .collect();
            routes.sort_by_key(|route| std::cmp::Reverse(route.to.prefix_len()));
            Interface {
                id: InterfaceId(number(position)),
                name: interface.name.to_string(),
                role: match interface.role {
                    ConfiguredRole::N3 => Role::N3,
                    ConfiguredRole::N9 => Role::N9,
                    ConfiguredRole::N6 => Role::N6,
                },
                port: port_of(interface),
                vlan: interface.vlan.map(config::VlanId::get),
                addresses: interface
                    .addresses
                    .iter()
                    .map(|address| address.net())
                    .collect(),
                routes,
                network_instances: interface
                    .network_instances
                    .iter()
                    .map(|name| name.as_str().to_owned())
                    .collect(),
                kernel: interface.kernel.as_ref().map(|kernel| {
                    let addresses = kernel.addresses.iter();
                    addresses
                        .copied()
                        .map(config::InterfaceAddress::address)
                        .collect()
                }),
            }
        });
    let networks = config.networks.iter();
    let networks = networks.map(|network| self::network(config, network));
    let mut topology = Topology {
        gtpu_port: config.gtpu.port,
        interfaces: interfaces.collect(),
        networks: networks.collect(),
        policies: Vec::new(),
    };
    add_policies(config, &mut topology);
    topology
}

/// Adds the forwarding policies. One with gateways is an interface like that which it leaves by, with
/// these for all destinations.
fn add_policies(config: &Config, topology: &mut Topology) {
    for policy in &config.forwarding_policies {
        let mut named = topology.interfaces.iter();
        let Some(leaves_by) = named.find(|one| policy.interface.as_str() == one.name) else {
            continue;
        };
        let mut interface = leaves_by.id;
        if !policy.via.is_empty() {
            interface = InterfaceId(number(topology.interfaces.len()));
            let to = |via: IpAddr| match via {
                IpAddr::V4(_) => IpNet::from(Ipv4Net::default()),
                IpAddr::V6(_) => IpNet::from(Ipv6Net::default()),
            };
            let routes = policy.via.iter().map(|via| Route {
                to: to(*via),
                via: *via,
            });
            topology.interfaces.push(Interface {
                id: interface,
                name: format!("{} by policy {}", leaves_by.name, policy.name),
                routes: routes.collect(),
                ..leaves_by.clone()
            });
        }
        topology.policies.push(ForwardingPolicy {
            name: policy.name.to_string(),
            interface,
        });
    }
}

/// A data network, on the interface of its name.
fn network(config: &Config, network: &config::schema::Network) -> Network {
    let mut interfaces = config.interfaces.iter();
    let on = interfaces.position(|one| one.name == network.interface);
    Network {
        name: network.name.as_str().to_owned(),
        interface: InterfaceId(number(on.unwrap_or_default())),
        ue_pools: network.ue_pools.iter().map(|pool| pool.net()).collect(),
        mtu: network.mtu.map(config::Mtu::get),
        clamp_mss: network.clamp_mss,
        ue_to_ue: ue_to_ue(network.ue_to_ue),
        router: network.router_advertisements.as_ref().map(router),
        ethernet: network.ethernet.as_ref().map(ethernet),
    }
}

fn number(position: usize) -> u8 {
    u8::try_from(position).unwrap_or(u8::MAX)
}

fn router(configured: &config::schema::RouterAdvertisements) -> RouterAdvertisements {
    let dns = configured.dns.iter().filter_map(|server| match server {
        IpAddr::V6(server) => Some(*server),
        // Refused when the configuration was read.
        IpAddr::V4(_) => None,
    });
    RouterAdvertisements {
        lifetime_s: u16::try_from(configured.lifetime_s).unwrap_or(u16::MAX),
        mtu: configured.mtu.map(config::Mtu::get),
        dns: dns.collect(),
        interval_s: configured.interval_s,
    }
}

fn ethernet(configured: &config::schema::Ethernet) -> EthernetNetwork {
    EthernetNetwork {
        aging_s: configured.aging_s,
        move_after_s: configured.move_after_s,
        stations_per_session: u16::try_from(configured.stations_per_session).unwrap_or(u16::MAX),
        copies_per_second: configured.copies_per_second,
    }
}

const fn ue_to_ue(configured: ConfiguredUeToUe) -> UeToUe {
    match configured {
        ConfiguredUeToUe::N6 => UeToUe::N6,
        ConfiguredUeToUe::Local => UeToUe::Local,
        ConfiguredUeToUe::Drop => UeToUe::Drop,
    }
}

/// The addresses that UEs are given here. The networks of a topology are those of its
/// configuration, in that order.
pub(crate) fn ue_pools(config: &Config, topology: &Topology) -> Vec<upf_cp::UePool> {
    let networks = config.networks.iter().zip(&topology.networks);
    let pools = networks.flat_map(|(configured, network)| {
        let allocations = configured.ue_allocation.iter();
        allocations.map(|allocation| upf_cp::UePool {
            network: network.name.clone(),
            vrf: network.interface,
            ranges: allocation.ranges.iter().map(|range| range.net()).collect(),
            identity: allocation.identity.as_ref().map(ToString::to_string),
            slices: allocation.slices.iter().map(slice).collect(),
        })
    });
    pools.collect()
}

const fn slice(slice: &config::Slice) -> upf_cp::Slice {
    upf_cp::Slice {
        sst: slice.sst,
        sd: slice.sd,
    }
}

/// Where SMFs may give UEs addresses of the pools alone: behind interfaces all of whose networks
/// want it so.
pub(crate) fn ue_bounds(config: &Config, topology: &Topology) -> Vec<upf_cp::UeBounds> {
    let n6 = topology.interfaces.iter();
    let n6 = n6.filter(|interface| interface.role == Role::N6);
    let bounds = n6.filter_map(|interface| {
        let mut networks = config.networks.iter().zip(&topology.networks);
        let behind: Vec<_> = networks
            .by_ref()
            .filter(|(_, network)| network.interface == interface.id)
            .collect();
        let bounded = !behind.is_empty() && behind.iter().all(|(own, _)| !own.ue_outside_pools);
        bounded.then(|| upf_cp::UeBounds {
            vrf: interface.id,
            networks: behind
                .iter()
                .flat_map(|(_, network)| network.ue_pools.iter().copied())
                .collect(),
        })
    });
    bounds.collect()
}

/// The limits on data networks. The networks of a topology are those of its configuration.
pub(crate) fn network_limits(config: &Config, topology: &Topology) -> Vec<upf_cp::NetworkLimits> {
    let networks = config.networks.iter().zip(&topology.networks);
    let limits = networks.map(|(configured, network)| {
        let limits = &configured.limits;
        upf_cp::NetworkLimits {
            network: network.name.clone(),
            session: rates(limits.session_uplink_kbps, limits.session_downlink_kbps),
            all: rates(limits.uplink_kbps, limits.downlink_kbps),
        }
    });
    let none = |limits: &upf_cp::NetworkLimits| {
        limits.session == BitRate::default() && limits.all == BitRate::default()
    };
    limits.filter(|limits| !none(limits)).collect()
}

/// The limits on slices.
pub(crate) fn slice_limits(config: &Config) -> Vec<upf_cp::SliceLimits> {
    let slices = config.slices.iter().map(|limits| upf_cp::SliceLimits {
        slice: slice(&limits.slice),
        all: rates(limits.uplink_kbps, limits.downlink_kbps),
    });
    slices.collect()
}

fn rates(uplink_kbps: u32, downlink_kbps: u32) -> BitRate {
    BitRate {
        uplink_kbps: uplink_kbps.into(),
        downlink_kbps: downlink_kbps.into(),
    }
}

/// Addresses that lie in UE pools and are no UE's: those of the kernel's ends of TAP ports.
pub(crate) fn ue_reserved(config: &Config) -> impl Iterator<Item = &config::InterfaceAddress> {
    let kernels = config.interfaces.iter();
    let kernels = kernels.filter_map(|interface| interface.kernel.as_ref());
    kernels.flat_map(|kernel| &kernel.addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_becomes_a_topology() {
        let text = include_str!("../../upf.example.yaml");
        let loaded = config::load(text, &config::Overrides::default()).unwrap();
        let topology = topology(&loaded.config);
        assert_eq!(topology.interfaces.len(), loaded.config.interfaces.len());
        let network = topology.network("internet").unwrap();
        let n6 = topology.interface(network.interface).unwrap();
        assert_eq!((n6.role, n6.kernel.is_some()), (Role::N6, true));
        let pools = ue_pools(&loaded.config, &topology);
        assert_eq!(pools.len(), 1);
        assert_eq!(
            (pools[0].network.as_str(), pools[0].vrf),
            ("internet", n6.id)
        );
        assert_eq!(pools[0].ranges[0].to_string(), "10.45.128.0/17");
        assert_eq!(pools[0].identity.as_deref(), Some("internet-by-upf"));
        let slice = |sst, sd| upf_cp::Slice { sst, sd };
        assert_eq!(
            pools[0].slices,
            [slice(1, None), slice(1, Some(0x00_a1_b2))]
        );
        assert_eq!(ue_bounds(&loaded.config, &topology), []);
        let text = text.replace("ue_outside_pools: true", "ue_outside_pools: false");
        let loaded = config::load(&text, &config::Overrides::default()).unwrap();
        let bounds = ue_bounds(&loaded.config, &topology);
        assert_eq!((bounds[0].vrf, bounds.len()), (n6.id, 1));
        assert_eq!(bounds[0].networks.len(), 2);
        let ends: Vec<String> = ue_reserved(&loaded.config)
            .map(|end| end.address().to_string())
            .collect();
        assert!(ends.contains(&"10.45.0.1".to_owned()), "{ends:?}");
        let (interface, via) = topology
            .towards_peer("198.51.100.9".parse().unwrap())
            .unwrap();
        assert_eq!(
            (interface.name.as_str(), via.to_string().as_str()),
            ("n3", "10.10.3.1")
        );
    }

    #[test]
    fn a_policy_with_gateways_is_an_interface_of_its_own() {
        let text = r#"
pfcp: { address: 10.10.4.7 }
ports: [{ name: ran, device: "af_packet:a" }, { name: core, device: "af_packet:b" }]
interfaces:
  - { name: n3, role: n3, port: ran, addresses: [10.10.3.7/24] }
  - { name: n6, role: n6, port: core, vlan: 7, addresses: [10.10.6.7/24] }
networks: [{ name: internet, interface: n6, ue_pools: [10.45.0.0/16] }]
forwarding_policies:
  - { name: plain, interface: n6 }
  - { name: cache, interface: n6, via: [10.10.6.8, 10.10.6.9] }
"#;
        let loaded = config::load(text, &config::Overrides::default()).unwrap();
        let topology = topology(&loaded.config);
        assert_eq!(topology.policy("plain"), Some(InterfaceId(1)));
        assert_eq!(topology.policy("nobody"), None);
        let cache = topology.policy("cache").unwrap();
        let interface = topology.interface(cache).unwrap();
        assert_eq!(
            (interface.id, interface.port, interface.vlan),
            (cache, 1, Some(7))
        );
        let routes: Vec<_> = interface
            .routes
            .iter()
            .map(|route| route.via.to_string())
            .collect();
        assert_eq!(routes, ["10.10.6.8", "10.10.6.9"]);
    }
}
