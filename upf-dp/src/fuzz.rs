//! The body of the fuzz target: octets become frames, rules in force and the passage of time.

use session::report::Command;
use session::rule::Action;

use crate::testbed::{
    GNB, HOST, MAC_GATEWAY, MAC_GNB, MAC_N3, MAC_N6, N3_ADDRESS, TestSession, Testbed, datagram_v4,
    frame, gpdu, uplink, user_v4,
};

/// How many steps one input may have.
const STEPS_MAX: usize = 64;

/// Feeds the path with what `data` describes. It must not panic, and no packet may be unaccounted
/// for, whatever the octets are.
///
/// Each step is an octet that says what, an octet of length, and that many octets.
pub fn fuzz_path(data: &[u8]) {
    let mut bed = Testbed::new(1, 8);
    let mut session = bed.install(0, |_| {});
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
    use proptest::prelude::*;

    use super::fuzz_path;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 400 }))]

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
