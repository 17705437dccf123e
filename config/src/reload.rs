//! A configuration that takes the place of another while the UPF runs: what changes, and what of that
//! needs a restart.

use crate::reader::{Places, Read};
use crate::schema::Config;
use crate::{Loaded, Origin, Setting};

/// A key that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Dotted path, as in [`Setting`].
    pub key: String,
    /// What is in force; `None` if there is no such key.
    pub from: Option<String>,
    /// What takes its place; `None` if the key goes.
    pub to: Option<String>,
    /// Where that comes from; the default if the key goes.
    pub origin: Origin,
    /// It can change while the UPF runs.
    pub is_live: bool,
}

/// What becomes of a configuration that another takes the place of.
#[derive(Clone, Debug)]
pub struct Adopted {
    /// What differs, in the order of the schema; what goes comes last.
    pub changes: Vec<Change>,
    /// What is in force then: of all keys that need a restart, the old values.
    pub loaded: Loaded,
}

impl Adopted {
    /// The changes that wait for a restart.
    pub fn for_a_restart(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| !change.is_live)
    }
}

/// Collects, by key, whether what differs below it can change while the UPF runs.
#[derive(Debug, Default)]
pub(crate) struct Merge(Vec<(String, bool)>);

impl Merge {
    /// For a key that can change.
    pub(crate) fn live<T: Clone + PartialEq>(&mut self, old: &T, new: &T, path: &str) -> T {
        self.note(old != new, path, true);
        new.clone()
    }

    /// For a key that cannot.
    pub(crate) fn fixed<T: Clone + PartialEq>(&mut self, old: &T, new: &T, path: &str) -> T {
        self.note(old != new, path, false);
        old.clone()
    }

    /// For an element of a list: it may be another one altogether, so it changes as a whole or not
    /// at all.
    pub(crate) fn whole<T: Read>(&mut self, old: &T, new: &T, path: &str) -> T {
        let mut below = Self::default();
        let merged = T::merge(old, new, path, &mut below);
        if merged != *new {
            return self.fixed(old, new, path);
        }
        self.0.append(&mut below.0);
        merged
    }

    fn note(&mut self, differs: bool, path: &str, is_live: bool) {
        if differs {
            self.0.push((path.to_owned(), is_live));
        }
    }

    fn is_live(&self, key: &str) -> bool {
        let mut noted = self.0.iter();
        let found = noted.find(|(path, _)| {
            let below = key.strip_prefix(path.as_str());
            below.is_some_and(|below| below.is_empty() || below.starts_with('.'))
        });
        // The same value written otherwise changes nothing.
        found.is_none_or(|(_, is_live)| *is_live)
    }
}

impl Loaded {
    /// Lets `new` take the place of this configuration, as far as that can be while the UPF runs.
    pub fn adopt(&self, new: &Self) -> Adopted {
        let mut merge = Merge::default();
        let config = Config::merge(&self.config, &new.config, "", &mut merge);
        let find = |settings: &[Setting], key: &str| {
            let mut settings = settings.iter();
            settings.find(|setting| setting.key == key).cloned()
        };
        let (mut changes, mut in_force) = (Vec::new(), Vec::new());
        for setting in &new.origins {
            let old = find(&self.origins, &setting.key);
            let is_live = merge.is_live(&setting.key);
            let same = old.as_ref().is_some_and(|old| old.value == setting.value);
            if !same {
                changes.push(Change {
                    key: setting.key.clone(),
                    from: old.as_ref().map(|old| old.value.clone()),
                    to: Some(setting.value.clone()),
                    origin: setting.origin.clone(),
                    is_live,
                });
            }
            in_force.extend(if same || is_live {
                Some(setting.clone())
            } else {
                old
            });
        }
        let gone = |setting: &&Setting| find(&new.origins, &setting.key).is_none();
        for setting in self.origins.iter().filter(gone) {
            let is_live = merge.is_live(&setting.key);
            changes.push(Change {
                key: setting.key.clone(),
                from: Some(setting.value.clone()),
                to: None,
                origin: Origin::Default,
                is_live,
            });
            in_force.extend((!is_live).then(|| setting.clone()));
        }
        Adopted {
            changes,
            loaded: Self {
                config,
                origins: in_force,
                warnings: new.warnings.clone(),
                places: Places::clone(&new.places),
            },
        }
    }
}
