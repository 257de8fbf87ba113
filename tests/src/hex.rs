//! Hexadecimal, as vectors hold bytes.

use std::fmt::Write;

/// Writes bytes as lower-case digits.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}

/// Reads what [`encode`] writes.
///
/// # Panics
///
/// On anything else.
#[must_use]
pub fn decode(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "odd number of digits");
    let pair = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("not hexadecimal");
    (0..text.len()).step_by(2).map(pair).collect()
}
