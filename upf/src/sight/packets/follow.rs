//! Follows packets: reads what the workers note of them, until there were enough or nobody wants to
//! know any more.

use std::collections::BTreeMap;
use std::time::Duration;

use api::model::{TraceEnd, Traced};
use session::meter::Now;
use session::{Rules, Seid};
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, sleep};
use upf_cp::Asker;
use upf_dp::explain::{Explainer, Explanation};
use upf_dp::watch::{Sample, Watching};

use super::capture::Capture;
use super::said;

/// How long it sleeps between two looks.
const PAUSE: Duration = Duration::from_millis(10);
/// Packets of one look.
const LOOK_MAX: usize = 1_024;
/// How long rules that were asked for are taken for those in force.
const FRESH: Duration = Duration::from_millis(200);
/// Sessions whose rules are kept.
const RULES_MAX: usize = 256;

/// Somebody who follows packets.
#[derive(Debug)]
pub(super) struct Follow {
    watching: Watching,
    asker: Asker,
    explainer: Explainer,
    clock: Clock,
    until: Instant,
    left: usize,
    rules: BTreeMap<Seid, (Instant, Option<Rules>)>,
}

/// What time it was at which time stamp.
#[derive(Clone, Copy, Debug)]
struct Clock {
    cycles: u64,
    hz: u64,
    since_1970: Duration,
}

impl Clock {
    fn new(hz: u64) -> Self {
        #[allow(clippy::disallowed_methods, reason = "packets bear the time of day")]
        let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self {
            cycles: dpdk::cycles(),
            hz: hz.max(1),
            since_1970: since_1970.unwrap_or_default(),
        }
    }

    fn time(self, at: Now) -> Duration {
        let ns = |cycles: u64| {
            let ns = u128::from(cycles) * 1_000_000_000 / u128::from(self.hz);
            Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX))
        };
        match at.0.checked_sub(self.cycles) {
            Some(after) => self.since_1970.saturating_add(ns(after)),
            None => self.since_1970.saturating_sub(ns(self.cycles - at.0)),
        }
    }
}

impl Follow {
    pub(super) fn new(
        watching: Watching,
        asker: Asker,
        explainer: Explainer,
        hz: u64,
        (packets, seconds): (u32, u32),
    ) -> Self {
        Self {
            watching,
            asker,
            explainer,
            clock: Clock::new(hz),
            until: Instant::now() + Duration::from_secs(seconds.into()),
            left: usize::try_from(packets).unwrap_or(usize::MAX),
            rules: BTreeMap::new(),
        }
    }

    /// Tells of each packet.
    pub(super) async fn tell(mut self, to: Sender<Traced>) {
        let mut packets = 0;
        while let Some(samples) = self.next(&to).await {
            for sample in samples {
                let told = self.explain(&sample).await;
                let time = self.clock.time(sample.at).as_nanos();
                let told = said::explanation(&told, u64::try_from(time).ok());
                if to.send(Traced::Packet(Box::new(told))).await.is_err() {
                    return;
                }
                packets += 1;
            }
        }
        let missed = self.watching.missed();
        let _ = to.send(Traced::End(TraceEnd { packets, missed })).await;
    }

    /// Writes each packet down.
    pub(super) async fn capture(mut self, mut capture: Capture, to: Sender<Vec<u8>>) {
        loop {
            let piece = capture.take();
            if !piece.is_empty() && to.send(piece).await.is_err() {
                return;
            }
            let more = self.next(&to).await;
            let Some(samples) = more.filter(|_| !capture.is_full()) else {
                break;
            };
            for sample in samples {
                let told = self.explain(&sample).await;
                capture.add(&sample, &told, self.clock.time(sample.at));
            }
        }
        capture.end(self.watching.missed());
        let _ = to.send(capture.take()).await;
    }

    /// The next packets, in the order of their times; `None` when there are enough, it is time to
    /// end, or nobody reads what is told.
    async fn next<T>(&mut self, to: &Sender<T>) -> Option<Vec<Sample>> {
        while self.left > 0 && !to.is_closed() {
            // What has come by the end is told, too.
            let is_over = Instant::now() >= self.until;
            let mut samples = Vec::new();
            let most = self.left.min(LOOK_MAX);
            self.left -= self
                .watching
                .read(most, |sample| samples.push(sample.clone()));
            if !samples.is_empty() {
                samples.sort_by_key(|sample| sample.at.0);
                return Some(samples);
            }
            if is_over {
                return None;
            }
            sleep(PAUSE).await;
        }
        None
    }

    async fn explain(&mut self, sample: &Sample) -> Explanation {
        let Some((_, seid)) = sample.session else {
            return self.explainer.tell(sample, None);
        };
        self.learn_rules(seid).await;
        let rules = self.rules.get(&seid).and_then(|(_, rules)| rules.as_ref());
        self.explainer.tell(sample, rules)
    }

    async fn learn_rules(&mut self, seid: Seid) {
        let now = Instant::now();
        let known = self.rules.get(&seid);
        if known.is_none_or(|(at, _)| now - *at > FRESH) {
            let session = self.asker.session(seid).await.ok().flatten();
            if self.rules.len() >= RULES_MAX {
                self.rules.clear();
            }
            self.rules
                .insert(seid, (now, session.map(|session| session.rules)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_stamps_are_times_of_day() {
        let clock = Clock {
            cycles: 1_000,
            hz: 2_000_000_000,
            since_1970: Duration::from_secs(7),
        };
        let time = |cycles| clock.time(Now(cycles)).as_nanos();
        assert_eq!(time(1_000), 7_000_000_000);
        assert_eq!(time(1_000 + 2_000_000_000), 8_000_000_000);
        assert_eq!(time(0), 7_000_000_000 - 500);
    }
}
