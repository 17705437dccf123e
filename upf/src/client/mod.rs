//! Commands that ask a UPF that runs, by its API.

mod log;
mod packets;
mod reload;
mod show;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use api::client::{At, Client, ClientError};
use clap::Args;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::say;

pub(crate) use log::{Log, log};
pub(crate) use packets::{Capture, Explain, Trace, capture, explain, trace};
pub(crate) use reload::{Reload, reload};
pub(crate) use show::{drops, peers, ports, session, sessions};

/// No UPF answers.
const NOBODY: u8 = 3;

/// Which UPF is asked, and how the answer is printed. Exits with 0 if it is there, 1 if the UPF
/// refuses or has no such thing, 2 if asked wrongly, 3 if no UPF answers.
#[derive(Debug, Args)]
pub(crate) struct Ask {
    /// The UPF's Unix socket.
    #[arg(long, value_name = "PATH", default_value = api::SOCKET)]
    socket: PathBuf,
    /// Ask by HTTP instead: `http://HOST:PORT` or `https://HOST:PORT`.
    #[arg(long, value_name = "URL", conflicts_with = "socket")]
    url: Option<String>,
    /// File with the token for `--url`.
    #[arg(long, value_name = "FILE", requires = "url")]
    token_file: Option<PathBuf>,
    /// PEM file of the root certificates that are trusted, for `https:`.
    #[arg(long, value_name = "FILE", requires = "url")]
    ca_file: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Which sessions are shown: those that have all of what is given.
#[derive(Debug, Args)]
pub(crate) struct Sessions {
    #[command(flatten)]
    ask: Ask,
    /// Our SEID, in hexadecimal.
    #[arg(long)]
    seid: Option<String>,
    /// An address of the UE, or one behind it.
    #[arg(long, value_name = "ADDRESS")]
    ue: Option<std::net::IpAddr>,
    /// The subscriber: a SUPI, or the digits of an IMSI.
    #[arg(long, value_name = "SUPI")]
    user: Option<String>,
    /// The DNN.
    #[arg(long)]
    dnn: Option<String>,
    /// The SMF: its Node ID or address.
    #[arg(long, value_name = "SMF")]
    peer: Option<String>,
    /// A TEID of either end of a tunnel, in hexadecimal.
    #[arg(long)]
    teid: Option<String>,
    /// The most sessions that are shown; 0 is all.
    #[arg(long, default_value_t = 1000)]
    limit: usize,
}

/// One session.
#[derive(Debug, Args)]
pub(crate) struct Session {
    #[command(flatten)]
    ask: Ask,
    /// Our SEID, in hexadecimal.
    seid: String,
}

/// What is wanted of the UPF.
struct Asked<'a> {
    client: Client,
    ask: &'a Ask,
}

impl Ask {
    fn client(&self) -> Result<Client> {
        let at = match self.url.as_deref().map(At::parse) {
            None => At::Socket(self.socket.clone()),
            Some(At::Socket(_)) => bail!("--url: expected http://HOST:PORT or https://HOST:PORT"),
            Some(at) => at,
        };
        let token = self.token_file.as_ref().map(|file| {
            let text = std::fs::read_to_string(file);
            let text = text.with_context(|| format!("--token-file {}", file.display()))?;
            // A line of api.tokens will do: the token is its last word.
            let word = text
                .lines()
                .next()
                .and_then(|line| line.split_whitespace().last());
            word.map(str::to_owned)
                .with_context(|| format!("--token-file {}: no token in it", file.display()))
        });
        Ok(Client {
            at,
            token: token.transpose()?,
            roots: self.ca_file.clone(),
        })
    }

    /// Asks, and says what went wrong.
    fn run(&self, work: impl AsyncFnOnce(&Asked<'_>) -> Result<()>) -> Result<ExitCode> {
        let asked = Asked {
            client: self.client()?,
            ask: self,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let Err(error) = runtime.block_on(work(&asked)) else {
            return Ok(ExitCode::SUCCESS);
        };
        say(format_args!("{error:#}"));
        let nobody = matches!(
            error.downcast_ref(),
            Some(ClientError::Nobody { .. } | ClientError::Late { .. })
        );
        if nobody && self.url.is_none() {
            say(
                "Is `upf run` at work here? Its key api.socket says where it listens (--socket); a UPF elsewhere is asked by --url.",
            );
        }
        Ok(if nobody {
            ExitCode::from(NOBODY)
        } else {
            ExitCode::FAILURE
        })
    }
}

impl Asked<'_> {
    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        Ok(self.client.get(path).await?)
    }

    /// Prints `what` as JSON where that is wanted, else as `text` makes it.
    fn print<T: Serialize>(&self, what: &T, text: impl FnOnce(&T) -> String) -> Result<()> {
        if self.ask.json {
            crate::show(serde_json::to_string_pretty(what)? + "\n")?;
        } else {
            crate::show(text(what))?;
        }
        Ok(())
    }
}
