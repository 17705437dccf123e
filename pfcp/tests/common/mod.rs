//! What the tests share.
#![allow(dead_code, reason = "each test takes what it needs")]

use pfcp::CATALOGUE;

pub(crate) fn unhex(digits: &str) -> Vec<u8> {
    assert!(digits.len().is_multiple_of(2), "{digits}");
    (0..digits.len() / 2)
        .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap())
        .collect()
}

pub(crate) fn hex(octets: &[u8]) -> String {
    pfcp::Octets::from(octets).hex().to_string()
}

/// The IEs of a list, each with its value; panics if the list is not sound.
pub(crate) fn split(mut octets: &[u8]) -> Vec<(u16, &[u8])> {
    let mut all = Vec::new();
    while !octets.is_empty() {
        let r#type = u16::from_be_bytes([octets[0], octets[1]]);
        let end = 4 + usize::from(u16::from_be_bytes([octets[2], octets[3]]));
        all.push((r#type, &octets[4..end]));
        octets = &octets[end..];
    }
    all
}

pub(crate) fn join<T: AsRef<[u8]>>(ies: impl IntoIterator<Item = (u16, T)>) -> Vec<u8> {
    let mut octets = Vec::new();
    for (r#type, value) in ies {
        octets.extend(r#type.to_be_bytes());
        let value = value.as_ref();
        octets.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        octets.extend(value);
    }
    octets
}

pub(crate) fn is_group(r#type: u16) -> bool {
    CATALOGUE
        .iter()
        .any(|entry| entry.r#type == r#type && matches!(entry.form, "group" | "alias"))
}

/// The value with the IEs of groups in ascending order of type: their order is free.
pub(crate) fn sorted(r#type: u16, value: &[u8]) -> Vec<u8> {
    if is_group(r#type) {
        sorted_list(value)
    } else {
        value.to_vec()
    }
}

/// The same for a list of IEs.
pub(crate) fn sorted_list(octets: &[u8]) -> Vec<u8> {
    let mut ies: Vec<_> = split(octets)
        .into_iter()
        .map(|(r#type, value)| (r#type, sorted(r#type, value)))
        .collect();
    ies.sort_by_key(|(r#type, _)| *r#type);
    join(ies)
}
