//! Packets, as the API tells of them: what would happen, what does, and captures.

mod capture;
mod follow;
mod said;

use std::collections::BTreeSet;
use std::fmt::Display;
use std::net::IpAddr;

use api::model::{Explanation, Packet, Traced, Watch};
use api::{Gone, Problem};
use session::{Seid, Sought, Teid};
use tokio::sync::mpsc::{Receiver, channel};
use upf_cp::{SessionFilter, SessionStatus};
use upf_dp::Reason;
use upf_dp::explain::{Explained, Known, Place};
use upf_dp::watch::{Filter, Kind, Room, Watching};

use super::Sight;
use capture::Capture;
use follow::Follow;

/// How often sessions are looked for that a packet needs: its own, that of another UE it goes to,
/// and those that errors about it go to.
const ROUNDS_MAX: usize = 4;
/// The most sessions of one subscriber that are watched.
const SEIDS_MAX: usize = 16;
/// Packets of a trace, unless it is said how many.
const TRACED_PACKETS: u32 = 10;
/// Packets of a capture, likewise.
const CAPTURED_PACKETS: u32 = 10_000;
/// How long either lasts, likewise.
const SECONDS: u32 = 60;
/// Octets of a capture, likewise.
const OCTETS: u64 = 64 << 20;
/// Packets of each worker that are kept until somebody reads them.
const ROOM_PACKETS: usize = 1_024;
/// What a frame may have besides an IP packet of the MTU.
const FRAME_OCTETS: usize = 64;
/// Lines, or pieces, that wait for a client that reads slowly.
const WAITING_MAX: usize = 64;

/// What is answered to a request: [`Gone`] when there is no UPF any more.
type Said<T> = Result<Result<T, Problem>, Gone>;

/// A frame, the port that it comes by, and when, in nanoseconds.
type Frame = (u16, u64, Vec<u8>);

impl Sight {
    /// What would happen to packets.
    pub(super) async fn explain(&self, packets: &[Packet]) -> Said<Vec<Explanation>> {
        let frames = packets.iter().map(|packet| self.frame(packet));
        let frames: Vec<Frame> = match frames.collect::<Result<_, _>>() {
            Ok(frames) => frames,
            Err(problem) => return Ok(Err(problem)),
        };
        let (mut known, mut seids) = (Vec::new(), BTreeSet::new());
        let mut explained = self.try_out(&frames, &known).await;
        for _ in 0..ROUNDS_MAX {
            let before = known.len();
            for sought in &explained.sought {
                if let Some(session) = self.session_of(*sought).await?
                    && seids.insert(session.seid)
                {
                    known.push(Known {
                        rules: session.rules.clone(),
                        exhausted: session.exhausted.clone(),
                    });
                }
            }
            if known.len() == before {
                break;
            }
            explained = self.try_out(&frames, &known).await;
        }
        let told = explained.explanations.iter();
        Ok(Ok(told.map(|told| said::explanation(told, None)).collect()))
    }

    async fn session_of(&self, sought: Sought) -> Result<Option<Box<SessionStatus>>, Gone> {
        Self::answer(self.asker.session_of(sought)).await
    }

    /// It takes a moment: not in the threads that serve N4.
    async fn try_out(&self, frames: &[Frame], known: &[Known]) -> Explained {
        let explainer = self.explainer.clone();
        let (frames, known) = (frames.to_vec(), known.to_vec());
        let work = tokio::task::spawn_blocking(move || explainer.explain(&frames, &known));
        work.await.unwrap_or_default()
    }

    fn frame(&self, packet: &Packet) -> Result<Frame, Problem> {
        let octets = octets(&packet.octets)?;
        let wanted = packet.at.as_deref().map(|at| self.place(at)).transpose()?;
        if !packet.ip {
            let place = wanted.unwrap_or_else(|| self.explainer.place_of_frame(&octets));
            return Ok((place.port, packet.after_ns, octets));
        }
        let place = wanted.or_else(|| self.explainer.place_of_packet(&octets));
        let framed = place.and_then(|at| Some((at.port, self.explainer.frame(at, &octets)?)));
        let (port, frame) = framed.ok_or_else(|| Problem::bad("octets: not an IP packet"))?;
        Ok((port, packet.after_ns, frame))
    }

    fn place(&self, at: &str) -> Result<Place, Problem> {
        let names = self.explainer.names();
        self.explainer.place(at).ok_or_else(|| {
            let interfaces = names.topology.interfaces.iter();
            let interfaces: Vec<_> = interfaces.map(|one| one.name.as_str()).collect();
            Problem::not_found(format!(
                "at: there is no {at:?}; interfaces are {}, ports {}",
                interfaces.join(", "),
                names.ports.join(", ")
            ))
        })
    }

    /// Follows packets.
    pub(super) async fn trace(&self, which: &Watch) -> Said<Receiver<Traced>> {
        let watching = match self.watch(which).await? {
            Ok(watching) => watching,
            Err(problem) => return Ok(Err(problem)),
        };
        let follow = self.follow(watching, which, TRACED_PACKETS);
        let (sender, told) = channel(WAITING_MAX);
        tokio::spawn(follow.tell(sender));
        Ok(Ok(told))
    }

    /// Captures packets.
    pub(super) async fn capture(&self, which: &Watch) -> Said<Receiver<Vec<u8>>> {
        let watching = match self.watch(which).await? {
            Ok(watching) => watching,
            Err(problem) => return Ok(Err(problem)),
        };
        let follow = self.follow(watching, which, CAPTURED_PACKETS);
        let capture = Capture::new(self.explainer.names(), which.octets.unwrap_or(OCTETS));
        let (sender, pieces) = channel(WAITING_MAX);
        tokio::spawn(follow.capture(capture, sender));
        Ok(Ok(pieces))
    }

    fn follow(&self, watching: Watching, which: &Watch, packets: u32) -> Follow {
        let bounds = (
            which.packets.unwrap_or(packets),
            which.seconds.unwrap_or(SECONDS),
        );
        let (asker, explainer) = (self.asker.clone(), self.explainer.clone());
        Follow::new(
            watching,
            asker,
            explainer,
            dpdk::cycles_hz(self.eal),
            bounds,
        )
    }

    async fn watch(&self, which: &Watch) -> Said<Watching> {
        let mut filter = match self.filter(which) {
            Ok(filter) => filter,
            Err(problem) => return Ok(Err(problem)),
        };
        if let Some(user) = &which.user {
            let seids = self.seids_of(user).await?;
            filter.seids.retain(|seid| seids.contains(seid));
            if filter.seids.is_empty() && which.seid.is_none() {
                filter.seids = seids;
            }
            if filter.seids.is_empty() {
                let problem = format!("user: {user} has no session here now");
                return Ok(Err(Problem::not_found(problem)));
            }
        }
        let mtus = self.ports.iter().map(|port| usize::from(port.is.mtu));
        let frame = mtus.max().unwrap_or(0) + FRAME_OCTETS;
        let room = Room {
            packets: ROOM_PACKETS,
            octets: 2 * frame,
        };
        let watching = self.watcher.watch(&filter, room);
        Ok(watching.map_err(|busy| Problem::busy(busy.to_string())))
    }

    fn filter(&self, which: &Watch) -> Result<Filter, Problem> {
        let seid = which
            .seid
            .as_deref()
            .map(|text| hexadecimal("seid", text, 16));
        let teid = which
            .teid
            .as_deref()
            .map(|text| hexadecimal("teid", text, 8));
        let teid = teid.transpose()?.and_then(|teid| u32::try_from(teid).ok());
        let reason = which.reason.as_deref().map(reason).transpose()?;
        let port = which.port.as_deref().map(|port| self.port(port));
        let address = which.ue.as_deref().map(|ue| {
            let host = ue.parse::<IpAddr>().map(ipnet::IpNet::from);
            host.or_else(|_| ue.parse())
                .map_err(|_| Problem::bad(format!("ue: {ue:?} is no IP address and no network")))
        });
        Ok(Filter {
            seids: seid.transpose()?.map(Seid).into_iter().collect(),
            teid: teid.map(Teid),
            address: address.transpose()?,
            port: port.transpose()?,
            kind: match reason {
                Some(reason) => Kind::DroppedFor(reason),
                None if which.dropped => Kind::Dropped,
                None => Kind::Any,
            },
        })
    }

    fn port(&self, name: &str) -> Result<u16, Problem> {
        let ports = &self.explainer.names().ports;
        let found = ports.iter().position(|port| port == name);
        let found = found.and_then(|at| u16::try_from(at).ok());
        found.ok_or_else(|| none_of("port", name, ports.iter()))
    }

    /// The sessions that a subscriber has now.
    async fn seids_of(&self, user: &str) -> Result<Vec<Seid>, Gone> {
        let filter = SessionFilter {
            user: Some(user.to_owned()),
            ..SessionFilter::default()
        };
        let (mut seids, mut from) = (Vec::new(), Some(0));
        while let Some(place) = from.filter(|_| seids.len() < SEIDS_MAX) {
            let most = SEIDS_MAX - seids.len();
            let slice = Self::answer(self.asker.sessions(filter.clone(), place, most)).await?;
            seids.extend(slice.sessions.iter().map(|session| session.seid));
            from = slice.next;
        }
        Ok(seids)
    }
}

/// A reason by its name.
fn reason(name: &str) -> Result<Reason, Problem> {
    let found = Reason::ALL.iter().find(|reason| reason.name() == name);
    found
        .copied()
        .ok_or_else(|| none_of("reason", name, Reason::ALL.iter()))
}

fn none_of(key: &str, name: &str, all: impl Iterator<Item = impl Display>) -> Problem {
    let all: Vec<_> = all.map(|one| one.to_string()).collect();
    Problem::not_found(format!(
        "{key}: there is no {name:?}; there are {}",
        all.join(", ")
    ))
}

fn octets(text: &str) -> Result<Vec<u8>, Problem> {
    let wrong = || Problem::bad("octets: expected pairs of hexadecimal digits");
    let digits = text.as_bytes();
    let pairs = digits.chunks(2).map(|pair| {
        let digits = std::str::from_utf8(pair).ok()?;
        let good = pair.len() == 2 && pair.iter().all(u8::is_ascii_hexdigit);
        u8::from_str_radix(digits, 16).ok().filter(|_| good)
    });
    let octets: Option<Vec<u8>> = pairs.collect();
    octets.filter(|octets| !octets.is_empty()).ok_or_else(wrong)
}

fn hexadecimal(key: &str, text: &str, digits_max: usize) -> Result<u64, Problem> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let good = digits.len() <= digits_max && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let number = u64::from_str_radix(digits, 16).ok().filter(|_| good);
    number.ok_or_else(|| {
        Problem::bad(format!(
            "{key}: {text:?} is not 1 to {digits_max} hexadecimal digits"
        ))
    })
}
