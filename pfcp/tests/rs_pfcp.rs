//! The IEs that Wireshark 4.0 does not know, as this crate writes them, read and written again by
//! rs-pfcp.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use pfcp::AnyIe;
use pfcp::generate::Source;
use rs_pfcp::ie;

mod common;
use common::{hex, sorted, unhex};

/// A value read into the type that rs-pfcp has for it, and written again.
type Theirs = fn(&[u8]) -> Option<Vec<u8>>;

macro_rules! theirs {
    ($($no:literal $module:ident $name:ident;)*) => {
        const THEIRS: &[(u16, Theirs)] = &[$(
            ($no, |value| Some(ie::$module::$name::unmarshal(value).ok()?.marshal().to_vec())),
        )*];
    };
}

theirs! {
    300 mbs_session_n4mb_control_information MbsSessionN4mbControlInformation;
    303 mbs_session_n4mb_information MbsSessionN4mbInformation;
    306 multicast_transport_information MulticastTransportInformation;
    310 mbs_session_n4_control_information MbsSessionN4ControlInformation;
    321 configured_time_domain ConfiguredTimeDomain;
    322 metadata Metadata;
    323 traffic_parameter_measurement_control_information TrafficParameterMeasurementControlInformation;
    324 traffic_parameter_measurement_report TrafficParameterMeasurementReport;
    325 traffic_parameter_threshold TrafficParameterThreshold;
    326 dl_periodicity DlPeriodicity;
    327 n6_jitter_measurement N6JitterMeasurement;
    328 traffic_parameter_measurement_indication TrafficParameterMeasurementIndication;
    329 ul_periodicity UlPeriodicity;
    330 mpquic_control_information MpquicControlInformation;
    331 mpquic_parameters MpquicParameters;
    332 mpquic_address_information MpquicAddressInformation;
    333 transport_mode TransportMode;
    334 protocol_description ProtocolDescription;
    335 reporting_suggestion_info ReportingSuggestionInfo;
    336 tl_container TlContainer;
    337 measurement_indication MeasurementIndication;
    338 hplmn_s_nssai HplmnSNssai;
    339 media_transport_protocol MediaTransportProtocol;
    340 rtp_header_extension_information RtpHeaderExtensionInformation;
    341 rtp_payload_information RtpPayloadInformation;
    342 rtp_header_extension_type RtpHeaderExtensionType;
    343 rtp_header_extension_id RtpHeaderExtensionId;
    344 rtp_payload_type RtpPayloadType;
    345 rtp_payload_format RtpPayloadFormat;
    346 extended_dl_buffering_notification_policy ExtendedDlBufferingNotificationPolicy;
    347 mt_sdt_control_information MtSdtControlInformation;
    348 reporting_thresholds ReportingThresholds;
    349 rtp_header_extension_additional_information RtpHeaderExtensionAdditionalInformation;
    350 mapped_n6_ip_address MappedN6IpAddress;
    351 n6_routing_information N6RoutingInformation;
    352 uri Uri;
    353 ue_level_measurements_configuration UeLevelMeasurementsConfiguration;
    389 reporting_control_information ReportingControlInformation;
}

/// The value of an IE of ours, made from this seed.
fn generated(r#type: u16, seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761) ^ u32::from(r#type);
    let octets: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    })
    .take(160)
    .collect();
    let mut ie = Vec::new();
    AnyIe::generate_type(r#type, &mut Source::new(&octets))
        .encode(&mut ie)
        .unwrap();
    ie.split_off(4)
}

/// Types that rs-pfcp 0.5.0 lays out otherwise than TS 29.244 does, and how.
const OTHERWISE: &[(u16, &str)] = &[
    (326, "without the spare octet in front"),
    (329, "without the spare octet in front"),
    (353, "the job type alone"),
];

/// Of many values those that rs-pfcp has a type for come back octet for octet. It knows fewer
/// flags, codes and members of some; then the value is not read, or less of it is written.
#[test]
fn what_we_write_they_write_alike() {
    for (r#type, theirs) in THEIRS {
        let values = (1..=64).map(|seed| generated(*r#type, seed));
        let alike = values.filter(|value| {
            let again = theirs(value);
            again.is_some_and(|again| sorted(*r#type, &again) == sorted(*r#type, value))
        });
        let otherwise = OTHERWISE.iter().any(|(other, _)| other == r#type);
        assert_eq!(alike.count() > 1, !otherwise, "{type}");
    }
}

/// The samples that say so are as rs-pfcp writes them.
#[test]
fn samples_are_as_they_say() {
    let mut count = 0;
    for line in include_str!("golden/ies.txt").lines() {
        let Some(ie) = line.strip_suffix(" = # by hand, as rs-pfcp writes it") else {
            continue;
        };
        let (r#type, value) = ie.split_once(' ').unwrap();
        let r#type: u16 = r#type.parse().unwrap();
        let value = unhex(value);
        let (_, theirs) = THEIRS.iter().find(|(no, _)| *no == r#type).unwrap();
        let again = theirs(&value).expect(line);
        assert_eq!(
            hex(&sorted(r#type, &again)),
            hex(&sorted(r#type, &value)),
            "{line}"
        );
        count += 1;
    }
    assert!(count > 30, "{count}");
}
