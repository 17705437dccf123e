//! What all workers counted, taken together.

use std::fmt;

use upf_dp::{PortCounts, Reason, WorkerCounts};

/// The counts of all workers at one moment.
#[derive(Clone, Debug, Default)]
pub struct Counts(Vec<WorkerCounts>);

impl Counts {
    pub(crate) const fn new(workers: Vec<WorkerCounts>) -> Self {
        Self(workers)
    }

    /// Worker by worker.
    pub fn workers(&self) -> &[WorkerCounts] {
        &self.0
    }

    /// Frames received on all ports.
    pub fn received(&self) -> u64 {
        self.0
            .iter()
            .flat_map(|worker| &worker.ports)
            .map(|port| port.received_packets)
            .sum()
    }

    /// Frames sent on all ports.
    pub fn sent(&self) -> u64 {
        self.0
            .iter()
            .flat_map(|worker| &worker.ports)
            .map(|port| port.sent_packets)
            .sum()
    }

    /// What each worker counted of a port, by the port's place in the configuration.
    pub fn of_port(&self, number: usize) -> impl Iterator<Item = &PortCounts> {
        self.0
            .iter()
            .filter_map(move |worker| worker.ports.get(number))
    }

    /// Packets that wait now.
    pub fn held(&self) -> u64 {
        self.0.iter().map(|worker| worker.held).sum()
    }

    /// Packets dropped for a reason.
    pub fn dropped_for(&self, reason: Reason) -> u64 {
        self.0.iter().map(|worker| worker.dropped(reason)).sum()
    }

    /// Packets dropped.
    pub fn dropped(&self) -> u64 {
        Reason::ALL
            .iter()
            .map(|reason| self.dropped_for(*reason))
            .sum()
    }

    /// Reasons for which packets were dropped, by name, and how many.
    pub fn drops_by_reason(&self) -> Vec<(&'static str, u64)> {
        let counted = Reason::ALL
            .iter()
            .map(|reason| (reason.name(), self.dropped_for(*reason)));
        counted.filter(|(_, count)| *count > 0).collect()
    }

    /// What came in and is accounted for nowhere: 0 when nothing is under way.
    pub fn missing(&self) -> i128 {
        self.0.iter().map(WorkerCounts::missing).sum()
    }

    /// Cycles that workers spent on a received packet between `earlier` and now, ports included.
    #[allow(
        clippy::as_conversions,
        clippy::cast_precision_loss,
        reason = "a figure for people to read"
    )]
    pub fn cycles_per_packet_since(&self, earlier: &Self) -> f64 {
        let busy = |counts: &Self| {
            counts
                .0
                .iter()
                .map(|worker| worker.busy_cycles)
                .sum::<u64>()
        };
        let packets = self.received().saturating_sub(earlier.received()).max(1);
        busy(self).saturating_sub(busy(earlier)) as f64 / packets as f64
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "received {}, sent {}, held {}",
            self.received(),
            self.sent(),
            self.held()
        )?;
        let drops = self.drops_by_reason();
        drops
            .iter()
            .try_for_each(|(reason, count)| write!(f, ", dropped {count} {reason}"))
    }
}
