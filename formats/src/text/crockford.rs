//! Crockford's base32: digits and letters without I, L, O and U, so that people can type them.
//!
//! Reading takes lower case, and O for 0, I and L for 1; writing never uses them.

use alloc::string::String;
use alloc::vec::Vec;

pub(crate) const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Encodes bytes; the text has ⌈8n / 5⌉ characters, the last padded with zero bits.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    symbols(bytes).map(|symbol| char::from(ALPHABET[usize::from(symbol)])).collect()
}

/// Decodes text; `None` for a stranger to the alphabet, a length that no bytes have, or set padding bits.
#[must_use]
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let symbols = text.chars().map(symbol).collect::<Option<Vec<u8>>>()?;
    from_symbols(&symbols)
}

/// Returns the value of one character, 0 to 31.
#[must_use]
pub fn symbol(character: char) -> Option<u8> {
    let character = match character.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    ALPHABET.iter().position(|known| char::from(*known) == character).map(|position| position as u8)
}

pub(crate) fn symbols(bytes: &[u8]) -> impl Iterator<Item = u8> {
    (0..(bytes.len() * 8).div_ceil(5)).map(|index| {
        let (at, shift) = (index * 5 / 8, index * 5 % 8);
        let low = bytes.get(at + 1).copied().unwrap_or(0);
        let pair = u16::from(bytes[at]) << 8 | u16::from(low);
        (pair >> (11 - shift) & 0x1f) as u8
    })
}

pub(crate) fn from_symbols(symbols: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(symbols.len() * 5 / 8);
    let (mut pending, mut bits) = (0u16, 0);
    for symbol in symbols {
        pending = pending << 5 | u16::from(*symbol);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((pending >> bits) as u8);
            pending &= (1 << bits) - 1;
        }
    }
    (bits < 5 && pending == 0).then_some(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive() {
        for length in 0..40 {
            let bytes: Vec<u8> = (0..length).map(|index| (index * 73 + 41) as u8).collect();
            assert_eq!(decode(&encode(&bytes)), Some(bytes));
        }
    }

    #[test]
    fn look_alikes_are_read_and_others_refused() {
        assert_eq!(decode("oOiIlL00"), decode("00111100"));
        assert_eq!(decode("U0"), None);
        assert_eq!(decode("0"), None);
        assert_eq!(decode("01"), None, "padding bits must be zero");
    }
}
