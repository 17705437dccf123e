//! The highest rate without loss, and how long packets take at shares of it.
//!
//! The generator sends at a pace of its own, whether packets come back or not. Each packet carries
//! when it was to be sent: time is counted from there, so that a generator which is late does not
//! hide what its packets wait for. The rate is found by halving; what was found has to hold in
//! three more trials, else it is lowered. A trial counts if generator and worker had their CPUs for
//! themselves.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::*;

/// Packets of a burst that is sent at once.
const SENT_AT_ONCE: usize = 32;
/// Length of a trial in milliseconds, unless `trial=N` says otherwise.
const TRIAL_MS: u64 = 100;
/// Trials in all for one rate, should others use the machine.
const ATTEMPTS: usize = 12;
/// Trials that a rate has to pass, once found.
const VERIFIED: usize = 3;
/// A loop of the generator that took longer had no CPU.
const GAP_US: u64 = 20;
/// Where a packet carries when it was to be sent, and its session: from the end.
const STAMP: usize = 12;

/// One rate, for a while.
struct Trial {
    /// When it began: what was to be sent before is another's.
    start: u64,
    offered: u64,
    returned: u64,
    /// Whether the generator kept its pace and the worker its CPU.
    valid: bool,
    /// In cycles.
    times: Histogram<u64>,
}

impl Trial {
    const fn is_lossless(&self) -> bool {
        self.offered == self.returned
    }
}

/// What was found.
pub(super) struct Found {
    hz: u64,
    /// Packets a second without loss; none when no trial counted.
    lossless: Option<f64>,
    /// As fast as the generator goes by itself.
    fastest: f64,
    /// Shares of the rate in per cent, with times of all trials that counted and their number.
    times: Vec<(u32, Histogram<u64>, usize)>,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(rate) = self.lossless else {
            return write!(f, "    no trial counted: others used the CPUs");
        };
        write!(
            f,
            "    without loss {:.2} million packets a second{}",
            rate / 1e6,
            if rate >= self.fastest * 0.97 {
                ", all that the generator can do"
            } else {
                ""
            }
        )?;
        for (share, times, trials) in &self.times {
            let at = |quantile| times.value_at_quantile(quantile) as f64 * 1e6 / self.hz as f64;
            write!(
                f,
                "\n    at {share:>2} %: p50 {:.1} µs, p90 {:.1}, p99 {:.1}, p99.9 {:.1}, p99.99 {:.1}, max {:.1}; {} packets of {trials} trials",
                at(0.5),
                at(0.9),
                at(0.99),
                at(0.999),
                at(0.9999),
                at(1.0),
                times.len()
            )?;
        }
        Ok(())
    }
}

/// Looks for the rate, then measures times.
pub(super) fn search(generator: &mut Generator, thread: &str, hz: u64) -> Found {
    let mut found = Found {
        hz,
        lossless: None,
        fastest: 0.0,
        times: Vec::new(),
    };
    // Without a pace: what the generator can do.
    let most = trial(generator, thread, hz, f64::INFINITY);
    found.fastest = most.offered as f64 / trial_length().as_secs_f64();
    let (mut low, mut high) = (0.0, found.fastest);
    while high - low > found.fastest * 0.01 {
        let rate = f64::midpoint(low, high);
        match counted(generator, thread, hz, rate) {
            None => return found,
            Some(trial) if trial.is_lossless() => low = rate,
            Some(_) => high = rate,
        }
    }
    while low > 0.0 {
        match holds(generator, thread, hz, low) {
            None => return found,
            Some(true) => break,
            Some(false) => low *= 0.97,
        }
    }
    if low > 0.0 {
        found.lossless = Some(low);
        for share in [1, 10, 50, 90] {
            let rate = low * f64::from(share) / 100.0;
            let mut all = times();
            let mut trials = 0;
            for _ in 0..ATTEMPTS {
                let trial = trial(generator, thread, hz, rate);
                if trial.valid {
                    all.add(trial.times).unwrap();
                    trials += 1;
                }
            }
            found.times.push((share, all, trials));
        }
    }
    found
}

/// Whether nothing is lost at a rate, however often; `None` if that cannot be told.
fn holds(generator: &mut Generator, thread: &str, hz: u64, rate: f64) -> Option<bool> {
    for _ in 0..VERIFIED {
        if !counted(generator, thread, hz, rate)?.is_lossless() {
            return Some(false);
        }
    }
    Some(true)
}

/// A trial that counts, if there is one.
fn counted(generator: &mut Generator, thread: &str, hz: u64, rate: f64) -> Option<Trial> {
    (0..ATTEMPTS)
        .map(|_| trial(generator, thread, hz, rate))
        .find(|trial| trial.valid)
}

fn trial_length() -> Duration {
    let wanted = std::env::args().find_map(|text| text.strip_prefix("trial=")?.parse().ok());
    Duration::from_millis(wanted.unwrap_or(TRIAL_MS))
}

fn times() -> Histogram<u64> {
    Histogram::new(3).unwrap()
}

fn trial(generator: &mut Generator, thread: &str, hz: u64, rate: f64) -> Trial {
    let waited = waited_ns(thread);
    let start = dpdk::cycles();
    let mut trial = Trial {
        start,
        offered: 0,
        returned: 0,
        valid: true,
        times: times(),
    };
    let interval = if rate.is_finite() {
        (SENT_AT_ONCE as f64 / rate * hz as f64) as u64
    } else {
        0
    };
    let gap = GAP_US * hz / 1_000_000;
    let end = start + trial_length().as_nanos() as u64 * (hz / 1_000_000) / 1000;
    let (mut due, mut last) = (start, start);
    loop {
        let now = dpdk::cycles();
        trial.valid &= now - last < gap;
        last = now;
        if now >= end {
            break;
        }
        if now >= due {
            send(generator, &mut trial, due);
            due += interval;
        }
        take_back(generator, &mut trial);
    }
    // A generator that is behind by more than a gap has not offered the rate.
    trial.valid &= interval == 0 || due + gap > end;
    let patience = last + hz / 100;
    while trial.returned < trial.offered && dpdk::cycles() < patience {
        take_back(generator, &mut trial);
    }
    let waited_then = waited_ns(thread).unwrap_or(0);
    trial.valid &= waited_then - waited.unwrap_or(0) < GAP_US * 1000;
    trial
}

/// Sends a burst; what the ring does not take is lost.
fn send(generator: &mut Generator, trial: &mut Trial, due: u64) {
    assert!(
        generator.pool.fill(&mut generator.ready, SENT_AT_ONCE),
        "the pool has run dry"
    );
    for at in 0..SENT_AT_ONCE {
        generator.numbers[at] = generator.any_session();
    }
    for (packet, number) in generator.ready.iter_mut().zip(generator.numbers) {
        generator.traffic.address(&mut generator.frame, number);
        let at = generator.frame.len() - STAMP;
        generator.frame[at..at + 8].copy_from_slice(&due.to_be_bytes());
        generator.frame[at + 8..].copy_from_slice(&number.to_be_bytes());
        assert!(packet.extend_from_slice(&generator.frame), "a frame fits");
    }
    let port = usize::from(!generator.traffic.uplink);
    generator.wires.tx[port].send(&mut generator.ready);
    generator.ready.clear();
    trial.offered += SENT_AT_ONCE as u64;
}

fn take_back(generator: &mut Generator, trial: &mut Trial) {
    let out = usize::from(generator.traffic.uplink);
    // What the UPF asks of its neighbours.
    generator.wires.rx[1 - out].receive(&mut generator.back);
    generator.back.clear();
    generator.wires.rx[out].receive(&mut generator.back);
    let now = dpdk::cycles();
    for packet in &*generator.back {
        let data = packet.data();
        if data[12..14] != [8, 0] {
            continue;
        }
        let (_, stamp) = data.split_at(data.len() - STAMP);
        let (due, number) = stamp.split_at(8);
        let due = u64::from_be_bytes(due.try_into().unwrap());
        let number = u32::from_be_bytes(number.try_into().unwrap());
        generator.traffic.check(data, number);
        if due < trial.start {
            continue;
        }
        trial.times.saturating_record(now.saturating_sub(due));
        trial.returned += 1;
    }
    generator.back.clear();
}
