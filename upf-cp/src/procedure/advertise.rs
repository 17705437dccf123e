//! UEs are told of their router and prefix by the UPF where the configuration says so: when they
//! can be reached for the first time, and from time to time (RFC 4861, 6.2.4). Their questions are
//! answered by the packet path.

use session::report::Command;
use session::rule::{DestinationInterface, Rules};
use session::topology::RouterAdvertisements;
use session::{Seid, SessionIndex};

use crate::node::Node;
use crate::timer::{Deadline, Timer};

impl Node {
    /// Tells the UE, if its session now has a tunnel and did not before.
    pub(crate) fn advertise_if_new(&mut self, index: SessionIndex, could_be_reached: bool) {
        let Some(session) = self.sessions.get(index) else {
            return;
        };
        let (rules, seid) = (&session.installed.rules, session.seid);
        if !could_be_reached && is_reached(rules) && self.router_for(rules).is_some() {
            self.advertise(index, seid);
        }
    }

    pub(crate) fn advertisement_due(&mut self, index: SessionIndex, seid: Seid) {
        let session = self.sessions.get(index);
        let Some(session) = session.filter(|session| session.seid == seid) else {
            return;
        };
        let rules = &session.installed.rules;
        if is_reached(rules) && self.router_for(rules).is_some() {
            self.advertise(index, seid);
        }
    }

    fn advertise(&mut self, index: SessionIndex, seid: Seid) {
        let Some(session) = self.sessions.get(index) else {
            return;
        };
        let worker = session.worker;
        let router = self.router_for(&session.installed.rules);
        let interval_s = router.map_or(0, |router| router.interval_s);
        if interval_s > 0 {
            let at_ms = self.now.elapsed_ms + u64::from(interval_s) * 1000;
            self.timers
                .set(at_ms, Timer::Session(index, seid, Deadline::Advertise));
        }
        self.command(worker, Command::Advertise { session: index });
    }

    /// What the UE of a session is told, if by us.
    fn router_for(&self, rules: &Rules) -> Option<&RouterAdvertisements> {
        let prefix = rules.ue.ipv6?;
        let mut fars = rules.fars.iter();
        let vrf = fars.find_map(|far| far.forwarding?.vrf)?;
        self.topology.advertises(vrf, prefix)?.router.as_ref()
    }
}

/// Whether a tunnel leads to the UE.
pub(crate) fn is_reached(rules: &Rules) -> bool {
    rules.fars.iter().any(|far| {
        far.forwarding.is_some_and(|to| {
            to.destination == DestinationInterface::Access && to.outer_header_creation.is_some()
        })
    })
}
