//! Applications and predefined rules, which SMFs name.

use crate::sections::sections;
use crate::words::FarAction;
use crate::{FlowText, Label, NetworkName, RuleNumber};

sections! {
    /// An application.
    pub struct Application {
        /// Application ID, by which SMFs and predefined rules name it.
        id: Label = required;
        /// Flow descriptions, written for downlink: `permit out PROTOCOL from ADDRESS [PORTS] to ADDRESS [PORTS]`, where the UE's end is `assigned`. Packets that match any of them are the application's.
        flows: Vec<FlowText> = required;
    }

    /// Predefined rules, and what they refer to.
    pub struct Predefined {
        /// The rules. Packets that an SMF's PDR would take have to match one of the rules that the PDR activates, too.
        rules: Vec<PredefinedRule> = "[]";
        /// What is done with packets whose PDR names no FAR. An SMF's rules may refer to these FARs, QERs and URRs as well: by their number with the highest bit set (0x80000001 is number 1).
        fars: Vec<PredefinedFar> = "[]";
        /// Gates, rates and marks, of each session for itself.
        qers: Vec<PredefinedQer> = "[]";
        /// What is measured and reported, of each session for itself.
        urrs: Vec<PredefinedUrr> = "[]";
    }

    /// A predefined rule.
    pub struct PredefinedRule {
        /// Predefined Rules Name, by which SMFs activate it.
        name: Label = required;
        /// Another name, which activates all rules of the group.
        group: Option<Label> = "~";
        /// Which of several rules of one PDR is tried first: the lowest.
        precedence: u32 = "100" in 0..=4_294_967_295;
        /// Flow descriptions, as those of applications. With neither these nor an application, all packets of the PDR match.
        flows: Vec<FlowText> = "[]";
        /// An application of `applications`.
        application: Option<Label> = "~";
        /// Number of a FAR of `predefined.fars`, for PDRs that name none.
        far: Option<RuleNumber> = "~";
        /// Numbers of QERs of `predefined.qers`, which come besides those of the PDR.
        qers: Vec<RuleNumber> = "[]";
        /// Numbers of URRs of `predefined.urrs`, likewise.
        urrs: Vec<RuleNumber> = "[]";
    }

    /// A predefined forwarding action rule.
    pub struct PredefinedFar {
        /// Its number.
        id: RuleNumber = required;
        /// `forward` to a data network, or `drop`.
        action: FarAction = "forward";
        /// The data network. Without one: that of the session.
        network: Option<NetworkName> = "~";
    }

    /// A predefined QoS enforcement rule.
    pub struct PredefinedQer {
        /// Its number.
        id: RuleNumber = required;
        /// Whether uplink packets pass.
        uplink_open: bool = "true";
        /// Whether downlink packets pass.
        downlink_open: bool = "true";
        /// Kilobits (1000 bits) per second of uplink packets; 0: no limit.
        mbr_uplink_kbps: u64 = "0" in 0..=1_099_511_627_775;
        /// Kilobits (1000 bits) per second of downlink packets; 0: no limit.
        mbr_downlink_kbps: u64 = "0" in 0..=1_099_511_627_775;
        /// QFI that downlink packets are marked with; 0: none.
        qfi: u8 = "0" in 0..=63;
    }

    /// A predefined usage reporting rule. Volume is reported when the session or the last rule with it ends, and before as told here.
    pub struct PredefinedUrr {
        /// Its number.
        id: RuleNumber = required;
        /// Octets in both directions after which there is a report; 0: none.
        volume_threshold_octets: u64 = "0" in 0..=18_446_744_073_709_551_615;
        /// Seconds between reports; 0: none.
        period_s: u32 = "0" in 0..=31_536_000;
    }
}
