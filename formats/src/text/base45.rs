//! Base45 (RFC 9285): two bytes as three characters of the QR alphanumeric alphabet.

use alloc::string::String;
use alloc::vec::Vec;

use super::TextError;

const ALPHABET: &[u8; 45] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";

/// Encodes bytes; the text has ⌈3n / 2⌉ characters.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 3 / 2 + 1);
    for pair in bytes.chunks(2) {
        let (mut value, characters) = match *pair {
            [high, low] => (usize::from(high) << 8 | usize::from(low), 3),
            [single] => (usize::from(single), 2),
            _ => continue,
        };
        for _ in 0..characters {
            text.push(char::from(ALPHABET[value % 45]));
            value /= 45;
        }
    }
    text
}

/// Decodes text, refusing overflow and lone characters, as RFC 9285 §6 asks.
///
/// # Errors
///
/// [`TextError::Alphabet`], [`TextError::Base45Overflow`], [`TextError::Base45Tail`].
pub fn decode(text: &str) -> Result<Vec<u8>, TextError> {
    let mut bytes = Vec::with_capacity(text.len() / 3 * 2 + 1);
    for (group, characters) in text.as_bytes().chunks(3).enumerate() {
        let (mut value, mut weight) = (0, 1);
        for (index, character) in characters.iter().enumerate() {
            let digit = ALPHABET.iter().position(|known| known == character);
            value += weight * digit.ok_or(TextError::Alphabet { position: group * 3 + index })?;
            weight *= 45;
        }
        let overflow = TextError::Base45Overflow { position: group * 3 };
        match characters.len() {
            3 => bytes.extend_from_slice(&u16::try_from(value).map_err(|_| overflow)?.to_be_bytes()),
            2 => bytes.push(u8::try_from(value).map_err(|_| overflow)?),
            _ => return Err(TextError::Base45Tail),
        }
    }
    Ok(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn examples_of_rfc_9285_section_4() {
        for (bytes, text) in
            [("AB", "BB8"), ("Hello!!", "%69 VD92EX0"), ("base-45", "UJCLQE7W581"), ("ietf!", "QED8WEX0")]
        {
            assert_eq!(encode(bytes.as_bytes()), text);
            assert_eq!(decode(text).unwrap(), bytes.as_bytes());
        }
    }

    #[test]
    fn overflow_tails_and_strangers_are_refused() {
        assert_eq!(decode("GGX"), Err(TextError::Base45Overflow { position: 0 }));
        assert_eq!(decode("BB8::"), Err(TextError::Base45Overflow { position: 3 }));
        assert_eq!(decode("BB8A"), Err(TextError::Base45Tail));
        assert_eq!(decode("BBa"), Err(TextError::Alphabet { position: 2 }));
        assert_eq!(decode("BB8a;B"), Err(TextError::Alphabet { position: 3 }), "the first stranger");
        assert_eq!(decode("BB8é"), Err(TextError::Alphabet { position: 3 }));
    }
}
