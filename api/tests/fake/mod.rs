//! A UPF that is none.

use std::future::ready;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};

use api::model::*;
use api::{Answer, Gone, Problem, Reloading, Slice, Upf, Wanted};
use tokio::sync::mpsc::{Receiver, channel};

/// How many sessions it has.
pub const SESSIONS: u64 = 30;

#[derive(Debug, Default)]
pub struct Fake {
    pub ended: bool,
    pub levels: Mutex<LogLevels>,
    /// Captures under way.
    pub captures: Arc<AtomicUsize>,
}

impl Fake {
    fn say<'a, T: Send + 'a>(&self, what: T) -> Answer<'a, T> {
        let said = if self.ended {
            Err(Gone::Ended)
        } else {
            Ok(what)
        };
        Box::pin(ready(said))
    }
}

fn session(number: u32, reveal: bool) -> Session {
    Session {
        seid: format!("{number:016x}"),
        cp_seid: format!("{number:016x}"),
        cp_address: [10, 0, 0, 1].into(),
        peer: Some("smf.example".to_owned()),
        ue_ipv4: Some(std::net::Ipv4Addr::from_bits(0x0a2d_0000 + number)),
        ue_ipv6: None,
        dnn: Some("internet".to_owned()),
        user: Some(
            if reveal {
                "imsi-001010000000001"
            } else {
                "imsi-***"
            }
            .to_owned(),
        ),
        worker: 0,
    }
}

impl Upf for Fake {
    fn version(&self) -> Version {
        Version {
            version: "1.2.3".to_owned(),
            dpdk: "none".to_owned(),
            uptime_s: 7,
        }
    }

    fn health(&self) -> Answer<'_, Health> {
        self.say(Health {
            healthy: true,
            reasons: Vec::new(),
        })
    }

    /// Five places at a look, of which every other one is empty.
    fn sessions(&self, wanted: Wanted, from: u32, most: usize) -> Answer<'_, Slice> {
        let places = u32::try_from(SESSIONS).unwrap() * 2;
        let mut slice = Slice::default();
        let mut place = from;
        while place < places.min(from + 5) && slice.sessions.len() < most {
            if place % 2 == 1 {
                let number = place / 2 + 1;
                let session = session(number, wanted.reveal);
                let is_ue = wanted
                    .ue
                    .is_none_or(|ue| session.ue_ipv4.map(Into::into) == Some(ue));
                if is_ue && wanted.teid.is_none_or(|teid| teid == number) {
                    slice.sessions.push(session);
                }
            }
            place += 1;
        }
        slice.next = (place < places).then_some(place);
        self.say(slice)
    }

    fn session_count(&self) -> Answer<'_, u64> {
        self.say(SESSIONS)
    }

    fn session(&self, seid: u64, reveal: bool) -> Answer<'_, Option<SessionDetail>> {
        let found = (1..=SESSIONS).contains(&seid).then(|| SessionDetail {
            session: session(u32::try_from(seid).unwrap(), reveal),
            pdrs: Vec::new(),
            fars: Vec::new(),
            qers: Vec::new(),
            urrs: Vec::new(),
            framed_routes: Vec::new(),
        });
        self.say(found)
    }

    fn peers(&self) -> Answer<'_, Vec<Peer>> {
        self.say(vec![Peer {
            node_id: "smf.example".to_owned(),
            address: [10, 0, 0, 1].into(),
            reachable: true,
            features: Vec::new(),
            sessions: SESSIONS,
            outstanding_reports: 0,
            waiting_reports: 0,
        }])
    }

    fn ports(&self) -> Answer<'_, Vec<Port>> {
        self.say(vec![Port::default()])
    }

    fn workers(&self) -> Answer<'_, Vec<Worker>> {
        self.say(Vec::new())
    }

    fn routes(&self) -> Answer<'_, Vec<Route>> {
        self.say(Vec::new())
    }

    fn neighbours(&self) -> Answer<'_, Vec<Neighbour>> {
        self.say(Vec::new())
    }

    fn gtpu_peers(&self) -> Answer<'_, Vec<GtpuPeer>> {
        self.say(Vec::new())
    }

    fn ue_pools(&self) -> Answer<'_, Vec<UePool>> {
        self.say(Vec::new())
    }

    fn drops(&self) -> Answer<'_, Vec<Drop>> {
        self.say(Vec::new())
    }

    fn limits(&self) -> Answer<'_, Vec<Limit>> {
        self.say(Vec::new())
    }

    fn buffer_pools(&self) -> Answer<'_, Vec<BufferPool>> {
        self.say(Vec::new())
    }

    fn settings(&self) -> Vec<Setting> {
        Vec::new()
    }

    /// A dry run finds a change; else the change needs a restart.
    fn reload(&self, how: Reloading) -> Answer<'_, Reload> {
        self.say(Reload {
            outcome: match (how.dry_run, how.partial) {
                (true, _) => Outcome::Possible,
                (false, true) => Outcome::Partial,
                (false, false) => Outcome::NeedsRestart,
            },
            changes: Vec::new(),
            mistakes: Vec::new(),
            warnings: Vec::new(),
        })
    }

    fn log_levels(&self) -> LogLevels {
        self.levels.lock().unwrap().clone()
    }

    fn set_log_levels(&self, levels: LogLevels) {
        *self.levels.lock().unwrap() = levels;
    }

    fn explain(&self, packets: Vec<Packet>) -> Answer<'_, Result<Vec<Explanation>, Problem>> {
        let told = |packet: Packet| Explanation {
            received: packet.octets,
            ..Explanation::default()
        };
        self.say(Ok(packets.into_iter().map(told).collect()))
    }

    /// As many packets as are wanted, at once.
    fn trace(&self, which: Watch) -> Answer<'_, Result<Receiver<Traced>, Problem>> {
        if which.user.is_some() {
            return self.say(Err(Problem::busy("no more")));
        }
        let (sender, told) = channel(1);
        tokio::spawn(async move {
            let packets = which.packets.unwrap_or(1).into();
            for _ in 0..packets {
                let packet = Traced::Packet(Box::default());
                if sender.send(packet).await.is_err() {
                    return;
                }
            }
            let end = TraceEnd { packets, missed: 0 };
            let _ = sender.send(Traced::End(end)).await;
        });
        self.say(Ok(told))
    }

    /// Never ends.
    fn capture(&self, _which: Watch) -> Answer<'_, Result<Receiver<Vec<u8>>, Problem>> {
        let (sender, pieces) = channel(1);
        let captures = Arc::clone(&self.captures);
        captures.fetch_add(1, Relaxed);
        tokio::spawn(async move {
            while sender.send(vec![7; 100]).await.is_ok() {}
            captures.fetch_sub(1, Relaxed);
        });
        self.say(Ok(pieces))
    }

    fn metrics(&self) -> Answer<'_, String> {
        self.say("# EOF\n".to_owned())
    }
}
