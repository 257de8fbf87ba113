//! The whole log, read once from its file: is it the one that the checkpoint describes, and is the license in it?
//!
//! Nothing is kept of it but the frontier of its tree and the roots of its checkpoints, so that any log fits in
//! memory. Not here: whether each of its documents is genuine, which `verify` tells of one.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::Path;

use chancery_carriers::files::open_document;
use chancery_carriers::output::Progress;
use chancery_carriers::text::shown_path;
use chancery_formats::cose::leaf_hash;
use chancery_formats::id::AuthorityId;
use chancery_formats::log::Record;
use chancery_formats::log::export::MAX_RECORD;
use chancery_formats::merkle::{Frontier, Hash, Head};
use chancery_verifier::{LogKeys, VerifiedCheckpoint, verify_checkpoint};
use serde_json::{Value, json};

use crate::error::CommandError;

/// What the log held.
pub struct Whole {
    /// Where the license is in it.
    pub log_index: u64,
    documents: u64,
    operations: u64,
    checkpoints: u64,
}

impl Whole {
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        vec![
            ("documents", self.documents.to_string()),
            ("operations", self.operations.to_string()),
            ("checkpoints", self.checkpoints.to_string()),
        ]
    }

    pub fn json(&self) -> Value {
        json!({"documents": self.documents, "operations": self.operations, "checkpoints": self.checkpoints})
    }
}

/// Reads a log and compares it with a checkpoint, and with those that it holds itself.
///
/// # Errors
///
/// A refusal for a file that is no log of this authority, is damaged, or does not hold the license; an integrity
/// alarm where its tree is not the one that was signed.
pub fn read(
    path: &Path,
    leaf: Hash,
    checkpoint: &VerifiedCheckpoint,
    authority: AuthorityId,
    keys: &LogKeys<'_>,
) -> Result<Whole, CommandError> {
    let mut log = Log { path, file: BufReader::new(open_document(path)?), record: Vec::new() };
    match log.next()? {
        Some(Record::Start { authority: found, .. }) if found == authority => {}
        Some(Record::Start { .. }) => {
            return Err(log.refuse("log-authority-other", "is the log of another authority"));
        }
        _ => return Err(log.refuse("log-malformed", "is no log")),
    }
    let mut heads = vec![*checkpoint.head()];
    let (mut tree, mut found) = (Frontier::new(), None);
    let (mut operations, mut checkpoints) = (0, 0);
    let mut progress = Progress::new("reading documents");
    loop {
        let malformed = || refuse(path, "log-malformed", "has a record that is out of order");
        match log.next()? {
            Some(Record::Checkpoint { note }) if tree.size() == 0 => {
                let verified = verify_checkpoint(note.as_bytes(), authority, keys).map_err(|refusal| {
                    refuse(path, refusal.code(), "holds a checkpoint that is not to be believed")
                })?;
                heads.push(*verified.head());
                checkpoints += 1;
            }
            Some(Record::Leaf { index, protected, payload, .. })
                if index == tree.size() && operations == 0 =>
            {
                let hash = leaf_hash(protected, payload);
                found = found.or((hash == leaf).then_some(index));
                tree.push(hash);
                compare(path, &mut heads, &tree)?;
                progress.update(tree.size(), checkpoint.head().size.max(tree.size()));
            }
            Some(Record::Operation(operation)) if operation.id == operations => operations += 1,
            Some(Record::End { leaves, operations: uses, checkpoints: notes }) => {
                if (leaves, uses, notes) != (tree.size(), operations, checkpoints) || !log.is_at_end()? {
                    return Err(malformed());
                }
                break;
            }
            _ => return Err(malformed()),
        }
    }
    drop(progress);
    if heads.iter().any(|head| head.size > 0) {
        return Err(alarm(path, "log-older", "has fewer documents than were signed"));
    }
    let log_index = found.filter(|index| *index < checkpoint.head().size);
    let log_index =
        log_index.ok_or_else(|| refuse(path, "proof-not-included", "does not hold the license"))?;
    Ok(Whole { log_index, documents: tree.size(), operations, checkpoints })
}

/// Compares the tree with every head of its size, and takes those off that agree.
fn compare(path: &Path, heads: &mut Vec<Head>, tree: &Frontier) -> Result<(), CommandError> {
    if heads.iter().all(|head| head.size != tree.size()) {
        return Ok(());
    }
    let root = tree.root();
    if heads.iter().any(|head| head.size == tree.size() && head.root != root) {
        return Err(alarm(path, "log-forked", "is not the log that was signed"));
    }
    heads.retain(|head| head.size != tree.size());
    Ok(())
}

/// The file, record by record.
struct Log<'p> {
    path: &'p Path,
    file: BufReader<File>,
    record: Vec<u8>,
}

impl Log<'_> {
    /// Reads the next record; none where the file ends before a last one.
    fn next(&mut self) -> Result<Option<Record<'_>>, CommandError> {
        let mut length = [0; 4];
        if !self.fill(|file| file.read_exact(&mut length))? {
            return Ok(None);
        }
        let length = usize::try_from(u32::from_be_bytes(length)).ok().filter(|length| *length <= MAX_RECORD);
        let Some(length) = length else {
            return Err(self.refuse("log-malformed", "has a record that is too large"));
        };
        let mut record = std::mem::take(&mut self.record);
        record.resize(length, 0);
        let whole = self.fill(|file| file.read_exact(&mut record))?;
        self.record = record;
        if !whole {
            return Ok(None);
        }
        Record::decode(&self.record).map(Some).map_err(|error| {
            refuse(self.path, "log-malformed", "has a record that is malformed").cause(error.to_string())
        })
    }

    fn is_at_end(&mut self) -> Result<bool, CommandError> {
        let mut byte = [0; 1];
        Ok(!self.fill(|file| file.read_exact(&mut byte))?)
    }

    /// Reads, and returns whether the file had that much.
    fn fill(
        &mut self,
        read: impl FnOnce(&mut BufReader<File>) -> std::io::Result<()>,
    ) -> Result<bool, CommandError> {
        match read(&mut self.file) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => {
                Err(CommandError::failed("file-failed", format!("cannot read {}", shown_path(self.path)))
                    .cause(error.to_string())
                    .hint("copy the file again"))
            }
        }
    }

    fn refuse(&self, code: &'static str, what: &str) -> CommandError {
        refuse(self.path, code, what)
    }
}

fn refuse(path: &Path, code: &'static str, what: &str) -> CommandError {
    CommandError::refused(code, format!("{} {what}", shown_path(path)))
        .hint("check that it is the right file, and that it was copied whole")
}

fn alarm(path: &Path, code: &'static str, what: &str) -> CommandError {
    CommandError::alarm(code, format!("{} {what}", shown_path(path)))
        .hint("stop, keep the files, and ask the vendor over another channel")
}
