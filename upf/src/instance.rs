//! A configuration brought to life: DPDK, ports, packet path, N4; stopped in the opposite order.

use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;

use anyhow::{Context, Result};
use config::schema::{Config, Moves};
use config::{Device, Host};
use dpdk::{Eal, Pool, Port};
use session::meter::Burst;
use session::neighbour::Neighbours;
use session::topology::Topology;
use session::{Sizes, Tables, report};
use tracing::{info, warn};
use upf_cp::{ExtendedMost, Limits, Move, NodeConfig, Parts, Shell};
use upf_dp::{
    Bound, DataPath, DataPathConfig, Fragmentation, HoldConfig, Idle, Rates, ReassemblyLimits,
    SlowConfig, WhenFull,
};

use crate::counts::Counts;
use crate::ports::Pools;
use crate::topology::{network_limits, slice_limits, topology, ue_bounds, ue_pools, ue_reserved};
use crate::{cpus, kernel, ports, rules};

/// Reports and commands that wait between a worker and the control side.
const QUEUE: usize = 65_536;
/// Local F-TEIDs for each session: Open5GS takes two, a handover one more.
const TUNNELS_PER_SESSION: u32 = 4;
/// Packets in the ring from one worker to another.
const RING_PACKETS: usize = 2_048;

/// A UPF at work.
#[derive(Debug)]
pub struct Instance {
    eal: Eal,
    pool: &'static Pool,
    pools: Vec<&'static Pool>,
    cpus: Vec<Option<u32>>,
    topology: Arc<Topology>,
    neighbours: Arc<Neighbours>,
    data_path: DataPath,
    node: upf_cp::Handle,
}

/// How an instance ended.
#[derive(Debug)]
pub struct Ended {
    counts: Counts,
    problems: Vec<String>,
}

impl Instance {
    /// Starts everything that `config` describes; on an error nothing is left running that takes
    /// packets or PFCP.
    ///
    /// # Errors
    /// When DPDK, a port or the N4 socket cannot be had; the error names the key to look at.
    pub async fn start(config: &Config) -> Result<Self> {
        let cpus = cpus::of_workers(config);
        let eal = ports::start_eal(config)?;
        let pools = Pools::create(eal, config)?;
        let pool = pools.own()?;
        let ports = open_ports(eal, config, &pools, cpus.len())?;
        set_up_kernel(config).await?;
        let topology = Arc::new(topology(config));
        let node_config = node_config(config, eal, &topology)?;
        let neighbours = Arc::new(Neighbours::default());
        let (publisher, readers) = Tables::create(Sizes {
            sessions: config.limits.sessions,
            tunnels: config.limits.sessions.saturating_mul(TUNNELS_PER_SESSION),
            workers: u8::try_from(cpus.len()).unwrap_or(u8::MAX),
            seed: rand::random(),
        });
        let (worker_ends, control_ends) = cpus.iter().map(|_| report::queues(QUEUE)).unzip();
        let data_path = DataPath::start(
            eal,
            DataPathConfig {
                ports,
                pool,
                topology: Arc::clone(&topology),
                neighbours: Arc::clone(&neighbours),
                own_addresses: vec![config.pfcp.address],
                workers: cpus.clone(),
                more_pools: pools.others(pool),
                hold: hold_config(config),
                slow: slow_config(config),
                idle: Idle::default(),
                ring_packets: RING_PACKETS,
            },
            readers,
            worker_ends,
        )
        .context("the packet path did not start")?;
        let parts = Parts {
            publisher,
            topology: Arc::clone(&topology),
            neighbours: Arc::clone(&neighbours),
            workers: control_ends,
            seed: rand::random(),
            record: None,
        };
        let node = match Shell::spawn(node_config, parts) {
            Ok(node) => node,
            Err(error) => {
                stop_data_path(data_path);
                return Err(error).with_context(|| {
                    let address = SocketAddr::new(config.pfcp.address, config.pfcp.port);
                    format!("cannot listen for PFCP on {address} (key pfcp.address)")
                });
            }
        };
        Ok(Self {
            eal,
            pool,
            pools: pools.all(),
            cpus,
            topology,
            neighbours,
            data_path,
            node,
        })
    }

    /// Where N4 listens.
    pub const fn n4_address(&self) -> SocketAddr {
        self.node.local_address()
    }

    /// The environment that DPDK runs in.
    pub const fn eal(&self) -> Eal {
        self.eal
    }

    /// The pool that packets of the UPF's own making live in.
    pub const fn pool(&self) -> &'static Pool {
        self.pool
    }

    /// All pools that packets live in.
    pub fn pools(&self) -> &[&'static Pool] {
        &self.pools
    }

    /// The CPU of each worker that is pinned to one.
    pub fn cpus(&self) -> &[Option<u32>] {
        &self.cpus
    }

    /// Interfaces, networks and routes.
    pub const fn topology(&self) -> &Arc<Topology> {
        &self.topology
    }

    /// Next hops.
    pub const fn neighbours(&self) -> &Arc<Neighbours> {
        &self.neighbours
    }

    /// The packet path: its ports, links and counters.
    pub const fn data_path(&self) -> &DataPath {
        &self.data_path
    }

    /// What the workers have counted so far.
    pub fn counts(&self) -> Counts {
        Counts::new(self.data_path.counters().read())
    }

    /// The control side, to be asked for peers, sessions and counters.
    pub const fn node(&self) -> &upf_cp::Handle {
        &self.node
    }

    /// Stops N4, then the workers, then the ports.
    pub async fn stop(self) -> Ended {
        self.node.shutdown().await;
        let (counts, problems) = stop_data_path(self.data_path);
        Ended { counts, problems }
    }
}

impl Ended {
    /// Whether every packet that came in is accounted for, and nothing failed on the way down.
    pub fn is_conserved(&self) -> bool {
        self.problems.is_empty() && self.counts.missing() == 0
    }

    /// The last counts.
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.counts)?;
        self.problems
            .iter()
            .try_for_each(|problem| write!(f, "; {problem}"))
    }
}

/// How much is held for idle UEs.
fn hold_config(config: &Config) -> HoldConfig {
    let buffering = &config.buffering;
    let bound = |packets, octets: u32| Bound {
        packets,
        octets: octets.into(),
    };
    let percent = |share| u8::try_from(share).unwrap_or(u8::MAX);
    HoldConfig {
        total: bound(buffering.packets_total, buffering.octets_total),
        per_smf: bound(buffering.packets_per_smf, buffering.octets_per_smf),
        smfs: u16::try_from(config.limits.peers).unwrap_or(u16::MAX),
        session_octets: buffering.octets_per_session.into(),
        when_full: match buffering.when_full {
            config::schema::WhenFull::Newest => WhenFull::Newest,
            config::schema::WhenFull::Oldest => WhenFull::Oldest,
        },
        expiry_s: buffering.expiry_s,
        pool_share: percent(buffering.pool_share_percent),
        pool_reserve: percent(buffering.pool_reserve_percent),
    }
}

/// What workers answer, and what they do with packets that do not fit.
fn slow_config(config: &Config) -> SlowConfig {
    SlowConfig {
        rates: Rates {
            error_indication_pps: config.gtpu.error_indication_rate_pps,
            echo_pps: config.gtpu.echo_rate_pps,
            icmp_error_pps: config.limits.icmp_errors_per_second,
            ..Rates::default()
        },
        fragmentation: match config.gtpu.fragmentation {
            config::schema::Fragmentation::Inner => Fragmentation::Inner,
            config::schema::Fragmentation::Outer => Fragmentation::Outer,
            config::schema::Fragmentation::Never => Fragmentation::Never,
        },
        reassembly: ReassemblyLimits {
            packets: usize::try_from(config.gtpu.reassembly.packets).unwrap_or(usize::MAX),
            octets: usize::try_from(config.gtpu.reassembly.octets).unwrap_or(usize::MAX),
            timeout_ms: config.gtpu.reassembly.timeout_ms.into(),
        },
    }
}

fn stop_data_path(data_path: DataPath) -> (Counts, Vec<String>) {
    let last = Counts::new(data_path.counters().read());
    match data_path.stop() {
        Ok(stopped) => {
            let closed = stopped.ports.into_iter().map(Port::close);
            let problems = closed.filter_map(|closed| closed.err().map(|error| error.to_string()));
            (Counts::new(stopped.counts), problems.collect())
        }
        Err(error) => (last, vec![error.to_string()]),
    }
}

fn open_ports(eal: Eal, config: &Config, pools: &Pools, workers: usize) -> Result<Vec<Port>> {
    let workers = u16::try_from(workers).unwrap_or(u16::MAX);
    let mut opened: Vec<Port> = Vec::new();
    for port in &config.ports {
        match ports::open(eal, port, config.hears_all(port), pools, workers) {
            Ok(port) => opened.push(port),
            Err(error) => {
                // What is open already goes back to the system, best effort: the error says why.
                for port in opened {
                    drop(port.close());
                }
                return Err(error);
            }
        }
        if let Some(port) = opened.last() {
            let info = port.info();
            info!(port = port.name(), driver = %info.driver, mac = %info.mac, "opened");
        }
    }
    Ok(opened)
}

/// The kernel's ends of TAP ports.
async fn set_up_kernel(config: &Config) -> Result<()> {
    for interface in &config.interfaces {
        let Some(kernel) = &interface.kernel else {
            continue;
        };
        let Some(Device::Tap(link)) = config.port(&interface.port).map(|port| &port.device) else {
            continue;
        };
        let net =
            |address: &config::InterfaceAddress| (address.address(), address.net().prefix_len());
        let addresses: Vec<(IpAddr, u8)> = kernel.addresses.iter().map(net).collect();
        kernel::set_up(&link.to_string(), &addresses).await?;
    }
    Ok(())
}

fn node_config(config: &Config, eal: Eal, topology: &Topology) -> Result<NodeConfig> {
    let own = node_id(&config.node_id());
    let bundle_octets = config.pfcp.bundle_octets;
    Ok(NodeConfig {
        node_id: own.unwrap_or_else(|| config.pfcp.address.into()),
        port: config.pfcp.port,
        advertise: config.pfcp.advertised(),
        smf: smfs(config),
        allow: config
            .pfcp
            .allow
            .iter()
            .map(|prefix| prefix.net())
            .collect(),
        allow_nodes: config.pfcp.allow_nodes.iter().filter_map(node_id).collect(),
        moves: match config.pfcp.moves {
            Moves::Never => Move::Never,
            Moves::WhenSilent => Move::WhenSilent,
            Moves::Always => Move::Always,
        },
        associate_again_ms: u64::from(config.pfcp.associate.again_s) * 1000,
        associate_again_most_ms: u64::from(config.pfcp.associate.again_most_s) * 1000,
        delete_silent_after_ms: u64::from(config.pfcp.heartbeat.delete_silent_after_s) * 1000,
        release_grace_ms: u64::from(config.pfcp.release_grace_s) * 1000,
        bundle_octets: usize::try_from(bundle_octets).unwrap_or(usize::MAX),
        paging_policy: config.pfcp.paging_policy,
        t1_ms: config.pfcp.retransmission.t1_ms.into(),
        n1: config.pfcp.retransmission.n1,
        heartbeat_interval_ms: u64::from(config.pfcp.heartbeat.interval_s) * 1000,
        response_hold_ms: u64::from(config.pfcp.response_hold_s) * 1000,
        limits: limits(config),
        buffer_packets: u16::try_from(config.buffering.packets_per_session).unwrap_or(u16::MAX),
        extended_most: ExtendedMost {
            seconds: config.buffering.extended_most_s,
            packets: u16::try_from(config.buffering.extended_packets_per_session)
                .unwrap_or(u16::MAX),
        },
        hz: dpdk::cycles_hz(eal),
        burst: Burst {
            ms: config.qos.burst_ms,
            least_octets: config.qos.burst_least_octets,
        },
        network_limits: network_limits(config, topology),
        slice_limits: slice_limits(config),
        echo: upf_cp::Echo {
            interval_ms: u64::from(config.gtpu.echo.interval_s) * 1000,
            t3_ms: config.gtpu.echo.t3_ms.into(),
            n3: config.gtpu.echo.n3,
        },
        ue_pools: ue_pools(config, topology),
        ue_reserved: ue_reserved(config).map(|end| end.net()).collect(),
        ue_bounds: ue_bounds(config, topology),
        applications: rules::applications(config).context("key applications")?,
        predefined: rules::predefined(config).context("key predefined")?,
        ..NodeConfig::new(config.pfcp.address)
    })
}

fn limits(config: &Config) -> Limits {
    let limits = &config.limits;
    let size = |limit: u32| usize::try_from(limit).unwrap_or(usize::MAX);
    Limits {
        sessions: limits.sessions,
        peers: size(limits.peers),
        pdrs_per_session: size(limits.pdrs_per_session),
        fars_per_session: size(limits.fars_per_session),
        qers_per_session: size(limits.qers_per_session),
        urrs_per_session: size(limits.urrs_per_session),
        applications: size(limits.applications),
        flows_per_application: size(limits.flows_per_application),
        messages_per_second: limits.messages_per_second,
        traffic_endpoints_per_session: size(limits.traffic_endpoints_per_session),
        framed_routes_per_pdr: size(limits.framed_routes_per_pdr),
        messages_per_second_per_peer: limits.messages_per_second_per_peer,
        outstanding_requests_per_peer: size(limits.outstanding_requests_per_peer),
        waiting_reports_per_peer: size(limits.waiting_reports_per_peer),
        held_answers_per_peer: size(limits.held_answers_per_peer),
        held_answer_octets_per_peer: size(limits.held_answer_octets_per_peer),
        gtpu_peers: size(limits.gtpu_peers),
    }
}

/// A Node ID as PFCP has it; the configuration has checked domain names.
fn node_id(id: &config::NodeId) -> Option<pfcp::NodeId> {
    match id {
        config::NodeId::V4(address) => Some(pfcp::NodeId::Ipv4(*address)),
        config::NodeId::V6(address) => Some(pfcp::NodeId::Ipv6(*address)),
        config::NodeId::Fqdn(name) => pfcp::NodeId::fqdn(name.as_str()),
    }
}

/// The SMFs to which the UPF starts the association; names are resolved once, at start.
fn smfs(config: &Config) -> Vec<SocketAddr> {
    let resolve = |peer: &config::PeerAddress| match &peer.host {
        Host::Address(address) => Some(SocketAddr::new(*address, peer.port)),
        Host::Name(name) => {
            let found = (name.as_str(), peer.port).to_socket_addrs();
            let first = found.ok().and_then(|mut addresses| addresses.next());
            if first.is_none() {
                warn!(
                    smf = name.as_str(),
                    "no address for this SMF: it has to come to us"
                );
            }
            first
        }
    };
    config.pfcp.smf.iter().filter_map(resolve).collect()
}
