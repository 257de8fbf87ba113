//! Proofs that a document is in the log, with the checkpoint that they lead to (C2SP `tlog-proof`).
//!
//! Data beside the proof (`extra` lines), which nobody signs, is refused. Not here: checking the checkpoint
//! (`chancery-verifier`), finding the path (the authority).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::str;

use super::{Checkpoint, NoteError, base64, decimal, hash};
use crate::merkle::{Hash, MAX_PATH, root_from_path};

/// Largest proof, in bytes: the longest path and the largest note.
pub const MAX_PROOF: usize = 12 * 1024;

/// Usual ending of the name of a file that holds a proof.
pub const FILE_ENDING: &str = "tlog-proof";

const HEADER: &str = "c2sp.org/tlog-proof@v1\n";

/// A proof. Nothing in it is trusted yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof<'a> {
    /// Place of the document in the log, from 0.
    pub index: u64,
    /// Inclusion path, lowest sibling first.
    pub path: Vec<Hash>,
    /// The checkpoint that the path leads to.
    pub checkpoint: Checkpoint<'a>,
    /// The checkpoint as it stands in the proof.
    pub note: &'a str,
}

impl<'a> Proof<'a> {
    /// Decodes a proof.
    ///
    /// # Errors
    ///
    /// `proof-too-large` before anything else, `note-text`, `proof-header`, `proof-index`, `proof-hash`,
    /// `proof-length`; those of [`Checkpoint::decode`].
    pub fn decode(bytes: &'a [u8]) -> Result<Self, NoteError> {
        if bytes.len() > MAX_PROOF {
            return Err(NoteError::ProofTooLarge);
        }
        let text = str::from_utf8(bytes).map_err(|_| NoteError::NoteText)?;
        let rest = text.strip_prefix(HEADER).ok_or(NoteError::ProofHeader)?;
        let (line, mut rest) = rest.split_once('\n').ok_or(NoteError::ProofIndex)?;
        let index = line.strip_prefix("index ").and_then(decimal).ok_or(NoteError::ProofIndex)?;
        let mut path = Vec::new();
        let note = loop {
            let (line, after) = rest.split_once('\n').ok_or(NoteError::ProofHash)?;
            rest = after;
            if line.is_empty() {
                break rest;
            }
            if path.len() == MAX_PATH {
                return Err(NoteError::ProofLength);
            }
            path.push(hash(line).ok_or(NoteError::ProofHash)?);
        };
        let checkpoint = Checkpoint::decode(note.as_bytes())?;
        let size = checkpoint.head.size;
        if index >= size {
            return Err(NoteError::ProofIndex);
        }
        // Whether the length is right does not depend on the leaf.
        root_from_path([0; 32], index, size, path.as_flattened()).ok_or(NoteError::ProofLength)?;
        Ok(Self { index, path, checkpoint, note })
    }

    /// Returns whether the path leads from this leaf to the root of the checkpoint.
    #[must_use]
    pub fn includes(&self, leaf: Hash) -> bool {
        let head = self.checkpoint.head;
        root_from_path(leaf, self.index, head.size, self.path.as_flattened()) == Some(head.root)
    }
}

/// Writes a proof: `note` is the checkpoint with its signature lines.
#[must_use]
pub fn encode(index: u64, path: &[Hash], note: &str) -> String {
    let hashes: String = path.iter().map(|hash| base64(hash) + "\n").collect();
    format!("{HEADER}index {index}\n{hashes}\n{note}")
}
