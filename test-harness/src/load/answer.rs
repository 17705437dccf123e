//! As much of an answer as a load has to know, read without building the message.

/// A message, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) message_type: u8,
    pub(super) seid: Option<u64>,
    pub(super) sequence: u32,
    /// Cause (TS 29.244, 8.2.1), if there is one.
    pub(super) cause: Option<u8>,
    /// The SEID of the F-SEID (8.2.37), if there is one.
    pub(super) up_seid: Option<u64>,
}

const CAUSE: u16 = 19;
const F_SEID: u16 = 57;

impl Answer {
    /// Reads a datagram; `None` when it is not one whole message.
    pub(super) fn read(octets: &[u8]) -> Option<Self> {
        let ([flags, message_type, l1, l2], rest) = octets.split_first_chunk()?;
        if usize::from(u16::from_be_bytes([*l1, *l2])) != rest.len() {
            return None;
        }
        let (seid, rest) = if flags & 1 == 1 {
            let (seid, rest) = rest.split_first_chunk()?;
            (Some(u64::from_be_bytes(*seid)), rest)
        } else {
            (None, rest)
        };
        let ([s1, s2, s3, _], mut ies) = rest.split_first_chunk()?;
        let mut answer = Self {
            message_type: *message_type,
            seid,
            sequence: u32::from_be_bytes([0, *s1, *s2, *s3]),
            cause: None,
            up_seid: None,
        };
        while let Some(([t1, t2, l1, l2], rest)) = ies.split_first_chunk() {
            let length = usize::from(u16::from_be_bytes([*l1, *l2]));
            let (value, rest) = rest.split_at_checked(length)?;
            match u16::from_be_bytes([*t1, *t2]) {
                CAUSE => answer.cause = value.first().copied(),
                F_SEID => {
                    let seid = value.get(1..).and_then(<[u8]>::first_chunk);
                    answer.up_seid = seid.map(|seid| u64::from_be_bytes(*seid));
                }
                _ => {}
            }
            ies = rest;
        }
        ies.is_empty().then_some(answer)
    }
}

#[cfg(test)]
mod tests {
    use pfcp::{Cause, FSeid, Header, SessionEstablishmentResponse};

    use super::*;

    #[test]
    fn reads_what_the_codec_writes() {
        let response = SessionEstablishmentResponse {
            cause: Cause::REQUEST_ACCEPTED,
            up_f_seid: Some(FSeid::new(77, std::net::Ipv4Addr::LOCALHOST.into())),
            ..Default::default()
        };
        let mut octets = Vec::new();
        let encoded = pfcp::encode(&Header::session(5, 9), &response, &mut octets);
        assert!(encoded.is_ok());
        let answer = Answer {
            message_type: 51,
            seid: Some(5),
            sequence: 9,
            cause: Some(1),
            up_seid: Some(77),
        };
        assert_eq!(Answer::read(&octets), Some(answer));
        for length in 0..octets.len() {
            assert_eq!(octets.get(..length).and_then(Answer::read), None);
        }
    }
}
