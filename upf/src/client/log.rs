//! `upf log`.

use std::process::ExitCode;

use anyhow::Result;
use api::model::LogLevels;
use clap::Args;

use super::Ask;

/// Which levels are put in force.
#[derive(Debug, Args)]
pub(crate) struct Log {
    #[command(flatten)]
    ask: Ask,
    /// What to change: a level for all, such as `debug`, or for a part, such as `upf_cp=debug`. The
    /// levels are off, error, warn, info, debug and trace; the parts are those of the program: upf,
    /// `upf_cp` (N4), `upf_dp` (packets), api, and what is in them, such as `upf_cp::procedure`.
    #[arg(value_name = "LEVEL|PART=LEVEL")]
    levels: Vec<String>,
    /// First forget all levels of parts.
    #[arg(long)]
    reset: bool,
}

pub(crate) fn log(arguments: &Log) -> Result<ExitCode> {
    arguments.ask.run(async |asked| {
        let mut levels: LogLevels = asked.get("/v1/log").await?;
        if arguments.reset {
            levels.targets.clear();
        }
        for change in &arguments.levels {
            match change.split_once('=') {
                None => levels.level = change.parse()?,
                Some((part, text)) => {
                    levels.targets.insert(part.to_owned(), text.parse()?);
                }
            }
        }
        if arguments.reset || !arguments.levels.is_empty() {
            levels = asked.client.put("PUT", "/v1/log", &levels).await?;
        }
        asked.print(&levels, text)
    })
}

fn text(levels: &LogLevels) -> String {
    format!("{levels}\n").replace(',', "\n")
}
