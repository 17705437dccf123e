//! Headers that peers send by mistake or malice: framing is checked before anything is believed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

use gtpu::{
    Comprehension, ContainerError, DlPduSessionInformation, EXTENSIONS_MAX, EchoRequest,
    ExtensionType, Flow, Header, Message, MessageError, MessageType, ParseError,
    PduSessionContainer, PduType, TooLong, gpdu_header, gpdu_header_dl, gpdu_header_plain,
    parse_gpdu, set_length,
};

const T_PDU: [u8; 4] = [0x45, 0x00, 0x00, 0x04];

/// A G-PDU with the given extension headers, each as type and content.
fn with_extensions(extensions: &[(u8, &[u8])]) -> Vec<u8> {
    let mut out = vec![0x34, 0xff, 0, 0, 0, 0, 0, 7, 0, 0, 0];
    for (kind, content) in extensions {
        assert_eq!(content.len() % 4, 2);
        out.push(*kind);
        out.push(u8::try_from(content.len() / 4 + 1).unwrap());
        out.extend(*content);
    }
    out.push(0);
    out.extend(T_PDU);
    let length = u16::try_from(out.len() - 8).unwrap();
    out[2..4].copy_from_slice(&length.to_be_bytes());
    out
}

fn payload(datagram: &[u8]) -> &[u8] {
    let gpdu = parse_gpdu(datagram).unwrap();
    &datagram[gpdu.payload_offset..gpdu.payload_offset + gpdu.payload_length]
}

#[test]
fn a_datagram_of_0_to_7_octets_is_too_short() {
    let plain = gpdu_header_plain(1);
    for length in 0..8 {
        assert_eq!(
            Header::parse(&plain[..length]).unwrap_err(),
            ParseError::TooShort
        );
        assert_eq!(parse_gpdu(&plain[..length]), Err(ParseError::TooShort));
    }
}

#[test]
fn only_version_1_of_gtp_is_read() {
    let mut datagram = [gpdu_header_plain(1).as_slice(), &T_PDU].concat();
    datagram[3] = 4;
    for (flags, error) in [
        (0x10, ParseError::Version),
        (0x50, ParseError::Version),
        (0x70, ParseError::Version),
        (0xf0, ParseError::Version),
        (0x20, ParseError::ProtocolType),
        (0x24, ParseError::ProtocolType),
    ] {
        datagram[0] = flags;
        assert_eq!(parse_gpdu(&datagram), Err(error), "{flags:#x}");
    }
    datagram[0] = 0x38; // the spare bit
    assert_eq!(payload(&datagram), T_PDU);
}

#[test]
fn the_length_counts_and_not_the_datagram() {
    let mut datagram = [gpdu_header_plain(1).as_slice(), &T_PDU, b"surplus"].concat();
    for length in 0..=T_PDU.len() {
        datagram[3] = u8::try_from(length).unwrap();
        assert_eq!(payload(&datagram), &T_PDU[..length]);
    }
    datagram[3] = 12;
    assert_eq!(parse_gpdu(&datagram), Err(ParseError::LengthBeyondEnd));
    datagram[2..4].copy_from_slice(&[0xff, 0xff]);
    assert_eq!(parse_gpdu(&datagram), Err(ParseError::LengthBeyondEnd));
}

#[test]
fn the_optional_octets_are_there_for_each_combination_of_e_s_pn() {
    for flags in 0..8_u8 {
        let mut datagram = vec![0x30 | flags, 0xff, 0, 0, 0, 0, 0, 7];
        if flags != 0 {
            datagram.extend([0x12, 0x34, 0x56, if flags & 4 == 0 { 0x85 } else { 0 }]);
        }
        datagram.extend(T_PDU);
        datagram[3] = u8::try_from(datagram.len() - 8).unwrap();
        let header = Header::parse(&datagram).unwrap();
        assert_eq!(
            header.sequence_number(),
            (flags & 2 != 0).then_some(0x1234),
            "{flags}"
        );
        assert_eq!(
            header.n_pdu_number(),
            (flags & 1 != 0).then_some(0x56),
            "{flags}"
        );
        assert_eq!(header.extensions().count(), 0, "{flags}");
        assert_eq!(header.payload(), T_PDU, "{flags}");
        assert_eq!(
            parse_gpdu(&datagram).unwrap().sequence_number,
            header.sequence_number()
        );
        for length in 0..4 {
            datagram[3] = length;
            let outcome = Header::parse(&datagram).map(|header| header.payload().len());
            let expected = match flags {
                0 => Ok(usize::from(length)),
                _ => Err(ParseError::OptionalFieldsCut),
            };
            assert_eq!(outcome, expected, "{flags} {length}");
        }
    }
}

#[test]
fn a_cut_extension_header_is_refused() {
    let cut = [
        0x36, 0xff, 0x00, 0x34, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0xff,
    ];
    assert_eq!(parse_gpdu(&cut), Err(ParseError::LengthBeyondEnd));
    let mut fits = cut;
    fits[3] = 4;
    assert_eq!(parse_gpdu(&fits), Err(ParseError::ExtensionCut));
    let whole = with_extensions(&[(0x85, &[0x10, 1])]);
    for length in 4..8_u8 {
        let mut datagram = whole.clone();
        datagram[3] = length;
        assert_eq!(
            parse_gpdu(&datagram),
            Err(ParseError::ExtensionCut),
            "{length}"
        );
        datagram[12] = 0xff;
        assert_eq!(
            parse_gpdu(&datagram),
            Err(ParseError::ExtensionCut),
            "{length}"
        );
    }
}

#[test]
fn an_extension_header_of_length_0_ends_the_matter() {
    let mut datagram = with_extensions(&[(0x85, &[0x10, 1])]);
    datagram[12] = 0;
    assert_eq!(parse_gpdu(&datagram), Err(ParseError::ExtensionLengthZero));
}

#[test]
fn a_chain_has_a_bound() {
    let extension: (u8, &[u8]) = (0x40, &[0x08, 0x68]);
    for count in [1, 2, 8, 9, EXTENSIONS_MAX] {
        let datagram = with_extensions(&vec![extension; count]);
        assert_eq!(payload(&datagram), T_PDU, "{count}");
        assert_eq!(
            Header::parse(&datagram).unwrap().extensions().count(),
            count
        );
    }
    for count in [EXTENSIONS_MAX + 1, 64, 300] {
        let datagram = with_extensions(&vec![extension; count]);
        assert_eq!(
            parse_gpdu(&datagram),
            Err(ParseError::ExtensionsTooMany),
            "{count}"
        );
    }
}

#[test]
fn extension_headers_of_4_to_1020_octets_are_skipped_by_their_length() {
    for units in [1_usize, 2, 3, 64, 255] {
        let content = vec![0x5a; units * 4 - 2];
        let datagram = with_extensions(&[(0x01, &content), (0x85, &[0x10, 9])]);
        assert_eq!(payload(&datagram), T_PDU, "{units}");
        let flow = Flow {
            pdu_type: PduType::Ul,
            qfi: 9,
            rqi: false,
        };
        assert_eq!(parse_gpdu(&datagram).unwrap().flow, Some(flow));
    }
    let container = with_extensions(&[(0x85, &[0x00, 0x89, 0x60, 0, 0, 0])]);
    let flow = Flow {
        pdu_type: PduType::Dl,
        qfi: 9,
        rqi: false,
    };
    assert_eq!(parse_gpdu(&container).unwrap().flow, Some(flow));
}

#[test]
fn unknown_extension_headers_are_treated_by_their_first_two_bits() {
    for kind in 1..=u8::MAX {
        let datagram = with_extensions(&[(kind, &[0, 0])]);
        let kind = ExtensionType(kind);
        let required = match kind.0 {
            0x01..=0x3f => Comprehension::ForwardIfUnknown,
            0x40..=0x7f => Comprehension::DiscardIfUnknown,
            0x80..=0xbf => Comprehension::RequiredByEndpoint,
            _ => Comprehension::RequiredByAll,
        };
        assert_eq!(kind.comprehension(), required);
        let skippable = matches!(
            required,
            Comprehension::ForwardIfUnknown | Comprehension::DiscardIfUnknown
        );
        let header = Header::parse(&datagram).unwrap();
        if skippable || [0x82, 0x85, 0x86, 0xc0].contains(&kind.0) {
            assert_eq!(header.unknown_extension(), None, "{kind}");
            assert_eq!(payload(&datagram), T_PDU, "{kind}");
        } else {
            assert_eq!(header.unknown_extension(), Some(kind));
            assert_eq!(
                parse_gpdu(&datagram),
                Err(ParseError::ExtensionUnknown),
                "{kind}"
            );
        }
    }
}

#[test]
fn the_qfi_comes_from_the_first_container_of_a_known_type() {
    let flow = |extensions: &[(u8, &[u8])]| parse_gpdu(&with_extensions(extensions)).unwrap().flow;
    let marked = |pdu_type, qfi, rqi| Some(Flow { pdu_type, qfi, rqi });
    assert_eq!(flow(&[(0x85, &[0x00, 0x45])]), marked(PduType::Dl, 5, true));
    assert_eq!(
        flow(&[(0x85, &[0x10, 0xc5])]),
        marked(PduType::Ul, 5, false)
    );
    assert_eq!(flow(&[(0x85, &[0xf0, 5])]), None);
    assert_eq!(
        flow(&[(0x85, &[0x10, 1]), (0x85, &[0x10, 2])]),
        marked(PduType::Ul, 1, false)
    );
    assert_eq!(flow(&[(0x85, &[0xf0, 1]), (0x85, &[0x10, 2])]), None);
    assert_eq!(
        flow(&[(0xc0, &[0, 0]), (0x85, &[0x10, 2])]),
        marked(PduType::Ul, 2, false)
    );
    assert_eq!(flow(&[]), None);
}

#[test]
fn a_container_is_read_up_to_what_it_has() {
    let decode = PduSessionContainer::decode;
    for cut in [
        &[][..],
        &[0x00],
        &[0x10],
        &[0x00, 0x80],
        &[0x08, 0, 1, 2, 3, 4, 5, 6, 7],
    ] {
        assert_eq!(decode(cut), Err(ContainerError::Cut), "{cut:?}");
    }
    assert_eq!(decode(&[0x20, 0]), Err(ContainerError::PduType(2)));
    let later = [0x00, 0x89, 0b1010_0010, 1, 2, 3];
    let expected = DlPduSessionInformation {
        qfi: 9,
        ppi: Some(5),
        ..Default::default()
    };
    assert_eq!(decode(&later), Ok(PduSessionContainer::Dl(expected)));
    let mbs = [0x02, 0x09, 1, 2, 3, 4];
    let expected = DlPduSessionInformation {
        qfi: 9,
        mbs_qfi_sequence_number: Some(0x0102_0304),
        ..Default::default()
    };
    assert_eq!(decode(&mbs), Ok(PduSessionContainer::Dl(expected)));
}

#[test]
fn what_is_no_gpdu_goes_to_signalling() {
    for kind in 0..u8::MAX {
        let datagram = [0x32, kind, 0, 4, 0, 0, 0, 0, 0, 1, 0, 0];
        assert_eq!(parse_gpdu(&datagram), Err(ParseError::NotGpdu));
        let outcome = Message::decode(&datagram);
        match kind {
            1 | 2 | 254 => assert!(outcome.is_ok(), "{kind}"),
            26 => assert_eq!(outcome, Err(MessageError::Missing(16))),
            31 => assert_eq!(outcome, Err(MessageError::Missing(141))),
            253 => assert_eq!(outcome, Err(MessageError::Missing(230))),
            _ => assert_eq!(outcome, Err(MessageError::Type(MessageType(kind)))),
        }
    }
    let gpdu = gpdu_header_plain(1);
    assert_eq!(
        Message::decode(&gpdu),
        Err(MessageError::Type(MessageType::G_PDU))
    );
}

/// A message of the path with these information elements.
fn signalling(kind: u8, elements: &[u8]) -> Vec<u8> {
    let mut out = vec![0x32, kind, 0, 0, 0, 0, 0, 0, 0x12, 0x34, 0, 0];
    out.extend(elements);
    set_length(&mut out, 0).unwrap();
    out
}

#[test]
fn broken_elements_do_not_keep_an_echo_from_being_answered() {
    let elements: [&[u8]; 7] = [
        &[],
        &[255, 0xff, 0xff, 1, 2],
        &[255, 0, 4, 0, 1, 9, 9],
        &[255, 0, 0],
        &[3, 1, 2],
        &[14],
        &[231, 0, 2, 1, 1],
    ];
    for elements in elements {
        let Ok(Message::EchoRequest(echo)) = Message::decode(&signalling(1, elements)) else {
            panic!("{elements:?}");
        };
        let response = Message::EchoResponse(echo.response(None)).encode().unwrap();
        assert_eq!(
            response,
            [0x32, 2, 0, 6, 0, 0, 0, 0, 0x12, 0x34, 0, 0, 14, 0]
        );
    }
    let bare = [0x30, 1, 0, 0, 0, 0, 0, 9];
    assert_eq!(
        Message::decode(&bare),
        Ok(Message::EchoRequest(EchoRequest::default()))
    );
}

#[test]
fn an_error_indication_says_what_it_is_about_or_nothing() {
    let good = [16, 0, 0, 0, 7, 133, 0, 4, 10, 0, 0, 1];
    let found = |elements: &[u8]| match Message::decode(&signalling(26, elements)) {
        Ok(Message::ErrorIndication(error)) => Ok((error.teid, error.peer_address.to_string())),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error),
    };
    let expected = Ok((7, "10.0.0.1".to_owned()));
    assert_eq!(found(&good), expected);
    // Repeated fifty times, foreign TLVs before and between, a foreign TV behind.
    assert_eq!(found(&good.repeat(50)), expected);
    let foreign = [200, 0, 2, 1, 2];
    assert_eq!(
        found(&[&foreign, &good[..5], &foreign, &good[5..], &[3, 1]].concat()),
        expected
    );
    for (elements, missing) in [
        (&[][..], 16),
        (&[3, 0, 16, 0, 0, 0, 7], 16),
        (&[16, 0, 0], 16),
        (&[16, 0, 0, 0, 7], 133),
        (&[16, 0, 0, 0, 7, 133, 0, 4, 10, 0], 133),
        (&[16, 0, 0, 0, 7, 133, 0xff, 0xff, 10, 0, 0, 1], 133),
        (&[16, 0, 0, 0, 7, 133, 0, 5, 10, 0, 0, 1, 2], 133),
    ] {
        assert_eq!(
            found(elements),
            Err(MessageError::Missing(missing)),
            "{elements:?}"
        );
    }
}

#[test]
fn private_extensions_are_kept_up_to_a_bound() {
    let many = [255, 0, 2, 0, 1].repeat(1000);
    let Ok(Message::EchoRequest(echo)) = Message::decode(&signalling(1, &many)) else {
        panic!()
    };
    assert_eq!(echo.private_extensions.len(), 8);
}

#[test]
fn short_headers_equal_the_long_way() {
    assert_eq!(
        gpdu_header(0xabcd, None).as_slice(),
        gpdu_header_plain(0xabcd)
    );
    for (qfi, rqi) in [(0, false), (9, true), (63, false)] {
        let dl = DlPduSessionInformation {
            qfi,
            rqi,
            ..Default::default()
        };
        let header = gpdu_header(0xabcd, Some(&dl.into()));
        assert_eq!(header.as_slice(), gpdu_header_dl(0xabcd, qfi, rqi));
    }
    // A QFI has six bits.
    assert_eq!(gpdu_header_dl(1, 0xff, false)[14], 0x3f);
}

#[test]
fn a_length_has_sixteen_bits() {
    let mut header = gpdu_header_dl(1, 9, false);
    set_length(&mut header, 0xffff - 8).unwrap();
    assert_eq!(header[2..4], [0xff, 0xff]);
    assert_eq!(set_length(&mut header, 0x10000 - 8), Err(TooLong));
    assert_eq!(set_length(&mut header, usize::MAX), Err(TooLong));
    assert_eq!(set_length(&mut [0; 3], 8), Err(TooLong));
}
