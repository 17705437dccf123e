//! What a load does, phase by phase.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;

use super::shape::Shape;

/// What to do.
#[derive(Clone, Debug)]
pub struct Load {
    /// Where the SMF is; its address is its Node ID, too. The UPF has to be able to send there.
    pub local: SocketAddr,
    /// Where the UPF's N4 is.
    pub target: SocketAddr,
    /// What a session is made of.
    pub shape: Shape,
    /// Sessions that are there throughout, besides those that the phases work on.
    pub held: u32,
    /// Sessions that the phases work on.
    pub sessions: u32,
    /// Requests in flight, at most.
    pub window: usize,
    /// What to do, in order.
    pub phases: Vec<Phase>,
    /// How often to do that.
    pub rounds: u32,
    /// How long to wait for an answer before the request is sent again.
    pub t1: Duration,
    /// How often a request is sent in all.
    pub n1: u32,
    /// How long a phase may take.
    pub limit: Duration,
    /// A process of this machine whose CPU time and memory are looked at: the UPF.
    pub pid: Option<u32>,
}

/// One step of a load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Phase {
    /// One request for each session.
    Requests(Kind, Pace),
    /// Nothing but heartbeats, for that time.
    Hold(Duration),
    /// The association is released with all sessions, and set up again.
    Drop,
}

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Session Establishment Request.
    Establish,
    /// Session Modification Request: the downlink tunnel of the gNB.
    Modify,
    /// Session Deletion Request.
    Delete,
}

impl Kind {
    /// All kinds, in the order of a session's life.
    pub const ALL: [Self; 3] = [Self::Establish, Self::Modify, Self::Delete];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Establish => "establish",
            Self::Modify => "modify",
            Self::Delete => "delete",
        }
    }
}

/// When requests are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// As soon as there is room in the window.
    Closed,
    /// So many a second, whatever the answers do.
    PerSecond(f64),
    /// At this share of the rate that the same kind last had as fast as possible.
    Share(f64),
}

impl Pace {
    fn read(text: &str) -> Option<Self> {
        let share = text.strip_suffix('%');
        let number: f64 = share.unwrap_or(text).parse().ok()?;
        let usable = number.is_finite() && number > 0.0;
        usable.then_some(match share {
            Some(_) => Self::Share(number / 100.0),
            None => Self::PerSecond(number),
        })
    }
}

/// A phase that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is none of establish, modify, delete (each with @RATE or @SHARE% if it is to be paced), \
     hold=SECONDS and drop"
)]
pub struct BadPhase(String);

impl FromStr for Phase {
    type Err = BadPhase;

    fn from_str(text: &str) -> Result<Self, BadPhase> {
        let bad = || BadPhase(text.to_owned());
        if text == "drop" {
            return Ok(Self::Drop);
        }
        if let Some(seconds) = text.strip_prefix("hold=") {
            let seconds = seconds.parse().map_err(|_| bad())?;
            return Ok(Self::Hold(Duration::from_secs(seconds)));
        }
        let (name, pace) = match text.split_once('@') {
            Some((name, pace)) => (name, Pace::read(pace).ok_or_else(bad)?),
            None => (text, Pace::Closed),
        };
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name);
        Ok(Self::Requests(kind.ok_or_else(bad)?, pace))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_read() {
        let read = |text: &str| text.parse::<Phase>();
        let requests = |kind, pace| Ok(Phase::Requests(kind, pace));
        assert_eq!(read("establish"), requests(Kind::Establish, Pace::Closed));
        assert_eq!(read("modify@50%"), requests(Kind::Modify, Pace::Share(0.5)));
        assert_eq!(
            read("delete@1e5"),
            requests(Kind::Delete, Pace::PerSecond(1e5))
        );
        assert_eq!(read("hold=3"), Ok(Phase::Hold(Duration::from_secs(3))));
        assert_eq!(read("drop"), Ok(Phase::Drop));
        for bad in [
            "",
            "create",
            "modify@",
            "modify@-1",
            "modify@x%",
            "hold=",
            "drop@3",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
