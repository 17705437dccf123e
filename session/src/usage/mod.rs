//! Usage counters of URRs (TS 29.244, 5.2.2): one writer.
//!
//! Counters only grow; the control side remembers what it has reported and takes the difference,
//! so that nothing is lost or counted twice when a report races with traffic. It *arms* a counter
//! with the totals at which it wants to hear; the worker reports once and disarms it. Of these, each
//! packet compares one number: the octets before which none of them can have been reached.
//!
//! What few URRs ask for (volumes before QoS enforcement, dropped packets) is counted beside, in an
//! [`Extra`] that those alone have.

mod alarm;
mod moment;
mod volume;

use std::mem::offset_of;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

use Ordering::{AcqRel, Relaxed, Release};

use crate::rule::Direction;
use alarm::Armed;
pub use alarm::{Alarm, Totals};
pub use moment::Moment;
pub use volume::Volume;
use volume::{Counts, add};

/// The counters of one URR of one session: first what each packet touches.
#[derive(Debug)]
#[repr(C)]
pub struct Usage {
    uplink_octets: AtomicU64,
    downlink_octets: AtomicU64,
    uplink_packets: AtomicU64,
    downlink_packets: AtomicU64,
    /// Octets of both directions at which to look at the armed totals; `u64::MAX` is never.
    look_at_octets: AtomicU64,
    /// Whether the quota is used up, so that packets stop: [`OPEN`], [`SHUT`] or [`GUARDED`].
    gate: AtomicU8,
    /// When the last packet was counted.
    last: AtomicU32,
    /// Octets at which to report.
    report_at: Armed,
    /// Of what was counted, and did not leave after all.
    void_uplink_octets: AtomicU64,
    void_downlink_octets: AtomicU64,
    void_uplink_packets: AtomicU32,
    void_downlink_packets: AtomicU32,
    extra: OnceLock<Box<Extra>>,
}

/// Packets pass.
const OPEN: u8 = 0;
/// Packets stop.
const SHUT: u8 = 1;
/// Packets stop, and the control side wants to hear of the next one.
const GUARDED: u8 = 2;

/// What few URRs have counted besides.
#[derive(Debug)]
struct Extra {
    /// All packets of its PDRs, before QoS enforcement (MBQE).
    before: Counts,
    /// Downlink packets that were dropped.
    dropped: Counts,
    /// How many dropped octets and packets are to be reported; `u64::MAX` is never.
    dropped_alarm_octets: AtomicU64,
    dropped_alarm_packets: AtomicU64,
    /// Octets at which packets stop.
    stop_at: Armed,
}

impl Default for Extra {
    fn default() -> Self {
        Self {
            before: Counts::default(),
            dropped: Counts::default(),
            dropped_alarm_octets: AtomicU64::new(u64::MAX),
            dropped_alarm_packets: AtomicU64::new(u64::MAX),
            stop_at: Armed::default(),
        }
    }
}

impl Default for Usage {
    fn default() -> Self {
        Self {
            uplink_octets: AtomicU64::new(0),
            downlink_octets: AtomicU64::new(0),
            uplink_packets: AtomicU64::new(0),
            downlink_packets: AtomicU64::new(0),
            look_at_octets: AtomicU64::new(u64::MAX),
            gate: AtomicU8::new(OPEN),
            last: AtomicU32::new(0),
            report_at: Armed::default(),
            void_uplink_octets: AtomicU64::new(0),
            void_downlink_octets: AtomicU64::new(0),
            void_uplink_packets: AtomicU32::new(0),
            void_downlink_packets: AtomicU32::new(0),
            extra: OnceLock::new(),
        }
    }
}

impl Usage {
    /// How many octets of it each packet touches.
    pub(crate) const COUNTED: usize = offset_of!(Self, report_at);

    /// Counts one packet; `true` when the control side has to be told. For the owning worker only.
    #[inline]
    pub fn count(&self, direction: Direction, octets: u16, at: Moment) -> bool {
        let (octet_counter, packet_counter, other) = match direction {
            Direction::Uplink => (
                &self.uplink_octets,
                &self.uplink_packets,
                &self.downlink_octets,
            ),
            Direction::Downlink => (
                &self.downlink_octets,
                &self.downlink_packets,
                &self.uplink_octets,
            ),
        };
        // One writer: a load and a store, no locked instruction.
        let counted = octet_counter.load(Relaxed).wrapping_add(octets.into());
        octet_counter.store(counted, Relaxed);
        packet_counter.store(packet_counter.load(Relaxed).wrapping_add(1), Relaxed);
        self.last.store(at.0, Relaxed);
        let total = counted.wrapping_add(other.load(Relaxed));
        total >= self.look_at_octets.load(Relaxed) && self.look()
    }

    /// Whether an armed total has been reached; if not, when to look again.
    #[cold]
    #[inline(never)]
    fn look(&self) -> bool {
        self.look_at_octets.swap(u64::MAX, AcqRel);
        let left = self.octets_left();
        let next = match left {
            0 => 0,
            _ => self.volume().total_octets().saturating_add(left),
        };
        // Has the control side armed since the swap, then the next packet looks again.
        let _ = self
            .look_at_octets
            .compare_exchange(u64::MAX, next, Relaxed, Relaxed);
        left == 0
    }

    /// Takes back a packet that was counted, and does not leave after all. For the owning worker
    /// only.
    #[cold]
    pub fn void(&self, direction: Direction, octets: u16) {
        let (octet_counter, packet_counter) = match direction {
            Direction::Uplink => (&self.void_uplink_octets, &self.void_uplink_packets),
            Direction::Downlink => (&self.void_downlink_octets, &self.void_downlink_packets),
        };
        add(octet_counter, octets.into());
        packet_counter.store(packet_counter.load(Relaxed).saturating_add(1), Relaxed);
    }

    /// How many octets have to be counted at least before an armed total is reached.
    fn octets_left(&self) -> u64 {
        let counted = self.volume();
        let stop = self.extra.get().map(|extra| extra.stop_at.left(&counted));
        let left = self.report_at.left(&counted);
        stop.map_or(left, |stop| stop.min(left))
    }

    /// Whether an armed total has been reached.
    pub fn is_due(&self) -> bool {
        self.octets_left() == 0
    }

    /// Called once [`count`](Self::count) was `true`, before the report: no further report of what
    /// has been reached until the control side arms again; stops the packets if that is a quota.
    #[cold]
    pub fn disarm(&self) {
        let counted = self.volume();
        if self.report_at.left(&counted) == 0 {
            self.report_at.set(Totals::default());
        }
        if let Some(extra) = self.extra.get()
            && extra.stop_at.left(&counted) == 0
        {
            extra.stop_at.set(Totals::default());
            self.gate.store(SHUT, Relaxed);
        }
    }

    /// Called instead of [`disarm`](Self::disarm) while no report can be made: a quota stops packets
    /// nevertheless, and the next one tries to tell of it.
    #[cold]
    pub fn stop_untold(&self) {
        let counted = self.volume();
        let stop = self.extra.get().map(|extra| extra.stop_at.left(&counted));
        if stop == Some(0) {
            self.gate.store(GUARDED, Relaxed);
        }
    }

    /// Whether packets have to stop.
    #[inline]
    pub fn is_exhausted(&self) -> bool {
        self.gate.load(Relaxed) != OPEN
    }

    /// Called for a packet that has to stop; `true` when the control side wants to hear of it, once.
    pub fn knock(&self) -> bool {
        self.gate
            .compare_exchange(GUARDED, SHUT, Relaxed, Relaxed)
            .is_ok()
    }

    /// Whether nobody has knocked since the control side wanted to hear of it.
    pub fn is_guarded(&self) -> bool {
        self.gate.load(Relaxed) == GUARDED
    }

    /// Sets the totals of the next report, and lets packets pass again. For the control side.
    ///
    /// A total that is already passed reports with the next packet.
    pub fn arm(&self, alarm: Alarm) {
        self.report_at.set(alarm.report_at);
        if alarm.stop_at != Totals::default() {
            self.make_extra();
        }
        if let Some(extra) = self.extra.get() {
            extra.stop_at.set(alarm.stop_at);
        }
        self.gate.store(OPEN, Relaxed);
        // The worker looks with the next packet, and then sees the totals above.
        self.look_at_octets.store(0, Release);
    }

    /// Stops the packets at once (a quota of zero), and tells of the next one if `guarded`. For the
    /// control side.
    pub fn exhaust(&self, guarded: bool) {
        self.gate
            .store(if guarded { GUARDED } else { SHUT }, Relaxed);
    }

    /// What has been counted so far. It may be a packet more than what has left, until that packet
    /// is [taken back](Self::void).
    pub fn volume(&self) -> Volume {
        let less = |counted: &AtomicU64, void: u64| counted.load(Relaxed).saturating_sub(void);
        let packets = |void: &AtomicU32| u64::from(void.load(Relaxed));
        Volume {
            uplink_octets: less(&self.uplink_octets, self.void_uplink_octets.load(Relaxed)),
            downlink_octets: less(
                &self.downlink_octets,
                self.void_downlink_octets.load(Relaxed),
            ),
            uplink_packets: less(&self.uplink_packets, packets(&self.void_uplink_packets)),
            downlink_packets: less(&self.downlink_packets, packets(&self.void_downlink_packets)),
        }
    }

    /// When the last packet was counted.
    pub fn last(&self) -> Moment {
        Moment(self.last.load(Relaxed))
    }

    // ===== what few URRs ask for =====

    /// Makes room for what is counted beside. For the control side, before a plan has it counted.
    pub(crate) fn make_extra(&self) {
        self.extra.get_or_init(Box::default);
    }

    /// Counts a packet before QoS enforcement. For the owning worker only.
    pub fn count_before(&self, direction: Direction, octets: u16) {
        if let Some(extra) = self.extra.get() {
            extra.before.count(direction, octets);
        }
    }

    /// What there was before QoS enforcement.
    pub fn volume_before(&self) -> Volume {
        let extra = self.extra.get();
        extra.map_or_else(Volume::default, |extra| extra.before.volume())
    }

    /// Counts a packet that was dropped; `true` when the control side has to be told. For the owning
    /// worker only.
    pub fn count_dropped(&self, direction: Direction, octets: u16) -> bool {
        let Some(extra) = self.extra.get() else {
            return false;
        };
        extra.dropped.count(direction, octets);
        let dropped = extra.dropped.volume();
        dropped.total_octets() >= extra.dropped_alarm_octets.load(Relaxed)
            || dropped.total_packets() >= extra.dropped_alarm_packets.load(Relaxed)
    }

    /// Called once [`count_dropped`](Self::count_dropped) was `true`, before the report.
    #[cold]
    pub fn disarm_dropped(&self) {
        self.arm_dropped(None, None);
    }

    /// What was dropped.
    pub fn volume_dropped(&self) -> Volume {
        let extra = self.extra.get();
        extra.map_or_else(Volume::default, |extra| extra.dropped.volume())
    }

    /// Sets the totals of dropped octets and packets at which to report.
    pub fn arm_dropped(&self, octets: Option<u64>, packets: Option<u64>) {
        if let Some(extra) = self.extra.get() {
            extra
                .dropped_alarm_octets
                .store(octets.unwrap_or(u64::MAX), Relaxed);
            extra
                .dropped_alarm_packets
                .store(packets.unwrap_or(u64::MAX), Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_with_the_packet_that_reaches_an_armed_total() {
        let usage = Usage::default();
        let mut state = 1_u64;
        let mut random = |most: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % most
        };
        let (mut alarm, mut alarms, mut stops) = (Alarm::default(), 0, 0);
        for _ in 0..100_000 {
            if random(50) == 0 || usage.is_exhausted() {
                let now = usage.volume();
                let mut armed = || {
                    let mut armed =
                        |counted: u64| (random(2) == 0).then(|| counted + random(20_000));
                    Totals {
                        total: armed(now.total_octets()),
                        uplink: armed(now.uplink_octets),
                        downlink: armed(now.downlink_octets),
                    }
                };
                alarm = Alarm {
                    report_at: armed(),
                    stop_at: armed(),
                };
                usage.arm(alarm);
            }
            let direction = [Direction::Uplink, Direction::Downlink][usize::from(random(2) == 0)];
            let octets = u16::try_from(random(1500)).unwrap();
            let due = usage.count(direction, octets, Moment(0));
            if random(20) == 0 {
                usage.void(direction, octets);
                // What does not leave is not held against a quota; it may be looked at early.
                assert!(due || !usage.is_due());
            } else {
                let counted = usage.volume();
                let reached = |at: Option<u64>, octets| at.is_some_and(|at| octets >= at);
                let one_of = |totals: Totals| {
                    reached(totals.total, counted.total_octets())
                        || reached(totals.uplink, counted.uplink_octets)
                        || reached(totals.downlink, counted.downlink_octets)
                };
                let (report, stop) = (one_of(alarm.report_at), one_of(alarm.stop_at));
                assert_eq!(due, report || stop, "{counted:?} {alarm:?}");
                // A report that found no room is tried again; one that did is the last.
                if due && random(3) > 0 {
                    usage.disarm();
                    assert_eq!(usage.is_exhausted(), stop);
                    alarms += 1;
                    stops += u32::from(stop);
                    if report {
                        alarm.report_at = Totals::default();
                    }
                    if stop {
                        alarm.stop_at = Totals::default();
                    }
                }
            }
        }
        assert!(alarms > 100 && stops > 50, "{alarms} {stops}");
    }
}
