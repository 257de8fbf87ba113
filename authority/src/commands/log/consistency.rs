//! `chancery log consistency`: that the log which was signed later is the one that was signed earlier.

use std::path::PathBuf;

use chancery_formats::merkle::Hash;
use chancery_verifier::VerifiedCheckpoint;
use serde_json::json;

use super::{no_checkpoint, read_note, root};
use crate::commands::Context;
use crate::error::CommandError;
use crate::log::LogTree;
use crate::log::shown::require_continued;

/// Prove that the log of one checkpoint goes on in that of another
///
/// Nothing that the older one covers was changed or removed. A log here that is older than a checkpoint, or is
/// another, is an integrity alarm.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery log consistency january.checkpoint\n  \
    chancery log consistency january.checkpoint february.checkpoint --json")]
pub struct ConsistencyArgs {
    /// Older checkpoint
    #[arg(value_name = "OLD-CHECKPOINT")]
    pub old: PathBuf,
    /// Newer checkpoint; the newest that is kept here where none is named
    #[arg(value_name = "NEW-CHECKPOINT")]
    pub new: Option<PathBuf>,
}

/// Proves consistency.
///
/// # Errors
///
/// A refusal for files that are no checkpoints of this log, or in the wrong order; an integrity alarm where the
/// log contradicts one of them.
pub fn run(args: &ConsistencyArgs, context: &Context) -> Result<(), CommandError> {
    let old = read_note(&args.old)?;
    let new = args.new.as_deref().map(read_note).transpose()?;
    let (old, new, proof) = context.read(|repository| {
        let old = require_continued(repository, &old)?;
        let new = match &new {
            Some(new) => require_continued(repository, new)?,
            None => {
                let newest = repository.newest_checkpoint()?.ok_or_else(no_checkpoint)?;
                require_continued(repository, newest.note.as_bytes())?
            }
        };
        let proof = prove(&LogTree::open(repository)?, &old, &new)?;
        Ok((old, new, proof))
    })?;
    let mut printer = context.printer();
    printer.line(format_args!(
        "The log of {} documents is that of {}, with {} appended",
        new.head().size,
        old.head().size,
        new.head().size - old.head().size
    ))?;
    printer.fields(&[
        ("old root", root(old.head())),
        ("new root", root(new.head())),
        ("proof", format!("{} hashes", proof.len())),
    ])?;
    let hashes: Vec<String> =
        proof.iter().map(|hash| hash.iter().map(|byte| format!("{byte:02x}")).collect()).collect();
    Ok(printer.json(&json!({
        "old": {"size": old.head().size, "root": root(old.head())},
        "new": {"size": new.head().size, "root": root(new.head())},
        "proof": hashes,
    }))?)
}

fn prove(
    tree: &LogTree<'_>,
    old: &VerifiedCheckpoint,
    new: &VerifiedCheckpoint,
) -> Result<Vec<Hash>, CommandError> {
    let (from, to) = (old.head().size, new.head().size);
    if from > to {
        let message = format!("the checkpoint of {from} documents is newer than that of {to}");
        return Err(CommandError::refused("checkpoint-order", message).hint("name the older one first"));
    }
    let proof = tree.consistency(from, to)?;
    // As everybody else checks it, before it is handed out.
    new.extends(old, proof.as_flattened()).map_err(|refusal| {
        CommandError::alarm(
            refusal.code(),
            "the log gives no proof that one checkpoint follows from the other",
        )
        .cause(refusal.to_string())
        .hint("run `chancery log verify`; stop issuing, and call the auditor")
    })?;
    Ok(proof)
}
