//! Forwarding policies.

use crate::Problem;
use crate::reader::join;
use crate::schema::{ForwardingPolicy, Role};

use super::{Check, is_link_local};

/// How many interfaces have a number.
const INTERFACES_MAX: usize = 255;

impl Check<'_> {
    pub(super) fn policies(&mut self) {
        let config = self.config;
        let names = config.forwarding_policies.iter();
        let names = names.map(|policy| policy.name.to_string());
        self.unique("forwarding policy", "forwarding_policies", names.collect());
        for (index, policy) in config.forwarding_policies.iter().enumerate() {
            self.policy(&format!("forwarding_policies.{index}"), policy);
        }
        let with_gateways = config
            .forwarding_policies
            .iter()
            .filter(|policy| !policy.via.is_empty());
        let found = config.interfaces.len() + with_gateways.count();
        if found > INTERFACES_MAX {
            self.mistake("interfaces", Problem::TooManyInterfaces { found });
        }
    }

    fn policy(&mut self, key: &str, policy: &ForwardingPolicy) {
        let name_key = join(key, "interface");
        let Some(interface) = self.config.interface(&policy.interface) else {
            let n6 = self.n6_names();
            self.no_such(&name_key, "interface", policy.interface.as_str(), n6);
            return;
        };
        if interface.role != Role::N6 {
            let (name, role) = (interface.name.to_string(), interface.role.word());
            self.mistake(&name_key, Problem::NotN6 { name, role });
        }
        if interface.kernel.is_some() && !policy.via.is_empty() {
            let interface = interface.name.to_string();
            self.mistake(&join(key, "via"), Problem::ViaKernel { interface });
        }
        for (index, via) in policy.via.iter().enumerate() {
            let mut subnets = interface.addresses.iter();
            let reachable = subnets.any(|address| address.subnet().contains(*via));
            if !reachable && !is_link_local(*via) {
                let key = format!("{key}.via.{index}");
                self.mistake(&key, Problem::UnreachableNextHop { via: *via });
            }
        }
    }
}
