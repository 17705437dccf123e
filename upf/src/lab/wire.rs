//! The far ends of the UPF's ring ports.

use anyhow::{Context, Result};
use dpdk::{Burst, Eal, Pool, Port, PortConfig, PortSpec, RingSide, Rx, Tx};

use super::BURST;
use super::exhibits::Link;

/// One end of a ring port pair, opposite to the UPF's.
pub(super) struct Wire {
    rx: Rx,
    tx: Tx,
    pub(super) link: Link,
    burst: Burst<64>,
    carried: Carried,
}

/// Frames that a link has carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Carried {
    /// Into the UPF.
    pub(crate) into_upf: u64,
    /// Out of it.
    pub(crate) out_of_upf: u64,
}

impl Wire {
    pub(super) fn open(eal: Eal, pool: &'static Pool, link: Link) -> Result<(Rx, Tx)> {
        let spec = PortSpec::Ring {
            name: link.name().to_owned(),
            side: RingSide::B,
            size: upf::RING_SIZE,
        };
        let mut port = Port::open(eal, &spec, &PortConfig::new(pool))?;
        let pair = port.start()?.into_pairs().pop();
        pair.context("a ring port has a queue pair")
    }

    pub(super) fn new(link: Link, (rx, tx): (Rx, Tx)) -> Self {
        Self {
            rx,
            tx,
            link,
            burst: Burst::new(),
            carried: Carried::default(),
        }
    }

    pub(super) const fn carried(&self) -> Carried {
        self.carried
    }

    /// Queues a frame; sent by `flush`.
    pub(super) fn push(&mut self, pool: &Pool, frame: &[u8]) -> bool {
        if self.burst.len() == BURST {
            self.flush();
        }
        pool.packet(frame)
            .is_some_and(|packet| self.burst.push(packet).is_ok())
    }

    /// Sends what is queued, waiting for room for a while.
    pub(super) fn flush(&mut self) {
        for _ in 0..1_000_000 {
            let sent = self.tx.send(&mut self.burst);
            self.carried.into_upf += u64::try_from(sent).unwrap_or(0);
            if self.burst.is_empty() {
                return;
            }
            std::hint::spin_loop();
        }
        self.burst.clear();
    }

    /// Takes what has come out of the UPF.
    pub(super) fn receive(&mut self, received: &mut Burst<64>) -> usize {
        let count = self.rx.receive(received);
        self.carried.out_of_upf += u64::try_from(count).unwrap_or(0);
        count
    }
}
