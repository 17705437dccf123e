//! From nodes to types: collects every mistake, every value in effect and every place.

use std::collections::BTreeMap;

use crate::reload::Merge;
use crate::tree::{self, Node, Value};
use crate::{Found, Mistake, Origin, Problem, Setting, similar};

/// Looks a variable of the environment up.
pub(crate) type Environment<'a> = &'a [(String, String)];

/// Something that can be read from a node.
pub(crate) trait Read: Sized + Clone + PartialEq {
    /// Whether it is a value of its own, and not a section of keys.
    const LEAF: bool = true;
    /// What a mistake says was expected: "an IP address".
    fn expected() -> String;
    /// Reads the node, or records why not.
    fn read(node: &Node, path: &str, reader: &mut Reader<'_>) -> Option<Self>;
    /// Its JSON Schema.
    fn shape() -> serde_json::Value;
    /// What is in force once `new` has taken the place of `old` as far as it can while the UPF runs.
    fn merge(old: &Self, new: &Self, path: &str, merge: &mut Merge) -> Self {
        merge.fixed(old, new, path)
    }
    /// The keys below this one, for a section.
    fn keys(_prefix: &str, _keys: &mut Vec<crate::reference::Key>) {}
}

/// A value written as one word.
pub(crate) trait Scalar: Sized + Clone + PartialEq {
    /// What a mistake says was expected: "an IP address".
    const EXPECTED: &'static str;
    /// Its JSON Schema: any word, unless it is known better. YAML takes some words for numbers.
    fn shape() -> serde_json::Value {
        serde_json::json!({ "type": ["string", "number"] })
    }
    /// Parses the text.
    fn parse(text: &str, environment: Environment<'_>) -> Result<Self, Problem>;
}

/// What the schema says of one key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    /// Default as YAML; `None` for a key that must be given.
    pub(crate) default: Option<&'static str>,
    /// Least and greatest value, for a number.
    pub(crate) range: Option<(u64, u64)>,
}

/// What reading a tree yields besides the value.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) mistakes: Vec<Mistake>,
    pub(crate) settings: Vec<Setting>,
    pub(crate) places: Places,
}

/// Where every key stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places(BTreeMap<String, Origin>);

impl Places {
    /// The place of a key, or of the nearest section around it.
    pub(crate) fn of(&self, path: &str) -> Origin {
        let mut path = path;
        loop {
            match self.0.get(path) {
                Some(Origin::Default) | None => {}
                Some(origin) => return origin.clone(),
            }
            match path.rsplit_once('.') {
                Some((parent, _)) => path = parent,
                None => return Origin::Default,
            }
        }
    }
}

/// Reads a tree by a schema.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    environment: Environment<'a>,
    outcome: Outcome,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(environment: Environment<'a>, mistakes: Vec<Mistake>) -> Self {
        let outcome = Outcome {
            mistakes,
            settings: Vec::new(),
            places: Places::default(),
        };
        Self {
            environment,
            outcome,
        }
    }

    pub(crate) fn finish(self) -> Outcome {
        self.outcome
    }

    /// Reads the whole tree.
    pub(crate) fn root<T: Read>(&mut self, node: &Node) -> Option<T> {
        T::read(node, "", self)
    }

    /// Records a mistake.
    pub(crate) fn mistake(&mut self, origin: &Origin, path: &str, problem: Problem) {
        self.outcome.mistakes.push(Mistake {
            origin: origin.clone(),
            key: path.to_owned(),
            problem,
        });
    }

    /// Checks that the node is a section and has only keys that it may have.
    pub(crate) fn section(
        &mut self,
        node: &Node,
        path: &str,
        known: &[&'static str],
    ) -> Option<()> {
        let Value::Map(entries) = &node.value else {
            let problem = wrong_shape(node, "a section of keys".to_owned());
            self.mistake(&node.origin, path, problem);
            return None;
        };
        for (index, entry) in entries.iter().enumerate() {
            let key = join(path, &entry.key);
            if !known.contains(&entry.key.as_str()) {
                let problem = Problem::UnknownKey {
                    similar: similar::nearest(&entry.key, known.iter().copied()).map(str::to_owned),
                    known: known.iter().map(|&name| name.to_owned()).collect(),
                };
                self.mistake(&entry.key_origin, &key, problem);
            }
            let first = entries
                .iter()
                .take(index)
                .find(|earlier| earlier.key == entry.key);
            if let Some(first) = first {
                let problem = Problem::RepeatedKey {
                    first: first.key_origin.clone(),
                };
                self.mistake(&entry.key_origin, &key, problem);
            }
        }
        Some(())
    }

    /// Reads one key of a section: its value, or its default.
    pub(crate) fn field<T: Read>(&mut self, section: &Node, path: &str, spec: Spec) -> Option<T> {
        let path = join(path, spec.name);
        let given = entry(section, spec.name).filter(|node| node.value != Value::Null);
        match (given, spec.default) {
            (Some(node), _) => self.value(node, &path),
            (None, Some(default)) => {
                let node = self.default_node(default, &path)?;
                self.value(&node, &path)
            }
            (None, None) => {
                let origin = entry(section, spec.name).map_or(&section.origin, |node| &node.origin);
                self.mistake(
                    origin,
                    &path,
                    Problem::Missing {
                        expected: T::expected(),
                    },
                );
                None
            }
        }
    }

    /// Like [`Reader::field`], for a number with a range.
    pub(crate) fn number<T: TryFrom<u64>>(
        &mut self,
        section: &Node,
        path: &str,
        spec: Spec,
    ) -> Option<T> {
        let found: u64 = self.field(section, path, spec)?;
        let (min, max) = spec.range.unwrap_or((0, u64::MAX));
        if (min..=max).contains(&found)
            && let Ok(value) = T::try_from(found)
        {
            return Some(value);
        }
        let path = join(path, spec.name);
        let origin = entry(section, spec.name)
            .map_or(&section.origin, |node| &node.origin)
            .clone();
        self.mistake(&origin, &path, Problem::OutOfRange { found, min, max });
        None
    }

    fn value<T: Read>(&mut self, node: &Node, path: &str) -> Option<T> {
        self.place(node, path);
        let empty = match &node.value {
            Value::Null => true,
            Value::List(nodes) => nodes.is_empty(),
            Value::Scalar(_) | Value::Map(_) => false,
        };
        if T::LEAF || empty {
            self.outcome.settings.push(Setting {
                key: path.to_owned(),
                value: node.to_string(),
                origin: node.origin.clone(),
            });
        }
        T::read(node, path, self)
    }

    fn place(&mut self, node: &Node, path: &str) {
        self.outcome
            .places
            .0
            .insert(path.to_owned(), node.origin.clone());
    }

    fn default_node(&mut self, default: &str, path: &str) -> Option<Node> {
        match tree::parse_override(default, &Origin::Default) {
            Ok(node) => Some(node),
            Err(mistake) => {
                self.mistake(&Origin::Default, path, mistake.problem);
                None
            }
        }
    }
}

fn entry<'n>(section: &'n Node, name: &str) -> Option<&'n Node> {
    let Value::Map(entries) = &section.value else {
        return None;
    };
    entries
        .iter()
        .find(|entry| entry.key == name)
        .map(|entry| &entry.node)
}

/// `path.key`
pub(crate) fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

fn wrong_shape(node: &Node, expected: String) -> Problem {
    let found = match node.value {
        Value::Null => Found::Nothing,
        Value::Scalar(_) => Found::Value,
        Value::List(_) => Found::List,
        Value::Map(_) => Found::Section,
    };
    Problem::WrongShape { found, expected }
}

// ===== values, lists and options =====

impl<T: Scalar> Read for T {
    fn expected() -> String {
        T::EXPECTED.to_owned()
    }

    fn shape() -> serde_json::Value {
        <T as Scalar>::shape()
    }

    fn read(node: &Node, path: &str, reader: &mut Reader<'_>) -> Option<Self> {
        let Value::Scalar(text) = &node.value else {
            let problem = wrong_shape(node, T::expected());
            reader.mistake(&node.origin, path, problem);
            return None;
        };
        match T::parse(text, reader.environment) {
            Ok(value) => Some(value),
            Err(problem) => {
                reader.mistake(&node.origin, path, problem);
                None
            }
        }
    }
}

impl<T: Read> Read for Vec<T> {
    const LEAF: bool = T::LEAF;

    fn expected() -> String {
        format!("a list: {}", T::expected())
    }

    fn shape() -> serde_json::Value {
        serde_json::json!({ "type": "array", "items": T::shape() })
    }

    fn read(node: &Node, path: &str, reader: &mut Reader<'_>) -> Option<Self> {
        let Value::List(nodes) = &node.value else {
            let problem = wrong_shape(node, format!("a list in brackets: {}", T::expected()));
            reader.mistake(&node.origin, path, problem);
            return None;
        };
        let values: Vec<Option<T>> = nodes
            .iter()
            .enumerate()
            .map(|(index, node)| {
                let path = join(path, &index.to_string());
                reader.place(node, &path);
                T::read(node, &path, reader)
            })
            .collect();
        values.into_iter().collect()
    }

    fn merge(old: &Self, new: &Self, path: &str, merge: &mut Merge) -> Self {
        if T::LEAF || old.len() != new.len() {
            return merge.fixed(old, new, path);
        }
        let elements = old.iter().zip(new).enumerate();
        elements
            .map(|(index, (old, new))| merge.whole(old, new, &join(path, &index.to_string())))
            .collect()
    }

    fn keys(prefix: &str, keys: &mut Vec<crate::reference::Key>) {
        T::keys(&join(prefix, "N"), keys);
    }
}

impl<T: Read> Read for Option<T> {
    const LEAF: bool = T::LEAF;

    fn expected() -> String {
        T::expected()
    }

    fn shape() -> serde_json::Value {
        T::shape()
    }

    fn read(node: &Node, path: &str, reader: &mut Reader<'_>) -> Option<Self> {
        match node.value {
            Value::Null => Some(None),
            _ => T::read(node, path, reader).map(Some),
        }
    }

    fn merge(old: &Self, new: &Self, path: &str, merge: &mut Merge) -> Self {
        match (old, new) {
            (Some(old), Some(new)) => Some(T::merge(old, new, path, merge)),
            _ => merge.fixed(old, new, path),
        }
    }

    fn keys(prefix: &str, keys: &mut Vec<crate::reference::Key>) {
        T::keys(prefix, keys);
    }
}
