//! Which limits of the configuration a session has: those of its data network and of its slice.

use std::sync::Arc;

use pfcp::SNssai;
use session::limit::{Aggregate, Limits, Rates};

use crate::config::{NodeConfig, Slice};

/// The Slice Differentiator that says that there is none (TS 23.003, 28.4.2).
const NO_SD: u32 = 0x00ff_ffff;

/// All limits, and what they come down to together.
#[derive(Debug, Default)]
pub(crate) struct Limiting {
    networks: Vec<Network>,
    slices: Vec<Limited>,
    /// What was asked for before, by the places of network and slice.
    known: Vec<(Place, Arc<Limits>)>,
}

/// The places of a network and of a slice.
type Place = (Option<usize>, Option<usize>);

#[derive(Debug)]
struct Network {
    name: String,
    session: Rates,
    all: Option<Arc<Aggregate>>,
}

#[derive(Debug)]
struct Limited {
    slice: Slice,
    all: Option<Arc<Aggregate>>,
}

impl Limiting {
    pub(crate) fn new(config: &NodeConfig) -> Self {
        let rates = |most| Rates::new(most, config.hz, config.burst);
        let aggregate = |most| {
            let rates = rates(most);
            (!rates.is_none()).then(|| Arc::new(Aggregate::new(rates)))
        };
        let networks = config.network_limits.iter().map(|limits| Network {
            name: limits.network.clone(),
            session: rates(limits.session),
            all: aggregate(limits.all),
        });
        let slices = config.slice_limits.iter().map(|limits| Limited {
            slice: limits.slice,
            all: aggregate(limits.all),
        });
        Self {
            networks: networks.collect(),
            slices: slices.collect(),
            known: Vec::new(),
        }
    }

    /// Nothing is limited.
    pub(crate) const fn is_empty(&self) -> bool {
        self.networks.is_empty() && self.slices.is_empty()
    }

    /// The limits of a session in the data network of that name and in that slice.
    pub(crate) fn of(
        &mut self,
        network: Option<&str>,
        slice: Option<&SNssai>,
    ) -> Option<Arc<Limits>> {
        let named = |there: &Network| network.is_some_and(|name| there.name == name);
        let place = (
            self.networks.iter().position(named),
            slice.and_then(|slice| self.slice(slice)),
        );
        if place == (None, None) {
            return None;
        }
        if let Some((_, limits)) = self.known.iter().find(|(known, _)| *known == place) {
            return Some(Arc::clone(limits));
        }
        let network = place.0.and_then(|at| self.networks.get(at));
        let slice = place.1.and_then(|at| self.slices.get(at));
        let of_slice = slice.and_then(|slice| slice.all.clone());
        let of_network = network.and_then(|network| network.all.clone());
        let limits = Arc::new(Limits {
            session: network.map_or_else(Rates::default, |network| network.session),
            aggregates: of_slice.into_iter().chain(of_network).collect(),
        });
        self.known.push((place, Arc::clone(&limits)));
        Some(limits)
    }

    /// The slice itself, else its Slice/Service Type.
    fn slice(&self, wanted: &SNssai) -> Option<usize> {
        let sd = Some(wanted.sd.get()).filter(|sd| *sd != NO_SD);
        let is = |sd: Option<u32>| {
            let slice = Slice {
                sst: wanted.sst,
                sd,
            };
            self.slices
                .iter()
                .position(|limited| limited.slice == slice)
        };
        is(sd).or_else(|| is(None))
    }
}
