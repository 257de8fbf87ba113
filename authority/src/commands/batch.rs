//! `chancery batch`: many licenses under one signature, their witness, and their files.

use chancery_formats::seal::Signer;
use serde_json::{Value, json};

use super::Context;
use crate::error::CommandError;
use crate::log::sealed::statement_of;
use crate::output;
use crate::repository::{BatchRecord, Repository};
use crate::workflow::batch;

pub mod complete;
pub mod export;
pub mod issue;
pub mod list;
pub mod request;
pub mod show;

/// Issue many licenses under one signature, have them witnessed, and write their files
#[derive(Debug, clap::Subcommand)]
pub enum BatchCommand {
    Issue(issue::IssueArgs),
    List(list::ListArgs),
    Show(show::ShowArgs),
    Request(request::RequestArgs),
    Complete(complete::CompleteArgs),
    Export(export::ExportArgs),
}

/// Runs a command of `chancery batch`.
///
/// # Errors
///
/// What the workflow, files and the printer refuse.
pub fn run(command: &BatchCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        BatchCommand::Issue(args) => issue::run(args, context),
        BatchCommand::List(_) => list::run(context),
        BatchCommand::Show(args) => show::run(args, context),
        BatchCommand::Request(args) => request::run(args, context),
        BatchCommand::Complete(args) => complete::run(args, context),
        BatchCommand::Export(args) => export::run(args, context),
    }
}

/// Says in words whether a batch is sealed, and whom it waits for.
fn state(repository: &Repository, record: &BatchRecord) -> Result<String, CommandError> {
    let missing = batch::missing(repository, record)?;
    Ok(match record.sealed_at {
        Some(at) => format!("sealed {}", output::time(at)),
        None if missing.is_empty() => "signed, and not sealed: run `chancery batch issue` again".to_owned(),
        None => format!("waits for {}", waiting_for(&missing)),
    })
}

/// Returns a batch as JSON.
fn describe(repository: &Repository, record: &BatchRecord) -> Result<Value, CommandError> {
    let statement = statement_of(record)?;
    let missing = batch::missing(repository, record)?;
    let signers = statement.signers.iter().map(|signer| {
        json!({
            "role": signer.role.name(),
            "kid": signer.thumbprint.key_id().to_string(),
            "signed": !missing.contains(signer),
        })
    });
    Ok(json!({
        "batch": record.first_index,
        "licenses": record.leaf_count,
        "made_at": output::time_json(record.made_at),
        "sealed_at": record.sealed_at.map(output::time_json),
        "batch_root": hex(&statement.root),
        "root_version": statement.root_version,
        "input_hash": record.input_hash.map(|hash| hex(&hash)),
        "signers": signers.collect::<Vec<_>>(),
    }))
}

fn waiting_for(missing: &[Signer]) -> String {
    missing.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn name(signer: &Signer) -> String {
    format!("{} key {}", signer.role.name(), signer.thumbprint.key_id())
}

fn hex(hash: &[u8; 32]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}
