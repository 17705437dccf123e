//! Requests to the API of a UPF that runs, made up from what it says of itself, by
//! schemathesis: no answer may be one that the description does not have, nothing may be taken that it
//! forbids, or refused that it allows.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::run::{cargo, run, target_directory};
use crate::setup;

/// Where the UPF is asked, and where it listens for PFCP.
const ADDRESS: &str = "127.0.0.1:18823";
const TOKEN: &str = "0123456789abcdef";

/// Requests of one kind to an endpoint.
const EXAMPLES: &str = "50";
/// The same requests each time, and seconds that all of them may take.
const SEED: &str = "1";
const SECONDS_MAX: &str = "300";

/// What is allowed by the description, and refused for what it says: octets of no IP packet.
const CONFIGURATION: &str = "
[[operations]]
include-path = '/v1/explain'
checks.positive_data_acceptance.enabled = false
";

/// Runs it.
pub(crate) fn api() -> Result<()> {
    cargo(&["build", "--package", "upf"])?;
    let tools = setup::python("api-venv", "api/requirements.txt")?;
    let folder = std::path::absolute(target_directory().join("api"))?;
    let mut upf = start(&folder)?;
    let mut command = Command::new(std::path::absolute(tools.join("schemathesis"))?);
    command
        .current_dir(&folder)
        .args(["run", &format!("http://{ADDRESS}/openapi.json")])
        .args(["--header", &format!("Authorization: Bearer {TOKEN}")])
        // Answers that go on until the client has enough.
        .args([
            "--exclude-path",
            "/v1/trace",
            "--exclude-path",
            "/v1/capture",
        ])
        // What goes on from one answer to the next is a page's `next` alone, which may be left out.
        .args(["--phases", "coverage,fuzzing"])
        .args(["--max-examples", EXAMPLES, "--seed", SEED])
        .args(["--max-time", SECONDS_MAX, "--continue-on-failure"]);
    let outcome = run(&mut command);
    let ended = upf.try_wait()?;
    upf.kill().context("the UPF has ended")?;
    upf.wait()?;
    ensure!(ended.is_none(), "the UPF has ended: {ended:?}");
    outcome
}

/// A UPF without privileges whose API one token opens.
fn start(folder: &Path) -> Result<Child> {
    std::fs::create_dir_all(folder)?;
    let (file, tokens) = (folder.join("upf.yaml"), folder.join("tokens"));
    std::fs::write(folder.join("schemathesis.toml"), CONFIGURATION)?;
    std::fs::write(&tokens, format!("admin hand {TOKEN}\n"))?;
    std::fs::set_permissions(&tokens, std::fs::Permissions::from_mode(0o600))?;
    let (host, port) = ADDRESS.split_once(':').context("no port")?;
    let configuration = format!(
        "pfcp: {{ address: {host}, port: {port}, allow: [127.0.0.0/8] }}
memory: {{ hugepages: none, buffers: 16384 }}
api: {{ socket: none, listen: {ADDRESS}, tokens: {} }}
ports: [{{ name: ran, device: \"null:\" }}]
interfaces: [{{ name: n3, role: n3, port: ran, addresses: [10.10.3.7/24] }}]
",
        tokens.display()
    );
    std::fs::write(&file, configuration)?;
    let mut upf = Command::new(target_directory().join("debug/upf"))
        .arg("run")
        .arg(&file)
        .stderr(Stdio::piped())
        .spawn()
        .context("could not start upf")?;
    let log = upf.stderr.take().context("no log")?;
    let mut lines = BufReader::new(log).lines();
    let ready = lines.any(|line| line.is_ok_and(|line| line.contains("ready")));
    if !ready {
        upf.wait()?;
    }
    ensure!(ready, "the UPF has ended before it was ready");
    // It goes on to say things.
    std::thread::spawn(move || lines.for_each(drop));
    Ok(upf)
}
