//! The configuration, read again while the UPF runs: all of it is put in force, or nothing.
//!
//! What can fail comes first: the file is read and checked, what needs a restart is found out, tokens
//! and certificates are read, names are resolved. Then nothing fails any more.

use std::sync::{Arc, PoisonError, RwLock};

use anyhow::{Context as _, Result};
use api::model::{self, Outcome};
use api::{Gate, Reloading, Terms};
use config::{Adopted, Loaded};
use dpdk::Eal;
use session::topology::Topology;
use tracing::{error, info, warn};
use upf_cp::{Asker, NodeConfig};

use crate::logging::Levels;
use crate::settings::{Refused, Source};
use crate::{Instance, node, serve};

/// What takes a configuration over while the UPF runs.
#[derive(Debug)]
pub struct Reloader {
    source: Source,
    eal: Eal,
    topology: Arc<Topology>,
    asker: Asker,
    gate: Gate,
    levels: Levels,
    in_force: RwLock<Arc<Loaded>>,
    /// One at a time.
    turn: tokio::sync::Mutex<()>,
}

/// A configuration that can be put in force: nothing of it can fail any more.
struct Ready {
    adopted: Adopted,
    node: NodeConfig,
    terms: Terms,
}

impl Reloader {
    /// For a UPF that runs with `loaded`, which came from `source`.
    pub fn new(
        instance: &Instance,
        source: Source,
        loaded: Loaded,
        (gate, levels): (Gate, Levels),
    ) -> Self {
        Self {
            source,
            eal: instance.eal(),
            topology: Arc::clone(instance.topology()),
            asker: instance.node().asker().clone(),
            gate,
            levels,
            in_force: RwLock::new(Arc::new(loaded)),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// The configuration in force.
    pub fn in_force(&self) -> Arc<Loaded> {
        let in_force = self.in_force.read();
        Arc::clone(&in_force.unwrap_or_else(PoisonError::into_inner))
    }

    /// What is written to the log.
    pub const fn levels(&self) -> &Levels {
        &self.levels
    }

    /// Reads the configuration again and puts it in force. Whoever does not wait for the end does
    /// not stop it half-way.
    ///
    /// # Errors
    /// When the UPF is about to end.
    pub async fn reload(self: &Arc<Self>, how: Reloading) -> Result<model::Reload> {
        let this = Arc::clone(self);
        let reload = tokio::spawn(async move { this.reload_in_turn(how).await });
        reload.await.context("the configuration was not read")?
    }

    async fn reload_in_turn(self: Arc<Self>, how: Reloading) -> Result<model::Reload> {
        let _turn = self.turn.lock().await;
        let this = Arc::clone(&self);
        let prepared = tokio::task::spawn_blocking(move || this.prepare(how.partial));
        let told = match prepared.await? {
            Err(refused) => refused,
            Ok(ready) => {
                let waits = ready.adopted.for_a_restart().count() > 0;
                let outcome = match (ready.adopted.changes.is_empty(), how.dry_run, waits) {
                    (true, ..) => Outcome::Unchanged,
                    (_, true, _) => Outcome::Possible,
                    (_, _, true) => Outcome::Partial,
                    (_, _, false) => Outcome::Applied,
                };
                let told = tell(outcome, &ready.adopted);
                if !how.dry_run {
                    self.put_in_force(ready).await?;
                }
                told
            }
        };
        if !how.dry_run {
            log(&told);
        }
        Ok(told)
    }

    /// Does all that can fail. What is refused is told at once.
    fn prepare(&self, partial: bool) -> Result<Ready, model::Reload> {
        let loaded = self.source.load().map_err(mistaken)?;
        let adopted = self.in_force().adopt(&loaded);
        if !partial && adopted.for_a_restart().next().is_some() {
            return Err(tell(Outcome::NeedsRestart, &adopted));
        }
        let config = &adopted.loaded.config;
        Ok(Ready {
            terms: serve::terms(&config.api).map_err(mistaken)?,
            node: node::config(config, self.eal, &self.topology).map_err(mistaken)?,
            adopted,
        })
    }

    async fn put_in_force(&self, ready: Ready) -> Result<()> {
        let Ready {
            adopted,
            node,
            terms,
        } = ready;
        self.asker.reconfigure(node).await?;
        self.gate.change(terms);
        let log = &adopted.loaded.config.log;
        if self.in_force().config.log.level != log.level {
            self.levels.configure(log);
        }
        let in_force = self.in_force.write();
        *in_force.unwrap_or_else(PoisonError::into_inner) = Arc::new(adopted.loaded);
        Ok(())
    }
}

/// What is told of a configuration that cannot be read, or holds mistakes.
fn mistaken(error: anyhow::Error) -> model::Reload {
    let mistakes = match error.downcast::<Refused>() {
        Ok(refused) => refused.mistakes.iter().map(mistake).collect(),
        Err(error) => vec![model::Mistake {
            key: String::new(),
            origin: String::new(),
            problem: format!("{error:#}"),
            advice: None,
        }],
    };
    model::Reload {
        outcome: Outcome::Mistaken,
        changes: Vec::new(),
        mistakes,
        warnings: Vec::new(),
    }
}

fn tell(outcome: Outcome, adopted: &Adopted) -> model::Reload {
    let changes = adopted.changes.iter().map(|change| model::Change {
        key: change.key.clone(),
        from: change.from.clone(),
        to: change.to.clone(),
        origin: change.origin.to_string(),
        live: change.is_live,
    });
    let warnings = adopted.loaded.warnings.iter();
    model::Reload {
        outcome,
        changes: changes.collect(),
        mistakes: Vec::new(),
        warnings: warnings.map(ToString::to_string).collect(),
    }
}

fn mistake(mistake: &config::Mistake) -> model::Mistake {
    model::Mistake {
        key: mistake.key.clone(),
        origin: mistake.origin.to_string(),
        problem: mistake.problem.to_string(),
        advice: mistake.problem.advice(),
    }
}

/// Writes down what came of it.
fn log(reload: &model::Reload) {
    for mistake in &reload.mistakes {
        let model::Mistake {
            key,
            origin,
            problem,
            ..
        } = mistake;
        error!(target: "upf::config", key, origin, "{problem}");
    }
    let refused = reload.outcome.is_refused();
    for change in &reload.changes {
        let model::Change { key, live, .. } = change;
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
        let (from, to) = (text(&change.from), text(&change.to));
        match (live, refused) {
            (true, false) => info!(target: "upf::config", key, from, to, "changed"),
            (true, true) => info!(target: "upf::config", key, from, to, "not changed"),
            (false, _) => warn!(target: "upf::config", key, from, to, "needs a restart"),
        }
    }
    match reload.outcome {
        Outcome::Unchanged => info!("the configuration is what it was"),
        Outcome::Applied | Outcome::Possible => info!("the configuration is in force"),
        Outcome::Partial => warn!("some of the configuration waits for a restart"),
        Outcome::NeedsRestart => error!("nothing is changed: some of it needs a restart"),
        Outcome::Mistaken => error!("nothing is changed: there are mistakes in the configuration"),
    }
}
