//! Opens the doors of the API as the configuration says.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use api::{Doors, Gate, Server, Terms, TlsFiles, Tokens, Told, Upf};
use config::schema::{Api, ToldIdentities};
use tracing::{info, warn};

/// Who may open the socket: its owner and group.
const SOCKET_MODE: u32 = 0o660;

/// The terms of HTTP, with the files that the configuration names.
///
/// # Errors
/// When a file is of no use; it names the key to look at.
pub(crate) fn terms(api: &Api) -> Result<Terms> {
    let tokens = api.tokens.as_ref();
    let tokens = tokens.map(|file| Tokens::load(file.path())).transpose();
    let tls = api.tls.as_ref().map(|tls| {
        let files = TlsFiles {
            certificate: tls.certificate.path().to_owned(),
            key: tls.key.path().to_owned(),
        };
        files.read()
    });
    Ok(Terms {
        tls: tls.transpose().context("section api.tls")?,
        tokens: tokens.context("key api.tokens")?,
        open_metrics: api.open_metrics,
        identities: match api.identities {
            ToldIdentities::Admin => Told::Admin,
            ToldIdentities::All => Told::All,
            ToldIdentities::None => Told::Nobody,
        },
    })
}

/// A gate of those [`terms`], which may change while it stands.
///
/// # Errors
/// As [`terms`].
pub fn gate(api: &Api) -> Result<Gate> {
    terms(api).map(Gate::new)
}

/// Serves the API, in the runtime that this is called in. `None` where there is no door, or only the
/// default socket, which cannot be made here.
///
/// # Errors
/// When what the configuration asks for cannot be had; it names the key to look at.
pub fn serve(api: &Api, gate: Gate, upf: Arc<dyn Upf>) -> Result<Option<Server>> {
    let mut doors = Doors {
        socket: api.socket.path().map(Into::into),
        socket_mode: SOCKET_MODE,
        listen: api.listen,
        gate,
    };
    let default = doors.socket.as_deref() == Some(api::SOCKET.as_ref());
    let server = match Server::start(&doors, Arc::clone(&upf)) {
        Err(error @ (api::StartError::Socket { .. } | api::StartError::Taken { .. }))
            if default =>
        {
            warn!("{error}: no API there; name another in api.socket, or `none`");
            doors.socket = None;
            Server::start(&doors, upf)
        }
        started => started,
    };
    let server =
        server.with_context(|| format!("the API cannot be served (section {})", key(&doors)))?;
    if let Some(socket) = &doors.socket {
        info!(socket = %socket.display(), "API");
    }
    if let Some(address) = server.address() {
        info!(%address, tls = api.tls.is_some(), tokens = api.tokens.is_some(), "API");
    }
    let open = doors.socket.is_some() || doors.listen.is_some();
    Ok(open.then_some(server))
}

const fn key(doors: &Doors) -> &'static str {
    match doors.listen {
        Some(_) => "api",
        None => "api.socket",
    }
}
