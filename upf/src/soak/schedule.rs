//! What happens when: drawn from a seed, so that the same seed gives the same schedule.

use std::fmt;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// Something that does not happen all the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Incident {
    /// Only so many percent of the buffers are left for a while.
    PoolLow {
        /// How many.
        percent_left: u8,
    },
    /// A gNB no longer knows the tunnels of so many sessions.
    GnbForgets {
        /// How many.
        sessions: u16,
    },
    /// A gNB falls silent, until the slice ends.
    GnbFallsSilent,
    /// A second SMF associates and sets sessions up.
    GuestComes {
        /// How many.
        sessions: u16,
    },
    /// It starts anew, and knows of no session.
    GuestRestarts,
    /// It falls silent for good.
    GuestDies,
    /// It releases its association.
    GuestLeaves,
}

impl fmt::Display for Incident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PoolLow { percent_left } => write!(f, "{percent_left} % of the buffers left"),
            Self::GnbForgets { sessions } => write!(f, "a gNB forgets {sessions} sessions"),
            Self::GnbFallsSilent => f.write_str("a gNB falls silent"),
            Self::GuestComes { sessions } => write!(f, "a second SMF comes, {sessions} sessions"),
            Self::GuestRestarts => f.write_str("the second SMF restarts"),
            Self::GuestDies => f.write_str("the second SMF dies"),
            Self::GuestLeaves => f.write_str("the second SMF leaves"),
        }
    }
}

/// The schedule: asked for slice by slice.
#[derive(Debug)]
pub(super) struct Schedule {
    random: StdRng,
    /// Kinds of incidents that have not been since all have.
    left: Vec<Kind>,
    is_guest_here: bool,
}

/// What an incident has to do with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Pool,
    Forgets,
    Silent,
    GuestRestarts,
    GuestDies,
    GuestLeaves,
}

impl Kind {
    const ALL: [Self; 6] = [
        Self::Pool,
        Self::Forgets,
        Self::Silent,
        Self::GuestRestarts,
        Self::GuestDies,
        Self::GuestLeaves,
    ];
}

impl Schedule {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed),
            left: Vec::new(),
            is_guest_here: false,
        }
    }

    /// The incidents of the next slice, in their order. No kind has its second turn before all have
    /// had their first.
    pub(super) fn slice(&mut self) -> Vec<Incident> {
        let mut incidents = Vec::new();
        for _ in 0..self.random.random_range(1..=2) {
            if self.left.is_empty() {
                self.left.extend(Kind::ALL);
            }
            let at = self.random.random_range(0..self.left.len());
            let kind = self.left.swap_remove(at);
            self.incident(kind, &mut incidents);
        }
        incidents
    }

    fn incident(&mut self, kind: Kind, incidents: &mut Vec<Incident>) {
        let of_guest = |incident| (incident, incident == Incident::GuestRestarts);
        let (incident, stays) = match kind {
            Kind::Pool => {
                let percent_left = self.random.random_range(3..9);
                return incidents.push(Incident::PoolLow { percent_left });
            }
            Kind::Forgets => {
                let sessions = self.random.random_range(1..=20);
                return incidents.push(Incident::GnbForgets { sessions });
            }
            Kind::Silent => return incidents.push(Incident::GnbFallsSilent),
            Kind::GuestRestarts => of_guest(Incident::GuestRestarts),
            Kind::GuestDies => of_guest(Incident::GuestDies),
            Kind::GuestLeaves => of_guest(Incident::GuestLeaves),
        };
        if !self.is_guest_here {
            let sessions = self.random.random_range(20..=200);
            incidents.push(Incident::GuestComes { sessions });
        }
        incidents.push(incident);
        self.is_guest_here = stays;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_schedule_and_each_kind_of_incident_has_its_turn() {
        let slices = |seed| {
            let mut schedule = Schedule::new(seed);
            (0..12).map(|_| schedule.slice()).collect::<Vec<_>>()
        };
        assert_eq!(slices(7), slices(7));
        assert_ne!(slices(7), slices(8));
        for seed in 0..20 {
            let all: Vec<Incident> = slices(seed).into_iter().flatten().collect();
            let mut kinds: Vec<_> = all.iter().map(std::mem::discriminant).collect();
            kinds.sort_unstable_by_key(|kind| format!("{kind:?}"));
            kinds.dedup();
            assert_eq!(kinds.len(), 7, "{all:?}");
        }
    }

    #[test]
    fn a_guest_comes_before_it_does_anything_else() {
        for seed in 0..20 {
            let mut schedule = Schedule::new(seed);
            let mut here = false;
            for incident in (0..50).flat_map(|_| schedule.slice()) {
                match incident {
                    Incident::GuestComes { .. } => {
                        assert!(!here);
                        here = true;
                    }
                    Incident::GuestRestarts => assert!(here),
                    Incident::GuestDies | Incident::GuestLeaves => {
                        assert!(here);
                        here = false;
                    }
                    _ => {}
                }
            }
        }
    }
}
