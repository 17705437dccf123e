//! Which processors work on packets.

use crate::Problem;
use crate::reader::{Read, Reader, Scalar};
use crate::tree::{Node, Value};
use crate::types::invalid;

/// Which processors work on packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lcores {
    /// Those that the process may use but the first, no more than the most queues of a port.
    Auto,
    /// These, by number.
    List(Vec<u16>),
}

impl Lcores {
    /// Above any that DPDK builds support.
    const MAX: u64 = 1023;

    fn add(range: &str, lcores: &mut Vec<u16>) -> Result<(), Problem> {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let number = |text: &str| {
            u64::parse(text.trim(), &[]).map_err(|_| invalid(range, &Self::expected()))
        };
        let (first, last) = (number(first)?, number(last)?);
        if let Some(found) = [first, last].into_iter().find(|lcore| *lcore > Self::MAX) {
            return Err(Problem::OutOfRange {
                found,
                min: 0,
                max: Self::MAX,
            });
        }
        if first > last {
            return Err(invalid(
                range,
                "a range from a lower to a higher number, such as 3-5",
            ));
        }
        // At most MAX, so that the conversion loses none.
        for lcore in (first..=last).filter_map(|lcore| u16::try_from(lcore).ok()) {
            if lcores.contains(&lcore) {
                return Err(Problem::RepeatedValue {
                    value: lcore.to_string(),
                });
            }
            lcores.push(lcore);
        }
        Ok(())
    }
}

impl Read for Lcores {
    fn expected() -> String {
        "auto, or numbers of processors such as [1, 2] or 1-3,5".to_owned()
    }

    fn shape() -> serde_json::Value {
        let one = serde_json::json!({
            "type": ["integer", "string"],
            "minimum": 0,
            "maximum": Self::MAX,
            "pattern": "^(auto|[0-9]+(-[0-9]+)?( *, *[0-9]+(-[0-9]+)?)*)$",
        });
        serde_json::json!({ "anyOf": [one, { "type": "array", "minItems": 1, "items": one }] })
    }

    fn read(node: &Node, path: &str, reader: &mut Reader<'_>) -> Option<Self> {
        let mut lcores = Vec::new();
        let outcome = match &node.value {
            Value::Scalar(text) if text == "auto" => return Some(Self::Auto),
            Value::Scalar(text) => text
                .split(',')
                .try_for_each(|range| Self::add(range.trim(), &mut lcores)),
            Value::List(nodes) => nodes
                .iter()
                .try_for_each(|node| Self::add(&node.to_string(), &mut lcores)),
            Value::Null | Value::Map(_) => Err(invalid(&node.to_string(), &Self::expected())),
        };
        let outcome = match outcome {
            Ok(()) if lcores.is_empty() => Err(Problem::Empty { expected: "lcore" }),
            outcome => outcome,
        };
        match outcome {
            Ok(()) => Some(Self::List(lcores)),
            Err(problem) => {
                reader.mistake(&node.origin, path, problem);
                None
            }
        }
    }
}
