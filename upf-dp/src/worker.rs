//! A worker: the loop that takes bursts from ports and from other workers through the path.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicUsize};

use dpdk::ring::{Consumer, Producer};
use dpdk::{Burst, Lcore, Mbuf, Pool, Rest, Rx, Tx};
use session::meter::Now;
use session::neighbour::Neighbours;
use session::report::WorkerEnd;
use session::{Reader, WorkerId};

use crate::counters::WorkerCells;
use crate::idle::{Idle, Lull, Next};
use crate::links::Links;
use crate::outlet::Outlet;
use crate::packet::BURST;
use crate::path::{Meta, Metas, Path, PathConfig, Turn};
use crate::reason::Reason;
use crate::watch::WatchEnd;

/// How often a transmit queue that took some of a burst is offered the rest.
const SEND_TRIES: usize = 8;

/// How many pauses there are in a second, where the CPU can pause for so long: a packet that comes
/// meanwhile waits for less than it takes to send it.
const PAUSES_PER_S: u64 = 1_000_000;

/// How long a worker that stops waits for the others to stop, in seconds.
const STOP_WAIT_S: u64 = 1;

/// When workers stop: first all of them go on no longer, then none hands packets over any more.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    /// Set from outside.
    pub(crate) wanted: AtomicBool,
    /// How many workers have handed over their last packet.
    quiet: AtomicUsize,
}

/// A packet and the port it was received on.
pub(crate) type Carried = (Mbuf, u16);

/// A pool, and how many of its buffers are kept free of packets that wait.
pub(crate) type Reserve = (&'static Pool, u32);

/// All that a worker is made of, before it has a thread.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) config: PathConfig,
    pub(crate) idle: Idle,
    pub(crate) links: Arc<Links>,
    pub(crate) neighbours: Arc<Neighbours>,
    pub(crate) cells: Arc<WorkerCells>,
    pub(crate) pool: &'static Pool,
    pub(crate) pools: Arc<[Reserve]>,
    pub(crate) queues: Queues,
    pub(crate) watch: WatchEnd,
    pub(crate) to_workers: Vec<Option<Producer<Carried>>>,
    pub(crate) from_workers: Vec<Consumer<Carried>>,
}

/// A worker's ends of everything, which come back when it stops.
#[derive(Debug)]
pub(crate) struct Queues {
    /// Receive queues, each with the place of its port in the configuration.
    pub(crate) rx: Vec<(u16, Rx)>,
    /// A transmit queue of every port.
    pub(crate) tx: Vec<Tx>,
    pub(crate) reader: Reader,
    pub(crate) end: WorkerEnd,
}

/// A worker at work.
#[derive(Debug)]
struct Worker {
    path: Path<Mbuf>,
    out: DpdkOutlet,
    rx: Vec<(u16, Rx)>,
    from_workers: Vec<Consumer<Carried>>,
    reader: Reader,
    end: WorkerEnd,
    burst: Burst<BURST>,
}

/// Runs a worker until `stop`.
pub(crate) fn run(parts: Parts, stop: &Stop, lcore: &Lcore) -> Queues {
    let Parts {
        config,
        idle,
        links,
        neighbours,
        cells,
        pool,
        pools,
        queues,
        watch,
        ..
    } = parts;
    let (to_workers, from_workers) = (parts.to_workers, parts.from_workers);
    let out = queues.tx.iter().map(|_| Burst::new()).collect();
    let mut worker = Worker {
        path: Path::new(&config, links, neighbours, Arc::clone(&cells)).watched(watch),
        out: DpdkOutlet {
            tx: queues.tx,
            out,
            to_workers,
            pool,
            pools,
            cells: Arc::clone(&cells),
        },
        rx: queues.rx,
        from_workers,
        reader: queues.reader,
        end: queues.end,
        burst: Burst::new(),
    };
    let (rest, pause_cycles) = (Rest::new(lcore), config.hz / PAUSES_PER_S);
    let mut lull = Lull::new(idle, config.hz, dpdk::cycles());
    let mut busy_since = None;
    while !stop.wanted.load(Relaxed) {
        let now = dpdk::cycles();
        if let Some(since) = busy_since.take() {
            cells.busy_cycles.add(now.wrapping_sub(since));
        }
        if worker.turn(Now(now)) > 0 {
            cells.bursts.add(1);
            busy_since = Some(now);
            lull.end(now);
            continue;
        }
        cells.idle_polls.add(1);
        match lull.next(now) {
            Next::Pause => rest.pause(now.wrapping_add(pause_cycles)),
            Next::Sleep(time) => {
                worker.reader.offline();
                rest.sleep(time);
            }
        }
    }
    worker.out.flush();
    let all = stop.quiet.fetch_add(1, Release) + 1;
    debug_assert!(all <= usize::from(config.workers), "a worker stops once");
    // One that has panicked is not waited for.
    let latest = dpdk::cycles().saturating_add(config.hz.saturating_mul(STOP_WAIT_S));
    while stop.quiet.load(Acquire) < config.workers.into() && dpdk::cycles() < latest {
        std::thread::yield_now();
    }
    worker.finish()
}

impl Worker {
    /// One turn: a burst of every queue and of every other worker, then what was asked for
    /// meanwhile. Returns how many packets there were.
    fn turn(&mut self, now: Now) -> usize {
        // The quiescent point: rules that were replaced before it are not seen any more.
        let view = self.reader.snapshot();
        let (path, burst) = (&mut self.path, &mut self.burst);
        let mut turn = Turn {
            view,
            now,
            out: &mut self.out,
            end: &mut self.end,
        };
        let mut packets = 0;
        for (port, rx) in &mut self.rx {
            let count = rx.receive(burst);
            if count == 0 {
                continue;
            }
            packets += count;
            let mut metas = Metas::new();
            let mut octets = 0_u64;
            for packet in &*burst {
                octets += u64::from(packet.total_len());
                metas.push(Meta::received(*port));
            }
            let cells = turn.out.cells.port(*port);
            cells
                .received_packets
                .add(u64::try_from(count).unwrap_or(0));
            cells.received_octets.add(octets);
            path.run(burst, &mut metas, &mut turn);
        }
        for ring in &mut self.from_workers {
            let mut metas = Metas::new();
            while metas.len() < BURST
                && let Some((packet, port)) = ring.pop()
            {
                turn.out.cells.port(port).taken_over.add(1);
                metas.push(Meta::taken_over(port));
                // There is room: the burst was empty, and is as long as the notes.
                drop(burst.push(packet));
            }
            if !metas.is_empty() {
                packets += metas.len();
                path.run(burst, &mut metas, &mut turn);
            }
        }
        path.commands(&mut turn);
        path.tend(&mut turn);
        turn.out.flush();
        packets
    }

    /// Gives back what was borrowed; what is still held is dropped, and counted.
    fn finish(mut self) -> Queues {
        self.path.stop();
        for ring in &mut self.from_workers {
            while let Some((packet, port)) = ring.pop() {
                let cells = self.out.cells.port(port);
                cells.taken_over.add(1);
                cells.drop(Reason::Stopped, 1);
                drop(packet);
            }
        }
        self.reader.offline();
        Queues {
            rx: self.rx,
            tx: self.out.tx,
            reader: self.reader,
            end: self.end,
        }
    }
}

/// Ports, and rings to other workers.
#[derive(Debug)]
struct DpdkOutlet {
    tx: Vec<Tx>,
    /// What gathers for each port.
    out: Vec<Burst<BURST>>,
    to_workers: Vec<Option<Producer<Carried>>>,
    pool: &'static Pool,
    pools: Arc<[Reserve]>,
    cells: Arc<WorkerCells>,
}

impl Outlet<Mbuf> for DpdkOutlet {
    #[inline]
    fn send(&mut self, port: u16, packet: Mbuf) {
        let place = usize::from(port);
        let Some(burst) = self.out.get_mut(place) else {
            self.cells.port(port).drop(Reason::NoRoute, 1);
            return;
        };
        if let Err(packet) = burst.push(packet) {
            self.flush_port(place);
            // It is empty now.
            let again = self.out.get_mut(place).map(|burst| burst.push(packet));
            debug_assert!(matches!(again, Some(Ok(()))), "a flushed burst has room");
        }
    }

    fn hand_over(&mut self, to: WorkerId, port: u16, packet: Mbuf) -> Result<(), Mbuf> {
        match self.to_workers.get_mut(usize::from(to.0)) {
            Some(Some(ring)) => ring.push((packet, port)).map_err(|(packet, _)| packet),
            _ => Err(packet),
        }
    }

    fn buffer(&mut self) -> Option<Mbuf> {
        self.pool.alloc()
    }

    fn is_short(&self) -> bool {
        self.pools
            .iter()
            .any(|(pool, reserve)| pool.available() < *reserve)
    }

    fn flush(&mut self) {
        for place in 0..self.out.len() {
            self.flush_port(place);
        }
    }
}

impl DpdkOutlet {
    /// Offers what has gathered to the port; what it does not take after a few tries is dropped.
    fn flush_port(&mut self, place: usize) {
        let (Some(burst), Some(tx)) = (self.out.get_mut(place), self.tx.get_mut(place)) else {
            return;
        };
        if burst.is_empty() {
            return;
        }
        let octets = |burst: &Burst<BURST>| -> u64 {
            burst
                .iter()
                .map(|packet| u64::from(packet.total_len()))
                .sum()
        };
        let all = octets(burst);
        let mut sent = 0;
        for _ in 0..SEND_TRIES {
            sent += tx.send(burst);
            if burst.is_empty() {
                break;
            }
            std::hint::spin_loop();
        }
        let cells = self.cells.port(u16::try_from(place).unwrap_or(u16::MAX));
        cells.sent_packets.add(u64::try_from(sent).unwrap_or(0));
        cells.sent_octets.add(all - octets(burst));
        if !burst.is_empty() {
            cells.drop(
                Reason::TransmitFull,
                u64::try_from(burst.len()).unwrap_or(0),
            );
            burst.clear();
        }
    }
}
