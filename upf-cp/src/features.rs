//! UP Function Features (TS 29.244, 8.2.25): what works end to end, and nothing else.

use pfcp::{CpFunctionFeatures, UpFunctionFeatures as F};

use crate::node::Node;

/// What this UPF announces.
///
/// | bit | what stands behind it |
/// |---|---|
/// | FTUP | F-TEIDs are chosen here, on CHOOSE |
/// | EPFAR | before an association is released, what each session used is reported |
/// | BUNDL | session messages to a peer that has it too share datagrams |
/// | EMPU | end markers are sent on SNDEM |
/// | DLBD | DL Buffering Duration of a report's answer keeps packets for longer, in silence |
/// | DDND | downlink data is told of after the Downlink Data Notification Delay |
/// | UDBC | Suggested Buffering Packets Count bounds what a session holds |
/// | MNOP | usage reports count packets |
/// | VTIME | Quota Validity Time ends a quota |
/// | QUOAC | another FAR takes over when a quota is used up |
/// | NORP | no more usage reports than wanted |
/// | UPIDP | a URR tells that nothing happens |
/// | RESPS | sessions of a set go over to another SMF (Session Set Modification) |
/// | PFDM, PFDE | applications are known by flow descriptions of PFDs |
/// | ADPDP | predefined rules are activated by name, if there are any |
/// | UEIP | UE addresses are chosen here, if there are pools to choose from |
/// | IP6PL | UE IPv6 prefixes of any length |
/// | PDIU | PDRs may refer to traffic endpoints |
/// | MTE | … to several at once |
/// | DPDRA | PDRs wake and sleep at their Activation and Deactivation Times |
/// | FRRT | framed routes are matched, and lead downlink packets to their session |
///
/// PAPFD (some of several applications taken) is for those alone that have it too, see
/// [`Node::features_for`]: it makes a long IE of a short one.
fn up_function_features() -> F {
    let node = F::EPFAR | F::BUNDL | F::RESPS | F::PFDM | F::PFDE;
    let rules = F::FTUP | F::EMPU | F::IP6PL | F::PDIU | F::MTE | F::FRRT | F::DPDRA;
    let usage = F::MNOP | F::VTIME | F::QUOAC | F::NORP | F::UPIDP;
    let buffering = F::UDBC | F::DLBD | F::DDND;
    node | rules | usage | buffering
}

impl Node {
    /// What this UPF announces to a CP function that has these features.
    pub(crate) fn features_for(&self, cp: CpFunctionFeatures) -> F {
        let mut features = up_function_features();
        if cp.contains(CpFunctionFeatures::PAPFD) {
            features |= F::PAPFD;
        }
        if !self.ue_pools.is_empty() {
            features |= F::UEIP;
        }
        if !self.predefined.is_empty() {
            features |= F::ADPDP;
        }
        features
    }
}
