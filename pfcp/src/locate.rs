//! Where in a message its error is. For people: who answers a peer needs the type alone.

use crate::error::{DecodeError, Fault, IeError};
use crate::header::Received;
use crate::ie::AnyIe;
use crate::wire::split;

/// Where an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// At which octet of the message, from zero. Of an IE that is its type; of a missing IE, the
    /// end of what it is missing from.
    pub at: usize,
    /// How many octets of it there are: of an IE, behind its length.
    pub octets: usize,
    /// How many there would have to be at least; if that is what is wrong.
    pub expected: Option<usize>,
}

/// The octets in front of the value of an IE: type and length.
const HEAD: usize = 4;

/// The longest value that is tried.
const VALUE_MAX: usize = 65_535;

/// Finds out where in a message, with what stands behind it in its datagram, an error is that
/// [`decode`](crate::decode) gave of it; `None` if it is another message's.
pub fn locate(message: &[u8], error: &DecodeError) -> Option<Place> {
    let DecodeError::Message { error, .. } = error else {
        let expected = matches!(error, DecodeError::Discard(crate::Discard::Short)).then(|| {
            // With the S flag there is a SEID.
            let has_seid = message.first().is_some_and(|flags| flags & 1 != 0);
            if has_seid { 16 } else { 8 }
        });
        return Some(Place {
            at: 0,
            octets: message.len(),
            expected,
        });
    };
    let received = Received::parse(message)?;
    let body = message.len() - received.rest.len();
    let Ok(claims) = usize::try_from(received.claims) else {
        // Less than the header itself.
        return Some(Place {
            at: 2,
            octets: body.saturating_add_signed(isize::try_from(received.claims).ok()?),
            expected: Some(body),
        });
    };
    let Some(ies) = received.rest.get(..claims) else {
        // More than there is.
        return Some(Place {
            at: 2,
            octets: message.len(),
            expected: Some(body + claims),
        });
    };
    let of_message = error.path.innermost().is_none() && error.fault == Fault::Length;
    if of_message && ies.len() < received.rest.len() && !received.header.follow_on {
        return Some(Place {
            at: 2,
            octets: message.len(),
            expected: Some(body + ies.len()),
        });
    }
    let path: Vec<u16> = error.path.iter().collect();
    in_list(ies, body, &path, error.fault)
}

/// The same among IEs of which the first stands at `at`.
fn in_list(mut ies: &[u8], mut at: usize, path: &[u16], fault: Fault) -> Option<Place> {
    while !ies.is_empty() {
        let Ok((r#type, value, rest)) = split(ies) else {
            return Some(cut(ies, at));
        };
        if path.first() == Some(&r#type)
            && let Err(error) = AnyIe::decode(r#type, value)
        {
            return in_value(at, (r#type, value), path.get(1..)?, error);
        }
        at += HEAD + value.len();
        ies = rest;
    }
    matches!(fault, Fault::Missing(_) | Fault::ConditionalMissing(_)).then_some(Place {
        at,
        octets: 0,
        expected: None,
    })
}

/// The same in the value of an IE.
fn in_value(
    at: usize,
    (r#type, value): (u16, &[u8]),
    path: &[u16],
    error: IeError,
) -> Option<Place> {
    let is_group = crate::catalogue::entry(r#type).is_some_and(|entry| !entry.rows.is_empty());
    if is_group {
        return in_list(value, at + HEAD, path, error.fault);
    }
    Some(Place {
        at,
        octets: value.len(),
        expected: (error.fault == Fault::Length)
            .then(|| least(r#type, value))
            .flatten(),
    })
}

/// An IE whose type and length are not there, or whose length is more than is.
fn cut(ies: &[u8], at: usize) -> Place {
    let claimed = ies.get(2..HEAD).and_then(|length| length.first_chunk());
    match claimed {
        Some(length) => Place {
            at,
            octets: ies.len() - HEAD,
            expected: Some(u16::from_be_bytes(*length).into()),
        },
        None => Place {
            at,
            octets: ies.len(),
            expected: Some(HEAD),
        },
    }
}

/// How long a value would have to be that begins like this: what is too short is made longer until
/// it no longer is. `None` if no length is enough: what is too short stands within.
fn least(r#type: u16, value: &[u8]) -> Option<usize> {
    let mut longer = value.to_vec();
    let is_short = |value: &[u8]| {
        AnyIe::decode(r#type, value).is_err_and(|error| error.fault == Fault::Length)
    };
    // First by doubling, then in between.
    let mut step = 1;
    while longer.len() < VALUE_MAX && is_short(&longer) {
        longer.resize((value.len() + step).min(VALUE_MAX), 0);
        step *= 2;
    }
    if is_short(&longer) {
        return None;
    }
    let lengths: Vec<usize> = (value.len()..=longer.len()).collect();
    let short = lengths.partition_point(|length| longer.get(..*length).is_some_and(is_short));
    lengths.get(short).copied()
}
