//! `upf check`: is this configuration good?

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use config::{Loaded, Mistake, Setting};
use serde_json::{Value, json};
use upf::settings::{self, Refused};

use crate::{say, show};

/// Prints what is in force and where it came from; an error names every mistake.
pub(crate) fn check(file: &Path, flags: &[String]) -> Result<()> {
    let loaded = settings::load(file, flags)?;
    for setting in &loaded.origins {
        show(format_args!("{setting}\n"))?;
    }
    for warning in &loaded.warnings {
        say(format_args!("warning: {warning}"));
    }
    show(format_args!("{}: good\n", file.display()))?;
    Ok(())
}

/// The same as one JSON object on standard output, whether the configuration is good or not.
pub(crate) fn check_json(file: &Path, flags: &[String]) -> Result<ExitCode> {
    let (outcome, code) = match settings::load(file, flags) {
        Ok(loaded) => (good(&loaded), ExitCode::SUCCESS),
        Err(error) => match error.downcast::<Refused>() {
            Ok(refused) => (bad(&refused.mistakes), ExitCode::FAILURE),
            Err(error) => return Err(error),
        },
    };
    show(serde_json::to_string_pretty(&outcome)? + "\n")?;
    Ok(code)
}

fn good(loaded: &Loaded) -> Value {
    let setting = |setting: &Setting| {
        json!({
            "key": setting.key,
            "value": setting.value,
            "origin": setting.origin.to_string(),
        })
    };
    let warnings = loaded.warnings.iter().map(ToString::to_string);
    json!({
        "good": true,
        "settings": loaded.origins.iter().map(setting).collect::<Value>(),
        "warnings": warnings.collect::<Value>(),
    })
}

fn bad(mistakes: &[Mistake]) -> Value {
    let mistake = |mistake: &Mistake| {
        let place = mistake.line_and_column();
        json!({
            "key": mistake.key,
            "origin": mistake.origin.to_string(),
            "line": place.map(|(line, _)| line),
            "column": place.map(|(_, column)| column),
            "problem": mistake.problem.to_string(),
            "advice": mistake.problem.advice(),
        })
    };
    json!({
        "good": false,
        "mistakes": mistakes.iter().map(mistake).collect::<Value>(),
    })
}
