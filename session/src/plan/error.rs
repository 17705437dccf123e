//! What a compilation objects to.

use crate::id::{BarId, FarId, PdrId, QerId, UrrId};

/// Why rules cannot be compiled. Names the first rule at fault (Failed Rule ID).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// Two rules of one kind have one id.
    #[error("PDR {0} is there twice")]
    DuplicatePdr(PdrId),
    /// Two rules of one kind have one id.
    #[error("FAR {0} is there twice")]
    DuplicateFar(FarId),
    /// Two rules of one kind have one id.
    #[error("QER {0} is there twice")]
    DuplicateQer(QerId),
    /// Two rules of one kind have one id.
    #[error("URR {0} is there twice")]
    DuplicateUrr(UrrId),
    /// Two rules of one kind have one id.
    #[error("BAR {0} is there twice")]
    DuplicateBar(BarId),
    /// A PDR names a FAR that is not there.
    #[error("PDR {0} refers to FAR {1}, which is not there")]
    NoFar(PdrId, FarId),
    /// A PDR names a QER that is not there.
    #[error("PDR {0} refers to QER {1}, which is not there")]
    NoQer(PdrId, QerId),
    /// A PDR names a URR that is not there.
    #[error("PDR {0} refers to URR {1}, which is not there")]
    NoUrr(PdrId, UrrId),
    /// A FAR names a BAR that is not there.
    #[error("FAR {0} refers to BAR {1}, which is not there")]
    NoBar(FarId, BarId),
    /// A PDR has neither an F-TEID nor a UE address (its own or the session's) to be found by.
    #[error("PDR {0} cannot be found by any packet: it has neither an F-TEID nor a UE address")]
    NoKey(PdrId),
    /// The FAR forwards to the core, but no VRF is known.
    #[error("FAR {0} forwards to the core but names no network of this UPF")]
    NoVrf(FarId),
    /// More PDRs or tunnels than a plan can hold.
    #[error("PDR {0} is one too many")]
    TooMany(PdrId),
    /// More tunnels than a plan can hold.
    #[error("the session has too many tunnels")]
    TooManyTunnels,
}
