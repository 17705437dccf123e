//! What the program says, and how.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::sync::{Arc, Mutex, PoisonError};

use api::model::{Level, LogLevels};
use config::schema::{Format, Level as Configured, Log};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, reload};

/// Who changed what is always written, whatever the level.
const AUDIT: &str = "upf::audit";

/// What is written, to be changed while the program runs.
#[derive(Clone, Debug)]
pub struct Levels(Arc<Mutex<LogLevels>>, reload::Handle<EnvFilter, Registry>);

impl Levels {
    /// The levels in force.
    pub fn get(&self) -> LogLevels {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Puts a level of the configuration in force; what is set for parts of the program stays.
    pub fn configure(&self, log: &Log) {
        let level = level(log.level);
        self.set(LogLevels {
            level,
            ..self.get()
        });
    }

    /// Puts others in force.
    pub fn set(&self, levels: LogLevels) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // It fails only when there is no subscriber any more, at the very end.
        let _ = self.1.reload(filter(&levels));
        *now = levels;
    }
}

/// Starts logging to standard error. `RUST_LOG` wins over the configuration.
pub fn start(log: &Log) -> Levels {
    let mut levels = LogLevels {
        level: level(log.level),
        targets: BTreeMap::new(),
    };
    if let Ok(directives) = std::env::var("RUST_LOG") {
        read(&directives, &mut levels);
    }
    let (reloadable, handle) = reload::Layer::new(filter(&levels));
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let registry = Registry::default().with(reloadable);
    // A second start (a test, a demonstration) keeps the first one's settings.
    let _already_started = match log.format {
        Format::Text => registry.with(lines).try_init(),
        Format::Json => registry.with(lines.json()).try_init(),
    };
    Levels(Arc::new(Mutex::new(levels)), handle)
}

const fn level(configured: Configured) -> Level {
    match configured {
        Configured::Error => Level::Error,
        Configured::Warn => Level::Warn,
        Configured::Info => Level::Info,
        Configured::Debug => Level::Debug,
        Configured::Trace => Level::Trace,
    }
}

/// Reads `LEVEL` and `TARGET=LEVEL` between commas; what is neither is left out.
fn read(directives: &str, levels: &mut LogLevels) {
    for directive in directives.split(',').map(str::trim) {
        match directive.split_once('=') {
            None => levels.level = directive.parse().unwrap_or(levels.level),
            Some((target, level)) => {
                let level = level.parse().ok();
                let level = level.map(|level| (target.to_owned(), level));
                levels.targets.extend(level);
            }
        }
    }
}

/// Of two levels of a target the last counts: nobody silences the audit.
fn filter(levels: &LogLevels) -> EnvFilter {
    EnvFilter::new(format!("{levels},{AUDIT}=info"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_and_written() {
        let mut levels = LogLevels::default();
        read("warn, upf_cp::node=Trace,nonsense,a=b", &mut levels);
        assert_eq!(levels.level, Level::Warn);
        let targets = [("upf_cp::node".to_owned(), Level::Trace)];
        assert_eq!(levels.targets, BTreeMap::from(targets));
        let filter = filter(&levels).to_string();
        for directive in ["upf_cp::node=trace", "upf::audit=info", "warn"] {
            assert!(filter.contains(directive), "{filter}");
        }
        let off = [(AUDIT.to_owned(), Level::Off)].into();
        let filter = super::filter(&LogLevels {
            level: Level::Off,
            targets: off,
        });
        let filter = filter.to_string();
        assert!(filter.contains("upf::audit=info"), "{filter}");
        assert!(!filter.contains("upf::audit=off"), "{filter}");
    }
}
