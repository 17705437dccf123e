//! From the FAR, QERs and URRs of a PDR to its [`Step`].

use std::sync::Arc;

use smallvec::SmallVec;

use super::compile::{Context, Installed, of};
use super::encapsulation::Marking;
use super::enforcement::{gate, rate};
use super::step::{Counted, Rare};
use super::{Act, CompileError, Encapsulation, Step};
use crate::id::{FarId, UrrId};
use crate::rule::{
    Action, DestinationInterface, Direction, Far, Gate, Pdn, Pdr, Qer, SourceInterface, Urr,
};

impl Installed {
    /// What happens to the packets of a PDR.
    pub(super) fn step(&self, pdr: &Pdr, context: &Context) -> Result<Step, CompileError> {
        let rules = &self.rules;
        let mut qers: SmallVec<[&Qer; 4]> = SmallVec::new();
        for id in &pdr.qers {
            let qer = rules.qers.iter().find(|qer| qer.id == *id);
            qers.push(qer.ok_or(CompileError::NoQer(pdr.id, *id))?);
        }
        let measured = self.measured(pdr)?;
        let far = self.far(pdr, pdr.far)?;
        let rare = if measured.iter().any(|(urr, _)| urr.asks_rarely()) {
            self.rare(pdr, &qers, &measured, context)?
        } else {
            Rare::default()
        };
        let usages = self.or_watch(measured.into_iter().map(|(_, counted)| counted));
        self.way(pdr, far, &qers, (usages, rare), context)
    }

    /// These counters; while the session is watched and there are none, the one that is for that.
    fn or_watch(&self, usages: impl Iterator<Item = Counted>) -> SmallVec<[Counted; 2]> {
        let mut all = SmallVec::new();
        usages.for_each(|usage| all.push(usage));
        if let Some(watch) = self.watch.as_ref().filter(|_| all.is_empty()) {
            all.push((UrrId(0), Arc::clone(watch)));
        }
        all
    }

    fn far(&self, pdr: &Pdr, id: FarId) -> Result<&Far, CompileError> {
        let far = self.rules.fars.iter().find(|far| far.id == id);
        far.ok_or(CompileError::NoFar(pdr.id, id))
    }

    /// The URRs of a PDR, with their counters.
    fn measured(&self, pdr: &Pdr) -> Result<SmallVec<[(&Urr, Counted); 2]>, CompileError> {
        let mut measured = SmallVec::new();
        for id in &pdr.urrs {
            let urr = self.rules.urrs.iter().find(|urr| urr.id == *id);
            let (urr, ledger) = urr
                .zip(of(&self.usages, *id))
                .ok_or(CompileError::NoUrr(pdr.id, *id))?;
            if urr.before || urr.dropped {
                ledger.usage().make_extra();
            }
            measured.push((urr, (*id, Arc::clone(ledger))));
        }
        Ok(measured)
    }

    /// What few URRs ask for.
    fn rare(
        &self,
        pdr: &Pdr,
        qers: &[&Qer],
        measured: &[(&Urr, Counted)],
        context: &Context,
    ) -> Result<Rare, CompileError> {
        let those = |asks: fn(&Urr) -> bool| {
            let asking = measured.iter().filter(move |(urr, _)| asks(urr));
            asking.map(|(_, counted)| counted.clone())
        };
        let mut rare = Rare {
            before: those(|urr| urr.before).collect(),
            dropped: those(|urr| urr.dropped).collect(),
            spent: None,
        };
        if let Some(instead) = measured.iter().find_map(|(urr, _)| urr.quota_far) {
            let (by, others): (SmallVec<[_; 2]>, SmallVec<[_; 2]>) = measured
                .iter()
                .partition(|(urr, _)| urr.quota_far == Some(instead));
            let usages = self.or_watch(others.into_iter().map(|(_, counted)| counted.clone()));
            let far = self.far(pdr, instead)?;
            let step = self.way(pdr, far, qers, (usages, Rare::default()), context)?;
            let by = by.into_iter().map(|(urr, _)| urr.id).collect();
            rare.spent = Some((by, Box::new(step)));
        }
        Ok(rare)
    }

    /// What a PDR's packets go through with that FAR.
    fn way(
        &self,
        pdr: &Pdr,
        far: &Far,
        qers: &[&Qer],
        (usages, rare): (SmallVec<[Counted; 2]>, Rare),
        context: &Context,
    ) -> Result<Step, CompileError> {
        let rules = &self.rules;
        let direction = direction(pdr, far);
        let meters = qers.iter().filter_map(|qer| {
            let ledger = of(&self.meters, qer.id)?;
            let rate = rate(qer, qer.mbr?, direction, context);
            Some((rate, Arc::clone(ledger)))
        });
        let levels = self.limited.as_ref().and_then(|limited| {
            let mut guaranteed = qers.iter().filter_map(|qer| Some((qer, qer.gbr?)));
            let guaranteed = guaranteed.next();
            let rate = |(qer, gbr): (&&Qer, _)| (qer.id, rate(qer, gbr, direction, context));
            limited.levels(direction, guaranteed.map(rate))
        });
        let destination = far.forwarding.map(|forwarding| forwarding.destination);
        let mut step = Step::new(pdr.id, far.id).with(meters, usages, levels, rare);
        step.act = if gate(qers, direction) == Gate::Closed {
            Act::GateClosed
        } else {
            self.act(far)?
        };
        step.direction = direction;
        step.check_source = pdr.pdi.source_interface == SourceInterface::Access
            && (!rules.ue.is_empty() || rules.framed().next().is_some())
            && !matches!(
                destination,
                Some(DestinationInterface::Access | DestinationInterface::CpFunction)
            );
        step.removal = pdr.outer_header_removal;
        step.encapsulation = encapsulation(far, qers, direction);
        step.qfi = qers.iter().find_map(|qer| qer.qfi);
        Ok(step)
    }

    fn act(&self, far: &Far) -> Result<Act, CompileError> {
        let extended = self.bar(far).is_some_and(|bar| bar.extended.is_some());
        Ok(match (far.action, far.forwarding) {
            (Action::Drop, _) => Act::Drop,
            (Action::Buffer { notify }, _) => Act::Buffer {
                notify: notify && !extended,
            },
            (Action::Forward, None) => Act::NoTunnel,
            (Action::Forward, Some(to)) => match (to.outer_header_creation, to.destination) {
                (Some(creation), _) => {
                    creation
                        .next_hop
                        .map_or(Act::NoRoute, |next_hop| Act::Tunnel {
                            next_hop,
                            interface: creation.interface,
                        })
                }
                (None, DestinationInterface::Access | DestinationInterface::CpFunction) => {
                    Act::NoTunnel
                }
                (None, DestinationInterface::Core | DestinationInterface::SgiLan) => {
                    let vrf = to.policy.or(to.vrf).ok_or(CompileError::NoVrf(far.id))?;
                    match self.rules.pdn {
                        Pdn::Ip => Act::Route { vrf },
                        Pdn::Ethernet(_) => Act::Bridge { vrf },
                    }
                }
            },
        })
    }
}

/// The direction a packet counts and is policed as (TS 29.244, 5.2.5 and 5.4.3): what leaves
/// towards the radio side is downlink, also when it came from there (indirect forwarding).
fn direction(pdr: &Pdr, far: &Far) -> Direction {
    let to_access = far
        .forwarding
        .is_some_and(|to| to.destination == DestinationInterface::Access);
    match pdr.pdi.source_interface {
        SourceInterface::Access if !to_access => Direction::Uplink,
        _ => Direction::Downlink,
    }
}

fn encapsulation(far: &Far, qers: &[&Qer], direction: Direction) -> Encapsulation {
    let Some(to) = far.forwarding else {
        return Encapsulation::default();
    };
    let marking = qers.iter().find_map(|qer| {
        qer.qfi.map(|qfi| Marking {
            qfi,
            rqi: qer.rqi,
            ppi: qers.iter().find_map(|qer| qer.ppi),
            direction: Some(direction),
        })
    });
    to.outer_header_creation
        .map_or_else(Encapsulation::default, |creation| {
            Encapsulation::new(&creation, to.tos.unwrap_or(0), marking)
        })
}
