//! What has to hold for any GTP-U datagram. The tests of `gtpu` replay the corpus through it.

use gtpu::{Header, Message, glance, parse_gpdu};

/// The ways to read a header agree, and a message that is read is written and read alike.
pub(crate) fn datagram(datagram: &[u8]) {
    let header = Header::parse(datagram);
    if let Ok(gpdu) = parse_gpdu(datagram) {
        let header = header.expect("the packet path reads no more than the whole reader does");
        assert_eq!(gpdu.teid, header.teid());
        assert_eq!(gpdu.payload_offset, header.payload_offset());
    }
    if let Some(first) = datagram.first_chunk() {
        let _ = glance(first).map(|glance| glance.flow());
    }
    if let Ok(header) = header {
        let _ = header.pdu_session_container();
        let _ = header.unknown_extension();
        assert!(header.payload_offset() + header.payload().len() <= datagram.len());
        for extension in header.extensions() {
            let _ = format!("{extension:?}");
        }
    }
    if let Ok(message) = Message::decode(datagram)
        && let Ok(octets) = message.encode()
    {
        assert_eq!(
            Message::decode(&octets).expect("own octets decode"),
            message
        );
    }
}
