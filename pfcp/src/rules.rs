//! What the specification rules out beyond what types can say: bits that exclude each other, and
//! IEs that others ask for.
//!
//! Nothing of this is written ([`EncodeError::Illegal`](crate::EncodeError::Illegal)). It is read
//! all the same: who acts on a message knows more (the rules that were there before, which of many
//! rules is at fault) and gives the better answer. [`Message::check`](crate::Message::check) tells.
//!
//! Rows of the table that are `ruled` have a [`Check`], groups that `keep` rules a module here.

use crate::error::{Breach, Illegal};
use crate::ie::*;
use crate::message::{NodeReportRequest, SessionEstablishmentResponse, SessionReportRequest};
use crate::wire::Check;

/// A value that is to keep rules.
pub(crate) trait Ruled {
    /// Whether it, or anything in it, has any.
    const HAS_RULES: bool = false;
    /// Whether it can be written in no octets.
    const MAY_BE_SILENT: bool = false;

    /// Whether it keeps them.
    ///
    /// # Errors
    /// The first that it breaks.
    fn check(&self) -> Result<(), Breach> {
        Ok(())
    }
    /// Whether it is written in no octets.
    fn is_silent(&self) -> bool {
        false
    }
    /// Makes it keep them.
    #[cfg(feature = "generate")]
    fn mend(&mut self) {}
}

impl<T: Ruled> Ruled for Box<T> {
    const HAS_RULES: bool = T::HAS_RULES;
    const MAY_BE_SILENT: bool = T::MAY_BE_SILENT;

    #[inline]
    fn check(&self) -> Result<(), Breach> {
        (**self).check()
    }
    fn is_silent(&self) -> bool {
        (**self).is_silent()
    }
    #[cfg(feature = "generate")]
    fn mend(&mut self) {
        (**self).mend();
    }
}

/// The rule of a value that has a [`Check`].
pub(crate) fn holds<T: Check>(value: &T) -> Result<(), Breach> {
    if value.holds() {
        Ok(())
    } else {
        Err(Illegal(T::RULE).into())
    }
}

/// Declares sets of bits of which at least one has to be set; the one that a small value has.
macro_rules! at_least_one {
    ($($name:ident $least:ident)*) => {$(
        impl Check for $name {
            const RULE: &'static str = "at least one bit";

            fn holds(&self) -> bool {
                !self.is_empty()
            }
            fn least() -> Self {
                Self::$least
            }
        }
    )*};
}
at_least_one! {
    MeasurementMethod VOLUM
    UsageReportTrigger IMMER
    NodeReportType UPFR
    ReportType UPIR
}

impl Check for ApplyAction {
    const RULE: &'static str = "exactly one of DROP, FORW, BUFF, IPMA, IPMD and (FSSM, MBSU), with \
                                NOCP and BDPN beside BUFF alone, DFRT and EDRT beside FORW alone, \
                                DUPL and DDPN not beside IPMA, IPMD, FSSM and MBSU, DDPN not beside \
                                FORW";

    fn holds(&self) -> bool {
        type A = ApplyAction;
        let main = A::DROP | A::FORW | A::BUFF | A::IPMA | A::IPMD | A::FSSM | A::MBSU;
        let beside = match self.intersection(main) {
            A::DROP => A::DUPL | A::DDPN,
            A::FORW => A::DUPL | A::DFRT | A::EDRT,
            A::BUFF => A::DUPL | A::DDPN | A::NOCP | A::BDPN,
            A::IPMA | A::IPMD | A::FSSM | A::MBSU => A::empty(),
            both => return both == A::FSSM | A::MBSU && self.without(both).is_empty(),
        };
        self.without(main).without(beside).is_empty()
    }
    fn least() -> Self {
        Self::DROP
    }
}

impl Check for PfcpSmReqFlags {
    const RULE: &'static str = "SUMPC or RUMUC, not both";

    fn holds(&self) -> bool {
        !self.contains(Self::SUMPC | Self::RUMUC)
    }
    fn least() -> Self {
        Self::empty()
    }
}

impl Check for RtpHeaderExtensionAdditionalInformation {
    const RULE: &'static str = "the short format or the long one, not both";

    fn holds(&self) -> bool {
        !self.contains(Self::FORMAT_SHORT | Self::FORMAT_LONG)
    }
    fn least() -> Self {
        Self::empty()
    }
}

/// Declares IEs that are about an address: there is one.
macro_rules! addresses {
    ($($name:ident)*) => {$(
        impl Check for $name {
            const RULE: &'static str = "an IPv4 or IPv6 address";

            fn holds(&self) -> bool {
                self.ipv4.is_some() || self.ipv6.is_some()
            }
            fn least() -> Self {
                Self { ipv4: Some(std::net::Ipv4Addr::LOCALHOST), ..Self::default() }
            }
        }
    )*};
}
addresses! {
    RemoteGtpUPeer AlternativeSmfIpAddress CpPfcpEntityIpAddress SourceIpAddress CpIpAddress
    MeasurementEndpointAddress MoqRelayIpAddress
}

impl Check for UeIpAddress {
    const RULE: &'static str = "a prefix beside an IPv6 address alone";

    fn holds(&self) -> bool {
        self.prefix.is_none() || self.ipv6.is_some()
    }
    fn least() -> Self {
        Self::default()
    }
}

impl Check for OuterHeaderCreation {
    const RULE: &'static str = "a header or the low-layer SSM, not both";

    fn holds(&self) -> bool {
        !self.low_layer_ssm || self.header.is_none()
    }
    fn least() -> Self {
        Self::default()
    }
}

/// Whether there is anything in a field of a group.
trait There {
    fn there(&self) -> bool;
}

impl<T> There for Option<T> {
    fn there(&self) -> bool {
        self.is_some()
    }
}

impl<T> There for Vec<T> {
    fn there(&self) -> bool {
        !self.is_empty()
    }
}

/// Declares groups of which each bit asks for an IE. What is behind `else` makes a sound group of one
/// that is left without a bit.
macro_rules! bits {
    ($($module:ident($group:ident: $flags:ident) |$it:ident| $bits:ident {
        $($bit:ident $field:ident $text:literal)*
    } else $least:block)*) => {$(
        pub(crate) mod $module {
            use super::*;

            pub(crate) fn check(group: &$group) -> Result<(), Illegal> {
                $( if group.$bits.contains($flags::$bit) && !group.$field.there() {
                    return Err(Illegal(concat!($text, ", as ", stringify!($bit), " is set")));
                } )*
                Ok(())
            }

            #[cfg(feature = "generate")]
            pub(crate) fn mend($it: &mut $group) {
                $( if !$it.$field.there() {
                    $it.$bits = $it.$bits.without($flags::$bit);
                } )*
                if $it.$bits.is_empty() $least
            }
        }
    )*};
}
bits! {
    // TS 29.244, table 7.4.5.1.1-1.
    node_report(NodeReportRequest: NodeReportType) |it| node_report_type {
        UPFR user_plane_path_failure_report "a User Plane Path Failure Report"
        UPRR user_plane_path_recovery_report "a User Plane Path Recovery Report"
        CKDR clock_drift_reports "a Clock Drift Report"
        GPQR gtp_u_path_qos_reports "a GTP-U Path QoS Report"
        PURR peer_up_restart_report "a Peer UP Restart Report"
        VSR vendor_specific_node_report_type "a Vendor-Specific Node Report Type"
        N6DR n6_delay_measurement_reports "an N6 Delay Measurement Report"
    } else {
        it.node_report_type = NodeReportType::VSR;
        it.vendor_specific_node_report_type = Some(VendorSpecificNodeReportType::default());
    }
    // Table 7.5.8.1-1.
    session_report(SessionReportRequest: ReportType) |it| report_type {
        DLDR downlink_data_report "a Downlink Data Report"
        USAR usage_reports "a Usage Report"
        ERIR error_indication_report "an Error Indication Report"
        TMIR tsc_management_informations "TSC Management Information"
        SESR session_reports "a Session Report"
    } else {
        it.report_type = ReportType::UPIR;
    }
    // Table 7.5.2.3-1.
    create_far(CreateFar: ApplyAction) |it| apply_action {
        FORW forwarding_parameters "Forwarding Parameters"
        DUPL duplicating_parameters "Duplicating Parameters"
        DFRT redundant_transmission_forwarding_parameters
            "Redundant Transmission Forwarding Parameters"
        FSSM mbs_multicast_parameters "MBS Multicast Parameters"
        MBSU add_mbs_unicast_parameters "Add MBS Unicast Parameters"
    } else {
        it.apply_action = ApplyAction::DROP;
    }
    // Table 7.5.2.4-1.
    create_urr(CreateUrr: ReportingTriggers) |it| reporting_triggers {
        PERIO measurement_period "a Measurement Period"
        VOLTH volume_threshold "a Volume Threshold"
        TIMTH time_threshold "a Time Threshold"
        EVETH event_threshold "an Event Threshold"
        QUHTI quota_holding_time "a Quota Holding Time"
        DROTH dropped_dl_traffic_threshold "a Dropped DL Traffic Threshold"
        QUVTI quota_validity_time "a Quota Validity Time"
        LIUSA linked_urr_ids "a Linked URR ID"
    } else {}
}

/// Table 7.5.2.2-1.
pub(crate) mod create_pdr {
    use super::*;

    pub(crate) fn check(pdr: &CreatePdr) -> Result<(), Illegal> {
        let says_what =
            pdr.far_id.there() || pdr.mar_id.there() || pdr.activate_predefined_rules.there();
        let rule = Illegal("a FAR ID, a MAR ID or predefined rules");
        if says_what { Ok(()) } else { Err(rule) }
    }

    #[cfg(feature = "generate")]
    pub(crate) fn mend(pdr: &mut CreatePdr) {
        if check(pdr).is_err() {
            pdr.far_id = Some(FarId::default());
        }
    }
}

/// Table 7.5.2.2-2: what a traffic endpoint says is not said again.
pub(crate) mod pdi {
    use super::*;

    pub(crate) fn check(pdi: &Pdi) -> Result<(), Illegal> {
        let twice = pdi.traffic_endpoint_ids.there()
            && (pdi.local_f_teid.there()
                || pdi.network_instance.there()
                || pdi.ue_ip_addresses.there()
                || pdi.redundant_transmission_detection_parameters.there());
        let rule = "a Traffic Endpoint ID, or an F-TEID, Network Instance and UE IP address";
        if twice { Err(Illegal(rule)) } else { Ok(()) }
    }

    #[cfg(feature = "generate")]
    pub(crate) fn mend(pdi: &mut Pdi) {
        if check(pdi).is_err() {
            pdi.traffic_endpoint_ids.clear();
        }
    }
}

/// Table 7.5.3.1-1.
pub(crate) mod establishment_response {
    use super::*;

    pub(crate) fn check(answer: &SessionEstablishmentResponse) -> Result<(), Illegal> {
        if answer.cause.is_accepted() && answer.up_f_seid.is_none() {
            return Err(Illegal("a UP F-SEID, as the request is accepted"));
        }
        Ok(())
    }

    #[cfg(feature = "generate")]
    pub(crate) fn mend(answer: &mut SessionEstablishmentResponse) {
        if answer.cause.is_accepted() {
            answer.up_f_seid.get_or_insert_default();
        }
    }
}
