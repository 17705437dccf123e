//! Buffering: BAR and Downlink Data Report.

use crate::ie::*;

group! {
    /// Downlink Data Report (TS 29.244, 7.5.8.2).
    DownlinkDataReport {
        M pdr_ids: [PdrId],
        C downlink_data_service_information: DownlinkDataServiceInformation,
        O dl_data_packets_size: DlDataPacketsSize,
        R dl_data_status: DataStatus,
    }
}

group! {
    /// Create BAR (TS 29.244, 7.5.2.6).
    CreateBar {
        M bar_id: BarId,
        C downlink_data_notification_delay: DownlinkDataNotificationDelay,
        C suggested_buffering_packets_count: SuggestedBufferingPacketsCount,
        R mt_edt_control_information: MtEdtControlInformation,
        R mt_sdt_control_information: MtSdtControlInformation,
        C dl_buffering_duration: DlBufferingDuration,
        R dl_buffering_suggested_packet_count: DlBufferingSuggestedPacketCount,
    }
}

group! {
    /// Update BAR (TS 29.244, 7.5.4.11).
    UpdateBar {
        M bar_id: BarId,
        U downlink_data_notification_delay: DownlinkDataNotificationDelay,
        U suggested_buffering_packets_count: SuggestedBufferingPacketsCount,
        U dl_buffering_duration: DlBufferingDuration,
        U dl_buffering_suggested_packet_count: DlBufferingSuggestedPacketCount,
        U mt_edt_control_information: MtEdtControlInformation,
        U mt_sdt_control_information: MtSdtControlInformation,
        U extended_dl_buffering_notification_policy: ExtendedDlBufferingNotificationPolicy,
    }
}

group! {
    /// Remove BAR (TS 29.244, 7.5.4.12).
    RemoveBar {
        M bar_id: BarId,
    }
}
