//! The node: what comes in, who takes it, what goes out.

use std::net::SocketAddr;
use std::sync::Arc;

use pfcp::Header;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use rustc_hash::FxHashMap;
use session::Publisher;
use session::neighbour::Neighbours;
use session::topology::Topology;
use session::usage::Moment;

use crate::answers::{Incoming, Room};
use crate::applications::Applications;
use crate::association::{Associations, PeerId};
use crate::config::NodeConfig;
use crate::counters::Counters;
use crate::event::{Input, Now, Operator, Output};
use crate::gtpu_peers::GtpuPeers;
use crate::index::Secret;
use crate::limiting::Limiting;
use crate::load::Load;
use crate::next_hops::NextHops;
use crate::paths::Paths;
use crate::sessions::Sessions;
use crate::sets::Sets;
use crate::settling::Settling;
use crate::strangers::Strangers;
use crate::timer::{Deadline, Timer, Timers};
use crate::transaction::{Bucket, Outgoing};
use crate::translate::Predefined;
use crate::ue_pool::UePools;
use crate::work::WorkQueue;

/// How often old answers are forgotten and retired plans freed.
const HOUSEKEEPING_MS: u64 = 1_000;

/// How often it is looked whether workers have gone on, if nobody [asks](Node::settle) before.
const SETTLE_MS: u64 = 1;

/// How many deadlines are seen to in one call; the rest is due at once again.
const DEADLINES_PER_CALL: usize = 1_024;

/// How many lines a second may be logged about what peers do wrong.
const LOG_LINES_PER_SECOND: u32 = 10;

/// The N4 node of a UPF: a state machine without sockets and clock.
#[derive(Debug)]
pub struct Node {
    pub(crate) config: NodeConfig,
    pub(crate) publisher: Publisher,
    pub(crate) topology: Arc<Topology>,
    pub(crate) random: StdRng,
    /// When this node started (TS 29.244, 8.2.65).
    pub(crate) recovery_time_stamp: u32,
    pub(crate) peers: Associations,
    pub(crate) sessions: Sessions,
    pub(crate) applications: Applications,
    pub(crate) predefined: Predefined,
    /// UE addresses that are given here.
    pub(crate) ue_pools: UePools,
    /// The operator's limits on rates.
    pub(crate) limiting: Limiting,
    /// Sets of sessions.
    pub(crate) sets: Sets,
    pub(crate) outgoing: Outgoing,
    pub(crate) incoming: Incoming,
    pub(crate) timers: Timers,
    /// The paths to GTP-U peers.
    pub(crate) paths: Paths,
    pub(crate) counters: Counters,
    pub(crate) now: Now,
    /// What takes more than one call.
    pub(crate) work: WorkQueue,
    /// Last reports that wait for workers.
    pub(crate) settling: Settling,
    /// How often in a row we failed to associate with the configured SMF of each place.
    pub(crate) failed_associations: FxHashMap<usize, u32>,
    /// The node is on its way to its end: no new association is begun.
    pub(crate) ending: bool,
    pub(crate) load: Load,
    pub(crate) strangers: Strangers,
    pub(crate) log: Bucket,
    pub(crate) outputs: Vec<Output>,
    /// Where messages are written before they get the room that they need.
    pub(crate) scratch: Vec<u8>,
}

/// A request, as far as its answer needs to know it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) from: SocketAddr,
    pub(crate) header: Header,
    /// Of the whole message, and of where it came from.
    pub(crate) digest: u64,
}

impl Node {
    /// A node that starts now. Everything random comes from `seed`.
    pub fn new(
        config: NodeConfig,
        publisher: Publisher,
        topology: Arc<Topology>,
        neighbours: Arc<Neighbours>,
        seed: [u8; 32],
        now: Now,
    ) -> Self {
        let mut random = StdRng::from_seed(seed);
        let limits = config.limits;
        let secret = Secret(random.next_u64());
        let incoming = Incoming::new(secret, config.response_hold_ms, Room::of(&limits));
        let next_hops = NextHops::new(neighbours, limits.next_hops_per_peer, secret);
        let gtpu_peers = GtpuPeers::new(Arc::clone(&topology), next_hops, secret);
        let mut timers = Timers::default();
        timers.set(now.elapsed_ms + HOUSEKEEPING_MS, Timer::Housekeeping);
        timers.set(now.elapsed_ms + HOUSEKEEPING_MS, Timer::Reclaim);
        Self {
            load: Load::new(limits.messages_per_second, now.elapsed_ms, now.ntp_s),
            strangers: Strangers::new(&config.smf, &limits, secret, now.elapsed_ms),
            log: Bucket::new(LOG_LINES_PER_SECOND, now.elapsed_ms),
            recovery_time_stamp: now.ntp_s,
            peers: Associations::default(),
            sessions: Sessions::new(gtpu_peers, secret),
            applications: Applications::new(&config.applications),
            predefined: Predefined::new(&config.predefined),
            ue_pools: UePools::new(&config, &topology),
            limiting: Limiting::new(&config),
            sets: Sets::default(),
            outgoing: Outgoing::new(random.next_u32()),
            work: WorkQueue::default(),
            settling: Settling::default(),
            failed_associations: FxHashMap::default(),
            ending: false,
            paths: Paths::default(),
            counters: Counters::default(),
            outputs: Vec::new(),
            scratch: Vec::new(),
            incoming,
            timers,
            random,
            config,
            publisher,
            topology,
            now,
        }
    }

    /// Takes what happened, and says what to do, in order.
    pub fn handle(&mut self, now: Now, input: Input) -> Vec<Output> {
        self.begin_call(now);
        match input {
            Input::Datagram { from, octets } => self.datagram(from, &octets),
            Input::Tick => self.go_on(),
            Input::Report { report, .. } => self.worker_report(report.into()),
            Input::Operator(operator) => self.operate(operator),
        }
        self.see_to_deadlines();
        self.settle_past();
        self.outputs()
    }

    /// [`Input::Datagram`] whose octets stay where they are. Whether workers have gone on is not
    /// looked at, for the sake of who has many of them: [`settle`](Self::settle) does so.
    pub fn handle_datagram(&mut self, now: Now, from: SocketAddr, octets: &[u8]) -> Vec<Output> {
        self.begin_call(now);
        self.datagram(from, octets);
        self.see_to_deadlines();
        self.outputs()
    }

    pub(crate) fn begin_call(&mut self, now: Now) {
        self.now = now;
        self.publisher.tell_time(Moment::of_ms(now.elapsed_ms));
    }

    /// Takes outputs back that have been seen to: the next ones need no room of their own.
    pub fn recycle(&mut self, mut outputs: Vec<Output>) {
        outputs.clear();
        self.outputs = outputs;
    }

    /// What is due by now besides.
    fn see_to_deadlines(&mut self) {
        for _ in 0..DEADLINES_PER_CALL {
            let Some(timer) = self.timers.due(self.now.elapsed_ms) else {
                break;
            };
            self.due(timer);
        }
    }

    /// What there is to do about all that has happened in this call.
    pub(crate) fn outputs(&mut self) -> Vec<Output> {
        let outputs = std::mem::take(&mut self.outputs);
        self.bundle(outputs)
    }

    /// When [`Input::Tick`] is wanted at the latest: at once, while there is work that a single
    /// call may not finish; soon, while workers are waited for.
    pub fn deadline_ms(&self) -> Option<u64> {
        if !self.work.is_empty() {
            return Some(self.now.elapsed_ms);
        }
        let soon = (self.unsettled() > 0).then_some(self.now.elapsed_ms + SETTLE_MS);
        self.timers.next_ms().into_iter().chain(soon).min()
    }

    /// How many UE addresses and prefixes of the pools are in use, with those that no UE is given.
    pub fn ue_addresses_in_use(&self) -> usize {
        self.ue_pools.held()
    }

    fn operate(&mut self, operator: Operator) {
        match operator {
            Operator::Start => (0..self.config.smf.len()).for_each(|place| self.associate(place)),
            Operator::Drop(node) => {
                if let Some(peer) = self.peers.by_node(&node) {
                    self.forget_peer(peer);
                }
            }
            Operator::Release(node) => {
                if let Some(peer) = self.peers.by_node(&node) {
                    self.ask_for_release(peer);
                }
            }
            Operator::Shutdown => {
                self.ending = true;
                let peers: Vec<PeerId> = self.peers.iter().map(|(id, _)| id).collect();
                for peer in peers {
                    self.end_with(peer);
                }
            }
        }
    }

    /// Whether all is over after [`Operator::Shutdown`]: no peer and no session is left.
    pub fn is_ended(&self) -> bool {
        self.ending && self.peers.len() == 0 && self.work.is_empty()
    }

    // ===== time =====

    fn due(&mut self, timer: Timer) {
        match timer {
            Timer::Request(sequence) => self.request_expired(sequence),
            Timer::Heartbeat(peer) => self.send_heartbeat(peer),
            Timer::Associate(place) => self.associate(place),
            Timer::Silence(peer) => self.silence_due(peer),
            Timer::Release(peer) => self.release_due(peer),
            Timer::Session(session, seid, deadline) => match deadline {
                Deadline::Usage => self.usage_due(session, seid),
                Deadline::Activation => self.activation_due(session, seid),
                Deadline::Advertise => self.advertisement_due(session, seid),
                Deadline::Notice => self.notice_due(session, seid),
                Deadline::Extended => self.extended_due(session, seid),
                Deadline::Inactivity => self.inactivity_due(session, seid),
                Deadline::Stations => self.stations_due(session, seid),
            },
            Timer::Path(peer) => self.path_due(peer),
            Timer::Housekeeping => {
                self.look_for_paths();
                self.let_next_hops_go();
                self.look_at_load();
                self.incoming.housekeeping(self.now.elapsed_ms);
                self.timers
                    .set(self.now.elapsed_ms + HOUSEKEEPING_MS, Timer::Housekeeping);
            }
            Timer::Reclaim => {
                let more = self.publisher.reclaim();
                let pause_ms = if more { 1 } else { HOUSEKEEPING_MS };
                self.timers
                    .set(self.now.elapsed_ms + pause_ms, Timer::Reclaim);
            }
        }
    }
}
