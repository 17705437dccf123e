//! Everything but sessions, as the API tells it.

use std::time::Duration;

use api::model;
use config::Config;
use dpdk::{Pool, PortInfo};
use session::topology::Topology;
use upf_cp::{Counters, Dropped, Limit, PathStatus, PeerStatus, UePoolStatus};
use upf_dp::{PortCounts, PortLink, Reason, WorkerCounts};

use super::Sight;
use crate::Counts;

/// Between two looks at the workers: one that turns has counted something meanwhile.
const TURN: Duration = Duration::from_millis(20);
/// How often they are looked at before one that has not moved is called stuck.
const LOOKS: u32 = 50;

pub(super) fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// What does not change about a port.
pub(super) fn port(
    info: &PortInfo,
    configured: &config::schema::Port,
    link: PortLink,
) -> model::Port {
    model::Port {
        name: configured.name.to_string(),
        device: configured.device.to_string(),
        driver: info.driver.clone(),
        mac: mac(link.mac),
        mtu: link.mtu,
        numa_node: info.socket,
        ..model::Port::default()
    }
}

fn mac(octets: [u8; 6]) -> String {
    dpdk::MacAddress(octets).to_string()
}

pub(super) fn peer(of: &PeerStatus) -> model::Peer {
    model::Peer {
        node_id: of.node_id.to_string(),
        address: of.address,
        reachable: of.reachable,
        features: of
            .features
            .to_string()
            .split(", ")
            .filter(|name| *name != "none")
            .map(str::to_owned)
            .collect(),
        sessions: count(of.sessions),
        outstanding_reports: count(of.outstanding_reports),
        waiting_reports: count(of.waiting_reports),
    }
}

pub(super) fn gtpu_peer(of: &PathStatus) -> model::GtpuPeer {
    let rtt = of.round_trip;
    model::GtpuPeer {
        address: of.peer,
        reachable: !of.failed,
        lost_echoes: of.lost,
        round_trips: rtt.count,
        rtt_min_us: rtt.min_us,
        rtt_mean_us: rtt.mean_us,
        rtt_p99_us: rtt.p99_us,
        rtt_max_us: rtt.max_us,
    }
}

pub(super) fn ue_pool(of: &UePoolStatus) -> model::UePool {
    model::UePool {
        network: of.pool.network.clone(),
        identity: of.pool.identity.clone(),
        ranges: of.pool.ranges.iter().map(ToString::to_string).collect(),
        ipv4_in_use: of.ipv4_in_use,
        ipv4_size: of.ipv4_size,
        ipv6_in_use: of.ipv6_in_use,
        ipv6_size: of.ipv6_size,
    }
}

pub(super) fn buffer_pool(of: &Pool) -> model::BufferPool {
    model::BufferPool {
        name: of.name().to_owned(),
        numa_node: of.socket(),
        size: of.size(),
        in_use: of.in_use(),
    }
}

pub(super) fn routes(topology: &Topology) -> Vec<model::Route> {
    let of_interface = |interface: &session::topology::Interface| {
        let name = interface.name.clone();
        let on_link = interface.addresses.iter().map(|net| (net.trunc(), None));
        let routes = interface.routes.iter();
        let routes = routes.map(|route| (route.to, Some(route.via)));
        let route = move |(to, via): (ipnet::IpNet, _)| model::Route {
            interface: name.clone(),
            to: to.to_string(),
            via,
        };
        on_link.chain(routes).map(route).collect::<Vec<_>>()
    };
    topology.interfaces.iter().flat_map(of_interface).collect()
}

/// What there is now of that which has a bound.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) sessions: u64,
    pub(super) peers: u64,
    pub(super) paths: u64,
    pub(super) held: u64,
}

pub(super) fn limits(config: &Config, counters: &Counters, now: Now) -> Vec<model::Limit> {
    let reached = |limit| Some(counters.limit(limit));
    let limits = &config.limits;
    let mut all = vec![
        bound(
            "limits.sessions",
            limits.sessions,
            Some(now.sessions),
            reached(Limit::Sessions),
        ),
        bound(
            "limits.peers",
            limits.peers,
            Some(now.peers),
            reached(Limit::Peers),
        ),
        bound(
            "limits.pdrs_per_session",
            limits.pdrs_per_session,
            None,
            reached(Limit::Rules),
        ),
        bound(
            "limits.applications",
            limits.applications,
            None,
            reached(Limit::Applications),
        ),
        bound(
            "limits.messages_per_second",
            limits.messages_per_second,
            None,
            Some(counters.messages_shed),
        ),
        bound(
            "limits.gtpu_peers",
            limits.gtpu_peers,
            Some(now.paths),
            Some(counters.paths_unsupervised),
        ),
        bound(
            "buffering.packets_total",
            config.buffering.packets_total,
            Some(now.held),
            None,
        ),
    ];
    all.extend(limits_of_peers(config, counters));
    all
}

/// Bounds on what one peer, or who is none, may ask for.
fn limits_of_peers(config: &Config, counters: &Counters) -> Vec<model::Limit> {
    let dropped = |why| Some(counters.dropped(why));
    let limits = &config.limits;
    vec![
        bound(
            "limits.messages_per_second_per_peer",
            limits.messages_per_second_per_peer,
            None,
            dropped(Dropped::PeerRate),
        ),
        bound(
            "limits.messages_per_second_per_stranger",
            limits.messages_per_second_per_stranger,
            None,
            dropped(Dropped::StrangerRate),
        ),
        bound(
            "limits.waiting_reports_per_peer",
            limits.waiting_reports_per_peer,
            None,
            Some(counters.reports_shed),
        ),
        bound(
            "limits.next_hops_per_peer",
            limits.next_hops_per_peer,
            None,
            Some(counters.limit(Limit::NextHops)),
        ),
        bound(
            "limits.long_requests_per_peer",
            limits.long_requests_per_peer,
            None,
            Some(counters.long_requests_refused),
        ),
    ]
}

fn bound(key: &str, most: u32, now: Option<u64>, reached: Option<u64>) -> model::Limit {
    model::Limit {
        key: key.to_owned(),
        most: most.into(),
        now,
        reached,
    }
}

impl Sight {
    pub(super) fn counts(&self) -> Counts {
        Counts::new(self.counters.read())
    }

    /// The ports. A driver may take its time to tell: it is asked beside.
    pub(super) async fn see_ports(&self) -> Vec<model::Port> {
        let seen = self.ports.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let ask = |port: &super::Seen| (port.view.link().ok(), port.view.stats().ok());
            seen.iter().map(ask).collect::<Vec<_>>()
        });
        let asked = asked.await.unwrap_or_default();
        let counts = self.counts();
        let mut asked = asked.into_iter();
        let ports = self.ports.iter().enumerate().map(|(number, port)| {
            let (link, stats) = asked.next().unwrap_or_default();
            let sum = |of: fn(&PortCounts) -> u64| counts.of_port(number).map(of).sum();
            model::Port {
                link_up: link.map(|link| link.up),
                speed_mbps: link.and_then(|link| link.speed_mbps),
                received_packets: sum(|port| port.received_packets),
                received_octets: sum(|port| port.received_octets),
                sent_packets: sum(|port| port.sent_packets),
                sent_octets: sum(|port| port.sent_octets),
                dropped_packets: sum(|port| port.dropped.iter().sum()),
                missed_packets: stats.as_ref().map(|stats| stats.imissed),
                receive_errors: stats.as_ref().map(|stats| stats.ierrors),
                send_errors: stats.as_ref().map(|stats| stats.oerrors),
                without_buffer: stats.as_ref().map(|stats| stats.rx_nombuf),
                ..port.is.clone()
            }
        });
        ports.collect()
    }

    pub(super) fn see_workers(&self) -> Vec<model::Worker> {
        let hz = dpdk::cycles_hz(self.eal).max(1);
        let counts = self.counts();
        let workers = (0_u8..).zip(counts.workers()).map(|(number, worker)| {
            let sum = |of: fn(&PortCounts) -> u64| worker.ports.iter().map(of).sum();
            let busy = u128::from(worker.busy_cycles) * 1_000_000_000 / u128::from(hz);
            model::Worker {
                worker: number,
                cpu: self.cpus.get(usize::from(number)).copied().flatten(),
                bursts: worker.bursts,
                busy_ns: u64::try_from(busy).unwrap_or(u64::MAX),
                idle_polls: worker.idle_polls,
                held_packets: worker.held,
                hold_episodes: worker.hold_episodes,
                received_packets: sum(|port| port.received_packets),
                sent_packets: sum(|port| port.sent_packets),
                dropped_packets: sum(|port| port.dropped.iter().sum()),
            }
        });
        workers.collect()
    }

    pub(super) fn see_neighbours(&self) -> Vec<model::Neighbour> {
        let known = self.neighbours.all().map(|(id, hop)| {
            let interface = self.topology.interface(hop.interface);
            model::Neighbour {
                interface: interface.map(|on| on.name.clone()).unwrap_or_default(),
                address: hop.address,
                mac: self.neighbours.ethernet(id).map(mac),
            }
        });
        known.collect()
    }

    pub(super) fn see_drops(&self) -> Vec<model::Drop> {
        let counts = self.counts();
        let drops = Reason::ALL.iter().map(|reason| model::Drop {
            reason: reason.name().to_owned(),
            packets: counts.dropped_for(*reason),
            meaning: reason.description().to_owned(),
            cause: reason.cause().to_owned(),
            remedy: reason.remedy().to_owned(),
        });
        drops.collect()
    }

    /// Whether the UPF serves, and if not, why.
    pub(super) async fn judge(&self) -> model::Health {
        let mut reasons = Vec::new();
        if let Err(gone) = Self::answer(self.asker.session_count()).await {
            reasons.push(format!("N4: {gone}"));
        }
        for number in self.stuck().await {
            reasons.push(format!("worker {number} has stopped turning"));
        }
        for port in self.see_ports().await {
            if port.link_up == Some(false) {
                reasons.push(format!("the link of port {} is down", port.name));
            }
        }
        model::Health {
            healthy: reasons.is_empty(),
            reasons,
        }
    }

    /// Workers that have not moved for a second.
    async fn stuck(&self) -> Vec<usize> {
        let turns = |worker: &WorkerCounts| worker.bursts.wrapping_add(worker.idle_polls);
        let before: Vec<u64> = self.counters.read().iter().map(turns).collect();
        let mut still: Vec<usize> = (0..before.len()).collect();
        for _ in 0..LOOKS {
            if still.is_empty() {
                break;
            }
            tokio::time::sleep(TURN).await;
            let now = self.counters.read();
            still.retain(|number| now.get(*number).map(turns) == before.get(*number).copied());
        }
        still
    }
}
