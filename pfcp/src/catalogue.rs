//! What is implemented, as data: for dumps, tests and the coverage page.

use std::fmt::Write as _;

use crate::group::{Presence, Row};

/// One row of TS 29.244 table 8.1.2-1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The IE type.
    pub r#type: u16,
    /// Its name in the specification.
    pub name: &'static str,
    /// The clause that lays it out.
    pub clause: &'static str,
    /// Its name in this crate.
    pub rust: &'static str,
    /// The form in which it is declared.
    pub form: &'static str,
    /// The rows of its table, if it is a group.
    pub rows: &'static [Row],
}

/// The row of an IE type.
pub fn entry(r#type: u16) -> Option<&'static Entry> {
    crate::ie::CATALOGUE
        .iter()
        .find(|entry| entry.r#type == r#type)
}

/// One message type.
#[derive(Clone, Copy, Debug)]
pub struct MessageEntry {
    /// The message type.
    pub r#type: u8,
    /// Its name in the specification.
    pub name: &'static str,
    /// The clause of its table.
    pub clause: &'static str,
    /// Whether its header has a SEID.
    pub session: bool,
    /// Its rows.
    pub rows: &'static [Row],
}

/// The coverage page of the documentation, as Markdown.
pub fn coverage() -> String {
    let mut page = String::from(
        "# PFCP coverage\n\n\
         Written by `cargo run -p pfcp --example coverage`; a test compares it with the code.\n\n\
         ## Messages\n\n\
         Presence: M mandatory, C conditional, O optional, o optional and ignored if malformed, \
         U updatable (length zero removes), * repeats.\n\n\
         | type | message | clause | header | IEs |\n|---|---|---|---|---|\n",
    );
    for message in crate::message::MESSAGES {
        let header = if message.session { "SEID" } else { "node" };
        let rows = message.rows.iter().map(show).collect::<Vec<_>>().join(", ");
        let MessageEntry {
            r#type,
            name,
            clause,
            ..
        } = message;
        let _ = writeln!(page, "| {type} | {name} | {clause} | {header} | {rows} |");
    }
    page += "\n## Information elements\n\n\
             | type | name | clause | Rust | form |\n|---|---|---|---|---|\n";
    for entry in crate::ie::CATALOGUE {
        let Entry {
            r#type,
            name,
            clause,
            rust,
            form,
            ..
        } = entry;
        let _ = writeln!(page, "| {type} | {name} | {clause} | `{rust}` | {form} |");
    }
    page
}

fn show(row: &Row) -> String {
    let presence = match row.presence {
        Presence::Mandatory => "M",
        Presence::Conditional => "C",
        Presence::Optional => "O",
        Presence::Lenient => "o",
        Presence::Update => "U",
    };
    format!(
        "{} {presence}{}",
        row.r#type,
        if row.repeats { "*" } else { "" }
    )
}
