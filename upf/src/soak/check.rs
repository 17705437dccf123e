//! What has to be true whenever nothing is under way, and over the whole of a run.

use std::collections::BTreeMap;
use std::time::Duration;

use simulator::{Tally, Tunnel};
use upf_dp::Reason;

use super::report::Slice;

/// The books of everybody, at a moment at which nothing is under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Books {
    /// Frames that the lab gave to each port and got from it, beside what the UPF counted of it.
    pub(super) links: Vec<LinkBooks>,
    /// Came in, and accounted for nowhere.
    pub(super) missing: i128,
    /// Packets that wait.
    pub(super) held: u64,
    /// Buffers in use.
    pub(super) buffers: u64,
    /// Packets dropped, by reason.
    pub(super) drops: BTreeMap<&'static str, u64>,
    /// Packets that all have to come out.
    pub(super) certain: Tally,
    /// The others.
    pub(super) beside: Tally,
    /// Sessions by the control side, and by the SMFs.
    pub(super) sessions: [usize; 2],
    /// Tunnels that End Markers came in, and those that they had to.
    pub(super) end_markers: [Vec<Tunnel>; 2],
}

/// The books of a port.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LinkBooks {
    pub(super) name: &'static str,
    pub(super) given: u64,
    pub(super) received: u64,
    pub(super) sent: u64,
    pub(super) got: u64,
}

impl Books {
    /// Whether nothing is under way: who waits for that asks again.
    pub(super) fn is_settled(&self) -> bool {
        let settled = |link: &LinkBooks| link.given == link.received && link.sent == link.got;
        self.missing == 0 && self.links.iter().all(settled) && self.buffers == self.held
    }

    /// What is wrong, when packets may be dropped for these reasons alone.
    pub(super) fn faults(&self, allowed: &[Reason]) -> Vec<String> {
        let mut faults = Vec::new();
        for link in &self.links {
            let name = link.name;
            if link.given != link.received {
                let (given, received) = (link.given, link.received);
                faults.push(format!("{name}: given {given} frames, {received} received"));
            }
            if link.sent != link.got {
                let (sent, got) = (link.sent, link.got);
                faults.push(format!("{name}: {sent} frames sent, {got} came"));
            }
        }
        if self.missing != 0 {
            let missing = self.missing;
            faults.push(format!("{missing} packets are accounted for nowhere"));
        }
        if self.buffers != self.held {
            let (buffers, held) = (self.buffers, self.held);
            faults.push(format!("{buffers} buffers in use, {held} packets held"));
        }
        for (reason, count) in &self.drops {
            if *count > 0 && !allowed.iter().any(|allowed| allowed.name() == *reason) {
                faults.push(format!("{count} packets dropped for {reason}"));
            }
        }
        self.packets(&mut faults);
        let [node, smfs] = self.sessions;
        if node != smfs {
            faults.push(format!("the UPF has {node} sessions, SMFs have {smfs}"));
        }
        let [mut came, mut due] = self.end_markers.clone();
        came.sort_unstable();
        due.sort_unstable();
        if came != due {
            let (came, due) = (came.len(), due.len());
            faults.push(format!(
                "{came} End Markers came for {due} handovers, or others"
            ));
        }
        faults
    }

    fn packets(&self, faults: &mut Vec<String>) {
        use simulator::Direction::{Downlink, Uplink};
        for direction in [Uplink, Downlink] {
            let lost = self.certain.counts(direction).lost();
            if lost > 0 {
                faults.push(format!(
                    "{lost} {direction:?} packets of sessions that stay lost"
                ));
            }
        }
        for tally in [&self.certain, &self.beside] {
            if let Some(first) = tally.first_mismatch() {
                let all: u64 = tally.mismatches().values().sum();
                faults.push(format!("{all} wrong packets, the first: {first}"));
            }
            let counts = [Uplink, Downlink].map(|direction| *tally.counts(direction));
            let twice: u64 = counts.iter().map(|counts| counts.duplicated).sum();
            if twice > 0 {
                faults.push(format!("{twice} packets came twice"));
            }
            let late: u64 = counts.iter().map(|counts| counts.reordered).sum();
            if let Some(first) = tally.first_late() {
                faults.push(format!("{late} packets came late, the first: {first:?}"));
            }
        }
    }
}

/// Slices that a run must have for its first and its last third to be compared.
const SLICES_MIN: usize = 9;
/// By how much the resident memory may grow between two thirds of a run …
const GROWTH_KIB: u64 = 4096;
/// … and for each session that was created meanwhile, in octets.
const GROWTH_PER_SESSION: u64 = 32;
/// How many times as long packets may take in the best slice of the last third as in that of the first …
const SLOWER: u32 = 3;
/// … and what is of no account.
const SLOWER_BY: Duration = Duration::from_millis(1);

/// What grows over a whole run, though it should not.
pub(super) fn trends(slices: &[Slice]) -> Vec<String> {
    if slices.len() < SLICES_MIN {
        return Vec::new();
    }
    let third = slices.len() / 3;
    let [first, second, last] =
        [0, 1, 2].map(|at| slices.get(at * third..(at + 1) * third).unwrap_or_default());
    let mut faults = Vec::new();
    // In the first third, what is kept for reuse is still being filled.
    let least = |slices: &[Slice]| slices.iter().map(|slice| slice.resident_kib).min();
    let (before, after) = (least(second).unwrap_or(0), least(last).unwrap_or(0));
    let created: u64 = last.iter().map(|slice| u64::from(slice.created)).sum();
    if after > before + GROWTH_KIB + created * GROWTH_PER_SESSION / 1024 {
        faults.push(format!("resident memory grew from {before} to {after} KiB"));
    }
    // Where others use the machine, too, it is calm in the one slice or the other.
    let packets = |slices: &[Slice]| slices.iter().map(|slice| slice.packet_median).min();
    let changes = |slices: &[Slice]| slices.iter().map(|slice| slice.modification_median).min();
    for (what, before, after) in [
        ("packets", packets(first), packets(last)),
        ("modifications", changes(first), changes(last)),
    ] {
        let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
        if after > before * SLOWER + SLOWER_BY {
            faults.push(format!(
                "{what} took {before:?} at first, {after:?} at last"
            ));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use simulator::Direction;

    use super::*;

    fn good() -> Books {
        let link = LinkBooks {
            name: "n3",
            given: 10,
            received: 10,
            sent: 8,
            got: 8,
        };
        Books {
            links: vec![link],
            held: 2,
            buffers: 2,
            drops: [("unknown_teid", 5)].into(),
            sessions: [7, 7],
            ..Books::default()
        }
    }

    type Spoil = fn(&mut Books);

    #[test]
    fn each_difference_is_found() {
        let allowed = [Reason::UnknownTeid];
        assert_eq!(good().faults(&allowed), [""; 0]);
        assert!(good().is_settled());
        let faulty: [(&str, Spoil); 8] = [
            ("11 frames, 10 received", |books| books.links[0].given = 11),
            ("9 frames sent, 8 came", |books| books.links[0].sent = 9),
            ("accounted for nowhere", |books| books.missing = -1),
            ("3 buffers in use", |books| books.buffers = 3),
            ("1 packets dropped for undecided", |books| {
                books.drops.insert("undecided", 1);
            }),
            ("6 sessions", |books| books.sessions[0] = 6),
            ("End Markers", |books| {
                books.end_markers[0].push(crate::lab::tunnel(1, 0));
            }),
            ("1 Uplink packets of sessions that stay", |books| {
                books.certain.sent(Direction::Uplink, 100);
            }),
        ];
        for (fault, spoil) in faulty {
            let mut books = good();
            spoil(&mut books);
            let faults = books.faults(&allowed);
            assert!(
                matches!(&faults[..], [only] if only.contains(fault)),
                "{fault}: {faults:?}"
            );
        }
    }

    #[test]
    fn what_grows_without_end_is_found() {
        let slice = |number: u32, kib: u64, latency_ms: u64| Slice {
            number,
            created: 100,
            resident_kib: kib,
            packet_median: Duration::from_millis(latency_ms),
            ..Slice::default()
        };
        let flat: Vec<Slice> = (0..30).map(|at| slice(at, 100_000, 2)).collect();
        assert_eq!(trends(&flat), [""; 0]);
        let fills: Vec<Slice> = (0..30)
            .map(|at| slice(at, 100_000 + 1000 * u64::from(at.min(9)), 2))
            .collect();
        assert_eq!(trends(&fills), [""; 0]);
        let leaks: Vec<Slice> = (0..30)
            .map(|at| slice(at, 100_000 + 1000 * u64::from(at), 2))
            .collect();
        assert!(trends(&leaks)[0].contains("grew from 110000 to 120000"));
        let slows: Vec<Slice> = (0..30)
            .map(|at| slice(at, 100_000, 2 + u64::from(at)))
            .collect();
        assert!(trends(&slows)[0].contains("packets took"));
        let busy: Vec<Slice> = (0..30)
            .map(|at| slice(at, 100_000, if at > 15 && at % 4 > 0 { 40 } else { 2 }))
            .collect();
        assert_eq!(trends(&busy), [""; 0]);
        assert_eq!(trends(&leaks[..8]), [""; 0], "too short to tell");
    }
}
