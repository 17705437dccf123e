//! UP Function Features (TS 29.244, 8.2.25): what works end to end, and nothing else.

use pfcp::UpFunctionFeatures as F;

/// What this UPF announces.
///
/// | bit | what stands behind it |
/// |---|---|
/// | FTUP | F-TEIDs are chosen here, on CHOOSE |
/// | EPFAR | before an association is released, what each session used is reported |
/// | BUNDL | session messages to a peer that has it too share datagrams |
/// | EMPU | end markers are sent on SNDEM |
/// | UDBC | Suggested Buffering Packets Count bounds what a session holds |
/// | MNOP | usage reports count packets |
/// | VTIME | Quota Validity Time ends a quota |
/// | RESPS | sessions of a set go over to another SMF (Session Set Modification) |
/// | IP6PL | UE IPv6 prefixes of any length |
///
/// Not UEIP (UE addresses come from the SMF), and not FRRT, PDIU, DLBD.
pub fn up_function_features() -> F {
    F::FTUP | F::EMPU | F::EPFAR | F::BUNDL | F::RESPS | F::UDBC | F::MNOP | F::VTIME | F::IP6PL
}
