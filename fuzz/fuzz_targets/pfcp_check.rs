//! What has to hold for any PFCP message. The tests of `pfcp` replay the corpora through it.

use pfcp::generate::{Generate as _, Source};
use pfcp::{Decoded, Encode as _, Header, Message};

/// What decodes also encodes, to what decodes to the same; and can be shown, as a tree and as JSON.
#[allow(dead_code, reason = "each target takes one of these")]
pub(crate) fn datagram(datagram: &[u8]) {
    for decoded in pfcp::messages(datagram).flatten() {
        there_and_back(&decoded);
    }
    if let Err(error) = pfcp::decode(datagram) {
        assert_eq!(error.cause().is_some(), error.header().is_some());
    }
}

/// Octets, taken as the seed of a message, give one that may be sent, and comes back.
#[allow(dead_code, reason = "each target takes one of these")]
pub(crate) fn generated(seed: &[u8]) {
    let message = Message::generate(&mut Source::new(seed));
    let header = if message.is_session() {
        Header::session(1, 2)
    } else {
        Header::node(2)
    };
    assert_eq!(message.check(), Ok(()));
    there_and_back(&Decoded { header, message });
}

/// A text that is the JSON of a message is that of one which can be shown, written and read: at
/// the latest as it was read from octets it comes back whole.
#[allow(dead_code, reason = "each target takes one of these")]
pub(crate) fn json(text: &[u8]) {
    let Ok(said) = serde_json::from_slice::<Decoded>(text) else {
        return;
    };
    assert!(!said.to_string().is_empty());
    let mut octets = Vec::new();
    if pfcp::encode_unchecked(&said.header, &said.message, &mut octets).is_err() {
        return;
    }
    // Not all that can be said in JSON can be a message: a list may be too short, and an IE may be
    // said to be unknown that is not.
    for decoded in pfcp::messages(&octets).flatten() {
        there_and_back(&decoded);
    }
}

fn there_and_back(decoded: &Decoded) {
    let mut octets = Vec::new();
    let header = Header {
        follow_on: false,
        ..decoded.header
    };
    // A value may grow by what its peer left out, and then no longer fit.
    let written = pfcp::encode_unchecked(&header, &decoded.message, &mut octets);
    // What breaks a rule is not written for a peer; else the same is.
    let mut checked = Vec::new();
    let sent = pfcp::encode(&header, &decoded.message, &mut checked);
    let is_legal = decoded.message.check().is_ok();
    assert_eq!(sent.is_ok(), written.is_ok() && is_legal);
    assert!(sent.is_err() || checked == octets);
    if written.is_err() {
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
