//! The way to the lab, which lives on an lcore of its own.

use std::sync::mpsc::{SyncSender, sync_channel};

use anyhow::{Context, Result, anyhow};
use dpdk::{Eal, Pool, Worker};

use super::Lab;
use super::exhibits::{Exhibits, Link};
use super::load::Stopwatch;
use super::wire::Wire;

/// What the lab is to do.
pub(super) type Work = Box<dyn FnOnce(&mut Lab) + Send>;

/// The way to the lab's lcore.
pub(crate) struct Handle {
    work: Option<SyncSender<Work>>,
    lcore: Option<Worker<Option<Exhibits>>>,
}

impl Handle {
    /// Opens the far ends of the UPF's ring ports `n3` and `n6` and starts the lab. Packets are kept
    /// for `exhibits`, if there are any.
    pub(crate) fn start(eal: Eal, pool: &'static Pool, exhibits: Option<Exhibits>) -> Result<Self> {
        let (work, todo) = sync_channel::<Work>(1);
        let n3 = Wire::open(eal, pool, Link::N3)?;
        let n6 = Wire::open(eal, pool, Link::N6)?;
        let stopwatch = Stopwatch::new()?;
        let lcore = eal.spawn("lab", None, move |_| {
            let n3 = Wire::new(Link::N3, n3);
            let n6 = Wire::new(Link::N6, n6);
            Lab::new(n3, n6, pool, stopwatch, exhibits).live(&todo)
        })?;
        Ok(Self {
            work: Some(work),
            lcore: Some(lcore),
        })
    }

    /// Has the lab do something and waits for its answer.
    pub(crate) fn run<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Lab) -> R + Send + 'static,
    ) -> Result<R> {
        let (answer, wait) = sync_channel(1);
        let job: Work = Box::new(move |lab| drop(answer.send(work(lab))));
        self.work
            .as_ref()
            .and_then(|queue| queue.send(job).ok())
            .context("the lab has ended")?;
        wait.recv().context("the lab has ended")
    }

    /// Ends the lab and gives what it collected.
    pub(crate) fn finish(mut self) -> Result<Option<Exhibits>> {
        self.work = None;
        let lcore = self.lcore.take().context("the lab has ended")?;
        lcore.join().map_err(|_| anyhow!("the lab failed"))
    }
}
