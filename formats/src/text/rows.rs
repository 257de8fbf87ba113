//! Typed codes: rows of twelve characters and two that name the row if it is mistyped.
//!
//! The check characters are a Reed–Solomon code over GF(32) with the row number as a symbol that is
//! not typed: any one or two wrong characters, any transposition and any swap of rows is found.
//! How many bytes a code carries is known from its kind, so a missing row is found too.

use alloc::string::String;
use alloc::vec::Vec;

use super::{TextError, crockford};

/// Data characters in a full row.
pub const ROW_DATA: usize = 12;

/// Most rows of a code: the row number is one symbol.
pub const MAX_ROWS: usize = 31;

/// Writes bytes as rows such as `7Q2M X4KD 9F3K T8`; at most 232 bytes fit.
///
/// # Errors
///
/// [`TextError::RowCount`] for more bytes than [`MAX_ROWS`] rows hold.
pub fn encode(bytes: &[u8]) -> Result<Vec<String>, TextError> {
    let symbols: Vec<u8> = crockford::symbols(bytes).collect();
    let found = symbols.len().div_ceil(ROW_DATA);
    if found > MAX_ROWS {
        return Err(TextError::RowCount { expected: MAX_ROWS, found });
    }
    Ok(symbols.chunks(ROW_DATA).enumerate().map(|(row, data)| write_row(row, data)).collect())
}

/// Reads the rows of a code that carries `length` bytes; spaces and hyphens within a row are ignored.
///
/// # Errors
///
/// [`TextError::RowCount`], or [`TextError::Row`] with the first row that is mistyped.
pub fn decode<S: AsRef<str>>(rows: &[S], length: usize) -> Result<Vec<u8>, TextError> {
    let total = length.saturating_mul(8).div_ceil(5);
    let expected = total.div_ceil(ROW_DATA);
    if rows.len() != expected {
        return Err(TextError::RowCount { expected, found: rows.len() });
    }
    let mut symbols = Vec::with_capacity(total);
    for (row, text) in rows.iter().enumerate() {
        let wanted = ROW_DATA.min(total - symbols.len());
        symbols.extend(read_row(row, text.as_ref(), wanted).ok_or(TextError::Row { row: row + 1 })?);
    }
    crockford::from_symbols(&symbols).ok_or(TextError::Row { row: rows.len() })
}

/// Returns whether `text` is row number `row` (from 0) with `wanted` data characters, for programs
/// that check each row as it is typed.
#[must_use]
pub fn row_is_right(row: usize, text: &str, wanted: usize) -> bool {
    read_row(row, text, wanted).is_some()
}

fn write_row(row: usize, data: &[u8]) -> String {
    let mut text = String::new();
    for (index, symbol) in data.iter().chain(&check(row, data)).enumerate() {
        if index == data.len() || index % 4 == 0 && index > 0 && index < data.len() {
            text.push(' ');
        }
        text.push(char::from(crockford::ALPHABET[usize::from(*symbol)]));
    }
    text
}

fn read_row(row: usize, text: &str, wanted: usize) -> Option<Vec<u8>> {
    if row >= MAX_ROWS || wanted > ROW_DATA {
        return None;
    }
    let typed = text.chars().filter(|c| !matches!(c, ' ' | '-' | '\t'));
    let mut symbols = typed.take(wanted + 3).map(crockford::symbol).collect::<Option<Vec<u8>>>()?;
    let given = symbols.split_off(symbols.len().checked_sub(2)?);
    (symbols.len() == wanted && check(row, &symbols)[..] == given[..]).then_some(symbols)
}

/// The remainder of (row, data, 0, 0) divided by (x - α)(x - α²) = x² + 6x + 8 over GF(32).
fn check(row: usize, data: &[u8]) -> [u8; 2] {
    let mut remainder = [0, 0];
    for symbol in core::iter::once(row as u8).chain(data.iter().copied()) {
        let feedback = symbol ^ remainder[0];
        remainder = [remainder[1] ^ times(feedback, 6), times(feedback, 8)];
    }
    remainder
}

/// Multiplies in GF(32) with x⁵ + x² + 1.
const fn times(mut a: u8, b: u8) -> u8 {
    let mut product = 0;
    let mut bit = 0;
    while bit < 5 {
        if b >> bit & 1 == 1 {
            product ^= a;
        }
        a = if a & 0x10 == 0 { a << 1 } else { (a << 1 ^ 0b10_0101) & 0x1f };
        bit += 1;
    }
    product
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn sample() -> (Vec<u8>, Vec<String>) {
        let bytes: Vec<u8> = (0u8..68).map(|index| index.wrapping_mul(97) ^ 0x5a).collect();
        let rows = encode(&bytes).unwrap();
        (bytes, rows)
    }

    #[test]
    fn codes_survive_typing() {
        let (bytes, rows) = sample();
        assert_eq!(rows.len(), 10);
        assert_eq!(decode(&rows, 68).unwrap(), bytes);
        let sloppy: Vec<String> = rows.iter().map(|row| row.to_lowercase().replace(' ', "-")).collect();
        assert_eq!(decode(&sloppy, 68).unwrap(), bytes);
    }

    #[test]
    fn every_single_and_double_error_in_a_row_is_found() {
        let (_, rows) = sample();
        let row: Vec<u8> = rows[3].chars().filter_map(crockford::symbol).collect();
        let text = |symbols: &[u8]| -> String {
            symbols.iter().map(|symbol| char::from(crockford::ALPHABET[usize::from(*symbol)])).collect()
        };
        assert!(row_is_right(3, &text(&row), ROW_DATA));
        for first in 0..row.len() {
            for second in 0..=first {
                for (a, b) in (1..32).flat_map(|a| (1..32).map(move |b| (a, b))) {
                    let mut wrong = row.clone();
                    wrong[first] ^= a;
                    if second < first {
                        wrong[second] ^= b;
                    }
                    assert!(!row_is_right(3, &text(&wrong), ROW_DATA));
                }
            }
        }
    }

    #[test]
    fn the_row_at_fault_is_named() {
        let (_, mut rows) = sample();
        rows.swap(4, 5);
        assert_eq!(decode(&rows, 68), Err(TextError::Row { row: 5 }));
        rows.swap(4, 5);
        rows.pop();
        assert_eq!(decode(&rows, 68), Err(TextError::RowCount { expected: 10, found: 9 }));
        assert!(matches!(decode(&rows, usize::MAX), Err(TextError::RowCount { .. })));
    }

    #[test]
    fn rows_beyond_the_code_are_not_right() {
        let (_, rows) = sample();
        assert!(row_is_right(0, &rows[0], ROW_DATA));
        assert!(!row_is_right(0, &rows[0], usize::MAX));
        assert!(!row_is_right(usize::MAX, &rows[0], ROW_DATA));
    }
}
