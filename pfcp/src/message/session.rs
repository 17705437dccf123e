//! Session messages (TS 29.244, 7.5).

use crate::ie::*;

group! {
    /// Session Establishment Request (TS 29.244, 7.5.2).
    SessionEstablishmentRequest {
        /// Sender identity.
        M node_id: NodeId,
        /// SEID and address the UP must use towards the CP.
        M cp_f_seid: FSeid,
        /// At least one.
        M create_pdrs: [CreatePdr],
        /// At least one.
        M create_fars: [CreateFar],
        /// Measurement needed.
        C create_urrs: [CreateUrr],
        /// QoS enforcement or marking needed.
        C create_qers: [CreateQer],
        /// Buffering instructions; at most one BAR per session.
        R create_bar: CreateBar,
        /// UP has PDIU.
        C create_traffic_endpoints: [CreateTrafficEndpoint],
        /// Session belongs to one PDN connection / PDU session.
        C pdn_type: PdnType,
        /// One per kind of node.
        C fq_csids: [FqCsid],
        /// Ask for inactivity report; 0 stops.
        R user_plane_inactivity_timer: UserPlaneInactivityTimer,
        /// Operator policy, trusted UP only.
        O user_id: UserId,
        /// Trace on; null length = off.
        O trace_information: TraceInformation,
        /// UP needs the DNN.
        R apn_dnn: ApnDnn,
        /// MA PDU session.
        C create_mars: [CreateMar],
        /// RESTI re-establish after restoration; SUMPC; HRSBOM; EPRI.
        C flags: PfcpSeReqFlags,
        /// TSN/TSCTS/DetNet info wanted.
        C create_bridge_router_info: CreateBridgeRouterInfo,
        /// Session level events to report.
        R create_srrs: [CreateSrr],
        /// MA PDU session.
        C provide_atsss_control_information: {ProvideAtsssControlInformation},
        /// Start time of the CP.
        O recovery_time_stamp: RecoveryTimeStamp,
        /// UP needs the slice.
        O s_nssai: SNssai,
        /// HR-SBO.
        C hplmn_s_nssai: HplmnSNssai,
        /// RDS wanted.
        R provide_rds_configuration_information: ProvideRdsConfigurationInformation,
        /// Statistics.
        O rat_type: RatType,
        /// L2TP.
        C l2tp_tunnel_informations: [L2tpTunnelInformation],
        /// L2TP session to set up.
        C l2tp_session_information: {L2tpSessionInformation},
        /// Restoration group (RESPS).
        O group_id: GroupId,
        /// N4mb only.
        C mbs_session_n4mb_control_information: {MbsSessionN4mbControlInformation},
        /// PDU session joined an MBS session.
        C mbs_session_n4_control_informations: [MbsSessionN4ControlInformation],
        /// EPPPI: PPI by DSCP.
        R dscp_to_ppi_control_informations: [DscpToPpiControlInformation],
        /// CN-TL (TSN transport).
        C tl_container: TlContainer,
        /// Trace streaming.
        O trace_collection_entity_uri: Uri,
        /// With trace.
        O ue_level_measurements_configuration: UeLevelMeasurementsConfiguration,
        /// CP supports SSET/MPAS: other SMF or PFCP entity addresses.
        O alternative_smf_ip_address: AlternativeSmfIpAddress,
        /// Media over QUIC relay.
        C moq_control_information: MoqControlInformation,
    }
}

group! {
    /// Session Establishment Response (TS 29.244, 7.5.3).
    SessionEstablishmentResponse {
        /// Sender identity.
        M node_id: NodeId,
        /// Result.
        M cause: Cause,
        /// Reject because of a missing or faulty M/C IE: its type.
        C offending_ie: OffendingIe,
        /// On acceptance.
        C up_f_seid: FSeid,
        /// On acceptance, when UP was asked to choose an F-TEID, UE address or mapped N6 address.
        C created_pdrs: [CreatedPdr],
        /// Load control supported by CP and on.
        O load_control_information: LoadControlInformation,
        /// Overload control supported by CP, on and overloaded.
        O overload_control_information: OverloadControlInformation,
        /// One per kind of node.
        C fq_csids: [FqCsid],
        /// Reject with rule creation/modification failure: first failed rule.
        C failed_rule_id: FailedRuleId,
        /// As Created PDR, for traffic endpoints.
        C created_traffic_endpoints: [CreatedTrafficEndpoint],
        /// When asked.
        C created_bridge_router_info: CreatedBridgeRouterInfo,
        /// When ATSSS resources were allocated.
        C atsss_control_parameters: AtsssControlParameters,
        /// RDS accepted.
        R rds_configuration_information: RdsConfigurationInformation,
        /// Cause = partially accepted: one per failed rule.
        C partial_failure_informations: [PartialFailureInformation],
        /// L2TP success.
        R created_l2tp_session: CreatedL2tpSession,
        C mbs_session_n4mb_information: MbsSessionN4mbInformation,
        /// MBS.
        C mbs_session_n4_informations: [MbsSessionN4Information],
        /// CN-TL (TSN transport).
        C tl_container: TlContainer,
        /// Media over QUIC relay.
        C moq_information: MoqInformation,
    } keeps establishment_response
}

group! {
    /// Session Modification Request (TS 29.244, 7.5.4).
    SessionModificationRequest {
        /// Only when the CP changes its F-SEID.
        C cp_f_seid: FSeid,
        /// Rules to delete.
        C remove_pdrs: [RemovePdr],
        /// Rules to delete.
        C remove_fars: [RemoveFar],
        /// Rules to delete; a final usage report follows.
        C remove_urrs: [RemoveUrr],
        /// Rules to delete.
        C remove_qers: [RemoveQer],
        /// Rule to delete.
        C remove_bar: RemoveBar,
        /// Deletes every PDR that refers to it.
        C remove_traffic_endpoints: [RemoveTrafficEndpoint],
        /// New PDR.
        C create_pdrs: [CreatePdr],
        /// New FAR.
        C create_fars: [CreateFar],
        /// Measurement needed.
        C create_urrs: [CreateUrr],
        /// QoS enforcement or marking needed.
        C create_qers: [CreateQer],
        /// Buffering instructions; at most one BAR per session.
        C create_bar: CreateBar,
        /// UP has PDIU.
        C create_traffic_endpoints: [CreateTrafficEndpoint],
        /// Changed PDRs only.
        C update_pdrs: [UpdatePdr],
        /// Changed FARs only.
        C update_fars: [UpdateFar],
        /// Changed URRs only.
        C update_urrs: [UpdateUrr],
        /// Changed QERs only.
        C update_qers: [UpdateQer],
        /// IE type 86.
        C update_bar: UpdateBar,
        /// UP has PDIU; applies to all PDRs that refer to it.
        C update_traffic_endpoints: [UpdateTrafficEndpoint],
        /// DROBU, QAURR, SUMPC, RUMUC, DETEID, HRSBOM.
        C flags: PfcpSmReqFlags,
        /// Immediate report for listed URRs; not together with QAURR.
        C query_urrs: [QueryUrr],
        /// One per kind of node.
        U fq_csids: [FqCsid],
        /// Ask for inactivity report; 0 stops.
        C user_plane_inactivity_timer: UserPlaneInactivityTimer,
        /// Tag to be echoed in the reports.
        O query_urr_reference: QueryUrrReference,
        /// Trace on; null length = off.
        U trace_information: TraceInformation,
        /// Rules to delete.
        C remove_mars: [RemoveMar],
        /// Changed.
        C update_mars: [UpdateMar],
        /// MA PDU session.
        C create_mars: [CreateMar],
        /// New SMF of the set took over (MPAS).
        C node_id: NodeId,
        /// TSC containers.
        C tsc_management_informations: [TscManagementInformation],
        /// Rules to delete.
        C remove_srrs: [RemoveSrr],
        /// Session level events to report.
        C create_srrs: [CreateSrr],
        /// Changed.
        C update_srrs: [UpdateSrr],
        /// MA PDU session.
        C provide_atsss_control_information: ProvideAtsssControlInformation,
        /// Anchor relocation (ETHAR).
        C ethernet_context_information: EthernetContextInformation,
        /// MA PDU.
        R access_availability_informations: [AccessAvailabilityInformation],
        /// Immediate packet rate status per QER.
        C query_packet_rate_status: [QueryPacketRateStatus],
        /// UP needs the slice.
        O s_nssai: SNssai,
        /// HR-SBO.
        C hplmn_s_nssai: HplmnSNssai,
        /// HR-SBO.
        C apn_dnn: ApnDnn,
        /// Statistics.
        C rat_type: RatType,
        /// Restoration group (RESPS).
        C group_id: GroupId,
        /// PDU session joined an MBS session.
        C mbs_session_n4_control_informations: [MbsSessionN4ControlInformation],
        /// EPPPI: PPI by DSCP.
        C dscp_to_ppi_control_information: DscpToPpiControlInformation,
        /// CN-TL (TSN transport).
        C tl_containers: [TlContainer],
        /// Trace streaming.
        O trace_collection_entity_uri: Uri,
        /// With trace.
        O ue_level_measurements_configuration: UeLevelMeasurementsConfiguration,
        /// CP supports SSET/MPAS: other SMF or PFCP entity addresses.
        O alternative_smf_ip_address: AlternativeSmfIpAddress,
        /// Media over QUIC relay.
        C moq_control_information: MoqControlInformation,
    }
}

group! {
    /// Session Modification Response (TS 29.244, 7.5.5).
    SessionModificationResponse {
        /// Result.
        M cause: Cause,
        /// Reject because of a missing or faulty M/C IE: its type.
        C offending_ie: OffendingIe,
        /// On acceptance, when UP was asked to choose an F-TEID, UE address or mapped N6 address.
        C created_pdrs: [CreatedPdr],
        /// Load control supported by CP and on.
        O load_control_information: LoadControlInformation,
        /// Overload control supported by CP, on and overloaded.
        O overload_control_information: OverloadControlInformation,
        /// Queried, URR removed or last PDR gone, with non-null counts.
        C usage_reports: [UsageReport],
        /// Reject with rule creation/modification failure: first failed rule.
        C failed_rule_id: FailedRuleId,
        /// More reports follow in Session Report Requests.
        C additional_usage_reports_information: AdditionalUsageReportsInformation,
        /// As Created PDR, for traffic endpoints.
        C created_traffic_endpoints: [CreatedTrafficEndpoint],
        /// TSC containers.
        C tsc_management_informations: [TscManagementInformation] as 200,
        /// When ATSSS resources were allocated.
        C atsss_control_parameters: AtsssControlParameters,
        /// Update PDR made UP allocate an F-TEID (redundant) or addresses.
        C updated_pdrs: [UpdatedPdr],
        /// Asked for (RCSR or query) and UP has CIOT.
        C packet_rate_status_reports: [PacketRateStatusReport] as 264,
        /// Cause = partially accepted: one per failed rule.
        C partial_failure_informations: [PartialFailureInformation],
        /// MBS.
        C mbs_session_n4_informations: [MbsSessionN4Information],
        /// CN-TL (TSN transport).
        C tl_containers: [TlContainer],
        /// Media over QUIC relay.
        C moq_information: MoqInformation,
    }
}

group! {
    /// Session Deletion Request (TS 29.244, 7.5.6).
    SessionDeletionRequest {
        /// CN-TL (TSN transport).
        C tl_containers: [TlContainer],
        /// New SMF of the set took over.
        C node_id: NodeId,
        /// With Node ID, new SMF.
        C cp_f_seid: FSeid,
    }
}

group! {
    /// Session Deletion Response (TS 29.244, 7.5.7).
    SessionDeletionResponse {
        /// Result.
        M cause: Cause,
        /// Reject because of a missing or faulty M/C IE: its type.
        C offending_ie: OffendingIe,
        /// Load control supported by CP and on.
        O load_control_information: LoadControlInformation,
        /// Overload control supported by CP, on and overloaded.
        O overload_control_information: OverloadControlInformation,
        /// One per URR with counts.
        C usage_reports: [UsageReport] as 79,
        /// More reports follow in Session Report Requests.
        C additional_usage_reports_information: AdditionalUsageReportsInformation,
        /// Asked for (RCSR or query) and UP has CIOT.
        C packet_rate_status_report: PacketRateStatusReport,
        /// MBS.
        C mbs_session_n4_informations: [MbsSessionN4Information],
        /// PURU: reports still unacknowledged.
        C flags: PfcpSdRspFlags,
        /// CN-TL (TSN transport).
        C tl_containers: [TlContainer],
        /// SRR events.
        R session_reports: [SessionReport],
    }
}

group! {
    /// Session Report Request (TS 29.244, 7.5.8).
    SessionReportRequest {
        /// Bitmap of what follows.
        M report_type: ReportType,
        /// DLDR set.
        C downlink_data_report: DownlinkDataReport,
        /// USAR set.
        C usage_reports: [UsageReport] as 80,
        /// ERIR set.
        C error_indication_report: ErrorIndicationReport,
        /// Load control supported by CP and on.
        O load_control_information: LoadControlInformation,
        /// Overload control supported by CP, on and overloaded.
        O overload_control_information: OverloadControlInformation,
        /// More reports follow in Session Report Requests.
        C additional_usage_reports_information: AdditionalUsageReportsInformation,
        /// PSDBU session deleted by UP; PPPCP.
        C flags: PfcpSrReqFlags,
        /// Report sent to another SMF of the set.
        C old_cp_f_seid: FSeid,
        /// With Old CP F-SEID.
        O smf_change_reason: SmfChangeReason,
        /// Asked for (RCSR or query) and UP has CIOT.
        C packet_rate_status_report: PacketRateStatusReport,
        /// TSC containers.
        C tsc_management_informations: [TscManagementInformation] as 201,
        /// SRR events.
        C session_reports: [SessionReport],
        /// Extra reason, e.g. L2TP gone.
        R cause: Cause,
    } keeps session_report
}

group! {
    /// Session Report Response (TS 29.244, 7.5.9).
    SessionReportResponse {
        /// Result.
        M cause: Cause,
        /// Reject because of a missing or faulty M/C IE: its type.
        C offending_ie: OffendingIe,
        /// IE type 12 here, not 86.
        C update_bar: UpdateBar as 12,
        /// DROBU.
        C flags: PfcpSrRspFlags,
        /// New SMF took over.
        R cp_f_seid: FSeid,
        /// New SMF gives a new N4-u tunnel.
        R n4_u_f_teid: FTeid,
        /// CP supports SSET/MPAS: other SMF or PFCP entity addresses.
        O alternative_smf_ip_addresses: [AlternativeSmfIpAddress],
        /// One per kind of node.
        O fq_csids: [FqCsid],
        /// Restoration group (RESPS).
        C group_id: GroupId,
        /// New SMF, with CP F-SEID.
        C node_id: NodeId,
    }
}
