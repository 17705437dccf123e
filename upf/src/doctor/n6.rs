//! N6: who has the UEs' addresses, who sends to them, and the gateways.

use std::net::IpAddr;

use config::schema::{Config, Interface, Network};
use config::{Device, Prefix};
use ipnet::IpNet;

use super::{Area, Facts, Finding, Probes, Route};

pub(super) fn examine(
    facts: &Facts,
    probes: &Probes,
    config: &Config,
    findings: &mut Vec<Finding>,
) {
    for network in &config.networks {
        let Some(interface) = config.interface(&network.interface) else {
            continue;
        };
        let device = config.port(&interface.port).map(|port| &port.device);
        for pool in &network.ue_pools {
            taken(facts, probes, pool, device, findings);
        }
        match device {
            Some(Device::Tap(tap)) => {
                through_kernel(facts, probes, network, interface, tap.as_str(), findings);
            }
            Some(_) => return_route(network, interface, findings),
            None => {}
        }
    }
    gateways(facts, probes, config, findings);
}

/// An address or a route of the kernel's own in the middle of a pool.
fn taken(
    facts: &Facts,
    probes: &Probes,
    pool: &Prefix,
    device: Option<&Device>,
    findings: &mut Vec<Finding>,
) {
    const ID: &str = "n6.pool";
    let ours = match device {
        Some(Device::Tap(name)) => name.as_str(),
        _ => "",
    };
    let net = pool.net();
    let inside = |route: &&Route| {
        route.link != ours && route.to.prefix_len() > 0 && overlaps(&route.to, &net)
    };
    let addressed = probes
        .addresses
        .iter()
        .find(|one| one.link != ours && net.contains(&one.address));
    let (where_to, link) = match (facts.routes.iter().find(inside), addressed) {
        (Some(route), _) => (route.to.to_string(), &route.link),
        (None, Some(one)) => (one.address.to_string(), &one.link),
        (None, None) => return,
    };
    let what = format!("UE pool {pool}: the kernel has {where_to} on {link}");
    let finding = Finding::problem(ID, Area::N6, what)
        .why(
            "what is sent to UEs leaves there, not by this UPF; often it is left over from another \
              UPF (ogstun, upfgtp)",
        )
        .remedy(format!("ip address show dev {link}; ip link delete {link}"));
    findings.push(finding);
}

fn overlaps(a: &IpNet, b: &IpNet) -> bool {
    a.contains(b) || b.contains(a)
}

/// N6 by a TAP: the host forwards, masquerades or is routed to.
fn through_kernel(
    facts: &Facts,
    probes: &Probes,
    network: &Network,
    interface: &Interface,
    tap: &str,
    findings: &mut Vec<Finding>,
) {
    let name = network.name.as_str();
    let ends: Vec<IpNet> = interface
        .kernel
        .iter()
        .flat_map(|kernel| &kernel.addresses)
        .map(|address| address.net())
        .collect();
    for pool in &network.ue_pools {
        let net = pool.net();
        let on_tap = facts
            .routes
            .iter()
            .any(|route| route.link == tap && route.to.contains(&net));
        let by_address = ends.iter().any(|end| end.trunc().contains(&net));
        findings.push(if on_tap || by_address {
            let what = format!("network {name}: the kernel sends {pool} to {tap}");
            Finding::good("n6.return_route", Area::N6, what)
        } else {
            let what = format!("network {name}: the kernel has no route for {pool} to {tap}");
            Finding::problem("n6.return_route", Area::N6, what)
                .why("uplink works, and no answer ever comes back")
                .remedy(format!(
                    "kernel.addresses of the interface {}: an address with the pool's prefix length; \
                     or once the UPF runs: ip route add {pool} dev {tap}",
                    interface.name
                ))
        });
        forwarding(facts, name, net.addr(), findings);
    }
    if !network.ue_pools.is_empty() {
        findings.push(match probes.masquerades {
            Some(true) => Finding::good(
                "n6.nat",
                Area::N6,
                format!("network {name}: source NAT is set up"),
            ),
            _ => masquerade(network, tap, probes.masquerades.is_none()),
        });
    }
}

fn masquerade(network: &Network, tap: &str, unknown: bool) -> Finding {
    let name = network.name.as_str();
    let what = if unknown {
        format!("network {name}: whether source NAT is set up cannot be seen from here")
    } else {
        format!("network {name}: no source NAT")
    };
    let pools = network.ue_pools.iter();
    let pool = pools.map(ToString::to_string).next().unwrap_or_default();
    let family = if pool.contains(':') { "ip6" } else { "ip" };
    Finding::note("n6.nat", Area::N6, what)
        .why("without it the data network needs a route for the pools back to this host; with private \
              addresses towards the Internet there is none")
        .remedy(format!(
            "nft add table {family} upf; nft 'add chain {family} upf post {{ type nat hook postrouting \
             priority srcnat; }}'; nft add rule {family} upf post {family} saddr {pool} oifname != {tap} \
             masquerade"
        ))
}

fn forwarding(facts: &Facts, network: &str, pool: IpAddr, findings: &mut Vec<Finding>) {
    const ID: &str = "n6.forwarding";
    let (value, key) = match pool {
        IpAddr::V4(_) => (facts.forwarding.0, "net.ipv4.ip_forward"),
        IpAddr::V6(_) => (facts.forwarding.1, "net.ipv6.conf.all.forwarding"),
    };
    let known = |finding: &Finding| finding.id == ID && finding.what.contains(key);
    if findings.iter().any(known) {
        return;
    }
    match value {
        Some(true) => findings.push(Finding::good(ID, Area::N6, format!("{key} = 1"))),
        Some(false) => findings.push(
            Finding::problem(ID, Area::N6, format!("network {network}: {key} = 0"))
                .why("the kernel drops what UEs send beyond this host")
                .remedy(format!("sysctl -w {key}=1")),
        ),
        None => {}
    }
}

/// N6 by a port of its own: the data network's router must know the way back.
fn return_route(network: &Network, interface: &Interface, findings: &mut Vec<Finding>) {
    let name = network.name.as_str();
    let has_gateway = interface
        .routes
        .iter()
        .any(|route| route.to.net().prefix_len() == 0);
    if !has_gateway {
        let what = format!("network {name}: {} has no default route", interface.name);
        let finding = Finding::warning("n6.default_route", Area::N6, what)
            .why("UEs reach the interface's own subnets only")
            .remedy("interfaces.N.routes: - { to: 0.0.0.0/0, via: GATEWAY }");
        findings.push(finding);
    }
    for pool in &network.ue_pools {
        let family = pool.net().addr().is_ipv4();
        let mut addresses = interface.addresses.iter().map(|one| one.address());
        let Some(via) = addresses.find(|address| address.is_ipv4() == family) else {
            let what = format!(
                "network {name}: {} has no address of the family of {pool}",
                interface.name
            );
            let finding = Finding::warning("n6.return_route", Area::N6, what)
                .why(
                    "the data network's router has no next hop for the pool; only ARP or neighbour \
                      discovery for each UE remains",
                )
                .remedy("interfaces.N.addresses: one of that family");
            findings.push(finding);
            continue;
        };
        let what =
            format!("network {name}: whether the data network routes {pool} here cannot be seen");
        let finding = Finding::note("n6.return_route", Area::N6, what)
            .why("without that route uplink works, and no answer comes back")
            .remedy(format!(
                "on the data network's router: ip route add {pool} via {via}"
            ));
        findings.push(finding);
    }
}

fn gateways(facts: &Facts, probes: &Probes, config: &Config, findings: &mut Vec<Finding>) {
    const ID: &str = "n6.gateway";
    for interface in &config.interfaces {
        let port = config.port(&interface.port).map(|port| &port.device);
        // Of PCI ports the kernel knows nothing.
        let (Some(Device::AfPacket(link) | Device::AfXdp(link)), None) = (port, interface.vlan)
        else {
            continue;
        };
        for route in &interface.routes {
            let via = route.via;
            let asked = probes.gateways.iter().find(|(gateway, _)| *gateway == via);
            let known = facts.known_neighbours.contains(&via);
            let silent = facts.silent_neighbours.contains(&via);
            let answers = asked.map_or(known, |(_, answered)| *answered);
            if answers {
                let what = format!("{}: gateway {via} answers", interface.name);
                findings.push(Finding::good(ID, Area::N6, what));
            } else if silent || asked.is_some() {
                let what = format!("{}: gateway {via} answered no ARP", interface.name);
                let finding = Finding::warning(ID, Area::N6, what)
                    .why("what is routed by it is held, then dropped")
                    .remedy(format!(
                        "look for it on the wire: tcpdump -eni {link} arp; then at the cable, the VLAN, \
                         and interfaces.N.routes"
                    ));
                findings.push(finding);
            } else {
                let what = format!("{}: nothing is known of gateway {via}", interface.name);
                let finding = Finding::note(ID, Area::N6, what);
                findings.push(finding.remedy(format!("arping -D -c 3 -I {link} {via}")));
            }
        }
    }
}
