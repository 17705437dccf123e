//! `upf run`: the UPF itself.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};
use upf::{Instance, Sight, logging, settings};

/// Tells the service manager, where one waits to be told.
fn tell_systemd(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        warn!(%error, "the service manager was not told");
    }
}

/// Runs until SIGINT or SIGTERM.
pub(crate) fn run(file: &Path, flags: &[String]) -> Result<()> {
    let loaded = settings::load(file, flags)?;
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
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let instance = Instance::start(&loaded.config).await?;
        let sight = Arc::new(Sight::new(&instance, &loaded, levels));
        let server = match upf::serve(&loaded.config.api, sight) {
            Ok(server) => server,
            Err(error) => {
                instance.stop().await;
                return Err(error);
            }
        };
        info!(n4 = %instance.n4_address(), "ready");
        tell_systemd(&[NotifyState::Ready]);
        tokio::select! {
            _ = interrupt.recv() => info!("SIGINT: stopping"),
            _ = terminate.recv() => info!("SIGTERM: stopping"),
        }
        tell_systemd(&[NotifyState::Stopping]);
        if let Some(server) = server {
            server.stop().await;
        }
        let ended = instance.stop().await;
        info!(summary = %ended, "stopped");
        Ok(())
    })
}
