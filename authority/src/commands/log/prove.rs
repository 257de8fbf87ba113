//! `chancery log prove`: that one document is in the log, with a checkpoint.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use chancery_carriers::files;
use chancery_formats::id::LicenseId;
use chancery_formats::log::proof;
use serde_json::json;

use super::no_checkpoint;
use crate::commands::Context;
use crate::error::CommandError;
use crate::log::LogTree;
use crate::log::shown::require_continued;
use crate::repository::{CheckpointRecord, Repository};

/// Prove that a document is in the log
///
/// The proof holds the newest checkpoint, or that of --size, and the path from the document to its root. Whoever
/// has the document and the log's public key can check it: `chancery-site audit`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    chancery log prove lic_0123456789ABCDEFGHJKMNPQRS -o pump.tlog-proof\n  \
    chancery log prove 41 --size 1000 -o pump.tlog-proof")]
pub struct ProveArgs {
    /// License, or the log index of any document
    #[arg(value_name = "LICENSE|INDEX")]
    pub document: Document,
    /// Size of the checkpoint to prove it under; the newest one where none is named
    #[arg(long, value_name = "N")]
    pub size: Option<u64>,
    /// Proof to create; never overwritten
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
}

/// What names a document of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// Its place in the log.
    Index(u64),
    /// A license.
    License(LicenseId),
    /// Text that is neither.
    Neither(String),
}

impl FromStr for Document {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match (text.parse(), text.parse()) {
            (Ok(index), _) => Self::Index(index),
            (_, Ok(license)) => Self::License(license),
            _ => Self::Neither(text.to_owned()),
        })
    }
}

impl Document {
    fn log_index(&self, repository: &Repository) -> Result<u64, CommandError> {
        match self {
            Self::Index(index) => Ok(*index),
            Self::License(license) => Ok(repository.license(*license)?.log_index),
            Self::Neither(text) => Err(CommandError::usage(format!("{text} is no license and no log index"))
                .hint("list licenses with `chancery license list`")),
        }
    }
}

/// Writes a proof.
///
/// # Errors
///
/// `checkpoint-none`, `checkpoint-older` for a document that the checkpoint does not cover; an integrity alarm
/// where the log is not the one that was signed; what the file and the printer refuse.
pub fn run(args: &ProveArgs, context: &Context) -> Result<(), CommandError> {
    let output = files::create_new(&args.output)?;
    let (index, checkpoint, text) = context.read(|repository| {
        let index = args.document.log_index(repository)?;
        let checkpoint = match args.size {
            Some(size) => repository.checkpoint(size)?,
            None => repository.newest_checkpoint()?,
        };
        let checkpoint = checkpoint.ok_or_else(no_checkpoint)?;
        let text = prove(repository, index, &checkpoint)?;
        Ok((index, checkpoint, text))
    })?;
    output.commit(text.as_bytes())?;
    let mut printer = context.printer();
    printer.line(format_args!(
        "Proved that document {index} is in the log of {} documents",
        checkpoint.tree_size
    ))?;
    printer.fields(&[("file", args.output.display().to_string())])?;
    Ok(printer.json(&json!({"log_index": index, "size": checkpoint.tree_size, "file": args.output}))?)
}

fn prove(repository: &Repository, index: u64, checkpoint: &CheckpointRecord) -> Result<String, CommandError> {
    // What is handed out leads to a root that was signed, or not at all.
    require_continued(repository, checkpoint.note.as_bytes())?;
    let tree = LogTree::open(repository)?;
    if index >= tree.size() {
        let message = format!("the log has no document {index}");
        return Err(CommandError::failed("document-unknown", message)
            .hint("list licenses with `chancery license list`"));
    }
    if index >= checkpoint.tree_size {
        let message = format!("document {index} is newer than the checkpoint of {}", checkpoint.tree_size);
        return Err(CommandError::failed("checkpoint-older", message)
            .hint("make a new one with `chancery log checkpoint`"));
    }
    Ok(proof::encode(index, &tree.inclusion(index, checkpoint.tree_size)?, &checkpoint.note))
}
