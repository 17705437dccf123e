//! What the API asks of a UPF.

use std::pin::Pin;

use tokio::sync::mpsc::Receiver;

use crate::model::{
    BufferPool, Drop, Explanation, GtpuPeer, Health, Limit, LogLevels, Neighbour, Packet, Peer,
    Port, Reload, Route, Session, SessionDetail, Setting, Traced, UePool, Version, Watch, Worker,
};
use crate::problem::Problem;

/// What comes of a question.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Gone>> + Send + 'a>>;

/// The UPF does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Gone {
    /// It is about to end, or has.
    #[error("the UPF is stopping")]
    Ended,
    /// It did not answer in time.
    #[error("the UPF did not answer in time")]
    Silent,
}

/// Which sessions are wanted: those that have all of what is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// An address of the UE, or one behind it.
    pub ue: Option<std::net::IpAddr>,
    /// The subscriber, with or without the kind of identity in front.
    pub user: Option<String>,
    /// The DNN.
    pub dnn: Option<String>,
    /// The SMF's Node ID or address.
    pub peer: Option<String>,
    /// A TEID of ours that one of its PDRs has, or one of a peer's that one of its FARs has.
    pub teid: Option<u32>,
    /// Whoever asks is told in full who subscribers are.
    pub reveal: bool,
}

/// How the configuration is read again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reloading {
    /// Say what would come of it, and change nothing.
    pub dry_run: bool,
    /// Put in force what can change while the UPF runs, although other changes need a restart.
    pub partial: bool,
}

/// A look at some sessions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Slice {
    /// Those that were found.
    pub sessions: Vec<Session>,
    /// Where to go on.
    pub next: Option<u32>,
}

/// A UPF, as operators see it. Every answer is bounded, and costs the packet path nothing.
pub trait Upf: Send + Sync + 'static {
    /// Which program it is.
    fn version(&self) -> Version;
    /// Whether it serves.
    fn health(&self) -> Answer<'_, Health>;
    /// At most so many of its sessions, from a place on, as far as one look reaches.
    fn sessions(&self, wanted: Wanted, from: u32, most: usize) -> Answer<'_, Slice>;
    /// How many sessions it has.
    fn session_count(&self) -> Answer<'_, u64>;
    /// A session, by its SEID; with `reveal`, who its subscriber is in full.
    fn session(&self, seid: u64, reveal: bool) -> Answer<'_, Option<SessionDetail>>;
    /// Its SMFs.
    fn peers(&self) -> Answer<'_, Vec<Peer>>;
    /// Its ports.
    fn ports(&self) -> Answer<'_, Vec<Port>>;
    /// Its workers.
    fn workers(&self) -> Answer<'_, Vec<Worker>>;
    /// Its routes.
    fn routes(&self) -> Answer<'_, Vec<Route>>;
    /// Its next hops.
    fn neighbours(&self) -> Answer<'_, Vec<Neighbour>>;
    /// The GTP-U peers that it supervises.
    fn gtpu_peers(&self) -> Answer<'_, Vec<GtpuPeer>>;
    /// The pools that it gives UE addresses from.
    fn ue_pools(&self) -> Answer<'_, Vec<UePool>>;
    /// All reasons for which it drops packets.
    fn drops(&self) -> Answer<'_, Vec<Drop>>;
    /// Its bounds.
    fn limits(&self) -> Answer<'_, Vec<Limit>>;
    /// Its pools of packet buffers.
    fn buffer_pools(&self) -> Answer<'_, Vec<BufferPool>>;
    /// Its configuration in effect.
    fn settings(&self) -> Vec<Setting>;
    /// Reads its configuration again, and puts it in force: all of it, or nothing.
    fn reload(&self, how: Reloading) -> Answer<'_, Reload>;
    /// What it writes to the log.
    fn log_levels(&self) -> LogLevels;
    /// Changes that.
    fn set_log_levels(&self, levels: LogLevels);
    /// What would happen to packets: each of them, in order.
    fn explain(&self, packets: Vec<Packet>) -> Answer<'_, Result<Vec<Explanation>, Problem>>;
    /// Follows packets. It ends when nobody receives any more.
    fn trace(&self, which: Watch) -> Answer<'_, Result<Receiver<Traced>, Problem>>;
    /// The same packets as a pcapng file, piece by piece.
    fn capture(&self, which: Watch) -> Answer<'_, Result<Receiver<Vec<u8>>, Problem>>;
    /// All that is counted, as Prometheus reads it.
    fn metrics(&self) -> Answer<'_, String>;
}
