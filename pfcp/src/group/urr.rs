//! Usage: URR and its reports.

use crate::ie::*;

group! {
    /// Create URR (TS 29.244, 7.5.2.4).
    CreateUrr {
        M urr_id: UrrId,
        M measurement_method: MeasurementMethod,
        M reporting_triggers: ReportingTriggers,
        C measurement_period: MeasurementPeriod,
        C volume_threshold: VolumeThreshold,
        C volume_quota: VolumeQuota,
        C event_threshold: EventThreshold,
        C event_quota: EventQuota,
        C time_threshold: TimeThreshold,
        C time_quota: TimeQuota,
        C quota_holding_time: QuotaHoldingTime,
        C dropped_dl_traffic_threshold: DroppedDlTrafficThreshold,
        C quota_validity_time: QuotaValidityTime,
        R monitoring_time: MonitoringTime,
        R subsequent_volume_threshold: SubsequentVolumeThreshold,
        R subsequent_time_threshold: SubsequentTimeThreshold,
        R subsequent_volume_quota: SubsequentVolumeQuota,
        R subsequent_time_quota: SubsequentTimeQuota,
        R subsequent_event_threshold: SubsequentEventThreshold,
        R subsequent_event_quota: SubsequentEventQuota,
        C inactivity_detection_time: InactivityDetectionTime,
        C linked_urr_ids: [LinkedUrrId],
        C measurement_information: MeasurementInformation,
        C time_quota_mechanism: TimeQuotaMechanism,
        C aggregated_urrs: [AggregatedUrrs],
        C quota_action_far_id: FarId,
        C ethernet_inactivity_timer: EthernetInactivityTimer,
        R additional_monitoring_times: [AdditionalMonitoringTime],
        R number_of_reports: NumberOfReports,
        R exempted_application_ids: [ApplicationId],
        R exempted_sdf_filters: [SdfFilter],
        C user_plane_inactivity_timer: UserPlaneInactivityTimer,
    } keeps create_urr
}

group! {
    /// Update URR (TS 29.244, 7.5.4.4).
    UpdateUrr {
        M urr_id: UrrId,
        C measurement_method: MeasurementMethod,
        C reporting_triggers: ReportingTriggers,
        U measurement_period: MeasurementPeriod,
        U volume_threshold: VolumeThreshold,
        U volume_quota: VolumeQuota,
        U time_threshold: TimeThreshold,
        U time_quota: TimeQuota,
        U event_threshold: EventThreshold,
        U event_quota: EventQuota,
        U quota_holding_time: QuotaHoldingTime,
        U dropped_dl_traffic_threshold: DroppedDlTrafficThreshold,
        U quota_validity_time: QuotaValidityTime,
        U monitoring_time: MonitoringTime,
        U subsequent_volume_threshold: SubsequentVolumeThreshold,
        U subsequent_time_threshold: SubsequentTimeThreshold,
        U subsequent_volume_quota: SubsequentVolumeQuota,
        U subsequent_time_quota: SubsequentTimeQuota,
        U subsequent_event_threshold: SubsequentEventThreshold,
        U subsequent_event_quota: SubsequentEventQuota,
        U inactivity_detection_time: InactivityDetectionTime,
        U linked_urr_ids: [LinkedUrrId],
        U measurement_information: MeasurementInformation,
        U time_quota_mechanism: TimeQuotaMechanism,
        U aggregated_urrs: [AggregatedUrrs],
        U quota_action_far_id: FarId,
        U ethernet_inactivity_timer: EthernetInactivityTimer,
        U additional_monitoring_times: [AdditionalMonitoringTime],
        U number_of_reports: NumberOfReports,
        U exempted_application_ids: [ApplicationId],
        U exempted_sdf_filters: [SdfFilter],
        U user_plane_inactivity_timer: UserPlaneInactivityTimer,
    }
}

group! {
    /// Remove URR (TS 29.244, 7.5.4.8).
    RemoveUrr {
        M urr_id: UrrId,
    }
}

group! {
    /// Application Detection Information (TS 29.244, 7.5.8.3).
    ApplicationDetectionInformation {
        M application_id: ApplicationId,
        C application_instance_id: ApplicationInstanceId,
        C flow_information: FlowInformation,
        O pdr_id: PdrId,
    }
}

group! {
    /// Query URR (TS 29.244, 7.5.4.10).
    QueryUrr {
        M urr_id: UrrId,
    }
}

group! {
    /// Usage Report (TS 29.244, 7.5.5.2).
    UsageReport {
        M urr_id: UrrId,
        M ur_seqn: UrSeqn,
        M usage_report_trigger: UsageReportTrigger,
        C start_time: StartTime,
        C end_time: EndTime,
        C volume_measurement: VolumeMeasurement,
        C duration_measurement: DurationMeasurement,
        C time_of_first_packet: TimeOfFirstPacket,
        C time_of_last_packet: TimeOfLastPacket,
        C usage_information: UsageInformation,
        C query_urr_reference: QueryUrrReference,
        C ethernet_traffic_information: EthernetTrafficInformation,
        C application_detection_information: ApplicationDetectionInformation,
        C ue_ip_address: UeIpAddress,
        C network_instance: NetworkInstance,
        C event_time_stamps: [TimeStamp],
        C join_ip_muticast_informations: [IpMulticastAddressingInfo] as 189,
        C leave_ip_muticast_informations: [IpMulticastAddressingInfo] as 190,
        O predefined_rules_names: [PredefinedRulesName],
    }
}

group! {
    /// Aggregated URRs (TS 29.244, 7.5.2.4).
    AggregatedUrrs {
        M urr_id: AggregatedUrrId,
        M multiplier: Multiplier,
    }
}

group! {
    /// Ethernet Traffic Information (TS 29.244, 7.5.8.3).
    EthernetTrafficInformation {
        C mac_addresses_detecteds: [MacAddressesDetected],
        C mac_addresses_removeds: [MacAddressesRemoved],
    }
}

group! {
    /// Additional Monitoring Time (TS 29.244, 7.5.2.4).
    AdditionalMonitoringTime {
        M monitoring_time: MonitoringTime,
        R subsequent_volume_threshold: SubsequentVolumeThreshold,
        R subsequent_time_threshold: SubsequentTimeThreshold,
        R subsequent_volume_quota: SubsequentVolumeQuota,
        R subsequent_time_quota: SubsequentTimeQuota,
        R event_threshold: EventThreshold,
        R event_quota: EventQuota,
        R subsequent_event_threshold: SubsequentEventThreshold,
        R subsequent_event_quota: SubsequentEventQuota,
    }
}
