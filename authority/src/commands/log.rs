//! `chancery log`: the log as a tree, for whoever must believe it.

use std::path::Path;

use chancery_carriers::files::read_document;
use chancery_formats::log::note::MAX_NOTE;
use chancery_formats::merkle::Head;

use super::Context;
use crate::error::CommandError;

pub mod checkpoint;
pub mod consistency;
pub mod cosign;
pub mod export;
pub mod prove;
pub mod reconcile;
pub mod verify;

/// Sign, prove, check, export and reconcile the log
#[derive(Debug, clap::Subcommand)]
pub enum LogCommand {
    Checkpoint(checkpoint::CheckpointArgs),
    Cosign(cosign::CosignArgs),
    Prove(prove::ProveArgs),
    Consistency(consistency::ConsistencyArgs),
    Verify(verify::VerifyArgs),
    Export(export::ExportArgs),
    Reconcile(reconcile::ReconcileArgs),
}

/// Runs a command of `chancery log`.
///
/// # Errors
///
/// What the workflow and the printer refuse.
pub fn run(command: &LogCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        LogCommand::Checkpoint(args) => checkpoint::run(args, context),
        LogCommand::Cosign(args) => cosign::run(args, context),
        LogCommand::Prove(args) => prove::run(args, context),
        LogCommand::Consistency(args) => consistency::run(args, context),
        LogCommand::Verify(args) => verify::run(args, context),
        LogCommand::Export(args) => export::run(args, context),
        LogCommand::Reconcile(args) => reconcile::run(args, context),
    }
}

/// Reads the file of a checkpoint.
fn read_note(path: &Path) -> Result<Vec<u8>, CommandError> {
    Ok(read_document(path, MAX_NOTE as u64)?)
}

/// Returns a root hash as people and JSON see it.
fn root(head: &Head) -> String {
    head.root.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Says that the log has no checkpoint that was asked for.
fn no_checkpoint() -> CommandError {
    CommandError::failed("checkpoint-none", "the log has no such checkpoint")
        .hint("make one with `chancery log checkpoint`")
}
