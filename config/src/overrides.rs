//! Values from the environment and from flags, laid over the file.

use crate::reader::join;
use crate::reference::{self, Key};
use crate::tree::{self, Entry, Node, Value};
use crate::validate::Warning;
use crate::{Found, Mistake, Origin, Problem, similar};

/// What is given outside the file.
#[derive(Clone, Copy, Debug, Default)]
pub struct Overrides<'a> {
    /// The variables of the environment: names and values. Those that start with `UPF_` set keys,
    /// and `device: env:NAME` reads any. Variables that the caller reads itself are best left out.
    pub environment: &'a [(String, String)],
    /// The values of `--set`: `pfcp.address=10.10.4.7`.
    pub flags: &'a [String],
}

const PREFIX: &str = "UPF_";

/// Deeper than any key of the schema.
const DEPTH_MAX: usize = 8;

/// Sets the overrides in the tree.
pub(crate) fn apply(
    tree: &mut Node,
    overrides: &Overrides<'_>,
    mistakes: &mut Vec<Mistake>,
) -> Vec<Warning> {
    let keys = reference::keys();
    let mut warnings = Vec::new();
    let mut variables: Vec<_> = overrides
        .environment
        .iter()
        .filter_map(|(variable, value)| Some((variable, variable.strip_prefix(PREFIX)?, value)))
        .collect();
    // So that a list's elements can be appended one by one, whatever the order of the environment.
    variables.sort_by_key(|(_, name, _)| (name.len(), *name));
    for (variable, name, value) in variables {
        match path_of(name, &keys) {
            Some(path) => {
                let origin = Origin::Environment {
                    variable: variable.clone(),
                };
                set(tree, &path, value, &origin, mistakes);
            }
            None if of_kubernetes(name, value) => {}
            None => warnings.push(unknown(variable, &keys)),
        }
    }
    for flag in overrides.flags {
        let origin = Origin::Flag { text: flag.clone() };
        match flag
            .split_once('=')
            .map(|(path, value)| (path.trim(), value))
        {
            Some((path, value)) if !path.is_empty() => set(tree, path, value, &origin, mistakes),
            _ => mistakes.push(Mistake {
                origin,
                key: String::new(),
                problem: Problem::OverrideSyntax {
                    found: flag.clone(),
                },
            }),
        }
    }
    warnings
}

/// `PFCP__ADDRESS` by rule; `PFCP_ADDRESS` if exactly one key outside of lists reads so.
fn path_of(name: &str, keys: &[Key]) -> Option<String> {
    if name.contains("__") {
        return Some(name.to_lowercase().replace("__", "."));
    }
    let mut matching = keys.iter().filter(|key| {
        !key.path.contains(".N")
            && !key.is_section(keys)
            && key.path.to_uppercase().replace('.', "_") == name
    });
    let key = matching.next()?;
    matching.next().is_none().then(|| key.path.clone())
}

/// Kubernetes describes a Service named `upf…` to every container in such variables.
fn of_kubernetes(name: &str, value: &str) -> bool {
    name.contains("SERVICE_HOST")
        || name.contains("SERVICE_PORT")
        || name.contains("PORT_")
            && ["_PROTO", "_PORT", "_ADDR"]
                .iter()
                .any(|end| name.ends_with(end))
        || ["tcp://", "udp://", "sctp://"]
            .iter()
            .any(|scheme| value.starts_with(scheme))
}

fn unknown(variable: &str, keys: &[Key]) -> Warning {
    let variables: Vec<String> = keys.iter().map(Key::variable).collect();
    let similar = similar::nearest(variable, variables.iter().map(String::as_str));
    Warning::UnknownVariable {
        variable: variable.to_owned(),
        similar: similar.map(str::to_owned),
    }
}

fn set(tree: &mut Node, path: &str, value: &str, origin: &Origin, mistakes: &mut Vec<Mistake>) {
    let outcome = if path.split('.').count() > DEPTH_MAX {
        let expected = format!("a path of at most {DEPTH_MAX} parts");
        Err(Problem::OverridePath {
            segment: path.to_owned(),
            expected,
        })
    } else {
        tree::parse_override(value, origin)
            .map_err(|mistake| mistake.problem)
            .and_then(|node| insert(tree, path, "", node, origin))
    };
    if let Err(problem) = outcome {
        mistakes.push(Mistake {
            origin: origin.clone(),
            key: path.to_owned(),
            problem,
        });
    }
}

/// Puts `node` at `path` below `tree`, and makes the sections and elements on the way.
fn insert(
    tree: &mut Node,
    path: &str,
    walked: &str,
    node: Node,
    origin: &Origin,
) -> Result<(), Problem> {
    let (segment, rest) = path
        .split_once('.')
        .map_or((path, None), |(a, b)| (a, Some(b)));
    let refuse = |expected: String| {
        Err(Problem::OverridePath {
            segment: join(walked, segment),
            expected,
        })
    };
    let index = segment.parse::<usize>().ok();
    if tree.value == Value::Null {
        let empty = if index.is_some() {
            Value::List(Vec::new())
        } else {
            Value::Map(Vec::new())
        };
        *tree = Node {
            origin: origin.clone(),
            value: empty,
        };
    }
    let blank = Node {
        origin: origin.clone(),
        value: Value::Null,
    };
    let target = match (&mut tree.value, index) {
        (Value::Map(entries), None) => {
            let known = entries.iter().position(|entry| entry.key == segment);
            if known.is_none() {
                let (key, key_origin) = (segment.to_owned(), origin.clone());
                entries.push(Entry {
                    key,
                    key_origin,
                    node: blank,
                });
            }
            let position = known.unwrap_or(entries.len().saturating_sub(1));
            entries.get_mut(position).map(|entry| &mut entry.node)
        }
        (Value::List(nodes), Some(index)) => {
            if index > nodes.len() {
                return refuse(format!("an index from 0 to {}", nodes.len()));
            }
            if index == nodes.len() {
                nodes.push(blank);
            }
            nodes.get_mut(index)
        }
        (Value::Map(_), Some(_)) => return refuse("the name of a key".to_owned()),
        (Value::List(nodes), None) => {
            return refuse(format!("an index from 0 to {}", nodes.len()));
        }
        (Value::Scalar(_) | Value::Null, _) => {
            return refuse(format!("nothing below {}", Found::Value));
        }
    };
    match (target, rest) {
        (Some(target), Some(rest)) => insert(target, rest, &join(walked, segment), node, origin),
        (Some(target), None) => {
            *target = node;
            Ok(())
        }
        (None, _) => Ok(()),
    }
}
