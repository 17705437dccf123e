//! All that is counted, for Prometheus: gathered anew for each scrape, and written in one go. The
//! packet path knows nothing of it. Every series is there from the start, with zero.

mod node;
mod packets;

use std::fmt;

use api::Gone;
use api::model::{BufferPool, Peer, Port, UePool, Version, Worker};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Metric, Registry};
use upf_cp::{Counters, PathStatus};

use super::{Sight, state};
use crate::Counts;

/// What one scrape shows.
#[derive(Debug)]
struct Scrape {
    version: Version,
    counts: Counts,
    counters: Box<Counters>,
    sessions: u64,
    peers: Vec<Peer>,
    paths: Vec<PathStatus>,
    ports: Vec<Port>,
    workers: Vec<Worker>,
    buffers: Vec<BufferPool>,
    ue_pools: Vec<UePool>,
}

impl Sight {
    pub(super) async fn metrics_text(&self) -> Result<String, Gone> {
        let buffers = self.pools.iter().copied().map(state::buffer_pool);
        let ue_pools = Self::answer(self.asker.ue_pools()).await?;
        let peers = Self::answer(self.asker.peers()).await?;
        let scrape = Scrape {
            version: api::Upf::version(self),
            counts: self.counts(),
            counters: Self::answer(self.asker.counters()).await?,
            sessions: state::count(Self::answer(self.asker.session_count()).await?),
            peers: peers.iter().map(state::peer).collect(),
            paths: Self::answer(self.asker.paths()).await?,
            ports: self.see_ports().await,
            workers: self.see_workers(),
            buffers: buffers.collect(),
            ue_pools: ue_pools.iter().map(state::ue_pool).collect(),
        };
        let mut registry = Registry::default();
        registry.register_collector(Box::new(scrape));
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = text::encode(&mut text, &registry);
        Ok(text)
    }
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        self.program(&mut page)?;
        self.ports(&mut page)?;
        self.workers(&mut page)?;
        self.memory(&mut page)?;
        self.pfcp(&mut page)?;
        self.sessions(&mut page)?;
        self.peers(&mut page)
    }
}

impl Scrape {
    fn program(&self, page: &mut Page<'_>) -> fmt::Result {
        let Version { version, dpdk, .. } = &self.version;
        page.gauge(
            "upf_build_info",
            "Which program this is",
            [([("version", version.as_str()), ("dpdk", dpdk)], 1)],
        )?;
        page.gauge(
            "upf_uptime_seconds",
            "Time since the start",
            [(NONE, self.version.uptime_s)],
        )
    }
}

/// A figure of something: its name, what it is, and where it comes from.
type Figure<S> = (&'static str, &'static str, fn(&S) -> u64);

/// No labels.
const NONE: [(&str, &str); 0] = [];

/// What is written.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    /// A counter with a series for each set of labels; `_total` is added to its name.
    fn counter<L: AsRef<[(&'static str, S)]>, S: AsRef<str>>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        self.family(name, help, series, ConstCounter::new)
    }

    /// A gauge, likewise.
    fn gauge<L: AsRef<[(&'static str, S)]>, S: AsRef<str>>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        self.family(name, help, series, ConstGauge::new)
    }

    /// A counter for each figure, with a series for each item.
    fn counters<S, L: AsRef<[(&'static str, T)]>, T: AsRef<str>>(
        &mut self,
        figures: &[Figure<S>],
        items: &[S],
        labels: impl Fn(&S) -> L,
    ) -> fmt::Result {
        self.figures(figures, items, labels, ConstCounter::new)
    }

    /// A gauge for each figure, likewise.
    fn gauges<S, L: AsRef<[(&'static str, T)]>, T: AsRef<str>>(
        &mut self,
        figures: &[Figure<S>],
        items: &[S],
        labels: impl Fn(&S) -> L,
    ) -> fmt::Result {
        self.figures(figures, items, labels, ConstGauge::new)
    }

    fn figures<S, L: AsRef<[(&'static str, T)]>, T: AsRef<str>, M: EncodeMetric + Metric>(
        &mut self,
        figures: &[Figure<S>],
        items: &[S],
        labels: impl Fn(&S) -> L,
        metric: impl Fn(u64) -> M + Copy,
    ) -> fmt::Result {
        figures.iter().try_for_each(|(name, help, of)| {
            let series = items.iter().map(|item| (labels(item), of(item)));
            self.family(name, help, series, metric)
        })
    }

    fn family<L: AsRef<[(&'static str, S)]>, S: AsRef<str>, M: EncodeMetric + Metric>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (L, u64)>,
        metric: impl Fn(u64) -> M,
    ) -> fmt::Result {
        let mut family = self
            .0
            .encode_descriptor(name, help, None, metric(0).metric_type())?;
        for (labels, value) in series {
            let labels = labels.as_ref().iter();
            let labels: Vec<(&str, &str)> =
                labels.map(|(key, value)| (*key, value.as_ref())).collect();
            if labels.is_empty() {
                return metric(value).encode(family);
            }
            metric(value).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
