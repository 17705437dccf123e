//! `upf run`: the UPF itself.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use api::Reloading;
use config::Loaded;
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};
use upf::logging::Levels;
use upf::settings::Source;
use upf::{Instance, Reloader, Sight, logging};

/// Tells the service manager, where one waits to be told.
fn tell_systemd(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        warn!(%error, "the service manager was not told");
    }
}

/// Runs until SIGINT or SIGTERM; reads the configuration again at SIGHUP.
pub(crate) fn run(file: &Path, flags: &[String]) -> Result<()> {
    let source = Source {
        file: file.to_owned(),
        flags: flags.to_vec(),
    };
    let loaded = source.load()?;
    let levels = logging::start(&loaded.config.log);
    for setting in &loaded.origins {
        info!(target: "upf::config", "{setting}");
    }
    for warning in &loaded.warnings {
        warn!(target: "upf::config", "{warning}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("no asynchronous runtime")?;
    runtime.block_on(serve(source, loaded, levels))
}

async fn serve(source: Source, loaded: Loaded, levels: Levels) -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let api = loaded.config.api.clone();
    let gate = upf::gate(&api)?;
    let instance = Instance::start(&loaded.config).await?;
    let with = (gate.clone(), levels);
    let reloader = Arc::new(Reloader::new(&instance, source, loaded, with));
    let sight = Arc::new(Sight::new(&instance, Arc::clone(&reloader)));
    let server = match upf::serve(&api, gate, sight) {
        Ok(server) => server,
        Err(error) => {
            instance.stop().await;
            return Err(error);
        }
    };
    info!(n4 = %instance.n4_address(), "ready");
    tell_systemd(&[NotifyState::Ready]);
    loop {
        tokio::select! {
            _ = interrupt.recv() => {
                info!("SIGINT: stopping");
                break;
            }
            _ = terminate.recv() => {
                info!("SIGTERM: stopping");
                break;
            }
            _ = hangup.recv() => reload(&reloader).await,
        }
    }
    tell_systemd(&[NotifyState::Stopping]);
    if let Some(server) = server {
        server.stop().await;
    }
    let ended = instance.stop().await;
    info!(summary = %ended, "stopped");
    Ok(())
}

/// What comes of it stands in the log.
async fn reload(reloader: &Arc<Reloader>) {
    info!("SIGHUP: reading the configuration again");
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell_systemd(&[NotifyState::Reloading, now]),
        Err(error) => warn!(%error, "no clock"),
    }
    if let Err(error) = reloader.reload(Reloading::default()).await {
        warn!("{error:#}");
    }
    tell_systemd(&[NotifyState::Ready]);
}
