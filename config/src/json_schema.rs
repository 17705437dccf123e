//! The schema of the file as JSON Schema, for editors and for checks without this program.

use serde_json::{Map, Value, json};

use crate::reader::Read;
use crate::schema::Config;
use crate::tree::{self, Node};
use crate::{Origin, tree::Value as Yaml};

/// The JSON Schema (draft 2020-12) of a configuration file that is complete by itself. It knows
/// shapes, words and ranges of single values; how they fit together, `upf check` knows.
pub fn json_schema() -> Value {
    let mut schema = Config::shape();
    if let Value::Object(top) = &mut schema {
        top.insert(
            "$schema".to_owned(),
            json!("https://json-schema.org/draft/2020-12/schema"),
        );
        top.insert("title".to_owned(), json!("Configuration of upf"));
    }
    schema
}

/// A section of keys on its way into the schema.
#[derive(Debug, Default)]
pub(crate) struct Section {
    properties: Map<String, Value>,
    required: Vec<Value>,
}

impl Section {
    /// Adds a key; one with a default may be empty, too.
    pub(crate) fn key(&mut self, name: &str, shape: Value, default: Option<&str>, help: &str) {
        let mut shape = shape;
        match default {
            None => self.required.push(name.into()),
            Some(default) => {
                or_null(&mut shape);
                let value = tree::parse_override(default, &Origin::Default);
                let value = value.map_or(Value::Null, |node| json(&node));
                if let (Value::Object(fields), false) = (&mut shape, value.is_null()) {
                    fields.insert("default".to_owned(), value);
                }
            }
        }
        if let Value::Object(fields) = &mut shape {
            fields.insert("description".to_owned(), help.trim().into());
        }
        self.properties.insert(name.to_owned(), shape);
    }

    /// The section; no other keys than those.
    pub(crate) fn finish(self) -> Value {
        let mut section = json!({
            "type": "object",
            "properties": self.properties,
            "additionalProperties": false,
        });
        if let (Value::Object(fields), false) = (&mut section, self.required.is_empty()) {
            fields.insert("required".to_owned(), self.required.into());
        }
        section
    }
}

/// A number between two.
pub(crate) fn number(min: u64, max: u64) -> Value {
    json!({ "type": "integer", "minimum": min, "maximum": max })
}

/// Text that matches a pattern.
pub(crate) fn pattern(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": pattern })
}

/// A name: YAML takes one of digits alone for a number.
pub(crate) fn name(pattern: &str) -> Value {
    json!({ "type": ["string", "integer"], "pattern": pattern })
}

fn or_null(shape: &mut Value) {
    for key in ["type", "enum", "anyOf"] {
        let null = if key == "anyOf" {
            json!({ "type": "null" })
        } else if key == "type" {
            json!("null")
        } else {
            Value::Null
        };
        match shape.get_mut(key) {
            Some(Value::Array(several)) => several.push(null),
            Some(one @ Value::String(_)) => *one = vec![one.take(), null].into(),
            _ => {}
        }
    }
}

/// A default as JSON: what looks like a number or a truth value is one.
fn json(node: &Node) -> Value {
    match &node.value {
        Yaml::Null => Value::Null,
        Yaml::List(nodes) => nodes.iter().map(json).collect(),
        Yaml::Map(entries) => {
            let entries = entries.iter();
            let entries = entries.map(|entry| (entry.key.clone(), json(&entry.node)));
            Value::Object(entries.collect())
        }
        Yaml::Scalar(text) => match (text.parse::<u64>(), text.parse::<bool>()) {
            (Ok(number), _) => number.into(),
            (_, Ok(truth)) => truth.into(),
            _ => text.as_str().into(),
        },
    }
}
