//! Armor for mail: the textual encoding of RFC 7468, one label a document kind.

use alloc::string::String;
use alloc::vec::Vec;

use pem_rfc7468::LineEnding;

use super::TextError;
use crate::document::Kind;

/// Writes a document between `-----BEGIN CHANCERY …-----` lines, base64, 64 characters a line.
///
/// # Errors
///
/// [`TextError::Armor`] for an empty document, which no reader takes, or one too large to count.
pub fn encode(kind: Kind, document: &[u8]) -> Result<String, TextError> {
    if document.is_empty() {
        return Err(TextError::Armor);
    }
    pem_rfc7468::encode_string(kind.armor_label(), LineEnding::LF, document).map_err(|_| TextError::Armor)
}

/// Reads an armored document. Mail may put text before it, white space after it, and make its line
/// ends CR LF; every other line than those of [`encode`] is refused.
///
/// # Errors
///
/// [`TextError::Armor`] for damaged armor or a label that is none of ours.
pub fn decode(text: &str) -> Result<(Kind, Vec<u8>), TextError> {
    let trimmed = text.trim_end();
    let (label, bytes) = pem_rfc7468::decode_vec(trimmed.as_bytes()).map_err(|_| TextError::Armor)?;
    let kind = Kind::ALL.into_iter().find(|kind| kind.armor_label() == label).ok_or(TextError::Armor)?;
    // The parser takes some empty lines; comparing leaves one text for each document.
    let mut lines = trimmed.lines().rev();
    let is_exact = encode(kind, &bytes)?.lines().rev().all(|line| lines.next() == Some(line));
    if is_exact { Ok((kind, bytes)) } else { Err(TextError::Armor) }
}

/// Returns whether text looks like armor of ours, whole or damaged.
#[must_use]
pub fn is_armor(text: &str) -> bool {
    text.contains("-----BEGIN CHANCERY ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn armor_survives_mail() {
        let bytes: Vec<u8> = (0..=255).collect();
        let text = encode(Kind::License, &bytes).unwrap();
        assert!(text.starts_with("-----BEGIN CHANCERY LICENSE-----\n"));
        assert_eq!(decode(&text), Ok((Kind::License, bytes.clone())));
        let mailed = ["Dear Ann,\n\nyour license:\n\n", &text, "\n\n"].concat().replace('\n', "\r\n");
        assert_eq!(decode(&mailed), Ok((Kind::License, bytes)));
    }

    #[test]
    fn damage_is_refused() {
        assert_eq!(encode(Kind::License, &[]), Err(TextError::Armor));
        let text = encode(Kind::License, &[1; 200]).unwrap();
        for damaged in [
            text.replace("BEGIN CHANCERY LICENSE", "BEGIN CHANCERY LICENCE"),
            text.replace("LICENSE", "PRIVATE KEY"),
            text.replacen("AQ", "A?", 1),
            text.replace("-----END", "\n-----END"),
            text.replace('\n', "\r"),
            ["x", &text].concat(),
            text[..120].into(),
        ] {
            assert_eq!(decode(&damaged), Err(TextError::Armor), "{damaged}");
        }
    }
}
