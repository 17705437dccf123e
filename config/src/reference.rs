//! The reference of all keys, as `docs/configuration.md` holds it.

use std::fmt::Write;

use crate::reader::Read;
use crate::schema::Config;

/// One key of the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Dotted path; `N` stands for the index in a list, from 0.
    pub path: String,
    /// What may stand there.
    pub expected: String,
    /// The default as YAML; `None` for a key that must be given.
    pub default: Option<&'static str>,
    /// What it means.
    pub help: String,
    /// It can change while the UPF runs; of a list, so can all that is in it.
    pub is_live: bool,
}

/// All keys, sections before what they contain.
pub fn keys() -> Vec<Key> {
    let mut keys = Vec::new();
    Config::keys("", &mut keys);
    let live: Vec<String> = { keys.iter() }
        .filter(|key| key.is_live)
        .map(|key| format!("{}.", key.path))
        .collect();
    for key in &mut keys {
        key.is_live |= live.iter().any(|above| key.path.starts_with(above));
    }
    keys
}

impl Key {
    /// The variable that sets it. A list's index takes the place of `N`.
    pub fn variable(&self) -> String {
        format!("UPF_{}", self.path.to_uppercase().replace('.', "__"))
    }

    /// Whether other keys lie below it.
    pub fn is_section(&self, keys: &[Self]) -> bool {
        let below = format!("{}.", self.path);
        keys.iter().any(|key| key.path.starts_with(&below))
    }
}

/// The reference as Markdown.
pub fn markdown() -> String {
    let keys = keys();
    let mut out = String::from(INTRODUCTION);
    for key in keys.iter().filter(|key| !key.path.contains('.')) {
        let _ = write!(out, "\n## {}\n\n{}", key.path, key.help);
        if key.default.is_none() {
            out.push_str(" Required.");
        }
        out.push_str("\n\n| Key | Value | Default | Changes | Meaning |\n|---|---|---|---|---|\n");
        let below = format!("{}.", key.path);
        for key in keys.iter().filter(|key| key.path.starts_with(&below)) {
            if key.is_section(&keys) {
                let _ = writeln!(
                    out,
                    "| `{}` | section | | | {} |",
                    key.path,
                    cell(&key.help)
                );
                continue;
            }
            let default = match key.default {
                None => "required".to_owned(),
                Some("~") => "none".to_owned(),
                Some(default) => format!("`{default}`"),
            };
            let (path, expected, help) = (&key.path, cell(&key.expected), cell(&key.help));
            let changes = if key.is_live { "live" } else { "restart" };
            let _ = writeln!(
                out,
                "| `{path}` | {expected} | {default} | {changes} | {help} |"
            );
        }
    }
    out
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

const INTRODUCTION: &str = "\
# Configuration

One YAML file. [`upf.example.yaml`](../upf.example.yaml) shows every key; `upf check FILE` reports
every mistake with line, column and what to do. A small file is enough, since most keys have
defaults: `pfcp.address`, one port and one interface with `role: n3`.

Every key can be set from outside, too. Flags win over the environment, the environment over the
file:

- `--set pfcp.address=10.10.4.7`, with the index in a list as a number: `--set
  ports.0.device=tap:upf0`. The value is YAML, so that a list reads `--set
  'networks.0.ue_pools=[10.45.0.0/16]'`.
- `UPF_PFCP__ADDRESS=10.10.4.7`, two underscores for each dot: `UPF_PORTS__0__DEVICE`. Outside of
  lists one underscore will do where it is unambiguous: `UPF_PFCP_ADDRESS`.

`upf config schema > upf.schema.json` writes the JSON Schema. Editors complete and check by it when the
file begins with `# yaml-language-server: $schema=upf.schema.json`.

In the tables `N` is the index in a list, from 0. An empty value or `~` is the same as none. `live`
keys take effect when the UPF that runs is told to read its configuration again ([how
to](how-to/reload.md)); the others, and elements that come or go in lists that are not `live`, need a
restart.
";
