//! How another UPF may differ from the recorded one where it must not.

use pfcp::Cause;

/// What another UPF does otherwise than the recorded one, and must not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Discrepancy {
    /// The answer is of another type.
    #[error("{got} instead of {want}")]
    MessageType {
        /// What came.
        got: &'static str,
        /// What should have.
        want: &'static str,
    },
    /// The answer has another sequence number.
    #[error("sequence number {got} instead of {want}")]
    Sequence {
        /// What came.
        got: pfcp::Sequence,
        /// What should have.
        want: pfcp::Sequence,
    },
    /// The header's SEID is not the SMF's.
    #[error("SEID {got:x?} instead of {want:x?}")]
    Seid {
        /// What came.
        got: Option<u64>,
        /// What should have.
        want: Option<u64>,
    },
    /// The cause is another.
    #[error("cause {got} instead of {want}")]
    Cause {
        /// What came.
        got: Cause,
        /// What should have.
        want: Cause,
    },
    /// A session was accepted without a SEID.
    #[error("no UP F-SEID")]
    NoUpFSeid,
    /// A PDR's F-TEID was to be chosen, and is not told.
    #[error("no F-TEID of PDR {0}")]
    NoFTeid(u16),
    /// PDRs that shared a TEID no longer do, or a TEID changed.
    #[error("recorded TEID {recorded:#x} is {first:#x} and {second:#x}")]
    TeidSplit {
        /// The recorded TEID.
        recorded: u32,
        /// What it was.
        first: u32,
        /// What it is now.
        second: u32,
    },
    /// Two tunnels share a TEID.
    #[error("recorded TEIDs {first:#x} and {second:#x} are both {shared:#x}")]
    TeidShared {
        /// One recorded TEID.
        first: u32,
        /// The other.
        second: u32,
        /// What both are.
        shared: u32,
    },
    /// URRs that counted are not reported.
    #[error("no usage report of URR {0}")]
    NoUsageReport(u32),
}
