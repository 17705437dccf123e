//! The configuration file, parsed and validated. The only place that reads it.
//!
//! ```text
//!  file --+
//!  UPF_… -+--> tree (with places) --> schema (types, ranges, defaults) --> validate --> Config
//!  --set -+                      \________ every mistake is collected ________/
//! ```
//!
//! [`load`] is the way in. It opens no file and reads no variable itself: text, environment and
//! flags are arguments, so that a test gives it all it needs.
//!
//! [`schema`] declares every key once: its type, default, range and documentation. The reader,
//! the reference in `docs/configuration.md` ([`mod@reference`]), the JSON Schema ([`json_schema`]) and the report of where each value
//! came from ([`Setting`]) all follow from that one table.
#![forbid(unsafe_code)]

mod buffers;
mod choices;
mod device;
mod effective;
mod json_schema;
mod labels;
mod lcores;
mod mistakes;
mod origin;
mod overrides;
mod places;
mod reader;
pub mod reference;
mod reload;
pub mod schema;
mod sections;
mod similar;
mod tree;
mod types;
mod validate;
mod words;

pub use buffers::Buffers;
pub use device::{Device, DeviceProblem, LinkName, MemifRole, PciAddress};
pub use json_schema::json_schema;
pub use labels::{FlowText, Label, RuleNumber, Slice};
pub use lcores::Lcores;
pub use mistakes::{Found, Mistake, Problem};
pub use origin::{Origin, Setting};
pub use overrides::Overrides;
pub use places::{FilePath, SocketPath};
pub use reload::{Adopted, Change};
pub use schema::Config;
pub use types::{
    Fqdn, Host, InterfaceAddress, Mtu, Name, NetworkName, NodeId, PeerAddress, Prefix, VlanId,
};
pub use validate::Warning;

use reader::Reader;

/// The example file `upf.example.yaml`: every key, with comments.
pub const EXAMPLE: &str = include_str!("../../upf.example.yaml");

/// A configuration that holds together, and where each of its values came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Every key that has a value, in the order of the schema.
    pub origins: Vec<Setting>,
    /// What is allowed, but seldom meant.
    pub warnings: Vec<Warning>,
    places: reader::Places,
}

impl Loaded {
    /// A mistake that somebody else found in the value of a key, with its place.
    pub fn mistake(&self, key: &str, problem: Problem) -> Mistake {
        Mistake {
            origin: self.places.of(key),
            key: key.to_owned(),
            problem,
        }
    }
}

/// Reads the text of a configuration file, lays `overrides` over it (the file gives way to the
/// environment, the environment to flags) and checks the whole.
///
/// # Errors
///
/// All mistakes that were found, sorted by place. Values and keys are checked first, and how they
/// fit together once each of them is right.
pub fn load(text: &str, overrides: &Overrides<'_>) -> Result<Loaded, Vec<Mistake>> {
    let mut tree = tree::parse(text).map_err(|mistake| vec![*mistake])?;
    let mut mistakes = Vec::new();
    let mut warnings = overrides::apply(&mut tree, overrides, &mut mistakes);
    let mut reader = Reader::new(overrides.environment, mistakes);
    let config = reader.root::<Config>(&tree);
    let (config, outcome) = match (config, reader.finish()) {
        (Some(config), outcome) if outcome.mistakes.is_empty() => (config, outcome),
        (_, outcome) => return Err(sorted(outcome.mistakes)),
    };
    let checked = validate::check(&config, &outcome.places);
    if !checked.mistakes.is_empty() {
        return Err(sorted(checked.mistakes));
    }
    warnings.extend(checked.warnings);
    Ok(Loaded {
        config,
        origins: outcome.settings,
        warnings,
        places: outcome.places,
    })
}

fn sorted(mut mistakes: Vec<Mistake>) -> Vec<Mistake> {
    mistakes.sort_by(|a, b| a.origin.cmp(&b.origin));
    mistakes
}
