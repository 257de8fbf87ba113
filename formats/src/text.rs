//! How bytes travel where only text can: QR codes, mail, paper and a keyboard.
//!
//! Every carrier is strict: a text carries exactly one byte string or is refused by name. QR text has
//! one form; armor takes what mail does to line ends and puts before it, and typed codes take lower
//! case, look-alikes, spaces and hyphens. Not here: pictures and files (`chancery-carriers`).
//!
//! Spec: `docs/spec/text-carriers.md`.

use crate::document::Kind;

pub mod armor;
pub mod base45;
pub mod crockford;
pub mod frames;
pub mod rows;

use alloc::string::String;
use alloc::vec::Vec;

/// Why text does not carry bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// Armor without its first line, last line or base64 between, or of no kind we know.
    #[error("armor is damaged or incomplete")]
    Armor,
    /// A character outside the alphabet of RFC 9285 or of Crockford's base32.
    #[error("character {position} is not in the alphabet")]
    Alphabet {
        /// Position from 0, in characters.
        position: usize,
    },
    /// A base45 group whose value does not fit its bytes.
    #[error("base45 group at character {position} overflows")]
    Base45Overflow {
        /// Position from 0, in characters.
        position: usize,
    },
    /// A base45 text whose length leaves a lone character.
    #[error("base45 text ends in the middle of a group")]
    Base45Tail,
    /// A frame that is too short, is numbered beyond its count, or holds too much.
    #[error("QR frame is malformed")]
    Frame,
    /// All frames are there, but together they are not the message that they name.
    #[error("QR frames do not add up to their message")]
    FrameHash,
    /// A frame of another message than those before it.
    #[error("QR frame belongs to another message")]
    FrameOfOther,
    /// The text starts with none of the prefixes of ours.
    #[error("text has none of the prefixes that documents have")]
    Prefix,
    /// A typed row whose check characters do not match: it is the one mistyped.
    #[error("row {row} is mistyped")]
    Row {
        /// The row's number, from 1.
        row: usize,
    },
    /// Another number of rows than the code has.
    #[error("code has {expected} rows, not {found}")]
    RowCount {
        /// How many rows the code has.
        expected: usize,
        /// How many were typed.
        found: usize,
    },
}

impl TextError {
    /// Returns the stable kebab-case code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Armor => "armor",
            Self::Alphabet { .. } => "alphabet",
            Self::Base45Overflow { .. } => "base45-overflow",
            Self::Base45Tail => "base45-tail",
            Self::Frame => "frame",
            Self::FrameHash => "frame-hash",
            Self::FrameOfOther => "frame-of-other",
            Self::Prefix => "prefix",
            Self::Row { .. } => "row",
            Self::RowCount { .. } => "row-count",
        }
    }
}

/// Writes a document as the text of one QR code: its kind's prefix and base45 (RFC 9285).
#[must_use]
pub fn encode_qr(kind: Kind, document: &[u8]) -> String {
    let mut text = String::from(kind.qr_prefix());
    text.push_str(&base45::encode(document));
    text
}

/// Reads the text of a QR code that holds a whole document.
///
/// # Errors
///
/// [`TextError::Prefix`] for text that is none of ours; the faults of base45.
pub fn decode_qr(text: &str) -> Result<(Kind, Vec<u8>), TextError> {
    let kind = Kind::ALL.into_iter().find(|kind| text.starts_with(kind.qr_prefix()));
    let kind = kind.ok_or(TextError::Prefix)?;
    Ok((kind, base45::decode(&text[kind.qr_prefix().len()..])?))
}
