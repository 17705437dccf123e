//! What the tests share.
#![allow(dead_code, reason = "each test takes what it needs")]
#![allow(clippy::print_stderr, reason = "what is skipped is said")]

use pfcp::CATALOGUE;

#[allow(unused_macros, reason = "each test takes what it needs")]
macro_rules! each {
    ($check:ident $args:tt: $($name:ident)*) => { $( each!(@call $check $name $args); )* };
    (@call $check:ident $name:ident [$(, $arg:expr)?]) => { $check::<$name>(stringify!($name) $(, $arg)?) };
}

/// Calls a generic function for every message body.
#[allow(unused_macros, reason = "each test takes what it needs")]
macro_rules! every_message {
    ($check:ident $(, $arg:expr)?) => {
        each! { $check [$(, $arg)?]:
            HeartbeatRequest HeartbeatResponse PfdManagementRequest PfdManagementResponse
            AssociationSetupRequest AssociationSetupResponse AssociationUpdateRequest
            AssociationUpdateResponse AssociationReleaseRequest AssociationReleaseResponse
            VersionNotSupportedResponse NodeReportRequest NodeReportResponse
            SessionSetDeletionRequest SessionSetDeletionResponse SessionSetModificationRequest
            SessionSetModificationResponse SessionEstablishmentRequest SessionEstablishmentResponse
            SessionModificationRequest SessionModificationResponse SessionDeletionRequest
            SessionDeletionResponse SessionReportRequest SessionReportResponse
        }
    };
}

/// Calls a generic function for every grouped IE.
#[allow(unused_macros, reason = "each test takes what it needs")]
macro_rules! every_group {
    ($check:ident $(, $arg:expr)?) => {
        each! { $check [$(, $arg)?]:
            DownlinkDataReport CreateBar UpdateBar RemoveBar CreateTrafficEndpoint
            CreatedTrafficEndpoint UpdateTrafficEndpoint RemoveTrafficEndpoint
            EthernetContextInformation CreateFar ForwardingParameters DuplicatingParameters
            UpdateFar UpdateForwardingParameters RemoveFar UpdateDuplicatingParameters
            RedundantTransmissionForwardingParameters MbsMulticastParameters
            AddMbsUnicastParameters RemoveMbsUnicastParameters HeaderHandlingControlRule
            HeaderHandlingReportingControlInfo HeaderHandlingControlInformation
            ExtendedTransportLevelMarking CreateMar AccessForwardingActionInformation RemoveMar
            UpdateMar UpdateAccessForwardingActionInformation ProvideAtsssControlInformation
            AtsssControlParameters MptcpParameters AtsssLlParameters PmfParameters
            MpquicParameters LoadControlInformation OverloadControlInformation
            ApplicationIdsPfds PfdContext UserPlanePathFailureReport SessionRetentionInformation
            UserPlanePathRecoveryReport ClockDriftControlInformation ClockDriftReport
            UeIpAddressPoolInformation GtpUPathQosControlInformation GtpUPathQosReport
            QosInformation UeIpAddressUsageInformation SessionChangeInfo PeerUpRestartReport
            N6DelayMeasurementControlInformation N6DelayMeasurementReport
            ProtocolSpecificConfigurationParameters PfdPartialFailureInformation CreatePdr Pdi
            CreatedPdr UpdatePdr RemovePdr EthernetPacketFilter IpMulticastAddressingInfo
            RedundantTransmissionDetectionParameters UpdatedPdr TransportDelayReporting
            ProtocolDescription RtpHeaderExtensionInformation RtpPayloadInformation CreateQer
            UpdateQer RemoveQer PacketRateStatusReport QueryPacketRateStatus
            DscpToPpiControlInformation ErrorIndicationReport CreatedBridgeRouterInfo
            TscManagementInformation ProvideRdsConfigurationInformation
            PartialFailureInformation L2tpTunnelInformation L2tpSessionInformation
            CreatedL2tpSession MbsSessionN4mbControlInformation MbsSessionN4mbInformation
            MbsSessionN4ControlInformation MbsSessionN4Information MoqInformation RemoveSrr
            CreateSrr UpdateSrr SessionReport AccessAvailabilityControlInformation
            AccessAvailabilityReport QosMonitoringControlInformation QosMonitoringReport
            DirectReportingInformation TrafficParameterMeasurementControlInformation
            TrafficParameterMeasurementReport RedundantN3N9TransmissionInformation
            LocalN3N9TunnelInformation RemoteN3N9TunnelInformation CreateUrr UpdateUrr RemoveUrr
            ApplicationDetectionInformation QueryUrr UsageReport AggregatedUrrs
            EthernetTrafficInformation AdditionalMonitoringTime
        }
    };
}

/// Whether a tool is here; if not, what is not tested without it is said aloud. Where nothing may
/// be skipped (`UPF_REQUIRE_TSHARK`), its absence is a failure.
pub(crate) fn is_here(tool: &str, without: &str) -> bool {
    let found = std::process::Command::new(tool).arg("--version").output();
    let here = found.is_ok_and(|output| output.status.success());
    if !here {
        eprintln!("\n*** SKIPPED: no {tool} here. {without} ***\n");
        assert!(
            std::env::var_os("UPF_REQUIRE_TSHARK").is_none(),
            "{tool} is required"
        );
    }
    here
}

pub(crate) fn unhex(digits: &str) -> Vec<u8> {
    assert!(digits.len().is_multiple_of(2), "{digits}");
    (0..digits.len() / 2)
        .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap())
        .collect()
}

pub(crate) fn hex(octets: &[u8]) -> String {
    pfcp::Octets::from(octets).hex().to_string()
}

/// The IEs of a list, each with its value; panics if the list is not sound.
pub(crate) fn split(mut octets: &[u8]) -> Vec<(u16, &[u8])> {
    let mut all = Vec::new();
    while !octets.is_empty() {
        let r#type = u16::from_be_bytes([octets[0], octets[1]]);
        let end = 4 + usize::from(u16::from_be_bytes([octets[2], octets[3]]));
        all.push((r#type, &octets[4..end]));
        octets = &octets[end..];
    }
    all
}

pub(crate) fn join<T: AsRef<[u8]>>(ies: impl IntoIterator<Item = (u16, T)>) -> Vec<u8> {
    let mut octets = Vec::new();
    for (r#type, value) in ies {
        octets.extend(r#type.to_be_bytes());
        let value = value.as_ref();
        octets.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        octets.extend(value);
    }
    octets
}

pub(crate) fn is_group(r#type: u16) -> bool {
    CATALOGUE
        .iter()
        .any(|entry| entry.r#type == r#type && matches!(entry.form, "group" | "alias"))
}

/// The value with the IEs of groups in ascending order of type: their order is free.
pub(crate) fn sorted(r#type: u16, value: &[u8]) -> Vec<u8> {
    if is_group(r#type) {
        sorted_list(value)
    } else {
        value.to_vec()
    }
}

/// The same for a list of IEs.
pub(crate) fn sorted_list(octets: &[u8]) -> Vec<u8> {
    let mut ies: Vec<_> = split(octets)
        .into_iter()
        .map(|(r#type, value)| (r#type, sorted(r#type, value)))
        .collect();
    ies.sort_by_key(|(r#type, _)| *r#type);
    join(ies)
}
