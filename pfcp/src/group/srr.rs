//! Session reports: SRR.

use crate::ie::*;

group! {
    /// Remove SRR (TS 29.244, 7.5.4.19).
    RemoveSrr {
        M srr_id: SrrId,
    }
}

group! {
    /// Create SRR (TS 29.244, 7.5.2.9).
    CreateSrr {
        M srr_id: SrrId,
        C access_availability_control_information: AccessAvailabilityControlInformation,
        C qos_monitoring_per_qos_flow_control_informations: [QosMonitoringControlInformation],
        C direct_reporting_information: DirectReportingInformation,
        C traffic_parameter_measurement_control_informations: [TrafficParameterMeasurementControlInformation],
        C reporting_control_information: ReportingControlInformation,
    }
}

group! {
    /// Update SRR (TS 29.244, 7.5.4.21).
    UpdateSrr {
        M srr_id: SrrId,
        U access_availability_control_information: AccessAvailabilityControlInformation,
        U qos_monitoring_per_qos_flow_control_informations: [QosMonitoringControlInformation],
        U direct_reporting_information: DirectReportingInformation,
        U traffic_parameter_measurement_control_informations: [TrafficParameterMeasurementControlInformation],
    }
}

group! {
    /// Session Report (TS 29.244, 7.5.8.7).
    SessionReport {
        M srr_id: SrrId,
        C qos_monitoring_reports: [QosMonitoringReport],
        C access_availability_report: AccessAvailabilityReport,
        C traffic_parameter_measurement_reports: [TrafficParameterMeasurementReport],
    }
}

group! {
    /// Access Availability Control Information (TS 29.244, 7.5.2.9).
    AccessAvailabilityControlInformation {
        M requested_access_availability_information: RequestedAccessAvailabilityInformation,
    }
}

group! {
    /// Access Availability Report (TS 29.244, 7.5.8.6).
    AccessAvailabilityReport {
        M access_availability_informations: [AccessAvailabilityInformation],
    }
}

group! {
    /// QoS Monitoring per QoS flow Control Information (TS 29.244, 7.5.2.9).
    QosMonitoringControlInformation {
        M qfis: [Qfi],
        M requested_qos_monitoring: RequestedQosMonitoring,
        M reporting_frequency: ReportingFrequency,
        C packet_delay_thresholds: PacketDelayThresholds,
        C minimum_wait_time: MinimumWaitTime,
        C measurement_period: MeasurementPeriod,
        C reporting_suggestion_info: ReportingSuggestionInfo,
        C measurement_indication: MeasurementIndication,
        C reporting_thresholds: ReportingThresholds,
        R remaining_data_reporting_indication: RemainingDataReportingIndication,
    }
}

group! {
    /// QoS Monitoring Report (TS 29.244, 7.5.8.6).
    QosMonitoringReport {
        M qfi: Qfi,
        M qos_monitoring_measurement: QosMonitoringMeasurement,
        C redundant_n3_n9_transmission_information: RedundantN3N9TransmissionInformation,
        M time_stamp: TimeStamp,
        O start_time: StartTime,
    }
}

group! {
    /// Direct Reporting Information (TS 29.244, 7.5.2.9).
    DirectReportingInformation {
        M event_notification_uri: EventNotificationUri,
        C notification_correlation_id: NotificationCorrelationId,
        C notification_binding_indication: BindingIndication,
        C reporting_flags: ReportingFlags,
    }
}

group! {
    /// Traffic Parameter Measurement Control Information (TS 29.244, 7.5.2.9).
    TrafficParameterMeasurementControlInformation {
        M qfis: [Qfi],
        M traffic_parameter_measurement_indication: TrafficParameterMeasurementIndication,
        C measurement_period: MeasurementPeriod,
        C dl_periodicity: DlPeriodicity,
        C traffic_parameter_threshold: TrafficParameterThreshold,
    }
}

group! {
    /// Traffic Parameter Measurement Report (TS 29.244, 7.5.8.6).
    TrafficParameterMeasurementReport {
        M qfi: Qfi,
        C n6_jitter_measurement: N6JitterMeasurement,
        C ul_periodicity: UlPeriodicity,
        M time_stamp: TimeStamp,
        O start_time: StartTime,
    }
}

group! {
    /// Redundant N3/N9 Transmission Information (TS 29.244, 7.5.8.6).
    RedundantN3N9TransmissionInformation {
        M local_n3_n9_tunnel_information: LocalN3N9TunnelInformation,
        M remote_n3_n9_tunnel_information: RemoteN3N9TunnelInformation,
    }
}

group! {
    /// Local N3/N9 Tunnel Information (TS 29.244, 7.5.8.6).
    LocalN3N9TunnelInformation {
        M f_teid: FTeid,
        R network_instance: NetworkInstance,
    }
}

group! {
    /// Remote N3/N9 Tunnel Information (TS 29.244, 7.5.8.6).
    RemoteN3N9TunnelInformation {
        M f_teid: FTeid,
        R network_instance: NetworkInstance,
    }
}
