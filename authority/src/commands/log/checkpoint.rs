//! `chancery log checkpoint`: size and root of the log, signed.

use std::path::PathBuf;

use chancery_carriers::files;
use chancery_formats::log::Checkpoint;
use chancery_formats::log::note::MAX_NOTE;
use serde_json::json;

use super::root;
use crate::commands::Context;
use crate::error::CommandError;
use crate::output;
use crate::workflow::checkpoint;

/// Sign size and root of the log
///
/// Keep checkpoints where this machine cannot reach them: a log that is older or other than one of them is
/// found out. A log that did not grow gives the same checkpoint again.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Examples:\n  chancery log checkpoint\n  chancery log checkpoint -o today.checkpoint"
)]
pub struct CheckpointArgs {
    /// File to write the checkpoint to as well; never overwritten
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Makes a checkpoint.
///
/// # Errors
///
/// What the workflow, the file and the printer refuse.
pub fn run(args: &CheckpointArgs, context: &Context) -> Result<(), CommandError> {
    let now = context.now()?;
    let mut repository = context.repository()?;
    let output = args.output.as_deref().map(files::create_new).transpose()?;
    if let Some(output) = &output {
        output.reserve(MAX_NOTE as u64)?;
    }
    let made = checkpoint::make(&mut repository, &mut context.pins()?, now)?;
    let note = &made.record.note;
    if let Some(output) = output {
        output.commit(note.as_bytes())?;
    }
    let head = Checkpoint::decode(note.as_bytes())
        .map_err(|error| CommandError::alarm(error.code(), "the checkpoint that is kept is malformed"))?
        .head;
    let mut printer = context.printer();
    printer.line(if made.known {
        format!("The log has not grown; its checkpoint of {} documents stands", head.size)
    } else {
        format!("Signed the checkpoint of {} documents", head.size)
    })?;
    let mut fields = vec![
        ("size", head.size.to_string()),
        ("root", root(&head)),
        ("made", output::time(made.record.made_at)),
    ];
    fields.extend(args.output.as_ref().map(|path| ("file", path.display().to_string())));
    printer.fields(&fields)?;
    Ok(printer.json(&json!({
        "size": head.size,
        "root": root(&head),
        "made_at": output::time_json(made.record.made_at),
        "known_before": made.known,
        "note": note,
        "file": args.output,
    }))?)
}
