//! The only I/O of N4: a UDP socket, the clock, the workers' queues. One thread owns the [`Node`];
//! others ask it through a [`Handle`].
//!
//! Requests are taken from the socket in batches, and answers go in batches: under load the
//! kernel's part of a message would otherwise be larger than the node's.
//!
//! An answer that waits for an epoch stands in a queue while everything else goes on: epochs pass
//! in order, so the front of the queue is always the next to leave.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use datagram::{BATCH, Inbox, Outbox};
use session::neighbour::Neighbours;
use session::report::{Command, ControlEnd};
use session::topology::Topology;
use session::{Epoch, Publisher, Tables};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::asker::{Asker, Question};
use crate::clock::Clock;
use crate::config::NodeConfig;
use crate::event::{Input, Now, Operator, Output};
use crate::node::Node;

/// How many batches are taken from the socket before anything else has its turn.
const BATCHES: usize = 4;
/// How many reports are taken from a worker at a time.
const REPORTS: usize = 64;
/// How often the workers' queues are looked at.
const POLL: Duration = Duration::from_millis(1);
/// How many answers may wait for workers; beyond, nothing more is read from the socket.
const HELD_MAX: usize = 65_536;
/// How many commands may wait for a worker whose queue is full, besides one for each session: when
/// an association ends, each may have packets to discard.
const BACKLOG_MAX: usize = 65_536;
/// How often the task yields while an answer waits for an epoch, before it sleeps instead: workers
/// pass an epoch with their next burst, unless they stand still.
const YIELDS_MAX: u32 = 256;
/// Room for a burst of requests in the kernel.
const RECEIVE_BUFFER_OCTETS: usize = 4 << 20;
/// How long answers and commands may still wait for workers at the end.
const DRAIN: Duration = Duration::from_secs(1);

/// What the node works on.
#[derive(Debug)]
pub struct Parts {
    /// The tables' only writer.
    pub publisher: Publisher,
    /// Interfaces and networks.
    pub topology: Arc<Topology>,
    /// Next hops.
    pub neighbours: Arc<Neighbours>,
    /// The control ends of the workers' queues, by worker.
    pub workers: Vec<ControlEnd>,
    /// From the system's random source.
    pub seed: [u8; 32],
    /// Where to record all inputs, to replay them. What it cannot take at once is not recorded.
    pub record: Option<mpsc::Sender<(Now, Input)>>,
}

/// Starts the node.
#[derive(Debug)]
pub struct Shell {
    node: Node,
    tables: Arc<Tables>,
    socket: UdpSocket,
    outbox: Outbox,
    workers: Vec<Worker>,
    backlog_max: usize,
    held: VecDeque<(Epoch, SocketAddr, Arc<[u8]>)>,
    record: Option<mpsc::Sender<(Now, Input)>>,
    clock: Clock,
    questions: mpsc::Receiver<Question>,
}

#[derive(Debug)]
struct Worker {
    end: ControlEnd,
    backlog: VecDeque<Command>,
}

/// A way to ask the node, and to end it.
#[derive(Debug)]
pub struct Handle {
    local: SocketAddr,
    asker: Asker,
    thread: JoinHandle<()>,
}

impl Shell {
    /// Binds the N4 socket and starts the node, on a thread of its own (`n4`).
    ///
    /// # Errors
    /// When the socket, the thread or its runtime cannot be had.
    pub fn spawn(config: NodeConfig, parts: Parts) -> io::Result<Handle> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let bound = {
            let _inside = runtime.enter();
            bind(SocketAddr::new(config.address, config.port))
        };
        let (socket, local) = match bound.and_then(|socket| Ok((socket.local_addr()?, socket))) {
            Ok((local, socket)) => (socket, local),
            Err(error) => {
                // The caller may itself run in a runtime, where another cannot simply be dropped.
                runtime.shutdown_background();
                return Err(error);
            }
        };
        let (asker, questions) = Asker::new();
        let start = move || Self::new(config, parts, socket, questions);
        let thread = std::thread::Builder::new()
            .name("n4".to_owned())
            .spawn(move || runtime.block_on(async { start().run().await }))?;
        Ok(Handle {
            local,
            asker,
            thread,
        })
    }

    fn new(
        config: NodeConfig,
        parts: Parts,
        socket: UdpSocket,
        questions: mpsc::Receiver<Question>,
    ) -> Self {
        let clock = Clock::new();
        let tables = Arc::clone(parts.publisher.tables());
        let Parts {
            publisher,
            topology,
            neighbours,
            workers,
            seed,
            record,
        } = parts;
        let sessions = usize::try_from(config.limits.sessions).unwrap_or(usize::MAX);
        let worker = |end| Worker {
            end,
            backlog: VecDeque::new(),
        };
        Self {
            node: Node::new(config, publisher, topology, neighbours, seed, clock.now()),
            tables,
            socket,
            outbox: Outbox::default(),
            workers: workers.into_iter().map(worker).collect(),
            backlog_max: BACKLOG_MAX.saturating_add(sessions),
            held: VecDeque::new(),
            record,
            clock,
            questions,
        }
    }

    async fn run(mut self) {
        let mut inbox = Inbox::default();
        let mut poll = tokio::time::interval(POLL);
        poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut yields = 0;
        let mut ending = None;
        self.input(Input::Operator(Operator::Start));
        loop {
            let waits = self.waiting() > 0;
            let now_ms = self.clock.now().elapsed_ms;
            let deadline_ms = self.node.deadline_ms();
            // A timer would be up to a millisecond late, which work in slices has no time for.
            let due = deadline_ms.is_some_and(|at| at <= now_ms);
            let deadline = deadline_ms.map(|at| self.clock.at(at));
            let deadline = deadline.unwrap_or_else(|| Instant::now() + Duration::from_secs(1));
            tokio::select! {
                ready = self.socket.readable(), if self.waiting() < HELD_MAX => match ready {
                    Ok(()) => self.receive(&mut inbox).await,
                    Err(error) => tracing::warn!(%error, "the N4 socket fails"),
                },
                question = self.questions.recv(), if ending.is_none() => match question {
                    Some(Question::Shutdown(done)) => {
                        self.input(Input::Operator(Operator::Shutdown));
                        ending = Some(Some(done));
                    }
                    Some(question) => self.reply(question),
                    None => {
                        self.input(Input::Operator(Operator::Shutdown));
                        ending = Some(None);
                    }
                },
                _ = poll.tick() => self.poll_workers(),
                () = tokio::task::yield_now(), if due => self.input(Input::Tick),
                () = tokio::time::sleep_until(deadline), if !due => self.input(Input::Tick),
                () = tokio::task::yield_now(), if waits && yields < YIELDS_MAX => {}
            }
            let released = self.release_held();
            self.flush().await;
            yields = if released || !waits { 0 } else { yields + 1 };
            if ending.is_some() && self.node.is_ended() {
                self.drain().await;
                if let Some(Some(done)) = ending {
                    let _ = done.send(());
                }
                return;
            }
        }
    }

    /// Takes what has come, up to a few batches; answers that are due leave with each.
    async fn receive(&mut self, inbox: &mut Inbox) {
        for _ in 0..BATCHES {
            let received = self
                .socket
                .try_io(Interest::READABLE, || inbox.receive(&self.socket));
            let count = match received {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // An ICMP error for something sent before: nothing to read, nothing lost.
                Err(_) => continue,
            };
            let now = self.clock.now();
            for (from, octets) in inbox.datagrams() {
                if self.record.is_some() {
                    let octets = octets.to_vec();
                    self.record(now, &Input::Datagram { from, octets });
                }
                let outputs = self.node.handle_datagram(now, from, octets);
                self.carry_out(outputs);
            }
            self.release_held();
            self.flush().await;
            if count < BATCH || self.waiting() >= HELD_MAX {
                return;
            }
        }
    }

    fn input(&mut self, input: Input) {
        let now = self.clock.now();
        self.record(now, &input);
        let outputs = self.node.handle(now, input);
        self.carry_out(outputs);
    }

    fn record(&self, now: Now, input: &Input) {
        if let Some(record) = &self.record {
            let _ = record.try_send((now, input.clone()));
        }
    }

    fn carry_out(&mut self, mut outputs: Vec<Output>) {
        for output in outputs.drain(..) {
            match output {
                Output::Send {
                    to,
                    octets,
                    after: None,
                } => self.outbox.push(to, &octets),
                Output::Send {
                    to,
                    octets,
                    after: Some(epoch),
                } => {
                    self.held.push_back((epoch, to, octets));
                }
                Output::Worker { worker, command } => self.tell(usize::from(worker.0), command),
            }
        }
        self.node.recycle(outputs);
    }

    /// How many answers wait for workers.
    fn waiting(&self) -> usize {
        self.held.len() + self.node.unsettled()
    }

    /// Lets the answers go whose rules all workers have seen; `false` if there are none.
    fn release_held(&mut self) -> bool {
        let before = self.waiting();
        if before == 0 {
            return false;
        }
        if self.node.unsettled() > 0 {
            let outputs = self.node.settle(self.clock.now());
            self.carry_out(outputs);
        }
        let passed = self.tables.passed();
        while let Some((_, to, octets)) = self.held.pop_front_if(|(epoch, ..)| *epoch <= passed) {
            self.outbox.push(to, &octets);
        }
        self.waiting() < before
    }

    /// Sends what is to go.
    async fn flush(&mut self) {
        while !self.outbox.is_empty() {
            let flushed = self
                .socket
                .try_io(Interest::WRITABLE, || self.outbox.flush(&self.socket));
            match flushed {
                Ok(0) => {}
                // What is lost here is lost as on the way: the peer asks again, or we do.
                Ok(refused) => tracing::debug!(refused, "could not send"),
                // An error of the socket shows with the next call.
                Err(_) => drop(self.socket.writable().await),
            }
        }
    }

    fn tell(&mut self, worker: usize, command: Command) {
        let Some(worker) = self.workers.get_mut(worker) else {
            return;
        };
        if worker.backlog.len() < self.backlog_max {
            worker.backlog.push_back(command);
        } else {
            tracing::error!("a worker takes no commands");
        }
        worker.drain();
    }

    fn poll_workers(&mut self) {
        let mut reports = Vec::new();
        for (number, worker) in (0_u8..).zip(&mut self.workers) {
            worker.drain();
            let new = std::iter::from_fn(|| worker.end.report()).take(REPORTS);
            reports.extend(new.map(|report| Input::Report {
                worker: number,
                report: report.into(),
            }));
        }
        for report in reports {
            self.input(report);
        }
    }

    fn reply(&mut self, question: Question) {
        // Who asked may have gone since: then nobody misses the reply.
        match question {
            Question::Peers(reply) => drop(reply.send(self.node.peer_statuses())),
            Question::Sessions(filter, from, most, reply) => {
                drop(reply.send(self.node.session_slice(&filter, from, most)));
            }
            Question::Session(seid, reply) => {
                drop(reply.send(self.node.session_status(seid).map(Box::new)));
            }
            Question::SessionOf(sought, reply) => {
                drop(reply.send(self.node.session_of(sought).map(Box::new)));
            }
            Question::SessionCount(reply) => drop(reply.send(self.node.session_count())),
            Question::UePools(reply) => drop(reply.send(self.node.ue_pool_statuses())),
            Question::Paths(reply) => drop(reply.send(self.node.path_statuses())),
            Question::Counters(reply) => drop(reply.send(Box::new(self.node.counters().clone()))),
            Question::Operator(operator, reply) => {
                self.input(Input::Operator(operator));
                let _ = reply.send(());
            }
            Question::Reconfigure(config, reply) => {
                let outputs = self.node.reconfigure(self.clock.now(), *config);
                self.carry_out(outputs);
                let _ = reply.send(());
            }
            Question::Shutdown(_) => {}
        }
    }

    /// The node has ended: answers that are due leave, workers hear what they have to.
    async fn drain(&mut self) {
        let until = Instant::now() + DRAIN;
        let undone = |worker: &Worker| !worker.backlog.is_empty();
        while (self.waiting() > 0 || self.workers.iter().any(undone)) && Instant::now() < until {
            self.release_held();
            self.flush().await;
            self.workers.iter_mut().for_each(Worker::drain);
            tokio::time::sleep(POLL).await;
        }
    }
}

impl Worker {
    fn drain(&mut self) {
        while let Some(command) = self.backlog.front().copied()
            && self.end.command(command).is_ok()
        {
            self.backlog.pop_front();
        }
    }
}

fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    // A wish: the kernel may grant less.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER_OCTETS);
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

impl Handle {
    /// Where the node listens.
    pub const fn local_address(&self) -> SocketAddr {
        self.local
    }

    /// Who asks the node.
    pub const fn asker(&self) -> &Asker {
        &self.asker
    }

    /// Ends all sessions and then the node.
    pub async fn shutdown(self) {
        // When it has ended already, there is nothing to ask for.
        let _ = self.asker.shutdown().await;
        // It has nothing left to do but to return.
        let _ = self.thread.join();
    }
}
