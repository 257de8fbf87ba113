//! Where in a text something stands, as people count.

/// Returns the line and the column, in characters, of a byte offset; both from 1.
#[must_use]
pub fn of(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let last = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, last.chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn lines_and_characters_count_from_one() {
        assert_eq!(of("é\nöb", 0), (1, 1));
        assert_eq!(of("é\nöb", 2), (1, 2));
        assert_eq!(of("é\nöb", 5), (2, 2));
        assert_eq!(of("a", 99), (1, 2));
    }
}
