//! `chancery batch complete`: what a witness answered.

use std::path::PathBuf;

use chancery_carriers::files::read_document;
use chancery_formats::document::MAX_WITNESS;
use serde_json::json;

use crate::commands::Context;
use crate::error::CommandError;
use crate::workflow::witness::complete::{CompletedBatch, complete};

/// Take the answer of a witness in
///
/// Checks its signatures and keeps them. Once every signer of a batch has signed, it is judged as a product
/// would, and all of its licenses stand at once. The same answer again changes nothing.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  chancery batch complete answer-120.cwit")]
pub struct CompleteArgs {
    /// Exchange file that the witness wrote
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Takes the answer in.
///
/// # Errors
///
/// What the file, the workflow and the printer refuse.
pub fn run(args: &CompleteArgs, context: &Context) -> Result<(), CommandError> {
    let bytes = read_document(&args.file, MAX_WITNESS as u64)?;
    let now = context.now()?;
    let mut repository = context.repository()?;
    let completed = complete(&mut repository, &bytes, now)?;
    let mut printer = context.printer();
    if let Some(batch) = &completed.batch {
        printer.line(told(batch))?;
    }
    if let Some(size) = completed.checkpoint {
        printer.line(format_args!("The checkpoint of {size} documents is cosigned"))?;
    }
    printer.fields(&[("witness", completed.witness.key_id().to_string())])?;
    let batch = completed.batch.as_ref().map(|batch| {
        let missing = batch.missing.iter();
        json!({
            "first_index": batch.first_index,
            "licenses": batch.documents,
            "missing": missing.map(|signer| signer.thumbprint.key_id().to_string()).collect::<Vec<_>>(),
            "complete": batch.missing.is_empty(),
            "known_before": batch.known,
        })
    });
    Ok(printer.json(&json!({
        "witness": completed.witness.key_id().to_string(),
        "batch": batch,
        "checkpoint": completed.checkpoint,
    }))?)
}

fn told(batch: &CompletedBatch) -> String {
    let licenses =
        if batch.documents == 1 { "1 license".to_owned() } else { format!("{} licenses", batch.documents) };
    match batch.missing.as_slice() {
        [] if batch.known => format!("The batch at {} was complete before", batch.first_index),
        [] => format!("The batch at {} is complete: {licenses}", batch.first_index),
        missing => {
            let kids: Vec<_> = missing.iter().map(|signer| signer.thumbprint.key_id().to_string()).collect();
            format!("The batch at {} waits for {}", batch.first_index, kids.join(", "))
        }
    }
}
