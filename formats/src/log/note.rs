//! Signed notes: text, an empty line, and signature lines (C2SP `signed-note`).
//!
//! The text is whatever it is; [`super::checkpoint`] gives it a meaning. Lines of unknown keys are kept as they
//! are, as the format demands. Not here: checking signatures.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::str;

use base64ct::Encoding as _;
use sha2::{Digest, Sha256};

use super::{NoteError, base64};

/// Largest note, in bytes.
pub const MAX_NOTE: usize = 8 * 1024;

/// Most signature lines of a note.
pub const MAX_SIGNATURES: usize = 16;

const DASH: &str = "\u{2014} ";

/// What a key of a note signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum KeyKind {
    /// The text itself, by Ed25519: what a log does.
    Ed25519 = 0x01,
    /// The text with a time before it, by Ed25519: what a witness does (C2SP `tlog-cosignature`).
    Cosignature = 0x04,
}

/// Returns the key id of an Ed25519 key under a name: the first four bytes of
/// SHA-256(name ‖ 0x0A ‖ kind ‖ key).
#[must_use]
pub fn key_id(name: &str, kind: KeyKind, key: &[u8; 32]) -> [u8; 4] {
    let hash =
        Sha256::new().chain_update(name).chain_update([b'\n', kind as u8]).chain_update(key).finalize();
    core::array::from_fn(|index| hash[index])
}

/// A signature line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature<'a> {
    /// Name of the key.
    pub name: &'a str,
    /// With the name, says which key and what it signs.
    pub key_id: [u8; 4],
    /// The signature, after the key id.
    pub signature: Vec<u8>,
}

impl<'a> NoteSignature<'a> {
    fn decode(line: &'a str) -> Result<Self, NoteError> {
        let malformed = NoteError::NoteSignatureLine;
        let (name, text) = line.strip_prefix(DASH).and_then(|rest| rest.split_once(' ')).ok_or(malformed)?;
        let bytes = base64ct::Base64::decode_vec(text).map_err(|_| malformed)?;
        let (key_id, signature) = bytes.split_first_chunk().ok_or(malformed)?;
        if !is_key_name(name) || signature.is_empty() {
            return Err(malformed);
        }
        Ok(Self { name, key_id: *key_id, signature: signature.to_vec() })
    }

    /// Writes the line, with its line break.
    #[must_use]
    pub fn encode(&self) -> String {
        let bytes = [&self.key_id[..], &self.signature].concat();
        format!("{DASH}{} {}\n", self.name, base64(&bytes))
    }
}

/// Returns whether a text can be the name of a key: not empty, without white space and plus.
fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '+')
}

/// A note: text and signature lines. Nothing in it is trusted yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note<'a> {
    /// The text, with its final line break.
    pub text: &'a str,
    /// The signature lines, at least one.
    pub signatures: Vec<NoteSignature<'a>>,
}

impl<'a> Note<'a> {
    /// Decodes a note.
    ///
    /// # Errors
    ///
    /// `note-too-large` before anything else, `note-text`, `note-unsigned`, `note-signatures`,
    /// `note-signature-line`.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, NoteError> {
        if bytes.len() > MAX_NOTE {
            return Err(NoteError::NoteTooLarge);
        }
        let note = str::from_utf8(bytes).map_err(|_| NoteError::NoteText)?;
        if note.contains(|c: char| c < ' ' && c != '\n') {
            return Err(NoteError::NoteText);
        }
        // The last empty line ends the text, which may hold others.
        let split = note.rfind("\n\n").ok_or(NoteError::NoteUnsigned)? + 1;
        let (text, rest) = note.split_at(split);
        let lines = rest.get(1..).unwrap_or_default();
        let lines = match lines.strip_suffix('\n') {
            Some(lines) => lines,
            None if lines.is_empty() => return Err(NoteError::NoteUnsigned),
            None => return Err(NoteError::NoteSignatureLine),
        };
        if lines.split('\n').count() > MAX_SIGNATURES {
            return Err(NoteError::NoteSignatures);
        }
        let signatures = lines.split('\n').map(NoteSignature::decode).collect::<Result<_, _>>()?;
        Ok(Self { text, signatures })
    }

    /// Encodes the note.
    #[must_use]
    pub fn encode(&self) -> String {
        let lines = self.signatures.iter().map(NoteSignature::encode);
        [self.text.into(), "\n".into()].into_iter().chain(lines).collect()
    }
}
