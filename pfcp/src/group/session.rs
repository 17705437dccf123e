//! Other groups of session messages.

use crate::ie::*;

group! {
    /// Error Indication Report (TS 29.244, 7.5.8.4).
    ErrorIndicationReport {
        M remote_f_teids: [FTeid],
    }
}

group! {
    /// Created Bridge/Router Info (TS 29.244, 7.5.3.6).
    CreatedBridgeRouterInfo {
        C port_number: PortNumber,
        C user_plane_node_id: UserPlaneNodeId,
    }
}

group! {
    /// TSC Management Information (Session Modification Request) (TS 29.244, 7.5.4.18).
    TscManagementInformation {
        R port_management_information_container: PortManagementInformationContainer,
        R user_plane_node_management_information_container: UserPlaneNodeManagementInformationContainer,
        C nw_tt_port_number: NwTtPortNumber,
        C direct_reporting_information: DirectReportingInformation,
    }
}

group! {
    /// Provide RDS configuration information (TS 29.244, 7.5.2.11).
    ProvideRdsConfigurationInformation {
        R rds_configuration_information: RdsConfigurationInformation,
    }
}

group! {
    /// Partial Failure Information (TS 29.244, 7.5.3.1).
    PartialFailureInformation {
        M failed_rule_id: FailedRuleId,
        M failure_cause: Cause,
        M offending_ie_informations: [OffendingIeInformation],
    }
}

group! {
    /// L2TP Tunnel Information (TS 29.244, 7.5.2.1).
    L2tpTunnelInformation {
        M lns_address: LnsAddress,
        R tunnel_password: TunnelPassword,
        C tunnel_preference: TunnelPreference,
    }
}

group! {
    /// L2TP Session Information (TS 29.244, 7.5.2.1).
    L2tpSessionInformation {
        O calling_number: CallingNumber,
        O called_number: CalledNumber,
        R maximum_receive_unit: MaximumReceiveUnit,
        C l2tp_session_indications: L2tpSessionIndications,
        R l2tp_user_authentication: L2tpUserAuthentication,
    }
}

group! {
    /// Created L2TP Session (TS 29.244, 7.5.3.1).
    CreatedL2tpSession {
        R dns_server_addresses: [DnsServerAddress],
        R nbns_server_addresses: [NbnsServerAddress],
        R lns_address: LnsAddress,
    }
}

group! {
    /// MBS Session N4mb Control Information (TS 29.244, 7.5.2.1).
    MbsSessionN4mbControlInformation {
        M mbs_session_identifier: MbsSessionIdentifier,
        C area_session_id: AreaSessionId,
        C mbsn4mbreq_flags: MbsN4mbReqFlags,
        C multicast_transport_information_for_n3mb_and_or_n19mb: MulticastTransportInformation,
    }
}

group! {
    /// MBS Session N4mb Information (TS 29.244, 7.5.3.1).
    MbsSessionN4mbInformation {
        C multicast_transport_information: MulticastTransportInformation,
    }
}

group! {
    /// MBS Session N4 Control Information (TS 29.244, 7.5.2.1).
    MbsSessionN4ControlInformation {
        M mbs_session_identifier: MbsSessionIdentifier,
        C area_session_id: AreaSessionId,
        C multicast_transport_information: MulticastTransportInformation,
    }
}

group! {
    /// MBS Session N4 Information (TS 29.244, 7.5.3.1).
    MbsSessionN4Information {
        M mbs_session_identifier: MbsSessionIdentifier,
        C area_session_id: AreaSessionId,
        C n19mb_dl_tunnel_id: FTeid,
        C mbsn4resp_flags: MbsN4RespFlags,
    }
}

group! {
    /// `MoQ` Information (TS 29.244, 7.5.3.1).
    MoqInformation {
        C moq_relay_address: MoqRelayIpAddress,
    }
}
