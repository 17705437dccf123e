//! Whatever is written is read again; and nothing that is read can make the reader panic.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

use gtpu::{
    DlPduSessionInformation, EchoRequest, EchoResponse, EndMarker, ErrorIndication, ExtensionType,
    GPDU_HEADER_LENGTH_MAX, Header, Message, PduSessionContainer, PduType, PrivateExtension,
    SupportedExtensionHeadersNotification, TunnelStatus, UlPduSessionInformation, UlTimeStamps,
    gpdu_header, parse_gpdu, set_length,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

fn sequence_24() -> impl Strategy<Value = Option<u32>> {
    option::of(0_u32..1 << 24)
}

fn dl() -> impl Strategy<Value = DlPduSessionInformation> {
    let mbs = option::of(any::<u32>());
    (
        0_u8..64,
        any::<bool>(),
        option::of(0_u8..8),
        any::<Option<u64>>(),
        sequence_24(),
        mbs,
    )
        .prop_map(
            |(qfi, rqi, ppi, sending_time_stamp, qfi_sequence_number, mbs)| {
                DlPduSessionInformation {
                    qfi,
                    rqi,
                    ppi,
                    sending_time_stamp,
                    qfi_sequence_number,
                    mbs_qfi_sequence_number: mbs,
                }
            },
        )
}

fn ul() -> impl Strategy<Value = UlPduSessionInformation> {
    let times = option::of(any::<[u64; 3]>());
    let delays = any::<[Option<u32>; 3]>();
    (
        0_u8..64,
        times,
        delays,
        sequence_24(),
        any::<Option<bool>>(),
    )
        .prop_map(
            |(qfi, times, [dl_delay_result, ul_delay_result, n3_n9_delay_result], sequence, d1)| {
                UlPduSessionInformation {
                    qfi,
                    time_stamps: times.map(|[dl_sending_repeated, dl_received, ul_sending]| {
                        UlTimeStamps {
                            dl_sending_repeated,
                            dl_received,
                            ul_sending,
                        }
                    }),
                    dl_delay_result,
                    ul_delay_result,
                    qfi_sequence_number: sequence,
                    n3_n9_delay_result,
                    d1_ul_pdcp_delay_included: d1,
                }
            },
        )
}

fn container() -> impl Strategy<Value = PduSessionContainer> {
    prop_oneof![
        dl().prop_map(PduSessionContainer::Dl),
        ul().prop_map(PduSessionContainer::Ul)
    ]
}

fn private() -> impl Strategy<Value = Vec<PrivateExtension>> {
    let one = (any::<u16>(), vec(any::<u8>(), 0..40))
        .prop_map(|(enterprise, value)| PrivateExtension { enterprise, value });
    vec(one, 0..4)
}

fn message() -> impl Strategy<Value = Message> {
    let time = any::<Option<u32>>;
    prop_oneof![
        (any::<u16>(), time(), private()).prop_map(|(sequence_number, time, private)| {
            Message::EchoRequest(EchoRequest {
                sequence_number,
                recovery_time_stamp: time,
                private_extensions: private,
            })
        }),
        (any::<u16>(), any::<Option<u8>>(), time(), private()).prop_map(
            |(sequence_number, recovery, time, private)| {
                Message::EchoResponse(EchoResponse {
                    sequence_number,
                    recovery,
                    recovery_time_stamp: time,
                    private_extensions: private,
                })
            }
        ),
        (
            any::<u16>(),
            any::<u32>(),
            any::<std::net::IpAddr>(),
            any::<Option<u16>>(),
            time()
        )
            .prop_map(|(sequence_number, teid, peer_address, udp_port, time)| {
                Message::ErrorIndication(ErrorIndication {
                    sequence_number,
                    teid,
                    peer_address,
                    udp_port,
                    recovery_time_stamp: time,
                    private_extensions: Vec::new(),
                })
            }),
        (any::<u16>(), vec(any::<u8>(), 0..256)).prop_map(|(sequence_number, types)| {
            Message::SupportedExtensionHeaders(SupportedExtensionHeadersNotification {
                sequence_number,
                types: types.into_iter().map(ExtensionType).collect(),
            })
        }),
        (any::<u32>(), option::of(container()), private()).prop_map(
            |(teid, container, private_extensions)| {
                Message::EndMarker(EndMarker {
                    teid,
                    container,
                    private_extensions,
                })
            }
        ),
        (any::<u32>(), any::<bool>()).prop_map(|(teid, start_pause_of_charging)| {
            Message::TunnelStatus(TunnelStatus {
                teid,
                start_pause_of_charging,
            })
        }),
    ]
}

/// Looks at everything there is to look at.
fn look(octets: &[u8]) {
    let _ = parse_gpdu(octets);
    let _ = Message::decode(octets);
    let _ = PduSessionContainer::decode(octets);
    if let Ok(header) = Header::parse(octets) {
        assert!(header.payload_offset() + header.payload().len() <= octets.len());
        assert!(header.extensions().count() <= gtpu::EXTENSIONS_MAX);
        let _ = (
            header.flow(),
            header.pdu_session_container(),
            header.unknown_extension(),
        );
        let _ = (header.sequence_number(), header.n_pdu_number());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn a_gpdu_is_read_as_written(
        teid: u32,
        container in option::of(container()),
        t_pdu in vec(any::<u8>(), 0..100),
        surplus in vec(any::<u8>(), 0..10),
    ) {
        let mut datagram = gpdu_header(teid, container.as_ref());
        prop_assert!(datagram.len() <= GPDU_HEADER_LENGTH_MAX);
        prop_assert_eq!(datagram.len() % 4, 0);
        set_length(&mut datagram, t_pdu.len()).unwrap();
        let offset = datagram.len();
        let datagram = [datagram.as_slice(), &t_pdu, &surplus].concat();
        let header = Header::parse(&datagram).unwrap();
        prop_assert_eq!(header.teid(), teid);
        prop_assert_eq!(header.payload(), &t_pdu);
        prop_assert_eq!(header.pdu_session_container(), Ok(container));
        let gpdu = parse_gpdu(&datagram).unwrap();
        prop_assert_eq!((gpdu.teid, gpdu.payload_offset), (teid, offset));
        prop_assert_eq!(gpdu.payload_length, t_pdu.len());
        prop_assert_eq!(gpdu.flow.map(|flow| flow.qfi), container.map(|it| it.qfi()));
        let dl = matches!(container, Some(PduSessionContainer::Dl(_)));
        prop_assert_eq!(gpdu.flow.is_some_and(|flow| flow.pdu_type == PduType::Dl), dl);
    }

    #[test]
    fn a_message_is_read_as_written(message in message()) {
        let octets = message.encode().unwrap();
        prop_assert_eq!(Message::decode(&octets), Ok(message));
    }

    #[test]
    fn a_message_with_octets_changed_is_read_or_refused(
        message in message(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        keep: prop::sample::Index,
    ) {
        let mut octets = message.encode().unwrap();
        for (at, value) in changes {
            let at = at.index(octets.len());
            octets[at] = value;
        }
        look(&octets);
        look(&octets[..keep.index(octets.len())]);
    }

    #[test]
    fn noise_is_read_or_refused(octets in vec(any::<u8>(), 0..200)) {
        look(&octets);
    }

    #[test]
    fn noise_after_a_header_is_read_or_refused(
        flags in 0x30_u8..0x38,
        kind in prop::sample::select(vec![1_u8, 2, 26, 31, 253, 254, 255]),
        rest in vec(any::<u8>(), 4..120),
    ) {
        let length = u16::try_from(rest.len() - 4).unwrap().to_be_bytes();
        let octets = [&[flags, kind], length.as_slice(), &rest].concat();
        look(&octets);
    }
}
