//! How others ask the thread that owns the node: each question is answered in one go, and none of
//! them takes long enough to be noticed by those who wait for N4.

use tokio::sync::{mpsc, oneshot};

use crate::config::NodeConfig;
use crate::counters::Counters;
use crate::event::Operator;
use crate::status::{
    PathStatus, PeerStatus, SessionFilter, SessionSlice, SessionStatus, UePoolStatus,
};
use session::{Seid, Sought};

/// How many questions may wait.
pub(crate) const QUESTIONS_MAX: usize = 64;

/// A question to the thread that owns the node.
#[derive(Debug)]
pub(crate) enum Question {
    Peers(oneshot::Sender<Vec<PeerStatus>>),
    Sessions(SessionFilter, u32, usize, oneshot::Sender<SessionSlice>),
    Session(Seid, oneshot::Sender<Option<Box<SessionStatus>>>),
    SessionOf(Sought, oneshot::Sender<Option<Box<SessionStatus>>>),
    SessionCount(oneshot::Sender<usize>),
    Paths(oneshot::Sender<Vec<PathStatus>>),
    UePools(oneshot::Sender<Vec<UePoolStatus>>),
    Counters(oneshot::Sender<Box<Counters>>),
    Operator(Operator, oneshot::Sender<()>),
    Reconfigure(Box<NodeConfig>, oneshot::Sender<()>),
    Shutdown(oneshot::Sender<()>),
}

/// A way to ask the node. Copies ask the same one.
#[derive(Clone, Debug)]
pub struct Asker(mpsc::Sender<Question>);

/// The node is not running any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the N4 node has ended")]
pub struct Ended;

impl Asker {
    /// Somebody who asks, and where the questions arrive.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Question>) {
        let (sender, questions) = mpsc::channel(QUESTIONS_MAX);
        (Self(sender), questions)
    }

    /// The associated peers.
    ///
    /// # Errors
    /// When the node has ended.
    pub async fn peers(&self) -> Result<Vec<PeerStatus>, Ended> {
        self.ask(Question::Peers).await
    }

    /// At most so many sessions that `filter` admits, from a place on, as far as one look at the node
    /// reaches. Go on at [`SessionSlice::next`].
    ///
    /// # Errors
    /// When the node has ended.
    pub async fn sessions(
        &self,
        filter: SessionFilter,
        from: u32,
        most: usize,
    ) -> Result<SessionSlice, Ended> {
        self.ask(|reply| Question::Sessions(filter, from, most, reply))
            .await
    }

    /// A session by our SEID, with its rules and what it has used.
    ///
    /// # Errors
    /// When the node has ended.
    pub async fn session(&self, seid: Seid) -> Result<Option<Box<SessionStatus>>, Ended> {
        self.ask(|reply| Question::Session(seid, reply)).await
    }

    /// The session that a packet would find, likewise.
    ///
    /// # Errors
    /// When the node has ended.
    pub async fn session_of(&self, sought: Sought) -> Result<Option<Box<SessionStatus>>, Ended> {
        self.ask(|reply| Question::SessionOf(sought, reply)).await
    }

    /// How many sessions there are.
    ///
    /// # Errors
    /// When the node has ended.
    pub async fn session_count(&self) -> Result<usize, Ended> {
        self.ask(Question::SessionCount).await
    }

    /// The supervised paths to GTP-U peers.
    ///
    /// # Errors
    /// When the node has ended.
    pub async fn paths(&self) -> Result<Vec<PathStatus>, Ended> {
        self.ask(Question::Paths).await
    }

    /// The pools of UE addresses.
    ///
    /// # Errors
    /// When the node has ended.
    pub async fn ue_pools(&self) -> Result<Vec<UePoolStatus>, Ended> {
        self.ask(Question::UePools).await
    }

    /// The counters.
    ///
    /// # Errors
    /// When the node has ended.
    pub async fn counters(&self) -> Result<Box<Counters>, Ended> {
        self.ask(Question::Counters).await
    }

    /// Does what an operator wants.
    ///
    /// # Errors
    /// When the node has ended.
    pub async fn operate(&self, operator: Operator) -> Result<(), Ended> {
        self.ask(|reply| Question::Operator(operator, reply)).await
    }

    /// Puts another configuration in force, as [`Node::reconfigure`](crate::Node::reconfigure) says.
    ///
    /// # Errors
    /// When the node has ended.
    pub async fn reconfigure(&self, config: NodeConfig) -> Result<(), Ended> {
        self.ask(|reply| Question::Reconfigure(Box::new(config), reply))
            .await
    }

    /// Ends all sessions and then the node; `Ok` once it has answered its peers.
    pub(crate) async fn shutdown(&self) -> Result<(), Ended> {
        self.ask(Question::Shutdown).await
    }

    async fn ask<T>(
        &self,
        question: impl FnOnce(oneshot::Sender<T>) -> Question,
    ) -> Result<T, Ended> {
        let (sender, receiver) = oneshot::channel();
        self.0.send(question(sender)).await.map_err(|_| Ended)?;
        receiver.await.map_err(|_| Ended)
    }
}
