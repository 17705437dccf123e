//! `upf run` as a child process.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::namespace::Namespace;

/// How long the process may take to stop.
const PATIENCE: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_millis(20);

/// A child process that is ended when this is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a command; what it prints goes to `log`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let file = File::create(log).with_context(|| log.display().to_string())?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("{command:?}"))?;
        Ok(Self {
            child,
            log: log.to_owned(),
        })
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// What it printed.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Asks it to stop and waits; whether it did so by itself, and without an error.
    ///
    /// # Errors
    /// When it has to be killed, or ends with an error.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        self.signal(Signal::TERM);
        let mut waited = Duration::ZERO;
        loop {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "{status}: {}", self.log());
                return Ok(());
            }
            if waited >= PATIENCE {
                self.child.kill()?;
                self.child.wait()?;
                bail!("did not stop within {PATIENCE:?}: {}", self.log());
            }
            std::thread::sleep(TICK);
            waited += TICK;
        }
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It may be gone already.
            let _ = kill_process(pid, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.is_running() {
            let _ = self.stop();
        }
    }
}

/// Finds the `upf` program: `UPF_BIN`, or what cargo makes of this workspace.
///
/// # Errors
/// When it cannot be built.
pub fn upf_program() -> anyhow::Result<PathBuf> {
    if let Some(program) = std::env::var_os("UPF_BIN") {
        return Ok(program.into());
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../upf/Cargo.toml");
    let arguments = [
        "build",
        "--quiet",
        "--message-format",
        "json",
        "--bin",
        "upf",
    ];
    let mut command = Command::new(cargo);
    command
        .args(arguments)
        .arg("--manifest-path")
        .arg(&manifest);
    let messages = crate::namespace::run(&mut command)?;
    let executable = messages.lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let is_upf = message.pointer("/target/name")?.as_str()? == "upf";
        message
            .get("executable")?
            .as_str()
            .filter(|_| is_upf)
            .map(PathBuf::from)
    });
    executable.context("cargo names no executable of upf")
}

/// Starts `upf run` inside a namespace with this configuration. `folder` takes configuration and
/// log.
///
/// # Errors
/// When it cannot be started.
pub fn run_upf(
    namespace: &Namespace,
    folder: &Path,
    configuration: &str,
) -> anyhow::Result<Process> {
    let file = folder.join("upf.yaml");
    std::fs::write(&file, configuration)?;
    let program = upf_program()?;
    let program = program.to_str().context("the path of upf is not UTF-8")?;
    let mut command = namespace.command(program);
    command.arg("run").arg(&file).env("NO_COLOR", "1");
    // They are the harness's, and keys of a configuration to the UPF.
    for variable in ["UPF_BIN", "UPF_REQUIRE_ROOT", "UPF_REQUIRE_TSHARK"] {
        command.env_remove(variable);
    }
    Process::start(&mut command, &folder.join("upf.log"))
}
