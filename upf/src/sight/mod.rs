//! A UPF as operators see it: what the API asks, answered from what the node tells, what the workers
//! count and what DPDK says of ports. None of it stops a packet, and nothing waits for longer than
//! [`PATIENCE`].

mod metrics;
mod packets;
mod sessions;
mod state;

use std::sync::Arc;
use std::time::Duration;

use api::model::{
    BufferPool, Drop, Explanation, GtpuPeer, Health, Limit, LogLevels, Neighbour, Packet, Peer,
    Port, Reload, Route, SessionDetail, Setting, Traced, UePool, Version, Watch, Worker,
};
use api::{Answer, Gone, Problem, Reloading, Slice, Upf, Wanted};
use dpdk::{Eal, Pool, PortView};
use session::Seid;
use session::neighbour::Neighbours;
use session::topology::Topology;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, timeout};
use upf_cp::{Asker, Ended};
use upf_dp::explain::Explainer;
use upf_dp::watch::Watcher;

use crate::{Instance, Reloader};

/// How long the node may take to answer. It does so within milliseconds unless it has stopped.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is looked at. It shares nothing with the packet path but counters and tables that are read.
#[derive(Debug)]
pub struct Sight {
    started: Instant,
    eal: Eal,
    asker: Asker,
    counters: upf_dp::Counters,
    watcher: Watcher,
    explainer: Explainer,
    ports: Vec<Seen>,
    pools: Vec<&'static Pool>,
    topology: Arc<Topology>,
    neighbours: Arc<Neighbours>,
    cpus: Vec<Option<u32>>,
    reloader: Arc<Reloader>,
}

/// A port, and what does not change about it.
#[derive(Clone, Debug)]
struct Seen {
    view: PortView,
    is: Port,
}

impl Sight {
    /// A look at a UPF that runs.
    pub fn new(instance: &Instance, reloader: Arc<Reloader>) -> Self {
        let config = &reloader.in_force().config;
        let data_path = instance.data_path();
        let ports = data_path.ports().iter().zip(&config.ports);
        let names = config.ports.iter().map(|port| port.name.to_string());
        Self {
            started: Instant::now(),
            eal: instance.eal(),
            asker: instance.node().asker().clone(),
            counters: data_path.counters().clone(),
            watcher: data_path.watcher().clone(),
            explainer: data_path.explainer().clone().with_ports(names),
            ports: ports
                .zip(data_path.links())
                .map(|((port, configured), link)| Seen {
                    view: port.view(),
                    is: state::port(port.info(), configured, link),
                })
                .collect(),
            pools: instance.pools().to_vec(),
            topology: Arc::clone(instance.topology()),
            neighbours: Arc::clone(instance.neighbours()),
            cpus: instance.cpus().to_vec(),
            reloader,
        }
    }

    /// What the node answers, if it does so in time.
    async fn answer<T>(asked: impl Future<Output = Result<T, Ended>>) -> Result<T, Gone> {
        match timeout(PATIENCE, asked).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(Ended)) => Err(Gone::Ended),
            Err(_) => Err(Gone::Silent),
        }
    }
}

impl Upf for Sight {
    fn version(&self) -> Version {
        Version {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            dpdk: dpdk::version(),
            uptime_s: self.started.elapsed().as_secs(),
        }
    }

    fn health(&self) -> Answer<'_, Health> {
        Box::pin(async { Ok(self.judge().await) })
    }

    fn sessions(&self, wanted: Wanted, from: u32, most: usize) -> Answer<'_, Slice> {
        Box::pin(async move {
            let identities = sessions::identities(wanted.reveal);
            let filter = sessions::filter(wanted);
            let slice = Self::answer(self.asker.sessions(filter, from, most)).await?;
            let found = slice.sessions.iter();
            Ok(Slice {
                sessions: found.map(|of| sessions::summary(of, identities)).collect(),
                next: slice.next,
            })
        })
    }

    fn session_count(&self) -> Answer<'_, u64> {
        Box::pin(async {
            Ok(state::count(
                Self::answer(self.asker.session_count()).await?,
            ))
        })
    }

    fn session(&self, seid: u64, reveal: bool) -> Answer<'_, Option<SessionDetail>> {
        Box::pin(async move {
            let identities = sessions::identities(reveal);
            let found = Self::answer(self.asker.session(Seid(seid))).await?;
            Ok(found.map(|status| sessions::detail(&status, identities, &self.topology)))
        })
    }

    fn peers(&self) -> Answer<'_, Vec<Peer>> {
        Box::pin(async {
            let peers = Self::answer(self.asker.peers()).await?;
            Ok(peers.iter().map(state::peer).collect())
        })
    }

    fn ports(&self) -> Answer<'_, Vec<Port>> {
        Box::pin(async { Ok(self.see_ports().await) })
    }

    fn workers(&self) -> Answer<'_, Vec<Worker>> {
        Box::pin(async { Ok(self.see_workers()) })
    }

    fn routes(&self) -> Answer<'_, Vec<Route>> {
        Box::pin(async { Ok(state::routes(&self.topology)) })
    }

    fn neighbours(&self) -> Answer<'_, Vec<Neighbour>> {
        Box::pin(async { Ok(self.see_neighbours()) })
    }

    fn gtpu_peers(&self) -> Answer<'_, Vec<GtpuPeer>> {
        Box::pin(async {
            let paths = Self::answer(self.asker.paths()).await?;
            Ok(paths.iter().map(state::gtpu_peer).collect())
        })
    }

    fn ue_pools(&self) -> Answer<'_, Vec<UePool>> {
        Box::pin(async {
            let pools = Self::answer(self.asker.ue_pools()).await?;
            Ok(pools.iter().map(state::ue_pool).collect())
        })
    }

    fn drops(&self) -> Answer<'_, Vec<Drop>> {
        Box::pin(async { Ok(self.see_drops()) })
    }

    fn limits(&self) -> Answer<'_, Vec<Limit>> {
        Box::pin(async {
            let counters = Self::answer(self.asker.counters()).await?;
            let sessions = state::count(Self::answer(self.asker.session_count()).await?);
            let peers = state::count(Self::answer(self.asker.peers()).await?.len());
            let paths = state::count(Self::answer(self.asker.paths()).await?.len());
            let now = state::Now {
                sessions,
                peers,
                paths,
                held: self
                    .see_workers()
                    .iter()
                    .map(|worker| worker.held_packets)
                    .sum(),
            };
            Ok(state::limits(
                &self.reloader.in_force().config,
                &counters,
                now,
            ))
        })
    }

    fn buffer_pools(&self) -> Answer<'_, Vec<BufferPool>> {
        Box::pin(async { Ok(self.pools.iter().copied().map(state::buffer_pool).collect()) })
    }

    fn settings(&self) -> Vec<Setting> {
        let in_force = self.reloader.in_force();
        let settings = in_force.origins.iter().map(|setting| Setting {
            key: setting.key.clone(),
            value: setting.value.clone(),
            origin: setting.origin.to_string(),
        });
        settings.collect()
    }

    fn reload(&self, how: Reloading) -> Answer<'_, Reload> {
        Box::pin(async move {
            let reload = self.reloader.reload(how).await;
            reload.map_err(|_| Gone::Ended)
        })
    }

    fn log_levels(&self) -> LogLevels {
        self.reloader.levels().get()
    }

    fn set_log_levels(&self, levels: LogLevels) {
        let set = levels.to_string();
        tracing::info!(target: "upf::audit", levels = set, "log levels");
        self.reloader.levels().set(levels);
    }

    fn explain(&self, packets: Vec<Packet>) -> Answer<'_, Result<Vec<Explanation>, Problem>> {
        Box::pin(async move { self.explain(&packets).await })
    }

    fn trace(&self, which: Watch) -> Answer<'_, Result<Receiver<Traced>, Problem>> {
        Box::pin(async move { self.trace(&which).await })
    }

    fn capture(&self, which: Watch) -> Answer<'_, Result<Receiver<Vec<u8>>, Problem>> {
        Box::pin(async move { self.capture(&which).await })
    }

    fn metrics(&self) -> Answer<'_, String> {
        Box::pin(async { self.metrics_text().await })
    }
}
