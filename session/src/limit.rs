//! Limits that an operator sets above those of the QERs: of each session, and of all sessions of a
//! data network or a slice together. A packet is metered once at each level.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::id::QerId;
use crate::ledger::Ledger;
use crate::meter::{Arrivals, Burst, Meter, Now, Rate, SharedMeter};
use crate::rule::{BitRate, Direction, Rules};

/// Rates in both directions; a direction without one has no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    uplink: Option<Rate>,
    downlink: Option<Rate>,
}

impl Rates {
    /// Those of a machine of `hz` cycles per second. Zero is no limit.
    pub fn new(most: BitRate, hz: u64, burst: Burst) -> Self {
        let rate = |kbps| (kbps > 0).then(|| Rate::new(kbps, hz, burst));
        Self {
            uplink: rate(most.uplink_kbps),
            downlink: rate(most.downlink_kbps),
        }
    }

    const fn of(self, direction: Direction) -> Option<Rate> {
        match direction {
            Direction::Uplink => self.uplink,
            Direction::Downlink => self.downlink,
        }
    }

    /// Whether neither direction has a limit.
    pub fn is_none(self) -> bool {
        self == Self::default()
    }
}

/// A limit that sessions share, whichever workers own them.
#[derive(Debug)]
#[repr(align(128))]
pub struct Aggregate {
    arrivals: Arrivals,
    rates: Rates,
}

impl Aggregate {
    /// An aggregate that has passed nothing yet.
    pub fn new(rates: Rates) -> Self {
        Self {
            arrivals: Arrivals::default(),
            rates,
        }
    }
}

/// What an operator limits a session to, besides its QERs.
#[derive(Debug, Default)]
pub struct Limits {
    /// By itself.
    pub session: Rates,
    /// Together with others: its slice, its data network.
    pub aggregates: SmallVec<[Arc<Aggregate>; 2]>,
}

/// The limits of a session, and what their policers remember.
#[derive(Clone, Debug)]
pub(crate) struct Limited {
    limits: Arc<Limits>,
    session: Arc<Ledger>,
    /// Of the guaranteed bit rates of QERs: what is within them is not refused at these limits.
    guaranteed: SmallVec<[(QerId, Arc<Ledger>); 1]>,
}

impl Limited {
    pub(crate) fn new(limits: Arc<Limits>) -> Self {
        Self {
            limits,
            session: Arc::default(),
            guaranteed: SmallVec::new(),
        }
    }

    /// The same for other rules: what policers remember goes on.
    pub(crate) fn with_rules(&self, rules: &Rules) -> Self {
        let guaranteed = rules.qers.iter().filter(|qer| qer.gbr.is_some());
        let ledger = |of: QerId| {
            let old = self.guaranteed.iter().find(|(qer, _)| *qer == of);
            old.map_or_else(Arc::default, |(_, ledger)| Arc::clone(ledger))
        };
        Self {
            guaranteed: guaranteed.map(|qer| (qer.id, ledger(qer.id))).collect(),
            ..self.clone()
        }
    }

    /// What they are for the packets of a PDR in that direction; `guaranteed` names its QER with a
    /// guaranteed bit rate, and that.
    pub(crate) fn levels(
        &self,
        direction: Direction,
        guaranteed: Option<(QerId, Rate)>,
    ) -> Option<Levels> {
        let guaranteed = guaranteed.and_then(|(qer, rate)| {
            let (_, ledger) = self.guaranteed.iter().find(|(id, _)| *id == qer)?;
            Some((rate, Arc::clone(ledger)))
        });
        let session = self.limits.session.of(direction);
        let aggregates = self.limits.aggregates.iter();
        let shared = aggregates.filter_map(|aggregate| {
            let rate = aggregate.rates.of(direction)?;
            Some((rate, Arc::clone(aggregate)))
        });
        let levels = Levels {
            direction,
            guaranteed,
            session: session.map(|rate| (rate, Arc::clone(&self.session))),
            shared: shared.collect(),
        };
        let any = levels.session.is_some() || !levels.shared.is_empty();
        any.then_some(levels)
    }
}

/// The levels above the QERs of a PDR.
#[derive(Debug)]
pub struct Levels {
    direction: Direction,
    guaranteed: Option<(Rate, Arc<Ledger>)>,
    session: Option<(Rate, Arc<Ledger>)>,
    shared: SmallVec<[(Rate, Arc<Aggregate>); 2]>,
}

impl Levels {
    /// Whether a packet of `octets` may pass: within a guaranteed bit rate always, else while no
    /// level is exceeded. Takes nothing of the levels.
    pub fn admit(&self, octets: u16, now: Now) -> bool {
        let guaranteed = self.meter(self.guaranteed.as_ref());
        guaranteed.is_some_and(|meter| meter.pass(octets, now))
            || (self
                .meter(self.session.as_ref())
                .is_none_or(|meter| meter.conforms(now))
                && self.shared().all(|meter| meter.conforms(now)))
    }

    /// Charges a packet of `octets` that passes at every level.
    pub fn charge(&self, octets: u16, now: Now) {
        if let Some(meter) = self.meter(self.session.as_ref()) {
            meter.charge(octets, now);
        }
        for meter in self.shared() {
            meter.charge(octets, now);
        }
    }

    fn meter<'a>(&self, level: Option<&'a (Rate, Arc<Ledger>)>) -> Option<Meter<'a>> {
        let (rate, ledger) = level?;
        Some(Meter::new(*rate, ledger.arrivals(), self.direction))
    }

    fn shared(&self) -> impl Iterator<Item = SharedMeter<'_>> {
        let shared = self.shared.iter();
        shared.map(|(rate, aggregate)| SharedMeter::new(*rate, &aggregate.arrivals, self.direction))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HZ: u64 = 1_000_000_000;

    fn rates(kbps: u64) -> Rates {
        let most = BitRate {
            uplink_kbps: 0,
            downlink_kbps: kbps,
        };
        Rates::new(most, HZ, Burst::of_ms(0))
    }

    /// Several workers at an aggregate: together they pass what it allows, no more and no less.
    #[test]
    fn workers_share_an_aggregate() {
        let aggregate = Arc::new(Aggregate::new(rates(80_000)));
        let limits = Arc::new(Limits {
            session: Rates::default(),
            aggregates: [Arc::clone(&aggregate)].into_iter().collect(),
        });
        let clock = std::sync::atomic::AtomicU64::new(0);
        let passed = std::sync::atomic::AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let limited = Limited::new(Arc::clone(&limits));
                    let levels = limited.levels(Direction::Downlink, None).unwrap();
                    let order = std::sync::atomic::Ordering::Relaxed;
                    loop {
                        // A packet of 1000 octets each 10 µs: ten times what may pass.
                        let now = clock.fetch_add(10_000, order);
                        if now >= HZ {
                            return;
                        }
                        if levels.admit(1000, Now(now)) {
                            levels.charge(1000, Now(now));
                            passed.fetch_add(1000, order);
                        }
                    }
                });
            }
        });
        let passed = passed.into_inner();
        // 10 MB in a second; threads that lag behind the clock may add a few packets.
        assert!(passed.abs_diff(10_000_000) < 100_000, "{passed}");
    }

    #[test]
    fn what_is_guaranteed_is_charged_and_not_refused() {
        let limits = Limits {
            session: rates(8_000),
            aggregates: SmallVec::new(),
        };
        let rules = Rules {
            qers: vec![crate::rule::Qer {
                id: QerId(1),
                gbr: Some(BitRate::default()),
                ..Default::default()
            }],
            ..Rules::default()
        };
        let limited = Limited::new(Arc::new(limits)).with_rules(&rules);
        let guaranteed = Rate::new(6_000, HZ, Burst::of_ms(2));
        let voice = limited.levels(Direction::Downlink, Some((QerId(1), guaranteed)));
        let data = limited.levels(Direction::Downlink, None);
        let (voice, data) = (voice.unwrap(), data.unwrap());
        let mut passed = [0_u64; 2];
        // Each offers its whole session's limit, data first: 1 MB in a second.
        for packet in 0..2_000_u64 {
            let now = Now(packet * HZ / 2_000);
            for (levels, passed) in [&data, &voice].into_iter().zip(&mut passed) {
                if levels.admit(500, now) {
                    levels.charge(500, now);
                    *passed += 500;
                }
            }
        }
        assert!(passed[1] >= 749_000, "{passed:?}");
        // What data takes is what voice leaves, but for the packets before voice came.
        assert!(
            (passed[0] + passed[1]).abs_diff(1_000_000) < 15_000,
            "{passed:?}"
        );
        // Without a limit in that direction there are no levels.
        assert!(limited.levels(Direction::Uplink, None).is_none());
    }
}
