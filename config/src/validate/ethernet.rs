//! Ethernet networks: alone on their wire, and nothing about IP packets.

use crate::Problem;
use crate::reader::join;
use crate::schema::{Interface, Network};

use super::Check;

impl Check<'_> {
    /// What a network that carries frames cannot have.
    pub(super) fn ethernet(&mut self, key: &str, network: &Network, interface: &Interface) {
        let about_packets = [
            ("ue_pools", !network.ue_pools.is_empty()),
            ("ue_allocation", !network.ue_allocation.is_empty()),
            ("clamp_mss", network.clamp_mss),
            (
                "router_advertisements",
                network.router_advertisements.is_some(),
            ),
        ];
        for (name, there) in about_packets {
            if there {
                self.mistake(&join(key, name), Problem::AboutPackets);
            }
        }
        let config = self.config;
        let mut others = config.interfaces.iter();
        let shares_wire = others.any(|other| {
            // Frames with any tag belong to a network without one.
            let same_wire = other.vlan == interface.vlan || interface.vlan.is_none();
            other.name != interface.name && other.port == interface.port && same_wire
        });
        let on_it = |other: &&Network| other.interface == network.interface;
        let networks = config.networks.iter().filter(on_it).count();
        let mut policies = config.forwarding_policies.iter();
        let shared = networks > 1
            || shares_wire
            || policies.any(|policy| policy.interface == network.interface);
        let has_packets = !interface.addresses.is_empty()
            || !interface.routes.is_empty()
            || interface.kernel.is_some();
        if shared || has_packets {
            let interface = interface.name.to_string();
            let problem = Problem::EthernetNotAlone(interface);
            self.mistake(&join(key, "interface"), problem);
        }
    }
}
