//! How many packet buffers there are.

use crate::Problem;
use crate::json_schema::number;
use crate::reader::{Environment, Scalar};
use crate::schema::Config;
use crate::types::invalid;

/// Packets that a worker has in its hands at once.
const BURST: u64 = 64;

/// What `auto` gives at least.
const LEAST: u64 = 16_384;

/// How many packet buffers there are on each NUMA node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buffers {
    /// As many as queues, held packets and workers want, and a quarter more.
    Auto,
    /// So many.
    Number(u32),
}

impl Buffers {
    const MIN: u32 = 1024;
    const MAX: u32 = 16_777_216;
}

impl Scalar for Buffers {
    const EXPECTED: &'static str = "auto, or a number from 1024 to 16777216";

    fn shape() -> serde_json::Value {
        let number = number(Self::MIN.into(), Self::MAX.into());
        serde_json::json!({ "anyOf": [{ "const": "auto" }, number] })
    }

    fn parse(text: &str, environment: Environment<'_>) -> Result<Self, Problem> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let found = u64::parse(text, environment).map_err(|_| invalid(text, Self::EXPECTED))?;
        match u32::try_from(found) {
            Ok(number @ Self::MIN..=Self::MAX) => Ok(Self::Number(number)),
            _ => Err(Problem::OutOfRange {
                found,
                min: Self::MIN.into(),
                max: Self::MAX.into(),
            }),
        }
    }
}

/// What buffers are wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Descriptors of all queues.
    pub(crate) queues: u64,
    /// Packets that wait for their UE.
    pub(crate) held: u64,
    /// What workers have in their hands.
    pub(crate) bursts: u64,
}

impl Wanted {
    pub(crate) fn of(config: &Config, workers: u64) -> Self {
        let ports = config.ports.iter().map(|port| {
            u64::from(port.rx_queues) * u64::from(port.rx_descriptors)
                + workers * u64::from(port.tx_descriptors)
        });
        Self {
            queues: ports.sum(),
            held: config.buffering.packets_total.into(),
            bursts: workers * BURST,
        }
    }

    pub(crate) const fn sum(self) -> u64 {
        self.queues + self.held + self.bursts
    }
}

impl Config {
    /// How many packet buffers a NUMA node gets, with so many workers.
    pub fn buffers(&self, workers: usize) -> u32 {
        match self.memory.buffers {
            Buffers::Number(number) => number,
            Buffers::Auto => {
                let wanted = Wanted::of(self, u64::try_from(workers).unwrap_or(u64::MAX)).sum();
                let number = (wanted + wanted / 4).max(LEAST).next_multiple_of(1024);
                u32::try_from(number)
                    .unwrap_or(Buffers::MAX)
                    .min(Buffers::MAX)
            }
        }
    }
}
