//! Tag, length and value as PIV and DER write them: one-byte tags, definite lengths up to 65,535.
//!
//! Not here: what the tags mean.

/// Writes one field.
#[must_use]
pub fn field(tag: u8, value: &[u8]) -> Vec<u8> {
    wide_field(&[tag], value)
}

/// Writes one field whose tag takes several bytes.
///
/// A value over 65,535 bytes is cut; nothing here is that long.
#[must_use]
pub fn wide_field(tag: &[u8], value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    let [high, low] = length.to_be_bytes();
    let length_bytes: &[u8] = match length {
        0..=0x7f => &[low],
        0x80..=0xff => &[0x81, low],
        _ => &[0x82, high, low],
    };
    [tag, length_bytes, &value[..usize::from(length)]].concat()
}

/// Reads the first field: its tag, its value, and what follows it.
#[must_use]
pub fn first(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [tag, length, rest @ ..] = bytes else { return None };
    let (length, rest) = match (length, rest) {
        (0..=0x7f, rest) => (usize::from(*length), rest),
        (0x81, [low, rest @ ..]) => (usize::from(*low), rest),
        (0x82, [high, low, rest @ ..]) => (usize::from(u16::from_be_bytes([*high, *low])), rest),
        _ => return None,
    };
    let (value, rest) = rest.split_at_checked(length)?;
    Some((*tag, value, rest))
}

/// Reads all fields; nothing when they do not end where the bytes end.
#[must_use]
pub fn fields(mut bytes: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (tag, value, rest) = first(bytes)?;
        found.push((tag, value));
        bytes = rest;
    }
    Some(found)
}

/// Returns the value under a tag, where it occurs exactly once.
#[must_use]
pub fn value<'a>(fields: &[(u8, &'a [u8])], tag: u8) -> Option<&'a [u8]> {
    let mut values = fields.iter().filter(|(found, _)| *found == tag).map(|(_, value)| *value);
    values.next().filter(|_| values.next().is_none())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_every_length_are_read_back() {
        for length in [0, 1, 127, 128, 255, 256, 3_000] {
            let bytes = [field(0x7c, &vec![7; length]), field(0x82, &[])].concat();
            let found = fields(&bytes).unwrap();
            assert_eq!(found.len(), 2);
            assert_eq!(value(&found, 0x7c).unwrap(), vec![7; length]);
            assert_eq!(value(&found, 0x82), Some(&[][..]));
        }
    }

    #[test]
    fn cut_and_repeated_fields_give_nothing() {
        for bytes in [&[0x7c][..], &[0x7c, 2, 1], &[0x7c, 0x81], &[0x7c, 0x80, 0], &[0x7c, 0x83, 0, 0, 1, 9]]
        {
            assert_eq!(fields(bytes), None, "{bytes:02x?}");
        }
        assert_eq!(value(&fields(&[1, 0, 1, 0]).unwrap(), 1), None);
    }
}
