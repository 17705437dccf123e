//! One packet of every kind, for a pcapng file.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use simulator::capture::{Way, Writer};

use super::now;

/// Where a packet was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Link {
    N3,
    N6,
    N4,
}

impl Link {
    /// The name of the link, and of its ring port.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::N3 => "n3",
            Self::N6 => "n6",
            Self::N4 => "n4",
        }
    }
}

/// How many packets of a kind are kept.
const OF_A_KIND: u32 = 2;

#[derive(Debug)]
struct Exhibit {
    link: Link,
    into_upf: bool,
    frame: Vec<u8>,
    what: &'static str,
    after: Duration,
}

/// A collection that several threads add to.
#[derive(Clone, Debug)]
pub(crate) struct Exhibits {
    started: std::time::Instant,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    exhibits: Vec<Exhibit>,
    kinds: BTreeMap<(Link, bool, &'static str, bool), u32>,
}

impl Default for Exhibits {
    fn default() -> Self {
        Self {
            started: now(),
            kept: Arc::default(),
        }
    }
}

impl Exhibits {
    /// Keeps the frame if its kind has not been shown often enough.
    pub(crate) fn show(&self, link: Link, into_upf: bool, frame: &[u8], what: &'static str) {
        let v6 = frame.get(12..14) == Some(&[0x86, 0xdd]);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let count = kept.kinds.entry((link, into_upf, what, v6)).or_default();
        if *count < OF_A_KIND {
            *count += 1;
            let after = now().duration_since(self.started);
            kept.exhibits.push(Exhibit {
                link,
                into_upf,
                frame: frame.to_vec(),
                what,
                after,
            });
        }
    }

    /// Writes all of them as pcapng.
    pub(crate) fn write(&self, out: impl Write, epoch: Duration) -> Result<()> {
        let mut writer = Writer::new(out, &["n3", "n6", "n4"])?;
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for exhibit in &kept.exhibits {
            let interface = match exhibit.link {
                Link::N3 => 0,
                Link::N6 => 1,
                Link::N4 => 2,
            };
            let way = if exhibit.into_upf { Way::In } else { Way::Out };
            let time = epoch + exhibit.after;
            writer.frame(interface, time, way, &exhibit.frame, exhibit.what)?;
        }
        writer.finish()?;
        Ok(())
    }
}
