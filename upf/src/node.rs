//! From the configuration to what the N4 node has to know.

use std::net::{SocketAddr, ToSocketAddrs as _};

use anyhow::{Context as _, Result};
use config::Host;
use config::schema::{Config, LoggedIdentities, Moves};
use dpdk::Eal;
use session::meter::Burst;
use session::topology::Topology;
use tracing::warn;
use upf_cp::{ExtendedMost, Identities, Limits, Move, NodeConfig};

use crate::rules;
use crate::topology::{network_limits, slice_limits, ue_bounds, ue_pools, ue_reserved};

/// What the node has to know. Names of SMFs are resolved.
///
/// # Errors
/// When a flow description cannot be read.
pub(crate) fn config(config: &Config, eal: Eal, topology: &Topology) -> Result<NodeConfig> {
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
        identities: match config.log.identities {
            LoggedIdentities::Full => Identities::Full,
            LoggedIdentities::Masked => Identities::Masked,
            LoggedIdentities::None => Identities::None,
        },
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
        messages_per_second_per_stranger: limits.messages_per_second_per_stranger,
        outstanding_requests_per_peer: size(limits.outstanding_requests_per_peer),
        waiting_reports_per_peer: size(limits.waiting_reports_per_peer),
        held_answers_per_peer: size(limits.held_answers_per_peer),
        held_answer_octets_per_peer: size(limits.held_answer_octets_per_peer),
        gtpu_peers: size(limits.gtpu_peers),
        next_hops_per_peer: size(limits.next_hops_per_peer),
        long_requests_per_peer: size(limits.long_requests_per_peer),
        sets_per_request: size(limits.sets_per_request),
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

/// The SMFs to which the UPF starts the association; names are resolved here.
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
