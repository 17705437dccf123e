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
/// | PDIU | PDRs may refer to traffic endpoints |
/// | MTE | … to several at once |
/// | DPDRA | PDRs wake and sleep at their Activation and Deactivation Times |
/// | FRRT | framed routes are matched, and lead downlink packets to their session |
///
/// Not UEIP (UE addresses come from the SMF), and not DLBD.
pub fn up_function_features() -> F {
    let node = F::EPFAR | F::BUNDL | F::RESPS;
    let rules = F::FTUP | F::EMPU | F::UDBC | F::IP6PL | F::PDIU | F::MTE | F::FRRT | F::DPDRA;
    let usage = F::MNOP | F::VTIME;
    node | rules | usage
}
