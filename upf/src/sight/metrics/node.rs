//! What the N4 node counts.

use std::fmt;

use api::model::{Peer, UePool};
use pfcp::{Cause, MESSAGES};
use upf_cp::{Counters, Dropped, Limit, PathStatus};

use super::{Figure, NONE, Page, Scrape};

/// What the node counts.
const OF_THE_NODE: [Figure<Counters>; 18] = [
    (
        "upf_pfcp_duplicates",
        "Requests that came again and got the stored answer",
        |node| node.duplicates,
    ),
    (
        "upf_pfcp_retransmissions",
        "Requests of ours that were sent again",
        |node| node.retransmissions,
    ),
    (
        "upf_pfcp_timeouts",
        "Requests of ours that nobody answered",
        |node| node.timeouts,
    ),
    (
        "upf_pfcp_shed",
        "Requests refused because more came than there is time for",
        |node| node.messages_shed,
    ),
    (
        "upf_pfcp_long_requests_refused",
        "Requests about many sessions refused because too many of the same SMF waited",
        |node| node.long_requests_refused,
    ),
    (
        "upf_pfcp_too_long",
        "Messages not sent, as they are longer than PFCP can say",
        |node| node.too_long,
    ),
    (
        "upf_pfcp_illegal",
        "Messages not sent, as they would break a rule of PFCP",
        |node| node.illegal,
    ),
    (
        "upf_sessions_established",
        "Sessions that were established",
        |node| node.established,
    ),
    (
        "upf_sessions_ended",
        "Sessions that ended, for whatever reason",
        |node| node.ended,
    ),
    (
        "upf_sessions_recompiles_failed",
        "Sessions that could not go back to the PFDs they had",
        |node| node.recompiles_failed,
    ),
    ("upf_peer_restarts", "SMFs that restarted", |node| {
        node.peer_restarts
    }),
    (
        "upf_peers_given_up",
        "SMFs that were silent for so long that their sessions were ended",
        |node| node.peers_given_up,
    ),
    (
        "upf_peer_takeovers_refused",
        "Set-ups of an associated Node ID from another address",
        |node| node.takeovers_refused,
    ),
    (
        "upf_reports_shed",
        "Reports that found too many others waiting for the same SMF",
        |node| node.reports_shed,
    ),
    (
        "upf_reports_stale",
        "Reports of workers about sessions or rules that are gone",
        |node| node.reports_stale,
    ),
    (
        "upf_node_reports_refused",
        "Node reports that an SMF refused",
        |node| node.node_reports_refused,
    ),
    (
        "upf_gtpu_paths_failed",
        "Paths to GTP-U peers that failed",
        |node| node.paths_failed,
    ),
    (
        "upf_gtpu_paths_recovered",
        "Paths to GTP-U peers that came back",
        |node| node.paths_recovered,
    ),
];

/// How full a pool of UE addresses is.
const OF_UE_POOLS: [Figure<UePool>; 4] = [
    (
        "upf_ue_pool_ipv4_in_use",
        "IPv4 addresses in use, with those that no UE is given",
        |pool| pool.ipv4_in_use,
    ),
    ("upf_ue_pool_ipv4_size", "IPv4 addresses in all", |pool| {
        pool.ipv4_size
    }),
    (
        "upf_ue_pool_ipv6_in_use",
        "IPv6 prefixes in use, with those that no UE is given",
        |pool| pool.ipv6_in_use,
    ),
    (
        "upf_ue_pool_ipv6_size",
        "IPv6 prefixes of 64 bits in all",
        |pool| pool.ipv6_size,
    ),
];

/// How an SMF fares.
const OF_PEERS: [Figure<Peer>; 4] = [
    (
        "upf_peer_up",
        "Whether the SMF answered the last heartbeat",
        |peer| peer.reachable.into(),
    ),
    ("upf_peer_sessions", "Sessions of the SMF", |peer| {
        peer.sessions
    }),
    (
        "upf_peer_outstanding_reports",
        "Session reports that the SMF has not answered",
        |peer| peer.outstanding_reports,
    ),
    (
        "upf_peer_waiting_reports",
        "Session reports that wait for their turn",
        |peer| peer.waiting_reports,
    ),
];

/// How a supervised path fares.
const OF_PATHS: [Figure<PathStatus>; 5] = [
    (
        "upf_gtpu_peer_up",
        "Whether the GTP-U peer answers Echo Requests",
        |path| (!path.failed).into(),
    ),
    (
        "upf_gtpu_peer_round_trip_min_microseconds",
        "Shortest round trip of an echo",
        |path| path.round_trip.min_us,
    ),
    (
        "upf_gtpu_peer_round_trip_p99_microseconds",
        "What 99 of 100 echoes stayed within",
        |path| path.round_trip.p99_us,
    ),
    (
        "upf_gtpu_peer_round_trip_max_microseconds",
        "Longest round trip of an echo",
        |path| path.round_trip.max_us,
    ),
    (
        "upf_gtpu_peer_round_trips",
        "Echoes that were measured",
        |path| path.round_trip.count,
    ),
];

impl Scrape {
    pub(super) fn pfcp(&self, page: &mut Page<'_>) -> fmt::Result {
        let node = &self.counters;
        let messages = || MESSAGES.iter().map(|entry| (entry.name, entry.r#type));
        let received = messages().map(|(name, of)| ([("message", name)], node.received(of)));
        page.counter(
            "upf_pfcp_received_messages",
            "PFCP messages received",
            received,
        )?;
        let sent = messages().map(|(name, of)| ([("message", name)], node.sent(of)));
        page.counter(
            "upf_pfcp_sent_messages",
            "PFCP messages sent, without retransmissions",
            sent,
        )?;
        let causes =
            (1_u8..=u8::MAX).filter_map(|number| Some((Cause::new(number)?.to_string(), number)));
        let causes = causes.filter(|(name, number)| {
            name.starts_with(|first: char| first.is_ascii_alphabetic()) || node.cause(*number) > 0
        });
        let causes = causes.map(|(name, number)| ([("cause", name)], node.cause(number)));
        page.counter("upf_pfcp_answers", "Answers given, by cause", causes)?;
        let dropped = Dropped::ALL.iter();
        let dropped = dropped.map(|why| ([("reason", why.to_string())], node.dropped(*why)));
        page.counter(
            "upf_pfcp_dropped_messages",
            "PFCP messages dropped without an answer",
            dropped,
        )?;
        let limits = Limit::ALL.iter();
        let limits = limits.map(|limit| ([("limit", limit.to_string())], node.limit(*limit)));
        page.counter(
            "upf_limits_reached",
            "Requests refused because a bound was reached",
            limits,
        )?;
        page.counters(&OF_THE_NODE, std::slice::from_ref(node), |_| NONE)?;
        page.counter(
            "upf_gtpu_paths_unsupervised",
            "GTP-U peers found without room to supervise them, each time they were looked for",
            [(NONE, node.paths_unsupervised)],
        )
    }

    pub(super) fn sessions(&self, page: &mut Page<'_>) -> fmt::Result {
        page.gauge("upf_sessions", "PFCP sessions", [(NONE, self.sessions)])?;
        for (name, help, of) in OF_UE_POOLS {
            let series = self.ue_pools.iter().enumerate().map(|(number, pool)| {
                let labels = [
                    ("network", pool.network.clone()),
                    ("pool", number.to_string()),
                ];
                (labels, of(pool))
            });
            page.gauge(name, help, series)?;
        }
        Ok(())
    }

    pub(super) fn peers(&self, page: &mut Page<'_>) -> fmt::Result {
        page.gauges(&OF_PEERS, &self.peers, |peer| {
            [("peer", peer.node_id.clone())]
        })?;
        let of_path = |path: &PathStatus| [("peer", path.peer.to_string())];
        page.gauges(&OF_PATHS, &self.paths, of_path)?;
        let lost: Figure<PathStatus> = (
            "upf_gtpu_peer_lost_echoes",
            "Echo Requests that were not answered in time",
            |path| path.lost,
        );
        page.counters(&[lost], &self.paths, of_path)
    }
}
