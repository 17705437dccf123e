//! What the program says, and how.

use std::io::IsTerminal as _;

use config::schema::{Format, Level, Log};
use tracing_subscriber::EnvFilter;

/// Starts logging to standard error. `RUST_LOG` wins over the configuration.
pub(crate) fn start(log: &Log) {
    let level = match log.level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // A second start (a test, a demonstration) keeps the first one's settings.
    let _already_started = match log.format {
        Format::Text => builder.try_init(),
        Format::Json => builder.json().try_init(),
    };
}
