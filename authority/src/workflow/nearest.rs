//! What somebody may have meant who named something that is not there.

/// Returns which of the known names is nearest to the one wanted, unless none is near.
///
/// Near is up to two edits, and one more for every eight characters: letters put in, left out or replaced.
#[must_use]
pub fn nearest<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = 2 + wanted.chars().count() / 8;
    let found = known.into_iter().map(|name| (edits(wanted, name), name)).min_by_key(|found| found.0);
    found.filter(|(edits, _)| *edits <= most).map(|(_, name)| name)
}

/// Counts the edits from one text to another (Levenshtein).
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, letter) in from.chars().enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        for (cell, other) in row.iter_mut().skip(1).zip(&to) {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = *cell;
            *cell = replaced.min(diagonal + 1).min(left + 1);
            left = *cell;
        }
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        for (from, to, count) in
            [("", "", 0), ("", "abc", 3), ("abc", "", 3), ("acme", "acme", 0), ("kitten", "sitting", 3)]
        {
            assert_eq!(edits(from, to), count, "{from} to {to}");
        }
    }

    #[test]
    fn what_is_far_from_everything_is_near_nothing() {
        assert_eq!(nearest("acmee", ["globex", "acme"]), Some("acme"));
        assert_eq!(nearest("initech", ["globex", "acme"]), None);
        assert_eq!(nearest("acme", []), None);
    }
}
