//! Interfaces of the kernel behind ports, the lengths of packets, and what the process may do.

use config::Device;
use config::schema::{Config, Fragmentation, Interface, Port, Role};

use super::{Area, Facts, Finding, Probes};

/// Bits of capabilities (linux/capability.h).
const NET_BIND_SERVICE: u32 = 10;
const NET_ADMIN: u32 = 12;
const NET_RAW: u32 = 13;
const IPC_LOCK: u32 = 14;
const SYS_ADMIN: u32 = 21;
const BPF: u32 = 39;

/// UDP, GTP-U with a PDU session container of the usual length (TS 29.281, 5.2; TS 38.415).
const GTPU_OCTETS: u16 = 8 + 16;
const IPV4_OCTETS: u16 = 20;
const IPV6_OCTETS: u16 = 40;

pub(super) fn examine(
    facts: &Facts,
    probes: &Probes,
    config: Option<&Config>,
    findings: &mut Vec<Finding>,
) {
    let Some(config) = config else {
        let has: Vec<&str> = [
            (NET_ADMIN, "CAP_NET_ADMIN"),
            (NET_RAW, "CAP_NET_RAW"),
            (IPC_LOCK, "CAP_IPC_LOCK"),
            (BPF, "CAP_BPF"),
        ]
        .iter()
        .filter(|(bit, _)| facts.process.has(*bit))
        .map(|(_, name)| *name)
        .collect();
        let what = if has.is_empty() {
            "no capabilities: virtual ports without the kernel (ring, null, pcap, memif, vhost) only".to_owned()
        } else {
            format!("may use {}", has.join(", "))
        };
        findings.push(Finding::good(
            "privileges.capabilities",
            Area::Privileges,
            what,
        ));
        return;
    };
    for port in &config.ports {
        match &port.device {
            Device::AfPacket(name) | Device::AfXdp(name) => {
                kernel_link(facts, probes, port, name.as_str(), findings);
            }
            Device::Tap(name) => tap(facts, port, name.as_str(), findings),
            _ => {}
        }
        privileges(facts, port, findings);
    }
    if config.pfcp.port < 1024 && !facts.process.has(NET_BIND_SERVICE) {
        findings.push(missing(
            "pfcp.port",
            "CAP_NET_BIND_SERVICE",
            "ports below 1024 are reserved",
        ));
    }
    tunnels(config, findings);
}

impl super::Process {
    const fn has(self, bit: u32) -> bool {
        self.capabilities >> bit & 1 == 1
    }
}

fn kernel_link(
    facts: &Facts,
    probes: &Probes,
    port: &Port,
    name: &str,
    findings: &mut Vec<Finding>,
) {
    let Some(link) = facts.link(name) else {
        let there: Vec<&str> = facts.links.iter().map(|link| link.name.as_str()).collect();
        let what = format!("port {}: there is no interface {name}", port.name);
        let finding = Finding::problem("links.present", Area::Links, what)
            .why("the port does not open, and the UPF does not start")
            .remedy(format!("ports.N.device: with one of {}", there.join(", ")));
        findings.push(finding);
        return;
    };
    findings.push(match (link.state.as_str(), link.carrier) {
        ("up", _) | ("unknown", Some(true)) => {
            let what = format!("port {}: {name} is up", port.name);
            Finding::good("links.state", Area::Links, what)
        }
        (_, Some(false)) => {
            let what = format!("port {}: {name} has no signal", port.name);
            Finding::problem("links.state", Area::Links, what)
                .why("nothing comes in or goes out")
                .remedy(format!(
                    "look at the cable, the switch's port and `ethtool {name}`"
                ))
        }
        (state, _) => {
            let what = format!("port {}: {name} is {state}", port.name);
            Finding::problem("links.state", Area::Links, what)
                .why("nothing comes in or goes out")
                .remedy(format!("ip link set {name} up"))
        }
    });
    if link.mtu < u32::from(port.mtu.get()) {
        let what = format!(
            "port {}: mtu is {}, and {name} takes {}",
            port.name,
            port.mtu.get(),
            link.mtu
        );
        let finding = Finding::problem("links.mtu", Area::Links, what)
            .why("longer packets are lost without a trace at the interface")
            .remedy(format!("ip link set {name} mtu {}", port.mtu.get()));
        findings.push(finding);
    }
    own_addresses(probes, port, name, findings);
    joined(probes, port, name, findings);
}

/// Packets that are joined before the packet socket sees them are longer than its frames.
fn joined(probes: &Probes, port: &Port, name: &str, findings: &mut Vec<Finding>) {
    const ID: &str = "links.joined";
    let known = probes.joins_packets.iter().find(|(link, _)| link == name);
    let Some((_, features)) = known else {
        return;
    };
    findings.push(if features.is_empty() {
        let what = format!("port {}: {name} does not join packets", port.name);
        Finding::good(ID, Area::Links, what)
    } else {
        let what = format!("port {}: {name} joins packets ({})", port.name, features.join(", "));
        Finding::warning(ID, Area::Links, what)
            .why("the kernel hands TCP segments over as one packet of up to 64 KB, which fits into no \
                  buffer: downloads stall while pings pass")
            .remedy(format!("ethtool -K {name} {} off", features.join(" off ")))
    });
}

/// The kernel answers for addresses that it has, beside the UPF.
fn own_addresses(probes: &Probes, port: &Port, name: &str, findings: &mut Vec<Finding>) {
    let on_link = probes.addresses.iter().filter(|one| one.link == name);
    let addresses: Vec<String> = on_link.map(|one| one.address.to_string()).collect();
    if addresses.is_empty() {
        return;
    }
    let what = format!(
        "port {}: the kernel has addresses on {name}: {}",
        port.name,
        addresses.join(", ")
    );
    let only_link_local =
        probes.addresses.iter().filter(|one| one.link == name).all(
            |one| matches!(one.address, std::net::IpAddr::V6(six) if six.is_unicast_link_local()),
        );
    let finding = if only_link_local {
        Finding::note("links.kernel_address", Area::Links, what)
            .remedy(format!("sysctl -w net.ipv6.conf.{name}.disable_ipv6=1"))
    } else {
        Finding::problem("links.kernel_address", Area::Links, what).remedy(format!(
            "ip address flush dev {name}; sysctl -w net.ipv6.conf.{name}.disable_ipv6=1"
        ))
    };
    findings.push(finding.why(
        "the kernel sees the same packets and answers as well: ICMP port unreachable to gNBs, resets \
         to TCP, ARP of its own",
    ));
}

fn tap(facts: &Facts, port: &Port, name: &str, findings: &mut Vec<Finding>) {
    let why = "the TAP is the UPF's way into the kernel";
    if !facts.tun {
        let what = format!("port {}: there is no /dev/net/tun", port.name);
        let finding = Finding::problem("links.tun", Area::Links, what)
            .why(why)
            .remedy("modprobe tun; for a container: --device /dev/net/tun");
        findings.push(finding);
    }
    if let Some(link) = facts.link(name)
        && !link.tun
    {
        let what = format!("port {}: {name} is there already, and is no TAP", port.name);
        let finding = Finding::problem("links.tun", Area::Links, what)
            .why("the UPF makes the interface at start; the name is taken")
            .remedy("choose another name in ports.N.device");
        findings.push(finding);
    }
}

fn privileges(facts: &Facts, port: &Port, findings: &mut Vec<Finding>) {
    let process = facts.process;
    let needs: &[(u32, &str, &'static str)] = match port.device {
        Device::AfPacket(_) => &[(
            NET_RAW,
            "CAP_NET_RAW",
            "packet sockets are for those who have it",
        )],
        Device::AfXdp(_) => &[
            (
                NET_RAW,
                "CAP_NET_RAW",
                "AF_XDP sockets are for those who have it",
            ),
            (
                NET_ADMIN,
                "CAP_NET_ADMIN",
                "an XDP program is attached to the interface",
            ),
            (BPF, "CAP_BPF", "the program and its map are loaded"),
        ],
        Device::Tap(_) => &[(
            NET_ADMIN,
            "CAP_NET_ADMIN",
            "an interface is made and set up",
        )],
        Device::Pci(_) => &[],
        _ => return,
    };
    let lacking: Vec<_> = needs
        .iter()
        .filter(|(bit, ..)| !(process.has(*bit) || *bit == BPF && process.has(SYS_ADMIN)))
        .collect();
    let what = format!("port {} ({})", port.name, port.device);
    for (_, name, why) in &lacking {
        findings.push(missing(&what, name, why));
    }
    let pinned = process.locked_memory.is_none() || process.has(IPC_LOCK);
    if matches!(port.device, Device::Pci(_)) && !pinned {
        let lock = process.locked_memory.unwrap_or_default() >> 20;
        let text = format!("{what}: {lock} MB may be locked in memory");
        let finding = Finding::problem("privileges.memlock", Area::Privileges, text)
            .why("VFIO pins the buffers for the device, and counts them against this limit")
            .remedy(
                "LimitMEMLOCK=infinity (systemd), --ulimit memlock=-1 (docker), or CAP_IPC_LOCK",
            );
        findings.push(finding);
    } else if lacking.is_empty() {
        let text = format!("{what}: all that it needs is granted");
        findings.push(Finding::good(
            "privileges.capabilities",
            Area::Privileges,
            text,
        ));
    }
}

fn missing(what: &str, capability: &str, why: &'static str) -> Finding {
    let text = format!("{what}: {capability} is not granted");
    let short = capability.trim_start_matches("CAP_");
    Finding::problem("privileges.capabilities", Area::Privileges, text)
        .why(why)
        .remedy(format!(
            "AmbientCapabilities={capability} (systemd), --cap-add {short} (docker), \
             capabilities.add: [{short}] (Kubernetes)"
        ))
}

/// Whether what N6 lets in fits through the tunnels.
fn tunnels(config: &Config, findings: &mut Vec<Finding>) {
    let mtu_of = |interface: &Interface| config.port(&interface.port).map(|port| port.mtu.get());
    let tunnels = config.interfaces.iter().filter(|one| one.role != Role::N6);
    let narrowest = tunnels
        .filter_map(|interface| Some((fits(interface, mtu_of(interface)?), interface)))
        .min_by_key(|(inner, _)| *inner);
    let Some((inner, interface)) = narrowest else {
        return;
    };
    for network in &config.networks {
        let n6 = config.interface(&network.interface);
        let port = n6.and_then(mtu_of).unwrap_or(1500);
        let lets_in = network.mtu.map_or(port, |mtu| mtu.get().min(port));
        let (name, tunnel) = (network.name.as_str(), &interface.name);
        if lets_in <= inner {
            let what = format!(
                "network {name}: packets of {lets_in} octets fit through {tunnel} ({inner})"
            );
            let finding = Finding::good("links.tunnel_mtu", Area::Links, what);
            findings
                .push(finding.remedy(format!("let the SMF tell UEs an MTU of {lets_in} or less")));
            continue;
        }
        let wide = mtu_of(interface).unwrap_or(1500) + (lets_in - inner);
        let what = format!(
            "network {name}: packets of up to {lets_in} octets come in, and {inner} fit through \
             {tunnel} (mtu {} less {} for IP, UDP and GTP-U)",
            mtu_of(interface).unwrap_or(1500),
            mtu_of(interface).unwrap_or(1500) - inner
        );
        let why = match config.gtpu.fragmentation {
            Fragmentation::Inner => {
                "longer ones are cut or answered by \"too big\": slow, and TCP \
                                     stalls where ICMP is filtered"
            }
            Fragmentation::Outer => {
                "longer ones leave in two tunnel packets, which each gNB has to \
                                     put together"
            }
            Fragmentation::Never => {
                "longer ones are dropped, and TCP stalls where ICMP is filtered"
            }
        };
        let finding = Finding::warning("links.tunnel_mtu", Area::Links, what)
            .why(why)
            .remedy(format!(
                "mtu {wide} for the port {} and the network behind it; or mtu: {inner} and \
                 clamp_mss: true for the network",
                interface.port
            ));
        findings.push(finding);
    }
}

/// The longest user packet that fits through a tunnel of an interface.
fn fits(interface: &Interface, mtu: u16) -> u16 {
    let mut addresses = interface.addresses.iter();
    let outer = if addresses.any(|address| address.address().is_ipv6()) {
        IPV6_OCTETS
    } else {
        IPV4_OCTETS
    };
    mtu.saturating_sub(outer + GTPU_OCTETS)
}
