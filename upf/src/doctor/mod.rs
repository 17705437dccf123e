//! `upf doctor`: what stands in the way of packets, why it matters, and the command that mends it.
//!
//! ```text
//!  /sys, /proc, /dev ─► Facts ──┐
//!  sockets, nft      ─► Probes ─┼─► findings
//!  configuration     ───────────┘
//! ```
//!
//! [`Facts::gather`] and [`Probes::make`] look; [`examine`] only thinks: no I/O, so that a test
//! gives it any machine as a tree of files.

mod cpus;
mod devices;
mod facts;
mod links;
mod memory;
mod n4;
mod n6;
mod net;
mod probe;

use std::fmt;

use config::Config;
use serde::Serialize;

pub use facts::{Cpus, Facts, HugepagePool, Link, PciDevice, Process};
pub use net::{Addressed, Route};
pub use probe::{Heartbeat, N4Socket, Probes};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Good,
    /// Worth to know; nothing is wrong.
    Note,
    /// Packets flow, but slower or less surely than they could.
    Warning,
    /// Something will not work.
    Problem,
}

/// The part of the machine that a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Area {
    /// The configuration file.
    Configuration,
    /// Huge pages and buffers.
    Memory,
    /// Processors of the workers.
    Processors,
    /// PCI devices and their drivers.
    Devices,
    /// Interfaces, their state and MTU.
    Links,
    /// What the process may do.
    Privileges,
    /// N4 and the SMFs.
    N4,
    /// Routes, pools, forwarding and NAT.
    N6,
    /// Clocks.
    Time,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A name that stays, for scripts: `memory.hugepages`.
    pub id: &'static str,
    /// What it is about.
    pub area: Area,
    /// How bad it is.
    pub level: Level,
    /// What was seen.
    pub what: String,
    /// Why it matters. Empty where all is well.
    pub why: &'static str,
    /// The command or the key that mends it.
    pub remedy: Option<String>,
}

impl Finding {
    fn new(id: &'static str, area: Area, level: Level, what: impl Into<String>) -> Self {
        Self {
            id,
            area,
            level,
            what: what.into(),
            why: "",
            remedy: None,
        }
    }

    /// All is well.
    pub fn good(id: &'static str, area: Area, what: impl Into<String>) -> Self {
        Self::new(id, area, Level::Good, what)
    }

    /// Worth to know.
    pub fn note(id: &'static str, area: Area, what: impl Into<String>) -> Self {
        Self::new(id, area, Level::Note, what)
    }

    /// It works, but not as it could.
    pub fn warning(id: &'static str, area: Area, what: impl Into<String>) -> Self {
        Self::new(id, area, Level::Warning, what)
    }

    /// It will not work.
    pub fn problem(id: &'static str, area: Area, what: impl Into<String>) -> Self {
        Self::new(id, area, Level::Problem, what)
    }

    /// Why it matters.
    #[must_use]
    pub fn why(mut self, why: &'static str) -> Self {
        self.why = why;
        self
    }

    /// What mends it.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

impl Area {
    const fn title(self) -> &'static str {
        match self {
            Self::Configuration => "Configuration",
            Self::Memory => "Memory",
            Self::Processors => "Processors",
            Self::Devices => "Devices",
            Self::Links => "Links",
            Self::Privileges => "Privileges",
            Self::N4 => "N4",
            Self::N6 => "N6",
            Self::Time => "Time",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Good => "ok",
            Self::Note => "note",
            Self::Warning => "WARNING",
            Self::Problem => "PROBLEM",
        })
    }
}

/// All findings.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// In the order of the areas, as they were found within one.
    pub findings: Vec<Finding>,
}

impl Report {
    /// How many are of that level.
    pub fn count(&self, level: Level) -> usize {
        let findings = self.findings.iter();
        findings.filter(|finding| finding.level == level).count()
    }

    /// Whether nothing stands in the way.
    pub fn is_well(&self) -> bool {
        self.count(Level::Problem) == 0
    }

    /// The findings of that name.
    pub fn of<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Finding> {
        self.findings.iter().filter(move |finding| finding.id == id)
    }
}

impl Report {
    /// For people: the findings of that level and worse, and the sum of all.
    pub fn render(&self, least: Level) -> String {
        let mut lines = Vec::new();
        let mut area = None;
        for finding in self
            .findings
            .iter()
            .filter(|finding| finding.level >= least)
        {
            if area != Some(finding.area) {
                area = Some(finding.area);
                lines.push(finding.area.title().to_owned());
            }
            lines.push(format!("  {:<8} {}", finding.level, finding.what));
            if !finding.why.is_empty() {
                lines.push(format!("           why:  {}", finding.why));
            }
            if let Some(remedy) = &finding.remedy {
                let remedy = remedy.replace('\n', "\n                 ");
                lines.push(format!("           mend: {remedy}"));
            }
        }
        lines.push(format!(
            "{} problems, {} warnings, {} notes; {} in order",
            self.count(Level::Problem),
            self.count(Level::Warning),
            self.count(Level::Note),
            self.count(Level::Good),
        ));
        lines.join("\n")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Level::Good))
    }
}

/// What is right and wrong about this machine, for `config` where there is one.
pub fn examine(facts: &Facts, probes: &Probes, config: Option<&Config>) -> Report {
    let mut findings = Vec::new();
    memory::examine(facts, config, &mut findings);
    cpus::examine(facts, config, &mut findings);
    devices::examine(facts, config, &mut findings);
    links::examine(facts, probes, config, &mut findings);
    if let Some(config) = config {
        n4::examine(probes, config, &mut findings);
        n6::examine(facts, probes, config, &mut findings);
    }
    findings.sort_by_key(|finding| finding.area);
    Report { findings }
}
