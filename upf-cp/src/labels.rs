//! What people know a session by: its data network and its subscriber.

use pfcp::wire::Short;
use pfcp::{ApnDnn, Octets, SessionEstablishmentRequest, UserId};

/// DNN and subscriber of a session, as its SMF told them, to be read when somebody asks. A DNN of usual
/// length costs no allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    dnn: Option<ApnDnn>,
    user: Option<Box<User>>,
}

/// What is told of a subscriber (TS 29.244, 8.2.101): the permanent identity, or what comes nearest.
#[derive(Clone, Debug, PartialEq, Eq)]
enum User {
    Supi(Short),
    Imsi(Short),
    Nai(Short),
    Gpsi(Short),
    Msisdn(Short),
}

impl Labels {
    pub(crate) fn of(request: &SessionEstablishmentRequest) -> Self {
        Self {
            dnn: request.apn_dnn.clone(),
            user: request.user_id.as_ref().and_then(User::of).map(Box::new),
        }
    }

    /// The APN or DNN.
    pub fn dnn(&self) -> Option<String> {
        self.dnn.as_ref()?.name().map(|name| name.to_string())
    }

    /// The subscriber: a SUPI (`imsi-001010000000001`), or another identity with its kind in front.
    pub fn user(&self) -> Option<String> {
        self.user.as_ref()?.name()
    }
}

impl User {
    fn of(id: &UserId) -> Option<Self> {
        let candidates = [
            id.supi.clone().map(Self::Supi),
            id.imsi.clone().map(Self::Imsi),
            id.nai.clone().map(Self::Nai),
            id.gpsi.clone().map(Self::Gpsi),
            id.msisdn.clone().map(Self::Msisdn),
        ];
        let mut told = candidates.into_iter().flatten();
        told.find(User::is_legible)
    }

    /// Whether it can be shown; a peer may send anything.
    fn is_legible(&self) -> bool {
        match self {
            Self::Supi(octets) | Self::Gpsi(octets) | Self::Nai(octets) => is_text(octets),
            Self::Imsi(octets) | Self::Msisdn(octets) => {
                half_octets(octets).next().is_some() && half_octets(octets).all(|half| half < 10)
            }
        }
    }

    fn name(&self) -> Option<String> {
        let with = |kind: &str, value: Option<String>| value.map(|value| format!("{kind}-{value}"));
        match self {
            Self::Supi(octets) | Self::Gpsi(octets) => text(octets),
            Self::Imsi(octets) => with("imsi", digits(octets)),
            Self::Nai(octets) => with("nai", text(octets)),
            Self::Msisdn(octets) => with("msisdn", digits(octets)),
        }
    }
}

fn is_text(octets: &Octets) -> bool {
    let text = octets.as_str().unwrap_or_default();
    !text.is_empty() && !text.chars().any(char::is_control)
}

fn text(octets: &Octets) -> Option<String> {
    let text = octets.as_str().filter(|_| is_text(octets));
    text.map(str::to_owned)
}

/// Digits in half octets, the lower one first; 15 fills up (TS 29.274, 8.3).
fn half_octets(octets: &Octets) -> impl Iterator<Item = u8> {
    let halves = octets.iter().flat_map(|octet| [octet & 15, octet >> 4]);
    halves.take_while(|half| *half != 15)
}

fn digits(octets: &Octets) -> Option<String> {
    let digits = half_octets(octets).map(|half| char::from_digit(half.into(), 10));
    digits.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscribers_are_read_as_they_are_sent() {
        let short = |octets: &[u8]| Short::new(octets);
        let of = |id: UserId| User::of(&id).and_then(|user| user.name());
        let imsi = UserId {
            imsi: short(&[0x00, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0xf1]),
            ..UserId::default()
        };
        assert_eq!(of(imsi.clone()).as_deref(), Some("imsi-001010000000001"));
        let supi = UserId {
            supi: short(b"imsi-999700000000007"),
            ..imsi
        };
        assert_eq!(of(supi).as_deref(), Some("imsi-999700000000007"));
        // What is neither digits nor text is no name.
        let broken = UserId {
            imsi: short(&[0xaa]),
            nai: short(b"a\x1b[31m"),
            ..UserId::default()
        };
        assert_eq!(of(broken), None);
        assert_eq!(of(UserId::default()), None);
    }
}
