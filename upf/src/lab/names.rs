//! Addresses, tunnels and habits of the simulated world.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Result, anyhow};
use simulator::{Flavour, Tunnel};

use super::{FIRST_TEID, GNBS, UPF_N3, UPF_N6};

/// Where UEs have their addresses, as a configuration writes it.
const UE_POOLS: &str = "[10.45.0.0/16, '2001:db8:cafe::/48']";

/// The part of a UPF's configuration that connects it with the laboratory.
pub(crate) fn configuration() -> String {
    let (n6_v4, n6_v6) = UPF_N6;
    format!(
        "\
ports:
  - {{ name: ran, device: 'ring:n3', mtu: 1600 }}
  - {{ name: core, device: 'ring:n6', mtu: 1500 }}
interfaces:
  - {{ name: n3, role: n3, port: ran, addresses: [{UPF_N3}/24] }}
  - {{ name: n6, role: n6, port: core, addresses: [{n6_v4}/24, '{n6_v6}/64'] }}
networks:
  - {{ name: internet, interface: n6, ue_pools: {UE_POOLS} }}
"
    )
}

/// The UE addresses with this number, from 0 to 65 000: every fourth UE has IPv6 alone, every second
/// one both.
pub(crate) fn ue_addresses(number: u32) -> (Option<Ipv4Addr>, Option<Ipv6Addr>) {
    let v4 = Ipv4Addr::from_bits(Ipv4Addr::new(10, 45, 0, 0).to_bits() + number + 2);
    let prefix: u128 = 0x2001_0db8_cafe_0000 << 64;
    let v6 = Ipv6Addr::from_bits(prefix | u128::from(number + 2) << 64 | 1);
    match number % 4 {
        3 => (None, Some(v6)),
        1 => (Some(v4), Some(v6)),
        _ => (Some(v4), None),
    }
}

/// Whose rules a session gets. (An Open5GS SMF has tunnels of its own on N3, which one on loopback
/// cannot have.)
pub(crate) const fn flavour(number: u32) -> Flavour {
    match number % 4 {
        0 => Flavour::Free5gc,
        2 => Flavour::SdCore,
        _ => Flavour::Simple,
    }
}

/// The gNB's end of a session's tunnel.
pub(crate) fn tunnel(session: u32, gnb: usize) -> Tunnel {
    let address = GNBS
        .get(gnb)
        .copied()
        .map_or(IpAddr::from([0, 0, 0, 0]), IpAddr::from);
    Tunnel {
        address,
        teid: FIRST_TEID.wrapping_add(session),
    }
}

/// Loopback addresses that nobody else on this machine uses: PFCP needs port 8805 on all of them.
pub(crate) fn loopback<const N: usize>() -> Result<[Ipv4Addr; N]> {
    let [.., high, low] = std::process::id().to_be_bytes();
    let free = |address: &Ipv4Addr| std::net::UdpSocket::bind((*address, simulator::PORT)).is_ok();
    for step in 0..=255_u8 {
        let net = [127, high.wrapping_add(step).max(1), low];
        let hosts = (1..=254).map(|host| Ipv4Addr::new(net[0], net[1], net[2], host));
        let addresses: Vec<Ipv4Addr> = hosts.take(N).filter(free).collect();
        if let Ok(addresses) = addresses.try_into() {
            return Ok(addresses);
        }
    }
    Err(anyhow!(
        "no {N} loopback addresses with a free UDP port 8805"
    ))
}
