//! Checkpoints: the size and root of a log as the text of a signed note (C2SP `tlog-checkpoint`).
//!
//! Three lines and no more: lines that extend a checkpoint cannot be checked by anybody, so none are taken. Not
//! here: whose signatures it must carry (`chancery-verifier`).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::note::{Note, NoteSignature};
use super::{NoteError, base64, decimal, hash};
use crate::merkle::Head;

/// A checkpoint. Nothing in it is trusted yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint<'a> {
    /// Which log it is of.
    pub origin: &'a str,
    /// Size and root of that log.
    pub head: Head,
    /// What the log signs: the three lines.
    pub text: &'a str,
    /// The signature lines.
    pub signatures: Vec<NoteSignature<'a>>,
}

impl<'a> Checkpoint<'a> {
    /// Decodes a checkpoint with its signature lines.
    ///
    /// # Errors
    ///
    /// Those of [`Note::decode`]; `checkpoint-lines`, `checkpoint-size`, `checkpoint-root`,
    /// `checkpoint-extension`.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, NoteError> {
        let Note { text, signatures } = Note::decode(bytes)?;
        let mut lines = text.strip_suffix('\n').unwrap_or(text).split('\n');
        let mut line = || lines.next().filter(|line| !line.is_empty()).ok_or(NoteError::CheckpointLines);
        let (origin, size, root) = (line()?, line()?, line()?);
        let size = decimal(size).ok_or(NoteError::CheckpointSize)?;
        let root = hash(root).ok_or(NoteError::CheckpointRoot)?;
        if lines.next().is_some() {
            return Err(NoteError::CheckpointExtension);
        }
        Ok(Self { origin, head: Head { size, root }, text, signatures })
    }

    /// Encodes the checkpoint with its signature lines.
    #[must_use]
    pub fn encode(&self) -> String {
        Note { text: self.text, signatures: self.signatures.clone() }.encode()
    }
}

/// Returns the text of a checkpoint, which the log signs.
#[must_use]
pub fn text(origin: &str, head: &Head) -> String {
    format!("{origin}\n{}\n{}\n", head.size, base64(&head.root))
}

/// Returns what a witness signs: the text of a checkpoint, with the time in Unix seconds at which it saw it
/// (C2SP `tlog-cosignature`, Ed25519).
#[must_use]
pub fn cosigned(text: &str, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

/// Returns the signature of a witness as its line carries it: the time in eight bytes, then the signature.
#[must_use]
pub fn timestamped(time: u64, signature: &[u8; 64]) -> Vec<u8> {
    [&time.to_be_bytes()[..], signature].concat()
}

/// Reads what [`timestamped`] writes; `None` for another length or a time of 2⁶³ and more.
#[must_use]
pub fn split_timestamped(bytes: &[u8]) -> Option<(u64, &[u8; 64])> {
    let (time, signature) = bytes.split_first_chunk::<8>()?;
    let time = u64::from_be_bytes(*time);
    Some((time, signature.try_into().ok()?)).filter(|_| time < 1 << 63)
}
