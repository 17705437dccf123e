//! `upf doctor`: looks at this machine, and says what to mend.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use upf::doctor::{self, Area, Facts, Finding, Level, Probes, Report};
use upf::settings::{self, Refused};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    config: crate::ConfigArguments,
    /// Print the findings as JSON.
    #[arg(long)]
    json: bool,
    /// Show what needs attention only.
    #[arg(long, short)]
    quiet: bool,
    /// Look at the files below this directory instead of at `/`, and try nothing.
    #[arg(long, value_name = "DIR", hide = true)]
    root: Option<PathBuf>,
}

/// Prints the findings; fails when one is a problem.
pub(crate) fn doctor(arguments: &Arguments) -> Result<ExitCode> {
    let file = &arguments.config.file;
    let default = file == Path::new(crate::CONFIG_FILE) && !file.exists();
    let mut report = Report::default();
    let loaded = if default && arguments.config.set.is_empty() {
        let what = format!("no {}: looking at the machine alone", crate::CONFIG_FILE);
        report.findings.push(
            Finding::note("configuration.file", Area::Configuration, what)
                .remedy("upf doctor FILE; upf config example > upf.yaml"),
        );
        None
    } else {
        match settings::load(file, &arguments.config.set) {
            Ok(loaded) => Some(loaded),
            Err(error) => {
                report.findings.extend(refused(&error));
                None
            }
        }
    };
    if let Some(loaded) = &loaded {
        let what = format!("{} is good", file.display());
        let good = Finding::good("configuration.file", Area::Configuration, what);
        report.findings.push(good);
        for warning in &loaded.warnings {
            let what = warning.to_string();
            let warning = Finding::warning("configuration.warning", Area::Configuration, what);
            report.findings.push(warning);
        }
    }
    let config = loaded.as_ref().map(|loaded| &loaded.config);
    let (facts, probes) = match &arguments.root {
        Some(root) => (Facts::gather(root), Probes::default()),
        None => (Facts::gather(Path::new("/")), Probes::make(config)),
    };
    let examined = doctor::examine(&facts, &probes, config);
    report.findings.extend(examined.findings);
    print(&report, arguments)?;
    Ok(if report.is_well() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// A finding for each mistake in the configuration.
fn refused(error: &anyhow::Error) -> Vec<Finding> {
    let mistakes = match error.downcast_ref::<Refused>() {
        Some(refused) => refused.rendered.clone(),
        None => vec![format!("{error:#}")],
    };
    let finding = |what| {
        Finding::problem("configuration.file", Area::Configuration, what)
            .why("the UPF does not start, and what depends on the configuration was not looked at")
    };
    mistakes.into_iter().map(finding).collect()
}

fn print(report: &Report, arguments: &Arguments) -> Result<()> {
    let least = if arguments.quiet {
        Level::Warning
    } else {
        Level::Good
    };
    if arguments.json {
        let findings = report.findings.iter();
        let shown: Vec<&Finding> = findings.filter(|finding| finding.level >= least).collect();
        let json = serde_json::json!({
            "well": report.is_well(),
            "findings": shown,
        });
        crate::show(serde_json::to_string_pretty(&json)? + "\n")?;
    } else {
        crate::show(report.render(least) + "\n")?;
    }
    Ok(())
}
