//! YAML as a tree whose nodes know their places. Scalars stay text: the schema, not YAML, decides
//! whether `10.10` is a number.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Location, Spanned};

use crate::{Mistake, Origin, Problem};

/// A YAML node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) origin: Origin,
    pub(crate) value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Scalar(String),
    List(Vec<Node>),
    /// In the order of the file; a repeated key is repeated here.
    Map(Vec<Entry>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_origin: Origin,
    pub(crate) node: Node,
}

/// Deeper than any file of ours; each level takes stack.
const DEPTH_MAX: usize = 16;

/// Parses one YAML document; an empty one is an empty mapping.
pub(crate) fn parse(text: &str) -> Result<Node, Box<Mistake>> {
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX,
            flow_nesting_limit: DEPTH_MAX,
        },
    };
    if !text.lines().any(has_content) {
        let start = Origin::File { line: 1, column: 1 };
        return Ok(Node {
            origin: start,
            value: Value::Map(Vec::new()),
        });
    }
    match serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options) {
        Ok(root) => Ok(node(root, text)),
        Err(error) => Err(Box::new(Mistake {
            origin: error
                .location()
                .map_or(Origin::File { line: 1, column: 1 }, origin),
            key: String::new(),
            problem: Problem::Syntax {
                detail: without_place(&error.without_snippet().to_string()),
            },
        })),
    }
}

/// A value given outside the file: a list or a section in flow style, else a scalar as it is.
pub(crate) fn parse_override(text: &str, origin: &Origin) -> Result<Node, Box<Mistake>> {
    let trimmed = text.trim();
    let value = if trimmed.starts_with(['[', '{', '"', '\'']) {
        let mut node = parse(trimmed)?;
        node.relocate(origin);
        node.value
    } else if matches!(trimmed, "" | "~" | "null") {
        Value::Null
    } else {
        Value::Scalar(trimmed.to_owned())
    };
    Ok(Node {
        origin: origin.clone(),
        value,
    })
}

/// The parser's words without the place at their end, which the mistake tells by itself.
fn without_place(detail: &str) -> String {
    let words = detail
        .rsplit_once(" at line ")
        .map_or(detail, |(words, _)| words);
    words.to_owned()
}

fn has_content(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with('#')
}

impl Node {
    fn relocate(&mut self, origin: &Origin) {
        self.origin = origin.clone();
        match &mut self.value {
            Value::Null | Value::Scalar(_) => {}
            Value::List(nodes) => nodes.iter_mut().for_each(|node| node.relocate(origin)),
            Value::Map(entries) => {
                for entry in entries {
                    entry.key_origin = origin.clone();
                    entry.node.relocate(origin);
                }
            }
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Value::Null => f.write_str("~"),
            Value::Scalar(text) => f.write_str(text),
            Value::List(nodes) => {
                f.write_str("[")?;
                for (index, node) in nodes.iter().enumerate() {
                    write!(f, "{}{node}", if index == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
            Value::Map(entries) => {
                f.write_str("{")?;
                for (index, entry) in entries.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{}: {}", entry.key, entry.node)?;
                }
                f.write_str("}")
            }
        }
    }
}

fn origin(location: Location) -> Origin {
    Origin::File {
        line: location.line(),
        column: location.column(),
    }
}

// ===== from serde's model =====

/// A node before its text is cut from the file.
enum Raw {
    Null,
    Text(String),
    /// Something that YAML took for a number or a truth value.
    Typed(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

fn node(raw: Spanned<Raw>, text: &str) -> Node {
    let value = match raw.value {
        Raw::Null => Value::Null,
        Raw::Text(text) => Value::Scalar(text),
        Raw::Typed(parsed) => Value::Scalar(written(raw.defined, text).unwrap_or(parsed)),
        Raw::List(nodes) => Value::List(nodes.into_iter().map(|raw| node(raw, text)).collect()),
        Raw::Map(entries) => Value::Map(
            entries
                .into_iter()
                .map(|(key, raw)| Entry {
                    key_origin: origin(key.referenced),
                    key: key.value,
                    node: node(raw, text),
                })
                .collect(),
        ),
    };
    Node {
        origin: origin(raw.referenced),
        value,
    }
}

/// The octets of the file at a scalar, so that `1.10` does not become `1.1`.
fn written(location: Location, text: &str) -> Option<String> {
    let start = usize::try_from(location.span().byte_offset()?).ok()?;
    let length = usize::try_from(location.span().byte_len()?).ok()?;
    let slice = text.get(start..start.checked_add(length)?)?.trim();
    (!slice.is_empty() && !slice.contains(char::is_whitespace)).then(|| slice.to_owned())
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, a list or a section")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Typed(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Typed(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Typed(value.to_string()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Raw, E> {
        Ok(Raw::Typed(value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Raw, E> {
        Ok(Raw::Typed(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Typed(value.to_string()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Raw, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = list.next_element()? {
            nodes.push(node);
        }
        Ok(Raw::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}
