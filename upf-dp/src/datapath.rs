//! The packet path as a whole: ports, workers, and the rings between them.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use dpdk::ring::{Consumer, Producer, spsc};
use dpdk::{Eal, Pool, Port, Rx, Tx};
use session::neighbour::Neighbours;
use session::report::WorkerEnd;
use session::topology::Topology;
use session::{Reader, WorkerId};
use thiserror::Error;

use crate::counters::{WorkerCells, WorkerCounts};
use crate::explain::{Explainer, Names};
use crate::held::{Bound, HeldLimits, WhenFull};
use crate::idle::Idle;
use crate::links::{Links, PortLink};
use crate::path::PathConfig;
use crate::slow::SlowConfig;
use crate::watch::Watcher;
use crate::worker::{self, Carried, Parts, Queues, Reserve, Stop};

/// What the packet path is made of.
#[derive(Debug)]
pub struct DataPathConfig {
    /// The ports, opened and not started, in the order that the topology counts them in. Each has a
    /// transmit queue for every worker; its receive queues are dealt out among the workers.
    pub ports: Vec<Port>,
    /// Where packets of our own come from.
    pub pool: &'static Pool,
    /// Interfaces, networks and routes.
    pub topology: Arc<Topology>,
    /// Next hops, shared with the control side.
    pub neighbours: Arc<Neighbours>,
    /// Addresses of the UPF that no interface of the topology has, such as that of N4.
    pub own_addresses: Vec<IpAddr>,
    /// One worker each: the CPU it is pinned to, or none.
    pub workers: Vec<Option<u32>>,
    /// The pools that received packets lie in, if they are others.
    pub more_pools: Vec<&'static Pool>,
    /// What is held for idle UEs.
    pub hold: HoldConfig,
    /// What each worker does besides forwarding.
    pub slow: SlowConfig,
    /// What each worker does when there is nothing to do.
    pub idle: Idle,
    /// Packets that fit in the ring from one worker to another.
    pub ring_packets: usize,
}

/// What is held for idle UEs, by all workers together; each has an equal part of it.
#[derive(Clone, Copy, Debug)]
pub struct HoldConfig {
    /// In all.
    pub total: Bound,
    /// Of the sessions of one SMF.
    pub per_smf: Bound,
    /// How many SMFs are told apart.
    pub smfs: u16,
    /// Octets of one session.
    pub session_octets: u64,
    /// What gives way at a bound.
    pub when_full: WhenFull,
    /// How long, in seconds.
    pub expiry_s: u32,
    /// Percent of a pool's buffers that held packets never exceed.
    pub pool_share: u8,
    /// Percent of a pool's buffers below which those that are free must not fall: held packets give
    /// way then.
    pub pool_reserve: u8,
}

impl Default for HoldConfig {
    fn default() -> Self {
        Self {
            total: Bound::NONE,
            per_smf: Bound::NONE,
            smfs: 1,
            session_octets: u64::MAX,
            when_full: WhenFull::Newest,
            expiry_s: 60,
            pool_share: 50,
            pool_reserve: 10,
        }
    }
}

impl HoldConfig {
    /// So many packets in all, and no bound besides.
    pub fn of_packets(packets: u32) -> Self {
        let total = Bound {
            packets,
            ..Bound::NONE
        };
        Self {
            total,
            ..Self::default()
        }
    }

    /// The part of one of so many workers, when the smallest pool has so many buffers.
    fn of_worker(&self, workers: u32, pool: u32, hz: u64) -> HeldLimits {
        let part = |whole: Bound| Bound {
            packets: whole.packets / workers,
            octets: whole.octets / u64::from(workers),
        };
        let total = Bound {
            packets: self.total.packets.min(percent(pool, self.pool_share)),
            ..self.total
        };
        HeldLimits {
            total: part(total),
            per_smf: part(self.per_smf),
            smfs: self.smfs,
            session_octets: self.session_octets,
            when_full: self.when_full,
            expiry_cycles: hz.saturating_mul(self.expiry_s.into()),
        }
    }
}

fn percent(of: u32, share: u8) -> u32 {
    u32::try_from(u64::from(of) * u64::from(share) / 100).unwrap_or(u32::MAX)
}

/// Why the packet path did not start, or did not stop in order.
#[derive(Debug, Error)]
pub enum DataPathError {
    /// DPDK refused.
    #[error(transparent)]
    Dpdk(#[from] dpdk::Error),
    /// Without a worker nobody moves packets.
    #[error("no worker is configured")]
    NoWorkers,
    /// Every worker needs a reader of the tables and a pair of queues.
    #[error("{workers} workers, but {readers} readers and {ends} queues")]
    Ends {
        /// Workers.
        workers: usize,
        /// Readers.
        readers: usize,
        /// Queues.
        ends: usize,
    },
    /// Every worker needs a transmit queue of every port.
    #[error("port {port} has {queues} transmit queues for {workers} workers")]
    TransmitQueues {
        /// The port.
        port: String,
        /// Its queues.
        queues: usize,
        /// Workers.
        workers: usize,
    },
    /// An interface names a port that is not there.
    #[error("interface {interface} is on port {port}, which is not there")]
    NoPort {
        /// The interface.
        interface: String,
        /// The port's number.
        port: u16,
    },
    /// A worker ended by itself.
    #[error("worker {0} has panicked")]
    Worker(usize),
}

/// The packet path at work. Dropping it leaves it running: [`stop`](Self::stop) ends it.
#[derive(Debug)]
pub struct DataPath {
    stop: Arc<Stop>,
    workers: Vec<dpdk::Worker<Queues>>,
    ports: Vec<Port>,
    links: Arc<Links>,
    counters: Counters,
    watcher: Watcher,
    explainer: Explainer,
    /// Transmit queues that no worker uses.
    spare: Vec<Tx>,
}

/// What all workers count, to be read by anybody at any time.
#[derive(Clone, Debug)]
pub struct Counters(Arc<[Arc<WorkerCells>]>);

impl Counters {
    /// What has been counted, worker by worker.
    pub fn read(&self) -> Vec<WorkerCounts> {
        self.0.iter().map(|cells| cells.read()).collect()
    }
}

/// What is left when the packet path has stopped.
#[derive(Debug)]
pub struct Stopped {
    /// The ports, stopped.
    pub ports: Vec<Port>,
    /// The last counts.
    pub counts: Vec<WorkerCounts>,
}

impl DataPath {
    /// Starts the ports and the workers. There is one of `readers` and of `ends` for each worker, in
    /// the order of their [`WorkerId`]s.
    ///
    /// # Errors
    /// When numbers do not fit together, a port does not start, or there are no threads.
    pub fn start(
        eal: Eal,
        mut config: DataPathConfig,
        readers: Vec<Reader>,
        ends: Vec<WorkerEnd>,
    ) -> Result<Self, DataPathError> {
        let workers = config.workers.len();
        check(&config, readers.len(), ends.len())?;
        let links = Arc::new(links(&config)?);
        let (queues, spare) = deal_queues(&mut config.ports, workers)?;
        let stop = Arc::new(Stop::default());
        let cells = (0..workers).map(|_| Arc::new(WorkerCells::new(config.ports.len())));
        let counters = Counters(cells.collect());
        let rings = rings(workers, config.ring_packets);
        let reserve = |pool: &'static Pool| (pool, percent(pool.size(), config.hold.pool_reserve));
        let pools: Arc<[Reserve]> = pools(&config).map(reserve).collect();
        let per_worker = queues
            .into_iter()
            .zip(rings)
            .zip(readers.into_iter().zip(ends));
        let (watcher, mut started) = (Watcher::default(), Vec::new());
        for (number, ((dealt, rings), (reader, end))) in per_worker.enumerate() {
            let id = WorkerId(u8::try_from(number).unwrap_or(u8::MAX));
            let parts = Parts {
                config: path_config(eal, &config, id),
                idle: config.idle,
                links: Arc::clone(&links),
                neighbours: Arc::clone(&config.neighbours),
                cells: counters.0.get(number).map_or_else(no_cells, Arc::clone),
                pool: config.pool,
                pools: Arc::clone(&pools),
                queues: Queues {
                    rx: dealt.rx,
                    tx: dealt.tx,
                    reader,
                    end,
                },
                watch: watcher.add_worker(),
                to_workers: rings.to,
                from_workers: rings.from,
            };
            let flag = Arc::clone(&stop);
            let cpu = config.workers.get(number).copied().flatten();
            let name = format!("upf-worker-{number}");
            match eal.spawn(&name, cpu, move |lcore| worker::run(parts, &flag, lcore)) {
                Ok(worker) => started.push(worker),
                Err(error) => {
                    // The others have nobody to hand their packets to.
                    stop.wanted.store(true, Ordering::Release);
                    for worker in started {
                        drop(worker.join());
                    }
                    return Err(error.into());
                }
            }
        }
        let names = Names {
            ports: config
                .ports
                .iter()
                .map(|port| port.name().to_owned())
                .collect(),
            topology: config.topology,
        };
        let of_links = Arc::clone(&links);
        Ok(Self {
            stop,
            workers: started,
            ports: config.ports,
            explainer: Explainer::new(of_links, config.neighbours, names, config.slow),
            links,
            counters,
            watcher,
            spare,
        })
    }

    /// What the workers count.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// For those who want to watch packets.
    pub const fn watcher(&self) -> &Watcher {
        &self.watcher
    }

    /// For those who want to know what would happen to a packet, or what has.
    pub const fn explainer(&self) -> &Explainer {
        &self.explainer
    }

    /// The ports, to be asked for their state.
    pub fn ports(&self) -> &[Port] {
        &self.ports
    }

    /// Our Ethernet address and MTU on each port.
    pub fn links(&self) -> Vec<PortLink> {
        (0..)
            .map_while(|port| self.links.port(port).copied())
            .collect()
    }

    /// Stops the workers, then the ports.
    ///
    /// # Errors
    /// When a worker has panicked, or a port does not stop; the others are stopped nevertheless.
    pub fn stop(mut self) -> Result<Stopped, DataPathError> {
        self.stop.wanted.store(true, Ordering::Release);
        let (mut rx, mut tx): (Vec<Rx>, Vec<Tx>) = (Vec::new(), self.spare);
        let mut failed = None;
        for (number, worker) in self.workers.into_iter().enumerate() {
            match worker.join() {
                Ok(queues) => {
                    rx.extend(queues.rx.into_iter().map(|(_, rx)| rx));
                    tx.extend(queues.tx);
                }
                Err(_) => failed = Some(DataPathError::Worker(number)),
            }
        }
        for port in &mut self.ports {
            let id = port.id();
            let (own, others) = rx.into_iter().partition(|queue| queue.port() == id);
            rx = others;
            let (own_tx, others) = tx.into_iter().partition(|queue| queue.port() == id);
            tx = others;
            if let Err((_, error)) = port.stop(dpdk::Queues {
                rx: own,
                tx: own_tx,
            }) {
                failed = failed.or(Some(error.into()));
            }
        }
        match failed {
            Some(error) => Err(error),
            None => Ok(Stopped {
                ports: self.ports,
                counts: self.counters.read(),
            }),
        }
    }
}

fn check(config: &DataPathConfig, readers: usize, ends: usize) -> Result<(), DataPathError> {
    let workers = config.workers.len();
    if workers == 0 {
        return Err(DataPathError::NoWorkers);
    }
    if readers != workers || ends != workers {
        return Err(DataPathError::Ends {
            workers,
            readers,
            ends,
        });
    }
    Ok(())
}

fn no_cells() -> Arc<WorkerCells> {
    Arc::new(WorkerCells::new(0))
}

fn path_config(eal: Eal, config: &DataPathConfig, worker: WorkerId) -> PathConfig {
    let hz = dpdk::cycles_hz(eal);
    let workers = u32::try_from(config.workers.len()).unwrap_or(1).max(1);
    let smallest = pools(config).map(Pool::size).min();
    PathConfig {
        worker,
        workers: u8::try_from(workers).unwrap_or(u8::MAX),
        hz,
        held: config.hold.of_worker(workers, smallest.unwrap_or(0), hz),
        slow: config.slow,
    }
}

/// All pools that packets lie in.
fn pools(config: &DataPathConfig) -> impl Iterator<Item = &'static Pool> {
    [config.pool]
        .into_iter()
        .chain(config.more_pools.iter().copied())
}

fn links(config: &DataPathConfig) -> Result<Links, DataPathError> {
    let interfaces = &config.topology.interfaces;
    for interface in interfaces {
        if usize::from(interface.port) >= config.ports.len() {
            let (interface, port) = (interface.name.clone(), interface.port);
            return Err(DataPathError::NoPort { interface, port });
        }
    }
    let mut links = Vec::new();
    for (number, port) in (0_u16..).zip(&config.ports) {
        let mac = port.mac()?.0;
        let is_kernel = interfaces
            .iter()
            .any(|on| on.port == number && on.kernel.is_some());
        links.push(PortLink {
            mac: if is_kernel { beside(mac) } else { mac },
            kernel_mac: is_kernel.then_some(mac),
            mtu: port.info().mtu,
        });
    }
    Ok(Links::new(
        &config.topology,
        &links,
        &config.own_addresses,
        &config.neighbours,
    ))
}

/// An Ethernet address for our end of a TAP, whose driver tells that of the kernel's end: locally
/// administered, and another.
const fn beside(kernel: [u8; 6]) -> [u8; 6] {
    let [a, b, c, d, e, f] = kernel;
    [a & !1 | 2, b, c, d, e, f ^ 1]
}

/// The queues of one worker.
#[derive(Debug, Default)]
struct Dealt {
    rx: Vec<(u16, Rx)>,
    tx: Vec<Tx>,
}

/// Starts the ports, and deals their queues out: a transmit queue of each port to each worker, the
/// receive queues in turn. Transmit queues that are left over are kept, to stop the port with.
fn deal_queues(ports: &mut [Port], workers: usize) -> Result<(Vec<Dealt>, Vec<Tx>), DataPathError> {
    let mut spare = Vec::new();
    let mut dealt: Vec<Dealt> = (0..workers).map(|_| Dealt::default()).collect();
    // Ports with a single queue are spread over the workers, too.
    let mut turn = 0_usize;
    for (number, port) in (0_u16..).zip(ports) {
        let queues = port.start()?;
        if queues.tx.len() < workers {
            let (name, have) = (port.name().to_owned(), queues.tx.len());
            drop(port.stop(queues));
            return Err(DataPathError::TransmitQueues {
                port: name,
                queues: have,
                workers,
            });
        }
        let mut tx = queues.tx.into_iter();
        for (worker, tx) in dealt.iter_mut().zip(tx.by_ref()) {
            worker.tx.push(tx);
        }
        for rx in queues.rx {
            if let Some(worker) = dealt.get_mut(turn % workers) {
                worker.rx.push((number, rx));
            }
            turn = turn.wrapping_add(1);
        }
        spare.extend(tx);
    }
    Ok((dealt, spare))
}

/// One worker's ends of the rings to and from all others.
#[derive(Debug, Default)]
struct Rings {
    to: Vec<Option<Producer<Carried>>>,
    from: Vec<Consumer<Carried>>,
}

fn rings(workers: usize, capacity: usize) -> Vec<Rings> {
    let mut rings: Vec<Rings> = (0..workers).map(|_| Rings::default()).collect();
    for from in 0..workers {
        for to in 0..workers {
            let (producer, consumer) = spsc(capacity);
            let is_self = from == to;
            if let Some(ends) = rings.get_mut(from) {
                ends.to.push((!is_self).then_some(producer));
            }
            if let (false, Some(ends)) = (is_self, rings.get_mut(to)) {
                ends.from.push(consumer);
            }
        }
    }
    rings
}
