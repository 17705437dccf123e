//! "Did you mean …?"

/// The candidate that `text` is probably a slip of, if one is near.
pub(crate) fn nearest<'a>(
    text: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    /// Longer words are not slips of a key of ours, and cost time.
    const LENGTH_MAX: usize = 64;
    if text.len() > LENGTH_MAX {
        return None;
    }
    let text = text.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (distance(&text, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    let mut last = None;
    for (index, left) in a.chars().enumerate() {
        let mut row = vec![index + 1];
        let (mut beside, mut previous) = (index + 1, None);
        for (column, &right) in b.iter().enumerate() {
            let of = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX / 2);
            let substituted = of(&above, column) + usize::from(left != right);
            let mut best = substituted.min(of(&above, column + 1) + 1).min(beside + 1);
            if last == Some(right) && previous == Some(left) {
                best = best.min(of(&before, column - 1) + 1);
            }
            row.push(best);
            (beside, previous) = (best, Some(right));
        }
        (before, above, last) = (above, row, Some(left));
    }
    above.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("same", "same"), 0);
        assert_eq!(distance("rna", "ran"), 1);
        assert_eq!(distance("abc", ""), 3);
        assert_eq!(distance("ca", "abc"), 3);
    }

    #[test]
    fn nearest_takes_a_slip_and_leaves_a_stranger() {
        assert_eq!(nearest("adress", ["address", "port"]), Some("address"));
        assert_eq!(nearest("N3", ["n9", "n3", "n6"]), Some("n3"));
        assert_eq!(nearest("frobnicate", ["address", "port"]), None);
    }
}
