//! IEs that came with more octets than this release knows of them.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::wire::Octets;

/// Type of the IE, and which of its type it is, from zero; its octets as they came.
type Map = BTreeMap<(u16, u16), Octets>;

/// The IEs of a group or message that a later release extended, octet for octet as they came.
///
/// Their meaning, as far as this release knows it, is in the fields. Encoding writes an IE as it
/// came while its field still says the same; once the field was changed, what is unknown here
/// might contradict it and is not written.
///
/// Mostly there are none; then it takes one word and no allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(
    clippy::box_collection,
    reason = "every group has one, and hardly any uses it"
)]
pub struct Extended(Option<Box<Map>>);

impl Extended {
    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The value of the IE of this type, the `index`th of them, if it came with more octets.
    #[inline]
    pub fn get(&self, r#type: u16, index: usize) -> Option<&[u8]> {
        let map = self.0.as_ref()?;
        let index = u16::try_from(index).ok()?;
        map.get(&(r#type, index)).map(|value| &**value)
    }

    /// Keeps the value of an IE.
    #[cold]
    pub fn insert(&mut self, r#type: u16, index: usize, value: &[u8]) {
        // A message has no room for more IEs than 16 bits count.
        if let Ok(index) = u16::try_from(index) {
            let map = self.0.get_or_insert_default();
            map.insert((r#type, index), value.into());
        }
    }

    /// All of them: type, index and value.
    pub fn iter(&self) -> impl Iterator<Item = (u16, u16, &Octets)> {
        let all = self.0.iter().flat_map(|map| map.iter());
        all.map(|((r#type, index), value)| (*r#type, *index, value))
    }

    /// Writes them as lines of a tree.
    pub(crate) fn show(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        for (r#type, index, value) in self.iter() {
            crate::wire::indent(f, depth)?;
            writeln!(f, "IE {type} [{index}] as it came: {}", value.hex())?;
        }
        Ok(())
    }
}

/// One of them in JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    r#type: u16,
    index: u16,
    value: Octets,
}

impl Serialize for Extended {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(|(r#type, index, value)| Entry {
            r#type,
            index,
            value: value.clone(),
        }))
    }
}

impl<'de> Deserialize<'de> for Extended {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut all = Self::default();
        for entry in Vec::<Entry>::deserialize(deserializer)? {
            all.insert(entry.r#type, entry.index.into(), &entry.value);
        }
        Ok(all)
    }
}
