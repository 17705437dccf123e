//! Octets that the codec carries and does not interpret: names, texts, containers.

use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use smallvec::SmallVec;

use crate::name::Name;

/// How many octets stand inline, without an allocation. Network instances and DNNs fit.
const INLINE: usize = 24;

/// A string of octets. Short ones do not allocate.
///
/// In JSON it is a string where it is UTF-8, else `{"hex": "00ff"}`.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Octets(SmallVec<[u8; INLINE]>);

impl Octets {
    /// The octets as text, if they are UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(self).ok()
    }

    /// Shows the octets as hexadecimal digits.
    pub fn hex(&self) -> Hex<'_> {
        Hex(self)
    }

    /// The text that DNS labels stand for (`\x08internet\x03org` is `internet.org`), if the
    /// octets are such labels, from the first to the last.
    pub fn from_labels(&self) -> Option<Name> {
        let mut rest: &[u8] = self;
        let mut text = Name::new();
        while let Some((length, after)) = rest.split_first() {
            if *length == 0 && after.is_empty() {
                break;
            }
            let (label, after) = after.split_at_checked(usize::from(*length))?;
            if label.is_empty() || label.len() > 63 {
                return None;
            }
            if !text.is_empty() {
                text.push_str(".");
            }
            text.push_str(
                std::str::from_utf8(label)
                    .ok()
                    .filter(|label| is_plain(label))?,
            );
            rest = after;
        }
        (!text.is_empty()).then_some(text)
    }

    /// The DNS labels that a text with dots stands for. Empty where a label has no octets or more
    /// than 63.
    pub fn labels(text: &str) -> Self {
        let mut octets = SmallVec::new();
        for label in text.split('.') {
            match u8::try_from(label.len()) {
                Ok(length @ 1..=63) => octets.push(length),
                _ => return Self::default(),
            }
            octets.extend_from_slice(label.as_bytes());
        }
        Self(octets)
    }
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(char::is_control)
}

impl Deref for Octets {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Octets {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for Octets {
    #[inline]
    fn from(octets: &[u8]) -> Self {
        Self(SmallVec::from_slice(octets))
    }
}

impl From<&str> for Octets {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}

/// Text as text, labels as a name, the rest as hexadecimal digits.
impl fmt::Display for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(text) = self.as_str().filter(|text| is_plain(text)) {
            f.write_str(text)
        } else if let Some(name) = self.from_labels() {
            f.write_str(&name)
        } else {
            write!(f, "0x{}", self.hex())
        }
    }
}

impl fmt::Debug for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_str() {
            Some(text) => write!(f, "{text:?}"),
            None => write!(f, "{}", self.hex()),
        }
    }
}

/// Octets shown as hexadecimal digits.
#[derive(Clone, Copy, Debug)]
pub struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Json {
    Text(String),
    Hex { hex: String },
}

impl Serialize for Octets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.as_str() {
            Some(text) => serializer.serialize_str(text),
            None => Json::Hex {
                hex: self.hex().to_string(),
            }
            .serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Json::deserialize(deserializer)? {
            Json::Text(text) => Ok(text.as_str().into()),
            Json::Hex { hex } => from_hex(&hex).ok_or_else(|| {
                de::Error::invalid_value(de::Unexpected::Str(&hex), &"pairs of hexadecimal digits")
            }),
        }
    }
}

pub(crate) fn from_hex(digits: &str) -> Option<Octets> {
    let mut octets = SmallVec::new();
    for pair in digits.as_bytes().chunks(2) {
        let [high, low] = pair else { return None };
        let digit = |octet: &u8| {
            char::from(*octet)
                .to_digit(16)
                .and_then(|d| u8::try_from(d).ok())
        };
        octets.push(digit(high)? << 4 | digit(low)?);
    }
    Some(Octets(octets))
}
