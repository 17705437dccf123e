//! `upf reload`.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::Result;
use api::model::{self, Outcome};
use clap::Args;

use super::Ask;
use super::table::{Table, or_dash};

/// How the configuration is read again.
#[derive(Debug, Args)]
pub(crate) struct Reload {
    #[command(flatten)]
    ask: Ask,
    /// Say what would come of it, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Put in force what can change while the UPF runs, although other changes need a restart.
    #[arg(long)]
    partial: bool,
}

pub(crate) fn reload(arguments: &Reload) -> Result<ExitCode> {
    let mut refused = false;
    let code = arguments.ask.run(async |asked| {
        let Reload {
            dry_run, partial, ..
        } = arguments;
        let path = format!("/v1/reload?dry_run={dry_run}&partial={partial}");
        let reload: model::Reload = asked.client.act(&path).await?;
        refused = reload.outcome.is_refused();
        asked.print(&reload, text)
    })?;
    Ok(if refused { ExitCode::FAILURE } else { code })
}

fn text(reload: &model::Reload) -> String {
    let mut out = String::new();
    for warning in &reload.warnings {
        let _ = writeln!(out, "warning: {warning}");
    }
    for mistake in &reload.mistakes {
        let place = [mistake.origin.as_str(), &mistake.key];
        let place: Vec<&str> = place.into_iter().filter(|part| !part.is_empty()).collect();
        let colon = if place.is_empty() { "" } else { ": " };
        let place = place.join(": ");
        let _ = writeln!(out, "{place}{colon}{}", mistake.problem);
        if let Some(advice) = &mistake.advice {
            let _ = writeln!(out, "  {advice}");
        }
    }
    if !reload.changes.is_empty() {
        let mut table = Table::new(&["KEY", "FROM", "TO", "CHANGES"]);
        for change in &reload.changes {
            table.row([
                change.key.clone(),
                or_dash(change.from.as_ref()),
                or_dash(change.to.as_ref()),
                if change.live { "live" } else { "at a restart" }.to_owned(),
            ]);
        }
        out += &table.render();
    }
    out += match reload.outcome {
        Outcome::Unchanged => "The configuration is what is in force.",
        Outcome::Possible => "A dry run: nothing is changed.",
        Outcome::Applied => "In force.",
        Outcome::Partial => "In force, but for what needs a restart.",
        Outcome::NeedsRestart => {
            "Nothing is changed: some of it needs a restart. --partial puts the rest in force."
        }
        Outcome::Mistaken => "Nothing is changed: there are mistakes in it.",
    };
    out.push('\n');
    out
}
