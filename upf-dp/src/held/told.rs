//! Of what the control side has been told while a session holds packets.

use session::{FarId, Qfi};

/// How many flows of a session are told of at most. Its UE is being paged long before that.
pub(super) const FLOWS_MAX: usize = 8;

/// Which FARs and QoS flows had a packet reported since the session began to hold (TS 29.244,
/// 5.2.3.1: once per flow and FAR).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    fars: [FarId; FLOWS_MAX],
    qfis: [u8; FLOWS_MAX],
    flows: u8,
}

/// What stands for no QFI.
const NO_QFI: u8 = u8::MAX;

impl Told {
    pub(crate) const NOTHING: Self = Self {
        fars: [FarId(0); FLOWS_MAX],
        qfis: [NO_QFI; FLOWS_MAX],
        flows: 0,
    };

    /// Whether it has heard of the flow, or of so many that it need not hear of this one.
    pub(super) fn covers(&self, far: FarId, qfi: Option<Qfi>) -> bool {
        usize::from(self.flows) == FLOWS_MAX || self.has(far, qfi)
    }

    /// Whether it has heard of the flow.
    pub(crate) fn has(&self, far: FarId, qfi: Option<Qfi>) -> bool {
        let flow = (far, qfi.map_or(NO_QFI, Qfi::get));
        let flows = self.fars.into_iter().zip(self.qfis);
        flows.take(self.flows.into()).any(|told| told == flow)
    }

    pub(super) fn add(&mut self, far: FarId, qfi: Option<Qfi>) {
        let at = usize::from(self.flows);
        if let (false, Some(of), Some(with)) = (
            self.has(far, qfi),
            self.fars.get_mut(at),
            self.qfis.get_mut(at),
        ) {
            (*of, *with) = (far, qfi.map_or(NO_QFI, Qfi::get));
            self.flows += 1;
        }
    }
}
