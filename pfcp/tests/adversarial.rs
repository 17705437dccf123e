//! What an attacker or a careless peer sends, by its kind and not by example: every message, every
//! group and every depth, with what is read of it or refused, why, and where.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

use std::fmt::Debug;

use pfcp::generate::{Generate, Source};
use pfcp::group::{Group, Presence, Row};
use pfcp::*;

#[macro_use]
mod common;
use common::{hex, is_group, join, sorted_list, split, unhex};

/// Datagrams that others made.
fn datagrams() -> impl Iterator<Item = Vec<u8>> {
    include_str!("golden/messages.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| unhex(line.rsplit(' ').next().unwrap()))
}

/// How long the header is.
fn header(datagram: &[u8]) -> usize {
    if datagram[0] & 1 == 0 { 8 } else { 16 }
}

/// The datagram with other IEs.
fn with_body(datagram: &[u8], body: &[u8]) -> Vec<u8> {
    let mut octets = [&datagram[..header(datagram)], body].concat();
    let length = u16::try_from(octets.len() - 4).unwrap();
    octets[2..4].copy_from_slice(&length.to_be_bytes());
    octets
}

fn rows_of(datagram: &[u8]) -> &'static [Row] {
    let entry = MESSAGES.iter().find(|entry| entry.r#type == datagram[1]);
    entry.unwrap().rows
}

/// A value with mandatory and other IEs, by its octets.
fn members<T: Group + Generate>(seed: u8) -> Vec<u8> {
    let seed: Vec<u8> = (0..=255_u8)
        .chain(0..=255)
        .map(|at| at.wrapping_mul(seed).rotate_left(3))
        .collect();
    let mut octets = Vec::new();
    T::generate(&mut Source::new(&seed)).encode_members(&mut octets);
    octets
}

// ===== headers =====

/// The form, the version, the spare bits and the flags of every message's header.
fn headers_are_strict<T: Body + Debug>(name: &str) {
    let header = if T::SESSION {
        Header::session(7, 9)
    } else {
        Header::node(9)
    };
    let mut octets = Vec::new();
    encode_unchecked(&header, &T::default(), &mut octets).unwrap();
    let whole = decode(&octets).unwrap();
    let with_flags = |flags: u8| {
        let mut other = octets.clone();
        other[0] = flags;
        decode(&other)
    };
    let flags = octets[0];
    // The other form, whichever it is: nothing can be answered, as nobody knows where the IEs are.
    let mut other = octets.clone();
    other[0] ^= 1;
    other.resize(other.len().max(16), 0);
    assert_eq!(
        decode(&other),
        Err(DecodeError::Discard(Discard::SeidFlag(T::TYPE))),
        "{name}"
    );
    for version in [0, 2, 3, 7_u8] {
        let result = with_flags(flags & 0x1f | version << 5);
        let expected = if Message::is_request_type(T::TYPE) {
            let sequence = Sequence::new(9);
            DecodeError::Version { version, sequence }
        } else {
            DecodeError::Discard(Discard::Version(version))
        };
        assert_eq!(result, Err(expected), "{name}");
    }
    // Spare bits of the first octet, and of the last.
    assert_eq!(with_flags(flags | 0x18), Ok(whole.clone()), "{name}");
    let last = if T::SESSION { 15 } else { 7 };
    let mut other = octets.clone();
    other[last] |= 0x0f;
    assert_eq!(decode(&other), Ok(whole.clone()), "{name}");
    // Priority and FO: of session messages alone.
    other[last] |= 0xf0;
    other[0] |= 0x06;
    let decoded = decode(&other).unwrap();
    assert_eq!(decoded.message, whole.message, "{name}");
    let priority = Priority::new(15).filter(|_| T::SESSION);
    assert_eq!(decoded.header.priority, priority, "{name}");
    assert_eq!(decoded.header.follow_on, T::SESSION, "{name}");
    // Every length but the right one, and every end but the right one.
    let whole_length = u16::try_from(octets.len() - 4).unwrap();
    for length in (0..=whole_length + 7).filter(|length| *length != whole_length) {
        let mut other = octets.clone();
        other[2..4].copy_from_slice(&length.to_be_bytes());
        let error = decode(&other).unwrap_err();
        assert_eq!(
            error.cause(),
            Some(Cause::INVALID_LENGTH),
            "{name} {length}"
        );
        assert_eq!(error.header(), Some(&header), "{name} {length}");
    }
    for end in 0..octets.len() {
        let error = decode(&octets[..end]).unwrap_err();
        let expected = (end > last).then_some(Cause::INVALID_LENGTH);
        assert_eq!(error.cause(), expected, "{name} {end}");
    }
}

#[test]
fn every_header_is_read_strictly() {
    every_message!(headers_are_strict);
}

/// A bundle: whatever is wrong with its second message, the first is read, and nothing behind the
/// second is.
#[test]
fn a_broken_second_message_harms_nobody() {
    let first = {
        let header = Header {
            follow_on: true,
            ..Header::session(7, 1)
        };
        let mut octets = Vec::new();
        encode(&header, &SessionDeletionRequest::default(), &mut octets).unwrap();
        octets
    };
    let mut count = 0;
    for second in datagrams().take(60) {
        let ends = (1..second.len()).step_by(3);
        let mut seconds: Vec<Vec<u8>> = ends.map(|end| second[..end].to_vec()).collect();
        for at in 0..4 {
            for bit in 0..8 {
                let mut other = second.clone();
                other[at] ^= 1 << bit;
                seconds.push(other);
            }
        }
        for second in seconds {
            let bundle = [&first[..], &second].concat();
            let read: Vec<_> = messages(&bundle).collect();
            assert_eq!(read.len(), 2, "{}", hex(&second));
            assert!(read[0].is_ok());
            assert_eq!(read[1], decode(&second), "as if it came alone");
            count += 1;
        }
    }
    assert!(count > 2_000, "{count}");
    // FO with nothing behind it is a slip.
    assert_eq!(messages(&first).count(), 1);
    // No more are read than a datagram may bundle.
    for (count, left) in [(BUNDLE_MAX, 0), (BUNDLE_MAX + 2, 2)] {
        let octets = first.repeat(count);
        let mut bundle = messages(&octets);
        assert_eq!(bundle.by_ref().count(), BUNDLE_MAX);
        assert_eq!(bundle.rest(), first.repeat(left));
        assert!(bundle.next().is_none());
    }
}

// ===== IEs of a list =====

/// The octets with something done to each list of IEs, however deep.
fn each_list(octets: &[u8], change: &mut impl FnMut(&mut Vec<(u16, Vec<u8>)>)) -> Vec<u8> {
    let mut ies: Vec<_> = split(octets)
        .into_iter()
        .map(|(r#type, value)| {
            let value = if is_group(r#type) {
                each_list(value, change)
            } else {
                value.to_vec()
            };
            (r#type, value)
        })
        .collect();
    change(&mut ies);
    join(ies)
}

/// Vendors' IEs at every level: of no octets, without a whole enterprise number, and with one.
#[test]
fn vendors_ies_are_kept_wherever_they_are() {
    for datagram in datagrams() {
        let body = &datagram[header(&datagram)..];
        let mut added = 0;
        let vendors = each_list(body, &mut |ies| {
            ies.insert(0, (0x8000, Vec::new()));
            ies.push((0xffff, vec![0]));
            ies.push((0x8abc, vec![0x27, 0x0f, 1, 2, 3]));
            ies.push((0x8abc, vec![0x27, 0x0f]));
            added += 4;
        });
        let decoded = decode(&with_body(&datagram, &vendors)).unwrap();
        let mut again = Vec::new();
        encode_unchecked(&decoded.header, &decoded.message, &mut again).unwrap();
        assert_eq!(
            hex(&sorted_list(&again[header(&datagram)..])),
            hex(&sorted_list(&vendors))
        );
        assert!(added >= 4);
    }
}

/// In any order IEs say the same; lists keep theirs.
#[test]
fn the_order_of_ies_says_nothing() {
    for datagram in datagrams() {
        let body = &datagram[header(&datagram)..];
        let ours = decode(&datagram).unwrap();
        let backwards = each_list(body, &mut |ies| {
            ies.sort_by_key(|(r#type, _)| std::cmp::Reverse(*r#type));
        });
        let decoded = decode(&with_body(&datagram, &backwards)).unwrap();
        let octets = |decoded: &Decoded| {
            let mut octets = Vec::new();
            encode_unchecked(&decoded.header, &decoded.message, &mut octets).unwrap();
            sorted_list(&octets[header(&datagram)..])
        };
        assert_eq!(hex(&octets(&decoded)), hex(&octets(&ours)));
    }
}

/// Of an IE that may be there once the first counts; what comes again is not even looked at. Zero
/// octets of one that must be there are too few, and name it; of one that need not they are as good
/// as nothing, or remove what was.
fn rows_are_strict<T: Group + Generate + PartialEq + Debug>(name: &str, seen: &mut [usize; 3]) {
    for seed in [1, 77, 201] {
        let octets = members::<T>(seed);
        let value = T::decode_members(&octets).unwrap();
        let there = split(&octets);
        for row in T::ROWS {
            let first = there.iter().find(|(r#type, _)| *r#type == row.r#type);
            let again = |value: &[u8]| [&octets[..], &join([(row.r#type, value)])].concat();
            if !row.repeats
                && let Some((_, first)) = first
                && row.presence != Presence::Lenient
            {
                for second in [&[][..], &[0xff; 3], first] {
                    let result = T::decode_members(&again(second));
                    assert_eq!(result.as_ref(), Ok(&value), "{name}: {}", row.field);
                    seen[0] += 1;
                }
            }
            let mut others: Vec<_> = there
                .iter()
                .filter(|(r#type, _)| *r#type != row.r#type)
                .copied()
                .collect();
            others.insert(0, (row.r#type, &[]));
            let empty = T::decode_members(&join(others));
            let alone = AnyIe::decode(row.r#type, &[]);
            match (row.presence, alone) {
                // Nothing, or removal.
                (Presence::Lenient | Presence::Update, _) => {
                    let is_accepted = empty.is_ok() || needs(name, row.r#type);
                    assert!(is_accepted, "{name}: {} {empty:?}", row.field);
                    seen[1] += 1;
                }
                // Some IEs say something with no octets: names, and groups in which all is optional.
                (_, Ok(_)) => assert!(empty.is_ok(), "{name}: {} {empty:?}", row.field),
                (_, Err(alone)) => {
                    let error = empty.expect_err(row.field);
                    assert_eq!(error, alone, "{name}: {}", row.field);
                    assert_eq!(error.path.iter().next(), Some(row.r#type), "{name}");
                    let expected = match error.fault {
                        Fault::Missing(r#type) => r#type,
                        _ => row.r#type,
                    };
                    assert_eq!(error.offending_ie(), Some(expected), "{name}");
                    seen[2] += 1;
                }
            }
        }
    }
}

/// An acceptance needs its Recovery Time Stamp.
fn needs(name: &str, r#type: u16) -> bool {
    name == "AssociationSetupResponse" && r#type == 96
}

#[test]
fn what_comes_twice_or_empty_is_told_apart() {
    let mut seen = [0; 3];
    every_message!(rows_are_strict, &mut seen);
    every_group!(rows_are_strict, &mut seen);
    assert!(seen.iter().all(|count| *count > 200), "{seen:?}");
}

/// A value of no octets, of every type: read or refused, never a panic; and what is read is shown
/// and written.
#[test]
fn every_type_of_no_octets() {
    for r#type in 0..=u16::MAX {
        let Ok(ie) = AnyIe::decode(r#type, &[]) else {
            continue;
        };
        let mut octets = Vec::new();
        ie.encode(&mut octets).unwrap();
        assert!(!ie.to_string().is_empty(), "{type}");
        // A set of pairs of octets may be written in full.
        assert_eq!(AnyIe::decode(r#type, &octets[4..]), Ok(ie), "{type}");
    }
}

// ===== depth and size =====

/// A group in itself, as deep as a message can hold, is an unknown IE in the outermost: no depth
/// costs more than its octets.
#[test]
fn groups_in_themselves() {
    // Four octets each.
    const DEPTH: usize = 12_000;
    let nested = |r#type: u16, depth: usize| {
        let heads = (0..depth).flat_map(|level| {
            let length = u16::try_from(4 * (depth - 1 - level)).unwrap();
            [r#type.to_be_bytes(), length.to_be_bytes()].concat()
        });
        heads.collect::<Vec<u8>>()
    };
    let establishment = datagrams().find(|octets| octets[1] == 50).unwrap();
    let body = &establishment[16..];
    for entry in CATALOGUE.iter().filter(|entry| is_group(entry.r#type)) {
        let deep = nested(entry.r#type, DEPTH);
        let datagram = with_body(&establishment, &[body, &deep].concat());
        match decode(&datagram) {
            Ok(decoded) => {
                let mut again = Vec::new();
                encode_unchecked(&decoded.header, &decoded.message, &mut again).unwrap();
                assert!(again.len() >= datagram.len() - deep.len(), "{}", entry.name);
            }
            Err(error) => {
                let DecodeError::Message { error, .. } = error else {
                    panic!("{}", entry.name)
                };
                assert!(error.path.iter().count() <= 3, "{}: {error}", entry.name);
                assert_eq!(error.cause(), Cause::MANDATORY_IE_MISSING, "{error}");
            }
        }
    }
    // Each group in the next: the deepest that the tables have, and once more around.
    let groups: Vec<u16> = CATALOGUE
        .iter()
        .filter(|entry| is_group(entry.r#type))
        .map(|entry| entry.r#type)
        .collect();
    let mut value = Vec::new();
    for r#type in groups.iter().cycle().take(4_000) {
        value = join([(*r#type, value)]);
    }
    let _ = decode(&with_body(&establishment, &[body, &value].concat()));
}

/// The largest messages there can be: of one IE, of many, and of one octet too many.
#[test]
fn the_largest_messages() {
    let heartbeat = datagrams().find(|octets| octets[1] == 1).unwrap();
    let body = &heartbeat[8..];
    let room = 65_535 - 4 - body.len() - 4;
    let largest = join([(0x7a00, vec![0xa5; room])]);
    let datagram = with_body(&heartbeat, &[body, &largest].concat());
    assert_eq!(datagram.len(), 65_539);
    let decoded = decode(&datagram).unwrap();
    let mut again = Vec::new();
    encode_unchecked(&decoded.header, &decoded.message, &mut again).unwrap();
    assert_eq!(again, datagram);
    let Message::HeartbeatRequest(mut request) = decoded.message else {
        panic!()
    };
    request.unknown.push(Unknown {
        r#type: 0x7a01,
        value: [][..].into(),
    });
    let before = again.clone();
    let error = encode(&decoded.header, &request, &mut again).unwrap_err();
    assert_eq!(error, TooLong { octets: 65_539 }.into());
    assert_eq!(again, before);
}

// ===== lengths =====

/// An IE somewhere in a message: the way to it, and where its length stands.
struct Found {
    path: Vec<u16>,
    length_at: usize,
    /// Whether all on the way to it, and itself, are read and have to be right.
    is_strict: bool,
    /// Whether it is the last of its list.
    is_last: bool,
}

fn find(octets: &[u8], at: usize, rows: &[Row], path: &[u16], is_strict: bool) -> Vec<Found> {
    let mut all = Vec::new();
    let mut here = at;
    let mut seen: Vec<u16> = Vec::new();
    let ies = split(octets);
    for (number, (r#type, value)) in ies.iter().enumerate() {
        let row = rows.iter().find(|row| row.r#type == *r#type);
        let again = seen.contains(r#type);
        seen.push(*r#type);
        let is_strict = is_strict
            && row.is_some_and(|row| row.presence != Presence::Lenient && (row.repeats || !again));
        let path = [path, &[*r#type]].concat();
        all.push(Found {
            path: path.clone(),
            length_at: here + 2,
            is_strict,
            is_last: number + 1 == ies.len(),
        });
        if is_group(*r#type) {
            let entry = CATALOGUE.iter().find(|entry| entry.r#type == *r#type);
            all.extend(find(value, here + 4, entry.unwrap().rows, &path, is_strict));
        }
        here += 4 + value.len();
    }
    all
}

/// The length of each IE at each depth, made longer than what holds it, and shorter or longer by
/// some: the cause is the length, the IE is that one, the path leads there; nothing panics, and
/// what is read all the same is a message like any other.
#[test]
fn lengths_that_lie_at_every_depth() {
    let (mut refused, mut others) = (0, 0);
    for datagram in datagrams().filter(|octets| octets.len() < 700) {
        let start = header(&datagram);
        for found in find(&datagram[start..], start, rows_of(&datagram), &[], true) {
            let at = found.length_at;
            let length = u16::from_be_bytes([datagram[at], datagram[at + 1]]);
            for other in [0xffff, 0, length.wrapping_sub(1), length.wrapping_add(1)] {
                let mut lying = datagram.clone();
                lying[at..at + 2].copy_from_slice(&other.to_be_bytes());
                let result = decode(&lying);
                let runs_over = other == 0xffff || found.is_last && other > length;
                if !(found.is_strict && runs_over) {
                    others += 1;
                    if let Ok(decoded) = result {
                        let mut again = Vec::new();
                        encode_unchecked(&decoded.header, &decoded.message, &mut again).unwrap();
                    }
                    continue;
                }
                let Err(DecodeError::Message { error, .. }) = result else {
                    panic!("{:?} of {} octets: {}", found.path, other, hex(&datagram))
                };
                refused += 1;
                let path: Vec<u16> = error.path.iter().collect();
                assert_eq!(path, found.path, "{other} {}", hex(&datagram));
                assert_eq!(error.cause(), Cause::INVALID_LENGTH);
                assert_eq!(error.offending_ie(), found.path.last().copied());
                // And a person is told where.
                let place = locate(&lying, &decode(&lying).unwrap_err()).unwrap();
                assert_eq!(place.at, at - 2, "{}", hex(&lying));
                assert_eq!(place.expected, Some(other.into()));
            }
        }
    }
    assert!(refused > 1_500 && others > 3_000, "{refused} {others}");
}
