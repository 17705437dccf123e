//! Node messages (TS 29.244, 7.4).

use crate::error::{Fault, IeError};
use crate::ie::*;
use crate::wire::Ie as _;

group! {
    /// Heartbeat Request (TS 29.244, 7.4.2.1).
    HeartbeatRequest {
        /// Start time; a change means the peer restarted.
        M recovery_time_stamp: RecoveryTimeStamp,
        /// NAT between the peers.
        O source_ip_address: SourceIpAddress,
    }
}

group! {
    /// Heartbeat Response (TS 29.244, 7.4.2.2).
    HeartbeatResponse {
        /// Start time; a change means the peer restarted.
        M recovery_time_stamp: RecoveryTimeStamp,
    }
}

group! {
    /// PFD Management Request (TS 29.244, 7.4.3.1).
    PfdManagementRequest {
        /// Absent = delete all PFDs; present without PFD context = delete for that application.
        C applications: [ApplicationIdsPfds],
        /// Sender.
        O node_id: NodeId,
    }
}

group! {
    /// PFD Management Response (TS 29.244, 7.4.3.2).
    PfdManagementResponse {
        /// Result.
        M cause: Cause,
        /// Reject because of a missing or faulty M/C IE: its type.
        C offending_ie: OffendingIe,
        /// Sender.
        O node_id: NodeId,
        /// Cause = partially accepted (PAPFD).
        C pfd_partial_failure_informations: [PfdPartialFailureInformation],
    }
}

group! {
    /// Association Setup Request (TS 29.244, 7.4.4.1).
    AssociationSetupRequest {
        /// Sender identity.
        M node_id: NodeId,
        /// Start time of the sender; ignored by the receiver in association set-up.
        M recovery_time_stamp: RecoveryTimeStamp,
        /// Sent by UP with at least one feature.
        C up_function_features: UpFunctionFeatures,
        /// Sent by CP with at least one feature.
        C cp_function_features: CpFunctionFeatures,
        /// CP supports SSET/MPAS: other SMF or PFCP entity addresses.
        O alternative_smf_ip_addresses: [AlternativeSmfIpAddress],
        /// CP supports MPAS: FQDN of the SMF set.
        C smf_set_id: SmfSetId,
        /// Keep all or some sessions when the node id is already associated.
        O session_retention_information: SessionRetentionInformation,
        /// Sent by UP with address pools.
        O ue_ip_address_pool_informations: [UeIpAddressPoolInformation],
        /// CP asks for GTP-U path QoS monitoring.
        C gtp_u_path_qos_control_informations: [GtpUPathQosControlInformation],
        /// CP asks for clock drift reports (TSN).
        O clock_drift_control_informations: [ClockDriftControlInformation],
        /// Sent by a 5G UPF that has an NF instance id.
        C upf_instance_id: NfInstanceId,
        /// UUPSI set when the UPF is for IPUPS.
        O flags: PfcpAsReqFlags,
        /// CP asks for N6 delay measurement.
        C n6_delay_measurement_control_informations: [N6DelayMeasurementControlInformation],
        /// UP with UN6DM: protocols it has.
        C n6_delay_measurement_protocols: N6DelayMeasurementProtocols,
        /// Sent by UP.
        O operator_configurable_upf_capabilities: [OperatorConfigurableUpfCapability],
        /// Sent by UP.
        O packet_inspection_functionality: PacketInspectionFunctionality,
    }
}

group! {
    /// Association Setup Response (TS 29.244, 7.4.4.2).
    AssociationSetupResponse {
        /// Sender identity.
        M node_id: NodeId,
        /// Result.
        M cause: Cause,
        /// Mandatory when the cause accepts.
        C recovery_time_stamp: RecoveryTimeStamp,
        /// Sent by UP with at least one feature.
        C up_function_features: UpFunctionFeatures,
        /// Sent by CP with at least one feature.
        C cp_function_features: CpFunctionFeatures,
        /// CP supports SSET/MPAS: other SMF or PFCP entity addresses.
        O alternative_smf_ip_addresses: [AlternativeSmfIpAddress],
        /// CP supports MPAS: FQDN of the SMF set.
        C smf_set_id: SmfSetId,
        /// PSREI sessions retained; UUPSI.
        O flags: PfcpAsRspFlags,
        /// CP asks for clock drift reports (TSN).
        C clock_drift_control_informations: [ClockDriftControlInformation],
        /// Sent by UP with address pools.
        O ue_ip_address_pool_informations: [UeIpAddressPoolInformation],
        /// CP asks for GTP-U path QoS monitoring.
        C gtp_u_path_qos_control_informations: [GtpUPathQosControlInformation],
        /// Sent by a 5G UPF that has an NF instance id.
        C upf_instance_id: NfInstanceId,
        /// CP asks for N6 delay measurement.
        C n6_delay_measurement_control_informations: [N6DelayMeasurementControlInformation],
        /// UP with UN6DM: protocols it has.
        C n6_delay_measurement_protocols: N6DelayMeasurementProtocols,
        /// Sent by UP.
        O operator_configurable_upf_capabilities: [OperatorConfigurableUpfCapability],
        /// Sent by UP.
        O packet_inspection_functionality: PacketInspectionFunctionality,
    } check accepted_with_time_stamp
}

group! {
    /// Association Update Request (TS 29.244, 7.4.4.3).
    AssociationUpdateRequest {
        /// Sender identity.
        M node_id: NodeId,
        /// Sent by UP with at least one feature.
        O up_function_features: UpFunctionFeatures,
        /// Sent by CP with at least one feature.
        O cp_function_features: CpFunctionFeatures,
        /// UP asks for release (SARR) or all reports sent (URSS).
        C association_release: AssociationReleaseIndication,
        /// UP asks for a graceful release.
        C graceful_release_period: GracefulReleasePeriod,
        /// PARPS (needs EPFAR on both sides).
        O flags: PfcpAuReqFlags,
        /// CP supports SSET/MPAS: other SMF or PFCP entity addresses.
        O alternative_smf_ip_addresses: [AlternativeSmfIpAddress],
        /// CP supports MPAS: FQDN of the SMF set.
        O smf_set_id: SmfSetId,
        /// CP asks for clock drift reports (TSN).
        C clock_drift_control_informations: [ClockDriftControlInformation],
        /// Sent by UP with address pools.
        O ue_ip_address_pool_informations: [UeIpAddressPoolInformation],
        /// CP asks for GTP-U path QoS monitoring.
        C gtp_u_path_qos_control_informations: [GtpUPathQosControlInformation],
        /// Address usage reporting supported on both sides.
        O ue_ip_address_usage_informations: [UeIpAddressUsageInformation],
        /// CP asks for N6 delay measurement.
        C n6_delay_measurement_control_informations: [N6DelayMeasurementControlInformation],
        /// UP with UN6DM: protocols it has.
        C n6_delay_measurement_protocols: N6DelayMeasurementProtocols,
        /// Sent by UP.
        C operator_configurable_upf_capabilities: [OperatorConfigurableUpfCapability],
        /// Sent by UP.
        O packet_inspection_functionality: PacketInspectionFunctionality,
    }
}

group! {
    /// Association Update Response (TS 29.244, 7.4.4.4).
    AssociationUpdateResponse {
        /// Sender identity.
        M node_id: NodeId,
        /// Result.
        M cause: Cause,
        /// Sent by UP with at least one feature.
        O up_function_features: UpFunctionFeatures,
        /// Sent by CP with at least one feature.
        O cp_function_features: CpFunctionFeatures,
        /// Address usage reporting supported on both sides.
        O ue_ip_address_usage_informations: [UeIpAddressUsageInformation],
        /// UP with UN6DM: protocols it has.
        O n6_delay_measurement_protocols: N6DelayMeasurementProtocols,
        /// Sent by UP.
        C operator_configurable_upf_capabilities: [OperatorConfigurableUpfCapability],
        /// Sent by UP.
        O packet_inspection_functionality: PacketInspectionFunctionality,
    }
}

group! {
    /// Association Release Request (TS 29.244, 7.4.4.5).
    AssociationReleaseRequest {
        /// Sender identity.
        M node_id: NodeId,
    }
}

group! {
    /// Association Release Response (TS 29.244, 7.4.4.6).
    AssociationReleaseResponse {
        /// Sender identity.
        M node_id: NodeId,
        /// Result.
        M cause: Cause,
    }
}

group! {
    /// Version Not Supported Response (TS 29.244, 7.4.4.7).
    VersionNotSupportedResponse {
    }
}

group! {
    /// Node Report Request (TS 29.244, 7.4.5.1).
    NodeReportRequest {
        /// UP identity.
        M node_id: NodeId,
        /// Bitmap of what follows.
        M node_report_type: NodeReportType,
        /// VSR set.
        C vendor_specific_node_report_type: VendorSpecificNodeReportType,
        /// UPFR set.
        C user_plane_path_failure_report: UserPlanePathFailureReport,
        /// UPRR set.
        C user_plane_path_recovery_report: UserPlanePathRecoveryReport,
        /// CKDR set.
        C clock_drift_reports: [ClockDriftReport],
        /// GPQR set.
        C gtp_u_path_qos_reports: [GtpUPathQosReport],
        /// PURR set.
        C peer_up_restart_report: PeerUpRestartReport,
        /// N6DR set.
        C n6_delay_measurement_reports: [N6DelayMeasurementReport],
    } keeps node_report
}

group! {
    /// Node Report Response (TS 29.244, 7.4.5.2).
    NodeReportResponse {
        /// Sender identity.
        M node_id: NodeId,
        /// Result.
        M cause: Cause,
        /// Reject because of a missing or faulty M/C IE: its type.
        C offending_ie: OffendingIe,
    }
}

group! {
    /// Session Set Deletion Request (TS 29.244, 7.4.6.1).
    SessionSetDeletionRequest {
        /// Sender identity.
        M node_id: NodeId,
        /// One per kind of node.
        C fq_csids: [FqCsid],
    }
}

group! {
    /// Session Set Deletion Response (TS 29.244, 7.4.6.2).
    SessionSetDeletionResponse {
        /// Sender identity.
        M node_id: NodeId,
        /// Result.
        M cause: Cause,
        /// Reject because of a missing or faulty M/C IE: its type.
        C offending_ie: OffendingIe,
    }
}

group! {
    /// Session Set Modification Request (TS 29.244, 7.4.7.1).
    SessionSetModificationRequest {
        /// Sender identity.
        M node_id: NodeId,
        /// Which sessions move where.
        M session_change_infos: [SessionChangeInfo],
    }
}

group! {
    /// Session Set Modification Response (TS 29.244, 7.4.7.2).
    SessionSetModificationResponse {
        /// Sender identity.
        M node_id: NodeId,
        /// Result.
        M cause: Cause,
        /// Reject because of a missing or faulty M/C IE: its type.
        C offending_ie: OffendingIe,
    }
}

/// Only a rejection may leave out the Recovery Time Stamp.
fn accepted_with_time_stamp(response: &AssociationSetupResponse) -> Result<(), IeError> {
    if response.cause.is_accepted() && response.recovery_time_stamp.is_none() {
        return Err(Fault::Missing(RecoveryTimeStamp::TYPE).into());
    }
    Ok(())
}
