//! Replay of any GTP-U capture through a UPF.
//!
//! [`plan`] is the pure part: what sessions a capture needs, what to send where in which order,
//! and what must come out. [`run`] does it with a real UPF.

mod plan;
mod run;

pub use plan::{Expectation, Fate, Plan, PlannedSession, Step, plan};
pub use run::{Outcome, Report, run};
