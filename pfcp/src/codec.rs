//! Datagrams to messages and back.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{DecodeError, Discard, EncodeError, Fault, TooLong};
use crate::header::{Header, Received, VERSION};
use crate::message::{Encode, Message};

/// How many messages one datagram may bundle. More are not looked at.
pub const BUNDLE_MAX: usize = 64;

/// A message and its header.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decoded {
    /// The header.
    pub header: Header,
    /// The message.
    pub message: Message,
}

impl fmt::Display for Decoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(seid) = self.header.seid {
            write!(f, "SEID {seid:#x}, ")?;
        }
        write!(f, "sequence {}: {}", self.header.sequence, self.message)
    }
}

/// Reads a datagram that holds one message.
///
/// With the FO flag set only the first of several is read: see [`messages`].
///
/// # Errors
/// When there is no message to read: the error says what to answer, if anything.
pub fn decode(datagram: &[u8]) -> Result<Decoded, DecodeError> {
    decode_one(&mut { datagram })
}

/// The octets of the first message of a datagram, by the length that it gives, and what follows
/// them. All octets, if that is no length of theirs.
pub fn split_first(datagram: &[u8]) -> (&[u8], &[u8]) {
    const HEAD: usize = 4;
    let length = match datagram {
        [_, _, high, low, ..] => HEAD + usize::from(u16::from_be_bytes([*high, *low])),
        _ => datagram.len(),
    };
    datagram.split_at(length.min(datagram.len()))
}

/// Reads all messages of a datagram (TS 29.244, 6.5): each is answered on its own.
pub fn messages(datagram: &[u8]) -> Bundle<'_> {
    Bundle {
        rest: Some(datagram),
        left: BUNDLE_MAX,
    }
}

/// The messages of a datagram. See [`messages`].
#[derive(Clone, Debug)]
pub struct Bundle<'a> {
    rest: Option<&'a [u8]>,
    left: usize,
}

impl<'a> Bundle<'a> {
    /// The octets from the next message on; none if there is no other. After the last, those of the
    /// messages that are too many: see [`BUNDLE_MAX`].
    pub const fn rest(&self) -> &'a [u8] {
        match self.rest {
            Some(rest) => rest,
            None => &[],
        }
    }
}

impl Iterator for Bundle<'_> {
    type Item = Result<Decoded, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let mut rest = self.rest.take()?;
        let result = Some(decode_one(&mut rest));
        // A FO flag with nothing behind the message is the peer's slip, not a message.
        self.rest = (!rest.is_empty()).then_some(rest);
        result
    }
}

/// Reads the first message of `rest`, and leaves there what follows it: nothing, unless its header
/// says that there is more.
fn decode_one(rest: &mut &[u8]) -> Result<Decoded, DecodeError> {
    let datagram = std::mem::take(rest);
    let received = accept(datagram)?;
    let (message_type, header) = (received.message_type, received.header);
    let refuse = |error| DecodeError::Message {
        message_type,
        header,
        error,
    };
    let split = usize::try_from(received.claims)
        .ok()
        .and_then(|length| received.rest.split_at_checked(length));
    let Some((octets, behind)) = split else {
        return Err(refuse(Fault::Length.into()));
    };
    if header.follow_on {
        *rest = behind;
    } else if !behind.is_empty() {
        // "If the length of the message differs from that of the datagram": 7.6.4.
        return Err(refuse(Fault::Length.into()));
    }
    // Made and read in the place that it is returned in: it is too large to be moved about.
    let mut result = Message::blank(
        message_type,
        |message| Ok(Decoded { header, message }),
        Err(DecodeError::Discard(Discard::MessageType(message_type))),
    );
    if let Ok(decoded) = &mut result
        && let Err(error) = decoded.message.decode_body_into(octets)
    {
        result = Err(refuse(error));
    }
    result
}

/// The checks on a header that stand before any on the message.
fn accept(datagram: &[u8]) -> Result<Received<'_>, DecodeError> {
    let received = Received::parse(datagram).ok_or(DecodeError::Discard(Discard::Short))?;
    let message_type = received.message_type;
    if received.version != VERSION {
        let is_response =
            Message::form(message_type).is_some_and(|_| !Message::is_request_type(message_type));
        if is_response {
            return Err(DecodeError::Discard(Discard::Version(received.version)));
        }
        let sequence = received.header.sequence;
        return Err(DecodeError::Version {
            version: received.version,
            sequence,
        });
    }
    match Message::form(message_type) {
        None => Err(DecodeError::Discard(Discard::MessageType(message_type))),
        Some(form) if form != received.has_seid => {
            Err(DecodeError::Discard(Discard::SeidFlag(message_type)))
        }
        Some(_) => Ok(received),
    }
}

/// Appends a message to `out`. What is not for its form of header is left out (a SEID, a priority
/// or the FO flag on a node message); a session message without a SEID gets zero.
///
/// # Errors
/// When the message is longer than its length can say, lacks an IE that another asks for, or breaks
/// another rule; then `out` is as before.
pub fn encode(
    header: &Header,
    message: &impl Encode,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    message.check_body()?;
    Ok(write(header, message, out)?)
}

/// The same of messages that no peer may send: to test those who receive them.
///
/// # Errors
/// When the message is longer than its length can say; then `out` is as before.
#[cfg(feature = "generate")]
pub fn encode_unchecked(
    header: &Header,
    message: &impl Encode,
    out: &mut Vec<u8>,
) -> Result<(), TooLong> {
    write(header, message, out)
}

fn write(header: &Header, message: &impl Encode, out: &mut Vec<u8>) -> Result<(), TooLong> {
    let start = out.len();
    let length_at = header.emit(message.message_type(), message.is_session(), out);
    message.encode_body(out);
    let octets = out.len() - length_at - 2;
    let Ok(length) = u16::try_from(octets) else {
        out.truncate(start);
        return Err(TooLong { octets });
    };
    if let Some(slot) = out.get_mut(length_at..length_at + 2) {
        slot.copy_from_slice(&length.to_be_bytes());
    }
    Ok(())
}
