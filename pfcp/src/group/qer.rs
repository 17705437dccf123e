//! Quality of service: QER.

use crate::ie::*;

group! {
    /// Create QER (TS 29.244, 7.5.2.5).
    CreateQer {
        M qer_id: QerId,
        C qer_correlation_id: QerCorrelationId,
        M gate_status: GateStatus,
        C maximum_bitrate: Mbr,
        C guaranteed_bitrate: Gbr,
        C packet_rate: PacketRate,
        C packet_rate_status: PacketRateStatus,
        C dl_flow_level_marking: DlFlowLevelMarking,
        C qfi: Qfi,
        C reflective_qos: Rqi,
        C paging_policy_indicator: PagingPolicyIndicator,
        R averaging_window: AveragingWindow,
        C qer_control_indications: QerControlIndications,
        C qer_indications: QerIndications,
    }
}

group! {
    /// Update QER (TS 29.244, 7.5.4.5).
    UpdateQer {
        M qer_id: QerId,
        U qer_correlation_id: QerCorrelationId,
        C gate_status: GateStatus,
        U maximum_bitrate: Mbr,
        U guaranteed_bitrate: Gbr,
        U packet_rate: PacketRate,
        U dl_flow_level_marking: DlFlowLevelMarking,
        U qfi: Qfi,
        U reflective_qos: Rqi,
        U paging_policy_indicator: PagingPolicyIndicator,
        U averaging_window: AveragingWindow,
        U qer_control_indications: QerControlIndications,
        U qer_indications: QerIndications,
    }
}

group! {
    /// Remove QER (TS 29.244, 7.5.4.9).
    RemoveQer {
        M qer_id: QerId,
    }
}

group! {
    /// Packet Rate Status Report (TS 29.244, 7.5.7.1).
    PacketRateStatusReport {
        M qer_id: QerId,
        M packet_rate_status: PacketRateStatus,
    }
}

group! {
    /// Query Packet Rate Status (TS 29.244, 7.5.4.22).
    QueryPacketRateStatus {
        M qer_id: QerId,
    }
}

group! {
    /// DSCP to PPI Control Information (TS 29.244, 7.5.2.1).
    DscpToPpiControlInformation {
        M dscp_to_ppi_mapping_informations: [DscpToPpiMappingInformation],
        R qfis: [Qfi],
    }
}
