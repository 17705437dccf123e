//! What has to hold for any datagram. The tests of `pfcp` replay the corpus through it.

use pfcp::generate::{Generate as _, Source};
use pfcp::{Decoded, Encode as _, Header, Message};

/// What decodes also encodes, to what decodes to the same; and can be shown, as a tree and as JSON.
/// The same octets, taken as the seed of a message, give one that survives the way.
pub(crate) fn check(datagram: &[u8]) {
    for decoded in pfcp::messages(datagram).flatten() {
        there_and_back(&decoded);
    }
    if let Err(error) = pfcp::decode(datagram) {
        assert_eq!(error.cause().is_some(), error.header().is_some());
    }
    let message = Message::generate(&mut Source::new(datagram));
    let header = if message.is_session() {
        Header::session(1, 2)
    } else {
        Header::node(2)
    };
    there_and_back(&Decoded { header, message });
}

fn there_and_back(decoded: &Decoded) {
    let mut octets = Vec::new();
    let header = Header {
        follow_on: false,
        ..decoded.header
    };
    // A value may grow by what its peer left out, and then no longer fit.
    if pfcp::encode(&header, &decoded.message, &mut octets).is_err() {
        return;
    }
    let again = pfcp::decode(&octets).expect("own octets decode");
    assert_eq!(again.message, decoded.message);
    assert_eq!(again.header, header);
    assert!(!again.to_string().is_empty());
    let json = serde_json::to_string(&again).expect("messages are JSON");
    assert_eq!(
        serde_json::from_str::<Decoded>(&json).expect("own JSON parses"),
        again
    );
}
