//! What people know a session by: its data network and its subscriber.

use pfcp::wire::Short;
use pfcp::{ApnDnn, Octets, SessionEstablishmentRequest, UserId};

use crate::config::Identities;

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

    /// The subscriber, as far as that may be told.
    pub fn user_as(&self, identities: Identities) -> Option<String> {
        match identities {
            Identities::Full => self.user(),
            Identities::Masked => self.user().map(|user| masked(&user)),
            Identities::None => None,
        }
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

/// Digits of an IMSI that name the network: MCC and a short MNC (TS 23.003, 2.2).
const NETWORK_DIGITS: usize = 5;
/// Digits at the end that tell subscribers apart, at times.
const LAST_DIGITS: usize = 2;

/// An identity that does not say who it is: its kind, the network or realm, the last digits.
fn masked(user: &str) -> String {
    let (kind, id) = user.split_once('-').unwrap_or(("", user));
    let dash = if kind.is_empty() { "" } else { "-" };
    if let Some((_, realm)) = id.rsplit_once('@') {
        return format!("{kind}{dash}***@{realm}");
    }
    // A part of a text may be all of it: nothing but digits is known well enough.
    let is_number = id.bytes().all(|digit| digit.is_ascii_digit());
    let hidden = id.len().saturating_sub(NETWORK_DIGITS + LAST_DIGITS);
    let shown = id
        .get(..NETWORK_DIGITS)
        .zip(id.get(NETWORK_DIGITS + hidden..));
    match shown {
        Some((network, last)) if is_number && hidden >= NETWORK_DIGITS => {
            format!("{kind}{dash}{network}{}{last}", "*".repeat(hidden))
        }
        _ if is_number => format!("{kind}{dash}***"),
        _ => "***".to_owned(),
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
    fn masked_identities_say_of_which_network_they_are_and_no_more() {
        for (user, wanted) in [
            ("imsi-001010000000001", "imsi-00101********01"),
            ("001010000000001", "00101********01"),
            ("msisdn-491701234567", "msisdn-49170*****67"),
            // So few are hidden that they can be tried.
            ("imsi-00101001", "imsi-***"),
            ("nai-alice@example.com", "nai-***@example.com"),
            ("alice@example.com", "***@example.com"),
            ("nai-alice", "***"),
            ("a-b-c", "***"),
            ("ü", "***"),
            ("", "***"),
        ] {
            assert_eq!(masked(user), wanted, "{user}");
        }
        let labels = Labels::default();
        for identities in [Identities::Full, Identities::Masked, Identities::None] {
            assert_eq!(labels.user_as(identities), None);
        }
    }

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
