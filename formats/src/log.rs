//! What the log shows to others: signed notes about its head, proofs of single documents, and the whole of it.
//!
//! Checkpoints and proofs are text that people can read on paper and other tools can check: C2SP `signed-note`,
//! `tlog-checkpoint`, `tlog-cosignature` and `tlog-proof`. Not here: checking signatures (`chancery-verifier`),
//! keeping the log (the authority).
//!
//! Spec: `docs/spec/log.md`.

use alloc::format;
use alloc::string::String;

use crate::id::{AuthorityId, Thumbprint};

pub mod checkpoint;
pub mod export;
pub mod note;
pub mod proof;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

pub use checkpoint::Checkpoint;
pub use export::Record;
pub use note::{KeyKind, Note, NoteSignature};
pub use proof::Proof;

/// Returns the first line of every checkpoint of an authority's log, which is also the name of the keys that sign
/// them: `vnd.chancery/` and the authority id in hexadecimal.
#[must_use]
pub fn origin(authority: AuthorityId) -> String {
    format!("vnd.chancery/{authority}")
}

/// Returns the name under which a witness cosigns: `vnd.chancery/witness/` and the thumbprint of its key.
#[must_use]
pub fn witness_name(thumbprint: Thumbprint) -> String {
    format!("vnd.chancery/witness/{thumbprint}")
}

macro_rules! note_errors {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal;)*) => {
        /// Why text is not a note, a checkpoint or a proof.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
        #[non_exhaustive]
        pub enum NoteError { $($(#[$doc])* #[error($text)] $name,)* }

        impl NoteError {
            /// Every error, for tests that want each to have a vector.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Returns the stable kebab-case code, as vectors and `--json` print it.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }
        }
    };
}

note_errors! {
    /// A line after the root hash.
    CheckpointExtension = "checkpoint-extension", "checkpoint has lines after its root hash";
    /// Fewer than three lines.
    CheckpointLines = "checkpoint-lines", "checkpoint has not the three lines of origin, size and root hash";
    /// A root hash that is not 32 bytes in base64.
    CheckpointRoot = "checkpoint-root", "root hash of the checkpoint is not 32 bytes in base64";
    /// A size that is no decimal number below 2⁶³ without leading zeros.
    CheckpointSize = "checkpoint-size", "size in the checkpoint is no number below 2^63 without leading zeros";
    /// A signature line of another form.
    NoteSignatureLine = "note-signature-line", "signature line of the note is malformed";
    /// More than sixteen signature lines.
    NoteSignatures = "note-signatures", "note has more than sixteen signatures";
    /// Bytes that are not UTF-8, or control characters.
    NoteText = "note-text", "note is not plain text";
    /// More bytes than a note may have; checked before anything else.
    NoteTooLarge = "note-too-large", "note is larger than 8 KiB";
    /// No empty line with signatures after it.
    NoteUnsigned = "note-unsigned", "note has no signature";
    /// A hash that is not 32 bytes in base64.
    ProofHash = "proof-hash", "hash in the proof is not 32 bytes in base64";
    /// Another first line than that of the format.
    ProofHeader = "proof-header", "proof does not begin with c2sp.org/tlog-proof@v1";
    /// An index that is no number below the size of the checkpoint.
    ProofIndex = "proof-index", "index in the proof is no number below the size of its checkpoint";
    /// Another number of hashes than index and size ask for.
    ProofLength = "proof-length", "proof has another number of hashes than its index and size ask for";
    /// More bytes than a proof may have; checked before anything else.
    ProofTooLarge = "proof-too-large", "proof is larger than 12 KiB";
}

/// Reads a decimal number below 2⁶³ without leading zeros.
fn decimal(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let exact = digits && (text.len() == 1 || !text.starts_with('0'));
    text.parse().ok().filter(|number| exact && *number < 1 << 63)
}

/// Reads 32 bytes in base64.
fn hash(text: &str) -> Option<crate::merkle::Hash> {
    use base64ct::Encoding as _;
    let mut buffer = [0; 33];
    let decoded = base64ct::Base64::decode(text, &mut buffer).ok()?;
    decoded.try_into().ok()
}

/// Writes bytes in base64.
fn base64(bytes: &[u8]) -> String {
    use base64ct::Encoding as _;
    base64ct::Base64::encode_string(bytes)
}
