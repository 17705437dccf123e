//! Groups of node messages.

use crate::ie::*;

group! {
    /// Load Control Information (TS 29.244, 7.5.3.3).
    LoadControlInformation {
        M sequence_number: SequenceNumber,
        M metric: Metric,
    }
}

group! {
    /// Overload Control Information (TS 29.244, 7.5.3.4).
    OverloadControlInformation {
        M sequence_number: SequenceNumber,
        M reduction_metric: Metric,
        M period_of_validity: Timer,
        C flags: OciFlags,
    }
}

group! {
    /// Application ID's PFDs (TS 29.244, 7.4.3.1).
    ApplicationIdsPfds {
        M application_id: ApplicationId,
        C pfd_contexts: [PfdContext],
    }
}

group! {
    /// PFD context (TS 29.244, 7.4.3.1).
    PfdContext {
        M pfd_contents: [PfdContents],
    }
}

group! {
    /// User Plane Path Failure Report (TS 29.244, 7.4.5.1.2).
    UserPlanePathFailureReport {
        M remote_gtp_u_peers: [RemoteGtpUPeer],
    }
}

group! {
    /// PFCP Session Retention Information (TS 29.244, 7.4.4.1).
    SessionRetentionInformation {
        R cp_pfcp_entity_ip_addresses: [CpPfcpEntityIpAddress],
    }
}

group! {
    /// User Plane Path Recovery Report (TS 29.244, 7.4.5.1.3).
    UserPlanePathRecoveryReport {
        M remote_gtp_u_peers: [RemoteGtpUPeer],
    }
}

group! {
    /// Clock Drift Control Information (TS 29.244, 7.4.4.1.2).
    ClockDriftControlInformation {
        M requested_clock_drift_information: RequestedClockDriftInformation,
        C time_domain_numbers: [TimeDomainNumber],
        C configured_time_domain: ConfiguredTimeDomain,
        C time_offset_threshold: TimeOffsetThreshold,
        C cumulative_rateratio_threshold: CumulativeRateRatioThreshold,
    }
}

group! {
    /// Clock Drift Report (TS 29.244, 7.4.5.1.4).
    ClockDriftReport {
        M time_domain_number: TimeDomainNumber,
        O time_offset_measurement: TimeOffsetMeasurement,
        O cumulative_rateratio_measurement: CumulativeRateRatioMeasurement,
        O time_stamp: TimeStamp,
        C network_instance: NetworkInstance,
        C apn_dnn: ApnDnn,
        C s_nssai: SNssai,
    }
}

group! {
    /// UE IP address Pool Information (TS 29.244, 7.4.4.1).
    UeIpAddressPoolInformation {
        M pool_identities: [UeIpAddressPoolIdentity],
        R network_instance: NetworkInstance,
        R s_nssais: [SNssai],
        R ip_version: IpVersion,
    }
}

group! {
    /// GTP-U Path QoS Control Information (TS 29.244, 7.4.4.1.3).
    GtpUPathQosControlInformation {
        C remote_gtp_u_peers: [RemoteGtpUPeer],
        C gtp_u_path_interface_type: GtpUPathInterfaceType,
        M qos_report_trigger: QosReportTrigger,
        C dscps: [TransportLevelMarking],
        C measurement_period: MeasurementPeriod,
        C average_packet_delay_threshold: AveragePacketDelay,
        C minimum_packet_delay_threshold: MinimumPacketDelay,
        C maximum_packet_delay_threshold: MaximumPacketDelay,
        C minimum_waiting_time: Timer,
    }
}

group! {
    /// GTP-U Path QoS Report (TS 29.244, 7.4.5.1.5).
    GtpUPathQosReport {
        M remote_gtp_u_peer: RemoteGtpUPeer,
        C gtp_u_path_interface_type: GtpUPathInterfaceType,
        M qos_report_trigger: QosReportTrigger,
        M time_stamp: TimeStamp,
        C start_time: StartTime,
        M qos_informations: [QosInformation],
    }
}

group! {
    /// QoS Information (TS 29.244, 7.4.5.1.6).
    QosInformation {
        M average_packet_delay: AveragePacketDelay,
        C minimum_packet_delay: MinimumPacketDelay,
        C maximum_packet_delay: MaximumPacketDelay,
        C dscp: TransportLevelMarking,
    }
}

group! {
    /// UE IP Address Usage Information (TS 29.244, 7.4.4.3.1).
    UeIpAddressUsageInformation {
        M sequence_number: SequenceNumber,
        M metric: Metric,
        M validity_timer: ValidityTimer,
        M number_of_ue_ip_addresses: NumberOfUeIpAddresses,
        M network_instance: NetworkInstance,
        R pool_identity: UeIpAddressPoolIdentity,
        O s_nssai: SNssai,
    }
}

group! {
    /// PFCP Session Change Info (TS 29.244, 7.4.7.1).
    SessionChangeInfo {
        C pgw_c_smf_fq_csids: [FqCsid],
        C group_ids: [GroupId],
        C cp_ip_addresses: [CpIpAddress],
        M alternative_smf_pgw_c_ip_address: AlternativeSmfIpAddress,
    }
}

group! {
    /// Peer UP Restart Report (TS 29.244, 7.4.5.1.7).
    PeerUpRestartReport {
        M remote_gtp_u_peers: [RemoteGtpUPeer],
    }
}

group! {
    /// N6 Delay Measurement Control Information (TS 29.244, 7.4.4.1.4).
    N6DelayMeasurementControlInformation {
        M n6_delay_measurement_control_information_id: N6DelayMeasurementControlInformationId,
        M measurement_endpoint_addresses: [MeasurementEndpointAddress],
        M network_instance: NetworkInstance,
        M measurement_protocols: [N6DelayMeasurementProtocols],
        R protocol_specific_configuration_parameters: ProtocolSpecificConfigurationParameters,
        M measurement_reporting_type: MeasurementReportingType,
        C measurement_period: MeasurementPeriod,
        R average_packet_delay_threshold: AveragePacketDelay,
        R minimum_packet_delay_threshold: MinimumPacketDelay,
        R maximum_packet_delay_threshold: MaximumPacketDelay,
        R minimum_waiting_time: Timer,
    }
}

group! {
    /// N6 Delay Measurement Report (TS 29.244, 7.4.5.1.8).
    N6DelayMeasurementReport {
        M measurement_endpoint_address: MeasurementEndpointAddress,
        M network_instance: NetworkInstance,
        M measurement_reporting_type: MeasurementReportingType,
        M time_stamp: TimeStamp,
        C start_time: StartTime,
        C n6_delay_measurement_information: N6DelayMeasurementInformation,
        C n6_delay_measurement_failure_information: N6DelayMeasurementFailureInformation,
        R measurement_endpoint_port_number: MeasurementEndpointPortNumber,
    }
}

group! {
    /// Protocol Specific Configuration Parameters (TS 29.244, 7.4.4.1.4).
    ProtocolSpecificConfigurationParameters {
        M measurement_protocol: N6DelayMeasurementProtocols,
        R measurement_endpoint_port_number: MeasurementEndpointPortNumber,
        R stamp_security_mode: StampSecurityMode,
        R twamp_security_mode: TwampSecurityMode,
        R hmac_key: StampHmacKey,
        R session_reflector_mode: StampSessionReflectorMode,
        R key_id_and_shared_secrets: [TwampKeyIdAndSharedSecret],
    }
}

group! {
    /// PFD Partial Failure Information (TS 29.244, 7.4.3.2).
    PfdPartialFailureInformation {
        M application_id: ApplicationId,
        M failure_cause: Cause,
    }
}
