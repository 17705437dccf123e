//! Multi-access: MAR and ATSSS.

use crate::ie::*;

group! {
    /// Create MAR (TS 29.244, 7.5.2.8).
    CreateMar {
        M mar_id: MarId,
        M steering_functionality: SteeringFunctionality,
        M steering_mode: SteeringMode,
        C access_3gpp_forwarding_action_information: AccessForwardingActionInformation,
        C access_non_3gpp_forwarding_action_information: AccessForwardingActionInformation as 167,
        C threshold_values: Thresholds,
        C steering_mode_indicator: SteeringModeIndicator,
        C transport_mode: TransportMode,
    }
}

group! {
    /// 3GPP Access Forwarding Action Information (TS 29.244, 7.5.2.8).
    AccessForwardingActionInformation {
        M far_id: FarId,
        C weight: Weight,
        C priority: Priority,
        C urr_ids: [UrrId],
        O rat_type: RatType,
    }
}

group! {
    /// Remove MAR (TS 29.244, 7.5.4.15).
    RemoveMar {
        M mar_id: MarId,
    }
}

group! {
    /// Update MAR (TS 29.244, 7.5.4.16).
    UpdateMar {
        M mar_id: MarId,
        C steering_functionality: SteeringFunctionality,
        C steering_mode: SteeringMode,
        C update_access_3gpp_forwarding_action_information: UpdateAccessForwardingActionInformation,
        C update_access_non_3gpp_forwarding_action_information: UpdateAccessForwardingActionInformation as 176,
        U access_3gpp_forwarding_action_information: AccessForwardingActionInformation,
        U access_non_3gpp_forwarding_action_information: AccessForwardingActionInformation as 167,
        U threshold_values: Thresholds,
        U steering_mode_indicator: SteeringModeIndicator,
        U transport_mode: TransportMode,
    }
}

group! {
    /// Update 3GPP Access Forwarding Action Information (TS 29.244, 7.5.4.16).
    UpdateAccessForwardingActionInformation {
        C far_id: FarId,
        U weight: Weight,
        U priority: Priority,
        U urr_ids: [UrrId],
        O rat_type: RatType,
    }
}

group! {
    /// Provide ATSSS Control Information (TS 29.244, 7.5.2.10).
    ProvideAtsssControlInformation {
        C mptcp_control_information: MptcpControlInformation,
        C atsss_ll_control_information: AtsssLlControlInformation,
        C pmf_control_information: PmfControlInformation,
        C mpquic_control_information: MpquicControlInformation,
    }
}

group! {
    /// ATSSS Control Parameters (TS 29.244, 7.5.3.7).
    AtsssControlParameters {
        C mptcp_parameters: MptcpParameters,
        C atsss_ll_parameters: AtsssLlParameters,
        C pmf_parameters: [PmfParameters],
        C mpquic_parameters: MpquicParameters,
    }
}

group! {
    /// MPTCP Parameters (TS 29.244, 7.5.3.7).
    MptcpParameters {
        M mptcp_address_information: MptcpAddressInformation,
        M mptcp_link_specific_ip_address: LinkSpecificMultipathIpAddress,
    }
}

group! {
    /// ATSSS-LL Parameters (TS 29.244, 7.5.3.7).
    AtsssLlParameters {
        M atsss_ll_information: AtsssLlInformation,
    }
}

group! {
    /// PMF Parameters (TS 29.244, 7.5.3.7).
    PmfParameters {
        M pmf_address_information: PmfAddressInformation,
        R qfi: Qfi,
    }
}

group! {
    /// MPQUIC Parameters (TS 29.244, 7.5.3.7).
    MpquicParameters {
        M mpquic_address_informations: [MpquicAddressInformation],
        M mpquic_link_specific_ip_address: LinkSpecificMultipathIpAddress,
    }
}
