//! A second SMF, which restarts, dies or leaves; its sessions go with it.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result};
use simulator::{Flavour, Job, Session, Smf};

use super::core::{Places, WINDOW, smf_config, spec};
use crate::lab::{Handle, tunnel};

/// The number of its first session: far behind those of the SMF that stays.
const FIRST_SESSION: u32 = 1 << 28;

/// The second SMF, or none.
pub(super) struct Guest<'a> {
    lab: &'a Handle,
    addresses: [Ipv4Addr; 2],
    smf: Option<Smf>,
    next_session: u32,
    starts: u32,
    /// Session and place.
    up: Vec<(u32, u32)>,
}

impl<'a> Guest<'a> {
    pub(super) const fn new(lab: &'a Handle, addresses: [Ipv4Addr; 2]) -> Self {
        Self {
            lab,
            addresses,
            smf: None,
            next_session: FIRST_SESSION,
            starts: 0,
            up: Vec::new(),
        }
    }

    /// How many sessions it has.
    pub(super) const fn sessions(&self) -> usize {
        self.up.len()
    }

    /// Answers the UPF, if it lives.
    pub(super) fn serve(&mut self, how_long: Duration) -> Result<()> {
        let Some(smf) = &mut self.smf else {
            return Ok(());
        };
        smf.serve(how_long)?;
        while smf.next_event().is_some() {}
        Ok(())
    }

    /// It starts, and associates.
    pub(super) fn start(&mut self) -> Result<()> {
        let [local, upf] = self.addresses;
        let mut config = smf_config(local, upf);
        config.first_session = self.next_session;
        config.recovery_time_stamp += self.starts;
        self.starts += 1;
        // The socket of the one before has to be free.
        self.smf = None;
        let mut smf = Smf::bind(config)?;
        smf.associate().context("the second SMF was not let in")?;
        self.smf = Some(smf);
        Ok(())
    }

    /// It sets sessions up, as many as there are places for; how many that is.
    pub(super) fn establish(&mut self, count: usize, places: &mut Places) -> Result<usize> {
        let Some(smf) = &mut self.smf else {
            return Ok(0);
        };
        let places: Vec<u32> = (0..count).map_while(|_| places.take()).collect();
        let specs = places.iter().map(|place| spec(*place, Flavour::Simple));
        let mut jobs = Vec::new();
        for (place, done) in places.iter().zip(smf.establish_many(specs, WINDOW)) {
            let session = done
                .context("a session of the second SMF was refused")?
                .session;
            self.next_session = self.next_session.max(session + 1);
            self.up.push((session, *place));
            let tunnel = tunnel(session, 0);
            jobs.push(Job::Activate { session, tunnel });
        }
        for done in smf.run(jobs, WINDOW) {
            done.context("a session of the second SMF was not activated")?;
        }
        let sessions: Vec<Session> = smf.sessions().iter().cloned().collect();
        self.lab.run(move |lab| lab.changed(sessions, &[]))?;
        Ok(places.len())
    }

    /// It is silent from now on.
    pub(super) fn die(&mut self) {
        self.smf = None;
    }

    /// It releases its association.
    pub(super) fn leave(&mut self) -> Result<()> {
        if let Some(mut smf) = self.smf.take() {
            smf.release().context("the second SMF was not released")?;
        }
        Ok(())
    }

    /// The UPF has ended its sessions.
    pub(super) fn forgotten(&mut self, places: &mut Places) -> Result<()> {
        let gone: Vec<u32> = self.up.iter().map(|(session, _)| *session).collect();
        for (_, place) in self.up.drain(..) {
            places.leave(place);
        }
        self.lab.run(move |lab| lab.changed(Vec::new(), &gone))?;
        Ok(())
    }
}
