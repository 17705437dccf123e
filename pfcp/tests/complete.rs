//! Nothing incomplete can be made: not in Rust, not from JSON, not from octets (for these see
//! `properties.rs`), and what asks for more than its types say is not written.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::fmt::Debug;

use pfcp::generate::{Generate, Source};
use pfcp::group::{Group, Presence};
use pfcp::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

#[macro_use]
mod common;
use common::split;

/// How many of each kind were looked at.
#[derive(Debug, Default)]
struct Seen {
    mandatory: usize,
    lists: usize,
    updated_lists: usize,
}

/// Values as they are made, the least first, have every mandatory IE; their JSON without one is
/// that of no value, nor is it with one that is an empty list.
fn complete<T>(name: &str, seen: &mut Seen)
where
    T: Group + Generate + Debug + Serialize + DeserializeOwned,
{
    let seeds = (0..16_u8).map(|seed| vec![seed.wrapping_mul(37); 200]);
    let generated = seeds.map(|seed| T::generate(&mut Source::new(&seed)));
    for value in std::iter::once(T::default()).chain(generated) {
        let mut octets = Vec::new();
        value.encode_members(&mut octets);
        let ies = split(&octets);
        let whole = serde_json::to_value(&value).unwrap();
        serde_json::from_value::<T>(whole.clone()).unwrap();
        let is_value = |change: &dyn Fn(&mut Value)| {
            let mut other = whole.clone();
            change(&mut other);
            serde_json::from_value::<T>(other).is_ok()
        };
        for row in T::ROWS {
            let field = row.field;
            let empty = |json: &mut Value| json[field] = json!([]);
            if row.presence == Presence::Mandatory {
                let is_there = ies.iter().any(|(r#type, _)| *r#type == row.r#type);
                assert!(is_there, "{name}: {field}");
                assert!(
                    !is_value(&|json| drop(json.as_object_mut().unwrap().remove(field))),
                    "{name} without {field}"
                );
                assert!(!is_value(&|json| json[field] = Value::Null), "{name}");
                seen.mandatory += 1;
            }
            if row.repeats && row.presence == Presence::Mandatory {
                assert!(!is_value(&empty), "{name} with no {field}");
                seen.lists += 1;
            }
            if row.repeats && row.presence == Presence::Update {
                assert!(!is_value(&empty), "{name} that sets no {field}");
                seen.updated_lists += 1;
            }
        }
    }
}

#[test]
fn every_mandatory_ie_is_there_in_all_that_can_be_made() {
    let mut seen = Seen::default();
    every_message!(complete, &mut seen);
    every_group!(complete, &mut seen);
    // 17 values of each type.
    let rows = [seen.mandatory, seen.lists, seen.updated_lists].map(|count| count / 17);
    assert!(rows[0] > 150 && rows[1] >= 20 && rows[2] >= 15, "{rows:?}");
}

#[test]
fn no_list_of_at_least_one_is_empty() {
    assert_eq!(NonEmpty::<PdrId>::new([]), None);
    assert!(NonEmpty::<PdrId>::try_from(Vec::new()).is_err());
    assert!(serde_json::from_str::<NonEmpty<PdrId>>("[]").is_err());
    assert_eq!(NonEmpty::<PdrId>::default(), [PdrId(0)]);
    let mut list = NonEmpty::from([PdrId(1), PdrId(2)]);
    assert!(!list.retain(|_| false));
    assert_eq!(list, [PdrId(1), PdrId(2)]);
    assert!(list.retain(|id| id.0 == 2));
    // Who keeps what was not seen before does not keep it when asked again.
    let mut seen = std::collections::HashSet::new();
    assert!(list.retain(|id| seen.insert(*id)));
    assert_eq!(std::mem::take(&mut list), [PdrId(2)]);
    assert_eq!(list, [PdrId(0)]);
}

/// An acceptance of an association has to have a Recovery Time Stamp; a rejection has not.
#[test]
fn an_acceptance_without_a_time_stamp_is_not_written() {
    let mut answer = AssociationSetupResponse {
        cause: Cause::REQUEST_ACCEPTED,
        ..Default::default()
    };
    let mut octets = vec![1, 2, 3];
    let error = encode(&Header::node(1), &answer, &mut octets).unwrap_err();
    assert_eq!(
        error,
        EncodeError::Incomplete(Fault::Missing(96).into()),
        "{error}"
    );
    assert_eq!(
        error.to_string(),
        "the message lacks the mandatory Recovery Time Stamp (96)"
    );
    let message = Message::from(answer.clone());
    assert_eq!(
        encode(&Header::node(1), &message, &mut octets),
        Err(error),
        "nor as one of any type"
    );
    assert_eq!(octets, [1, 2, 3], "nothing is written");
    let json = serde_json::to_string(&answer).unwrap();
    assert!(serde_json::from_str::<AssociationSetupResponse>(&json).is_err());
    answer.recovery_time_stamp = Some(RecoveryTimeStamp(7));
    encode(&Header::node(1), &answer, &mut octets).unwrap();
    answer.recovery_time_stamp = None;
    answer.cause = Cause::REQUEST_REJECTED;
    encode(&Header::node(1), &answer, &mut octets).unwrap();
}
