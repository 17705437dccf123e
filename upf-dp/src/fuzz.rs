//! The body of the fuzz target: octets become frames, rules in force and the passage of time.

use session::report::Command;
use session::rule::Action;
use session::topology::{RouterAdvertisements, UeToUe};

use crate::testbed::{
    GNB, HOST, MAC_GATEWAY, MAC_GNB, MAC_N3, MAC_N6, N3_ADDRESS, TestSession, Testbed, datagram_v4,
    frame, gpdu, uplink, user_v4,
};

/// The prefix of the first UE. The second one has IPv4 alone.
const PREFIX: &str = "2001:db8:45::/64";

/// How many steps one input may have.
const STEPS_MAX: usize = 64;

/// Feeds the path with what `data` describes. It must not panic, and no packet may be unaccounted
/// for, whatever the octets are.
///
/// Each step is an octet that says what, an octet of length, and that many octets.
pub fn fuzz_path(data: &[u8]) {
    drop(run(data));
}

/// The same; the test bed as it is then.
fn run(data: &[u8]) -> Testbed {
    let mut bed = Testbed::connected(1, |topology| {
        for network in &mut topology.networks {
            network.ue_to_ue = UeToUe::Local;
            network.router = Some(RouterAdvertisements::default());
        }
    });
    let mut session = bed.install(0, |rules| {
        rules.ue.ipv6 = PREFIX.parse().ok();
        let ue = rules.ue;
        rules.pdrs.iter_mut().for_each(|pdr| pdr.pdi.ue = Some(ue));
    });
    bed.install(1, |_| {});
    let mut rest = data;
    for _ in 0..STEPS_MAX {
        let [what, length, tail @ ..] = rest else {
            break;
        };
        let (octets, tail) = tail.split_at(usize::from(*length).min(tail.len()));
        step(&mut bed, &mut session, *what, octets);
        rest = tail;
    }
    bed.check();
    bed
}

fn step(bed: &mut Testbed, session: &mut TestSession, what: u8, octets: &[u8]) {
    let port = u16::from(what >> 7);
    match what & 0xf {
        // Octets as they are.
        0 => drop(bed.receive(port, &[octets.to_vec()])),
        1 => drop(bed.receive(0, &[frame(MAC_N3, MAC_GNB, None, octets)])),
        2 => drop(bed.receive(1, &[frame(MAC_N6, MAC_GATEWAY, None, octets)])),
        3 => drop(bed.receive(0, &[frame(MAC_N3, MAC_GNB, Some(9), octets)])),
        // As GTP-U, as a user packet of a live tunnel, behind headers of a live tunnel.
        4 => drop(bed.receive(0, &[gtpu_frame(octets)])),
        5 => drop(bed.receive(0, &[uplink(session.teid, octets)])),
        6 => {
            let mut message = gpdu(session.teid, None, octets);
            for (to, from) in message.iter_mut().zip(octets) {
                *to ^= from;
            }
            drop(bed.receive(0, &[gtpu_frame(&message)]));
        }
        // A user packet, damaged.
        7 => {
            let (from, to, port) = if port == 0 {
                (session.ue, HOST, 0)
            } else {
                (HOST, session.ue, 1)
            };
            let mut user = user_v4(from, to, octets.len());
            for (to, from) in user.iter_mut().zip(octets) {
                *to ^= from;
            }
            let frame = if port == 0 {
                uplink(session.teid, &user)
            } else {
                frame(MAC_N6, MAC_GATEWAY, None, &user)
            };
            drop(bed.receive(port, &[frame]));
        }
        8 => bed.modify(session, |rules| {
            set_action(rules, Action::Buffer { notify: true });
        }),
        9 => bed.modify(session, |rules| set_action(rules, Action::Forward)),
        10 => bed.modify(session, |rules| set_action(rules, Action::Drop)),
        11 => command(
            bed,
            Command::Release {
                session: session.index,
            },
        ),
        12 => command(
            bed,
            Command::Discard {
                session: session.index,
            },
        ),
        14 => command(
            bed,
            Command::Advertise {
                session: session.index,
            },
        ),
        13 => bed.pass_ms(octets.iter().map(|octet| u64::from(*octet)).sum()),
        _ => bed.tend(),
    }
    let _ = bed.sent(0);
}

fn gtpu_frame(message: &[u8]) -> Vec<u8> {
    frame(
        MAC_N3,
        MAC_GNB,
        None,
        &datagram_v4(GNB, N3_ADDRESS, message),
    )
}

fn set_action(rules: &mut session::Rules, action: Action) {
    for far in rules.fars.iter_mut().skip(1) {
        far.action = action;
    }
}

fn command(bed: &mut Testbed, command: Command) {
    // A full queue is one of the states worth seeing.
    let _ = bed
        .workers
        .first_mut()
        .map(|worker| worker.control.command(command));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::Ipv4Addr;
    use std::path::Path;

    use proptest::prelude::*;

    use super::{fuzz_path, run};
    use crate::path::catalogue;
    use crate::reason::Reason;
    use crate::testbed::user_v4;

    const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/path");

    /// The inputs of the corpus.
    fn corpus() -> Vec<Vec<u8>> {
        let mut files: Vec<_> = std::fs::read_dir(CORPUS)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        files
            .iter()
            .map(|file| std::fs::read(file).unwrap())
            .collect()
    }

    /// Every frame of the catalogue as an input of its own, those to one session that waits for its
    /// UE, and a few that belong together.
    fn inputs() -> Vec<(String, Vec<u8>)> {
        let step = |what: u8, octets: &[u8]| {
            let length = u8::try_from(octets.len()).ok()?;
            Some([&[what, length], octets].concat())
        };
        let mut inputs = Vec::new();
        for (number, (port, frame)) in catalogue::frames().into_iter().enumerate() {
            if let Some(input) = step(if port == 0 { 0 } else { 0x80 }, &frame) {
                inputs.push((format!("frame-{number:03}"), input));
            }
        }
        let bare = |what| step(what, &[]);
        let [buffer, forward, refuse, release] = [8, 9, 10, 11].map(bare);
        let [discard, advertise, tend] = [12, 14, 15].map(bare);
        let (up, down) = (step(7, &[0; 40]), step(0x87, &[0; 40]));
        let (soon, late) = (step(13, &[255; 16]), step(13, &[255; 250]));
        // To a neighbour that nobody knows, and to the other UE.
        let ue = Ipv4Addr::new(10, 45, 0, 2);
        let [onto_link, to_ue] =
            [[10, 0, 6, 99], [10, 45, 0, 3]].map(|to| step(5, &user_v4(ue, to.into(), 8)));
        let stories = [
            (
                "held-and-released",
                vec![&buffer, &down, &down, &forward, &release, &tend],
            ),
            (
                "held-until-it-is-old",
                vec![&buffer, &down, &late, &tend, &up],
            ),
            ("held-and-discarded", vec![&buffer, &down, &discard, &tend]),
            (
                "held-in-great-number",
                [vec![&buffer], vec![&down; 60]].concat(),
            ),
            ("refused", vec![&refuse, &down, &up]),
            ("told-of-its-router", vec![&advertise, &tend, &up]),
            ("nobody-there", vec![&onto_link, &tend, &soon, &tend]),
            ("from-ue-to-ue", vec![&to_ue, &up]),
        ];
        for (name, steps) in stories {
            let input = steps.into_iter().flatten().flatten().copied().collect();
            inputs.push((name.to_owned(), input));
        }
        inputs
    }

    /// The corpus is replayed, and leads into most corners of the path: if it does not, keys or
    /// addresses of the test bed have changed, and `UPDATE=1` makes it anew.
    #[test]
    #[cfg_attr(miri, ignore = "reads files")]
    fn the_corpus_holds_and_leads_everywhere() {
        if std::env::var_os("UPDATE").is_some() {
            std::fs::create_dir_all(CORPUS).unwrap();
            for (name, input) in inputs() {
                std::fs::write(Path::new(CORPUS).join(name), input).unwrap();
            }
        }
        let mut reasons = BTreeSet::new();
        for input in corpus() {
            let drops = run(&input).drops();
            reasons.extend(drops.iter().map(|(reason, _)| reason.index()));
        }
        let missed: Vec<_> = Reason::ALL
            .iter()
            .filter(|reason| !reasons.contains(&reason.index()))
            .map(|reason| reason.name())
            .collect();
        assert!(
            reasons.len() >= 30,
            "{} reasons; the corpus misses {missed:?}",
            reasons.len()
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 400 }))]

        /// A few octets of an input of the corpus are others, and it is followed by another one.
        #[test]
        #[cfg_attr(miri, ignore = "reads files")]
        fn no_damage_to_the_corpus_makes_the_path_panic_or_lose_a_packet(
            first in any::<prop::sample::Index>(),
            second in any::<prop::sample::Index>(),
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..5),
        ) {
            let corpus = corpus();
            let mut data = first.get(&corpus).clone();
            for (at, value) in damage {
                *at.get_mut(&mut data) = value;
            }
            data.extend(second.get(&corpus));
            fuzz_path(&data);
        }

        #[test]
        fn no_octets_make_the_path_panic_or_lose_a_packet(
            steps in prop::collection::vec(
                (any::<u8>(), prop::collection::vec(any::<u8>(), 0..120)), 0..24
            )
        ) {
            let data: Vec<u8> = steps
                .into_iter()
                .flat_map(|(what, octets)| {
                    let length = u8::try_from(octets.len()).unwrap();
                    [vec![what, length], octets].concat()
                })
                .collect();
            fuzz_path(&data);
        }
    }
}
